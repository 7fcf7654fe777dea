"""What an execution that is over comes to: its phase, and what is said of it in one line."""

from collections.abc import Iterable

from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import ConditionReason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.resources.status import CaseCounts

_EXECUTED = tuple(verdict for verdict in Verdict if verdict is not Verdict.SKIPPED)
_REASONS = {
    Phase.PASSED: ConditionReason.ALL_PASSED,
    Phase.FAILED: ConditionReason.CASES_FAILED,
    Phase.ERRORED: ConditionReason.CASES_ERRORED,
    Phase.CANCELLED: ConditionReason.CANCELLED,
}


def final_phase(outcomes: Iterable[CaseOutcome]) -> Phase:
    """Sum up an execution that is over.

    ``Failed`` if the subject failed anywhere; else ``Cancelled`` if anything was; else ``Errored`` if anything could
    not be judged; else ``Passed``. A time-out counts as a failure only where it was the case that took too long.
    """
    phases = set()
    for outcome in outcomes:
        match outcome.verdict:
            case Verdict.FAILED:
                phases.add(Phase.FAILED)
            case Verdict.TIMED_OUT:
                phases.add(Phase.FAILED if outcome.failure_class is FailureClass.TEST else Phase.ERRORED)
            case Verdict.ERRORED:
                phases.add(Phase.ERRORED)
            case Verdict.CANCELLED:
                phases.add(Phase.CANCELLED)
            case Verdict.PASSED | Verdict.SKIPPED:
                pass
    order = (Phase.FAILED, Phase.CANCELLED, Phase.ERRORED)
    return next((phase for phase in order if phase in phases), Phase.PASSED)


def phase_of(record: ExecutionRecord, outcomes: Iterable[CaseOutcome]) -> Phase:
    """Sum up an execution that is over: as :func:`final_phase`, but ``Errored`` where too few cases were executed."""
    known = tuple(outcomes)
    phase = final_phase(known)
    if phase is Phase.PASSED and _executed(record, known) < record.run.min_executed:
        return Phase.ERRORED
    return phase


def explain_few(record: ExecutionRecord, phase: Phase, outcomes: Iterable[CaseOutcome]) -> tuple[ConditionReason, str]:
    """Say of an execution that is over whether nothing, or too little, was executed.

    Returns:
        Reason and what is to be said before the counts; the reason of the phase and nothing where that is not so.
    """
    known = tuple(outcomes)
    executed = _executed(record, known)
    if phase is Phase.ERRORED and final_phase(known) is Phase.PASSED:
        least = record.run.min_executed
        return ConditionReason.TOO_FEW_EXECUTED, f"{executed} cases were executed, and minExecuted is {least}; "
    if phase is Phase.PASSED and not executed:
        return ConditionReason.NOTHING_EXECUTED, "no case was executed; "
    return _REASONS[phase], ""


def _executed(record: ExecutionRecord, outcomes: Iterable[CaseOutcome]) -> int:
    before = len(record.restriction.passed_before) if record.restriction else 0
    return before + sum(outcome.verdict in _EXECUTED for outcome in outcomes)


def success_rate(outcomes: Iterable[CaseOutcome]) -> str | None:
    """Return the share of executed cases that passed, in per cent with two decimals; None if none was executed."""
    executed = [outcome for outcome in outcomes if outcome.verdict in _EXECUTED]
    if not executed:
        return None
    return f"{100 * sum(outcome.verdict is Verdict.PASSED for outcome in executed) / len(executed):.2f}"


def sum_up(counts: CaseCounts) -> str:
    """Say in one line how the cases of an execution ended."""
    named = [
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (counts.timed_out, "timed out"),
        (counts.errored, "errored"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
    ]
    return f"of {counts.total} cases: " + ", ".join(f"{count} {what}" for count, what in named if count)
