"""The promise of rollback, and what is done where it is broken; a database that goes away."""

import pytest

from support.recording_database import RecordingDatabase
from testrun_operator.databases.base import Isolation
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Counts, Mark, StepKind, Stop

from .conftest import GENERIC, PROCEDURAL, Make, Run, data, generic

ROLLBACK = Request(isolation=Isolation.ROLLBACK)


def test_a_statement_that_commits_is_reported_and_nothing_more_of_the_test_is_run(run: Run, project: Make) -> None:
    """It says which statement did it, and what fits; the next test is run."""
    first = generic("one\nCOMMIT\ntwo", "### ASSERTION", "A.", "```", "x", "```", "### AFTER", "- Clean")
    executed = run(project(GENERIC + first + generic("next"), teardown={"clean.sql": "clean"}), request=ROLLBACK)
    (step,) = executed.tests[0].steps
    assert (step.kind, step.place) == (StepKind.ISOLATION, Place("tests/a.stt", 8))
    assert "COMMIT" in step.message
    assert "isolation: none or isolation: database" in step.message
    assert executed.log == ["begin", "rollback", "begin", "one", "COMMIT", "rollback", "begin", "next", "rollback"]
    assert executed.tests[1].mark is Mark.PASSED


def test_a_row_that_commits_is_named(run: Run, divide: RecordingDatabase) -> None:
    """Where the database commits without asking."""
    executed = run(PROCEDURAL + data("| what |", "| five |", "| COMMIT |", "| five |"), divide, ROLLBACK)
    assert [(step.kind, step.place.line) for step in executed.tests[0].steps] == [
        (StepKind.ROW, 9),
        (StepKind.ISOLATION, 10),
    ]


@pytest.mark.parametrize(("cell", "passes"), [("", False), ("any", False), ("other", False), ("termination", True)])
def test_a_procedure_that_must_not_commit_is_not_taken_for_an_expected_error(
    run: Run, divide: RecordingDatabase, cell: str, passes: bool
) -> None:
    """``any`` expects an error of the code under test, not one of the isolation. Who wants just that gets it."""
    text = PROCEDURAL + data("| what | =ERROR= |", f"| FAIL 2D000 invalid termination | {cell} |")
    executed = run(text, divide, ROLLBACK)
    assert executed.outcome.passed is passes
    kinds = {step.kind for step in executed.tests[0].failures()}
    assert (StepKind.ISOLATION in kinds) is not passes
    assert run(text, divide).outcome.passed is (passes or cell == "any")


def test_a_body_that_calls_such_a_procedure_is_reported(run: Run) -> None:
    """As a row is."""
    executed = run(GENERIC + generic("FAIL 2D000 invalid termination", "### ERROR"), request=ROLLBACK)
    assert [step.kind for step in executed.tests[0].failures()] == [StepKind.ISOLATION]


def test_a_database_without_transactions_says_so_before_anything_is_loaded(run: Run, project: Make) -> None:
    """The case is wrong, not the tests."""
    database = RecordingDatabase(has_transactions=False)
    executed = run(project(GENERIC + generic(), schema="schema"), database, ROLLBACK)
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.IMPOSSIBLE
    assert executed.tests[0].mark is Mark.NOT_RUN
    assert database.log == []


def test_a_database_that_cannot_be_reached_stops_everything(run: Run) -> None:
    """Nothing was run, and nothing failed."""
    executed = run(GENERIC + generic(), RecordingDatabase(is_reachable=False))
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.CONNECTION_LOST
    assert "nobody is there" in executed.outcome.stopped.message
    assert executed.outcome.counts == Counts(1, 0, 0, 0, 1)


def test_a_connection_that_is_lost_keeps_what_was_done(run: Run) -> None:
    """Of the test that ran nobody knows; an expected error does not match it."""
    lost = generic("LOSE", "### ERROR")
    executed = run(GENERIC + generic() + generic("FAIL 1 x") + lost + generic())
    assert [outcome.mark for outcome in executed.tests] == [Mark.PASSED, Mark.FAILED, Mark.NOT_RUN, Mark.NOT_RUN]
    stopped = executed.outcome.stopped
    assert stopped is not None
    assert (stopped.why, stopped.place) == (Stop.CONNECTION_LOST, Place("tests/a.stt", 19))
    assert stopped.message == "the database does not answer: it went away\nLOSE"
    assert "not run to its end (tests/a.stt:19)" in executed.tests[2].message


def test_a_row_that_loses_the_connection_matches_no_expected_error(run: Run, divide: RecordingDatabase) -> None:
    """``any`` means any error of the database's."""
    executed = run(PROCEDURAL + data("| what | =ERROR= |", "| five | |", "| LOSE | any |"), divide)
    (outcome,) = executed.tests
    assert outcome.mark is Mark.NOT_RUN
    assert [step.passed for step in outcome.steps] == [True]


def test_messages_are_bounded(run: Run) -> None:
    """A database may say a megabyte."""
    executed = run(GENERIC + generic("FAIL 1 " + "x" * 100_000) * 2)
    assert all(len(message) <= 2000 for message in executed.messages)
    assert all(len(outcome.message) <= 2000 for outcome in executed.tests)
