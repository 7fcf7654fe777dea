"""How the NoETL that is written in Rust is installed and started for tests."""

import base64
from pathlib import Path

import pytest

from native.noetl_release import RELEASES, Surroundings
from native.noetl_rust import RUST_RELEASES, RustRelease, environment

_SURROUNDINGS = Surroundings(
    server_url="http://127.0.0.1:8082",
    port=8082,
    postgres_host="127.0.0.1",
    postgres_port=5432,
    nats_url="nats://127.0.0.1:4222",
    home="/nowhere",
)
_KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(params=RUST_RELEASES.values(), ids=RUST_RELEASES)
def release(request: pytest.FixtureRequest) -> RustRelease:
    """Each of them."""
    found: RustRelease = request.param
    return found


def test_each_program_is_an_exact_version_with_the_libraries_of_its_own_lock_file(release: RustRelease) -> None:
    """So that every machine builds the same."""
    for crate in release.crates:
        assert crate.install[:3] == ["install", "--locked", f"{crate.name}@{crate.version}"]
        assert crate.version.count(".") == 2


def test_the_tables_are_those_of_a_release_that_is_tested_itself(release: RustRelease) -> None:
    """The crates bring none."""
    assert release.tables_of in RELEASES
    assert release.version not in RELEASES


def test_nothing_real_is_in_reach_of_a_worker() -> None:
    """It runs what playbooks say, shell included."""
    found = environment(_SURROUNDINGS, password="secret", encryption_key=_KEY)
    assert found["HOME"] == "/nowhere"
    assert found["KUBECONFIG"].startswith("/nowhere/")
    assert found["DOCKER_HOST"].startswith("unix:///nowhere/")
    assert found["WORKER_METRICS_BIND"].startswith("127.0.0.1:")


def test_the_server_decides_what_comes_next() -> None:
    """By default it leaves that to a plug-in of the workers that no registry has: nothing would ever go on."""
    assert environment(_SURROUNDINGS, password="p", encryption_key=_KEY)["NOETL_ORCHESTRATE_PLUGIN_DRIVE"] == "false"


def test_the_make_target_names_a_release_that_there_is(release: RustRelease) -> None:
    """It is written there and here."""
    assert f"TESTRUN_NOETL_RELEASES={release.version} " in (Path(__file__).parents[3] / "Makefile").read_text()
