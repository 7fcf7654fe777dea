"""A copy of the database for each test case, several at once."""

import threading

import pytest

from support.recording_database import RecordingCopies, RecordingDatabase, RecordingSession
from testrun_operator.databases.base import DatabaseUnreachable, Isolation
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Counts, Mark, Stop

from .conftest import GENERIC, Make, Run, generic


def request(parallel: int = 1) -> Request:
    """Ask for copies."""
    return Request(isolation=Isolation.DATABASE, parallel=parallel)


def test_each_test_case_has_a_copy_of_what_was_loaded_once(run: Run, project: Make) -> None:
    """The schema and the sources are loaded into the template alone, and nothing is done in the original."""
    made = project(
        {"tests/a.stt": GENERIC + generic("a"), "tests/b.stt": "nonsense", "tests/c.stt": GENERIC + generic("c") * 2},
        schema="schema",
        sources={"src/a.sql": "source"},
    )
    executed = run(made, request=request())
    copies = executed.database.made_copies
    assert copies is not None
    assert copies.template.log == ["schema", "source"]
    assert [database.log for database in copies.made] == [["a"], ["c", "c"]]
    assert executed.database.sessions == []
    assert copies.dropped
    assert copies.alive == 0
    assert copies.prefix.startswith("testrun_")


def test_every_execution_has_a_name_of_its_own(run: Run) -> None:
    """Two of them may run on one server."""
    prefixes = {run(GENERIC + generic(), request=request()).database.made_copies.prefix for _ in range(3)}  # type: ignore[union-attr]
    assert len(prefixes) == 3


def test_test_cases_run_at_once_and_outcomes_are_in_order(run: Run, project: Make) -> None:
    """As many as are allowed, and no more; the observer is told one thing at a time."""
    barrier = threading.Barrier(3, timeout=20)

    class Meeting(RecordingSession):
        def execute(self, statement: str) -> int | None:
            if statement == "meet":
                barrier.wait()
            return super().execute(statement)

    files = {f"tests/{number}.stt": GENERIC + generic("meet", name=f"{number}") for number in range(6)}
    executed = run(project(files), RecordingDatabase(session_type=Meeting), request(3))
    assert executed.outcome.passed
    assert [case.file for case in executed.outcome.cases] == list(files)
    assert executed.database.made_copies is not None
    assert executed.database.made_copies.most_alive == 3
    assert sorted(case.file for case in executed.listener.cases) == list(files)
    assert len(executed.listener.tests) == 6


def test_a_template_that_cannot_be_loaded_stops_everything(run: Run, project: Make) -> None:
    """No copy is made of it."""
    executed = run(project(GENERIC + generic(), schema="FAIL 1 x"), request=request())
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.SCRIPT_FAILED
    assert executed.database.made_copies is not None
    assert executed.database.made_copies.made == []
    assert executed.database.made_copies.dropped


def test_a_database_without_copies_says_what_is_missing(run: Run) -> None:
    """The case is wrong, not the tests."""
    executed = run(GENERIC + generic(), RecordingDatabase(has_copies=False), request())
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.IMPOSSIBLE
    assert executed.outcome.stopped.message == "copies need the right to make them"
    assert executed.outcome.counts == Counts(1, 0, 0, 0, 1)


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_connection_that_is_lost_in_one_copy_ends_the_execution(run: Run, project: Make, parallel: int) -> None:
    """What ended before is kept; what had not begun is not run."""
    files = {f"tests/{number}.stt": GENERIC + generic("LOSE" if number == 2 else "fine") for number in range(9)}
    executed = run(project(files), request=request(parallel))
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.CONNECTION_LOST
    marks = [case.mark for case in executed.outcome.cases]
    assert marks[:3] == [Mark.PASSED, Mark.PASSED, Mark.NOT_RUN]
    assert len(marks) == 9
    assert executed.database.made_copies is not None
    assert executed.database.made_copies.dropped


@pytest.mark.parametrize("parallel", [1, 2])
def test_whatever_is_raised_everything_is_dropped_and_closed(run: Run, project: Make, parallel: int) -> None:
    """Someone may interrupt it."""

    class Interrupted(BaseException):
        pass

    class Interrupting(RecordingSession):
        def execute(self, statement: str) -> int | None:
            if statement == "stop":
                raise Interrupted
            return super().execute(statement)

    database = RecordingDatabase(session_type=Interrupting)
    files = {f"tests/{number}.stt": GENERIC + generic("stop" if number == 1 else "fine") for number in range(5)}
    with pytest.raises(Interrupted):
        run(project(files), database, request(parallel))
    assert database.made_copies is not None
    assert database.made_copies.dropped
    assert database.made_copies.alive == 0
    assert len(database.made_copies.made) < 5


def test_a_copy_that_cannot_be_dropped_does_not_undo_an_outcome(run: Run, project: Make) -> None:
    """The test case had ended."""

    class Undroppable(RecordingCopies):
        def drop(self, database: RecordingDatabase) -> None:
            super().drop(database)
            raise DatabaseUnreachable("it went away")

    database = RecordingDatabase(copies_type=Undroppable)
    executed = run(
        project({"tests/a.stt": GENERIC + generic(), "tests/b.stt": GENERIC + generic()}), database, request()
    )
    assert [case.mark for case in executed.outcome.cases] == [Mark.PASSED, Mark.NOT_RUN]
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.why is Stop.CONNECTION_LOST
