"""Rows of NoETL's tables, and objects of its server's API, as the values of ``log.py``.

They come as mappings of names of columns; what a release does not have is not in there. Ids may be numbers or texts:
both are exact, since PostgreSQL and Python's JSON know whole numbers of any size.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from sys import intern
from typing import Any, Final

from pydantic import JsonValue

from testrun_operator.httpclient.exchange import MAX_NESTING, is_nested_deeper_than
from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Event, ServerState, Work, WorkState

Row = Mapping[str, Any]

_WAITING: Final = frozenset({"queued", "retry", "pending", "issued"})
_ENDED: Final = frozenset({"done", "dead", "completed", "failed", "cancelled", "success", "error", "skipped"})
_OVER: Final = frozenset({"completed", "failed", "cancelled", "success", "error"})
_LONGEST_ERROR: Final = 20_000
LEFT_OUT: Final = "leftOut"
"""The key under which stands how long a value is that was not kept."""


def event_of(row: Row, *, longest_result: int | None = None) -> Event:
    """Make an event of a row of ``noetl.event``, or of what the server's API gives of it.

    Args:
        row: the row.
        longest_result: of how many characters of JSON a result may be; of a longer one is kept what tells whether the
            log is complete.

    Raises:
        ValueError: it has no id, no execution or no time.
    """
    result, meta = row.get("result"), row.get("meta")
    inner = mapping(mapping(result).get("context"))
    command = row.get("command_id") or mapping(meta).get("command_id") or inner.get("command_id")
    batch = mapping(meta).get("batch_request_id")
    type_ = _word(row.get("event_type"))
    if batch is None and fold(type_).startswith("batch_"):
        batch = inner.get("request_id")
    return Event(
        id=_needed_id(row, "event_id"),
        execution=_needed_id(row, "execution_id"),
        type=type_,
        status=_word(row.get("status")),
        node=_word(row.get("node_name") or row.get("node_id")),
        created=_time(row.get("created_at") or row.get("timestamp")),
        parent_execution=read_id(row.get("parent_execution_id")),
        command=read_id(command) or (str(command) if command else None),
        batch=str(batch) if batch else None,
        previous=read_id(row.get("prev_event_id")),
        error=_error(row.get("error")),
        result=result if longest_result is None else shortened(result, longest_result),
    )


def read_json(text: str | bytes) -> JsonValue:
    """Read JSON that a playbook may have made, as a database gives it.

    Of what Python cannot read, or can hardly use, is kept how long it was: numbers of thousands of digits, and what is
    nested very deeply.
    """
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return {LEFT_OUT: len(text)}
    return {LEFT_OUT: len(text)} if is_nested_deeper_than(MAX_NESTING, value) else value


def queued_work_of(row: Row) -> Work:
    """Make a piece of work of a row of ``noetl.queue``."""
    node = str(row.get("node_name") or row.get("node_id") or "")
    return _work(row, "queue_id", node)


def commanded_work_of(row: Row) -> Work:
    """Make a piece of work of a row of ``noetl.command``."""
    return _work(row, "command_id", str(row.get("step_name") or ""))


def server_state_of(row: Row) -> ServerState:
    """Make an account of a row of ``noetl.execution``."""
    status = str(row.get("status") or "")
    results = mapping(mapping(row.get("state")).get("step_results"))
    return ServerState(_needed_id(row, "execution_id"), status, is_over(status), dict(results))


def is_over(status: str) -> bool:
    """Whether an execution with a status, as the server gives it, is over."""
    return fold(status) in _OVER


def _work(row: Row, key: str, node: str) -> Work:
    status = str(row.get("status") or "")
    folded = fold(status)
    state = WorkState.TAKEN
    if folded in _WAITING:
        state = WorkState.WAITING
    elif folded in _ENDED:
        state = WorkState.ENDED
    attempts = row.get("attempts")
    return Work(
        id=_needed_id(row, key),
        execution=_needed_id(row, "execution_id"),
        node=node,
        state=state,
        status=status,
        attempts=attempts if isinstance(attempts, int) else 0,
    )


def _needed_id(row: Row, key: str) -> int:
    value = read_id(row.get(key))
    if value is None:
        raise ValueError(f"{key} is {row.get(key)!r}, and no id")
    return value


def _word(value: object) -> str:
    """Give a text that many rows have, without keeping it many times."""
    return intern(str(value or ""))


def shortened(result: Any, longest: int) -> Any:
    """Keep of a result that is too long what tells whether the log is complete."""
    length = len(json.dumps(result, ensure_ascii=False, default=str))
    if length <= longest:
        return result
    outer, inner = mapping(result), mapping(mapping(result).get("context"))
    kept = {key: inner[key] for key in ("execution_id", "loop_event_id", "request_id") if key in inner}
    return {
        **{key: outer[key] for key in ("status", "execution_id") if key in outer},
        "context": kept,
        LEFT_OUT: length,
    }


def _time(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=None)


def _error(value: object) -> str:
    """Take the text out of the quotes of JSON that some releases put around it."""
    if value is None:
        return ""
    text = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).strip()
    if text.startswith('"') and text.endswith('"'):
        try:
            decoded = json.loads(text)
        except ValueError:
            decoded = None
        if isinstance(decoded, str):
            text = decoded.strip()
    return "" if text in ("null", "{}", "None") else text[:_LONGEST_ERROR]
