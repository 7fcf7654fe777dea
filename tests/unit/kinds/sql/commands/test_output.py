"""``testrun sql run``: what is told of an outcome."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.unit.kinds.sql.reports.outcomes import outcomes

from testrun_operator.kinds.sql.commands.output import Teller
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
from testrun_operator.kinds.sql.project.model import File, Project

FILE = "tests/divide.stt"
TEXT = """\
# TEST CASE DIVIDE
Division of two numbers.

## TEST
It divides.

### DATA
| DIVIDEND | DIVISOR | QUOTIENT$ |
| -------- | ------- | --------- |
| 58       | 2       | 29        |
| 1 \\| 1   | __NULL__ | 3 |
"""
ROW = 11


def tell(outcome: ProjectOutcome, *, width: int = 100_000, project: Project | None = None, root: str = ".") -> str:
    """Tell an outcome as in a pipe, or on a terminal of some width."""
    output = io.StringIO()
    console = Console(file=output, color_system=None, markup=False, highlight=False, emoji=False, width=width)
    Teller(console, project or Project("ledger", (File(FILE, TEXT),)), Path(root)).tell(outcome)
    return output.getvalue()


def failed(*steps: Step) -> ProjectOutcome:
    """Make the outcome of one test that failed."""
    test = TestOutcome("It divides.", Place(FILE, 4), Mark.FAILED, "", steps)
    return ProjectOutcome(
        (TestCaseOutcome("Division.", FILE, Place(FILE, 1), Mark.FAILED, tests=(test,)),), seconds=1.25
    )


def row(message: str, expected: str = "", actual: str = "") -> Step:
    """Make a row that failed."""
    return Step(StepKind.ROW, "row 2 of 2", Place(FILE, ROW), False, expected, actual, message)


def test_a_failure_has_place_test_row_and_message() -> None:
    """Everything that is needed to look at it; the place opens in an editor from where the command was typed."""
    told = tell(failed(row("Row 2 of 2: Expected value '3', but received '4'", "3", "4")), root="db/ledger")
    assert told == (
        "✘ db/ledger/tests/divide.stt:4  It divides.\n"
        "    db/ledger/tests/divide.stt:11  row 2 of 2\n"
        "        DIVIDEND  DIVISOR   QUOTIENT$\n"
        "        1 | 1     __NULL__  3\n"
        "        Row 2 of 2: Expected value '3', but received '4'\n"
        "\n"
        "1 failed in 1.2 s\n"
    )


def test_a_row_that_is_too_wide_is_written_one_column_below_the_other() -> None:
    """A table whose lines are broken cannot be read."""
    told = tell(failed(row("no")), width=34)
    assert "        DIVIDEND   1 | 1\n        DIVISOR    __NULL__\n        QUOTIENT$  3\n" in told


def test_what_was_expected_and_received_is_told_unless_the_message_has_both() -> None:
    """With all their lines."""
    told = tell(failed(row("Differs", "one\ntwo", "")))
    assert "        expected  one\n                  two\n        received  (nothing)\n" in told


def test_a_messages_lines_are_kept_and_its_control_characters_are_not() -> None:
    """The database shows with blanks where the fault lies, and must not move the cursor."""
    told = tell(failed(row("LINE 1: SELECT\n\n          ^\n\x1b[31mred\r\x07")))
    assert "        LINE 1: SELECT\n\n                  ^\n        �[31mred\n        �\n" in told


def test_names_and_paths_cannot_write_to_the_terminal_either() -> None:
    """They come from files, too."""
    evil = "a\x1b]0;title\x07\nb"
    test = TestOutcome(evil, Place(evil, 4), Mark.SKIPPED, evil)
    case = TestCaseOutcome(evil, evil, Place(evil, 1), Mark.FAILED, (Problem(Place(evil, 1), evil),), evil, (test,))
    stopped = Stopped(Stop.SCRIPT_FAILED, evil, Place(evil, 1))
    told = tell(
        ProjectOutcome((case,), stopped, case.problems), project=Project(evil, (File(evil, evil),), notices=(evil,))
    )
    assert "\x1b" not in told
    assert "\x07" not in told


def test_a_test_with_many_failures_is_cut() -> None:
    """The first ones say what is wrong."""
    told = tell(failed(*[row(f"message {number}.") for number in range(100)]))
    assert "message 19." in told
    assert "message 20." not in told
    assert "and 80 more; --html and --junit have all of them" in told


def test_a_malformed_line_is_shown() -> None:
    """As it was written."""
    told = tell(failed(Step(StepKind.FORM, "how it is written", Place(FILE, 7), False, message="unknown")))
    assert "            7 > ### DATA\n        unknown\n" in told


def test_reasons_are_told_once_with_how_often_they_are_given() -> None:
    """One test that is marked [only] leaves out all the others."""
    tests = [TestOutcome(str(n), Place(FILE, n), Mark.SKIPPED, "another test is marked [only]") for n in range(1, 4)]
    tests += [TestOutcome("x", Place(FILE, 9), Mark.SKIPPED, ""), TestOutcome("y", Place(FILE, 9), Mark.PASSED)]
    case = TestCaseOutcome("Division.", FILE, Place(FILE, 1), Mark.PASSED, tests=tuple(tests))
    assert tell(ProjectOutcome((case,), seconds=0.04)) == (
        "3 skipped: another test is marked [only]\n1 skipped: no reason given\n\n1 passed, 4 skipped in 0.04 s\n"
    )


def test_what_ended_the_execution_is_told_with_the_lines_of_the_script() -> None:
    """It is why the rest was not run, which is not said again."""
    schema = File("schema.sql", "".join(f"SELECT {number};\n" for number in range(1, 10)))
    case = TestCaseOutcome("Division.", FILE, Place(FILE, 1), Mark.NOT_RUN, message="the schema could not be loaded")
    outcome = ProjectOutcome(
        (case,), Stopped(Stop.SCRIPT_FAILED, "Unable to load schema\nERROR: no", Place("schema.sql", 2))
    )
    told = tell(outcome, project=Project("ledger", (File(FILE, TEXT),), schema=schema))
    assert told == (
        "Ended before the last test: script failed\n"
        "    schema.sql:2\n"
        "        Unable to load schema\n"
        "        ERROR: no\n"
        "            1   SELECT 1;\n"
        "            2 > SELECT 2;\n"
        "            3   SELECT 3;\n"
        "            4   SELECT 4;\n"
        "\n"
        "failed: 1 not run in 0.00 s\n"
    )


def test_a_test_case_that_failed_as_a_whole_has_its_problems() -> None:
    """Each at its own place."""
    problems = (Problem(Place(FILE, 3), "unknown section"), Problem(Place("tests/fixtures/setup/a.sql", 1), "ERROR"))
    case = TestCaseOutcome("Division.", FILE, Place(FILE, 1), Mark.FAILED, problems)
    assert tell(ProjectOutcome((case,))).startswith(
        "✘ tests/divide.stt:1  Division.\n"
        "    tests/divide.stt:3\n"
        "        unknown section\n"
        "    tests/fixtures/setup/a.sql:1\n"
        "        ERROR\n"
    )


def test_problems_and_notices_of_the_project_are_told() -> None:
    """A project with a problem has not passed, whatever its tests say."""
    passed = TestOutcome("It divides.", Place(FILE, 4), Mark.PASSED)
    case = TestCaseOutcome("Division.", FILE, Place(FILE, 1), Mark.PASSED, tests=(passed,))
    outcome = ProjectOutcome((case,), problems=(Problem(Place("src/a.sql", 1), "leads out of the project"),))
    told = tell(outcome, project=Project("ledger", (), notices=("tests/a.sttt is not used",)))
    assert told == (
        "✘ src/a.sql:1\n"
        "        leads out of the project\n"
        "\n"
        "Notice: tests/a.sttt is not used\n"
        "\n"
        "failed: 1 passed in 0.00 s\n"
    )


@given(outcomes, st.sampled_from([10, 80, 100_000]))
def test_every_outcome_can_be_told(outcome: ProjectOutcome, width: int) -> None:
    """On every terminal, in every encoding, and without a character that a terminal would obey."""
    told = tell(outcome, width=width)
    assert all(character == "\n" or character.isprintable() for character in told)
    assert told.encode()


@pytest.mark.parametrize("width", [2, 20, 80])
def test_a_narrow_terminal_loses_nothing(width: int) -> None:
    """Lines are broken, not cut."""
    told = tell(failed(row("abcdefghijklmnopqrstuvwxyz" * 4)), width=width)
    assert "abcdefghijklmnopqrstuvwxyz" * 4 in "".join(told.split())
