"""A project that is executed on a database that only notes what it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from support.recording_database import RecordingDatabase
from testrun_operator.databases.base import CallResult, Kind, Mode, Parameter, Routine, Value
from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import ProjectOutcome, TestCaseOutcome, TestOutcome
from testrun_operator.kinds.sql.project.model import File, Fixtures, Project


@dataclass
class Listener:
    """Notes what an observer is told."""

    plans: list[tuple[int, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tests: list[TestOutcome] = field(default_factory=list)
    cases: list[TestCaseOutcome] = field(default_factory=list)

    def planned(self, cases: int, tests: int) -> None:
        """Take the plan."""
        self.plans.append((cases, tests))

    def doing(self, what: str) -> None:
        """Take what is done."""
        self.said.append(what)

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """Take a test."""
        assert outcome.place.file == case.file
        self.tests.append(outcome)

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Take a test case."""
        self.cases.append(outcome)


def make_project(
    tests: str | Mapping[str, str],
    setup: Mapping[str, str] | None = None,
    teardown: Mapping[str, str] | None = None,
    *,
    schema: str | None = None,
    sources: Mapping[str, str] | None = None,
    data: Mapping[str, bytes] | None = None,
) -> Project:
    """Make a project of texts; a single text is the file ``tests/a.stt``."""
    files = {"tests/a.stt": tests} if isinstance(tests, str) else tests
    return Project(
        "project",
        tuple(File(path, text) for path, text in files.items()),
        File("schema.sql", schema) if schema is not None else None,
        tuple(File(path, text) for path, text in (sources or {}).items()),
        Fixtures(
            {path: File(f"tests/fixtures/setup/{path}", text) for path, text in (setup or {}).items()},
            {path: File(f"tests/fixtures/teardown/{path}", text) for path, text in (teardown or {}).items()},
        ),
        data or {},
    )


@dataclass
class Executed:
    """What came of an execution."""

    outcome: ProjectOutcome
    database: RecordingDatabase
    listener: Listener

    @property
    def log(self) -> list[str]:
        """What the database was asked for, without the resets between test cases."""
        return [line for line in self.database.log if line != "reset"]

    @property
    def tests(self) -> list[TestOutcome]:
        """The outcomes of all tests."""
        return [test for case in self.outcome.cases for test in case.tests]

    @property
    def messages(self) -> list[str]:
        """All messages of steps that failed, and of problems."""
        problems = [problem.message for case in self.outcome.cases for problem in case.problems]
        return problems + [step.message for test in self.tests for step in test.failures()]


Run = Callable[..., Executed]
Make = Callable[..., Project]
DIVIDE = Routine(
    "divide",
    "divide(text, numeric)",
    (Parameter("what", Mode.IN, "text"), Parameter("quotient", Mode.OUT, "numeric")),
    is_function=False,
)
GENERIC = "# TEST CASE\nGeneric.\n\n"
PROCEDURAL = "# TEST CASE divide\nProcedural.\n\n"


def generic(body: str = "fine", *sections: str, title: str = "## TEST", name: str = "It works.") -> str:
    """Write a generic test."""
    return "\n".join([title, name, "```", body, "```", *sections, "", ""])


def data(*lines: str, sections: str = "") -> str:
    """Write a procedural test."""
    return "\n".join(["## TEST", "Rows.", "### DATA", lines[0], "|" + "-|" * (lines[0].count("|") - 1), *lines[1:]]) + (
        f"\n{sections}\n"
    )


@pytest.fixture
def divide() -> RecordingDatabase:
    """Return a database with a procedure."""
    results = {
        "five": CallResult((("quotient", Value("5.000", Kind.NUMBER)),)),
        "null": CallResult((("quotient", Value(None)),)),
    }
    return RecordingDatabase({"divide": [DIVIDE]}, results)


@pytest.fixture
def project() -> Callable[..., Project]:
    """Return the function that makes projects."""
    return make_project


@pytest.fixture
def run() -> Run:
    """Return a function that executes a project.

    The project, or the text of its only file; the database; fields of the request; and the deadline.
    """

    def execute_it(
        given: Project | str,
        database: RecordingDatabase | None = None,
        request: Request | None = None,
        deadline: float | None = None,
    ) -> Executed:
        listener = Listener()
        used = database or RecordingDatabase()
        made = make_project(given) if isinstance(given, str) else given
        outcome = execute(made, used, request or Request(), listener, deadline)
        return Executed(outcome, used, listener)

    return execute_it
