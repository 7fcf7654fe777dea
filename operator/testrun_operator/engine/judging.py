"""From what was seen of an attempt's Job and pod to its outcome: the rules of ``docs/verdicts.md``.

An infrastructure fault is never a test failure, and a pod that is gone without a report is a normal thing to see.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report, decode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine import attempts
from testrun_operator.engine.disturbance import (
    DEADLINE_EXCEEDED,
    disturbed,
    ended_before,
    is_disturbed,
    is_out_of_sight,
)
from testrun_operator.engine.judgement import Ended, Judgement, JudgingSettings, MustStop, Underway
from testrun_operator.engine.left_behind import LAST_LINE, decided, with_tests
from testrun_operator.engine.observation import JobObservation, JobState, PodObservation, PodPhase, Terminated
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.engine.starting import describe_failed_init, judge_starting, judge_without_pod
from testrun_operator.errors import MalformedReport
from testrun_operator.kinds.case_kind import CaseKind

"""Kinds that our runner executes; the others run an image of their own and are judged by the exit code."""

_SIGKILL = 128 + 9
_CLOCK_RESOLUTION = timedelta(seconds=1)
"""Kubernetes cuts times to whole seconds: a container may have started almost one second later than it says."""
_CLOCK_TOLERANCE = timedelta(seconds=3)
"""How far the operator's clock may be from the API server's, whose times are cut to whole seconds, too."""
WATCH_LAG = timedelta(seconds=5)
"""Jobs and pods are watched apart: that a Job is over may be seen before how its pod ended."""
_CONFIRMATION = timedelta(seconds=60)
"""How long the kubelet may take to confirm that it ended a container: six times the grace period of its pod."""
_NODE_PATIENCE = timedelta(minutes=6)
"""How long a node may be silent until an attempt on it is given up: Kubernetes evicts its pods after five minutes
(https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions). Until then the
node may come back, and say how the container really ended."""
_FIRST_SIGNAL = 128
_START_FAILURES = frozenset({"StartError", "ContainerCannotRun"})


def judge(job: JobObservation, case: PlannedCase, now: datetime, settings: JudgingSettings) -> Judgement:
    """Judge one attempt.

    Args:
        job: what was seen of its Job and pod.
        case: the case that it is an attempt at.
        now: the time, for the limits of ``settings`` and the case's timeout.
        settings: how patient to be.
    """
    if job.decided is not None:
        return decided(job, job.decided) if job.decided.has_tests else _with_details(job, job.decided)
    if job.asked_to_end is not None:
        return _judge_asked_to_end(job, job.asked_to_end, case, now)
    pod = job.pod
    if pod is None:
        return _judge_without_pod(job, case, now, settings)
    if pod.terminated is not None:
        return with_tests(job, case, _judge_terminated(job, case, pod, pod.terminated), now)
    if pod.deleted:
        return MustStop(disturbed(job, pod, now))
    if pod.phase is PodPhase.FAILED:
        return Ended(_judge_failed_pod(job, case, pod))
    if pod.running_since is not None:
        return _judge_running(job, case, pod, now, settings)
    return judge_starting(job, pod, now, settings)


def _with_details(job: JobObservation, decided: AttemptOutcome) -> Ended:
    """Take what does not fit on a Job from the report that its outcome came from, as long as there is a pod with it."""
    terminated = job.pod.terminated if job.pod is not None else None
    try:
        report = decode(terminated.message) if terminated is not None else None
    except MalformedReport:
        report = None
    said = (decided.case, decided.attempt, decided.verdict, decided.reason)
    if report is None or (report.case, report.attempt, report.verdict, report.reason) != said:
        return Ended(decided)
    reported = outcome_of_report(job, report, terminated)
    evidence = replace(decided.evidence, pod=decided.evidence.pod or reported.evidence.pod)
    return Ended(replace(reported, evidence=evidence), report.details_in_log)


def job_deleted(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt whose Job somebody deleted before it ended."""
    return attempts.fault(job, Reason.JOB_DELETED, "the Job was deleted before the case ended", now)


