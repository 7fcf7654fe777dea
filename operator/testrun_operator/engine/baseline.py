"""The baseline of a case: its row of ``expected_results``, which people write and which is then enforced."""

from dataclasses import replace

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import Baseline, CaseOutcome

_PASSED_STATUS = "COMPLETED"  # NoETL's word for it, which people have in their tables


def check_baseline(outcome: CaseOutcome, baseline: Baseline) -> CaseOutcome:
    """Let a case that passed fail if it breaks its baseline; leave any other outcome as it is."""
    last = outcome.last_attempt
    if outcome.verdict is not Verdict.PASSED or last is None:
        return outcome
    problems = []
    if baseline.expected_status is not None and baseline.expected_status.upper() != _PASSED_STATUS:
        problems.append(f"expected_status is {baseline.expected_status}, got {_PASSED_STATUS}")
    steps = last.step_count
    if baseline.min_events is not None and steps is not None and steps < baseline.min_events:
        problems.append(f"min_events is {baseline.min_events}, got {steps}")
    duration, limit = last.duration_milliseconds, baseline.max_duration_milliseconds
    if limit is not None and duration is not None and duration > limit:
        problems.append(f"max_duration_ms is {limit}, got {duration}")
    if not problems:
        return outcome
    return replace(
        outcome,
        verdict=Verdict.FAILED,
        failure_class=FailureClass.TEST,
        reason=Reason.BASELINE_NOT_MET,
        message="expected_results: " + "; ".join(problems),
        flaky=False,
    )
