"""A NoETL server of any generation, as the rest of the case kind sees it.

No release says of which generation it is; the routes that it has do.
"""

from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

from pydantic import JsonValue

from testrun_operator.httpclient.tls import Security
from testrun_operator.kinds.playbook.execution.ids import mapping
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.catalog import Catalog, Registered
from testrun_operator.kinds.playbook.execution.server.starting import Started, StartUncertain, start
from testrun_operator.kinds.playbook.execution.server.transport import Transport, retry_while_away
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase

__all__ = ["NoetlServer", "Registered", "StartUncertain", "Started"]
_OK: Final = 200
_NOT_FOUND: Final = 404
_METHOD_NOT_ALLOWED: Final = 405
_FIRST_CLIENT_ERROR: Final = 400
_CANCEL_SECONDS: Final = 5.0
_PAGE_SECONDS: Final = 3.0
DESCRIPTION_PATH: Final = "/openapi.json"
"""Where a server lists its routes."""
_RUN: Final = "/api/run/{resource_type}"
_EXECUTE: Final = "/api/execute"
_BATCH: Final = "/api/events/batch"
_MANY: Final = "/api/execute/batch"
"""Starts several playbooks: only the servers written in Rust have it, which do not describe themselves."""


class NoetlServer:
    """Talks to a NoETL server of any generation. A context manager; for one thread.

    Args:
        url: of the server.
        headers: that each request has.
        masker: keeps secrets out of messages.
        remaining_seconds: how much of the case's time is left.
        security: how the connection is encrypted; None for the usual way.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        masker: Masker,
        *,
        remaining_seconds: Callable[[], float],
        security: Security | None = None,
    ) -> None:
        self._transport = Transport(url, headers, masker, remaining_seconds, security)
        self._catalog = Catalog(self._transport)
        self._dialect: Dialect | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.__exit__(kind, error, trace)

    def dialect(self) -> Dialect:
        """Find out the server's generation. Asked once; waits for a server that is away.

        Raises:
            InvalidCase: there is another server at this address, or one that asks for authentication.
            ConnectionFailed: there is none for half a minute.
        """
        if self._dialect is None:
            self._dialect = retry_while_away(
                self._find_out_dialect, self._transport.remaining_seconds(), kind=ConnectionFailed
            )
        return self._dialect

    def register(self, content: str, label: str) -> Registered:
        """Register a playbook, unless the newest version under its path has the same content.

        Args:
            content: the playbook, as YAML.
            label: how people know it, for messages.

        Raises:
            InvalidCase: the server refuses it.
            ConnectionFailed: the server does not answer.
        """
        return self._catalog.register(content, label)

    def register_credential(self, name: str, type: str, fields: Mapping[str, str]) -> None:  # noqa: A002 - NoETL's word
        """Register a credential; one of the same name is replaced.

        Args:
            name: by which playbooks know it.
            type: as ``postgres``.
            fields: what it consists of. Texts; NoETL takes a port as a text, too.

        Raises:
            InvalidCase: the server refuses it.
            ConnectionFailed: the server does not answer.
        """
        body: JsonValue = {"name": name, "type": type, "description": None, "tags": [], "data": dict(fields)}
        request = self._transport.request("POST", "/api/credentials", body)
        response = retry_while_away(
            lambda: self._transport.send(request), self._transport.remaining_seconds(), kind=ConnectionFailed
        )
        if response.status >= _FIRST_CLIENT_ERROR:
            problem = f"the server refuses {name!r} (status {response.status}): {self._transport.detail_of(response)}"
            raise InvalidCase("playbook.credentials", problem)

    def find(self, path: str, version: int | None) -> Registered:
        """Find a playbook in the catalog.

        Args:
            path: of the playbook.
            version: None for the newest.

        Raises:
            InvalidCase: there is none; names versions, or similar paths, that there are.
            ConnectionFailed: the server does not answer.
        """
        return self._catalog.find(path, version)

    def start(self, playbook: Registered, payload: Mapping[str, JsonValue], merge: bool | None) -> Started:  # noqa: FBT001 - a field of the case
        """Start a playbook. What may have been started is never started again.

        Args:
            playbook: which.
            payload: its input.
            merge: whether the input is merged into the workload, where servers ask; None for yes.

        Raises:
            InvalidCase: the server refuses it.
            StartUncertain: it may have been started.
            ConnectionFailed: it was not started.
        """
        return start(self._transport, self.dialect(), playbook, payload, merge=merge is not False)

    def cancel(self, execution: int) -> bool:
        """Cancel an execution and what it started, where the server can.

        Cancel only what is known to be running: servers "cancel" executions that are over, too.

        Returns:
            Whether the server says that it did. Nothing that goes wrong is raised.
        """
        if self._dialect not in (Dialect.BATCH, Dialect.RUST):
            return False
        request = self._transport.request(
            "POST", f"/api/executions/{execution}/cancel", {"reason": "the test case is over", "cascade": True}
        )
        for _ in range(2):
            try:
                response = self._transport.send(request, answer_seconds=_CANCEL_SECONDS)
                answer = mapping(self._transport.json(response))
            except ConnectionFailed:
                continue  # a pooled connection of the server to its database breaks once
            except CannotJudge:
                return False
            return response.status == _OK and answer.get("status") == "cancelled"
        return False

    def get(self, path: str, parameters: Mapping[str, str]) -> JsonValue:
        """Ask for a resource, once.

        Args:
            path: as in ``/api/executions/1``.
            parameters: of the query.

        Returns:
            The JSON value of the answer; None where there is no such resource.

        Raises:
            InvalidCase: the server asks for authentication.
            ConnectionFailed: there was no answer, or one that is none: 5xx, or no JSON.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        response = self._transport.send(self._transport.request("GET", path + query))
        if response.status == _NOT_FOUND:
            return None
        if response.status >= _FIRST_CLIENT_ERROR:
            problem = f"status {response.status}: {self._transport.detail_of(response)}"
            raise ConnectionFailed(self._transport.say(response.request, problem))
        return self._transport.json(response)

    def page_of(self, execution: int) -> str | None:
        """Give the address of NoETL's own page about an execution.

        Releases before 4 come with a page and serve it where NOETL_ENABLE_UI is on; those from 4 on do not.

        Returns:
            The address; None where the server serves no such page, or does not answer.
        """
        request = self._transport.request("GET", f"/execution/{execution}")
        try:
            response = self._transport.send(request, answer_seconds=_PAGE_SECONDS)
        except CannotJudge:
            return None
        is_html = response.headers.get("content-type", "").lower().startswith("text/html")
        is_page = response.status == _OK and is_html and not response.problem and "noetl" in response.text.lower()
        return request.url if is_page else None

    def _find_out_dialect(self) -> Dialect:
        request = self._transport.request("GET", DESCRIPTION_PATH)
        response = self._transport.send(request)
        if response.status == _OK:
            dialect = generation_of(self._transport.json(response))
        else:
            dialect = generation_by_routes(self._has_route)
        if dialect is None:
            problem = (
                f"{self._transport.url} is not the address of a NoETL server: it has no routes that start a playbook"
            )
            raise InvalidCase("playbook.connection", problem)
        return dialect

    def _has_route(self, path: str) -> bool:
        """Whether there is a route for POST, which is not used for finding out."""
        return self._transport.send(self._transport.request("GET", path)).status == _METHOD_NOT_ALLOWED


def generation_of(description: JsonValue) -> Dialect | None:
    """Tell the generation from a description in the format OpenAPI; None where it is no NoETL server's."""
    return _of_routes(mapping(mapping(description).get("paths")))


def generation_by_routes(exists: Callable[[str], bool]) -> Dialect | None:
    """Tell the generation of a server that does not describe itself; None where it is no NoETL server.

    Args:
        exists: whether the server has a route.
    """
    return _of_routes({route for route in (_EXECUTE, _BATCH, _MANY) if exists(route)})


def _of_routes(routes: Collection[str]) -> Dialect | None:
    if _MANY in routes:
        return Dialect.RUST
    if _EXECUTE in routes:
        return Dialect.BATCH if _BATCH in routes else Dialect.COMMAND
    return Dialect.QUEUE if _RUN in routes else None
