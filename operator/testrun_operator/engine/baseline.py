"""The baseline of a case: its row of ``expected_results``, which people write and which is then enforced."""

from dataclasses import replace

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import Baseline, CaseOutcome
from testrun_operator.resources.suite import Case

_PASSED_STATUS = "COMPLETED"
"""NoETL's word for what passed, which people have in their tables."""


def status_when_passed(case: Case) -> str:
    """Return the status that a case has in NoETL's vocabulary when it passes.

    A case whose subject has executions of its own has the status that these have to end with.
    """
    return case.kind.status_when_passed(case.spec) or _PASSED_STATUS


def check_baseline(case: Case, outcome: CaseOutcome, baseline: Baseline) -> CaseOutcome:
    """Let a case that passed fail if it breaks its baseline; leave any other outcome as it is.

    Args:
        case: the case.
        outcome: how it ended.
        baseline: its row of ``expected_results``.
    """
    last = outcome.last_attempt
    if outcome.verdict is not Verdict.PASSED or last is None:
        return outcome
    problems = []
    status = status_when_passed(case)
    if baseline.expected_status is not None and baseline.expected_status.upper() != status.upper():
        problems.append(f"expected_status is {baseline.expected_status}, got {status}")
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
