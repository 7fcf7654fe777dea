"""Logs for tests, written down in a few words."""

from datetime import datetime, timedelta

from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log, ServerState

ROOT = 100
WHEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as in the log


def event(
    number: int,
    type: str,  # noqa: A002 - the name of the column
    node: str = "step",
    status: str = "",
    *,
    error: str = "",
    command: int | None = None,
    execution: int = ROOT,
    seconds: float | None = None,
    result: JsonValue = None,
) -> Event:
    """Make an event; by default each happens a second after the one before."""
    created = WHEN + timedelta(seconds=number if seconds is None else seconds)
    return Event(number, execution, type, status, node, created, command=command, error=error, result=result)


def log_of(dialect: Dialect, *events: Event, results: dict[str, JsonValue] | None = None) -> Log:
    """Make a log of an execution."""
    server_states = () if results is None else (ServerState(ROOT, "COMPLETED", is_over=True, results=results),)
    return Log(ROOT, dialect, events, server_states=server_states)
