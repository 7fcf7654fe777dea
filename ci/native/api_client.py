"""A small client for the Kubernetes API on the standard library: enough to set up a cluster and to watch Services."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from native.instance import Instance

JsonObject = dict[str, Any]


class ApiError(Exception):
    """The API server answered with something else than success."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is HTTP's."""
        super().__init__(f"{status}: {message}")
        self.status = status


class ApiClient:
    """Requests to one API server with a client certificate; each request has a connection of its own."""

    def __init__(self, *, url: str, authority: Path, certificate: Path, key: Path) -> None:
        """The paths are files in PEM format."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.load_cert_chain(str(certificate), str(key))

    def request(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        content_type: str = "application/json",
        timeout_seconds: float = 10.0,
    ) -> JsonObject:
        """Make one request and return the object that is the answer."""
        connection = self._connect(timeout_seconds)
        try:
            answer = self._send(connection, method, path, body, content_type)
            text = answer.read()
        finally:
            connection.close()
        parsed = json.loads(text) if text.startswith(b"{") else {}
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise ApiError(answer.status, str(parsed.get("message") or text[:300].decode(errors="replace")))
        return parsed if isinstance(parsed, dict) else {}

    def answers(self, path: str) -> bool:
        """Whether a path can be had at all, for example `/readyz`."""
        try:
            self.request("GET", path, timeout_seconds=3.0)
        except (OSError, ApiError, http.client.HTTPException):
            return False
        return True

    def apply(self, path: str, body: JsonObject) -> None:
        """Create an object, or leave it alone when it exists."""
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise

    def watch(self, path: str, *, timeout_seconds: int = 300) -> Iterator[JsonObject]:
        """Yield the events of a watch until the server ends it."""
        joint = "&" if "?" in path else "?"
        connection = self._connect(timeout_seconds + 30)
        try:
            full = f"{path}{joint}watch=1&allowWatchBookmarks=true&timeoutSeconds={timeout_seconds}"
            answer = self._send(connection, "GET", full, None, "")
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise ApiError(answer.status, answer.read(300).decode(errors="replace"))
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()

    def _connect(self, timeout_seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_seconds, context=self._context)

    @staticmethod
    def _send(
        connection: http.client.HTTPSConnection, method: str, path: str, body: JsonObject | None, content_type: str
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        return connection.getresponse()


def client_for(instance: Instance, *, user: str = "admin") -> ApiClient:
    """A client of the instance's API server that is one of the identities of `certificates.py`."""
    folder = instance.certificates
    return ApiClient(
        url=instance.api_url,
        authority=folder / "ca.crt",
        certificate=folder / f"{user}.crt",
        key=folder / f"{user}.key",
    )
