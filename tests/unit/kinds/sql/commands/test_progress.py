"""``testrun sql run``: what is shown while tests run."""

import io

import pytest
from rich.console import Console, Group

from testrun_operator.kinds.sql.commands.progress import LineProgress, LiveProgress, make_progress
from testrun_operator.kinds.sql.document import Place, Problem, TestCase
from testrun_operator.kinds.sql.outcome import Mark, TestCaseOutcome, TestOutcome
from testrun_operator.terminal.printing import make_console

FILE = "tests/divide.stt"
CASE = TestCase(FILE, "Division.", Place(FILE, 1))


def outcome(*marks: Mark, mark: Mark = Mark.PASSED, problems: int = 0) -> TestCaseOutcome:
    """Make the outcome of a test case with some tests."""
    return TestCaseOutcome(
        "Division.",
        FILE,
        Place(FILE, 1),
        mark,
        (Problem(Place(FILE, 1), "no"),) * problems,
        tests=tuple(TestOutcome("x", Place(FILE, 4), mark) for mark in marks),
        seconds=0.25,
    )


def test_a_pipe_gets_a_line_for_each_test_case_file_and_no_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs of CI are such pipes."""
    with make_progress(make_console()) as progress:
        progress.planned(2, 4)
        progress.doing("tests/divide.stt:12: SELECT 1")
        progress.test_ended(CASE, TestOutcome("x", Place(FILE, 4), Mark.PASSED))
        progress.case_ended(outcome(Mark.PASSED, Mark.FAILED, Mark.SKIPPED, mark=Mark.FAILED))
        progress.case_ended(outcome(mark=Mark.NOT_RUN))
        progress.case_ended(outcome(Mark.PASSED))
    assert capsys.readouterr().out == (
        "4 tests in 2 files\n"
        "failed   tests/divide.stt  1 failed, 1 passed, 1 skipped in 0.25 s\n"
        "not run  tests/divide.stt in 0.25 s\n"
        "passed   tests/divide.stt  1 passed in 0.25 s\n"
    )


@pytest.mark.parametrize("kind", [LineProgress, LiveProgress])
def test_tests_are_counted_and_test_cases_that_failed_as_a_whole(kind: type[LineProgress | LiveProgress]) -> None:
    """For the case that somebody ends it in the middle."""
    progress = kind(Console(file=io.StringIO(), width=80))
    progress.planned(2, 4)
    progress.test_ended(CASE, TestOutcome("x", Place(FILE, 4), Mark.PASSED))
    progress.test_ended(CASE, TestOutcome("y", Place(FILE, 5), Mark.SKIPPED))
    progress.case_ended(outcome(Mark.PASSED, Mark.SKIPPED))
    progress.case_ended(outcome(mark=Mark.FAILED, problems=2))
    assert dict(+progress.marks) == {Mark.PASSED: 1, Mark.SKIPPED: 1, Mark.FAILED: 1}


def test_a_terminal_gets_a_line_that_says_what_is_being_done_and_is_gone_at_the_end() -> None:
    """It fits the terminal, whatever the statement is."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=60)
    with make_progress(console) as progress:
        assert isinstance(progress, LiveProgress)
        progress.planned(1, 3)
        progress.test_ended(CASE, TestOutcome("x", Place(FILE, 4), Mark.FAILED))
        progress.doing(f"tests/divide.stt:12: SELECT\x1b[2J {'x' * 100}")
    paper = Console(file=io.StringIO(), width=60)
    with paper.capture() as capture:
        paper.print(Group(progress.render()))
    line = capture.get().rstrip("\n")
    assert line[1:] == " 1 of 3 tests, 1 failed  0:00  tests/divide.stt:12: SELECT…"
    assert len(line) == 60
    assert output.getvalue().endswith("\x1b[1A\x1b[2K")
