"""A cluster without Kubernetes: Jobs, pods, a watch that lags behind, and an operator that can be killed.

What is true in the cluster and what the watch has shown are two things here, for the Job and for its pods apart, as
they are with the real API server. Jobs behave as from Kubernetes 1.31 on: one whose pod is deleted gets no other pod,
and is Complete or Failed only when its pod has ended; a pod that is deleted goes on, and may end in any way. The
operator is the real planner with the real overlay of :class:`testrun_operator.controller.executions.ExecutionState`;
only the API calls are replaced.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from support.builders import NOON, RUN
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller.cache import ClusterCache
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop
from testrun_operator.engine.judging import judge
from testrun_operator.engine.observation import JobObservation, JobState, PodObservation, PodPhase
from testrun_operator.engine.planning import (
    Action,
    AskWhy,
    Controls,
    Plan,
    StartAttempt,
    StopAttempt,
    StopCause,
    plan,
)

_LONGEST_LAG = timedelta(seconds=2)
LONGEST_ENDING = timedelta(seconds=30)
"""How long a pod that was stopped may keep its place."""


class Fate(Enum):
    """What becomes of an API call of the operator."""

    DONE = auto()
    """It is done, and the operator knows."""
    ANSWER_LOST = auto()
    """It is done, but the operator does not get the answer."""
    REFUSED_FOR_NOW = auto()
    """It is not done; the API server does not answer."""


@dataclass
class SimulatedJob:
    """A Job of the cluster with its pods."""

    observation: JobObservation
    pods: list[PodObservation] = field(default_factory=list)
    removed_pods: list[PodObservation] = field(default_factory=list)
    """Pods that are gone and of which the watch has not told yet."""
    truth: Verdict | None = None
    """How the attempt really ended; None while it has not, or where nothing could be told of it."""
    exists: bool = True
    told_of_deletion: bool = False
    had_pod: bool = False
    """Whether the Job controller created a pod; it creates one only, since the Job's backoffLimit is 0."""
    decided_at: datetime | None = None
    """When the operator stopped it."""
    disturbed: bool = False
    """Whether somebody deleted the Job or a pod of it, so that what it showed may be lost."""

    @property
    def pod(self) -> PodObservation | None:
        """The newest pod, if there is one."""
        return self.pods[-1] if self.pods else None

    @property
    def occupies_a_place(self) -> bool:
        """Whether the attempt is still under way."""
        ended = not self.pod.may_run if self.pod is not None else self.had_pod
        finished = self.observation.state is not JobState.ACTIVE
        return self.exists and self.observation.decided is None and not ended and not finished


