"""What one process knows of an execution beyond what is in the cluster: all of it can be found out again.

Watches lag behind what we did ourselves. So what was just created or stopped is laid over what the watches say, until
they say it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from testrun_operator.api.reason import ConditionReason, Reason
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller.cache import ClusterCache
from testrun_operator.controller.holding import Holds, Removal
from testrun_operator.engine.disturbance import has_ended, is_disturbed
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.judging import job_deleted
from testrun_operator.engine.observation import JobObservation, PodObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import Execution, PlanState
from testrun_operator.engine.removal import NO_CASES, NamedCases
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.engine.told import passed_before, read_told
from testrun_operator.kube.observe import choose_pod
from testrun_operator.kube.records import Notes
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.status import TestRunStatus


@dataclass(frozen=True, slots=True)
class _Read:
    """A Job and its pods as they were read, and as the watches showed them then."""

    job: JobObservation
    pods: tuple[PodObservation, ...]
    shown_job: JobObservation | None
    shown_pods: tuple[PodObservation, ...]


@dataclass(slots=True)
class ExecutionState:
    """An execution, as this process sees it."""

    run: RunReference
    record: ExecutionRecord
    execution: Execution
    cases_by_name: Mapping[str, PlannedCase]
    digest: str = ""
    """Of the content of its record."""
    plan_state: PlanState = field(default_factory=PlanState)
    created: dict[str, JobObservation] = field(default_factory=dict)
    """Jobs that we created and that no watch has shown yet, by name."""
    decided: dict[str, AttemptOutcome] = field(default_factory=dict)
    """Outcomes that we wrote on Jobs and that no watch has shown yet, by the Job's name."""
    asked_to_end: dict[str, AttemptOutcome] = field(default_factory=dict)
    """Outcomes of attempts whose end we asked for and that no watch has shown yet, by the Job's name."""
    read: dict[str, "_Read"] = field(default_factory=dict)
    """What was read of Jobs and their pods, by the Job's name, until a watch shows anything else than it did then."""
    running_seen_at: dict[str, datetime] = field(default_factory=dict)
    """Since when the container of a Job's pod is known to run, by the pod's name."""
    ended_seen_at: dict[str, datetime] = field(default_factory=dict)
    """Since when it is known to have ended, of pods whose JUnit files are still to be read."""
    ended_undisturbed: set[str] = field(default_factory=set)
    """Pods with a reader of JUnit files whose container was seen to have ended before anything disturbed them."""
    has_recalled: bool = False
    """Whether what the status had told of the execution was taken note of."""
    has_read: bool = False
    """Whether a fresh look has shown something that the watches had not."""
    lost_jobs: dict[str, JobObservation] = field(default_factory=dict)
    """Jobs that were deleted, by name, with that as the outcome of their attempts. A watch may still show them, or
    may never have; either way no attempt is started twice."""
    lost_pods: dict[str, PodObservation] = field(default_factory=dict)
    """Pods that were deleted before they ended, by the Job's name."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Why Jobs have no pod, by name, in the API server's words."""
    holds: Holds = field(default_factory=Holds)
    """What was refused for now, and when it is tried again."""
    refused_starts: int = 0
    """How many Jobs would exist now if the API server had taken them."""
    told_waits: set[ConditionReason] = field(default_factory=set)
    """What the execution waits for, as far as an Event has told it."""
    queue: Mapping[str, str] = field(default_factory=dict)
    """Labels for the Jobs that the TestRun has for a queue, as it has them now."""
    asked: dict[str, datetime] = field(default_factory=dict)
    """When it was asked for that, by the Job's name."""
    naming: NamedCases = NO_CASES
    """The cases whose Jobs may be gone, as the next status is to name them."""
    freed: frozenset[str] = frozenset()
    """Those that a status which was written names: their Jobs show nothing any more that anybody looks at."""
    removed: dict[str, str] = field(default_factory=dict)
    """The Jobs of them that we deleted: uids, by name. A watch may still show them."""
    removal: Removal = field(default_factory=Removal)
    """When that is tried again, if it was refused."""
    is_told: bool = False
    """Whether what there is of it was told: by the process before, of one that was found, until it is looked at."""
    counted: set[str] = field(default_factory=set)
    """Cases whose verdict is in the metrics."""
    reported_faults: set[str] = field(default_factory=set)
    """Jobs whose infrastructure fault was reported as an Event."""
    reading_reports: set[str] = field(default_factory=set)
    """Cases whose details are being read from logs, and Jobs of attempts of which that is done before."""
    early_reports: dict[str, AttemptOutcome | None] = field(default_factory=dict)
    """Attempts that are repeated, with their details, by the Job's name; None while these are being read."""
    waiting_for_servers_since: datetime | None = None
    server_message: str = ""
    """What is the matter with the test servers, while they are waited for."""
    noted: Notes = field(default_factory=Notes)
    """What we noted on the record; a watch may not show it yet."""
    announced_end: bool = False
    """Whether the Event and the metrics of the end were written."""
    cleaned: bool = False
    """Whether the test servers of the execution were removed."""

    def take_over(self, named: NamedCases) -> None:
        """Take note of the cases that the process before this one named: they passed, were told of, and are stored."""
        self.naming, self.freed = named, named.cases
        self.plan_state = PlanState(cases={case: passed_before(self.planned(case)) for case in named.cases})
        self.counted |= named.cases

    @classmethod
    def begin(cls, run: RunReference, record: ExecutionRecord, digest: str = "") -> "ExecutionState":
        """Take up an execution, new or found."""
        execution = record.to_execution()
        return cls(run, record, execution, {case.name: case for case in execution.cases}, digest)

    def planned(self, case: str) -> PlannedCase:
        """Return a case of the execution by its name."""
        return self.cases_by_name[case]

    @property
    def run_id(self) -> str:
        """The execution's id."""
        return self.record.run_id

    @property
    def claimant(self) -> tuple[str, str]:
        """What the execution is known by where places are shared out."""
        return self.run.uid, self.run_id

    @property
    def has_news(self) -> bool:
        """Whether an attempt turned out to be over while a plan was carried out, which nobody else may ever tell of."""
        ended = [*self.lost_jobs.values(), *(job for job in self.created.values() if job.decided is not None)]
        return self.has_read or any(job.case in self.cases_by_name and not self._is_known(job) for job in ended)

    def _is_known(self, job: JobObservation) -> bool:
        return any(ended.job.attempt == job.attempt for ended in self.plan_state.attempts.get(job.case, ()))

    def recall(self, status: TestRunStatus, stored: Mapping[str, Verdict]) -> None:
        """Take note of what was told of the execution before this process knew it.

        Args:
            status: of the run.
            stored: the verdicts that Postgres has.
        """
        # One that others need is executed again, if nothing is left of it: they may need its outputs.
        needed = {need for case in self.execution.cases for need in case.needs}
        with_outputs = {name for name in needed if self.planned(name).case.kind.has_report}
        known = {case: verdict for case, verdict in stored.items() if case not in with_outputs}
        self.plan_state = replace(self.plan_state, told=replace(read_told(status, self.run_id), stored=known))
        self.has_recalled = True

    def observe(self, cache: ClusterCache, now: datetime) -> tuple[JobObservation, ...]:
        """Put together what the watches say, what was read since, and what we did ourselves."""
        self.has_read = False
        seen = {job.name: job for job in cache.jobs(self.run.namespace, self.run_id)}
        for name in seen:
            self.created.pop(name, None)
        jobs = {**self.created, **seen, **self.lost_jobs}
        return tuple(
            self._complete(*self._newest(job, cache.pods(self.run.namespace, job.name)), now)
            for job in jobs.values()
            if job.case not in self.freed
        )

    def take_note(
        self, cache: ClusterCache, job: JobObservation, pods: tuple[PodObservation, ...], now: datetime
    ) -> JobObservation:
        """Take note of a Job and its pods as they were just read, which may be newer than what the watches show.

        Returns:
            The Job with its pod, as :meth:`observe` would return it.
        """
        jobs = cache.jobs(self.run.namespace, self.run_id)
        shown_job = next((seen for seen in jobs if seen.name == job.name), None)
        if job.name in self.created:
            self.created[job.name] = job  # which no watch has shown yet: it must not seem to be gone
        self.read[job.name] = _Read(job, pods, shown_job, cache.pods(self.run.namespace, job.name))
        self.has_read = True
        return self._complete(job, pods, now)

    def _newest(
        self, job: JobObservation, pods: tuple[PodObservation, ...]
    ) -> tuple[JobObservation, tuple[PodObservation, ...]]:
        read = self.read.get(job.name)
        if read is None or job.name in self.lost_jobs:
            return job, pods
        if read.shown_pods == pods and read.shown_job in (job, None):
            return read.job, read.pods
        del self.read[job.name]
        return job, pods

    def _complete(self, job: JobObservation, pods: tuple[PodObservation, ...], now: datetime) -> JobObservation:
        pods = tuple(pod for pod in pods if _is_pod_of(job, pod))
        if job.decided is not None:
            self.decided.pop(job.name, None)
        if job.asked_to_end is not None:
            self.asked_to_end.pop(job.name, None)
        if self._is_judged(job) and not any(pod.may_run or pod.lingers for pod in pods):
            return job  # as most are in the end; nobody will look at its pod again
        lost = self.lost_pods.get(job.name)
        if lost is not None and not _is_pod_of(job, lost):
            lost = None
        pod = choose_pod((*pods, lost) if lost is not None else pods)
        pod = self._with_first_sight(pod, now) if pod is not None else None
        decided = job.decided or self.decided.get(job.name)
        if pod is not None or decided is not None:
            self.refusals.pop(job.name, None)
        if decided is not None and decided.reason is Reason.JOB_DELETED and pod is not None and has_ended(pod):
            decided = None  # ended first, and then its Job was deleted, for instance by its ttlSecondsAfterFinished
        return replace(
            job,
            pod=pod,
            asked_to_end=job.asked_to_end or self.asked_to_end.get(job.name),
            decided=decided,
            refusal=self.refusals.get(job.name, ""),
            asked_at=self.asked.get(job.name),
        )

    def _with_first_sight(self, pod: PodObservation, now: datetime) -> PodObservation:
        # Later words of the kubelet do not count: it may say the same again, with a newer time.
        if pod.terminated is not None and pod.reader is not None:
            if not is_disturbed(pod):
                self.ended_undisturbed.add(pod.name)
            seen_at = self.ended_seen_at.setdefault(pod.name, min(pod.reported_at or now, now))
            return replace(pod, ended_seen_at=seen_at, ended_undisturbed=pod.name in self.ended_undisturbed)
        if pod.running_since is None:
            return pod
        seen_at = self.running_seen_at.setdefault(pod.name, min(pod.reported_at or now, now))
        return replace(pod, running_seen_at=seen_at)

    def _is_judged(self, job: JobObservation) -> bool:
        return any(ended.job.attempt == job.attempt for ended in self.plan_state.attempts.get(job.case, ()))

    def lose_job(self, job: JobObservation, now: datetime) -> None:
        """Take note that a Job does not exist any more; counts only if its attempt has no outcome yet."""
        self.created.pop(job.name, None)
        self.read.pop(job.name, None)
        if job.case in self.freed:
            return  # by us, or by somebody else: its verdict does not need it
        decided = job.decided or self.decided.pop(job.name, None) or job_deleted(job, now)
        self.lost_jobs.setdefault(job.name, replace(job, pod=None, decided=decided))

    def lose_pod(self, job: str, pod: PodObservation) -> None:
        """Take note that a pod was deleted; of one that had ended before, its end is what counts."""
        if job in self.removed:
            return  # with its Job
        known = self.lost_pods.get(job)
        if known is None or known.terminated is None:
            self.lost_pods[job] = replace(pod, deleted=pod.deleted or pod.terminated is None, gone=True)


def _is_pod_of(job: JobObservation, pod: PodObservation) -> bool:
    # A Job that was just created has shown no uid yet; its name is one that nobody can guess before.
    return not job.uid or not pod.job_uid or job.uid == pod.job_uid
