"""The NoETL that tests run against is the one that was named, reaches nothing real, and can be seen to."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from native import noetl_commands, noetl_images, noetl_manifests, noetl_python
from native.noetl_release import RELEASES, Release, Surroundings, environment, nats_url_with_user
from native.terminal import Fault

_PASSWORDS = {"admin": "a1", "owner": "o1", "reader": "r1", "nats": "n1"}


def _objects(release: Release, **more: Any) -> list[dict[str, Any]]:
    return noetl_manifests.objects(release, namespace="noetl-test", passwords=_PASSWORDS, **more)


def _pods(release: Release) -> Iterator[tuple[str, dict[str, Any]]]:
    for body in _objects(release):
        if body["kind"] == "Deployment":
            yield body["metadata"]["name"], body["spec"]["template"]["spec"]


@pytest.fixture(params=RELEASES.values(), ids=RELEASES)
def release(request: pytest.FixtureRequest) -> Release:
    """Each of the releases."""
    found: Release = request.param
    return found


def test_a_lock_file_has_the_release_itself_and_a_hash_for_every_package(release: Release) -> None:
    """What is installed is decided in the repository, not on the day of the installation."""
    text = release.requirements.read_text()
    assert re.search(rf"^noetl=={re.escape(release.version)} ", text, re.MULTILINE)
    packages = re.findall(r"^[a-z][^\n]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
    assert "://" not in text


def test_no_pod_has_a_token_or_runs_as_root(release: Release) -> None:
    """A worker runs what playbooks say, shell included: it must have no rights to do it with."""
    for name, pod in _pods(release):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"], name
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


def test_service_links_are_off(release: Release) -> None:
    """A Service named noetl would set NOETL_PORT to an address, which the server takes for its own setting."""
    assert all(pod["enableServiceLinks"] is False for _, pod in _pods(release))


def test_only_releases_that_want_nats_get_it(release: Release) -> None:
    """Release 1 keeps its queue in the database."""
    names = [name for name, _ in _pods(release)]
    assert ("nats" in names) == release.needs_nats
    assert noetl_commands.components(release) == names


def test_no_password_stands_anywhere_but_in_the_secret(release: Release) -> None:
    """Arguments and variables of pods can be read by many who may not read Secrets."""
    visible = [body for body in _objects(release) if body["kind"] != "Secret"]
    text = json.dumps(visible)
    assert not [word for word in _PASSWORDS.values() if f'"{word}"' in text or f":{word}@" in text]


def test_what_a_program_may_reach_is_in_its_own_empty_folder(release: Release) -> None:
    """Neither a real kubeconfig nor a real container engine may be found by a playbook."""
    surroundings = Surroundings(
        server_url="http://server:1",
        port=1,
        postgres_host="db",
        postgres_port=2,
        nats_url="nats://bus:3",
        home="/empty",
    )
    found = environment(release, surroundings)
    assert [found["HOME"], found["KUBECONFIG"], found["DOCKER_HOST"]] == [
        "/empty",
        "/empty/no-kubeconfig",
        "unix:///empty/no-docker.sock",
    ]
    assert found["NOETL_HTTP_MOCK_LOCAL"] == "false"
    assert ("NATS_URL" in found) == release.needs_nats


def test_the_dsn_for_the_event_log_is_that_of_the_reader_and_good_in_every_namespace() -> None:
    """The Secret is used by pods of another namespace, which may read and nothing else."""
    body = noetl_manifests.events_secret("events", target="mine", namespace="noetl-test", passwords=_PASSWORDS)
    assert body["metadata"]["namespace"] == "mine"
    assert body["stringData"] == {
        "dsn": "postgresql://events_reader:r1@postgres.noetl-test.svc.cluster.local:5432/noetl"
    }


def test_user_and_password_go_into_the_address_of_nats() -> None:
    """The worker takes them from nowhere else."""
    assert nats_url_with_user("nats://bus:4222", "secret") == "nats://noetl:secret@bus:4222"


def test_the_nats_image_has_a_name_that_a_registry_knows() -> None:
    """A cluster with a registry takes the official image, with the same arguments."""
    assert noetl_images.NATS == "docker.io/library/nats:2.10"


def test_every_release_has_a_namespace_and_an_image_of_its_own() -> None:
    """All of them can be up at once."""
    assert len({noetl_manifests.namespace_of(one) for one in RELEASES.values()}) == len(RELEASES)
    assert len({one.image for one in RELEASES.values()}) == len(RELEASES)


def test_as_many_workers_as_asked_for() -> None:
    """One worker is what NoETL ships with; more show what happens side by side."""
    worker = _objects(RELEASES["4.26.0"], workers=3)[-1]
    assert (worker["metadata"]["name"], worker["spec"]["replicas"]) == ("worker", 3)


def test_an_unknown_release_is_told_with_those_there_are() -> None:
    """A typing error must not build everything."""
    with pytest.raises(noetl_commands.Fault, match=r"no release 9\.9; there are: 1\.8\.0"):
        noetl_commands.named_releases(["9.9"])


def test_a_python_for_noetl_is_one_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PATH there may be pyenv's, which only says that this version is not chosen; then the one of pyenv is taken."""
    shims, real = tmp_path / "shims", tmp_path / "pyenv" / "versions" / "3.12.1" / "bin"
    for folder, code in ((shims, 127), (real, 0)):
        folder.mkdir(parents=True)
        program = folder / "python3.12"
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(noetl_python.sys, "version_info", (3, 11, 2))
    assert noetl_python.find_python() == str(real / "python3.12")
    (real / "python3.12").unlink()
    assert noetl_python.find_python() is None


def test_secrets_of_several_releases_are_not_written_under_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are several releases put into one namespace."""
    monkeypatch.setattr(noetl_commands, "kubectl", lambda *_, **__: "")
    places = noetl_commands.places_of(tuple(RELEASES.values()), None)
    assert places == {release: f"noetl-{version.replace('.', '-')}" for version, release in RELEASES.items()}
    with pytest.raises(Fault, match="one release at a time"):
        noetl_commands.write_secrets(places, targets=["default"], name="noetl-events")
    with pytest.raises(Fault, match="one release at a time"):
        noetl_commands.places_of(tuple(RELEASES.values()), "mine")
