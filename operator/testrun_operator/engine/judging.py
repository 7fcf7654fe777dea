"""From what was seen of an attempt's Job and pod to its outcome: the rules of ``docs/verdicts.md``.

An infrastructure fault is never a test failure, and a pod that is gone without a report is a normal thing to see.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import LogReference, Report, decode
from testrun_operator.api.suite import CaseKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.observation import JobObservation, JobState, PodObservation, PodPhase, Terminated
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome, Evidence
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.errors import MalformedReport

KINDS_WITH_REPORT = frozenset({CaseKind.HTTP, CaseKind.SQL, CaseKind.PLAYBOOK})
"""Kinds that our runner executes; the others run an image of their own and are judged by the exit code."""

_SIGKILL = 128 + 9
_CLOCK_RESOLUTION = timedelta(seconds=1)
"""Kubernetes cuts times to whole seconds: a container may have started almost one second later than it says."""
WATCH_LAG = timedelta(seconds=5)
"""Jobs and pods are watched apart: that a Job is over may be seen before how its pod ended."""
_FIRST_SIGNAL = 128
_IMAGE_WAITS = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull"})
_CONFIG_WAITS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_START_FAILURES = frozenset({"StartError", "ContainerCannotRun"})
_NODE_REASONS = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"})
_NODE_DISRUPTIONS = frozenset({"DeletionByTaintManager", "TerminationByKubelet", "DeletionByPodGC"})
_DEADLINE_EXCEEDED = "DeadlineExceeded"
_PREEMPTIONS = frozenset({"PreemptionByScheduler", "PreemptionByKubeScheduler"})


@dataclass(frozen=True, slots=True)
class JudgingSettings:
    """How patient the judge is. The defaults are those of the operator's settings."""

    start_timeout: timedelta = timedelta(minutes=5)
    """How long a pod may take until its container runs. Long enough for a slow pull and an autoscaled node."""
    image_pull_grace: timedelta = timedelta(seconds=30)
    """How long the kubelet may fail to pull an image: longer than a registry's hiccup, not longer than a wrong name."""
    configuration_grace: timedelta = timedelta(seconds=15)
    """How long a Secret or ConfigMap may be missing: with GitOps they often arrive a moment after the run."""
    runner_grace: timedelta = timedelta(seconds=15)
    """How much longer than the case's timeout the runner may take to report it before it is ended from outside."""


@dataclass(frozen=True, slots=True)
class Underway:
    """The attempt has no outcome yet."""

    look_again_at: datetime
    """When time alone may change that."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over."""

    outcome: AttemptOutcome
    report_in_log: LogReference | None = None
    """Its details are in the pod's log and still have to be read."""


@dataclass(frozen=True, slots=True)
class MustStop:
    """The attempt has to be ended from outside, with this outcome."""

    outcome: AttemptOutcome


Judgement = Underway | Ended | MustStop


def judge(job: JobObservation, case: PlannedCase, now: datetime, settings: JudgingSettings) -> Judgement:
    """Judge one attempt.

    Args:
        job: what was seen of its Job and pod.
        case: the case that it is an attempt at.
        now: the time, for the limits of ``settings`` and the case's timeout.
        settings: how patient to be.
    """
    if job.decided is not None:
        return Ended(job.decided)
    pod = job.pod
    if pod is None:
        return _judge_without_pod(job, case, now, settings)
    if pod.terminated is not None:
        return _judge_terminated(job, case, pod, pod.terminated)
    if pod.deleted:
        return MustStop(_fault(job, *_why_deleted(pod), now))
    if pod.phase is PodPhase.FAILED:
        return Ended(_judge_failed_pod(job, case, pod))
    if pod.running_since is not None:
        return _judge_running(job, case, pod.running_since, now, settings)
    return _judge_starting(job, pod, now, settings)


