"""Events that are persisted late and out of order, for real: no wrong verdict, and none on an incomplete log.

Recorded executions of three releases are written into tables of a real PostgreSQL, at twice the speed at which they
happened, each row later than it was by up to five seconds of its own. All are written, and followed, side by side.
"""

import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.integration.postgres import PostgresServer, running_postgres
from tests.unit.kinds.playbook.replay import TIMELINES, load

from support.recorded_log import Recording
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog
from testrun_operator.kinds.playbook.execution.log import Log, WorkState
from testrun_operator.kinds.playbook.execution.polling import EventsIncomplete, LogPoller
from testrun_operator.kinds.playbook.execution.status import final_status, first_error
from testrun_operator.kinds.playbook.spec import PlaybookStatus, Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.journal import Journal

pytestmark = pytest.mark.postgres

_LONGEST_DELAY = 5.0
_SPEED = 2.0
_SEED = 1
_LONGEST_SECONDS = 90.0
_LIMIT = timedelta(seconds=6)

_COMPLETED, _FAILED = PlaybookStatus.COMPLETED, PlaybookStatus.FAILED
# How each of them ended, and the error that must be named; by hand, as it was on the server.
_TRUE = {
    "hello_world-1.8.0": (_COMPLETED, ""),
    "late_failure-1.8.0": (_FAILED, "the third step is broken"),
    "composition-1.8.0": (_COMPLETED, ""),
    "retry-1.8.0": (_COMPLETED, "Unknown error"),
    "hello_world-2.5.5": (_COMPLETED, ""),
    "late_failure-2.5.5": (_FAILED, "the third step is broken"),
    "composition_of_failure-2.5.5": (_COMPLETED, "the third step is broken"),
    "open_end-2.5.5": (_COMPLETED, ""),
    "hello_world-4.26.0": (_COMPLETED, ""),
    "late_failure-4.26.0": (_FAILED, "the third step is broken"),
    "composition-4.26.0": (_COMPLETED, ""),
    "open_end-4.26.0": (_COMPLETED, ""),
}
# A row that never comes, and how it is named.
_LOST = {
    "variables-1.8.0": ("action_completed", "describe", "the end of step 'describe'"),
    "variables-2.5.5": ("command.completed", "describe", "the end of the command of step 'describe'"),
    "variables-4.26.0": ("batch.accepted", None, "batch.accepted of batch"),
}


@dataclass(frozen=True)
class _Followed:
    """What came of following an execution."""

    recording: Recording
    log: Log | None
    ended: float
    problem: EventsIncomplete | None


def _lose(recording: Recording, type_: str, node: str | None) -> None:
    lost = next(
        number
        for number, row in enumerate(recording.rows)
        if row["table"] == "event"
        and row["row"]["event_type"] == type_
        and node in (None, row["row"]["node_name"], row["row"].get("node_id"))
    )
    del recording.rows[lost]


def _recordings(postgres: PostgresServer) -> Iterator[Recording]:
    """Make a database for each release, and have each of its executions written there."""
    databases: dict[str, str] = {}
    chance = random.Random(_SEED)
    for name in (*_TRUE, *_LOST):
        release = name.rpartition("-")[2]
        is_first = release not in databases
        recording = Recording(name, databases.setdefault(release, postgres.dsn(postgres.new_database())), speed=_SPEED)
        if is_first:
            recording.create()
        if name in _LOST:
            _lose(recording, *_LOST[name][:2])
        recording.delays = [chance.uniform(0, _LONGEST_DELAY) for _ in recording.rows]
        yield recording


def _poll(recording: Recording) -> _Followed:
    journal = Journal(Masker([]), write_line=lambda _: None, tell_detail=lambda _: None, tell_progress=lambda *_: None)
    with PostgresEventLog(recording.dsn, recording.dialect) as event_log:
        poller = LogPoller(recording.root, event_log, Settling(limit=_LIMIT), journal)
        try:
            log = poller.poll(time.monotonic() + _LONGEST_SECONDS)
        except EventsIncomplete as problem:
            return _Followed(recording, poller.log, time.monotonic(), problem)
        return _Followed(recording, log, time.monotonic(), None)


@pytest.fixture(scope="module")
def followed() -> Iterator[Mapping[str, _Followed]]:
    """Everything that is looked at here, written and followed at the same time."""
    with running_postgres() as postgres:
        recordings = list(_recordings(postgres))
        with ThreadPoolExecutor(2 * len(recordings)) as pool:
            writing = [pool.submit(recording.write) for recording in recordings]
            outcomes = list(pool.map(_poll, recordings))
            for one in writing:
                one.result()
        yield {outcome.recording.name: outcome for outcome in outcomes}


@pytest.mark.parametrize("name", _TRUE)
def test_the_verdict_is_the_true_one_and_the_log_is_complete(followed: Mapping[str, _Followed], name: str) -> None:
    """However late and in whichever order its rows came."""
    outcome = followed[name]
    recording, log = outcome.recording, outcome.log
    assert outcome.problem is None
    assert log is not None
    assert outcome.ended >= recording.last_event_written
    assert recording.written_events != sorted(recording.written_events)
    status, error = _TRUE[name]
    assert final_status(log).status is status
    assert final_status(log).inferred is name.startswith("open_end")
    found = first_error(log)
    assert (found is not None) is bool(error)
    assert found is None or error in found.error
    assert [event.id for event in log.events] == sorted(recording.written_events)
    assert log.events == load(TIMELINES / f"{name}.json").complete.events
    assert all(work.state is WorkState.ENDED for work in log.work)


@pytest.mark.parametrize("name", _LOST)
def test_a_row_that_never_comes_is_named_and_nothing_is_judged(followed: Mapping[str, _Followed], name: str) -> None:
    """All others came, late and out of order."""
    outcome = followed[name]
    assert outcome.problem is not None
    assert outcome.problem.failure_class is FailureClass.DEPENDENCY
    assert outcome.problem.reason is Reason.EVENTS_INCOMPLETE
    assert _LOST[name][2] in outcome.problem.message
    assert f"execution {outcome.recording.root} says that it is over" in outcome.problem.message
    assert outcome.ended >= outcome.recording.last_event_written + _LIMIT.total_seconds()
    assert outcome.log is not None
    assert len(outcome.log.events) == len(outcome.recording.written_events)
