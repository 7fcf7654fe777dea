"""Outcomes of executions, by hand and at random."""

from hypothesis import strategies as st

from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    StepKind,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)

FILE = "tests/divide.stt"

lines = st.integers(min_value=1, max_value=40)
texts = st.text(max_size=60)
"""Any text at all, also with what XML and terminals cannot have."""
seconds = st.floats(min_value=0, max_value=1e5)
files = st.sampled_from([FILE, "tests/billing/charge.stt", "tests/fixtures/setup/two accounts.sql", "schema.sql"])
places = st.builds(Place, files, lines)
problems = st.builds(Problem, places, texts)
steps = st.builds(
    Step,
    st.sampled_from(StepKind),
    texts,
    places,
    st.booleans(),
    expected=texts,
    actual=texts,
    message=texts,
    seconds=seconds,
    row=st.none() | st.integers(min_value=1, max_value=9),
)
tests = st.builds(
    TestOutcome,
    texts,
    places,
    st.sampled_from(Mark),
    message=texts,
    steps=st.lists(steps, max_size=4).map(tuple),
    seconds=seconds,
)


def _case(
    name: str, file: str, mark: Mark, problems: tuple[Problem, ...], tests: tuple[TestOutcome, ...]
) -> TestCaseOutcome:
    # As the execution has it: whatever has problems failed.
    return TestCaseOutcome(name, file, Place(file, 1), Mark.FAILED if problems else mark, problems, name, tests, 1.0)


cases = st.builds(
    _case,
    texts,
    files,
    st.sampled_from(Mark),
    st.lists(problems, max_size=2).map(tuple),
    st.lists(tests, max_size=4).map(tuple),
)
outcomes = st.builds(
    ProjectOutcome,
    st.lists(cases, max_size=4).map(tuple),
    stopped=st.none() | st.builds(Stopped, st.sampled_from(Stop), texts, st.none() | places),
    problems=st.lists(problems, max_size=2).map(tuple),
    seconds=seconds,
)


def passed(name: str = "It divides.", line: int = 4) -> TestOutcome:
    """Make a test that passed."""
    return TestOutcome(name, Place(FILE, line), Mark.PASSED, seconds=0.25)


def failed(*failures: Step, name: str = "It refuses to divide by zero.", line: int = 12) -> TestOutcome:
    """Make a test that failed because of some steps."""
    message = "\n".join(step.message for step in failures)
    return TestOutcome(name, Place(FILE, line), Mark.FAILED, message, failures, seconds=0.5)


def row(line: int = 17, message: str = "Row 1 of 2: Expected value '5', but received '6'") -> Step:
    """Make a row that failed."""
    return Step(StepKind.ROW, "row 1 of 2", Place(FILE, line), passed=False, expected="5", actual="6", message=message)


def case(*tests: TestOutcome, mark: Mark | None = None, problems: tuple[Problem, ...] = ()) -> TestCaseOutcome:
    """Make a test case file."""
    if mark is None:
        failed = problems or any(test.mark is Mark.FAILED for test in tests)
        mark = Mark.FAILED if failed else Mark.PASSED
    return TestCaseOutcome("Division of two numbers.", FILE, Place(FILE, 1), mark, problems, tests=tests, seconds=0.75)
