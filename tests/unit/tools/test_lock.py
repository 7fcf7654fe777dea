"""The lock files: complete, with hashes, and bound to no package index."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import lock
import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("runtime", "oracle", "dev")


def packages_of(name: str) -> dict[str, str]:
    """Return what a lock file says of each package, by name."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    parts = re.split(r"(?m)^(?=[a-z])", text)[1:]
    return {part.partition("==")[0]: part for part in parts}


@pytest.mark.parametrize("name", NAMES)
def test_every_package_has_a_version_and_hashes(name: str) -> None:
    """`pip install --require-hashes` takes nothing else."""
    packages = packages_of(name)

    assert len(packages) > 40
    for package, text in packages.items():
        assert re.match(rf"{re.escape(package)}==\S+( ;|  *\\)", text), package
        assert "--hash=sha256:" in text, package


@pytest.mark.parametrize("name", NAMES)
def test_no_package_index_is_named(name: str) -> None:
    """The files work behind any mirror."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()

    assert lock.tidy(text) == text
    assert "://" not in text


def test_a_lock_that_names_an_address_is_refused() -> None:
    """An address would slip in with an option of an index, or a package taken from a repository."""
    with pytest.raises(ValueError, match="names an address"):
        lock.tidy("package @ git+ssh://example.com/package\n")


def test_everything_that_the_project_asks_for_is_locked() -> None:
    """Whoever adds a dependency and forgets `make lock` is told here, not by an image that does not start."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = document["project"]["optional-dependencies"]
    development, oracle = extras.pop("dev"), extras.pop("oracle")
    own = document["project"]["name"]
    runtime = [*document["project"]["dependencies"], *document["build-system"]["requires"], *chain(*extras.values())]

    assert {name_of(requirement) for requirement in runtime} - {own} <= packages_of("runtime").keys()
    assert {name_of(requirement) for requirement in [*runtime, *oracle]} - {own} <= packages_of("oracle").keys()
    everything = [*runtime, *oracle, *development]
    assert {name_of(requirement) for requirement in everything} - {own} <= packages_of("dev").keys()


@pytest.mark.parametrize("name", ["runtime", "oracle"])
def test_the_locks_agree(name: str) -> None:
    """Tests run with the versions that the images have."""
    image, development = packages_of(name), packages_of("dev")

    assert {name: version_of(text) for name, text in image.items()} == {
        name: version_of(development[name]) for name in image
    }


def name_of(requirement: str) -> str:
    """Return the package's name in a requirement such as `psycopg[binary]>=3`."""
    return re.match(r"[A-Za-z0-9-]+", requirement)[0].lower()


def version_of(text: str) -> str:
    """Return the version of a package in a lock file."""
    return re.match(r"\S+?==(\S+)", text)[1]
