"""Sends a request to the NoETL server, again where that is safe and the server is away, and says what became of it."""

import json
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

from pydantic import JsonValue

from testrun_operator.httpclient.exchange import NotJson, Request, Response
from testrun_operator.httpclient.httpx_import import httpx
from testrun_operator.httpclient.responses import MAX_CONNECT_SECONDS, describe, read_body
from testrun_operator.httpclient.tls import Security, usual_security
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
ANSWER_SECONDS: Final = 20.0
"""For so long an answer is waited for, where nothing else is said."""
_BODY_SECONDS: Final = 60.0
"""For so long the rest of an answer is waited for, once it has begun."""
_LEAST_SECONDS: Final = 0.5
_SERVER_ERRORS: Final = 500
_TOO_MANY_REQUESTS: Final = 429
_REDIRECTS: Final = range(300, 400)
_REFUSALS: Final = {401: "it asks for authentication", 403: "it forbids that"}
_EXCERPT_LENGTH: Final = 500
GRACE_SECONDS: Final = 30.0
"""For so long a server may be away: it is being restarted."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_Result = TypeVar("_Result")


class NotSent(ConnectionFailed):
    """There was no connection: the server knows nothing of the request."""


class InvalidAnswer(ConnectionFailed):
    """The answer is none that a NoETL server gives: no JSON, too much, or something that is missing in it."""


class ServerError(ConnectionFailed):
    """The server answered that it cannot: with 5xx, or 429.

    Args:
        message: for people.
        status: of the answer.
        detail: what the server says, as it came.
    """

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


class Transport:
    """Sends requests to one server, over connections that are kept open. A context manager.

    Args:
        url: of the server.
        headers: that each request has.
        masker: keeps secrets out of messages.
        remaining_seconds: how much of the case's time is left.
        security: how it is encrypted; None for the usual way.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        masker: Masker,
        remaining_seconds: Callable[[], float],
        security: Security | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        self._masker = masker
        self.remaining_seconds = remaining_seconds
        self._security = security or usual_security(url)
        self._http = self._client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        """Address of the server, without a slash at its end."""
        return self._url

    def request(self, method: str, path: str, body: JsonValue = None) -> Request:
        """Make a request.

        Args:
            method: of HTTP.
            path: below the server's address.
            body: None for none.
        """
        if body is None:
            return Request(method, self._url + path, self._headers)
        headers = {**self._headers, "Content-Type": "application/json"}
        return Request(method, self._url + path, headers, json.dumps(body).encode())

    def send(
        self, request: Request, *, answer_seconds: float = ANSWER_SECONDS, own_connection: bool = False
    ) -> Response:
        """Send a request once, and give the answer, whatever it is but one that stands for no answer.

        Args:
            request: the request.
            answer_seconds: how long the answer may take.
            own_connection: whether the request gets a new connection. One that was kept open may have been closed by a
                server that was restarted, and then nobody knows whether the request was read.

        Raises:
            NotSent: there was no connection.
            ServerError: the answer is 5xx or 429.
            ConnectionFailed: there was no answer, or not all of it.
            InvalidCase: the request cannot be sent, or the answer is that it must be another: 3xx, 401, 403.
        """
        response = self._exchange(request, answer_seconds, own_connection=own_connection)
        status = response.status
        if status >= _SERVER_ERRORS or status == _TOO_MANY_REQUESTS:
            detail = self.detail_of(response)
            raise ServerError(self.say(request, f"status {status}: {detail}"), status, detail)
        if status in _REDIRECTS:
            target = self._masker.excerpt(response.headers.get("location", "somewhere else"))
            raise InvalidCase(
                "playbook.connection", self.say(request, f"it is redirected to {target}; use that address")
            )
        if status in _REFUSALS:
            problem = f"{_REFUSALS[status]} (status {status}: {self.detail_of(response)})"
            raise InvalidCase("playbook.connection", f"{self.say(request, problem)}; see headersFrom of the connection")
        return response

    def json(self, response: Response) -> JsonValue:
        """Give the JSON value of an answer.

        Raises:
            Nonsense: it has none.
        """
        try:
            return response.json()
        except NotJson as nonsense:
            problem = self._masker.excerpt(f"the answer is {nonsense}")
            raise InvalidAnswer(self.say(response.request, problem)) from None

    def detail_of(self, response: Response) -> str:
        """Give what an answer says is wrong, as one line without secrets."""
        try:
            value = response.json()
        except NotJson as nonsense:
            return self._masker.excerpt(response.text or str(nonsense), _EXCERPT_LENGTH)
        detail = value.get("detail") if isinstance(value, dict) else None
        if isinstance(detail, list):
            return self._masker.excerpt("; ".join(map(_say_invalid, detail)), _EXCERPT_LENGTH)
        text = detail if isinstance(detail, str) else json.dumps(value, ensure_ascii=False)
        return self._masker.excerpt(text, _EXCERPT_LENGTH)

    def say(self, request: Request, problem: str) -> str:
        """Make a message about a request."""
        return f"{self._masker.excerpt(request.label)}: {problem}"

    def _exchange(self, request: Request, answer_seconds: float, *, own_connection: bool) -> Response:
        started = time.monotonic()
        seconds = max(_LEAST_SECONDS, min(answer_seconds, self.remaining_seconds()))
        timeout = httpx.Timeout(seconds, connect=min(seconds, MAX_CONNECT_SECONDS))
        client = self._client() if own_connection else self._http
        try:
            with client.stream(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                timeout=timeout,
                extensions=self._security.extensions,
            ) as response:
                until = time.monotonic() + _BODY_SECONDS
                body, problem = read_body(response, longest=MAX_ANSWER_BYTES, until=until)
        except (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise InvalidCase("playbook.connection", self.say(request, self._masker.excerpt(str(error)))) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(self.say(request, self._masker.excerpt(describe(error)))) from None
        except httpx.ReadTimeout:
            raise ConnectionFailed(self.say(request, f"no answer within {seconds:.2g} s")) from None
        except httpx.TransportError as error:
            raise ConnectionFailed(self.say(request, self._masker.excerpt(describe(error)))) from None
        finally:
            if own_connection:
                client.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(request, response.status_code, headers, body, time.monotonic() - started, problem)

    def _client(self) -> httpx.Client:
        return httpx.Client(verify=self._security.context, follow_redirects=False, timeout=None)


def _say_invalid(one: JsonValue) -> str:
    """Say what FastAPI found wrong with a request; not what was in it, which it repeats."""
    if not isinstance(one, dict):
        return str(one)
    place = one.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {one.get('msg')}" if where else str(one.get("msg"))


def retry_while_away(ask: Callable[[], _Result], remaining_seconds: float, *, kind: type[ConnectionFailed]) -> _Result:
    """Ask again while there is no answer, for half a minute or as long as there is time.

    An answer that is nonsense is one: another will not be better.

    Args:
        ask: asks once.
        remaining_seconds: how much time is left.
        kind: the failures after which it may be asked again.

    Raises:
        ConnectionFailed: what came of the last try, and how long it was tried.
    """
    began = time.monotonic()
    until = began + min(GRACE_SECONDS, remaining_seconds)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return ask()
        except InvalidAnswer:
            raise
        except kind as failure:
            if time.monotonic() + pause > until:
                if (seconds := round(time.monotonic() - began)) > 0:
                    failure.message += f" (tried for {seconds} s)"
                raise
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
