"""Rows of expected_results: demands on cases of that name."""

from typing import Any

import pytest

from support.builders import attempt_of, http_case, outcome_of, playbook_case, suite_of
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.baseline import check_baseline
from testrun_operator.engine.outcome import Baseline, CaseOutcome

(CASE,) = suite_of(http_case("one")).cases
(PLAYBOOK, FAILING) = suite_of(playbook_case("one"), playbook_case("two", own={"expect": {"status": "Failed"}})).cases
TOO_LONG = "max_duration_ms is 1499, got 1500"


def case_of(verdict: Verdict = Verdict.PASSED, *, flaky: bool = False, **attempt: Any) -> CaseOutcome:
    """Return a case whose only attempt had four steps in 1,500 ms."""
    values = {"step_count": 4, "duration_milliseconds": 1500} | attempt
    return outcome_of("one", verdict, flaky=flaky, attempts=(attempt_of("one", verdict, **values),))


@pytest.mark.parametrize(
    "baseline",
    [
        Baseline("one"),
        Baseline("one", expected_status="COMPLETED"),
        Baseline("one", expected_status="completed"),
        Baseline("one", min_events=4),
        Baseline("one", max_duration_milliseconds=1500),
    ],
)
def test_a_case_that_keeps_to_its_baseline_stays_passed(baseline: Baseline) -> None:
    """Nothing of it changes."""
    case = case_of(flaky=True)
    assert case is check_baseline(CASE, case, baseline)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (Baseline("one", expected_status="FAILED"), "expected_results: expected_status is FAILED, got COMPLETED"),
        (Baseline("one", min_events=5), "expected_results: min_events is 5, got 4"),
        (
            Baseline("one", max_duration_milliseconds=1499),
            f"expected_results: {TOO_LONG}",
        ),
        (
            Baseline("one", "FAILED", 5, 1499),
            "expected_results: expected_status is FAILED, got COMPLETED; min_events is 5, got 4; " + TOO_LONG,
        ),
    ],
)
def test_a_case_that_breaks_its_baseline_fails(baseline: Baseline, message: str) -> None:
    """With every demand that it broke, and not as flaky."""
    outcome = check_baseline(CASE, case_of(flaky=True), baseline)
    assert (Verdict.FAILED, FailureClass.TEST, Reason.BASELINE_NOT_MET, message, False) == (
        outcome.verdict,
        outcome.failure_class,
        outcome.reason,
        outcome.message,
        outcome.flaky,
    )


def test_what_was_not_measured_breaks_nothing() -> None:
    """A container has no steps; a pod that is gone has no duration."""
    case = case_of(step_count=None, duration_milliseconds=None)
    assert case is check_baseline(CASE, case, Baseline("one", min_events=5, max_duration_milliseconds=1))


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASSED])
def test_only_a_case_that_passed_can_break_its_baseline(verdict: Verdict) -> None:
    """Any other verdict says more than the baseline does."""
    case = case_of(verdict)
    assert case is check_baseline(CASE, case, Baseline("one", "FAILED", 99, 1))


def test_a_playbook_ends_as_its_case_expects_where_that_passes() -> None:
    """A case that expects a playbook to fail, and passes, keeps to a baseline that says so."""
    passed = case_of()
    assert passed is check_baseline(FAILING, passed, Baseline("one", expected_status="FAILED"))
    assert passed is check_baseline(PLAYBOOK, passed, Baseline("one", expected_status="completed"))
    broken = check_baseline(FAILING, passed, Baseline("one", expected_status="COMPLETED"))
    assert broken.message == "expected_results: expected_status is COMPLETED, got FAILED"
    assert broken.reason is Reason.BASELINE_NOT_MET
