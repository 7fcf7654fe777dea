"""Kubernetes' programs, built once from Debian's source package and kept in the cache."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from native import apt_sources, cache
from native.packages import KUBERNETES_BUILD_PACKAGES, ensure_packages
from native.processes import new_log, run_logged
from native.terminal import Fault, say, step

VERSION = "1.20.2"
CODENAME = "bookworm"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
USUAL_BUILD_SECONDS = 350
NEEDED_DISK_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class SourceEdit:
    """A change of the source that must fit exactly once, so that it cannot get lost unnoticed."""

    path: str
    old: str
    new: str


SOURCE_EDITS = (
    # Volumes of the development-only provisioner belong to root; a database that runs as another user must write there.
    SourceEdit(
        path="pkg/volume/hostpath/host_path.go",
        old="os.MkdirAll(pv.Spec.HostPath.Path, 0750)",
        new="os.MkdirAll(pv.Spec.HostPath.Path, 0777)",
    ),
    # A deleted pod is gone only with the kubelet's next round; every ten seconds made tests wait, and nothing else of
    # the kubelet depends on it.
    SourceEdit(
        path="pkg/kubelet/status/status_manager.go",
        old="const syncPeriod = 10 * time.Second",
        new="const syncPeriod = 1 * time.Second",
    ),
    # A regression of 1.20 (its issue 97288), which later releases do not have: a deleted pod stayed until its sandbox
    # was collected. For a pod that never got a container, because its image is missing, that took up to a minute.
    SourceEdit(
        path="pkg/kubelet/kubelet_pods.go",
        old="if len(runtimeStatus.SandboxStatuses) > 0 {",
        new="if false {",
    ),
    # Since Go 1.17 or so this comparison of two reflect.Values is true for every zero value: the API server would
    # refuse an empty text in a custom resource as "null". Later releases of the package compare with nil alone.
    SourceEdit(
        path="vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go",
        old="if data == nil || reflect.DeepEqual(reflect.Zero(reflect.TypeOf(data)), reflect.ValueOf(data)) {",
        new="if data == nil {",
    ),
)
# The vendored release of this package reads the Go runtime's memory in a way that Go 1.18 and later do not allow: the
# API server would die on the first custom resource. Debian's newer release of it is put in its place.
REPLACED_FOLDER = "vendor/github.com/modern-go/reflect2"
REPLACEMENT = Path("/usr/share/gocode/src/github.com/modern-go/reflect2")


def recipe() -> list[str]:
    """Everything that decides what comes out, for the name of the cache entry."""
    edits = [part for edit in SOURCE_EDITS for part in (edit.path, edit.old, edit.new)]
    return ["recipe 1", platform.machine(), *PROGRAMS, REPLACED_FOLDER, str(REPLACEMENT), *edits]


def binaries_folder() -> Path:
    """Where the built programs are, or will be."""
    return cache.cache_home() / "kubernetes" / cache.recipe_key(VERSION, recipe())


def is_built() -> bool:
    """Whether the cache has the programs; entries come into it in one step, so a folder is a complete one."""
    return binaries_folder().is_dir()


def ensure_built(*, logs: Path) -> Path:
    """Return the folder of the programs, building them first when the cache lacks them."""
    target = binaries_folder()
    if is_built():
        return target
    with step(f"Kubernetes {VERSION} is built from Debian's source package: about 6 minutes, once per machine"):
        codename = apt_sources.operating_system().get("VERSION_CODENAME")
        if codename != CODENAME:
            raise Fault(f"Kubernetes {VERSION} is only in Debian {CODENAME}, not in {codename or 'this system'}")
        # Not in a tmpfs folder: sources and objects take 3 GB.
        with cache.new_entry(target) as partial:
            if target.is_dir():
                return target
            check_disk_space(partial)
            log = new_log(logs / "kubernetes-build.log")
            ensure_packages(KUBERNETES_BUILD_PACKAGES, log=log)
            # Beside the entry, not in it: the entry is to hold the programs only.
            work = partial.with_name(f"{partial.name}-work")
            work.mkdir()
            try:
                tree = fetch_source(work, log=log)
                prepare_source(tree)
                compile_programs(tree, destination=partial, log=log)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


def check_disk_space(folder: Path) -> None:
    """Say that the disk is too small before the compiler finds out."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < NEEDED_DISK_BYTES:
        raise Fault(
            f"building Kubernetes needs {NEEDED_DISK_BYTES / 1024**3:.0f} GiB below {folder.parent}, "
            f"only {free_bytes / 1024**3:.1f} GiB are free"
        )


