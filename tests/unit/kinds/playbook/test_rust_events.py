"""Events of the servers written in Rust say the same as those of others, in other places."""

from typing import Any

import pytest
from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.event_types import is_error
from testrun_operator.kinds.playbook.execution.eventlog.rust import event_reader
from testrun_operator.kinds.playbook.execution.ids import children_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Event

_ROOT = 385_932_721_003_499_520


def _row(type_: str, status: str, context: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": _ROOT + 1,
        "execution_id": _ROOT,
        "event_type": type_,
        "status": status,
        "node_name": "greet",
        "created_at": "2026-11-30T23:18:50.975117",
        "result": {"status": status, "context": {"command_id": f"{_ROOT}:greet:7", **context}},
        "meta": {"command_id": None},
        "error": None,
    }


def _done(call: dict[str, Any]) -> dict[str, Any]:
    return _row("call.done", "COMPLETED", {"call_index": 0, "result": call})


def _read(row: dict[str, Any], longest: int | None = None) -> Event:
    return event_reader(Dialect.RUST)(row, longest_result=longest)


def _of_tool(**tool: JsonValue) -> dict[str, Any]:
    status = tool.pop("status", "success")
    return {"status": status, "context": {"status": status, "duration_ms": 12, **tool}}


@pytest.mark.parametrize("data", [{"greeting": "hello"}, [1, 2], "text", 42, None, {"error": "is a word like others"}])
def test_the_result_of_a_step_is_what_its_tool_returned(data: JsonValue) -> None:
    """And nothing that the worker writes around it; also where it has a key that the worker uses itself."""
    event = _read(_done(_of_tool(data=data, stdout="", stderr="")))
    assert event.result == data
    assert event.error == ""
    assert not is_error(event)
    assert event.command == f"{_ROOT}:greet:7"


def test_the_error_of_a_program_is_what_it_said_last() -> None:
    """The worker calls the call done, and COMPLETED."""
    said = 'Traceback (most recent call last):\n  File "<string>", line 1\nValueError: broken\n'
    call = _of_tool(status="error", error="Python script exited with code 1", stderr=said, data={"stdout": ""})
    event = _read(_done(call))
    assert event.error == "Python script exited with code 1: ValueError: broken"
    assert event.result == {"error": event.error}
    assert is_error(event)


@pytest.mark.parametrize("type_", ["call.error", "command.failed"])
def test_the_error_of_a_tool_that_never_ran_is_beside_its_command(type_: str) -> None:
    """As of a credential that there is not."""
    event = _read(_row(type_, "FAILED", {"error": "Credential 'none' not found"}))
    assert event.error == "Credential 'none' not found"


@pytest.mark.parametrize("status", ["error", "timeout"])
def test_a_command_that_completed_with_an_error_is_an_error(status: str) -> None:
    """Its status alone says so."""
    assert is_error(_read(_row("command.completed", status, {"status": status})))


def test_a_step_that_started_a_playbook_names_its_execution() -> None:
    """As of the other releases, so that it is found and waited for."""
    call = _of_tool(data={"status": "started", "execution_id": str(_ROOT + 5)})
    assert list(children_of(_read(_done(call)))) == [_ROOT + 5]


def test_a_result_that_is_kept_elsewhere_or_is_too_long_says_how_long_it_is() -> None:
    """The worker leaves a reference where it is larger than an event may be."""
    place = _of_tool(data={"_ref": "noetl://execution/1/result/greet/2"})
    elsewhere = {**place, "reference": {"kind": "result_ref", "meta": {"bytes": 123_456}}}
    assert _read(_done(elsewhere)).result == {"leftOut": 123_456}
    long = _read(_done(_of_tool(data={"text": "x" * 500})), 100)
    assert long.result is not None
    assert long.command == f"{_ROOT}:greet:7"
    assert "x" * 500 not in str(long)


def test_what_the_reader_of_the_database_left_out_stays_left_out() -> None:
    """It keeps what tells whether the log is complete."""
    row = {**_done({}), "result": {"status": "COMPLETED", "execution_id": None, "context": {}, "leftOut": 99_999}}
    assert _read(row).result == row["result"]
