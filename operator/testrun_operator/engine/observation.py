"""What was seen of the Jobs and Pods of an execution, as values without Kubernetes' client.

``kube/observe.py`` makes these from what the API server sends.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from testrun_operator.engine.outcome import AttemptOutcome


class JobState(StrEnum):
    """Where a Job is."""

    ACTIVE = "Active"
    """Not finished."""
    COMPLETE = "Complete"
    """Finished; its pod succeeded."""
    FAILED = "Failed"
    """Finished; its pod failed, or the Job's deadline passed."""


class PodPhase(StrEnum):
    """The phases of a pod, from the Kubernetes API."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run yet."""

    reason: str
    """As the kubelet says it: ``ContainerCreating``, ``ImagePullBackOff``, ``CreateContainerConfigError``…"""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Terminated:
    """A container that ended."""

    exit_code: int
    reason: str = ""
    """``Completed``, ``Error``, ``OOMKilled``, ``StartError``…"""
    message: str = ""
    """What it left in its termination log or, if that is empty and it failed, the last lines of its log."""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InitContainer:
    """The init container for which a pod still waits: one of others (service meshes, webhooks), or our own reader."""

    name: str
    is_sidecar: bool = False
    """Whether it is one that goes on beside the others, and so has to start rather than to end."""
    waiting: Waiting | None = None
    terminated: Terminated | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """The native sidecar of ours that reads the JUnit files of a container case once that has ended."""

    terminated: Terminated | None = None
    """How it ended, with its report as the message; None if it has not."""


@dataclass(frozen=True, slots=True)
class PodObservation:
    """What was seen of a pod."""

    name: str
    phase: PodPhase
    created_at: datetime
    job_uid: str = ""
    """The uid of the Job that controls it."""
    node: str | None = None
    reason: str = ""
    """The pod's own reason, for instance ``Evicted``."""
    message: str = ""
    deleted: bool = False
    """Whether its deletion was asked for, or it is gone."""
    gone: bool = False
    """Whether it does not exist any more."""
    disruption: str = ""
    """The reason of its condition DisruptionTarget, or empty."""
    disruption_message: str = ""
    disturbed_at: datetime | None = None
    """When its deletion was asked for, or it became the target of a disruption, whichever came first; by the clock of
    the control plane, or by the kubelet's where it was the kubelet that ended it."""
    disturbed_by_kubelet: bool = False
    """Whether it was the kubelet that ended it, and so its clock that says when."""
    deadline_at: datetime | None = None
    """When its own ``activeDeadlineSeconds`` ends, by the clock of its node; None while no node has taken it."""
    unschedulable: str = ""
    """The scheduler's message if no node has room for it, or empty."""
    running_since: datetime | None = None
    """When its container started, by the clock of its node; None while it waits."""
    running_seen_at: datetime | None = None
    """When that was seen first, by the clock of the API server: what the limits of an attempt are counted from."""
    reported_at: datetime | None = None
    """When the kubelet wrote the pod's status last, by the clock of the API server; None where nothing says so."""
    node_silent: bool = False
    """Whether Kubernetes has not heard from the pod's node for a while: what its status says may be long over."""
    others_running: bool = False
    """Whether another container of it runs, which something else has put there: a service mesh, a log shipper."""
    waiting: Waiting | None = None
    terminated: Terminated | None = None
    ended_seen_at: datetime | None = None
    """When its container's end was seen first, by the clock of the API server; where something has to follow it."""
    ended_undisturbed: bool = False
    """Whether that was before anything disturbed the pod."""
    init: InitContainer | None = None
    """The init container for which it still waits; None if there is none, or no more."""
    reader: Reader | None = None
    """What reads the case's JUnit files in it; None if nothing does."""

    @property
    def may_run(self) -> bool:
        """Whether its container may still be running, or may still come to run."""
        over = self.terminated is not None or self.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}
        return not over and not self.gone

    @property
    def lingers(self) -> bool:
        """Whether it goes on though its container has ended, since another one does."""
        over = self.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED} or self.deleted or self.gone
        return self.terminated is not None and self.others_running and not over


@dataclass(frozen=True, slots=True)
class JobObservation:
    """What was seen of the Job of one attempt."""

    name: str
    case: str
    attempt: int
    created_at: datetime
    state: JobState = JobState.ACTIVE
    finished_at: datetime | None = None
    """When it became Complete or Failed."""
    suspended: bool = False
    """Whether it is suspended, as queues such as Kueue do it: it has no pod then, and gets none."""
    resumed_at: datetime | None = None
    """When the Job controller took it up, or did so again after it had been suspended."""
    refusal: str = ""
    """What the Job controller said last of why it cannot create the pod; empty if it said nothing."""
    asked_at: datetime | None = None
    """When it was asked for that last."""
    test_failures: int = 0
    """Attempts before this one that used up one of the case's retries."""
    infrastructure_faults: int = 0
    """Attempts before this one that used up one of the infrastructure's retries."""
    uid: str = ""
    """The uid of the Job; empty until a watch has shown it."""
    asked_to_end: AttemptOutcome | None = None
    """The outcome with which the operator asked for its end, once that is confirmed; written on the Job, too."""
    resource_version: str = ""
    """The version of the Job that was seen; empty where none was."""
    decided: AttemptOutcome | None = None
    """The outcome with which the operator stopped the Job; it is written on the Job itself."""
    pod: PodObservation | None = None
