"""Versions, tags and addresses of ours that pages, examples and the chart name do exist."""

import re
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))

from releasing.changelog import released_versions  # noqa: E402 - the path above must come first

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
RELEASED = released_versions((ROOT / "CHANGELOG.md").read_text())
FOLDERS = ("docs", "examples", "charts", "manifests", ".github", "crds")
FILES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if path.is_file() and path.suffix in {".md", ".yaml", ".yml", ".sh", ".py", ".json", ".txt", ".tpl"}
)
NUMBER = r"v?(\d+\.\d+\.\d+)\b"
IMAGE = re.compile(rf"testrun-operator:{NUMBER}")
REFERENCE = re.compile(
    rf"(?:\bref: |\brevision: |\btargetRevision: |--branch |git checkout |testrun-operator(?:\.git)?@"
    rf"|testrun-operator(?:\.git)?[\w./-]*\?ref=|testrun-operator/(?:-/)?(?:tree|blob|archive|releases/tag|releases/download)/)"
    rf"{NUMBER}"
)
"""A place in a repository of ours that is named by a release's tag."""
ADDRESS = re.compile(
    r"(?:https?://|oci://)?((?:github|gitlab)\.com|ghcr\.io|docker\.io|quay\.io)/([\w.$%{},-]+)/testrun-operator"
)
PLACEHOLDERS = frozenset({"OWNER", "REGISTRY"})


TEXTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in FILES}


def find(pattern: re.Pattern[str], text: str, *, known: Collection[str] = ()) -> list[str]:
    """Return what a pattern has in its last group, without what is known."""
    return [found for match in pattern.finditer(text) if (found := match[match.lastindex or 0]) not in known]


def test_no_tag_is_named_that_does_not_exist() -> None:
    """A recipe that is copied fetches it. A tag is made with a release, and a release has a date in the changelog."""
    assert {} == {name: found for name, text in TEXTS.items() if (found := find(REFERENCE, text, known=RELEASED))}


def test_the_image_that_is_named_is_the_one_that_is_built_from_here() -> None:
    """Pages say how to build it, and give it the version of the project."""
    known = {VERSION, *RELEASED}
    assert {} == {name: found for name, text in TEXTS.items() if (found := find(IMAGE, text, known=known))}


def test_no_address_of_ours_is_made_up() -> None:
    """The project has no home on a host that pages could know: it is written OWNER, or a variable says it."""
    owners = {
        name: {owner for owner in find(ADDRESS, text) if not owner.startswith("$")} for name, text in TEXTS.items()
    }
    assert {} == {name: found - PLACEHOLDERS for name, found in owners.items() if found - PLACEHOLDERS}


@pytest.mark.parametrize(
    "line",
    [
        "          ref: v9.9.9",
        "git clone --branch v9.9.9 https://example.com/testrun-operator.git",
        "pip install git+https://example.com/a/testrun-operator.git@v9.9.9",
        "https://github.com/OWNER/testrun-operator/releases/download/v9.9.9/install.yaml",
        "kubectl apply -k 'https://github.com/OWNER/testrun-operator/manifests?ref=v9.9.9'",
        "      targetRevision: 9.9.9",
    ],
)
def test_the_ways_to_name_a_tag_are_known(line: str) -> None:
    """Or else the rule above would hold for nothing."""
    assert ["9.9.9"] == find(REFERENCE, line)


def test_the_files_are_there() -> None:
    """The rules above are not kept by a folder that is empty."""
    assert {Path(name).parts[0] for name in TEXTS} >= {"README.md", *FOLDERS}
