"""The runner as the process that a case's pod starts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.pagination_server import running_test_server

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report, decode, decode_from_log
from testrun_operator.api.verdict import FailureClass, Verdict

RUNNER = [sys.executable, "-m", "testrun_operator.runner"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start the test server; return its address."""
    with running_test_server() as running:
        yield running.url


@dataclass
class Finished:
    """A runner that has ended."""

    exit_code: int
    output: str
    errors: str
    report: Report | None

    @property
    def whole_report(self) -> Report:
        """The report, from the log where it is there."""
        assert self.report is not None, self.errors
        if self.report.details_in_log is not None:
            return decode_from_log(self.output, self.report.details_in_log)
        return self.report


def document(http: dict[str, Any], url: str, **others: Any) -> dict[str, Any]:
    """Return a case document against the test server."""
    return {
        "run": {"id": "1", "name": "r", "namespace": "n", "suite": "s", "startTime": "2025-01-01T00:00:00Z"},
        "attempt": 1,
        "timeout": "20s",
        "case": {"name": "example", "http": {"connection": "paginated-api", **http}},
        "servers": {"paginated-api": {"url": url}},
    } | others


def start(case: dict[str, Any] | str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a runner."""
    text = case if isinstance(case, str) else json.dumps(case)
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "TESTRUN_CASE": text,
        "TESTRUN_TERMINATION_LOG": str(folder / "termination-log"),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    return subprocess.Popen(
        RUNNER, env=variables | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def run(case: dict[str, Any] | str, folder: Path, **environment: str) -> Finished:
    """Run a case to its end."""
    with start(case, folder, **environment) as process:
        output, errors = process.communicate(timeout=60)
    return finished(process, output, errors, folder)


def finished(process: subprocess.Popen[str], output: str, errors: str, folder: Path) -> Finished:
    """Return what a runner left behind."""
    log = folder / "termination-log"
    return Finished(process.returncode, output, errors, decode(log.read_text()) if log.exists() else None)


STYLES = {
    "page": (
        "/api/v1/assessments",
        {"style": "page", "items": "data", "hasMore": "paging.hasMore", "size": "{{ vars.size }}"},
    ),
    "page without hasMore": ("/api/v1/assessments", {"style": "page", "items": "data", "size": 10}),
    "offset": ("/api/v1/users", {"style": "offset", "items": "users", "hasMore": "has_more", "size": 7}),
    "offset without hasMore": ("/api/v1/users", {"style": "offset", "items": "users"}),
    "cursor": ("/api/v1/events", {"style": "cursor", "items": "events", "size": 10}),
    "link": ("/api/v1/items", {"style": "link", "items": "items", "size": 10}),
    "link, absolute": ("/api/v1/items?absolute=true", {"style": "link", "items": "items", "size": 12}),
    "link in the body": ("/api/v1/items", {"style": "link", "items": "items", "nextLink": "links.next"}),
}


@pytest.mark.parametrize("style", STYLES)
def test_each_style_sees_all_items_of_the_test_server(server: str, tmp_path: Path, style: str) -> None:
    """35 items, each once, in order."""
    path, paginate = STYLES[style]
    http = {
        "request": {"path": path},
        "paginate": paginate,
        "expect": {"items": 35, "unique": "id", "ordered": "id"},
    }
    result = run(document(http, server, variables={"size": "10"}), tmp_path)
    assert result.exit_code == 0, result.output + result.errors
    assert result.whole_report.verdict is Verdict.PASSED
    assert result.whole_report.outputs["items"] == 35
    assert result.errors == ""


def test_the_flaky_endpoint_passes_with_retry_and_fails_without(server: str, tmp_path: Path) -> None:
    """And a second attempt at the case is another client, whose pages fail at first as well."""
    http: dict[str, Any] = {
        "request": {"path": "/api/v1/flaky", "query": {"fail_on": "2,3"}},
        "paginate": {"style": "page", "items": "data", "hasMore": "paging.hasMore"},
        "expect": {"items": 35},
    }
    retry = {"retry": {"statuses": [500], "backoff": "10ms"}}
    for attempt in (1, 2):
        result = run(document(http | retry, server, attempt=attempt), tmp_path)
        assert result.exit_code == 0
        assert result.whole_report.step_count == 6
    result = run(document(http, server, attempt=3), tmp_path)
    assert result.exit_code == 1
    report = result.whole_report
    assert (report.verdict, report.failure_class, report.reason) == (
        Verdict.FAILED,
        FailureClass.TEST,
        Reason.EXPECTATION_NOT_MET,
    )
    assert report.message.startswith("status: expected 200 to 299, got 500 with the body {")
    assert f"(page 2: GET {server}/api/v1/flaky?fail_on=2%2C3&page=2)" in report.message


def test_a_report_that_does_not_fit_into_the_message_is_in_the_log(server: str, tmp_path: Path) -> None:
    """35 pages and their assertions."""
    http = {
        "request": {"path": "/api/v1/users"},
        "paginate": {"style": "offset", "items": "users", "hasMore": "has_more", "size": 1},
        "expect": {"items": 35, "pages": 35},
    }
    result = run(document(http, server), tmp_path)
    assert result.exit_code == 0
    assert result.report is not None
    assert result.report.details == ()
    assert len(result.whole_report.details) == 35 + 4


@pytest.mark.parametrize(
    "path",
    [
        "/{{ 9 ** (9 ** 9) }}",
        "/{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    ],
)
def test_a_template_that_does_not_end_is_ended_by_the_timeout(server: str, tmp_path: Path, path: str) -> None:
    """Whatever it does; the report says what the case was doing."""
    started = time.monotonic()
    result = run(document({"request": {"path": path}}, server, timeout="1s"), tmp_path)
    assert time.monotonic() - started < 5
    assert result.exit_code == 3
    report = result.whole_report
    assert (report.verdict, report.failure_class, report.reason) == (
        Verdict.TIMED_OUT,
        FailureClass.TEST,
        Reason.CASE_TIMEOUT,
    )
    assert "the case did not end within 1s: preparing the request for " in report.message


def test_an_api_that_does_not_answer_is_ended_by_the_timeout(tmp_path: Path) -> None:
    """The report names the request, and how long it had been waiting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        http = {"connection": "api"}
        case = document(http, "http://elsewhere", timeout="1s", connections={"api": {"url": url}})
        result = run(case, tmp_path)
    assert result.exit_code == 3
    assert result.whole_report.message.startswith(
        f"the case did not end within 1s: waiting for the answer to GET {url}/ for "
    )
    assert result.whole_report.step_count == 1


def test_sigterm_ends_the_runner_at_once_and_without_a_report(tmp_path: Path) -> None:
    """The pod was deleted; what that means is for the operator to say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        case = document({"connection": "api"}, "http://elsewhere", connections={"api": {"url": url}})
        with start(case, tmp_path) as process:
            connection, _ = listener.accept()
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=10)
            assert time.monotonic() - told < 1
            with connection:
                connection.settimeout(5)
                while connection.recv(65536):
                    pass  # the child's end of the connection is closed: it is gone too
    result = finished(process, output, errors, tmp_path)
    assert (result.exit_code, result.report) == (143, None)


def test_a_mistake_in_the_case_is_reported_as_errored(server: str, tmp_path: Path) -> None:
    """With exit code 2 and the field's path."""
    result = run(document({"request": {"path": "/{{ vars.none }}"}}, server), tmp_path)
    assert result.exit_code == 2
    assert result.whole_report.reason is Reason.INVALID_CASE
    assert result.whole_report.message.startswith(
        "http.request.path: the template cannot be rendered: vars has no 'none'"
    )


@pytest.mark.parametrize("case", ["", "no json", "{}", '{"case": {"name": "x", "container": {"image": "y"}}}'])
def test_a_document_that_is_none_ends_the_runner_without_a_report(tmp_path: Path, case: str) -> None:
    """Only a runner of another version than the operator sees that."""
    result = run(case, tmp_path)
    assert (result.exit_code, result.report) == (2, None)
    assert "TESTRUN_CASE is no case document" in result.errors


def test_a_kind_that_needs_no_runner_is_refused(server: str, tmp_path: Path) -> None:
    """The pod of a container case runs the user's image."""
    case = document({}, server, case={"name": "x", "container": {"image": "y"}})
    result = run(case, tmp_path)
    assert result.exit_code == 2
    assert result.whole_report.message == "container: the runner runs cases of the kinds http, sql, playbook"


def test_a_report_that_cannot_be_written_is_told_in_the_log(server: str, tmp_path: Path) -> None:
    """There is no other place."""
    result = run(document({}, server), tmp_path, TESTRUN_TERMINATION_LOG="/does/not/exist")
    assert (result.exit_code, result.report) == (2, None)
    assert "the report cannot be written" in result.errors


def test_a_secret_is_in_no_output_of_the_process(server: str, tmp_path: Path) -> None:
    """Neither in the log nor in the termination message."""
    connection = {"url": server, "secretHeaders": [{"name": "X-Test-Run", "variable": "TOKEN"}]}
    http = {"connection": "api", "request": {"path": "/api/v1/users?limit=s3cret-token"}}
    case = document(http, server, connections={"api": connection})
    result = run(case, tmp_path, TOKEN="s3cret-token")
    assert result.exit_code == 1
    everything = result.output + result.errors + (tmp_path / "termination-log").read_text()
    assert "s3cret-token" not in everything
    assert "limit=***" in everything


def test_the_runner_loads_nothing_that_its_case_does_not_need() -> None:
    """Every case is a pod, and pays for its imports."""
    program = (
        "import sys, testrun_operator.runner.main, testrun_operator.kinds.http.execution.case; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"fastapi", "rich", "typer", "click", "jinja2", "jsonschema", "kopf", "kubernetes", "psycopg", "asyncio"}
    assert heavy & set(loaded) == set()
