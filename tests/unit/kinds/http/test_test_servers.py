"""Test servers that the operator deploys are waited for, and their absence is not the subject's fault."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kinds.http.execution import client

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("connection", "connections"),
    [("paginated-api", {}), ("api", {"api": {"url": "{{ servers['paginated-api'].url }}/v1"}})],
)
def test_a_server_is_asked_for_its_health_first(api: Any, run_http: Run, connection: str, connections: Any) -> None:
    """Whether the case names it or a connection leads to it; the question is no step of the case."""
    servers = {"paginated-api": {"url": api.url}}
    outcome = run_http({"connection": connection}, servers=servers, connections=connections)
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert [asked.path for asked in api.asked] == ["/health", "/v1/" if connections else "/"]
    assert outcome.step_count == 1


def test_a_server_that_is_not_there_yet_is_waited_for(api: Any, run_http: Run, answer: Any) -> None:
    """Name resolution and routing lag behind the readiness of its pod; maxDuration does not count the wait."""
    api.answers = [answer(hang_up=True), answer(status=503), answer()]
    started = time.monotonic()
    outcome = run_http(
        {"connection": "server", "expect": {"maxDuration": "90ms"}}, servers={"server": {"url": api.url}}
    )
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert 0.2 < time.monotonic() - started < 5.0


def test_a_server_that_does_not_come_is_a_fault_of_the_infrastructure(
    run_http: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator tries such an attempt again on a budget of its own."""
    monkeypatch.setattr(client, "SERVER_WAIT_SECONDS", 0.3)
    outcome = run_http({"connection": "server"}, servers={"server": {"url": "http://127.0.0.1:1"}})
    conclusion = outcome.conclusion
    assert (conclusion.verdict, conclusion.failure_class, conclusion.reason) == (
        Verdict.ERRORED,
        FailureClass.INFRASTRUCTURE,
        Reason.TEST_SERVER_UNAVAILABLE,
    )
    assert "the test server server did not answer within" in outcome.message


def test_a_server_that_goes_away_in_the_middle_is_a_fault_of_the_infrastructure(
    api: Any, run_http: Run, answer: Any
) -> None:
    """As is one that never came."""
    api.answers = [answer(), answer(hang_up=True)]
    outcome = run_http({"connection": "server"}, servers={"server": {"url": api.url}})
    assert outcome.conclusion.reason is Reason.TEST_SERVER_UNAVAILABLE


def test_another_port_of_the_same_host_is_not_the_server(api: Any, run_http: Run) -> None:
    """A connection is one to a server only if host and port are the server's."""
    servers = {"server": {"url": "http://127.0.0.1:1"}, "odd": {"url": "nonsense"}}
    assert run_http({}, servers=servers).conclusion.verdict is Verdict.PASSED
    assert len(api.asked) == 1