def fetch_source(work: Path, *, log: Path) -> Path:
    """Download and unpack the source package with an apt configuration of our own."""
    sources = apt_sources.debian_sources(apt_sources.configured_sources(), CODENAME)
    if not sources:
        raise Fault(
            f"no entry for Debian {CODENAME} main was found in /etc/apt: there is nowhere to get the source from"
        )
    apt_folder = work / "apt"
    options = apt_sources.private_apt_options(apt_folder)
    (apt_folder / "sources" / "source.sources").write_text(apt_sources.render_deb822(sources, kind="deb-src"))
    say("    fetching the source package (35 MB)")
    run_logged(["apt-get", *options, "update"], title="apt-get update", log=log, usual_seconds=10)
    run_logged(
        ["apt-get", *options, "source", "--download-only", f"kubernetes/{CODENAME}"],
        title="fetching the source",
        log=log,
        usual_seconds=10,
        folder=work,
    )
    descriptions = list(work.glob("kubernetes_*.dsc"))
    # Debian's version is "1.20.5+really1.20.2-…": a step back that must not look like one.
    if len(descriptions) != 1 or f"{VERSION}-" not in descriptions[0].name:
        raise Fault(f"expected the source of Kubernetes {VERSION}, got {[path.name for path in descriptions]}")
    tree = work / "kubernetes"
    run_logged(
        ["dpkg-source", "--extract", descriptions[0], tree], title="unpacking the source", log=log, usual_seconds=10
    )
    return tree


def prepare_source(tree: Path) -> None:
    """Make the few changes that the source needs."""
    # Emptied first: files of both releases together would define the same symbols twice.
    shutil.rmtree(tree / REPLACED_FOLDER)
    shutil.copytree(REPLACEMENT, tree / REPLACED_FOLDER)
    for edit in SOURCE_EDITS:
        path = tree / edit.path
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise Fault(f"{edit.path}: expected {edit.old!r} exactly once; is this the source of Kubernetes {VERSION}?")
        path.write_text(text.replace(edit.old, edit.new))


def compile_programs(tree: Path, *, destination: Path, log: Path) -> None:
    """Run the tree's own Makefile and copy the programs."""
    go_path = tree / ".go"
    (go_path / "src" / "k8s.io").mkdir(parents=True)
    (go_path / "src" / "k8s.io" / "kubernetes").symlink_to("../../..")
    temporary = tree.parent / "temporary"
    temporary.mkdir()
    wanted = " ".join(f"cmd/{program}" for program in PROGRAMS)
    run_logged(
        ["make", f"WHAT={wanted}"],
        title="compiling Kubernetes",
        log=log,
        usual_seconds=USUAL_BUILD_SECONDS,
        folder=tree,
        environment={
            "GOPATH": str(go_path),
            # The compiler's cache grows to 2 GB and would outlive the build in the user's home.
            "GOCACHE": str(tree.parent / "go-build"),
            "GOTMPDIR": str(temporary),
            "GOFLAGS": "",
            "GO111MODULE": "off",
            "CGO_ENABLED": "0",
            "KUBE_GIT_VERSION": f"v{VERSION}",
        },
    )
    output = tree / "_output" / "local" / "bin" / "linux" / go_architecture()
    for program in PROGRAMS:
        shutil.copy2(output / program, destination / program)


def go_architecture() -> str:
    """Go's name for this machine's processor."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
