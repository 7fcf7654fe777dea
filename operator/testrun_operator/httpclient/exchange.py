"""A request as it will be sent, and the response as it came."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn
from urllib.parse import quote, unquote_plus, urlsplit

from pydantic import JsonValue

from testrun_operator.errors import LocalError

Origin = tuple[str, str, int]
"""Scheme, host and port of an address."""
MAX_NESTING = 100
"""The deepest nesting of a JSON body that is used. Much of what reads it descends by recursion."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class NotJson(LocalError):
    """A body is no JSON, or none that can be used; the message says what it is instead."""


@dataclass(frozen=True)
class Request:
    """A request, rendered and ready to be sent."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # they contain secrets
    content: bytes | None = None

    @property
    def label(self) -> str:
        """Method and address, for messages."""
        return f"{self.method} {self.url}"

    def with_url(self, url: str) -> "Request":
        """Return the same request with another address."""
        return Request(self.method, url, self.headers, self.content)

    def with_parameters(self, parameters: dict[str, str]) -> "Request":
        """Return the request with further query parameters, which replace those of the same name."""
        address, _, query = self.url.partition("?")
        kept = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) not in parameters]
        added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items()]
        return self.with_url("?".join(filter(None, (address, "&".join(kept + added)))))


@dataclass(frozen=True)
class Response:
    """A response, read to its end."""

    request: Request
    status: int
    headers: dict[str, str]
    """Headers by name in lower case; several of the same name are joined by commas."""
    body: bytes
    """The body, decompressed."""
    seconds: float
    """The time from sending the request to the end of the body, without earlier attempts."""
    problem: str = ""
    """Why the body was not read to its end, as a noun phrase; empty if it was."""

    @property
    def milliseconds(self) -> int:
        """The same time in milliseconds."""
        return round(self.seconds * 1000)

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 are replaced."""
        return self.body.decode("utf-8", errors="replace")

    @cached_property
    def _decoded(self) -> JsonValue | NotJson:
        if self.problem:
            return NotJson(self.problem)
        content_type = self.headers.get("content-type", "no content type")
        if not self.body:
            return NotJson(f"an empty body ({content_type})")
        try:
            value: JsonValue = json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return NotJson(f"no JSON but {content_type}: {self.text}")
        if is_nested_deeper_than(MAX_NESTING, value):
            return NotJson(f"JSON that is nested more than {MAX_NESTING} levels deep")
        return value

    def json(self) -> JsonValue:
        """Return the JSON value of the body.

        Raises:
            NotJson: the body is no JSON, is nested too deeply, or was not read to its end.
        """
        if isinstance(self._decoded, NotJson):
            raise self._decoded
        return self._decoded


def origin_of(url: str) -> Origin:
    """Return scheme, host and port of an address.

    Raises:
        ValueError: it is no address of http or https, or it has credentials; the message says what is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain credentials")
    return parts.scheme, parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not part of JSON"
    raise ValueError(msg)


def is_nested_deeper_than(limit: int, value: JsonValue) -> bool:
    """Whether lists and objects in a JSON value are nested more than so many levels deep."""
    level: list[JsonValue] = [value]
    for _ in range(limit + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
