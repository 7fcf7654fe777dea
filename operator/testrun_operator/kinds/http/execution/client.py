"""Sends requests. What httpx raises becomes an exception of ours here, and nowhere else."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.httpclient.connection import Server, Target
from testrun_operator.httpclient.exchange import Request, Response
from testrun_operator.httpclient.httpx_import import httpx
from testrun_operator.httpclient.responses import MAX_CONNECT_SECONDS, describe, read_body
from testrun_operator.kinds.http.spec import HttpRetry
from testrun_operator.runner.context import Context
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase, TestServerUnavailable

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_BACKOFF_SECONDS = 30.0
SERVER_WAIT_SECONDS = 30.0
_FIRST_POLL_SECONDS = 0.1
_MAX_POLL_SECONDS = 1.0
_EXTRA_SECONDS = 5.0
"""By so much the client is more patient than the case has time, so that the end of that time is reported as such."""


class Client:
    """Sends requests to one target, over connections that are kept open.

    Args:
        target: where requests go.
        retry: when a request is sent again; None for never.
        context: for progress, details and the time that is left.
    """

    def __init__(self, target: Target, retry: HttpRetry | None, context: Context) -> None:
        self._target = target
        self._retry = retry
        self._context = context
        self._http = httpx.Client(verify=target.security.context, follow_redirects=False, timeout=None)
        self.seconds = 0.0
        """How long all requests took together, without the waits between them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(self, request: Request, where: str = "") -> Response:
        """Send a request, again where the case says so, and return the last response.

        Args:
            request: the request.
            where: the page, for messages; empty where there is only one request.

        Raises:
            ConnectionFailed: no response came.
            TestServerUnavailable: no response came from a test server that the operator deploys.
            InvalidCase: the request is none that can be sent.
        """
        attempts = self._retry.max_attempts if self._retry else 1
        label = f"{where}: {request.label}" if where else request.label
        for attempt in range(1, attempts + 1):
            self._context.journal.count_step()
            self._context.journal.progress(f"waiting for the answer to {label}")
            outcome = self._send_once(request)
            if not self._is_to_be_repeated(outcome) or attempt == attempts:
                break
            self._wait_before_next(outcome, attempt, label)
        if isinstance(outcome, str):
            suffix = f" (attempt {attempt} of {attempts})" if attempts > 1 else ""
            raise self._failure(f"{label}: {outcome}{suffix}")
        return outcome

    def wait_for_server(self, server: Server) -> None:
        """Wait until a test server answers: name resolution and routing lag behind the readiness of its pod.

        Raises:
            TestServerUnavailable: it did not within 30 seconds.
        """
        url = f"{server.url.rstrip('/')}/health"
        until = time.monotonic() + SERVER_WAIT_SECONDS
        pause = _FIRST_POLL_SECONDS
        self._context.journal.progress(f"waiting for the test server {server.name} at {url}")
        while True:
            try:
                response = self._http.get(url, timeout=2.0)
                if response.status_code == httpx.codes.OK:
                    return
                problem = f"status {response.status_code}"
            except httpx.HTTPError as error:
                problem = describe(error)
            if time.monotonic() + pause > until:
                message = f"the test server {server.name} did not answer within {SERVER_WAIT_SECONDS:.0f} s"
                raise TestServerUnavailable(f"{message}: GET {url}: {problem}")
            time.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL_SECONDS)

    def _send_once(self, request: Request) -> Response | str:
        """Return the response, or why there is none."""
        started = time.monotonic()
        answer_seconds = self._context.remaining_seconds() + _EXTRA_SECONDS
        timeout = httpx.Timeout(answer_seconds, connect=min(answer_seconds, MAX_CONNECT_SECONDS))
        try:
            with self._http.stream(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                timeout=timeout,
                extensions=self._target.security.extensions,
            ) as response:
                body, problem = read_body(response, longest=MAX_BODY_BYTES)
        except (httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise InvalidCase("http.request", f"{request.label}: {error}") from None
        except httpx.TransportError as error:
            return describe(error)
        finally:
            seconds = time.monotonic() - started
            self.seconds += seconds
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(request, response.status_code, headers, body, seconds, problem)

    def _is_to_be_repeated(self, outcome: Response | str) -> bool:
        return self._retry is not None and (isinstance(outcome, str) or outcome.status in self._retry.statuses)

    def _wait_before_next(self, outcome: Response | str, attempt: int, label: str) -> None:
        if self._retry is None:
            return
        seconds = min(self._retry.backoff.total_seconds() * 2 ** (attempt - 1), MAX_BACKOFF_SECONDS)
        why = ""
        if isinstance(outcome, Response):
            asked = parse_retry_after(outcome.headers.get("retry-after", ""), datetime.now(UTC))
            if asked is not None:
                seconds, why = asked, ", as Retry-After asks"
        seconds = min(seconds, self._context.remaining_seconds())
        actual = outcome if isinstance(outcome, str) else f"status {outcome.status}"
        journal = self._context.journal
        journal.detail(
            Detail(
                kind=DetailKind.REQUEST,
                name=f"attempt {attempt}",
                passed=False,
                actual=actual,
                message=f"sent again after {seconds:.1f} s{why}",
                location=label,
                duration_milliseconds=None if isinstance(outcome, str) else outcome.milliseconds,
            )
        )
        journal.log(f"{label} → {actual}; attempt {attempt + 1} follows after {seconds:.1f} s{why}")
        journal.progress(f"waiting before attempt {attempt + 1} of {label}")
        time.sleep(seconds)

    def _failure(self, message: str) -> CannotJudge:
        server = self._target.server
        if server is not None:
            return TestServerUnavailable(f"the test server {server.name} did not answer: {message}")
        return ConnectionFailed(message)


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return how many seconds a Retry-After header asks to wait; None where it cannot be read.

    Args:
        value: the header: a number of seconds, or a date.
        now: the time to which a date is compared.
    """
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
