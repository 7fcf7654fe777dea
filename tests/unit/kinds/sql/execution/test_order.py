"""The order in which everything is done, for test cases of any shape, with failures anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from support.recording_database import RecordingDatabase
from testrun_operator.databases.base import Isolation, Mode, Parameter, Routine
from testrun_operator.kinds.sql.document import FixturePoint
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Mark, Stop
from testrun_operator.kinds.sql.project.model import Project

from .conftest import Executed, Listener, make_project

ROUTINE = Routine("proc", "proc(text)", (Parameter("v", Mode.IN, "text"),), is_function=False)
SETUP = ("one", "two")
TEARDOWN = ("three", "four")
ROW_POINTS = (FixturePoint.BEFORE_EACH_ROW, FixturePoint.AFTER_EACH_ROW)
CASE_POINTS = tuple(point for point in FixturePoint if point not in (FixturePoint.BEFORE, FixturePoint.AFTER))


@dataclass
class Sketch:
    """A test, before it is written down."""

    kind: str
    """``run``, ``malformed`` or ``skip``."""
    failing: set[str] = field(default_factory=set)
    """Which of ``body``, ``row 0``, ``check 1`` … fail."""
    rows: int = 1
    checks: int = 0
    result: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


sketches = st.builds(
    Sketch,
    st.sampled_from(["run", "run", "run", "malformed", "skip"]),
    st.sets(st.sampled_from(["body", "row 0", "row 1", "row 2", "check 0", "check 1", "result"])),
    st.integers(min_value=1, max_value=3),
    st.integers(min_value=0, max_value=2),
    st.booleans(),
    st.lists(st.sampled_from(SETUP), max_size=2).map(tuple),
    st.lists(st.sampled_from(TEARDOWN), max_size=2).map(tuple),
)
sections = st.dictionaries(
    st.sampled_from(CASE_POINTS), st.lists(st.sampled_from([0, 1]), min_size=1, max_size=2), max_size=6
)


@dataclass
class Case:
    """A test case file, before it is written down, with what must be done for it."""

    procedural: bool
    sections: dict[FixturePoint, list[int]]
    tests: list[Sketch]

    def fixtures(self, point: FixturePoint) -> list[str]:
        """Return the names of a section's fixtures."""
        if point in ROW_POINTS and not self.procedural:
            return []
        names = SETUP if point.is_setup else TEARDOWN
        return [names[number] for number in self.sections.get(point, [])]

    def text(self, number: int) -> str:
        """Write the file down."""
        lines = [f"# TEST CASE{' proc' if self.procedural else ''}", f"Case {number}.", ""]
        for point in CASE_POINTS:
            if self.fixtures(point):
                lines += [f"## {point.value}", *(f"- {name}" for name in self.fixtures(point)), ""]
        for index, test in enumerate(self.tests):
            lines += self._test(f"{number}.{index}", test)
        return "\n".join(lines) + "\n"

    def _test(self, label: str, test: Sketch) -> Iterator[str]:
        yield "## TEST [skip: later]" if test.kind == "skip" else "## TEST"
        yield f"Test {label}."
        if test.kind == "malformed":
            yield "### NONSENSE"
        if self.procedural:
            yield from ["### DATA", "| V |", "| - |"]
            yield from (f"| {self._row(label, row, test)} |" for row in range(test.rows))
        else:
            yield from ["```", f"{'FAIL X body' if 'body' in test.failing else 'body'} {label}", "```"]
        for check in range(test.checks):
            yield from ["### ASSERTION", f"Check {check}.", "```", self._check(label, check, test), "```"]
        if test.result:
            yield from ["### RESULT", "Result.", "```", self._result(label, test), "```", "| a |", "| - |", "| x |"]
        if test.before:
            yield from ["### BEFORE", *(f"- {name}" for name in test.before)]
        if test.after:
            yield from ["### AFTER", *(f"- {name}" for name in test.after)]
        yield ""

    def _row(self, label: str, row: int, test: Sketch) -> str:
        return f"{'FAIL X row' if f'row {row}' in test.failing else 'row'} {label}.{row}"

    def _check(self, label: str, check: int, test: Sketch) -> str:
        return f"{'FAIL X check' if f'check {check}' in test.failing else 'check'} {label}.{check}"

    def _result(self, label: str, test: Sketch) -> str:
        return f"RETURN a|{label}" if "result" in test.failing else "RETURN a|x"

    def expected(self, number: int) -> Iterator[str]:
        """Yield what must be done, as the format's description has it."""
        runs = any(test.kind != "skip" for test in self.tests)
        if self.tests and not runs:
            return
        if self.procedural:
            yield "find proc"
        yield from self.fixtures(FixturePoint.BEFORE_ALL)
        if self.procedural and self.fixtures(FixturePoint.BEFORE_ALL):
            yield "find proc"
        for index, test in enumerate(self.tests):
            if test.kind == "run":
                yield from self.fixtures(FixturePoint.BEFORE_EACH_TEST)
                yield from test.before
                yield from self._expected_test(f"{number}.{index}", test)
                yield from test.after
                yield from self.fixtures(FixturePoint.AFTER_EACH_TEST)
        yield from self.fixtures(FixturePoint.AFTER_ALL)

    def _expected_test(self, label: str, test: Sketch) -> Iterator[str]:
        if not self.procedural:
            yield f"{'FAIL X body' if 'body' in test.failing else 'body'} {label}"
            if "body" not in test.failing:
                yield from self._expected_checks(label, test)
            return
        for row in range(test.rows):
            yield from self.fixtures(FixturePoint.BEFORE_EACH_ROW)
            yield f"call proc(text) with {self._row(label, row, test)}"
            yield from self._expected_checks(label, test)
            yield from self.fixtures(FixturePoint.AFTER_EACH_ROW)

    def _expected_checks(self, label: str, test: Sketch) -> Iterator[str]:
        yield from (self._check(label, check, test) for check in range(test.checks))
        if test.result:
            yield self._result(label, test)

    def passes(self, test: Sketch) -> bool:
        """Whether a test that is run passes."""
        done = {f"row {row}" for row in range(test.rows)} if self.procedural else {"body"}
        done |= {f"check {check}" for check in range(test.checks)} | ({"result"} if test.result else set())
        return not done & test.failing


