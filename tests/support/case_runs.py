"""A scripted API on loopback, and a case that runs against it in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.main import conclude
from testrun_operator.runner.secrets import masker_for
from testrun_operator.runner.templates import Templates


@dataclass
class Asked:
    """A request as the API got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the API answers."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    """Close the connection instead of answering."""


@dataclass
class Api:
    """A scripted API: ``answers`` are given one after the other, the last one again and again."""

    url: str
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    asked: list[Asked] = field(default_factory=list)

    def next_answer(self, asked: Asked) -> Answer:
        """Note a request and return the answer to it."""
        self.asked.append(asked)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture
def api() -> Iterator[Api]:
    """Start a scripted API on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = script.next_answer(Asked(self.command, self.path, headers, body))
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - their names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = Api(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield script
    server.shutdown()
    server.server_close()


def make_document(http: dict[str, Any], **others: Any) -> CaseDocument:
    """Return the document of an http case; ``others`` are further fields of the document."""
    document: dict[str, Any] = {
        "run": {
            "id": "508709863430554191",
            "name": "nightly",
            "namespace": "tests",
            "suite": "regression",
            "revision": "4f2c1d",
            "startTime": "2025-01-01T00:00:00Z",
        },
        "attempt": 1,
        "timeout": "20s",
        "case": {"name": "example", "http": {"connection": "api", **http}},
    }
    return CaseDocument.model_validate(document | others)


@dataclass
class Outcome:
    """What came of a case."""

    conclusion: Conclusion
    details: list[Detail]
    log: list[str]
    progress: list[str]
    step_count: int

    @property
    def message(self) -> str:
        """The conclusion's message."""
        return self.conclusion.message

    def assertion(self, name: str) -> Detail:
        """Return the only assertion of this name."""
        (found,) = (one for one in self.details if one.kind is DetailKind.ASSERTION and one.name == name)
        return found

    def of_kind(self, kind: DetailKind) -> list[Detail]:
        """Return the details of a kind."""
        return [detail for detail in self.details if detail.kind is kind]

    @property
    def everything(self) -> str:
        """All that leaves the pod, as one text."""
        return repr((self.conclusion, self.details, self.log, self.progress))


def run_document(document: CaseDocument, **environment: str) -> Outcome:
    """Run a case in this process, without a hard timeout."""
    details: list[Detail] = []
    log: list[str] = []
    progress: list[str] = []
    masker = masker_for(document, environment)
    journal = Journal(
        masker,
        write_line=log.append,
        tell_detail=details.append,
        tell_progress=lambda doing, _: progress.append(doing),
    )
    deadline = time.monotonic() + document.timeout.total_seconds()
    conclusion = conclude(Context(document, environment, journal, masker, Templates(document), deadline))
    return Outcome(conclusion, details, log, progress, journal.step_count)


RunHttp = Callable[..., Outcome]


@pytest.fixture
def run_http(api: Api) -> RunHttp:
    """Return a function that runs an http case against the scripted API.

    Its first argument is the case's ``http``; further ones are fields of the document, and ``environment``.
    """

    def run(http: dict[str, Any] | None = None, *, environment: dict[str, str] | None = None, **others: Any) -> Outcome:
        others.setdefault("connections", {"api": {"url": api.url}})
        return run_document(make_document(http or {}, **others), **(environment or {}))

    return run


@pytest.fixture
def document() -> Callable[..., CaseDocument]:
    """Return the function that makes documents."""
    return make_document


@pytest.fixture
def answer() -> type[Answer]:
    """Return the type of the API's answers."""
    return Answer
