"""The commands for kind are composed rightly; kind itself is played by a script that writes down what it is asked."""

import re
from pathlib import Path

import pytest

from kind.kind_cluster import CONFIGURATION, DEFAULT_KUBERNETES, NAME, NODE_IMAGES, KindCluster
from native.terminal import Fault

SCRIPT = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {calls}
case "$*" in
    "get clusters") echo {clusters} ;;
    *jsonpath*) echo True ;;
esac
"""


class Machine:
    """A machine on which kind, docker and kubectl are scripts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = folder / "calls"
        self.install(clusters="")

    def install(self, *, clusters: str) -> None:
        """Put the scripts there; kind says that it has these clusters."""
        for program in ("kind", "docker", "kubectl"):
            path = self._folder / program
            path.write_text(SCRIPT.format(calls=self._calls, clusters=clusters))
            path.chmod(0o755)

    def calls(self) -> list[str]:
        """What was asked of the programs, in order."""
        return self._calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make a machine whose state folder is a test's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("KUBERNETES", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Machine(tmp_path)


def test_a_first_up_creates_the_cluster_from_the_configuration(machine: Machine) -> None:
    """The node's port mappings are in the configuration, its image is the newest, and up waits for the node."""
    KindCluster().up(only_api=False)
    image = NODE_IMAGES[DEFAULT_KUBERNETES]
    create = f"kind create cluster --name={NAME} --config={CONFIGURATION} --image={image} --wait=120s"
    assert create in machine.calls()
    assert machine.calls()[-1].startswith("kubectl wait --for=condition=Ready nodes")


def test_the_variable_kubernetes_chooses_the_release(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same variable as for the native cluster; one for which kind lists no image is refused before anything is."""
    monkeypatch.setenv("KUBERNETES", "1.34")
    KindCluster().up(only_api=False)
    (create,) = (call for call in machine.calls() if call.startswith("kind create"))
    assert "--image=kindest/node:v1.34." in create
    monkeypatch.setenv("KUBERNETES", "1.20")
    with pytest.raises(Fault, match=r"KUBERNETES=1\.20: kind is used with one of 1\.37, "):
        KindCluster().up(only_api=False)


def test_every_image_of_a_node_is_of_its_release_and_has_a_digest() -> None:
    """As kind's release notes ask for: a tag alone may be built anew for another kind."""
    for release, image in NODE_IMAGES.items():
        assert re.fullmatch(rf"kindest/node:v{re.escape(release)}\.\d+@sha256:[0-9a-f]{{64}}", image)


def test_a_later_up_starts_the_node_that_docker_stopped(machine: Machine) -> None:
    """A cluster that exists is not created again."""
    machine.install(clusters=NAME)
    KindCluster().up(only_api=False)
    assert f"docker start {NAME}-control-plane" in machine.calls()
    assert not [call for call in machine.calls() if call.startswith("kind create")]


def test_images_are_loaded_from_docker_or_from_an_archive(machine: Machine) -> None:
    """Without an archive, Docker has the image."""
    KindCluster().load_image("testrun-operator:dev", None)
    KindCluster().load_image("testrun-operator:dev", Path("image.tar"))
    assert machine.calls() == [
        f"kind load docker-image testrun-operator:dev --name={NAME}",
        f"kind load image-archive image.tar --name={NAME}",
    ]


def test_status_is_well_when_the_node_is_ready(machine: Machine) -> None:
    """A cluster that does not exist is not well."""
    assert not KindCluster().status()
    machine.install(clusters=NAME)
    assert KindCluster().status()


def test_a_missing_program_is_a_fault(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is named, without a traceback."""
    del machine
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(Fault, match="kind is not installed"):
        KindCluster().status()
