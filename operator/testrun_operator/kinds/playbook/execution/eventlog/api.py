"""Reads event logs through the server's API, where there is no DSN of its database.

All releases have ``GET /api/executions/ID``, which returns every event (1.x, 2.x) or one page of them (4.x and later).
From 2.x on there is ``GET /api/executions/ID/status``. No route returns the rows of ``noetl.queue`` or of
``noetl.command``. An answer has the events of one execution only; those that it started are found by the results that
name them. The route that executes any SQL is not used: these releases have it by accident, and good installations close
it.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from testrun_operator.kinds.playbook.execution.eventlog.event_cache import (
    MAX_EVENTS,
    MAX_RESULT_BYTES,
    EventCache,
    EventCaches,
    belongs,
    too_large,
)
from testrun_operator.kinds.playbook.execution.eventlog.rows import is_over
from testrun_operator.kinds.playbook.execution.eventlog.rust import EventReader, event_reader
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log, ServerState
from testrun_operator.runner.problem import ConnectionFailed

GRACE_SECONDS: Final = 30.0
"""How long a server may be away, since it may be restarting."""

_PAGE_SIZE: Final = 500
_MOST_OF_RUST: Final = 2000
"""Servers written in Rust return only the newest events, at most so many."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


class ServerApi(Protocol):
    """The part of a client of NoETL's API that is needed here."""

    def get(self, path: str, parameters: Mapping[str, str]) -> object:
        """Get a resource.

        Args:
            path: path of the resource: ``/api/executions/1``.
            parameters: parameters of the query.

        Returns:
            The JSON value of the answer; None if there is no such resource.

        Raises:
            ConnectionFailed: there was no answer, an answer with a status of 5xx, or one that is no JSON.
        """


class ApiEventLog:
    """Reads event logs of executions through a NoETL server.

    Args:
        api: the client of the server.
        dialect: the server's generation.
        grace: for how many seconds a server that does not answer is asked again.
    """

    def __init__(self, api: ServerApi, dialect: Dialect, *, grace: float = GRACE_SECONDS) -> None:
        self._api = api
        self._dialect = dialect
        self._event_of = event_reader(dialect)
        self._grace = grace
        self._caches = EventCaches()
        self._server_states: dict[int, ServerState] = {}
        self._until = math.inf

    def newest(self, *, until: float = math.inf) -> int:  # noqa: ARG002 - of every event log
        """Return 0, for unknown: servers have no route for the newest execution that does not list all of them."""
        return 0

    def read(self, root: int, *, until: float = math.inf) -> Log:
        """Read what can be seen of an execution and of all that it started.

        Args:
            root: id of the execution.
            until: when to give up at the latest, in seconds of the clock ``time.monotonic``.

        Raises:
            CannotJudge: the server did not answer during the time of grace, or the log is too large.
        """
        self._until = until
        cache = self._caches.of(root)
        cache.unrelated.clear()
        for execution in list(cache.tree):
            self._read_execution(cache, execution)
        while candidates := sorted(cache.candidates - cache.unrelated):
            for candidate in candidates:
                self._examine_candidate(cache, candidate)
        return Log(
            root=root,
            dialect=self._dialect,
            events=cache.events,
            knows_work=False,
            server_states=tuple(self._server_states[one] for one in cache.tree if one in self._server_states),
        )

    def _examine_candidate(self, cache: EventCache, candidate: int) -> None:
        """Read an execution that a result names, if it is one of those that the root started."""
        found = self._page(candidate, 1)
        parents = [read_id(found.get("parent_execution_id")), *(_parent(one) for one in _listed(found))]
        if _listed(found) and belongs(parents, cache.tree):
            cache.include([candidate])
            self._read_execution(cache, candidate)
        else:
            # It may not be visible yet, and is asked for again when the log is read the next time.
            cache.unrelated.add(candidate)

    def _read_execution(self, cache: EventCache, execution: int) -> None:
        before = cache.count(execution)
        number = 1
        while True:
            found = self._page(execution, number)
            cache.add(_event(self._event_of, one, execution) for one in _listed(found))
            if self._dialect is Dialect.RUST and len(_listed(found)) >= _MOST_OF_RUST:
                raise too_large(
                    f"the server shows the newest {_MOST_OF_RUST} events and no others; its database has all"
                )
            pages = mapping(found.get("pagination"))
            total = pages.get("total_events")
            is_all = not isinstance(total, int) or cache.count(execution) >= total
            if is_all or not pages.get("has_next") or number * _PAGE_SIZE > MAX_EVENTS:
                break
            number += 1
        server_state = self._server_states.get(execution)
        # The state of an execution is written a little later than its events.
        if cache.count(execution) != before or server_state is None or not server_state.is_over:
            self._read_server_state(execution)

    def _read_server_state(self, execution: int) -> None:
        if self._dialect in (Dialect.QUEUE, Dialect.RUST):
            return  # 1.x has no such state; servers written in Rust infer it from the events, and before the last one
        said = mapping(self._ask(f"/api/executions/{execution}/status", {}))
        if not said:
            return
        # A state that the server infers from the events adds nothing to them, and does not wait for the late ones.
        over = said.get("completed") is True and said.get("completion_inferred") is not True
        # The server calls an execution failed as soon as one of its steps is, while others may still run.
        inferred = "FAILED" if said.get("failed") is True else "COMPLETED" if over else "RUNNING"
        status = str(said.get("status") or inferred)
        results = dict(mapping(said.get("variables")))
        self._server_states[execution] = ServerState(
            execution=execution,
            status=status,
            is_over=over or (said.get("completed") is None and is_over(status)),
            results=results,
        )

    def _page(self, execution: int, number: int) -> Mapping[str, Any]:
        paged = {"page": str(number), "page_size": str(_PAGE_SIZE)} if self._dialect is Dialect.BATCH else {}
        return mapping(self._ask(f"/api/executions/{execution}", paged))

    def _ask(self, path: str, parameters: Mapping[str, str]) -> object:
        until = min(self._until, time.monotonic() + self._grace)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._api.get(path, parameters)
            except ConnectionFailed:
                if time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _listed(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    events = found.get("events")
    return [one for one in events if isinstance(one, Mapping)] if isinstance(events, list) else []


def _parent(row: Mapping[str, Any]) -> int | None:
    return read_id(row.get("parent_execution_id"))


def _event(reader: EventReader, row: Mapping[str, Any], execution: int) -> Event:
    """Make an event of a row that the API returned.

    Raises:
        ConnectionFailed: the row is no event.
    """
    try:
        event = reader({"execution_id": execution, **row}, longest_result=MAX_RESULT_BYTES)
    except ValueError as error:
        raise ConnectionFailed(f"the server's events cannot be read: {error}") from None
    return event
