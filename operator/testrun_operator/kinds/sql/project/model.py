"""A project: what was found in a folder, in the order in which it is loaded and run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from testrun_operator.kinds.sql.document import Problem


@dataclass(frozen=True, slots=True)
class File:
    """A text file of the project."""

    path: str
    """Relative to the project, with ``/``."""
    text: str = field(repr=False)
    problem: Problem | None = None
    """Why it cannot be read, for instance because it is not UTF-8; ``text`` is empty then. Also in
    ``Project.problems``, so that nothing passes that has such a file."""


@dataclass(frozen=True, slots=True)
class Fixtures:
    """The fixtures of a project; ``fixtures.py`` finds them by what they may be called."""

    setup: Mapping[str, File] = field(default_factory=dict)
    """Files below ``tests/fixtures/setup``, by their path below it with its ending."""
    teardown: Mapping[str, File] = field(default_factory=dict)
    """Files below ``tests/fixtures/teardown``, likewise."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project, or a single test case file."""

    name: str
    """The folder's or the file's name."""
    tests: tuple[File, ...]
    """The test case files, in the order in which they are run."""
    schema: File | None = None
    sources: tuple[File, ...] = ()
    """The files of ``src``, in the order in which they are loaded."""
    fixtures: Fixtures = Fixtures()
    data: Mapping[str, bytes] = field(default_factory=dict)
    """Other files below ``tests``, by path: what ``=FILE:path=`` in a cell may name."""
    is_standalone: bool = False
    """Whether it is a single file: then there is no schema, no source and no fixture."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with it as a whole, and what is wrong with single files."""
    notices: tuple[str, ...] = ()
    """Files that look as if they were meant to be used, and are not."""
