"""The deadline: the statement that runs is cancelled, nothing matches that, and what was done is kept."""

import time

import pytest

from support.recording_database import RecordingDatabase, RecordingSession
from testrun_operator.databases.base import Isolation
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Counts, Mark, Stop, Stopped

from .conftest import GENERIC, PROCEDURAL, Executed, Make, Run, data, generic


def soon() -> float:
    """Return a deadline that a test can wait for."""
    return time.monotonic() + 0.3


def stopped_of(executed: Executed) -> Stopped:
    """Return why an execution ended early."""
    assert executed.outcome.stopped is not None
    return executed.outcome.stopped


@pytest.mark.parametrize("word", ["HANG", "SWALLOW"])
@pytest.mark.parametrize("isolation", Isolation)
def test_a_statement_that_hangs_is_cancelled_and_reported_with_its_place(
    run: Run, isolation: Isolation, word: str
) -> None:
    """Also one that takes the cancel for any other error; the expected error does not match it."""
    text = GENERIC + generic("first") + generic(f"one\n{word} on {'x' * 300}", "### ERROR") + generic("last")
    executed = run(text, request=Request(isolation=isolation), deadline=soon())
    stopped = stopped_of(executed)
    assert (stopped.why, stopped.place) == (Stop.TIMED_OUT, Place("tests/a.stt", 14))
    assert f"{word} on xxx" in stopped.message
    assert len(stopped.message) < 300
    assert [outcome.mark for outcome in executed.tests] == [Mark.PASSED, Mark.FAILED, Mark.NOT_RUN]
    assert "not run to its end (tests/a.stt:14)" in executed.tests[1].message
    assert executed.outcome.counts == Counts(3, 1, 1, 0, 1)


def test_a_call_that_hangs_matches_no_expected_error(run: Run, divide: RecordingDatabase) -> None:
    """``any`` means any error of the database's own."""
    executed = run(PROCEDURAL + data("| what | =ERROR= |", "| five | |", "| HANG | any |"), divide, deadline=soon())
    assert stopped_of(executed).why is Stop.TIMED_OUT
    assert [step.passed for step in executed.tests[0].steps] == [True]
    assert executed.tests[0].mark is Mark.FAILED


def test_an_assertion_that_hangs_keeps_what_was_looked_at_before(run: Run) -> None:
    """The body did pass."""
    executed = run(GENERIC + generic("one", "### ASSERTION", "A.", "```", "HANG", "```"), deadline=soon())
    assert [step.passed for step in executed.tests[0].steps] == [True]
    assert stopped_of(executed).place == Place("tests/a.stt", 12)


@pytest.mark.parametrize(("where", "place"), [("schema", "schema.sql:1"), ("setup", "tests/fixtures/setup/slow.sql:1")])
def test_scripts_that_hang_are_cancelled_too(run: Run, project: Make, where: str, place: str) -> None:
    """Nothing failed then; nothing was run."""
    text = GENERIC + ("## BEFORE ALL\n- Slow\n\n" if where == "setup" else "") + generic()
    made = project(text, {"slow.sql": "HANG"}, schema="HANG" if where == "schema" else None)
    executed = run(made, deadline=soon())
    assert str(stopped_of(executed).place) == place
    assert executed.outcome.counts == Counts(1, 0, 0, 0, 1)


def test_a_deadline_that_is_over_runs_nothing(run: Run) -> None:
    """Also where every statement is quick."""
    executed = run(GENERIC + generic(), deadline=time.monotonic() - 1)
    assert stopped_of(executed).why is Stop.TIMED_OUT
    assert executed.database.sessions == []
    assert executed.tests[0].mark is Mark.NOT_RUN


def test_quick_statements_end_at_the_deadline_as_well(run: Run) -> None:
    """None of them has to be cancelled for that."""

    class Unhurried(RecordingSession):
        def execute(self, statement: str) -> int | None:
            time.sleep(0.01)
            return super().execute(statement)

    text = GENERIC + generic("\n".join(["quick"] * 100)) * 50
    executed = run(text, RecordingDatabase(session_type=Unhurried), deadline=soon())
    assert stopped_of(executed).why is Stop.TIMED_OUT
    counts = executed.outcome.counts
    assert counts.not_run > 40
    assert counts.passed + counts.failed + counts.not_run == 50


def test_what_takes_long_is_told_while_it_runs(run: Run) -> None:
    """So that a process that is killed has said what it was doing."""
    executed = run(GENERIC + generic("HANG around"), deadline=time.monotonic() + 0.8)
    assert "tests/a.stt:7: HANG around" in executed.listener.said


def test_without_a_deadline_nothing_is_cancelled(run: Run) -> None:
    """And the watchdog's thread ends."""
    executed = run(GENERIC + generic())
    assert [session.cancels for session in executed.database.sessions] == [0]
