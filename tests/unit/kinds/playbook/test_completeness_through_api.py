"""Recordings read through the server's API: without queue and commands, and one execution at a time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.kinds.playbook.replay import TIMELINES, Timeline, all_timelines, load

from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, State
from testrun_operator.kinds.playbook.execution.eventlog.api import ApiEventLog
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import Settling
from testrun_operator.runner.problem import ConnectionFailed

_HIDDEN = {
    "rust-3": ("meta", "command_id", "prev_event_id", "parent_execution_id", "execution_id"),
    "4": ("meta", "command_id"),
    "2": ("meta", "command_id"),
    "1": (),
}
_LONG_AFTER = 60.0


@dataclass
class _RecordedServer:
    """Answers as the server of a recording would have at a moment."""

    timeline: Timeline
    now: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self._rows = json.loads((TIMELINES / f"{self.timeline.name}.json").read_text())["rows"]
        self._era = self.timeline.release.partition(".")[0]

    def get(self, path: str, parameters: Mapping[str, str]) -> object:
        if self.failures:
            self.failures -= 1
            raise ConnectionFailed("no answer")
        execution = path.split("/")[3]
        rows = [
            row["row"]
            for row in self._rows
            if row["table"] == "event" and row["atMs"] / 1000 <= self.now and row["row"]["execution_id"] == execution
        ]
        events = [{key: value for key, value in row.items() if key not in _HIDDEN[self._era]} for row in rows]
        if path.endswith("/status"):
            ended = any(event["event_type"] in ("playbook.completed", "playbook.failed") for event in events)
            return {"completed": ended, "failed": False, "completion_inferred": False, "variables": {}}
        if not events:
            return None
        if self._era != "4":
            parent = rows[0].get("parent_execution_id")
            return {"execution_id": execution, "parent_execution_id": parent, "events": events}
        events.sort(key=lambda event: -int(event["event_id"]))
        size, page = 40, int(parameters["page"])
        shown = events[(page - 1) * size : page * size]
        pages: dict[str, Any] = {"total_events": len(events), "has_next": page * size < len(events)}
        return {"execution_id": execution, "events": shown, "pagination": pages}


def _ends(timeline: Timeline) -> bool:
    return not timeline.name.startswith(("no_worker", "worker_", "server_"))


@pytest.mark.parametrize("timeline", [*filter(_ends, all_timelines())], ids=lambda timeline: timeline.name)
def test_a_log_is_settled_as_well_through_the_server(timeline: Timeline) -> None:
    """The verdict is the same, and not before the last event."""
    server = _RecordedServer(timeline)
    reader = ApiEventLog(server, timeline.dialect)
    settler = CompletenessTracker(Settling())
    last = max(seconds for seconds, _ in timeline.events)
    while True:
        log = reader.read(timeline.execution)
        decision = settler.observe(log, server.now)
        if decision.state is not State.OPEN or server.now > timeline.end + _LONG_AFTER:
            break
        server.now += decision.poll_after
    if timeline.name in ("retry-2.5.5", "retry_exhausted-2.5.5"):
        assert decision.state is State.OPEN
        return
    assert decision.state is State.SETTLED
    assert server.now >= last
    assert [event.id for event in log.events] == [event.id for event in timeline.complete.events]
    assert final_status(log) == final_status(timeline.complete)
    # Of the queue nothing is known, so that another attempt has to be waited for.
    longest = 10.0 if timeline.dialect is Dialect.QUEUE else 1.5
    assert decision.quiet <= longest
    assert server.now <= last + decision.quiet + 1.0


def test_a_server_that_does_not_answer_is_asked_again() -> None:
    """It is being restarted."""
    server = _RecordedServer(load(TIMELINES / "hello_world-4.26.0.json"), now=100.0, failures=2)
    assert ApiEventLog(server, Dialect.BATCH).read(server.timeline.execution).events


def test_a_server_that_never_answers_makes_the_case_errored() -> None:
    """After the time of grace, with what it said."""
    server = _RecordedServer(load(TIMELINES / "hello_world-4.26.0.json"), failures=1000)
    with pytest.raises(ConnectionFailed, match="no answer"):
        ApiEventLog(server, Dialect.BATCH, grace=0.3).read(1)


class _Nonsense:
    """Answers with one thing, whatever it is asked for."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def get(self, path: str, parameters: Mapping[str, str]) -> object:
        del path, parameters
        return self._answer


@pytest.mark.parametrize("answer", [None, [], "busy", {}, {"events": None}, {"events": ["x"]}, {"events": 3}])
def test_an_answer_without_events_is_an_empty_log(answer: object) -> None:
    """1.8.0 answers ``null`` with status 200 for what it does not know."""
    assert ApiEventLog(_Nonsense(answer), Dialect.QUEUE, grace=0).read(1).events == ()


@pytest.mark.parametrize("event", [{}, {"event_id": "x"}, {"event_id": 1}, {"event_id": 2.5, "created_at": "today"}])
def test_events_that_are_none_are_a_failure_of_the_server(event: dict[str, object]) -> None:
    """And none of the subject."""
    with pytest.raises(ConnectionFailed, match="cannot be read"):
        ApiEventLog(_Nonsense({"events": [event]}), Dialect.QUEUE, grace=0).read(1)


def test_a_long_result_is_not_kept() -> None:
    """But for the execution that it names."""
    event = {
        "event_id": 5,
        "created_at": "2026-01-01T00:00:00",
        "event_type": "step.exit",
        "result": {"status": "COMPLETED", "context": {"text": "x" * 100_000, "execution_id": "9"}},
    }
    (read,) = ApiEventLog(_Nonsense({"events": [event]}), Dialect.QUEUE, grace=0).read(1).events[:1]
    assert read.result == {"status": "COMPLETED", "context": {"execution_id": "9"}, "leftOut": 100_069}
