"""When a request is sent again, and when not."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kinds.http.execution.client import parse_retry_after

Run = Callable[..., Any]
NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_nothing_is_repeated_unless_the_case_says_so(api: Any, run_http: Run, answer: Any) -> None:
    """Without retry a 503 is what the API said."""
    api.answers = [answer(status=503), answer()]
    outcome = run_http({})
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert len(api.asked) == 1


def test_a_listed_status_is_tried_again_and_each_repetition_is_told(api: Any, run_http: Run, answer: Any) -> None:
    """A detail for each request that was repeated, and the wait doubles."""
    api.answers = [answer(status=503), answer(status=502), answer()]
    started = time.monotonic()
    outcome = run_http({"retry": {"backoff": "20ms"}})
    assert time.monotonic() - started >= 0.06
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert outcome.step_count == 3
    first, second = outcome.of_kind(DetailKind.REQUEST)
    assert (first.name, first.actual, first.passed) == ("attempt 1", "status 503", False)
    assert (second.name, second.actual) == ("attempt 2", "status 502")
    assert second.location == f"GET {api.url}/"


def test_the_last_answer_is_judged_when_the_attempts_are_used_up(api: Any, run_http: Run, answer: Any) -> None:
    """MaxAttempts counts the first one."""
    api.answers = [answer(status=503)]
    outcome = run_http({"retry": {"maxAttempts": 2, "backoff": "1ms"}})
    assert outcome.message.startswith("status: expected 200 to 299, got 503")
    assert len(api.asked) == 2


def test_another_status_is_not_tried_again(api: Any, run_http: Run, answer: Any) -> None:
    """500 is not among the defaults."""
    api.answers = [answer(status=500)]
    assert run_http({"retry": {}}).step_count == 1


def test_a_connection_that_breaks_is_tried_again(api: Any, run_http: Run, answer: Any) -> None:
    """Whatever statuses are listed."""
    api.answers = [answer(hang_up=True), answer()]
    outcome = run_http({"retry": {"statuses": [], "backoff": "1ms"}})
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert "connection failed: Server disconnected" in outcome.of_kind(DetailKind.REQUEST)[0].actual


def test_retry_after_is_followed(api: Any, run_http: Run, answer: Any) -> None:
    """Instead of the backoff."""
    api.answers = [answer(status=429, headers={"Retry-After": "1"}), answer()]
    started = time.monotonic()
    outcome = run_http({"retry": {"backoff": "1ms"}})
    assert 1.0 <= time.monotonic() - started < 3.0
    assert outcome.of_kind(DetailKind.REQUEST)[0].message == "sent again after 1.0 s, as Retry-After asks"


def test_a_retry_after_is_cut_to_the_time_that_is_left(api: Any, run_http: Run, answer: Any) -> None:
    """An API that asks to come back tomorrow does not hold the case for longer than its timeout."""
    api.answers = [answer(status=429, headers={"Retry-After": "86400"}), answer()]
    started = time.monotonic()
    run_http({"retry": {}}, timeout="300ms")
    assert time.monotonic() - started < 3.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 01 Jan 2025 12:00:30 GMT", 30.0),
        ("Wed, 01 Jan 2025 11:00:00 GMT", 0.0),
        ("Wed, 01 Jan 2025 13:00:00 +0100", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("99999999999999999999", 999999999.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(value: str, expected: float | None) -> None:
    """What cannot be read is ignored."""
    assert expected == parse_retry_after(value, NOW)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://does-not-exist.invalid", "https://127.0.0.1:1"])
def test_a_connection_that_cannot_be_made_is_a_dependency_that_is_missing(run_http: Run, url: str) -> None:
    """We could not find out; the subject is not wrong."""
    outcome = run_http({}, connections={"api": {"url": url}})
    conclusion = outcome.conclusion
    assert (conclusion.verdict, conclusion.failure_class, conclusion.reason) == (
        Verdict.ERRORED,
        FailureClass.DEPENDENCY,
        Reason.CONNECTION_FAILED,
    )
    assert outcome.message.startswith(f"GET {url}/: connection failed")


def test_a_server_that_does_not_speak_tls_is_a_connection_error(api: Any, run_http: Run) -> None:
    """Also where the port is open."""
    outcome = run_http({}, connections={"api": {"url": api.url.replace("http://", "https://")}})
    assert outcome.conclusion.reason is Reason.CONNECTION_FAILED


def test_pages_seen_before_a_connection_broke_are_reported(api: Any, run_http: Run, answer: Any) -> None:
    """The details say how far the walk came."""
    api.answers = [answer(b'{"data": [1], "more": true}'), answer(hang_up=True)]
    outcome = run_http({"paginate": {"style": "page", "items": "data", "hasMore": "more"}})
    assert outcome.conclusion.reason is Reason.CONNECTION_FAILED
    assert outcome.message.startswith("page 2: GET ")
    assert [page.name for page in outcome.of_kind(DetailKind.PAGE)] == ["page 1"]