def job_deleted(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt whose Job somebody deleted before it ended."""
    return _fault(job, Reason.JOB_DELETED, "the Job was deleted before the case ended", now)


def pod_vanished(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is over, though nothing shows any more how it ended."""
    return _fault(job, Reason.POD_VANISHED, "the Job's pod failed and is gone without a report", now)


def cancelled(job: JobObservation, reason: Reason, message: str, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run is."""
    return _outcome(job, Verdict.CANCELLED, None, reason, message, finished_at=now)


def ended_with(job: JobObservation, case: CaseOutcome, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its case has its verdict without it."""
    return _outcome(job, case.verdict, case.failure_class, case.reason, case.message, finished_at=now)


def left_over(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run had ended without it."""
    return cancelled(job, Reason.SUPERSEDED, "the run had ended before this attempt was seen", now)


def run_timed_out(job: JobObservation, timeout: timedelta, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run's timeout is over.

    It counts against the subject only if the container ran; a pod that was still waiting says nothing of the subject.
    """
    running = job.pod is not None and job.pod.running_since is not None
    failure_class = FailureClass.TEST if running else FailureClass.INFRASTRUCTURE
    where = "while this case ran" if running else "before this case's container ran"
    message = f"the run's timeout of {format_duration(timeout)} ended {where}"
    return _outcome(job, Verdict.TIMED_OUT, failure_class, Reason.RUN_TIMEOUT, message, finished_at=now)


def _judge_without_pod(job: JobObservation, case: PlannedCase, now: datetime, settings: JudgingSettings) -> Judgement:
    if job.finished_at is not None and now < job.finished_at + WATCH_LAG:
        return Underway(job.finished_at + WATCH_LAG)
    if job.state is JobState.COMPLETE:
        # A container, and our runner too, ends with 0 only if the case passed. Details went with the pod.
        message = "the Job is complete; its pod is gone, and the details with it"
        reason = Reason.EXPECTATIONS_MET if case.case.kind in KINDS_WITH_REPORT else Reason.EXIT_CODE_ZERO
        return Ended(_outcome(job, Verdict.PASSED, None, reason, message))
    if job.state is JobState.FAILED:
        return Ended(pod_vanished(job, now))
    deadline = job.created_at + settings.start_timeout
    if now < deadline:
        return Underway(deadline)
    message = f"the Job had no pod after {format_duration(settings.start_timeout)}; a quota or an admission rule?"
    return MustStop(_fault(job, Reason.POD_NOT_CREATED, message, now))


def _judge_terminated(job: JobObservation, case: PlannedCase, pod: PodObservation, terminated: Terminated) -> Ended:
    kind = case.case.kind
    if kind in KINDS_WITH_REPORT and terminated.exit_code < _FIRST_SIGNAL:
        return _judge_report(job, case, pod, terminated)
    if pod.deleted or pod.disruption or pod.reason:
        if pod.reason == _DEADLINE_EXCEEDED:
            return Ended(_judge_failed_pod(job, case, pod))
        if kind not in KINDS_WITH_REPORT and terminated.exit_code == 0:
            return Ended(_judge_exit_code(job, terminated))  # it had finished before it was disturbed
        return Ended(_fault(job, *_why_deleted(pod), terminated.finished_at))
    if terminated.reason == "OOMKilled":
        message = "the container used more memory than its limit and was killed"
        return Ended(_configuration_error(job, Reason.OUT_OF_MEMORY, message, terminated))
    if terminated.reason in _START_FAILURES:
        message = f"the container could not be started: {terminated.message or terminated.reason}"
        return Ended(_configuration_error(job, Reason.CONTAINER_START_FAILED, message, terminated))
    if terminated.exit_code == _SIGKILL:
        message = "the container was killed from outside (signal 9)"
        return Ended(_fault(job, Reason.CONTAINER_KILLED, message, terminated.finished_at))
    if kind in KINDS_WITH_REPORT:
        return _judge_report(job, case, pod, terminated)
    return Ended(_judge_exit_code(job, terminated))


def _judge_exit_code(job: JobObservation, terminated: Terminated) -> AttemptOutcome:
    code = terminated.exit_code
    if code == 0:
        verdict, failure_class, reason, message = Verdict.PASSED, None, Reason.EXIT_CODE_ZERO, ""
    else:
        signal = f" (signal {code - _FIRST_SIGNAL})" if code > _FIRST_SIGNAL else ""
        verdict, failure_class, reason = Verdict.FAILED, FailureClass.TEST, Reason.EXIT_CODE_NOT_ZERO
        last_line = next((line for line in reversed(terminated.message.splitlines()) if line.strip()), "")
        message = f"expected exit code 0, got {code}{signal}" + (
            f"; last line: {last_line.strip()}" if last_line else ""
        )
    return _outcome(
        job,
        verdict,
        failure_class,
        reason,
        message,
        started_at=terminated.started_at,
        finished_at=terminated.finished_at,
    )


def _judge_report(job: JobObservation, case: PlannedCase, pod: PodObservation, terminated: Terminated) -> Ended:
    try:
        report = decode(terminated.message)
    except MalformedReport as error:
        if pod.reason == _DEADLINE_EXCEEDED:
            return Ended(_judge_failed_pod(job, case, pod))
        return Ended(_without_report(job, pod, terminated, str(error)))
    if (report.case, report.attempt) != (job.case, job.attempt):
        message = f"the report is of attempt {report.attempt} at {report.case!r}, not of this one"
        return Ended(_fault(job, Reason.MALFORMED_REPORT, message, terminated.finished_at))
    return Ended(outcome_of_report(job, report, terminated), report.details_in_log)


def outcome_of_report(job: JobObservation, report: Report, terminated: Terminated | None) -> AttemptOutcome:
    """Turn a report into the outcome of the attempt that it is of."""
    return AttemptOutcome(
        case=job.case,
        attempt=job.attempt,
        job=job.name,
        verdict=report.verdict,
        failure_class=report.failure_class,
        reason=report.reason,
        message=report.message,
        started_at=terminated.started_at if terminated else None,
        finished_at=terminated.finished_at if terminated else None,
        duration_milliseconds=report.duration_milliseconds,
        step_count=report.step_count,
        outputs=report.outputs,
        details=report.details,
        execution=report.execution,
        evidence=_evidence(job, log_tail=None),
    )


def _without_report(job: JobObservation, pod: PodObservation, terminated: Terminated, problem: str) -> AttemptOutcome:
    if pod.deleted or pod.disruption or pod.reason:
        return _fault(job, *_why_deleted(pod), terminated.finished_at)
    reason = Reason.NO_REPORT if terminated.exit_code != 0 else Reason.MALFORMED_REPORT
    message = (
        f"the runner ended with exit code {terminated.exit_code} and left no report"
        if reason is Reason.NO_REPORT
        else problem
    )
    return _outcome(
        job,
        Verdict.ERRORED,
        FailureClass.INFRASTRUCTURE,
        reason,
        message,
        started_at=terminated.started_at,
        finished_at=terminated.finished_at,
    )


def _judge_failed_pod(job: JobObservation, case: PlannedCase, pod: PodObservation) -> AttemptOutcome:
    if pod.reason == _DEADLINE_EXCEEDED:
        # The pod's own deadline is a safety net for the time in which no operator runs.
        message = f"the case did not end within its timeout of {format_duration(case.timeout)}"
        finished_at = pod.terminated.finished_at if pod.terminated else None
        return _outcome(
            job, Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT, message, finished_at=finished_at
        )
    return _fault(job, *_why_deleted(pod), None)


def _judge_running(
    job: JobObservation,
    case: PlannedCase,
    running_since: datetime,
    now: datetime,
    settings: JudgingSettings,
) -> Judgement:
    grace = settings.runner_grace if case.case.kind in KINDS_WITH_REPORT else timedelta()
    deadline = running_since + _CLOCK_RESOLUTION + case.timeout + grace
    if now < deadline:
        return Underway(deadline)
    message = f"the case did not end within its timeout of {format_duration(case.timeout)}"
    return MustStop(
        _outcome(
            job,
            Verdict.TIMED_OUT,
            FailureClass.TEST,
            Reason.CASE_TIMEOUT,
            message,
            started_at=running_since,
            finished_at=now,
        )
    )


def _judge_starting(job: JobObservation, pod: PodObservation, now: datetime, settings: JudgingSettings) -> Judgement:
    waiting = pod.waiting
    why = waiting.reason if waiting else ""
    detail = (waiting.message if waiting else "") or why
    if why == "InvalidImageName":
        return MustStop(_configuration_error(job, Reason.INVALID_IMAGE_NAME, detail, None, now))
    if why in _IMAGE_WAITS:
        limit, message = settings.image_pull_grace, f"the image could not be pulled: {detail}"
        outcome = _fault(job, Reason.IMAGE_PULL_FAILED, message, now)
    elif why in _CONFIG_WAITS:
        limit, message = settings.configuration_grace, f"the kubelet refuses the container: {detail}"
        outcome = _configuration_error(job, Reason.CONTAINER_CONFIG_ERROR, message, None, now)
    elif pod.unschedulable:
        limit, message = settings.start_timeout, f"no node had room for the pod: {pod.unschedulable}"
        outcome = _fault(job, Reason.UNSCHEDULABLE, message, now)
    else:
        limit = settings.start_timeout
        message = f"the pod did not run after {format_duration(limit)}" + (f": {detail}" if detail else "")
        outcome = _fault(job, Reason.POD_START_TIMEOUT, message, now)
    deadline = pod.created_at + limit
    return Underway(deadline) if now < deadline else MustStop(outcome)


def _why_deleted(pod: PodObservation) -> tuple[Reason, str]:
    because = f": {pod.message}" if pod.message else ""
    if pod.reason == "Evicted":
        return Reason.POD_EVICTED, f"the pod was evicted{because}"
    if pod.disruption in _PREEMPTIONS or pod.reason in {"Preempting", "Preempted"}:
        return Reason.POD_PREEMPTED, f"the pod was preempted by one of a higher priority{because}"
    if pod.disruption in _NODE_DISRUPTIONS or pod.reason in _NODE_REASONS:
        node = f" {pod.node}" if pod.node else ""
        return Reason.NODE_LOST, f"the pod's node{node} was lost or shut down{because}"
    if pod.disruption == "EvictionByEvictionAPI":
        return Reason.POD_EVICTED, f"the pod was evicted through the API{because}"
    if pod.deleted:
        return Reason.POD_DELETED, f"the pod was deleted while the case ran{because}"
    return Reason.POD_REJECTED, f"the pod was ended by the kubelet: {pod.reason or 'no reason given'}{because}"


def _fault(job: JobObservation, reason: Reason, message: str, finished_at: datetime | None) -> AttemptOutcome:
    return _outcome(job, Verdict.ERRORED, FailureClass.INFRASTRUCTURE, reason, message, finished_at=finished_at)


def _configuration_error(
    job: JobObservation,
    reason: Reason,
    message: str,
    terminated: Terminated | None,
    now: datetime | None = None,
) -> AttemptOutcome:
    return _outcome(
        job,
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
        reason,
        message,
        started_at=terminated.started_at if terminated else None,
        finished_at=terminated.finished_at if terminated else now,
    )


def _outcome(
    job: JobObservation,
    verdict: Verdict,
    failure_class: FailureClass | None,
    reason: Reason,
    message: str,
    *,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> AttemptOutcome:
    pod = job.pod
    if started_at is None and pod is not None:
        started_at = pod.terminated.started_at if pod.terminated else pod.running_since
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
        evidence=_evidence(job, (pod.terminated.message or None) if pod and pod.terminated else None),
    )


def _evidence(job: JobObservation, log_tail: str | None) -> Evidence:
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
