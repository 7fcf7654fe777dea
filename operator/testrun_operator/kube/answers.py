"""What the API server answers when it does not do what it was asked to, or no answer at all, as errors of ours.

No answer, 401, 408, 410, 429 and 5xx are :class:`ClusterUnavailable`; the rest of 4xx is :class:`Refused` with the
server's own words. What follows from each is a table in ``docs/operations.md``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import aiohttp
from kubernetes.aio import config

from testrun_operator.api.base import Document
from testrun_operator.engine.quota import waits_for_quota
from testrun_operator.errors import ClusterUnavailable, RefusedError, TestrunError

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_FOR_NOW: Final = frozenset({408, 410, 429})
"""Of 4xx, what says nothing of the request itself: a proxy gave up, a resourceVersion is too old, too many requests."""
_LONGEST_RETRY_AFTER: Final = 120.0
"""Seconds. What a server in trouble may ask for; a slip of an hour in some proxy must not stop everything."""
_NO_RIGHT: Final = re.compile(r' is forbidden: User "[^"]*" cannot ')
"""RBAC's refusal: it is of the operator's rights, and not of what was to be done with them."""
_NAMESPACE_ENDS: Final = "NamespaceTerminating"
_SERVER_ERROR: Final = 500


class Refused(RefusedError):
    """The API server understood a call and refused it.

    Args:
        status: HTTP status, 400 to 499 without those that are :class:`ClusterUnavailable`.
        reason: machine-readable reason, for instance ``AlreadyExists``, ``Forbidden``, ``Invalid``.
        message: the server's words.
        causes: machine-readable causes in its details, for instance ``NamespaceTerminating``.
    """

    def __init__(self, status: int, reason: str, message: str, causes: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = frozenset(causes)

    @property
    def is_not_found(self) -> bool:
        """Whether the object, its namespace or its type does not exist."""
        return self.status == _NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether the object exists already, or it, or a quota that counts it, was changed in the meantime."""
        return self.status == _CONFLICT

    @property
    def already_exists(self) -> bool:
        """Whether there is an object of that name. The other 409 says nothing of the kind: see :attr:`may_pass`."""
        return self.status == _CONFLICT and self.reason == "AlreadyExists"

    @property
    def is_quota(self) -> bool:
        """Whether a quota is used up at the moment."""
        return self.status == _FORBIDDEN and waits_for_quota(str(self))

    @property
    def may_pass(self) -> bool:
        """Whether creating the same object may succeed later, so that nothing is decided by the refusal.

        A quota is used up, or several calls changed its count at once (409 ``Conflict`` of ``resourcequotas``); the
        namespace is about to end, or is gone, and the TestRun with it; the operator lacks a right.
        """
        if self.status in {_NOT_FOUND, _CONFLICT}:
            return not self.already_exists
        ends = _NAMESPACE_ENDS in self.causes
        return self.is_quota or (self.status == _FORBIDDEN and (ends or _NO_RIGHT.search(str(self)) is not None))


def translate(status: int | None, body: object, reason: str | None, headers: Mapping[str, str]) -> TestrunError:
    """Make an error of an answer.

    Args:
        status: its HTTP status; None if there is none.
        body: its body, as bytes or text; of the API server itself, a ``Status`` in JSON.
        reason: the words beside the status.
        headers: its headers.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {}  # something in between answered, not the API server
    message = str(answer.get("message") or text[:500] or reason or "no message")
    if status == _UNAUTHORIZED:
        # Of the operator's token, which the kubelet renews; never of what a case or a person wrote.
        return ClusterUnavailable(
            f"the API server does not accept the operator's credential (401): {message}", status=status
        )
    if status is None or status in _FOR_NOW or status >= _SERVER_ERROR:
        return ClusterUnavailable(f"the API server answered {status}: {message}", _retry_after(answer, headers), status)
    return Refused(status, str(answer.get("reason") or reason or ""), message, _causes(answer))


def _retry_after(answer: Document, headers: Mapping[str, str]) -> float | None:
    details = answer.get("details")
    told = headers.get("Retry-After") or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
    try:
        return min(max(0.0, float(told)), _LONGEST_RETRY_AFTER) if told else None
    except (TypeError, ValueError):
        return None  # a date, as HTTP allows: Kubernetes writes seconds


def _causes(answer: Document) -> Iterable[str]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict):
            yield str(cause.get("reason"))


@contextmanager
def as_unavailable(call: str) -> Iterator[None]:
    """Make one error of ours of everything that happens to a connection.

    Raises:
        ClusterUnavailable: it did not hold, or there is no credential at the moment.
    """
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, OSError, config.ConfigException) as error:
        # The last where the token cannot be renewed; the kubelet writes it anew every hour.
        raise ClusterUnavailable(f"{call}: {type(error).__name__}: {error}") from None


def decode(call: str, text: bytes) -> Document:
    """Read an answer that is an object in JSON.

    Raises:
        ClusterUnavailable: it is not: something in between answered.
    """
    try:
        decoded: Document = json.loads(text)
    except ValueError:
        raise ClusterUnavailable(f"{call}: the answer is not the API server's: {text[:100]!r}") from None
    return decoded
