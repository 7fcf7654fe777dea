"""Rows of NoETL's tables, and objects of its server's API, as the values of ``log.py``.

They come as mappings of names of columns; what a release does not have is not in there. Ids may be numbers or texts:
both are exact, since PostgreSQL and Python's JSON know whole numbers of any size.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from testrun_operator.runner.playbook.ids import mapping, read_id
from testrun_operator.runner.playbook.log import Account, Event, Work, WorkState
from testrun_operator.runner.playbook.meaning import fold

Row = Mapping[str, Any]

_WAITING: Final = frozenset({"queued", "retry", "pending", "issued"})
_ENDED: Final = frozenset({"done", "dead", "completed", "failed", "cancelled", "success", "error", "skipped"})
_OVER: Final = frozenset({"completed", "failed", "cancelled", "success", "error"})
_LONGEST_ERROR: Final = 20_000


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
    type_ = str(row.get("event_type") or "")
    if batch is None and fold(type_).startswith("batch_"):
        batch = inner.get("request_id")
    return Event(
        id=_needed_id(row, "event_id"),
        execution=_needed_id(row, "execution_id"),
        type=type_,
        status=str(row.get("status") or ""),
        node=str(row.get("node_name") or row.get("node_id") or ""),
        created=_time(row.get("created_at") or row.get("timestamp")),
        parent_execution=read_id(row.get("parent_execution_id")),
        command=read_id(command) or (str(command) if command else None),
        batch=str(batch) if batch else None,
        error=_error(row.get("error")),
        result=result if longest_result is None else _shortened(result, longest_result),
    )


def queued_work_of(row: Row) -> Work:
    """Make a piece of work of a row of ``noetl.queue``."""
    node = str(row.get("node_name") or row.get("node_id") or "")
    return _work(row, "queue_id", node)


def commanded_work_of(row: Row) -> Work:
    """Make a piece of work of a row of ``noetl.command``."""
    return _work(row, "command_id", str(row.get("step_name") or ""))


def account_of(row: Row) -> Account:
    """Make an account of a row of ``noetl.execution``."""
    status = str(row.get("status") or "")
    results = mapping(mapping(row.get("state")).get("step_results"))
    return Account(_needed_id(row, "execution_id"), status, is_over(status), dict(results))


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


def _shortened(result: Any, longest: int) -> Any:
    length = len(json.dumps(result, ensure_ascii=False, default=str))
    if length <= longest:
        return result
    outer, inner = mapping(result), mapping(mapping(result).get("context"))
    kept = {key: inner[key] for key in ("execution_id", "loop_event_id", "request_id") if key in inner}
    return {
        **{key: outer[key] for key in ("status", "execution_id") if key in outer},
        "context": kept,
        "leftOut": length,
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
