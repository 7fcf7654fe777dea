"""What was told of how cases of an execution ended: what is left where their Jobs and pods are gone.

Whoever was the operator before has told it, in the status of the run and in Postgres, with everything before its eyes.
Where a Job or a pod still shows how an attempt ended, that counts, and comes to the same; where nothing does any more,
what was told stays true.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine import attempts
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.resources.status import Failure, TestRunStatus

_REASONS = frozenset(Reason)
_GONE = "its Job or pod is gone, and the details with it; it was told before that it passed"


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of the cases of an execution."""

    cases: Mapping[str, CaseOutcome] = field(default_factory=dict)
    """Those that did not pass and that the status lists, the attempt alone that decided."""
    is_whole: bool = False
    """Whether the execution is over and every case that did not pass is listed: each other one passed, or was
    skipped."""
    stored: Mapping[str, Verdict] = field(default_factory=dict)
    """The verdicts that Postgres has; empty if it did not answer."""
    none_skipped: bool = False
    """Whether the execution is over, and no case of it was skipped."""

    def newer_than(self, newest: Mapping[str, int]) -> Mapping[str, AttemptOutcome]:
        """Return the attempts that decided and have no Job any more, by their case.

        Args:
            newest: the newest attempt of each case that a Job is there for.
        """
        decided = {case: outcome.last_attempt for case, outcome in self.cases.items()}
        return {
            case: attempt
            for case, attempt in decided.items()
            if attempt is not None and attempt.attempt > newest.get(case, 0)
        }

    def verdict_of(self, job: JobObservation, case: PlannedCase) -> AttemptOutcome | None:
        """Return how an attempt ended, its case's newest; None if nothing was told of it, or that it was spoiled."""
        told = self.attempt_of(case.name)
        if told is None and self.has_passed(case):
            passed = passed_before(case)
            return attempts.outcome(replace(job, pod=None), passed.verdict, None, passed.reason, passed.message)
        if told is None or told.attempt != job.attempt or told.is_infrastructure_fault:
            return None
        return told

    def has_passed(self, case: PlannedCase) -> bool:
        """Whether a case passed, if it was executed: Postgres says so, or the status lists all that did not."""
        return case.name not in self.cases and (self.is_whole or self.stored.get(case.name) is Verdict.PASSED)

    def is_stored(self, outcome: CaseOutcome) -> bool:
        """Whether Postgres has more of a case than what was told of it."""
        told = self.cases.get(outcome.case)
        is_told = outcome.message == _GONE or (told is not None and outcome.last_attempt == told.last_attempt)
        return is_told and self.stored.get(outcome.case) is outcome.verdict

    def attempt_of(self, case: str) -> AttemptOutcome | None:
        """Return the attempt that decided about a case; None if none did, or the status does not list it."""
        told = self.cases.get(case)
        return told.last_attempt if told is not None else None


NOTHING_TOLD = Told()


def read_told(status: TestRunStatus, run_id: str) -> Told:
    """Read from a status what was told of an execution.

    Args:
        status: of the run.
        run_id: of the execution; a status that is of another one says nothing of it.
    """
    counts = status.cases
    if status.run_id != run_id or counts is None:
        return NOTHING_TOLD
    known = {failure.case: _read(failure) for failure in status.failures if failure.reason in _REASONS}
    is_over = status.phase is not None and status.phase.is_final
    not_passed = counts.failed + counts.errored + counts.timed_out + counts.cancelled
    return Told(known, is_over and len(known) == not_passed, {}, none_skipped=is_over and counts.skipped == 0)


def passed_before(case: PlannedCase) -> CaseOutcome:
    """Return the outcome of a case of which nothing is left but that it passed."""
    reason = case.case.kind.passed_reason
    return CaseOutcome(case.name, Verdict.PASSED, None, reason, _GONE)


def _read(failure: Failure) -> CaseOutcome:
    reason = Reason(failure.reason)
    decided: tuple[AttemptOutcome, ...] = ()
    if failure.attempt:
        decided = (
            AttemptOutcome(
                case=failure.case,
                attempt=failure.attempt,
                job=failure.job or "",
                verdict=failure.verdict,
                failure_class=failure.failure_class,
                reason=reason,
                message=failure.message,
            ),
        )
    return CaseOutcome(failure.case, failure.verdict, failure.failure_class, reason, failure.message, attempts=decided)
