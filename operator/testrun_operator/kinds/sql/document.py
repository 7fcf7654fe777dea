"""What a test case file says: the values between the parser and everything after it.

Nothing here is judged yet, and nothing knows a database. Texts stand as the author wrote them.
"""

from dataclasses import dataclass
from enum import StrEnum

NULL = "__NULL__"
"""The cell that stands for NULL."""
ERROR_COLUMN = "=ERROR="
"""Column of the text that the error must contain; compared without regard to case."""
SQLSTATE_COLUMN = "=SQLSTATE="
"""Column of the SQLSTATE that the error must have."""
RETURN_COLUMNS = ("=RETURN=", "RETURN$")
"""Columns of the value that a function must return."""
ROWS_COLUMN = "=ROWS="
"""Column of the number of rows that a function must return."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, as people look it up."""

    file: str
    """Path relative to the project, with ``/``; the file's name for a single file."""
    line: int
    """From 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an author wrote and that cannot be done."""

    place: Place
    message: str
    """What is wrong and what would be right; one sentence, without the place."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class FixturePoint(StrEnum):
    """When fixtures are loaded; each is also the title of its section."""

    BEFORE_ALL = "BEFORE ALL"
    """Before the first test of the test case."""
    BEFORE_EACH_TEST = "BEFORE EACH TEST"
    """Before each well-formed test."""
    BEFORE_EACH_ROW = "BEFORE EACH ROW"
    """Before each row of a procedural test."""
    AFTER_EACH_ROW = "AFTER EACH ROW"
    """After each row of a procedural test."""
    AFTER_EACH_TEST = "AFTER EACH TEST"
    """After each well-formed test, also one that failed."""
    AFTER_ALL = "AFTER ALL"
    """After the last test of the test case."""
    BEFORE = "BEFORE"
    """Before this one test, after BEFORE EACH TEST: a section ``### BEFORE`` of a test."""
    AFTER = "AFTER"
    """After this one test, before AFTER EACH TEST: a section ``### AFTER`` of a test."""

    @property
    def is_setup(self) -> bool:
        """Whether its fixtures are in ``fixtures/setup`` and not in ``fixtures/teardown``."""
        return self.value.startswith("BEFORE")


@dataclass(frozen=True, slots=True)
class FixtureReference:
    """A fixture's name in a list of one of the sections."""

    name: str
    """As written: ``Prepay user`` or ``balance/prepay_user``."""
    place: Place


@dataclass(frozen=True, slots=True)
class Sql:
    """A fenced block of SQL."""

    text: str
    place: Place
    """Where its first line stands, below the fence."""


@dataclass(frozen=True, slots=True)
class Marking:
    """What stands in square brackets behind a title: ``## TEST [skip: waits for PR 12]``, ``## TEST [only]``."""

    skip: str | None = None
    """Why it is skipped; an empty text where no reason is given; None where it is not skipped."""
    only: bool = False
    """Whether, of all that has not this mark, nothing is run."""


@dataclass(frozen=True, slots=True)
class Check:
    """An assertion: SQL that must run without an error, ``### ASSERTION`` or ``#### SQL`` below ``### ASSERTIONS``."""

    description: str
    sql: Sql
    place: Place
    rows: int | None = None
    """``[rows: 3]``: how many rows its last statement must return or change."""
    is_true: bool = False
    """``[true]``: its last statement must return at least one row, and nothing but true."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table."""

    cells: tuple[str, ...]
    """One for each column; trimmed, with ``\\|`` as ``|``."""
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table."""

    columns: tuple[str, ...]
    """As written, with their ``$``; at least one, unique without regard to case."""
    rows: tuple[Row, ...]
    place: Place
    """Of its header row."""


@dataclass(frozen=True, slots=True)
class ExpectedResult:
    """``### RESULT``: a query and the rows that it must return."""

    description: str
    sql: Sql
    table: Table
    """Without rows where the query must return none."""
    place: Place
    ordered: bool = True
    """False for ``### RESULT [any order]``."""


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """``### ERROR``: the body of a generic test must raise an error."""

    text: str
    """What the error must contain, case ignored; empty or ``any`` for any error."""
    sqlstate: str | None
    """``### ERROR [sqlstate: 23505]``: the SQLSTATE that it must have."""
    place: Place


@dataclass(frozen=True, slots=True)
class Test:
    """One test. Exactly one of ``body``, ``data`` and ``problems`` says what it is."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    name: str
    """Its description on one line, blanks folded; ``Untitled test`` where it has none."""
    place: Place
    """Of its title."""
    end_line: int
    """The last line that belongs to it."""
    marking: Marking = Marking()
    body: Sql | None = None
    """What a generic test runs."""
    body_rows: int | None = None
    """``### SQL [rows: 3]``: how many rows the last statement of the body must return or change."""
    expected_error: ExpectedError | None = None
    data: Table | None = None
    """What a procedural test calls its routine with, row by row."""
    checks: tuple[Check, ...] = ()
    """The assertions, in their order."""
    results: tuple[ExpectedResult, ...] = ()
    """The expected results, in their order; looked at after the assertions."""
    before: tuple[FixtureReference, ...] = ()
    after: tuple[FixtureReference, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What is malformed. Such a test fails and is not run."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test case file."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    file: str
    name: str
    """Its description on one line; the file's path where it has none."""
    place: Place
    """Of its title; of the first line where there is none."""
    routine: str | None = None
    """The procedure or function of a procedural test case, as written: ``DIVIDE``, ``billing.charge(integer)``."""
    marking: Marking = Marking()
    fixtures: tuple[tuple[FixturePoint, tuple[FixtureReference, ...]], ...] = ()
    """The fixtures of the sections that the file has, without BEFORE and AFTER."""
    tests: tuple[Test, ...] = ()
    """All tests, also malformed ones, in the order of the file."""
    problems: tuple[Problem, ...] = ()
    """What is malformed outside of the tests. Such a test case fails and is not run."""

    def fixtures_at(self, point: FixturePoint) -> tuple[FixtureReference, ...]:
        """Return the fixtures of a section, in their order."""
        return next((references for given, references in self.fixtures if given is point), ())
