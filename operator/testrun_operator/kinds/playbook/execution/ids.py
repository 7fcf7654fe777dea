"""Ids of executions and commands: whole numbers of 64 bits, as numbers or as texts, and where results have them."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.log import Dialect, Event
from testrun_operator.runner.problem import ConnectionFailed

_MAX_ID: Final = 2**63
_EPOCH_SECONDS: Final = 1_704_067_200
"""The time in ids begins with 2024."""
_LAST_BITS: Final = 23
"""How many of an id's last bits are not its time in milliseconds."""
_LAST_BITS_OF_RUST: Final = 22
_LATE_SECONDS: Final = 60.0
_CLOCKS_DIFFER_SECONDS: Final = 86_400.0
"""By so much the clock of a server may be ahead of ours; more than that, and an id is of a generation before."""


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


def time_of(dialect: Dialect, identity: int) -> float:
    """Tell when an id was given, in seconds since 1970 by the clock of the database, or of the server.

    Args:
        dialect: the generation that gave it. Those written in Rust write the time one bit further right, so that their
            ids are half as large as those of the releases before.
        identity: the id.
    """
    bits = _LAST_BITS_OF_RUST if dialect is Dialect.RUST else _LAST_BITS
    return (identity >> bits) / 1000 + _EPOCH_SECONDS


def check_is_new(dialect: Dialect, execution: int, newest: int) -> None:
    """Make sure that an execution was not there long before it was started.

    A database in which a release before those written in Rust has worked has ids that seem to be of years to come: of
    these nothing can be said.

    Args:
        dialect: the server's generation.
        execution: what the server calls the execution that it started.
        newest: the newest execution that there was before; 0 where that is not known. Servers that start executions at
            the same time may have clocks that are some seconds apart.

    Raises:
        ConnectionFailed: it is another run's.
    """
    given = time_of(dialect, newest)
    if given > time.time() + _CLOCKS_DIFFER_SECONDS:
        return
    if given - time_of(dialect, execution) > _LATE_SECONDS:
        raise ConnectionFailed(
            f"the server answered to the start with execution {execution}, which is of another run: "
            f"{newest}, which is newer, was there before"
        )
