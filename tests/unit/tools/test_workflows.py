"""The workflows for the host: what they call is there. They are not run here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kind.kind_cluster import NODE_IMAGES

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    """Read a workflow."""
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs."""
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_named_with_an_exact_version(path: Path) -> None:
    """A moving tag would change what a release is made by."""
    actions = [step["uses"] for step in steps(path) if "uses" in step]
    assert actions
    assert [] == [action for action in actions if not re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+\.\d+\.\d+", action)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_exists(path: Path) -> None:
    """A target that is renamed is renamed there, too."""
    targets = set(re.findall(r"^([a-z][-a-z0-9]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    calls = [re.findall(r"make ((?:[a-z-]+ ?)+)", step.get("run", "")) for step in steps(path)]
    named = {target for found in calls for words in found for target in words.split()}
    assert named
    assert named <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_that_it_does_not_ask_for(path: Path) -> None:
    """Where nothing is said, a token may be one that can write everything."""
    assert read(path)["permissions"] in ({}, {"contents": "read"})


def test_the_clusters_of_ci_are_those_that_kind_has_images_for() -> None:
    """The newest and the oldest."""
    releases = read(ROOT / ".github" / "workflows" / "ci.yaml")["jobs"]["kind"]["strategy"]["matrix"]["kubernetes"]
    assert [next(iter(NODE_IMAGES)), list(NODE_IMAGES)[-1]] == releases
