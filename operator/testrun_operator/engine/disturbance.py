"""What disturbed a pod: who ended it from outside, and whether its container had ended before."""

from datetime import datetime

from testrun_operator.api.reason import Reason
from testrun_operator.engine import attempts
from testrun_operator.engine.observation import JobObservation, PodObservation, Terminated
from testrun_operator.engine.outcome import AttemptOutcome

DEADLINE_EXCEEDED = "DeadlineExceeded"
"""The reason of a pod whose own ``activeDeadlineSeconds`` have passed."""

_NODE_REASONS = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity"})
_NODE_DISRUPTIONS = frozenset(
    {"DeletionByTaintManager", "DeletionByDeviceTaintManager", "TerminationByKubelet", "DeletionByPodGC"}
)
"""Reasons of the condition DisruptionTarget
(https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions)."""
_PREEMPTIONS = frozenset({"PreemptionByScheduler", "PreemptionByKubeScheduler"})
_OWN_LIMITS = (
    "exceeded its local ephemeral storage limit",
    "Pod ephemeral local storage usage exceeds the total limit of containers",
    "Usage of EmptyDir volume",
)
"""In the kubelet's message about a pod that it evicts for what the pod may use at most, however much there is."""
_LOST_SIGHT = frozenset({"ContainerStatusUnknown", "Unknown"})
"""The kubelet's reason, and containerd's, for a container of which they do not know how it ended. The exit codes that
they give with it, 137 and 255, are made up."""


def is_disturbed(pod: PodObservation) -> bool:
    """Whether something from outside ended a pod, or is about to."""
    return pod.deleted or bool(pod.disruption) or bool(pod.reason)


def ended_before(pod: PodObservation, terminated: Terminated) -> bool:
    """Whether a pod's container had ended before something from outside asked for it.

    What it did after that says nothing: many programs end with 0 when they are told to stop. Kubernetes knows whole
    seconds; what happened in the same one counts as disturbed. Times of the kubelet are compared with one another, and
    those of the control plane: the clock of a node may be wrong by any amount.
    """
    if pod.reason == DEADLINE_EXCEEDED:
        ended_at, asked_at = terminated.finished_at, pod.deadline_at
    elif pod.disturbed_by_kubelet or pod.reported_at is None:
        ended_at, asked_at = terminated.finished_at, pod.disturbed_at
    else:
        ended_at, asked_at = pod.reported_at, pod.disturbed_at
    return asked_at is not None and ended_at is not None and ended_at < asked_at


def has_ended(pod: PodObservation) -> bool:
    """Whether a pod's container ended by itself, whatever became of the pod afterwards."""
    is_known = pod.ended_undisturbed or not is_disturbed(pod)
    return pod.terminated is not None and (is_known or ended_before(pod, pod.terminated))


def is_out_of_sight(terminated: Terminated) -> bool:
    """Whether nobody knows how a container ended, its exit code notwithstanding."""
    return terminated.reason in _LOST_SIGHT


def disturbed(job: JobObservation, pod: PodObservation, ended_at: datetime | None) -> AttemptOutcome:
    """Make the outcome of an attempt whose pod something from outside ended."""
    reason, message = _why_disturbed(job, pod)
    if reason is Reason.OUT_OF_STORAGE:
        return attempts.configuration_error(job, reason, message, pod.terminated, ended_at)
    return attempts.fault(job, reason, message, ended_at)


def _why_disturbed(job: JobObservation, pod: PodObservation) -> tuple[Reason, str]:
    said = pod.message or pod.disruption_message
    because = f": {said}" if said else ""
    if pod.reason == "Evicted" and any(words in pod.message for words in _OWN_LIMITS):
        return Reason.OUT_OF_STORAGE, f"the pod wrote more than its own limit allows, and was evicted{because}"
    if pod.reason == "Evicted":
        return Reason.POD_EVICTED, f"the pod was evicted{because}"
    if pod.disruption in _PREEMPTIONS or pod.reason in {"Preempting", "Preempted"}:
        return Reason.POD_PREEMPTED, f"the pod was preempted by one of a higher priority{because}"
    if pod.disruption in _NODE_DISRUPTIONS or pod.reason in _NODE_REASONS:
        node = f" {pod.node}" if pod.node else ""
        return Reason.NODE_LOST, f"the pod's node{node} was lost or shut down{because}"
    if pod.disruption == "EvictionByEvictionAPI":
        return Reason.POD_EVICTED, f"the pod was evicted through the API{because}"
    if pod.deleted and job.suspended:
        return Reason.JOB_SUSPENDED, "the Job was suspended while the case ran"
    if pod.deleted:
        return Reason.POD_DELETED, f"the pod was deleted while the case ran{because}"
    return Reason.POD_REJECTED, f"the pod was ended by the kubelet: {pod.reason or 'no reason given'}{because}"