def pod_vanished(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is over, though nothing shows any more how it ended."""
    return attempts.fault(job, Reason.POD_VANISHED, "the Job is over, and its pod is gone without a report", now)


def cancelled(job: JobObservation, reason: Reason, message: str, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run is."""
    return attempts.outcome(job, Verdict.CANCELLED, None, reason, message, finished_at=now)


def ended_with(job: JobObservation, case: CaseOutcome, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its case has its verdict without it."""
    return attempts.outcome(job, case.verdict, case.failure_class, case.reason, case.message, finished_at=now)


def left_over(job: JobObservation, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run had ended without it."""
    return cancelled(job, Reason.SUPERSEDED, "the run had ended before this attempt was seen", now)


def run_timed_out(job: JobObservation, timeout: timedelta, now: datetime) -> AttemptOutcome:
    """Return the outcome of an attempt that is ended because its run's timeout is over.

    It counts against the subject only if the container ran, which its kubelet has to confirm; a pod that was still
    waiting says nothing of the subject.
    """
    running = is_running(job)
    failure_class = FailureClass.TEST if running else FailureClass.INFRASTRUCTURE
    where = "while this case ran" if running else "before this case's container ran"
    message = f"the run's timeout of {format_duration(timeout)} ended {where}"
    return attempts.outcome(job, Verdict.TIMED_OUT, failure_class, Reason.RUN_TIMEOUT, message, finished_at=now)


def is_running(job: JobObservation) -> bool:
    """Whether the container of an attempt runs, for all that is known."""
    return job.pod is not None and job.pod.running_since is not None and job.pod.may_run


def _judge_without_pod(job: JobObservation, case: PlannedCase, now: datetime, settings: JudgingSettings) -> Judgement:
    if job.finished_at is not None and now < job.finished_at + WATCH_LAG:
        return Underway(job.finished_at + WATCH_LAG)
    if job.state is JobState.COMPLETE and case.case.kind.has_report:
        # Our runner ends with 0 only if the case passed. Details went with the pod, unless a watch is late with that.
        message = "the Job is complete; its pod is gone, and the details with it"
        return MustStop(attempts.outcome(job, Verdict.PASSED, None, Reason.EXPECTATIONS_MET, message))
    if job.state is not JobState.ACTIVE:
        # Complete says little of an image that ends with 0 when it is told to end: the Job of an evicted one is, too.
        return MustStop(pod_vanished(job, now))
    return judge_without_pod(job, now, settings)


def _judge_terminated(job: JobObservation, case: PlannedCase, pod: PodObservation, terminated: Terminated) -> Ended:
    kind = case.case.kind
    if kind.has_report and terminated.exit_code < _FIRST_SIGNAL:
        return _judge_report(job, case, pod, terminated)
    if is_disturbed(pod) and not _ended_undisturbed(kind, pod, terminated):
        if pod.reason == DEADLINE_EXCEEDED:
            return Ended(_judge_failed_pod(job, case, pod))
        return Ended(disturbed(job, pod, terminated.finished_at))
    if is_out_of_sight(terminated):
        message = f"the container is gone, and nobody saw how it ended: {terminated.message or terminated.reason}"
        return Ended(attempts.fault(job, Reason.CONTAINER_KILLED, message, terminated.finished_at))
    if terminated.reason == "OOMKilled":
        message = "the container used more memory than its limit and was killed"
        return Ended(attempts.configuration_error(job, Reason.OUT_OF_MEMORY, message, terminated))
    if terminated.reason in _START_FAILURES:
        message = f"the container could not be started: {terminated.message or terminated.reason}"
        return Ended(attempts.configuration_error(job, Reason.CONTAINER_START_FAILED, message, terminated))
    if terminated.exit_code == _SIGKILL:
        message = "the container was killed from outside (signal 9)"
        return Ended(attempts.fault(job, Reason.CONTAINER_KILLED, message, terminated.finished_at))
    if kind.has_report:
        return _judge_report(job, case, pod, terminated)
    return Ended(_judge_exit_code(job, terminated))


def _ended_undisturbed(kind: CaseKind[Any], pod: PodObservation, terminated: Terminated) -> bool:
    """Whether the exit code of a container still counts, though something disturbed its pod.

    It does if it was seen before that. Otherwise it does if it is 0 and the container had ended before. Another code
    counts then only against the pod's own deadline, which the clock of the same node measures; those of other machines
    may be seconds off, and no failure may come of that.
    """
    if pod.ended_undisturbed:
        return True
    if kind.has_report or not ended_before(pod, terminated):
        return False
    return terminated.exit_code == 0 or pod.reason == DEADLINE_EXCEEDED


def _judge_exit_code(job: JobObservation, terminated: Terminated) -> AttemptOutcome:
    code = terminated.exit_code
    if code == 0:
        verdict, failure_class, reason, message = Verdict.PASSED, None, Reason.EXIT_CODE_ZERO, ""
    else:
        signal = f" (signal {code - _FIRST_SIGNAL})" if code > _FIRST_SIGNAL else ""
        verdict, failure_class, reason = Verdict.FAILED, FailureClass.TEST, Reason.EXIT_CODE_NOT_ZERO
        last_line = next((line for line in reversed(terminated.message.splitlines()) if line.strip()), "")
        message = f"expected exit code 0, got {code}{signal}" + (f"{LAST_LINE}{last_line.strip()}" if last_line else "")
    return attempts.outcome(
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
        if pod.reason == DEADLINE_EXCEEDED:
            return Ended(_judge_failed_pod(job, case, pod))
        return Ended(_without_report(job, pod, terminated, str(error)))
    if (report.case, report.attempt) != (job.case, job.attempt):
        message = f"the report is of attempt {report.attempt} at {report.case!r}, not of this one"
        return Ended(attempts.fault(job, Reason.MALFORMED_REPORT, message, terminated.finished_at))
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
        evidence=attempts.evidence(job, log_tail=None),
    )


def _without_report(job: JobObservation, pod: PodObservation, terminated: Terminated, problem: str) -> AttemptOutcome:
    if is_disturbed(pod):
        return disturbed(job, pod, terminated.finished_at)
    reason = Reason.NO_REPORT if terminated.exit_code != 0 else Reason.MALFORMED_REPORT
    message = (
        f"the runner ended with exit code {terminated.exit_code} and left no report"
        if reason is Reason.NO_REPORT
        else problem
    )
    return attempts.outcome(
        job,
        Verdict.ERRORED,
        FailureClass.INFRASTRUCTURE,
        reason,
        message,
        started_at=terminated.started_at,
        finished_at=terminated.finished_at,
    )


def _judge_failed_pod(job: JobObservation, case: PlannedCase, pod: PodObservation) -> AttemptOutcome:
    terminated = pod.terminated
    if pod.reason != DEADLINE_EXCEEDED:
        if pod.init is not None and pod.init.terminated is not None and not is_disturbed(pod):
            return attempts.fault(job, Reason.INIT_CONTAINER_FAILED, describe_failed_init(pod.init), None)
        return disturbed(job, pod, None)
    # The pod's own deadline is a safety net for the time in which no operator runs.
    finished_at = terminated.finished_at if terminated else None
    if case.case.kind.has_report and terminated is not None and terminated.started_at is not None:
        return _overdue(job, case, finished_at)
    if terminated is None or not _ran_for(terminated, case.timeout):
        message = "the pod's own deadline passed before its container had run for as long as the case may"
        return attempts.fault(job, Reason.POD_START_TIMEOUT, message, finished_at)
    return _timed_out(job, case, terminated.started_at, finished_at)


def _judge_running(
    job: JobObservation, case: PlannedCase, pod: PodObservation, now: datetime, settings: JudgingSettings
) -> Judgement:
    reports = case.case.kind.has_report
    grace = settings.runner_grace if reports else timedelta()
    deadline = (pod.running_seen_at or now) + _CLOCK_RESOLUTION + case.timeout + grace
    if now < deadline:
        return Underway(deadline)
    if pod.node_silent:
        given_up_at = deadline + _NODE_PATIENCE
        return Underway(given_up_at) if now < given_up_at else MustStop(_node_lost(job, pod, now))
    if reports:
        return MustStop(_overdue(job, case, now))
    return MustStop(_timed_out(job, case, pod.running_seen_at, now), confirm=True)


def _judge_asked_to_end(job: JobObservation, asked: AttemptOutcome, case: PlannedCase, now: datetime) -> Judgement:
    """Judge an attempt that was asked to end for its time being over: whether that is how it ended.

    A kubelet that says nothing may have lost sight of a container that ended long ago, or that never had its time.
    """
    pod, asked_at = job.pod, asked.finished_at or now
    if pod is not None and pod.terminated is not None:
        ended = pod.terminated
        ended_itself = pod.reported_at is not None and pod.reported_at + _CLOCK_TOLERANCE <= asked_at
        if asked.reason is Reason.CASE_TIMEOUT:
            ended_itself = ended_itself or not _ran_for(ended, case.timeout)
        if ended_itself or (case.case.kind.has_report and ended.exit_code < _FIRST_SIGNAL):
            undisturbed = pod if pod.disruption else replace(pod, deleted=False, disturbed_at=None)
            outcome = _judge_terminated(job, case, undisturbed, ended).outcome
        else:
            outcome = replace(asked, evidence=attempts.evidence(job, asked.evidence.log_tail or ended.message or None))
        return with_tests(job, case, MustStop(outcome), now)
    is_gone = pod is None and job.state is not JobState.ACTIVE
    patience = _NODE_PATIENCE if pod is not None and pod.node_silent else _CONFIRMATION
    given_up_at = asked_at + patience
    if now < given_up_at and not is_gone and not (pod is not None and pod.gone):
        return Underway(given_up_at)
    if is_gone and job.finished_at is not None and now < job.finished_at + WATCH_LAG:
        return Underway(job.finished_at + WATCH_LAG)
    return MustStop(_unconfirmed(job, asked, now))


def _unconfirmed(job: JobObservation, asked: AttemptOutcome, now: datetime) -> AttemptOutcome:
    reason, node = Reason.NODE_LOST, f" {job.pod.node}" if job.pod is not None and job.pod.node else ""
    why = f"its node{node} did not confirm that its container ran until it was ended"
    if job.pod is None and job.state is not JobState.ACTIVE:
        # The operator was away while the pod ended: the node has nothing to do with it.
        reason, why = Reason.POD_VANISHED, "its pod is gone: nobody saw whether its container ran until it was ended"
    message = f"{asked.message}, and {why}"
    if asked.reason is Reason.RUN_TIMEOUT:
        return replace(asked, failure_class=FailureClass.INFRASTRUCTURE, message=message, finished_at=now)
    return attempts.fault(job, reason, message, now)


def _ran_for(terminated: Terminated, timeout: timedelta) -> bool:
    """Whether a container ran for a time, by the clock of its node, which is cut to whole seconds."""
    started_at, finished_at = terminated.started_at, terminated.finished_at
    if started_at is None or finished_at is None:
        return False
    return finished_at - started_at >= timeout - _CLOCK_RESOLUTION


def _timed_out(
    job: JobObservation, case: PlannedCase, started_at: datetime | None, finished_at: datetime | None
) -> AttemptOutcome:
    message = f"the case did not end within its timeout of {format_duration(case.timeout)}"
    return attempts.outcome(
        job,
        Verdict.TIMED_OUT,
        FailureClass.TEST,
        Reason.CASE_TIMEOUT,
        message,
        started_at=started_at,
        finished_at=finished_at,
    )


def _overdue(job: JobObservation, case: PlannedCase, finished_at: datetime | None) -> AttemptOutcome:
    """Return the outcome of a runner that did not report in time: it reports a time-out of its case itself, earlier."""
    message = f"the runner did not report within the case's timeout of {format_duration(case.timeout)} and its grace"
    return attempts.fault(job, Reason.NO_REPORT, message, finished_at)


def _node_lost(job: JobObservation, pod: PodObservation, now: datetime) -> AttemptOutcome:
    node = f" {pod.node}" if pod.node else ""
    message = f"the pod's node{node} has been silent for longer than Kubernetes keeps pods on such a node"
    return attempts.fault(job, Reason.NODE_LOST, message, now)
