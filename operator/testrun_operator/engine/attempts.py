"""Making the outcome of an attempt out of a verdict and what was seen of its Job and pod."""

from datetime import datetime, timedelta

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.observation import JobObservation, Terminated
from testrun_operator.engine.outcome import AttemptOutcome, Evidence


def fault(job: JobObservation, reason: Reason, message: str, finished_at: datetime | None) -> AttemptOutcome:
    """Make the outcome of an attempt that the infrastructure spoiled."""
    return outcome(job, Verdict.ERRORED, FailureClass.INFRASTRUCTURE, reason, message, finished_at=finished_at)


def configuration_error(
    job: JobObservation,
    reason: Reason,
    message: str,
    terminated: Terminated | None,
    now: datetime | None = None,
) -> AttemptOutcome:
    """Make the outcome of an attempt that would end the same way again."""
    return outcome(
        job,
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
        reason,
        message,
        started_at=terminated.started_at if terminated else None,
        finished_at=terminated.finished_at if terminated else now,
    )


def outcome(
    job: JobObservation,
    verdict: Verdict,
    failure_class: FailureClass | None,
    reason: Reason,
    message: str,
    *,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> AttemptOutcome:
    """Make an outcome; what is not given is taken from the pod."""
    pod = job.pod
    if started_at is None and pod is not None:
        # The second is of the same clock as the time at which an attempt is ended from outside; the node's is not.
        started_at = pod.terminated.started_at if pod.terminated else pod.running_seen_at
    duration = None
    if started_at is not None and finished_at is not None:
        duration = max(0, round((finished_at - started_at) / timedelta(milliseconds=1)))
    return AttemptOutcome(
        case=job.case,
        attempt=job.attempt,
        job=job.name,
        verdict=verdict,
        failure_class=failure_class,
        reason=reason,
        message=message,
        started_at=started_at,
        finished_at=finished_at,
        duration_milliseconds=duration,
        # With FallbackToLogsOnError an empty termination log of a failed container is filled with the end of its log.
        evidence=evidence(job, (pod.terminated.message or None) if pod and pod.terminated else None),
    )


def evidence(job: JobObservation, log_tail: str | None) -> Evidence:
    """Return what was seen of the pod."""
    pod = job.pod
    if pod is None:
        return Evidence(log_tail=log_tail)
    why = pod.reason or (pod.terminated.reason if pod.terminated else "") or (pod.waiting.reason if pod.waiting else "")
    return Evidence(
        exit_code=pod.terminated.exit_code if pod.terminated else None,
        pod=pod.name,
        pod_reason=why or None,
        node=pod.node,
        log_tail=log_tail,
    )
