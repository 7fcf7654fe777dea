"""A server on loopback that answers as it is told, byte by byte: also what no decent server would."""

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from testrun_operator.kinds.playbook.execution.server.catalog import Registered

SECRET = "s3cr3t-token"
ROUTES = {
    "1.8.0": ["/api/run/{resource_type}", "/api/queue/lease", "/api/catalog/register"],
    "2.5.5": ["/api/run/{resource_type}", "/api/execute", "/api/v2/execute", "/api/events"],
    "4.26.0": ["/api/execute", "/api/events", "/api/events/batch"],
}
PLAYBOOK = Registered("tests/hello", 3, "765978685479321604")

_KEPT_OPEN = b"connection: keep-alive\r\n\r\n"
Answer = bytes | None
"""The bytes of an answer; None for a connection that is closed without one. After others than of :func:`answer`
it is closed, too."""


def answer(value: Any = None, status: int = 200, *, text: str | None = None, kind: str = "application/json") -> bytes:
    """Make an answer of a JSON value, or of a text."""
    body = (text if text is not None else json.dumps(value)).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + _KEPT_OPEN + body


NOT_FOUND = answer({"detail": "Not Found"}, 404)


@dataclass
class Asked:
    """A request as it came."""

    route: str
    body: Any
    headers: dict[str, str]
    connection: int


@dataclass
class FakeNoetl:
    """Answers by route: for ``POST /api/execute`` a function, one answer, or several of which the last stays."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def describe(self, release: str) -> None:
        """Have it tell which routes it has."""
        self.answers["GET /openapi.json"] = answer({"paths": {route: {} for route in ROUTES[release]}})

    def count(self, route: str) -> int:
        """How often it was asked."""
        return len(self.bodies(route))

    def bodies(self, route: str) -> list[Any]:
        """What was sent."""
        return [asked.body for asked in self.asked if asked.route == route]

    def respond(self, asked: Asked) -> Answer:
        """Choose the answer."""
        self.asked.append(asked)
        found = self.answers.get(asked.route.partition("?")[0], NOT_FOUND)
        if callable(found):
            found = found(asked.body)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found  # type: ignore[no-any-return]


def _serve(connection: socket.socket, number: int, fake: FakeNoetl) -> None:
    with connection, connection.makefile("rb") as reader, contextlib.suppress(ConnectionError):
        while line := reader.readline().decode():
            method, target, _ = line.split(" ")
            headers = {}
            while header := reader.readline().decode().strip():
                name, _, value = header.partition(": ")
                headers[name.lower()] = value
            body = reader.read(int(headers.get("content-length", 0)))
            said = fake.respond(Asked(f"{method} {target}", json.loads(body) if body else None, headers, number))
            connection.sendall(said or b"")
            if said is None or _KEPT_OPEN not in said:
                return


@contextlib.contextmanager
def serving() -> Iterator[FakeNoetl]:
    """Run a server of release 4.26.0, until it is told to be another."""
    script = FakeNoetl()
    script.describe("4.26.0")
    listener = socket.create_server(("127.0.0.1", 0))
    script.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def accept() -> None:
        for number in itertools.count(1):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(connection, number, script), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield script
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@dataclass
class Clock:
    """How much of the case's time is left."""

    remaining: float = 30.0

    def __call__(self) -> float:
        """Tell."""
        return self.remaining