cases = st.builds(Case, st.booleans(), sections, st.lists(sketches, min_size=1, max_size=4))
projects = st.lists(cases, min_size=1, max_size=3)


def build(sketched: list[Case], wrong: str = "") -> Project:
    """Make a project; the fixture that is called wrong cannot be loaded."""

    def text(name: str) -> str:
        return f"FAIL X {name}" if name == wrong else name

    return make_project(
        {f"tests/{number}.stt": case.text(number) for number, case in enumerate(sketched)},
        {f"{name}.sql": text(name) for name in SETUP},
        {f"{name}.sql": text(name) for name in TEARDOWN},
        schema="schema",
        sources={"src/a.sql": "source a", "src/b.sql": "source b"},
    )


def run(project: Project, isolation: Isolation = Isolation.NONE) -> Executed:
    """Execute a project."""
    database, listener = RecordingDatabase({"proc": [ROUTINE]}), Listener()
    return Executed(execute(project, database, Request(isolation=isolation), listener), database, listener)


@given(projects)
def test_everything_is_done_in_its_order_whatever_fails(sketched: list[Case]) -> None:
    """All rows, tests and test cases run, also after one that failed; malformed and skipped ones touch nothing."""
    executed = run(build(sketched))
    database = executed.database
    expected = ["schema", "source a", "source b"]
    for number, case in enumerate(sketched):
        expected += case.expected(number)
    if all(test.kind == "skip" for case in sketched for test in case.tests):
        assert database.sessions == []
        return
    assert executed.log == expected
    marks = [
        Mark.SKIPPED
        if test.kind == "skip"
        else Mark.PASSED
        if test.kind == "run" and case.passes(test)
        else Mark.FAILED
        for case in sketched
        for test in case.tests
    ]
    assert [outcome.mark for outcome in executed.tests] == marks
    assert executed.listener.plans == [(len(sketched), len(marks))]
    assert all(session.closed for session in database.sessions)


@given(projects, st.sampled_from([*SETUP, *TEARDOWN]))
def test_without_isolation_nothing_is_done_after_a_fixture_that_failed(sketched: list[Case], wrong: str) -> None:
    """What is in the database is not known any more. What was done until then stays in the outcome."""
    plain, executed = run(build(sketched)), run(build(sketched, wrong))
    if wrong not in plain.log:
        assert executed.log == plain.log
        return
    assert executed.log == [*plain.log[: plain.log.index(wrong)], f"FAIL X {wrong}"]
    outcome = executed.outcome
    assert outcome.stopped is not None
    assert outcome.stopped.why is Stop.SCRIPT_FAILED
    assert f"'{wrong}'" in outcome.stopped.message
    assert outcome.counts.failed >= 1
    assert outcome.counts.total == sum(len(case.tests) for case in sketched) + sum(
        bool(case.problems) for case in outcome.cases
    )


@given(projects)
def test_with_rollback_a_transaction_is_around_each_test_and_nothing_else(sketched: list[Case]) -> None:
    """Apart from the transactions the order is the same."""
    plain, executed = run(build(sketched)), run(build(sketched), Isolation.ROLLBACK)
    log = executed.database.log
    assert [line for line in log if line not in ("begin", "rollback")] == plain.database.log
    inside: list[str] = []
    depth = 0
    for line in log:
        depth += (line == "begin") - (line == "rollback")
        if depth:
            inside.append(line)
    ran = sum(test.kind == "run" for case in sketched for test in case.tests)
    probes = 1 if executed.database.sessions else 0
    assert log.count("begin") == log.count("rollback") == ran + probes
    outside = [line for line in log if line not in inside]
    assert not [line for line in outside if line.startswith(("body", "row", "check", "call", "FAIL", "RETURN"))]
    assert executed.outcome.stopped is None


@given(projects)
def test_the_outcome_and_what_is_told_are_the_same(sketched: list[Case]) -> None:
    """In the order of the files, and of the tests in them."""
    executed = run(build(sketched))
    outcome = executed.outcome
    assert list(outcome.cases) == executed.listener.cases
    assert executed.tests == executed.listener.tests
    assert [case.file for case in outcome.cases] == [f"tests/{number}.stt" for number in range(len(sketched))]
    for case in outcome.cases:
        for test in case.tests:
            assert (test.mark is Mark.FAILED) == any(test.failures())
