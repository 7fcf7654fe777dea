"""How tests ended: the values between the execution and everything that reports it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from testrun_operator.kinds.sql.document import Place, Problem


class Mark(StrEnum):
    """How a test, or a test case, ended."""

    PASSED = "passed"
    """Everything was as expected."""
    FAILED = "failed"
    """Something was not, or it is malformed."""
    SKIPPED = "skipped"
    """It was not run, on purpose; the message says why."""
    NOT_RUN = "not run"
    """It could not be run: the execution ended before; the message says why."""


class StepKind(StrEnum):
    """What of a test can hold or not."""

    FORM = "form"
    """How it is written: a malformed test has one such step for each problem, and no other."""
    FIXTURE = "fixture"
    """A fixture that could not be loaded; those that could leave no step."""
    BODY = "body"
    """The SQL of a generic test."""
    ROW = "row"
    """A row of a procedural test."""
    ASSERTION = "assertion"
    """An assertion; in a procedural test one for each row."""
    RESULT = "result"
    """An expected result."""
    ISOLATION = "isolation"
    """The promise that nothing of the test stays; broken by a test that commits under ``isolation: rollback``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing of a test that was looked at."""

    kind: StepKind
    name: str
    """Which one: ``row 2 of 3``, or the description of an assertion."""
    place: Place
    passed: bool
    expected: str = ""
    actual: str = ""
    message: str = ""
    """Why it did not hold, for people; may have several lines. Without the place."""
    seconds: float = 0.0
    row: int | None = None
    """For an assertion of a procedural test: the row, from 1."""


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """How a test ended."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    name: str
    place: Place
    mark: Mark
    message: str = ""
    """Why it was skipped or not run; for a failed test the messages of its steps, one below the other."""
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0

    def failures(self) -> Iterator[Step]:
        """Yield the steps that did not hold."""
        return (step for step in self.steps if not step.passed)


@dataclass(frozen=True, slots=True)
class TestCaseOutcome:
    """How a test case file ended."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    name: str
    file: str
    place: Place
    mark: Mark
    problems: tuple[Problem, ...] = ()
    """Why the test case as a whole failed: malformed, a missing fixture or routine, a fixture that failed."""
    message: str = ""
    """Why it was skipped or not run."""
    tests: tuple[TestOutcome, ...] = ()
    seconds: float = 0.0


class Stop(StrEnum):
    """Why an execution ended before its last test case."""

    SCRIPT_FAILED = "script failed"
    """The schema, a source or a fixture could not be loaded; the database may be in an inconsistent state."""
    TIMED_OUT = "timed out"
    """The time was over."""
    CONNECTION_LOST = "connection lost"
    """The database could not be reached, or went away."""
    IMPOSSIBLE = "impossible"
    """What was asked for cannot be done with this database, for instance an isolation that it does not have."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """An execution that ended before its last test case."""

    why: Stop
    message: str
    """What happened, for people, with the statement's text where there is one. Without the place."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests there were. A malformed test case, and one that could not start, counts as one failed test."""

    total: int
    passed: int
    failed: int
    skipped: int
    not_run: int


@dataclass(frozen=True, slots=True)
class ProjectOutcome:
    """How an execution of a project, a file or a selection of it ended."""

    cases: tuple[TestCaseOutcome, ...]
    stopped: Stopped | None = None
    problems: tuple[Problem, ...] = ()
    """What is wrong with the project as a whole: two files for one fixture, a link that leads out of it."""
    seconds: float = 0.0
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", _count(self.cases))

    @property
    def passed(self) -> bool:
        """Whether everything that was run was as expected, and nothing stood in the way."""
        return self.stopped is None and not self.problems and all(c.mark in _GOOD for c in self.cases)


_GOOD = (Mark.PASSED, Mark.SKIPPED)


def _count(cases: tuple[TestCaseOutcome, ...]) -> Counts:
    marks = [test.mark for case in cases for test in case.tests]
    marks += [case.mark for case in cases if case.problems or (not case.tests and case.mark is not Mark.PASSED)]
    return Counts(
        total=len(marks),
        passed=marks.count(Mark.PASSED),
        failed=marks.count(Mark.FAILED),
        skipped=marks.count(Mark.SKIPPED),
        not_run=marks.count(Mark.NOT_RUN),
    )