class SimulatedCluster:
    """The cluster, the watch and the operator.

    Args:
        record: the execution.
    """

    def __init__(self, record: ExecutionRecord) -> None:
        self.record = record
        self.now = NOON
        self.settings = JudgingSettings()
        self.controls = Controls(record.run)
        self.jobs: dict[str, SimulatedJob] = {}
        self.created: Counter[str] = Counter()
        """How often each Job was created."""
        self.lost_answers: set[str] = set()
        """Jobs of whose creation the operator may not know."""
        self._behind = timedelta()
        self._seen_jobs: dict[str, JobObservation] = {}
        self._seen_pods: dict[str, list[PodObservation]] = {}
        self.state = ExecutionState.begin(RUN, record)

    # -- the operator ---------------------------------------------------------------------------------------------

    def kill_operator(self) -> None:
        """Kill the operator; the next one begins with complete lists of what there is."""
        for name in self.jobs:
            self.show_job(name)
            self.show_pods(name)
        # What was deleted while no operator looked is told to nobody.
        for job in self.jobs.values():
            job.told_of_deletion = not job.exists
            job.removed_pods.clear()
        self.state = ExecutionState.begin(RUN, self.record)

    def look(self, decide: Callable[[Action], Fate] = lambda _: Fate.DONE) -> Plan:
        """Let the operator look once and do what the plan says.

        Args:
            decide: says what becomes of each API call.
        """
        observed = self.state.observe(self._cache(), self.now)
        result = plan(self.state.execution, self.controls, observed, self.state.plan_state, self.now, self.settings)
        self.state.plan_state = result.plan_state
        for action in result.actions:
            self._do(action, decide(action))
        return result

    def _do(self, action: Action, fate: Fate) -> None:
        if fate is Fate.REFUSED_FOR_NOW:
            return
        match action:
            case StartAttempt():
                created = self._create(action)
                if fate is Fate.DONE:
                    self.state.created[created.name] = created
                else:
                    self.lost_answers.add(created.name)
            case StopAttempt():
                self._stop(action, known=fate is Fate.DONE)
            case AskWhy(job):
                self.state.asked[job.name] = self.now

    def _create(self, start: StartAttempt) -> JobObservation:
        name = f"{start.case.name}.{start.attempt}"
        observation = JobObservation(
            name=name,
            case=start.case.name,
            attempt=start.attempt,
            created_at=self.now,
            test_failures=start.test_failures,
            infrastructure_faults=start.infrastructure_faults,
        )
        if name not in self.jobs or not self.jobs[name].exists:  # else the API server answers 409
            # A second Job of the same name: what the first one showed is lost.
            self.jobs[name] = SimulatedJob(observation, disturbed=name in self.jobs)
            self.created[name] += 1
        return observation

    def _stop(self, stop: StopAttempt, *, known: bool) -> None:
        name, outcome = stop.job.name, stop.outcome
        job = self.jobs.get(name)
        if job is None or not job.exists:
            if known and job is not None:
                self.state.lose_job(job.observation, self.now)
            return
        if self._has_news(job, stop):
            return
        change = {"asked_to_end": outcome} if stop.confirm else {"decided": outcome}
        job.observation = replace(job.observation, **change)
        job.decided_at = job.decided_at or self.now
        if known:
            (self.state.asked_to_end if stop.confirm else self.state.decided)[name] = outcome

    def _has_news(self, job: SimulatedJob, stop: StopAttempt) -> bool:
        """Read a Job and its pods, as the operator does before it stops one, and whether nothing is to be stopped."""
        must_read = stop.cause in {StopCause.JUDGED, StopCause.RUN_TIMEOUT}
        if not must_read and self._seen_jobs.get(job.observation.name) == job.observation:
            return False
        fresh = self.state.take_note(self._cache(), job.observation, tuple(job.pods), self.now)
        judgement = judge(fresh, self.state.planned(fresh.case), self.now, self.settings)
        is_still_right = isinstance(judgement, MustStop) or stop.cause is not StopCause.JUDGED
        return not is_still_right or (isinstance(judgement, Ended) and stop.cause is not StopCause.LINGERING)

    def is_still_ending(self, name: str) -> bool:
        """Whether an attempt that was stopped still has its place: the watch has shown its pod, and not its end."""
        job = self.jobs[name]
        if job.decided_at is None or self.now >= job.decided_at + LONGEST_ENDING:
            return False
        shown = {pod.name for pod in self._seen_pods.get(name, []) if pod.may_run}
        return any(pod.name in shown and pod.may_run for pod in job.pods)

    def _cache(self) -> ClusterCache:
        return ClusterCache(
            runs_index={},
            suites_index={},
            records_index={},
            jobs_index={(RUN.namespace, self.record.run_id): tuple(self._seen_jobs.values())},
            pods_index={(RUN.namespace, name): tuple(pods) for name, pods in self._seen_pods.items()},
            deployments_index={},
            services_index={},
        )

    # -- the watch ------------------------------------------------------------------------------------------------

    def show_job(self, name: str) -> bool:
        """Let the watch show a Job as it is now.

        Returns:
            Whether that is news.
        """
        job = self.jobs[name]
        before = self._seen_jobs.get(name)
        if job.exists:
            self._seen_jobs[name] = job.observation
            return before != job.observation
        self._seen_jobs.pop(name, None)
        if not job.told_of_deletion:
            self.state.lose_job(job.observation, self.now)
            job.told_of_deletion = True
            return True
        return False

    def show_pods(self, name: str) -> bool:
        """Let the watch show the pods of a Job as they are now.

        Returns:
            Whether that is news.
        """
        job = self.jobs[name]
        before = self._seen_pods.get(name, [])
        self._seen_pods[name] = list(job.pods)
        while job.removed_pods:
            self.state.lose_pod(name, job.removed_pods.pop(0))
        return before != job.pods

    def show_everything(self) -> bool:
        """Let the watch catch up.

        Returns:
            Whether there was any news.
        """
        news = [(self.show_job(name), self.show_pods(name)) for name in self.jobs]
        return any(part for pair in news for part in pair)

    # -- Kubernetes -----------------------------------------------------------------------------------------------

    def create_pod(self, name: str) -> None:
        """The Job controller creates a pod."""
        job = self.jobs[name]
        pod_name = f"{name}-{len(job.pods)}-{self.now.timestamp()}"
        job.had_pod = True
        job.pods.append(PodObservation(name=pod_name, phase=PodPhase.PENDING, created_at=self.now, node="node-1"))

    def change_pod(self, name: str, **changes: object) -> None:
        """The kubelet, the scheduler or the node controller says something of the newest pod of a Job."""
        job = self.jobs[name]
        job.pods[-1] = replace(job.pods[-1], **changes)  # type: ignore[arg-type]

    def delete_pod(self, name: str) -> None:
        """Somebody, or the Job controller, asks for the end of the newest pod of a Job."""
        pod = self.jobs[name].pod
        assert pod is not None
        self.change_pod(name, deleted=True, disturbed_at=pod.disturbed_at or self.whole_second())

    def finish_job(self, name: str, state: JobState) -> None:
        """The Job controller says that a Job is over."""
        job = self.jobs[name]
        job.observation = replace(job.observation, state=state, finished_at=self.whole_second())

    def remove_pod(self, name: str) -> None:
        """The newest pod of a Job is gone."""
        job = self.jobs[name]
        job.removed_pods.append(job.pods.pop())

    def pass_time(self, span: timedelta) -> None:
        """Let time pass; the watch does not lag behind for more than a moment."""
        self._behind += span
        if self._behind > _LONGEST_LAG:
            self.show_everything()
            self._behind = timedelta()
        self.now += span

    def whole_second(self) -> datetime:
        """Return the time as Kubernetes writes it."""
        return self.now.replace(microsecond=0)
