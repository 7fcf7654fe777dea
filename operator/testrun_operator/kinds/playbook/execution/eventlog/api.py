"""Reads event logs through the server's API, where there is no DSN of its database.

What all releases offer is ``GET /api/executions/ID``, with every event (1.x, 2.x) or page by page (4.x and later), and
from 2.x on ``GET /api/executions/ID/status``. They do not tell of the queue nor of ``noetl.command``, and an answer has
the events of one execution only: others are found by the results that name them. The route that runs any SQL is not
used: it is an accident of these releases, and closed in good installations.
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
"""For so long a server may be away: it is being restarted."""

_PAGE_SIZE: Final = 500
_MOST_OF_RUST: Final = 2000
"""So many events are in an answer of the servers written in Rust."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


class ServerApi(Protocol):
    """What is asked of a NoETL server's API here."""

    def get(self, path: str, parameters: Mapping[str, str]) -> object:
        """Ask for a resource.

        Args:
            path: as in ``/api/executions/1``.
            parameters: of the query.

        Returns:
            The JSON value of the answer; None where there is no such resource.

        Raises:
            ConnectionFailed: there was no answer, or one that is none: 5xx, or no JSON.
        """


class ApiEventLog:
    """Reads the event logs of executions through a NoETL server.

    Args:
        api: the server.
        dialect: its generation.
        grace: seconds for which the server may be away, and be asked again.
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
        """Give 0: the newest execution cannot be asked for, as servers list all that there ever were or none."""
        return 0

    def read(self, root: int, *, until: float = math.inf) -> Log:
        """Read what can be seen of an execution and of all that it started.

        Args:
            root: the execution.
            until: when to give up at the latest, by the clock ``time.monotonic``.

        Raises:
            CannotJudge: the server did not answer for the whole time of grace, or there is too much to read.
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
        """Read an execution that a result names, if it is one of those that the execution started."""
        found = self._page(candidate, 1)
        parents = [read_id(found.get("parent_execution_id")), *(_parent(one) for one in _listed(found))]
        if _listed(found) and belongs(parents, cache.tree):
            cache.include([candidate])
            self._read_execution(cache, candidate)
        else:
            # It is asked for again at the next look: it may not have been written yet.
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
        # What the server says of an execution follows its events a little later.
        if cache.count(execution) != before or server_state is None or not server_state.is_over:
            self._read_server_state(execution)

    def _read_server_state(self, execution: int) -> None:
        if self._dialect in (Dialect.QUEUE, Dialect.RUST):
            return  # 1.x says nothing; those written in Rust infer it from the events, and before the last of them
        said = mapping(self._ask(f"/api/executions/{execution}/status", {}))
        if not said:
            return
        # What was inferred says no more than the events do: other than the server we know how to wait for them.
        over = said.get("completed") is True and said.get("completion_inferred") is not True
        # Failed is an execution as soon as a step of it is; others may go on.
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
    """Make an event of what the API gives.

    Raises:
        ConnectionFailed: it is no event.
    """
    try:
        event = reader({"execution_id": execution, **row}, longest_result=MAX_RESULT_BYTES)
    except ValueError as error:
        raise ConnectionFailed(f"the server's events cannot be read: {error}") from None
    return event
