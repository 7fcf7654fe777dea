"""What is stored of the execution of a playbook."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.records import attempt, case_record

from testrun_operator.api.report import MAX_EXECUTION_ID, ExecutionReport, ReportedEvent
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import CaseRecord
from testrun_operator.store import rows

EXECUTION = ExecutionReport(
    id="765993903060157424",
    status="FAILED",
    inferred=True,
    page="http://noetl:8082/execution/765993903060157424",
    events={"command.issued": 5, "step.exit": 4},
    last_events=(
        ReportedEvent(type="step.exit", status="FAILED", node="save"),
        ReportedEvent(type="playbook.completed", status="completed", node="child", execution="765993903060157999"),
    ),
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def record(*executions: ExecutionReport | None, **fields: Any) -> CaseRecord:
    """Make the record of a case with one attempt for each execution."""
    attempts = [replace(attempt(number=number), execution=found) for number, found in enumerate(executions, start=1)]
    return case_record(attempts=tuple(attempts), **fields)


def test_the_execution_of_a_playbook_is_in_its_row() -> None:
    """Its id as the number that NoETL's tables have, and what was seen of its events."""
    row = rows.result_row(record(EXECUTION))
    assert row.execution_id == 765993903060157424
    assert row.actual_events is not None
    assert row.actual_events.obj == {
        "status": "FAILED",
        "inferred": True,
        "page": "http://noetl:8082/execution/765993903060157424",
        "counts": {"command.issued": 5, "step.exit": 4},
        "last": [
            {"type": "step.exit", "status": "FAILED", "node": "save"},
            {
                "type": "playbook.completed",
                "status": "completed",
                "node": "child",
                "execution_id": "765993903060157999",
            },
        ],
    }


def test_the_status_of_a_row_is_how_the_execution_ended() -> None:
    """A playbook that failed as it was expected to is FAILED, and a test that passed."""
    row = rows.result_row(record(EXECUTION, expected_status="FAILED"))
    assert (row.status, row.test_passed, row.expected_status) == ("FAILED", True, "FAILED")


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.ERRORED, "ERROR"), (Verdict.TIMED_OUT, "TIMEOUT")])
def test_the_status_of_a_row_is_that_of_the_verdict_where_nothing_was_judged(verdict: Verdict, status: str) -> None:
    """Whatever the execution came to in the end."""
    assert rows.result_row(record(EXECUTION, verdict=verdict)).status == status


def test_the_execution_is_that_of_the_attempt_that_decided() -> None:
    """Each attempt starts one of its own; the last may have started none."""
    later = EXECUTION.model_copy(update={"id": "3"})
    assert rows.result_row(record(EXECUTION, later)).execution_id == 3
    assert rows.result_row(record(EXECUTION, None)).execution_id is None


def test_a_case_without_an_execution_has_neither_id_nor_events() -> None:
    """The other kinds, and a playbook that could not be started."""
    row = rows.result_row(record(None, verdict=Verdict.ERRORED))
    assert (row.execution_id, row.actual_events) == (None, None)


@pytest.mark.parametrize("number", [2**53 + 1, MAX_EXECUTION_ID])
def test_no_digit_of_an_id_is_lost(number: int) -> None:
    """They have up to 63 bits."""
    assert rows.result_row(record(ExecutionReport(id=str(number)))).execution_id == number


@given(text=ANY_TEXT)
def test_whatever_a_server_calls_its_events_can_be_stored(text: str) -> None:
    """Postgres takes no NUL, and no half of a surrogate pair."""
    event = ReportedEvent(type=text, status=text, node=text)
    odd = ExecutionReport(id="1", status=text, events={text: 1}, last_events=(event,))
    stored = rows.result_row(record(odd)).actual_events
    assert stored is not None
    encoded = json.dumps(stored.obj, ensure_ascii=False)
    assert "\\u0000" not in encoded
    encoded.encode()


def test_a_reduced_record_keeps_which_execution_it_was_and_how_it_ended() -> None:
    """What Postgres refused can only be among its texts."""
    reduced = rows.result_row(rows.reduced_case(record(EXECUTION), "a rule of somebody else"))
    assert reduced.execution_id == 765993903060157424
    assert reduced.actual_events is not None
    assert reduced.actual_events.obj == {"status": "FAILED", "inferred": True, "counts": {}, "last": []}
