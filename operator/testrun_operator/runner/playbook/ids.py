"""Ids of executions and commands: whole numbers of 64 bits, as numbers or as texts, and where results have them."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from testrun_operator.runner.playbook.log import Event
from testrun_operator.runner.problem import ConnectionFailed

_MAX_ID: Final = 2**63
_MILLISECOND_SHIFT: Final = 23
"""How many of an id's last bits are not its time in milliseconds."""
_LATE_MILLISECONDS: Final = 60_000


def children_of(event: Event) -> Iterator[int]:
    """Give the ids of executions that the result of an event names.

    A step that starts a playbook has its execution in its result. Ids rise with time: what was there before the
    execution that names it was not started by it, but looked at.
    """
    result = mapping(event.result)
    for place in (result, mapping(result.get("data")), mapping(result.get("context"))):
        child = read_id(place.get("execution_id"))
        if child is not None and child > event.execution:
            yield child


def read_id(value: object) -> int | None:
    """Read an id of 64 bits; give None where it is none."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.isascii() and text.isdecimal() and len(text) < len(str(_MAX_ID)) + 1):
            return None
        value = int(text)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_ID:
        return value
    return None


def mapping(value: object) -> Mapping[str, JsonValue]:
    """Give a JSON value that should be an object; an empty one where it is something else."""
    return value if isinstance(value, Mapping) else {}


def check_is_new(execution: int, newest: int) -> None:
    """Make sure that an execution was not there long before it was started.

    Args:
        execution: what the server calls the execution that it started.
        newest: the newest execution that there was before; 0 where that is not known. Servers that start executions at
            the same time may have clocks that are some seconds apart.

    Raises:
        ConnectionFailed: it is another run's.
    """
    milliseconds = (newest >> _MILLISECOND_SHIFT) - (execution >> _MILLISECOND_SHIFT)
    if milliseconds > _LATE_MILLISECONDS:
        raise ConnectionFailed(
            f"the server answered to the start with execution {execution}, which is of another run: "
            f"{newest}, which is newer, was there before"
        )
