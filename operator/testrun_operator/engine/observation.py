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
class PodObservation:
    """What was seen of a pod."""

    name: str
    phase: PodPhase
    created_at: datetime
    node: str | None = None
    reason: str = ""
    """The pod's own reason, for instance ``Evicted``."""
    message: str = ""
    deleted: bool = False
    """Whether its deletion was asked for, or it is gone."""
    disruption: str = ""
    """The reason of its condition DisruptionTarget (Kubernetes 1.25 and later), or empty."""
    unschedulable: str = ""
    """The scheduler's message if no node has room for it, or empty."""
    running_since: datetime | None = None
    """When its container started; None while it waits."""
    waiting: Waiting | None = None
    terminated: Terminated | None = None


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
    test_failures: int = 0
    """Attempts before this one that used up one of the case's retries."""
    infrastructure_faults: int = 0
    """Attempts before this one that used up one of the infrastructure's retries."""
    decided: AttemptOutcome | None = None
    """The outcome with which the operator stopped the Job; it is written on the Job itself."""
    pod: PodObservation | None = None
