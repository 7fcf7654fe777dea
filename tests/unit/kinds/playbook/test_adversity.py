"""What goes wrong around a playbook is never the playbook's failure, at whichever stage of a case it happens."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from tests.unit.kinds.playbook.recorded_server import Answer, RecordedServer, serving

from support.playbook_cases import Outcome, document_of, run_here
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict

_DEPENDENCY = (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
_CANCELLED = (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.EXECUTION_CANCELLED)
_INCOMPLETE = (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.EVENTS_INCOMPLETE)
_REGISTERED = {"register": {"inline": "kind: Playbook\nmetadata: {path: testrun/other}\n"}}

_SLACK_SECONDS = 2.0
"""By so much a busy machine may be late; a case that hangs would be late by a minute."""


def _run(server: RecordedServer, playbook: dict[str, Any] | None = None, **others: Any) -> Outcome:
    own = {"path": "testrun/recorded"}
    return run_here(document_of(server.url, own | (playbook or {}), has_dsn=False, **others), {})


def _verdict(outcome: Outcome) -> tuple[Verdict, FailureClass | None, Reason]:
    conclusion = outcome.conclusion
    return conclusion.verdict, conclusion.failure_class, conclusion.reason


@contextmanager
def _hanging(name: str, is_meant: Callable[[str, str], bool]) -> Iterator[RecordedServer]:
    """Serve a recording by a server that takes some requests and never answers them."""
    is_over = threading.Event()

    def disturb(method: str, path: str) -> Answer | None:
        if is_meant(method, path):
            is_over.wait(60)
        return None

    with serving(name) as server:
        server.disturb = disturb
        try:
            yield server
        finally:
            is_over.set()


@pytest.mark.parametrize("timeout", ["1s", "3s"])
@pytest.mark.parametrize(
    ("method", "path", "playbook"),
    [
        ("GET", "/openapi.json", {}),
        ("POST", "/api/catalog/register", _REGISTERED),
        ("POST", "/api/catalog/resource", {}),
        ("POST", "/api/execute", {}),
        ("GET", "/api/executions/", {}),
    ],
    ids=["generation", "register", "catalog", "start", "events"],
)
def test_a_server_that_never_answers_is_no_test_that_takes_too_long(
    method: str, path: str, playbook: dict[str, Any], timeout: str
) -> None:
    """Whatever it was asked, and however short the case's time is: the case ends by itself, before it is killed."""

    def is_meant(asked_by: str, asked: str) -> bool:
        return asked_by == method and asked.startswith(path)

    with _hanging("hello_world-4.26.0", is_meant) as server:
        outcome = _run(server, playbook, timeout=timeout)
    assert _verdict(outcome) == _DEPENDENCY, outcome.conclusion
    assert outcome.seconds < float(timeout.removesuffix("s")) + _SLACK_SECONDS


def test_a_server_that_sends_an_answer_byte_by_byte_does_not_hold_a_case() -> None:
    """Each byte is in time for whoever waits for the next one only."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_trickle, args=(listening, is_over), daemon=True).start()
        server = RecordedServer("hello_world-4.26.0", url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        try:
            outcome = _run(server, timeout="3s")
        finally:
            is_over.set()
    assert _verdict(outcome) == _DEPENDENCY, outcome.conclusion
    assert outcome.seconds < 3 + _SLACK_SECONDS


def _trickle(listening: socket.socket, is_over: threading.Event) -> None:
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            if is_over.wait(0.05):
                return


def test_a_server_that_hangs_when_it_is_told_to_cancel_changes_no_verdict() -> None:
    """The execution takes too long, as it did before."""
    with _hanging("slow-4.26.0", lambda _, path: path.endswith("/cancel")) as server:
        outcome = _run(server, timeout="3s")
    assert _verdict(outcome) == (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT), outcome.conclusion
    assert "step 'sleep'" in outcome.conclusion.message
    assert "it was cancelled" not in outcome.conclusion.message
    assert outcome.seconds < 3 + _SLACK_SECONDS


def test_a_page_that_never_comes_costs_the_link_alone() -> None:
    """The case has been judged by then."""
    with _hanging("hello_world-4.26.0", lambda _, path: path.startswith("/execution/")) as server:
        outcome = _run(server, timeout="8s")
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
    assert outcome.execution.page is None


@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_an_execution_that_somebody_cancels_says_nothing_of_the_playbook(status: str) -> None:
    """Neither that it is broken, nor that it fails as it should."""
    with serving("cancelled-4.26.0") as server:
        outcome = _run(server, {"expect": {"status": status}}, timeout="20s")
    assert _verdict(outcome) == _CANCELLED, outcome.conclusion
    assert server.execution in outcome.conclusion.message
    assert outcome.execution.status == "CANCELLED"


def test_an_execution_that_is_to_be_cancelled_passes_when_it_was() -> None:
    """Somebody may test just that."""
    with serving("cancelled-4.26.0") as server:
        outcome = _run(server, {"expect": {"status": "Cancelled"}}, timeout="20s")
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion


def test_events_that_are_nowhere_to_be_seen_are_no_slow_playbook() -> None:
    """The server started it; so its events are in another database, or have not come to this one."""
    with serving("hello_world-4.26.0") as server:
        server.disturb = lambda method, path: (404, {}) if method == "GET" and "/executions/" in path else None
        outcome = _run(server, timeout="2s")
    assert _verdict(outcome) == _INCOMPLETE, outcome.conclusion
    assert "no event of it can be seen" in outcome.conclusion.message


def test_a_log_that_lacks_events_when_the_time_is_over_is_incomplete() -> None:
    """The execution was in time; that its events were not is no fault of it."""
    with serving("hello_world-4.26.0") as server:
        rows = server._rows
        lacking = next(row for row in rows if row["row"]["event_type"] == "command.completed")
        rows.remove(lacking)
        outcome = _run(server, timeout="4s")
    assert _verdict(outcome) == _INCOMPLETE, outcome.conclusion
    assert lacking["row"]["node_name"] in outcome.conclusion.message


@pytest.mark.parametrize("expression", ["[" * 490 + "a" + "]" * 490, "!" * 1000 + "a"])
def test_an_expression_that_is_nested_too_deeply_is_the_cases_fault(expression: str) -> None:
    """It may be one; but it was not written by somebody who wants to know something."""
    with serving("hello_world-4.26.0") as server:
        outcome = _run(server, {"outputs": {"x": expression}})
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE)
    assert outcome.conclusion.message.startswith("playbook.outputs.x: ")
    assert not server.starts
