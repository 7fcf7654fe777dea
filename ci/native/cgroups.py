"""Control groups: the one list of the cluster's processes that cannot be wrong.

Every daemon is put into a group before it starts, and the kubelet keeps the pods' groups below the same one. So
`down` finds every process, shims and containers too, whatever files were lost and whoever was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from native.terminal import Fault

MOUNT_POINT = Path("/sys/fs/cgroup")
NEEDED_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids")


def hierarchies(mount_point: Path = MOUNT_POINT) -> list[Path]:
    """Every mounted hierarchy: one for cgroup v2; for v1 the folders of the controllers (joint ones are links)."""
    if (mount_point / "cgroup.controllers").exists():
        return [mount_point]
    if not mount_point.is_dir():
        return []
    return sorted(
        entry for entry in mount_point.iterdir() if not entry.is_symlink() and (entry / "cgroup.procs").exists()
    )


def missing_controllers(mount_point: Path = MOUNT_POINT) -> list[str]:
    """The controllers that the kubelet needs and that this machine has not mounted."""
    unified = mount_point / "cgroup.controllers"
    if unified.exists():
        # Version 2 has no controllers of these names for devices and freezing: both are built in.
        present = {*unified.read_text().split(), "cpuacct", "devices", "freezer"}
    else:
        present = {entry.name for entry in mount_point.iterdir()} if mount_point.is_dir() else set()
    return [name for name in NEEDED_CONTROLLERS if name not in present]


def with_all_below(root: Path) -> list[Path]:
    """A group and all groups below it, each before its own subgroups; nothing when the group does not exist."""
    return [Path(folder) for folder, _, _ in os.walk(root)]


@dataclass(frozen=True)
class ControlGroup:
    """The cluster's group, in every hierarchy, with the daemons in a subgroup and the kubelet's pods in others."""

    name: str
    mount_point: Path = MOUNT_POINT

    @cached_property
    def _roots(self) -> list[Path]:
        return [hierarchy / self.name for hierarchy in hierarchies(self.mount_point)]

    def create(self) -> None:
        """Make the group in every hierarchy: the kubelet refuses a root that any of them lacks."""
        for root in self._roots:
            (root / "daemons").mkdir(parents=True, exist_ok=True)
            self._inherit_cpuset(root)
        if not self._roots:
            raise Fault(f"no control groups are mounted at {self.mount_point}")

    @staticmethod
    def _inherit_cpuset(root: Path) -> None:
        # A new cpuset of version 1 is empty, and no process can enter an empty one.
        for folder in (root, root / "daemons"):
            for name in ("cpuset.cpus", "cpuset.mems"):
                own, parents = folder / name, folder.parent / name
                # The root of version 2 has no such file, and there an empty one means "as the parent".
                if own.exists() and parents.exists() and not own.read_text().strip():
                    own.write_text(parents.read_text())

    def add(self, process_id: int) -> None:
        """Make a process a member; what it starts later is a member too."""
        for root in self._roots:
            (root / "daemons" / "cgroup.procs").write_text(str(process_id))

    def process_ids(self) -> set[int]:
        """Every living member in any hierarchy, in the group and in all groups below it."""
        found: set[int] = set()
        for root in self._roots:
            for folder in with_all_below(root):
                # A pod's group can vanish while it is being read.
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        # A process of another PID namespace shows up as 0.
        return {process_id for process_id in found if process_id > 0 and process_id != os.getpid()}

    def kill_all(self, *, timeout_seconds: float = 30.0) -> int:
        """Kill the members until none is left, since a living one may start others meanwhile; how many were killed."""
        deadline = time.monotonic() + timeout_seconds
        killed: set[int] = set()
        while members := self.process_ids():
            for process_id in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)
            killed |= members
            if time.monotonic() > deadline:
                raise Fault(f"these processes of {self.name} do not end although they were killed: {sorted(members)}")
            time.sleep(0.05)
        return len(killed)

    def remove(self, *, timeout_seconds: float = 10.0) -> None:
        """Remove the group and all groups below it; they must be empty of processes."""
        for root in self._roots:
            # The deepest first: a group with groups below it cannot be removed.
            for folder in reversed(with_all_below(root)):
                self._remove_folder(folder, timeout_seconds=timeout_seconds)

    @staticmethod
    def _remove_folder(folder: Path, *, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                folder.rmdir()
            except FileNotFoundError:
                return
            except OSError as error:
                # The kernel lets go of a group a moment after its last process has ended.
                if time.monotonic() > deadline:
                    raise Fault(f"the control group {folder} cannot be removed: {error}") from error
                time.sleep(0.05)
