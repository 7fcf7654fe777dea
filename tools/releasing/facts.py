"""What a release is made from, and what stands in its way. All of it is found before anything is built."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from releasing.changelog import Section, find_section

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_REPOSITORY = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
"""The name of an image with its registry: lower case, as registries want it, and without a tag."""
_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What the repository says at the commit that is checked out."""

    project_version: str
    chart_version: str
    app_version: str
    section: Section | None
    """Of the changelog, for the version that is wanted."""
    changed_files: tuple[str, ...]
    """What differs from the commit, as git names it, with files that it does not know."""
    tags: tuple[str, ...]
    """Of the commit."""
    commit: str
    commit_time: int
    """Seconds since 1970: every file of the release has it."""


def read_facts(root: Path, version: str | None) -> Facts:
    """Look at the repository.

    Args:
        root: its folder.
        version: the one that is wanted; that of pyproject.toml if None.

    Raises:
        subprocess.CalledProcessError: it is no git repository.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    chart = yaml.safe_load((root / "charts" / "testrun-operator" / "Chart.yaml").read_text("utf-8"))
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    return Facts(
        project_version=str(project["version"]),
        chart_version=str(chart["version"]),
        app_version=str(chart["appVersion"]),
        section=find_section(changelog, version or str(project["version"])),
        changed_files=tuple(line[3:] for line in _git(root, "status", "--porcelain").splitlines()),
        tags=tuple(_git(root, "tag", "--points-at", "HEAD").split()),
        commit=_git(root, "rev-parse", "HEAD").strip(),
        commit_time=int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD")),
    )


def find_problems(version: str, repository: str, facts: Facts) -> Iterator[str]:
    """Yield what must be mended before this version can be released, each in words that say how.

    Args:
        version: the one that is wanted.
        repository: name of the image without its tag.
        facts: what the repository says.
    """
    if not _VERSION.fullmatch(version):
        yield f"the version {version!r} is not of the form 1.2.3"
    if not repository:
        yield "IMAGE_REPOSITORY is not set: manifests and chart must name an image that a cluster can pull"
    elif not _REPOSITORY.fullmatch(repository):
        yield f"IMAGE_REPOSITORY={repository} is no image's name with a registry and without a tag, in lower case"
    for place, found in (
        ("version in pyproject.toml", facts.project_version),
        ("version in charts/testrun-operator/Chart.yaml", facts.chart_version),
        ("appVersion in charts/testrun-operator/Chart.yaml", facts.app_version),
    ):
        if found != version:
            yield f"the {place} is {found}, not {version}"
    yield from _problems_of_changelog(version, facts.section)
    versions = [tag for tag in facts.tags if re.fullmatch(r"v\d.*", tag)]
    if versions and f"v{version}" not in versions:
        yield f"the commit has the tag {', '.join(versions)}, not v{version}"
    if facts.changed_files:
        shown = ", ".join(facts.changed_files[:_SHOWN_FILES])
        more = len(facts.changed_files) - _SHOWN_FILES
        yield f"not everything is committed: {shown}{f' and {more} more' if more > 0 else ''}"


def _problems_of_changelog(version: str, section: Section | None) -> Iterator[str]:
    if section is None:
        yield f"CHANGELOG.md has no section '## [{version}] - DATE'"
    elif not section.is_dated:
        yield f"CHANGELOG.md says '{section.date}' of {version}: write the date, as in '## [{version}] - 2026-12-31'"
    elif not section.text:
        yield f"the section of {version} in CHANGELOG.md is empty"


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - git
