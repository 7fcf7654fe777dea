"""A playbook case from its document to its conclusion, against a server that shows a recorded execution."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.kinds.playbook.recorded_server import Answer, RecordedServer, serving

from support.playbook_cases import Outcome, document_of, run_here
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict

_ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@pytest.fixture
def hello() -> Iterator[RecordedServer]:
    """A playbook that completes within half a second."""
    with serving("hello_world-4.26.0") as server:
        yield server


@pytest.fixture
def slow() -> Iterator[RecordedServer]:
    """A playbook that takes some seconds."""
    with serving("slow-4.26.0") as server:
        yield server


def _run(server: RecordedServer, playbook: dict[str, Any] | None = None, **others: Any) -> Outcome:
    own = {"path": "testrun/recorded"}
    return run_here(document_of(server.url, own | (playbook or {}), has_dsn=False, **others), {})


def _verdict(outcome: Outcome) -> tuple[Verdict, FailureClass | None, Reason]:
    conclusion = outcome.conclusion
    return conclusion.verdict, conclusion.failure_class, conclusion.reason


@pytest.mark.parametrize("name", ["hello_world-4.26.0", "hello_world-2.5.5", "open_end-4.26.0"])
def test_an_execution_that_completes_passes(name: str) -> None:
    """Its report has its id, its events and its result, and it was started once."""
    with serving(name) as server:
        outcome = _run(server)
    assert _verdict(outcome) == (Verdict.PASSED, None, Reason.EXPECTATIONS_MET), outcome.conclusion
    assert outcome.execution.id == server.execution
    assert outcome.execution.status == "COMPLETED"
    assert outcome.execution.inferred == (name == "open_end-4.26.0")
    assert sum(outcome.execution.events.values()) == outcome.steps > 0
    assert outcome.conclusion.outputs["execution_id"] == server.execution
    assert len(server.starts) == 1
    assert not server.cancelled


@pytest.mark.parametrize("name", ["late_failure-2.5.5", "composition_of_failure-4.26.0"])
def test_an_execution_with_an_error_fails_and_names_it(name: str) -> None:
    """Also where its child has it, and itself completes."""
    with serving(name) as server:
        outcome = _run(server)
    assert _verdict(outcome) == (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET)
    assert "the third step is broken" in outcome.conclusion.message


def test_outputs_are_found_in_what_the_execution_left(hello: RecordedServer) -> None:
    """The result has its place among them, unless the case names another value so."""
    outcome = _run(hello, {"outputs": {"events_seen": "events.step_exit", "result": "status"}})
    outputs = outcome.conclusion.outputs
    assert outputs["events_seen"] == 3
    assert outputs["result"] == outputs["status"] == "Completed"


def test_outputs_that_cannot_be_found_fail_the_case(hello: RecordedServer) -> None:
    """A case that needs them would get nothing."""
    outcome = _run(hello, {"outputs": {"x": "length(events.step_exit)"}})
    assert _verdict(outcome) == (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET)
    assert "outputs.x" in outcome.conclusion.message


def test_a_server_that_fails_in_between_is_asked_again(hello: RecordedServer) -> None:
    """It is being restarted, or its connection to the database broke."""
    failures = iter([(500, "Internal Server Error"), (502, "<html>bad gateway</html>"), (200, "nonsense")])

    def disturb(method: str, path: str) -> Answer | None:
        return next(failures, None) if method == "GET" and "/executions/" in path else None

    hello.disturb = disturb
    outcome = _run(hello)
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
    assert next(failures, None) is None


def test_a_server_that_goes_away_while_the_playbook_runs_is_no_test_failure(slow: RecordedServer) -> None:
    """It is Errored, and not TimedOut, though the case's time is over before it is back; and the execution is named."""

    def disturb(_method: str, path: str) -> Answer | None:
        return (503, "Service Unavailable") if "/executions/" in path and slow.asked[5:] else None

    slow.disturb = disturb
    outcome = _run(slow, timeout="3s")
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
    assert outcome.execution.id == slow.execution
    assert outcome.seconds < 3


def test_an_execution_that_takes_too_long_is_cancelled(slow: RecordedServer) -> None:
    """And it is said what it was doing."""
    outcome = _run(slow, timeout="1500ms")
    assert _verdict(outcome) == (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT)
    assert "step 'sleep'" in outcome.conclusion.message
    assert slow.cancelled == [slow.execution]
    assert "it was cancelled" in outcome.conclusion.message
    assert outcome.seconds < 1.5


def test_a_start_whose_answer_is_lost_is_not_repeated(hello: RecordedServer) -> None:
    """It may have worked: what it does would be done twice."""
    hello.disturb = lambda _, path: (500, "nats: timeout") if path == "/api/execute" else None
    outcome = _run(hello)
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
    assert "not started again" in outcome.conclusion.message
    assert len(hello.starts) == 1


def test_a_playbook_that_is_not_there_is_the_cases_fault(hello: RecordedServer) -> None:
    """Nothing is started."""
    outcome = _run(hello, {"path": "testrun/other"})
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE)
    assert outcome.conclusion.message.startswith("playbook.path: ")
    assert not hello.starts


def test_a_query_without_a_database_is_found_before_anything_starts(hello: RecordedServer) -> None:
    """The connection has no DSN."""
    outcome = _run(hello, {"expect": {"sql": [{"name": "rows", "query": "SELECT true"}]}})
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE)
    assert "connections.noetl.dsnFrom: is needed by playbook.expect.sql[0]" in outcome.conclusion.message
    assert not hello.asked


def test_a_payload_with_a_secret_is_masked(hello: RecordedServer) -> None:
    """The server got it; nobody else does."""
    hello.disturb = lambda _, path: (422, {"detail": "bad input: hunter22"}) if path == "/api/execute" else None
    outcome = _run(hello, {"payload": {"deep": [{"api_key": "hunter22"}]}})
    assert hello.starts[0]["payload"] == {"deep": [{"api_key": "hunter22"}]}
    assert "hunter22" not in outcome.everything
    assert "***" in outcome.conclusion.message


def test_a_signal_cancels_the_execution_and_leaves_no_report(slow: RecordedServer) -> None:
    """The pod is being deleted: what that means is for the operator to say."""

    def send() -> None:
        while not slow.starts:
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(SystemExit) as caught:
        _run(slow)
    assert caught.value.code == _ENDED_BY_SIGTERM
    assert slow.cancelled == [slow.execution]


def test_a_signal_before_the_start_starts_nothing(hello: RecordedServer) -> None:
    """There is nothing to be cancelled either."""

    def disturb(_method: str, path: str) -> Answer | None:
        if path == "/api/catalog/resource":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return None

    hello.disturb = disturb
    with pytest.raises(SystemExit) as caught:
        _run(hello)
    assert caught.value.code == _ENDED_BY_SIGTERM
    assert not hello.starts
    assert not hello.cancelled
