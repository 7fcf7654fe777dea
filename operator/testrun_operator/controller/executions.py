"""What one process knows of an execution beyond what is in the cluster: all of it can be found out again.

Watches lag behind what we did ourselves. So what was just created or stopped is laid over what the watches say, until
they say it too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from testrun_operator.controller.inventory import Inventory
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.observation import JobObservation, PodObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import Execution, Memory
from testrun_operator.kube.observe import choose_pod
from testrun_operator.kube.references import RunReference


@dataclass(slots=True)
class ExecutionState:
    """An execution, as this process sees it."""

    run: RunReference
    record: ExecutionRecord
    execution: Execution
    memory: Memory = field(default_factory=Memory)
    created: dict[str, JobObservation] = field(default_factory=dict)
    """Jobs that we created and that no watch has shown yet, by name."""
    decided: dict[str, AttemptOutcome] = field(default_factory=dict)
    """Outcomes that we wrote on Jobs and that no watch has shown yet, by the Job's name."""
    gone: set[str] = field(default_factory=set)
    """Jobs that the API server says do not exist, though a watch may still show them."""
    lost_pods: dict[str, PodObservation] = field(default_factory=dict)
    """Pods that were deleted before they ended, by the Job's name."""
    counted: set[str] = field(default_factory=set)
    """Cases whose verdict is in the metrics."""
    reported_faults: set[str] = field(default_factory=set)
    """Jobs whose infrastructure fault was reported as an Event."""
    reading_reports: set[str] = field(default_factory=set)
    """Cases whose details are being read from a log."""
    waiting_for_servers_since: datetime | None = None
    server_message: str = ""
    """What is the matter with the test servers, while they are waited for."""
    noted: tuple[datetime, bool] | None = None
    """What we noted on the record: when the execution ended, and whether its results are stored."""
    announced_end: bool = False
    """Whether the Event and the metrics of the end were written."""
    cleaned: bool = False
    """Whether the test servers of the execution were removed."""

    @classmethod
    def begin(cls, run: RunReference, record: ExecutionRecord) -> "ExecutionState":
        """Take up an execution, new or found."""
        return cls(run, record, record.to_execution())

    @property
    def run_id(self) -> str:
        """The execution's id."""
        return self.record.run_id

    def observe(self, inventory: Inventory) -> tuple[JobObservation, ...]:
        """Put together what the watches say and what we did ourselves."""
        seen = {job.name: job for job in inventory.jobs(self.run_id)}
        for name in seen:
            self.created.pop(name, None)
        jobs = {**self.created, **{name: job for name, job in seen.items() if name not in self.gone}}
        return tuple(self._complete(job, inventory) for job in jobs.values())

    def _complete(self, job: JobObservation, inventory: Inventory) -> JobObservation:
        if job.decided is not None:
            self.decided.pop(job.name, None)
            return job
        pods = inventory.pods(self.run.namespace, job.name)
        lost = self.lost_pods.get(job.name)
        pod = choose_pod((*pods, lost) if lost is not None else pods)
        return replace(job, pod=pod, decided=self.decided.get(job.name))

    def lose_job(self, name: str) -> None:
        """Take note that a Job does not exist any more."""
        self.created.pop(name, None)
        self.gone.add(name)

    def lose_pod(self, job: str, pod: PodObservation) -> None:
        """Take note that a pod was deleted; of one that had ended before, its end is what counts."""
        known = self.lost_pods.get(job)
        if known is None or known.terminated is None:
            self.lost_pods[job] = pod if pod.terminated is not None else replace(pod, deleted=True)
