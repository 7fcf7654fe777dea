"""A mount namespace for the node's processes, so that nothing they mount is ever seen, or left, on the machine.

Kubernetes and containerd have paths that cannot be configured (`/var/log/pods`, `/run/containerd`, …). In the
namespace each of them is a folder of the instance's state. Container root file systems, volumes and network
namespaces are mounted in there too, and all of it vanishes with the last process.
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from native.cgroups import ControlGroup
from native.instance import Instance
from native.processes import Daemon, DaemonFolder
from native.terminal import Fault

PRIVATE_FOLDERS = (
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
HOLDER = "mount-namespace"


def private_copy(instance: Instance, folder: str) -> Path:
    """The folder of the state that stands for a fixed path inside the namespace."""
    return instance.state / "private" / folder.strip("/").replace("/", "-")


def folders_to_make() -> list[str]:
    """Fixed paths that the machine lacks; something must be there for a mount to cover."""
    missing: list[str] = []
    for folder in PRIVATE_FOLDERS:
        path = Path(folder)
        missing.extend(str(parent) for parent in reversed([path, *path.parents]) if not parent.exists())
    return list(dict.fromkeys(missing))


def remove_made_folders(folders: list[str]) -> None:
    """Remove the covered folders that were made for the purpose, if nobody uses them by now."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def holder(instance: Instance) -> Daemon:
    """The process that makes the namespace and keeps it while others come and go."""
    commands = ["set -e"]
    for folder in PRIVATE_FOLDERS:
        copy = private_copy(instance, folder)
        commands.append(f"mkdir -p {folder} {shlex.quote(str(copy))}")
        commands.append(f"mount --no-mtab --bind {shlex.quote(str(copy))} {folder}")
    commands.append("exec sleep infinity")
    # "slave": what the machine mounts later is seen inside, but nothing gets out.
    unshare = ("unshare", "--mount", "--propagation", "slave", "--")
    return Daemon(name=HOLDER, arguments=(*unshare, "/bin/sh", "-c", "; ".join(commands)))


def namespace_of(process_id: int) -> str:
    """The mount namespace's name as the kernel gives it; empty when the process does not live."""
    try:
        return str(Path(f"/proc/{process_id}/ns/mnt").readlink())
    except OSError:
        return ""


def is_complete(process_id: int) -> bool:
    """Whether the process is in a namespace in which all the private folders are mounted."""
    try:
        lines = Path(f"/proc/{process_id}/mountinfo").read_text().splitlines()
    except OSError:
        return False
    mounted = {line.split()[4] for line in lines}
    return mounted.issuperset(PRIVATE_FOLDERS)


def surviving_member(cgroup: ControlGroup, *, remembered: str) -> int | None:
    """A process of the node that still is in the remembered namespace, which the next ones have to join.

    Only the kubelet, containerd and shims qualify: a container is in a namespace of its own, with another name.
    """
    for process_id in sorted(cgroup.process_ids()):
        if remembered and namespace_of(process_id) == remembered and is_complete(process_id):
            return process_id
    return None


def ensure_namespace(instance: Instance, *, daemons: DaemonFolder, cgroup: ControlGroup) -> tuple[str, ...]:
    """Return the program that starts another one inside the namespace, making the namespace when there is none.

    After a kill of the holder alone the namespace lives on in the others, and containerd's mounts are in it: a new
    one beside it would leave the kubelet and containerd with different views.
    """
    memory = instance.state / "mount-namespace"
    remembered = memory.read_text() if memory.exists() else ""
    member = surviving_member(cgroup, remembered=remembered)
    if member is None:
        daemons.stop(HOLDER)
        daemons.ensure(holder(instance))

        def made() -> bool:
            process_id = daemons.process_id(HOLDER)
            return process_id is not None and is_complete(process_id)

        daemons.wait_until(made, name=HOLDER, timeout_seconds=10)
        member = daemons.process_id(HOLDER)
        if member is None:
            raise Fault("the process that holds the mount namespace ended at once")
        memory.write_text(namespace_of(member))
    enter = ("nsenter", f"--mount=/proc/{member}/ns/mnt", "--")
    if daemons.process_id(HOLDER) is None:
        daemons.ensure(Daemon(name=HOLDER, prefix=enter, arguments=("sleep", "infinity")))
    return enter
