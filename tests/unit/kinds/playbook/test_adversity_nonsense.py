"""Logs with anything in them: whatever servers write, a case ends with a verdict and not with an exception of ours."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from testrun_operator.api.report import ExecutionReport
from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker
from testrun_operator.kinds.playbook.execution.description import actual_events, describe
from testrun_operator.kinds.playbook.execution.event_types import _MEANINGS
from testrun_operator.kinds.playbook.execution.eventlog.event_cache import EventCache
from testrun_operator.kinds.playbook.execution.eventlog.rows import (
    commanded_work_of,
    event_of,
    queued_work_of,
    read_json,
    server_state_of,
)
from testrun_operator.kinds.playbook.execution.judging import describe_error, judge
from testrun_operator.kinds.playbook.execution.log import Dialect, Log
from testrun_operator.kinds.playbook.execution.status import final_status, first_error
from testrun_operator.kinds.playbook.spec import PlaybookExpectations, Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import CannotJudge

_ROOT = 100
_EXPECTED = PlaybookExpectations.model_validate(
    {
        "minEvents": 1,
        "maxEvents": 2,
        "maxDuration": "1s",
        "noErrors": True,
        "events": [{"type": "step.exit", "node": "s1", "status": "COMPLETED"}],
        "steps": {"ran": ["s1"], "notRan": ["s2"], "inOrder": ["s1", "s2"]},
        "jmespath": [{"expression": "steps.s1.x", "equals": 1}, {"expression": "result", "equals": None}],
    }
)
_WORDS = [*_MEANINGS, "step.exit", "call.error", "step_result", "Batch.Processing", "loop.done", "?", "", "a.b"]
_IDS = st.sampled_from([_ROOT, str(_ROOT), 101, "102", 2**63 - 1])
_NONSENSE: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["9" * 5000, "\ud800", "\x00", "null", '"', "103", "s1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_KEYS = ["context", "data", "execution_id", "command_id", "loop_event_id", "event_ids", "request_id", "step"]
_KEYS += ["commands_generated", "status", "result", "attempt_number", "id", "value", "_value", "step_results", "s1"]
_OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(_KEYS), _NONSENSE, max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(_KEYS), inner | _NONSENSE, max_size=4),
    max_leaves=4,
)
_ANYTHING = _NONSENSE | _OBJECTS
_NODES = st.sampled_from(["s1", "s1:task_sequence", "s1_iter_0", "s2", "", None, "\x00\ud800", ":task_sequence", 7])
_TIMES = st.sampled_from(
    ["2026-01-01T00:00:00", "0001-01-01", "9999-12-31T23:59:59.999999", "2026-01-01T00:00:00+14:00", "20260101"]
)
_EVENTS = st.fixed_dictionaries(
    {
        "event_id": st.integers(1, 60) | st.just(2**63 - 1),
        "execution_id": _IDS,
        "event_type": st.sampled_from(_WORDS),
        "created_at": _TIMES,
    },
    optional={
        "status": st.sampled_from(["COMPLETED", "failed", "Success", "ERROR", "canceled", None, "", "\ud800", 3]),
        "node_name": _NODES,
        "parent_execution_id": _IDS | st.none(),
        "command_id": st.sampled_from([1, "2", "100:s1:1", None, "9" * 5000]) | _ANYTHING,
        "error": _ANYTHING,
        "result": _ANYTHING,
        "meta": _ANYTHING,
    },
)
_WORK = st.fixed_dictionaries(
    {"queue_id": st.integers(1, 9), "command_id": st.integers(1, 9), "execution_id": _IDS},
    optional={"status": st.text(max_size=4) | st.sampled_from(["done", "PENDING"]), "node_name": _NODES, "x": _NODES},
)
_ACCOUNTS = st.fixed_dictionaries({"execution_id": _IDS}, optional={"status": _ANYTHING, "state": _ANYTHING})


@pytest.mark.parametrize("dialect", Dialect)
@given(
    rows=st.lists(_EVENTS, max_size=12),
    work=st.lists(_WORK, max_size=3),
    server_states=st.lists(_ACCOUNTS, max_size=2),
)
@settings(deadline=None, max_examples=60)
def test_every_log_has_a_verdict(
    dialect: Dialect,
    rows: list[Mapping[str, Any]],
    work: list[Mapping[str, Any]],
    server_states: list[Mapping[str, Any]],
) -> None:
    """And what is told of it can be told: by the child to its parent, and by the pod to the operator."""
    cache = EventCache(_ROOT)
    cache.add(event_of(row, longest_result=200) for row in rows)
    make = queued_work_of if dialect is Dialect.QUEUE else commanded_work_of
    log = Log(
        _ROOT,
        dialect,
        cache.events,
        work=tuple(map(make, work)),
        server_states=tuple(map(server_state_of, server_states)),
    )
    settler = CompletenessTracker(Settling())
    for now, length in ((0.0, 0), (0.1, len(log.events) // 2), (0.2, len(log.events)), (99.0, len(log.events))):
        settler.observe(Log(_ROOT, dialect, log.events[:length], log.work, server_states=log.server_states), now)
    final = final_status(log)
    masker = Masker(["secret-of-all"])
    document = describe(log, final)
    findings = list(judge(_EXPECTED, log, final, document, masker))
    told = [finding.as_detail().model_dump_json() for finding in findings]
    assert any('"status"' in text for text in told)
    if (error := first_error(log)) is not None:
        assert describe_error(error, log, masker)
    seen = actual_events(log, masker)
    report = ExecutionReport(id=str(_ROOT), events=dict(seen.by_type), last_events=seen.last)
    assert ExecutionReport.model_validate(json.loads(report.model_dump_json())) == report


@given(row=_EVENTS | st.dictionaries(st.sampled_from(["event_id", "execution_id", "created_at", "error"]), _ANYTHING))
@settings(deadline=None, max_examples=60)
def test_a_row_is_an_event_or_is_refused(row: Mapping[str, Any]) -> None:
    """What refuses it is what readers expect."""
    try:
        event = event_of(row, longest_result=100)
    except ValueError:
        return
    assert 0 < event.id < 2**63


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, "9" * 5000, "{", "", b"\xff"], ids=range(6)
)
def test_json_that_cannot_be_used_is_left_out(text: str | bytes) -> None:
    """As PostgreSQL holds it, but Python hardly."""
    assert read_json(text) == {"leftOut": len(text)}


def test_too_many_executions_are_refused_in_words() -> None:
    """Cycles of parents are no matter: an execution is taken in once."""
    cache = EventCache(_ROOT)
    assert cache.include([101, _ROOT])
    assert not cache.include([101, _ROOT])
    with pytest.raises(CannotJudge, match="more than 1000 executions"):
        cache.include(range(1000, 3000))
