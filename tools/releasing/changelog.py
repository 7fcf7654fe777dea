"""CHANGELOG.md, in the format of Keep a Changelog: the section of a version."""

import re
from dataclasses import dataclass

_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>.*))?$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Section:
    """What changed in a version."""

    version: str
    date: str
    """As it is written: a date (`2026-12-01`), or anything else for a version that is not released yet."""
    text: str
    """Below the heading, without blank lines around it; may be empty."""

    @property
    def is_dated(self) -> bool:
        """Whether it has a date, and so is that of a release."""
        return _DATE.fullmatch(self.date) is not None


def read_sections(text: str) -> tuple[Section, ...]:
    """Return the sections of a changelog, in its order; `Unreleased` is one of them."""
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    return tuple(
        Section(heading["version"], (heading["date"] or "").strip(), text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    )


def find_section(text: str, version: str) -> Section | None:
    """Return the section of a version; None if there is none."""
    return next((section for section in read_sections(text) if section.version == version), None)


def released_versions(text: str) -> frozenset[str]:
    """Return the versions that are released according to the changelog."""
    return frozenset(section.version for section in read_sections(text) if section.is_dated)
