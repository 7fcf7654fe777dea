"""What an execution looks like to expressions, and in reports."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.unit.kinds.playbook.logs import ROOT, event, log_of

from testrun_operator.api.report import ExecutionReport
from testrun_operator.kinds.playbook.execution.description import actual_events, describe, left_out_of
from testrun_operator.kinds.playbook.execution.eventlog.rows import event_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Log
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.masking import Masker

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _describe(log: Log) -> Any:
    return describe(log, final_status(log))


@given(value=_JSON)
def test_every_result_of_1_is_given_as_the_step_made_it(value: JsonValue) -> None:
    """The release writes it once with an id around it, and once as it is, but for lists and what is nothing."""
    again: JsonValue = {"value": value} if isinstance(value, list) else value
    around: JsonValue = {"id": "x", "data": value, "status": "success"}
    if value is None:
        again = around
    log = log_of(
        Dialect.QUEUE,
        event(1, "action_completed", "make", "COMPLETED", result=around),
        event(2, "step_result", "make", "COMPLETED", result=None if value == {} else again),
    )
    assert _describe(log)["steps"] == {"make": value}


@given(value=_JSON)
def test_every_result_of_2_is_given_as_it_is(value: JsonValue) -> None:
    """The release writes it as it is."""
    log = log_of(Dialect.COMMAND, event(1, "command.completed", "make", "COMPLETED", result=value))
    assert _describe(log)["steps"] == {"make": value}


@pytest.mark.parametrize(
    ("kept", "result"),
    [
        ({"city": "Tbilisi", "context": {"city": "Tbilisi", "data": [1]}}, {"city": "Tbilisi", "data": [1]}),
        ({"context": {"a": {"b": 1}}}, {"a": {"b": 1}}),
        ({"context": {}}, {}),
        ({"_value": None, "context": {"_value": None}}, None),
        ([1, 2], [1, 2]),
        ("text", "text"),
        (0, 0),
        (False, False),
    ],
)
def test_4_keeps_results_with_the_execution(kept: JsonValue, result: JsonValue) -> None:
    """Seen on a real server; what its events have in place of most of them is no result."""
    left_out: JsonValue = {"status": "COMPLETED", "context": {"status": "COMPLETED", "command_id": 7}}
    ended = event(1, "command.completed", "make", "COMPLETED", result=left_out)
    kept_results = {"make": kept, "ctx": {"a": 1}, "workload": {"city": "Baku"}}
    assert _describe(log_of(Dialect.BATCH, ended, results=kept_results))["steps"] == {"make": result}
    assert _describe(log_of(Dialect.BATCH, ended))["steps"] == {"make": None}


def test_what_4_kept_of_a_step_before_it_failed_is_not_its_result() -> None:
    """The error is."""
    error: JsonValue = {"status": "FAILED", "context": {"error": "no", "command_id": 7, "worker_id": "w"}}
    failed = event(1, "command.failed", "make", "FAILED", error="no", result=error)
    log = log_of(Dialect.BATCH, failed, results={"make": {"context": {"old": 1}}})
    assert _describe(log)["steps"] == {"make": {"error": "no"}}


def test_the_result_of_all_is_that_of_the_last_step_that_has_one() -> None:
    """The end of a playbook is often a step that does nothing."""
    log = log_of(
        Dialect.BATCH,
        event(1, "step.enter", "first"),
        event(2, "step.enter", "second"),
        event(3, "step.enter", "end"),
        results={"first": 1, "second": {"context": {"n": 2}}, "end": {"context": {"step": "end", "status": "noop"}}},
    )
    assert _describe(log)["result"] == {"n": 2}
    assert _describe(log_of(Dialect.BATCH))["result"] is None


def test_a_result_of_nothing_counts_as_none_and_a_result_of_zero_as_one() -> None:
    """False, 0 and the empty text are results."""
    for value in (0, False, "", [], {}):
        log = log_of(
            Dialect.COMMAND,
            event(1, "step.exit", "first", result=1),
            event(2, "step.exit", "second", result=value),
            event(3, "step.exit", "third", result=None),
        )
        assert _describe(log)["result"] == value


def test_results_of_what_was_started_are_not_those_of_the_execution() -> None:
    """Steps of a child may have the same names."""
    child = event(2, "step.exit", "make", result="of the child", execution=ROOT + 1)
    log = log_of(Dialect.COMMAND, event(1, "step.exit", "make", result="own"), child)
    described = _describe(log)
    assert described["steps"] == {"make": "own"}
    assert described["events"] == {"step_exit": 2}


@pytest.mark.parametrize(
    ("dialect", "type_"),
    [
        (Dialect.QUEUE, "step_result"),
        (Dialect.QUEUE, "action_completed"),
        (Dialect.COMMAND, "step.exit"),
        (Dialect.BATCH, "command.completed"),
    ],
)
def test_a_result_that_is_too_large_is_not_taken_for_none(dialect: Dialect, type_: str) -> None:
    """An expectation of null would hold."""
    row = {"execution_id": 1, "event_id": 1, "event_type": type_, "node_name": "make", "created_at": "2026-01-01"}
    large = event_of({**row, "result": {"data": "x" * 5000}}, longest_result=4096)
    described = _describe(log_of(dialect, event(1, type_, "make", "COMPLETED", result=large.result)))
    assert list(described["steps"]["make"]) == ["leftOut"]
    assert described["steps"]["make"]["leftOut"] > 5000
    assert left_out_of(described) == ("make",)


def test_a_large_result_that_4_keeps_with_the_execution_is_there() -> None:
    """It is read from another table."""
    ended = event(1, "command.completed", "make", result={"context": {}, "leftOut": 70000, "status": "COMPLETED"})
    described = _describe(log_of(Dialect.BATCH, ended, results={"make": {"context": {"long": "x"}}}))
    assert described["steps"] == {"make": {"long": "x"}}
    assert left_out_of(described) == ()


def test_an_id_above_53_bits_is_exact() -> None:
    """As text, since JSON clients round such numbers."""
    log = Log(2**63 - 1, Dialect.BATCH, ())
    assert json.loads(json.dumps(_describe(log)))["execution"] == {"id": "9223372036854775807"}


@given(types=st.lists(st.text(max_size=150), max_size=40), secret=st.text("abcdef", min_size=8, max_size=12))
def test_what_is_reported_of_events_is_bounded_and_has_no_secret(types: list[str], secret: str) -> None:
    """Also where a secret begins before the place at which a name is cut."""
    events = [event(number, f"{one}{secret}", f"{'x' * 95}{secret}") for number, one in enumerate(types, 1)]
    counts = actual_events(log_of(Dialect.BATCH, *events), Masker([secret]))
    assert sum(counts.by_type.values()) == len(types)
    for one in counts.last:
        assert secret not in one.type
        assert secret[:4] not in one.node
        assert len(one.node) <= 101


def test_very_many_types_are_put_together() -> None:
    """The report takes 200 of them; the sum remains that of all events."""
    events = [event(number, f"type {number // 2}") for number in range(1000)]
    counts = actual_events(log_of(Dialect.BATCH, *events), Masker([]))
    assert len(counts.by_type) == 200
    assert sum(counts.by_type.values()) == 1000
    report = ExecutionReport(id="1", events=dict(counts.by_type), last_events=counts.last)
    assert report.events == counts.by_type
    assert report.last_events == counts.last
