"""What a container case leaves behind, JUnit XML, and what becomes of it: details, and words of the message.

The verdict is that of the exit code. When the container has ended, the kubelet tells the reader in its pod to end, too;
that reads the files, and its report is waited for, but not for long. What was not there by then never counts: the
outcome without it is written on the Job, so that it stays the same whenever it is asked for.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report, decode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.judgement import Ended, Judgement, MustStop, Underway
from testrun_operator.engine.observation import JobObservation, PodObservation, PodPhase, Terminated
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.errors import MalformedReport

LAST_LINE = "; last line: "
"""What stands in the message of an exit code before the last line of the log."""
PATIENCE = timedelta(seconds=30)
"""How long the reader's end is waited for: three times the grace period in which the kubelet ends it."""
_MAX_LAST_LINE = 200


def with_tests(job: JobObservation, case: PlannedCase, judged: Ended | MustStop, now: datetime) -> Judgement:
    """Add to the outcome of an attempt what the reader in its pod found.

    Args:
        job: what was seen of the Job and its pod.
        case: the case.
        judged: the outcome by how the container ended.
        now: the time.

    Returns:
        The outcome with it; that it is still to come; or the outcome without it, which says so.
    """
    pod, outcome = job.pod, judged.outcome
    if pod is None or pod.reader is None or not _is_told(case, outcome):
        return judged
    if pod.reader.terminated is not None:
        report, problem = _read(job, pod.reader.terminated)
        if report is None:
            return replace(judged, outcome=_tell_problem(outcome, problem))
        complete = replace(_tell(outcome, report), details=report.details, step_count=report.step_count, has_tests=True)
        return MustStop(complete) if isinstance(judged, MustStop) else Ended(complete, report.details_in_log)
    if _is_over(pod):
        return replace(judged, outcome=_tell_problem(outcome, "the pod is over, and does not show how it ended"))
    due = (pod.ended_seen_at or now) + PATIENCE
    if now < due:
        return Underway(due, has_ended=True)
    seconds = PATIENCE.total_seconds()
    return MustStop(_tell_problem(outcome, f"it did not end within {seconds:.0f} s after the case"))


def decided(job: JobObservation, outcome: AttemptOutcome) -> Ended:
    """Return an outcome that is written on its Job, with the details that are in the pod, as long as that exists."""
    reader = job.pod.reader if job.pod is not None else None
    if not outcome.has_tests or reader is None or reader.terminated is None:
        return Ended(outcome)
    report: Report | None
    report, _ = _read(job, reader.terminated)
    if report is None:
        return Ended(outcome)
    return Ended(replace(outcome, details=report.details), report.details_in_log)


def _is_told(case: PlannedCase, outcome: AttemptOutcome) -> bool:
    """Whether tests matter: not where the attempt says nothing of the subject, or the container never ran."""
    own = case.case.own_container
    return (
        own is not None
        and own.junit is not None
        and outcome.failure_class is not FailureClass.INFRASTRUCTURE
        and outcome.reason is not Reason.CONTAINER_START_FAILED
    )


def _is_over(pod: PodObservation) -> bool:
    return pod.gone or pod.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}


def _read(job: JobObservation, terminated: Terminated) -> tuple[Report | None, str]:
    try:
        report = decode(terminated.message)
    except MalformedReport:
        lines = [line.strip() for line in terminated.message.splitlines() if line.strip()]
        said = f", and said last: {lines[-1][:_MAX_LAST_LINE]}" if lines and terminated.exit_code else ""
        why = f" ({terminated.reason})" if terminated.reason not in {"", "Error", "Completed"} else ""
        return None, f"it ended with exit code {terminated.exit_code}{why} and left no report{said}"
    if (report.case, report.attempt) != (job.case, job.attempt):
        return None, f"its report is of attempt {report.attempt} at {report.case!r}, not of this one"
    return report, ""


def _tell(outcome: AttemptOutcome, report: Report) -> AttemptOutcome:
    said, tests = outcome.message, report.message
    if outcome.reason is Reason.EXIT_CODE_ZERO:
        message = f"exit code 0, though {tests}" if report.verdict is Verdict.FAILED else tests
    elif outcome.reason is Reason.EXIT_CODE_NOT_ZERO and report.verdict is Verdict.PASSED:
        first, separator, rest = said.partition(LAST_LINE)
        message = f"{first}, though no test failed: {tests}{separator}{rest}"
    elif outcome.reason is Reason.EXIT_CODE_NOT_ZERO and report.verdict is Verdict.FAILED:
        # The tests say more than the last line of the log, which is kept as evidence anyway.
        message = f"{said.partition(LAST_LINE)[0]}; {tests}"
    else:
        message = "; ".join(filter(None, [said, tests]))
    return replace(outcome, message=message)


def _tell_problem(outcome: AttemptOutcome, problem: str) -> AttemptOutcome:
    message = f"the JUnit files were not read: of their reader, {problem}"
    return replace(outcome, message="; ".join(filter(None, [outcome.message, message])))
