"""The cluster's programs, built once from pinned Go modules and kept in the cache.

`ci/kubernetes/NAME/go.mod` names programs as `tool` dependencies, and its go.sum pins every byte that goes into them.
They are built by the ordinary Go command as it builds any dependency; nothing of their source is in this repository.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from native import cache, go_toolchain
from native.processes import new_log, run_logged
from native.terminal import Fault, step

MODULES = Path(__file__).resolve().parent.parent / "kubernetes"
NEWEST = "1.37"
OLDEST = "1.34"
RELEASES = (NEWEST, OLDEST)
NEEDED_DISK_BYTES = 6 * 1024**3
TOOL_LINE = re.compile(r"^tool (?P<package>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class GoPrograms:
    """The programs of one Go module, and what is linked into them."""

    folder: str
    """Below `ci/kubernetes`."""
    module: str
    title: str
    version_variables: tuple[str, ...] = ()
    """Variables of the programs that have to be given their own version, since the module's source has none in it."""
    usual_seconds: int = 60

    @property
    def source(self) -> Path:
        """The folder with go.mod and go.sum."""
        return MODULES / self.folder

    @cached_property
    def go_mod(self) -> str:
        """The text that names the programs and their release."""
        return (self.source / "go.mod").read_text()

    @property
    def packages(self) -> tuple[str, ...]:
        """Every program's package, as go.mod names it."""
        return tuple(match["package"] for match in TOOL_LINE.finditer(self.go_mod))

    @property
    def version(self) -> str:
        """The release, such as `v1.37.2`."""
        match = re.search(rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)", self.go_mod, re.MULTILINE)
        if match is None:
            raise Fault(f"{self.source / 'go.mod'} does not say which release of {self.module} it wants")
        return match[1]

    @property
    def linker_flags(self) -> str:
        """Flags that link versions in and debugging information out.

        Without its version, every component of Kubernetes would call itself v0.0.0-master, and whoever decides by it
        (Helm's `kubeVersion`, the defaults of feature gates) would decide wrongly.
        """
        major, minor, *_ = self.version.removeprefix("v").split(".")
        known = {"gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        settings = [f"-X {name}={known.get(name.rpartition('.')[2], self.version)}" for name in self.version_variables]
        return " ".join(["-s", "-w", *settings])

    def program_name(self, package: str) -> str:
        """The name under which a package's program is kept: its last part, or `etcd` for `…/etcd/server/v3`."""
        return "etcd" if package.startswith("go.etcd.io/") else package.rpartition("/")[2]

    @property
    def recipe(self) -> list[str]:
        """Everything that decides what comes out, for the name of the cache entry."""
        return ["recipe 1", platform.machine(), self.go_mod, (self.source / "go.sum").read_text(), self.linker_flags]

    @property
    def target(self) -> Path:
        """The folder of the cache in which the programs are, or will be."""
        return cache.cache_home() / self.title / cache.recipe_key(self.version, self.recipe)

    def is_built(self) -> bool:
        """Whether the cache has them; entries come into it in one step, so a folder is a complete one."""
        return self.target.is_dir()


def kubernetes_variables() -> tuple[str, ...]:
    """Where Kubernetes' programs look for their version: the servers at one place, kubectl's user agent at another."""
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(
        f"{package}.{name}" for package in packages for name in ("gitVersion", "gitMajor", "gitMinor", "gitTreeState")
    )


def kubernetes(release: str) -> GoPrograms:
    """Kubernetes' own programs of one of `RELEASES`."""
    return GoPrograms(
        folder=release,
        module="k8s.io/kubernetes",
        title="kubernetes",
        version_variables=kubernetes_variables(),
        usual_seconds=600,
    )


def etcd() -> GoPrograms:
    """The store."""
    return GoPrograms(folder="etcd", module="go.etcd.io/etcd/server/v3", title="etcd", usual_seconds=60)


def containerd() -> GoPrograms:
    """The runtime, its shim, and its command line."""
    return GoPrograms(
        folder="containerd",
        module="github.com/containerd/containerd/v2",
        title="containerd",
        version_variables=("github.com/containerd/containerd/v2/version.Version",),
        usual_seconds=120,
    )


def chosen_release() -> str:
    """The release that the environment variable KUBERNETES asks for, or the newest.

    Raises Fault when it is none of `RELEASES`.
    """
    wanted = os.environ.get("KUBERNETES", "").removeprefix("v") or NEWEST
    if wanted not in RELEASES:
        raise Fault(
            f"KUBERNETES must be one of {', '.join(RELEASES)} (a minor release, without a patch), not {wanted!r}"
        )
    return wanted


@dataclass(frozen=True)
class Programs:
    """Where the programs of a cluster are."""

    kubernetes: Path
    etcd: Path
    containerd: Path


def program_folders(release: str) -> Programs:
    """Where the programs for a release are, or will be."""
    return Programs(kubernetes(release).target, etcd().target, containerd().target)


def ensure_built(release: str, *, logs: Path) -> Programs:
    """Return the folders of all programs of a cluster, building those that the cache lacks."""
    for programs in (etcd(), containerd(), kubernetes(release)):
        build(programs, logs=logs)
    return program_folders(release)


def build(programs: GoPrograms, *, logs: Path) -> None:
    """Build the programs of one module into the cache, unless they are there."""
    if programs.is_built():
        return
    with (
        step(
            f"{programs.title} {programs.version} is built from its Go modules: "
            f"some {programs.usual_seconds // 60} min on two cores, once per machine"
        ),
        cache.new_entry(programs.target) as partial,
    ):
        if programs.is_built():
            return
        check_disk_space(partial)
        # Beside the entry, not in it: the entry is to hold the programs only.
        work = partial.with_name(f"{partial.name}-work")
        work.mkdir()
        try:
            compile_programs(programs, destination=partial, work=work, logs=logs)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def check_disk_space(folder: Path) -> None:
    """Say that the disk is too small before the compiler finds out."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < NEEDED_DISK_BYTES:
        raise Fault(
            f"building the cluster's programs needs {NEEDED_DISK_BYTES / 1024**3:.0f} GiB below {folder.parent}, "
            f"only {free_bytes / 1024**3:.1f} GiB are free"
        )


def compile_programs(programs: GoPrograms, *, destination: Path, work: Path, logs: Path) -> None:
    """Run the Go command; its cache of objects grows to gigabytes and goes when the programs are there."""
    go = go_toolchain.ensure_go(logs=logs)
    log = new_log(logs / f"build-{programs.title}.log")
    environment = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOCACHE": str(work / "objects"),
        # Not in a tmpfs: the linker writes hundreds of megabytes.
        "GOTMPDIR": str(work),
    }
    run_logged(
        [go, "mod", "download"],
        title=f"fetching the modules of {programs.title}",
        log=log,
        usual_seconds=60,
        folder=programs.source,
        environment=environment,
    )
    run_logged(
        [go, "build", "-trimpath", "-ldflags", programs.linker_flags, "-o", f"{work}/programs/", *programs.packages],
        title=f"compiling {programs.title}",
        log=log,
        usual_seconds=programs.usual_seconds,
        folder=programs.source,
        environment=environment,
    )
    for package in programs.packages:
        # The Go command names a program by the last part of its package that is no major version.
        built = work / "programs" / re.sub(r"/v\d+$", "", package).rpartition("/")[2]
        shutil.copy2(built, destination / programs.program_name(package))
