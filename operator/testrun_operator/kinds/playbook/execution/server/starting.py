"""Starts a playbook, once: what may have been started is never started again, but looked for."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from testrun_operator.httpclient.exchange import Response
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id, time_of
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.catalog import Registered
from testrun_operator.kinds.playbook.execution.server.transport import (
    InvalidAnswer,
    NotSent,
    ServerError,
    Transport,
    retry_while_away,
)
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

_ANSWER_SECONDS: Final = 60.0
"""A server that cannot reach its NATS answers late or never."""
_MARGIN_SECONDS: Final = 3.0
_MARGIN_PART: Final = 0.3
"""So much of the case's time, but at most this part of it, is kept for finding out what became of it."""
_SEARCH_SECONDS: Final = 5.0
_NOT_FOUND: Final = 404
_FIRST_CLIENT_ERROR: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_HIDDEN_NOT_FOUND: Final = "404: "
"""So begins the detail of a 500 of 2.x that should be a 404."""
_CLOCKS_DIFFER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Started:
    """A playbook that was started."""

    execution: int


class StartUncertain(ConnectionFailed):
    """The server was asked to start a playbook, and nobody knows whether it did.

    Args:
        message: for people.
        execution: one that the server started at that time, which may be it; None where none was found.
    """

    def __init__(self, message: str, execution: int | None = None) -> None:
        super().__init__(message)
        self.execution = execution


def start(
    transport: Transport, dialect: Dialect, playbook: Registered, payload: Mapping[str, JsonValue], *, merge: bool
) -> Started:
    """Start a playbook.

    Args:
        transport: to the server.
        dialect: the server's generation.
        playbook: which.
        payload: its input.
        merge: whether the input is merged into the workload, where servers ask (1.x).

    Raises:
        InvalidCase: the server refuses it.
        StartUncertain: it may have been started.
        ConnectionFailed: it was not started.
    """
    body: dict[str, JsonValue] = {"catalog_id": playbook.catalog_id}
    if dialect is Dialect.QUEUE:
        route = "/api/run/playbook"
        body |= {"path": playbook.path, "version": str(playbook.version), "args": dict(payload), "merge": merge}
    else:
        # Version 2.x heeds no version: only the id in the catalog says which it is.
        route = "/api/execute"
        body |= {"payload": dict(payload)}
        if dialect is Dialect.RUST:
            body["catalog_id"] = read_id(playbook.catalog_id)
    request = transport.request("POST", route, body)
    began = time.time()
    margin = min(_MARGIN_SECONDS, _MARGIN_PART * transport.remaining_seconds())

    def ask() -> Response:
        answer_seconds = min(_ANSWER_SECONDS, transport.remaining_seconds() - margin)
        return transport.send(request, answer_seconds=answer_seconds, own_connection=True)

    try:
        response = retry_while_away(ask, transport.remaining_seconds() - margin, kind=NotSent)
        if response.status >= _FIRST_CLIENT_ERROR:
            raise _refusal(transport, playbook, response)
        return _started(transport, response)
    except NotSent:
        raise
    except ServerError as error:
        if error.status == _TOO_MANY_REQUESTS:
            raise
        if error.detail.startswith(_HIDDEN_NOT_FOUND):
            raise InvalidCase("playbook.path", f"{playbook.path!r} cannot be started: {error.detail}") from None
        raise _uncertain(transport, dialect, playbook, began, error) from None
    except ConnectionFailed as error:
        raise _uncertain(transport, dialect, playbook, began, error) from None


def _started(transport: Transport, response: Response) -> Started:
    execution = read_id(mapping(transport.json(response)).get("execution_id"))
    if execution is None:
        raise InvalidAnswer(transport.say(response.request, "the answer has no execution_id"))
    return Started(execution)


def _refusal(transport: Transport, playbook: Registered, response: Response) -> InvalidCase:
    field = "playbook.path" if response.status == _NOT_FOUND else "playbook"
    problem = f"the server refuses to start {playbook.path!r} (status {response.status})"
    return InvalidCase(field, f"{problem}: {transport.detail_of(response)}")


def _uncertain(
    transport: Transport, dialect: Dialect, playbook: Registered, began: float, error: ConnectionFailed
) -> StartUncertain:
    found = _newest_since(transport, dialect, playbook, began - _CLOCKS_DIFFER_SECONDS)
    known = f"execution {found} of it began at that time" if found else "no execution of it was found"
    message = (
        f"nobody knows whether {playbook.path!r} was started, so it is not started again: {error.message}; {known}"
    )
    return StartUncertain(message, found)


def _newest_since(transport: Transport, dialect: Dialect, playbook: Registered, since: float) -> int | None:
    """Look for the newest execution of a playbook that the server's list has, and that nobody's playbook started."""
    # From 4.x on servers give the newest ones alone, earlier releases give all.
    request = transport.request("GET", "/api/executions?page_size=50")
    try:
        listed = transport.json(transport.send(request, answer_seconds=_SEARCH_SECONDS))
    except (ConnectionFailed, InvalidCase):
        return None
    ids = [
        identity
        for one in (listed if isinstance(listed, list) else [])
        if mapping(one).get("path") == playbook.path
        and not mapping(one).get("parent_execution_id")
        and (identity := read_id(mapping(one).get("execution_id"))) is not None
        and time_of(dialect, identity) >= since
    ]
    return max(ids, default=None)
