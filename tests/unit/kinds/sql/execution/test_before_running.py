"""What is found before anything is run, and what is left out."""

import pytest

from support.recording_database import RecordingDatabase
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.execution.request import Request, Selection
from testrun_operator.kinds.sql.outcome import Counts, Mark, StepKind
from testrun_operator.kinds.sql.project.model import File, Project

from .conftest import DIVIDE, GENERIC, PROCEDURAL, Make, Run, data, generic


def test_a_malformed_file_is_one_failed_test_and_others_run(run: Run, project: Make) -> None:
    """With its line."""
    executed = run(project({"tests/a.stt": "nonsense", "tests/b.stt": GENERIC + generic()}))
    first, second = executed.outcome.cases
    assert (first.mark, first.tests, first.problems[0].place) == (Mark.FAILED, (), Place("tests/a.stt", 1))
    assert second.mark is Mark.PASSED
    assert executed.outcome.counts == Counts(2, 1, 1, 0, 0)
    assert executed.listener.plans == [(2, 2)]


def test_a_malformed_test_fails_and_others_run(run: Run) -> None:
    """Each problem is a step."""
    executed = run(GENERIC + "## TEST\nNo body.\n\n" + generic())
    first, second = executed.tests
    assert first.mark is Mark.FAILED
    assert {step.kind for step in first.steps} == {StepKind.FORM}
    assert first.message
    assert second.mark is Mark.PASSED


def test_nothing_is_connected_to_where_there_is_nothing_to_run(run: Run) -> None:
    """What is malformed is malformed without a database, too."""
    database = RecordingDatabase(is_reachable=False)
    executed = run("nonsense", database)
    assert executed.outcome.stopped is None
    assert executed.outcome.counts.failed == 1


def test_missing_fixtures_fail_the_test_case_all_at_once(run: Run, project: Make) -> None:
    """It counts as one failed test; other test cases run."""
    sections = "## AFTER EACH TEST\n- Gone\n\n## BEFORE ALL\n- Here\n- Nowhere\n\n"
    executed = run(
        project(
            {"tests/a.stt": GENERIC + sections + generic(), "tests/b.stt": GENERIC + generic("b")}, {"here.sql": "x"}
        )
    )
    first, _ = executed.outcome.cases
    assert [problem.message.partition(":")[0] for problem in first.problems] == [
        "Unable to find fixture 'Nowhere'",
        "Unable to find fixture 'Gone'",
    ]
    assert [problem.place.line for problem in first.problems] == [9, 5]
    assert executed.outcome.counts == Counts(2, 1, 1, 0, 0)
    assert executed.log == ["b"]


def test_a_missing_fixture_of_a_single_test_fails_that_test(run: Run) -> None:
    """Others do not need it."""
    executed = run(GENERIC + generic("fine", "### BEFORE", "- Nowhere") + generic("other"))
    assert [outcome.mark for outcome in executed.tests] == [Mark.FAILED, Mark.PASSED]
    assert "Unable to find fixture 'Nowhere'" in executed.messages[0]
    assert executed.log == ["other"]


def test_a_cell_that_names_no_file_is_found_before_anything_is_run(run: Run, divide: RecordingDatabase) -> None:
    """In data, and in results."""
    result = "### RESULT\nR.\n```\nRETURN a|1\n```\n| a |\n| - |\n| =FILE:no.txt= |"
    executed = run(PROCEDURAL + data("| what |", "| five |", "| =FILE:../up.txt= |", sections=result), divide)
    assert executed.messages[0].startswith("Row 2 of 2: the file '../up.txt' is not below")
    assert executed.messages[1].startswith("there is no file 'tests/no.txt'")
    assert "call" not in " ".join(executed.log)


def test_a_missing_routine_fails_the_test_case(run: Run) -> None:
    """Before its fixtures are loaded."""
    executed = run(PROCEDURAL + data("| what |", "| five |"))
    (case,) = executed.outcome.cases
    assert case.problems == (Problem(Place("tests/a.stt", 1), "the specified procedure, divide does not exist"),)
    assert executed.outcome.counts == Counts(1, 0, 1, 0, 0)


@pytest.mark.parametrize("point", ["BEFORE ALL", "BEFORE EACH TEST", "BEFORE EACH ROW"])
def test_a_routine_may_be_made_by_a_fixture(run: Run, project: Make, point: str) -> None:
    """So it is missing only after that."""

    class Making(RecordingDatabase):
        def connect(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            session = super().connect()
            execute = session.execute

            def execute_and_make(statement: str) -> int | None:
                if statement == "make":
                    self.routines = {"divide": [DIVIDE]}
                return execute(statement)

            session.execute = execute_and_make  # type: ignore[method-assign]
            return session

    text = f"{PROCEDURAL}## {point}\n- Make\n\n" + data("| what |", "| five |")
    assert run(project(text, {"make.sql": "make"}), Making()).outcome.passed
    executed = run(project(text, {"make.sql": "do not"}), RecordingDatabase())
    assert "the specified procedure, divide does not exist" in executed.messages[0]
    assert executed.outcome.counts == Counts(1, 0, 1, 0, 0)


def test_skipped_tests_are_shown_with_their_reason(run: Run) -> None:
    """And nothing is done for them."""
    executed = run(GENERIC + generic(title="## TEST [skip: later]") + generic("two"))
    assert [(outcome.mark, outcome.message) for outcome in executed.tests] == [
        (Mark.SKIPPED, "later"),
        (Mark.PASSED, ""),
    ]
    assert executed.outcome.counts == Counts(2, 1, 0, 1, 0)
    assert executed.outcome.passed
    assert executed.log == ["two"]


def test_what_is_not_selected_does_not_appear(run: Run) -> None:
    """Neither in the outcome nor in the counts."""
    text = GENERIC + generic(name="One.") + generic("two", name="Two.")
    executed = run(text, request=Request(Selection(tests=("two*",))))
    assert [outcome.name for outcome in executed.tests] == ["Two."]
    assert executed.log == ["two"]


def test_a_file_that_cannot_be_read_fails(run: Run) -> None:
    """As a malformed one does; what is wrong with the project makes the whole fail."""
    problem = Problem(Place("tests/a.stt", 1), "it is not UTF-8")
    executed = run(Project("p", (File("tests/a.stt", "", problem),), problems=(problem,)))
    assert executed.outcome.cases[0].problems == (problem,)
    assert executed.outcome.problems == (problem,)
    assert not executed.outcome.passed
