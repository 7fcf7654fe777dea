"""A NoETL server on loopback that shows a recorded execution when it is asked to start one."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.kinds.playbook.replay import TIMELINES

_HIDDEN = {"4": ("meta", "command_id"), "2": ("meta", "command_id"), "1": ()}
_ROUTES = {
    "1": ("/api/run/{resource_type}", "/api/queue/lease"),
    "2": ("/api/run/{resource_type}", "/api/execute"),
    "4": ("/api/execute", "/api/events/batch", "/api/executions/{execution_id}/cancel"),
}
Answer = tuple[int, Any]
"""Status and JSON value; text is sent as it is."""


@dataclass
class RecordedServer:
    """What the server shows, and what it was asked."""

    name: str
    """Of the recording."""
    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and body of each request."""
    disturb: Callable[[str, str], Answer | None] = lambda _method, _path: None
    """Gives an answer in place of the right one, by method and path."""
    started_at: float = 0.0
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        document = json.loads((TIMELINES / f"{self.name}.json").read_text())
        self.execution: str = document["executionId"]
        self._era = document["release"].partition(".")[0]
        self._rows = [row for row in document["rows"] if row["table"] == "event"]

    @property
    def starts(self) -> list[Any]:
        """The bodies of requests to start a playbook."""
        return [body for method, path, body in self.asked if method == "POST" and _is_start(path)]

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """Answer a request."""
        parts = urlsplit(target)
        self.asked.append((method, parts.path, body))
        disturbed = self.disturb(method, parts.path)
        if disturbed is not None:
            return disturbed
        if parts.path == "/openapi.json":
            return 200, {"info": {"version": "0.1.39"}, "paths": {route: {} for route in _ROUTES[self._era]}}
        if parts.path == "/api/catalog/resource":
            return self._resource(body)
        if _is_start(parts.path):
            self.started_at = time.monotonic()
            return 200, {"execution_id": self.execution, "status": "started"}
        if parts.path.startswith("/api/executions/"):
            return self._execution(parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()})
        return 404, {"detail": "Not Found"}

    def _resource(self, body: Any) -> Answer:
        if body.get("path") != "testrun/recorded" or body.get("version") not in (None, 1, "1"):
            return 404, {"detail": "Catalog entry not found"}
        entry = {"path": body["path"], "version": 1, "catalog_id": "1", "kind": "Playbook", "content": ""}
        return 200, entry

    def _execution(self, path: str, query: dict[str, str]) -> Answer:
        execution = path.split("/")[3]
        if path.endswith("/cancel"):
            self.cancelled.append(execution)
            return 200, {"status": "cancelled", "cancelled_executions": [execution]}
        now = (time.monotonic() - self.started_at) * 1000
        events = [
            {key: value for key, value in row["row"].items() if key not in _HIDDEN[self._era]}
            for row in self._rows
            if row["atMs"] <= now and row["row"]["execution_id"] == execution
        ]
        if path.endswith("/status"):
            ended = any(event["event_type"] in ("playbook.completed", "playbook.failed") for event in events)
            return 200, {"completed": ended, "failed": False, "completion_inferred": False, "variables": {}}
        if not events:
            return 404, {"detail": "Execution not found"}
        if self._era != "4":
            return 200, {"execution_id": execution, "events": events}
        events.sort(key=lambda event: -int(event["event_id"]))
        size, page = int(query["page_size"]), int(query["page"])
        shown = events[(page - 1) * size : page * size]
        pages = {"total_events": len(events), "has_next": page * size < len(events)}
        return 200, {"execution_id": execution, "events": shown, "pagination": pages}


def _is_start(path: str) -> bool:
    return path in ("/api/execute", "/api/run/playbook")


@contextmanager
def serving(name: str) -> Iterator[RecordedServer]:
    """Serve a recording, from the moment at which its playbook is started."""
    recorded = RecordedServer(name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, value = recorded.answer(self.command, self.path, json.loads(content) if content else None)
            body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - their names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - a client that hung up is none
    recorded.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()
