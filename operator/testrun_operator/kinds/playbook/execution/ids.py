"""Ids of executions and commands, as NoETL writes them: whole numbers of 64 bits, as numbers or as texts.

An id contains the time at which it was given (a "snowflake id"): its upper bits are milliseconds since 2024.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.log import Dialect, Event
from testrun_operator.runner.problem import ConnectionFailed

_MAX_ID: Final = 2**63
_EPOCH_SECONDS: Final = 1_704_067_200
"""The start of 2024, from which the time in ids is counted, in seconds since 1970."""
_LAST_BITS: Final = 23
"""How many of the lowest bits of an id are not part of its time."""
_LAST_BITS_OF_RUST: Final = 22
"""The same for servers written in Rust."""
_LATE_SECONDS: Final = 60.0
"""An execution whose id is older by so much than the newest one before the start was not started by it."""
_CLOCKS_DIFFER_SECONDS: Final = 86_400.0
"""The clock of a server may be ahead of ours by so much. An id from later than that was given by another generation."""


def children_of(event: Event) -> Iterator[int]:
    """Yield the ids of the executions that the result of an event names as started by its step.

    A step that starts a playbook has the id of that execution in its result. Since ids rise with time, an execution
    with a lower id than the one that names it was there before, and was not started by it.
    """
    result = mapping(event.result)
    for place in (result, mapping(result.get("data")), mapping(result.get("context"))):
        child = read_id(place.get("execution_id"))
        if child is not None and child > event.execution:
            yield child


def read_id(value: object) -> int | None:
    """Read an id from a JSON value; None if it is no whole number from 1 to 2**63 - 1, as a number or as a text."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.isascii() and text.isdecimal() and len(text) < len(str(_MAX_ID)) + 1):
            return None
        value = int(text)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_ID:
        return value
    return None


def mapping(value: object) -> Mapping[str, JsonValue]:
    """Return a JSON value that should be an object; an empty object if it is something else."""
    return value if isinstance(value, Mapping) else {}


def time_of(dialect: Dialect, identity: int) -> float:
    """Return when an id was given, in seconds since 1970, by the clock of the database or of the server.

    Args:
        dialect: the generation that gave it. In ids of servers written in Rust the time begins one bit lower, so that
            they are half as large as those of the releases before.
        identity: the id.
    """
    bits = _LAST_BITS_OF_RUST if dialect is Dialect.RUST else _LAST_BITS
    return (identity >> bits) / 1000 + _EPOCH_SECONDS


def check_is_new(dialect: Dialect, execution: int, newest: int) -> None:
    """Make sure that the execution that a server named in its answer to a start was not there long before.

    Where a server written in Rust uses the database of an earlier release, the ids of that release seem to be from
    years to come. Nothing can be concluded from these.

    Args:
        dialect: the server's generation.
        execution: id of the execution that the server says it started.
        newest: id of the newest execution that there was before the start; 0 if that is not known. It may be newer by
            some seconds, since several servers may start executions at the same time and have different clocks.

    Raises:
        ConnectionFailed: the execution was there before, and belongs to another run.
    """
    given = time_of(dialect, newest)
    if given > time.time() + _CLOCKS_DIFFER_SECONDS:
        return
    if given - time_of(dialect, execution) > _LATE_SECONDS:
        raise ConnectionFailed(
            f"the server answered to the start with execution {execution}, which is of another run: "
            f"{newest}, which is newer, was there before"
        )
