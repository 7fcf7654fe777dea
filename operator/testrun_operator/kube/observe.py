"""From Jobs and Pods, as the API server sends them, to observations.

Only what is read here is known to the engine. Everything may be missing: a Job that was just created has no status.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from testrun_operator.api.junit import READER
from testrun_operator.engine.observation import (
    InitContainer,
    JobObservation,
    JobState,
    PodObservation,
    PodPhase,
    Reader,
    Terminated,
    Waiting,
)
from testrun_operator.kube import labels
from testrun_operator.kube.belonging import job_of
from testrun_operator.kube.outcomes import decode_outcome

CONTAINER = "case"
"""Name of the container that is judged."""
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
"""Label of a Job's pods, set by the Job controller since Kubernetes 1.27."""

_BY_KUBELET = "TerminationByKubelet"
_UNREADABLE = "Error on reading termination"
_Body = Mapping[str, Any]


def read_job(body: _Body) -> JobObservation | None:
    """Read a Job of ours.

    Returns:
        The observation, without its pod; None if the Job lacks the labels of an attempt.
    """
    metadata = body["metadata"]
    own_labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    case, attempt = own_labels.get(labels.CASE), own_labels.get(labels.ATTEMPT, "")
    if not case or not attempt.isdecimal():
        return None
    status = body.get("status") or {}
    state, finished_at = _job_state(status)
    return JobObservation(
        name=metadata["name"],
        uid=str(metadata.get("uid") or ""),
        case=case,
        attempt=int(attempt),
        created_at=read_time(metadata.get("creationTimestamp")) or datetime.now(UTC),
        state=state,
        finished_at=finished_at,
        suspended=bool((body.get("spec") or {}).get("suspend")),
        resumed_at=read_time(status.get("startTime")),
        test_failures=_count(annotations.get(labels.TEST_FAILURES)),
        infrastructure_faults=_count(annotations.get(labels.INFRASTRUCTURE_FAULTS)),
        asked_to_end=decode_outcome(annotations.get(labels.ASKED_TO_END)),
        resource_version=str(metadata.get("resourceVersion") or ""),
        decided=decode_outcome(annotations.get(labels.OUTCOME)),
    )


def read_pod(body: _Body) -> PodObservation:
    """Read a pod of a case."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    state = _container_state(status.get("containerStatuses") or ())
    running = state.get("running")
    waiting = state.get("waiting")
    terminated = state.get("terminated")
    disruption = _if_true(conditions.get("DisruptionTarget"))
    deletion_asked_at, disrupted_at = _deletion_asked_at(metadata), read_time(disruption.get("lastTransitionTime"))
    by_kubelet = disruption.get("reason") == _BY_KUBELET
    return PodObservation(
        name=metadata["name"],
        phase=PodPhase(status.get("phase") or PodPhase.PENDING),
        created_at=read_time(metadata.get("creationTimestamp")) or datetime.now(UTC),
        job_uid=(job_of(body) or ("", ""))[1],
        node=spec.get("nodeName"),
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        deleted=metadata.get("deletionTimestamp") is not None,
        disruption=str(disruption.get("reason") or ""),
        disruption_message=str(disruption.get("message") or ""),
        disturbed_at=disrupted_at
        if by_kubelet
        else min((moment for moment in (deletion_asked_at, disrupted_at) if moment is not None), default=None),
        disturbed_by_kubelet=by_kubelet,
        deadline_at=_deadline_at(spec, status),
        unschedulable=_unschedulable(conditions.get("PodScheduled")),
        running_since=read_time(running.get("startedAt")) if running else None,
        reported_at=_reported_at(metadata),
        node_silent=_is_node_silent(spec, conditions),
        others_running=any(
            "running" in (found.get("state") or {})
            for found in status.get("containerStatuses") or ()
            if found.get("name") != CONTAINER
        ),
        waiting=Waiting(waiting.get("reason") or "", waiting.get("message") or "") if waiting else None,
        terminated=_read_terminated(terminated) if terminated else None,
        init=_read_init(spec, status) if not running and not terminated else None,
        reader=_read_reader(spec, status),
    )


def choose_pod(pods: Iterable[PodObservation]) -> PodObservation | None:
    """Choose the pod by which an attempt is judged, where the Job controller made more than one.

    A pod that ended undisturbed comes first, since it has a report; then one that is disturbed, since the one made in
    its place is no second chance within the same attempt; then the newest.
    """
    candidates = list(pods)
    if len(candidates) < 2:  # noqa: PLR2004 - as nearly always, and this is done for every Job at every reconciliation
        return candidates[0] if candidates else None
    candidates.sort(key=lambda pod: pod.created_at)
    for pod in candidates:
        if pod.terminated is not None and not pod.deleted:
            return pod
    for pod in candidates:
        if pod.deleted or pod.terminated is not None:
            return pod
    return candidates[-1] if candidates else None


def read_time(text: str | None) -> datetime | None:
    """Read a Kubernetes timestamp."""
    return datetime.fromisoformat(text) if text else None


def _job_state(status: _Body) -> tuple[JobState, datetime | None]:
    for condition in status.get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in {"Complete", "Failed"}:
            return JobState(condition["type"]), read_time(condition.get("lastTransitionTime"))
    return JobState.ACTIVE, None


def _container_state(statuses: Iterable[_Body], name: str = CONTAINER) -> _Body:
    return next((status.get("state") or {} for status in statuses if status.get("name") == name), {})


def _read_terminated(state: _Body) -> Terminated:
    message = str(state.get("message") or "")
    return Terminated(
        exit_code=int(state.get("exitCode") or 0),
        reason=state.get("reason") or "",
        # The kubelet puts its own trouble there, too: of an evicted pod the log is gone.
        message="" if message.startswith(_UNREADABLE) else message,
        started_at=_after_epoch(read_time(state.get("startedAt"))),
        finished_at=_after_epoch(read_time(state.get("finishedAt"))),
    )


def _reported_at(metadata: _Body) -> datetime | None:
    """Return when the kubelet wrote a pod's status last: managedFields have it by the clock of the API server."""
    times = (
        read_time(entry.get("time"))
        for entry in metadata.get("managedFields") or ()
        if entry.get("manager") == "kubelet" and entry.get("subresource") == "status"
    )
    return max((moment for moment in times if moment is not None), default=None)


def _is_node_silent(spec: _Body, conditions: Mapping[str, _Body]) -> bool:
    """Whether the node controller has marked a pod as not ready, since its node is: its kubelet says the opposite.

    The kubelet sets both conditions together, and tells them apart only by readiness gates.
    """
    ready, containers = conditions.get("Ready") or {}, conditions.get("ContainersReady") or {}
    gates = spec.get("readinessGates")
    return ready.get("status") == "False" and containers.get("status") == "True" and not gates


def _after_epoch(moment: datetime | None) -> datetime | None:
    # A container that never started has the zero time, or 1970, as its start.
    return moment if moment is not None and moment.year > 1970 else None  # noqa: PLR2004 - the epoch


def _if_true(condition: _Body | None) -> _Body:
    return condition if condition and condition.get("status") == "True" else {}


def _unschedulable(condition: _Body | None) -> str:
    if not condition or condition.get("status") != "False" or condition.get("reason") != "Unschedulable":
        return ""
    return str(condition.get("message") or "Unschedulable")


def _deletion_asked_at(metadata: _Body) -> datetime | None:
    # The timestamp is the moment at which the pod has to be gone; its grace period has to be taken off.
    gone_at = read_time(metadata.get("deletionTimestamp"))
    grace = timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0))
    return gone_at - grace if gone_at is not None else None


def _deadline_at(spec: _Body, status: _Body) -> datetime | None:
    started_at, limit = read_time(status.get("startTime")), spec.get("activeDeadlineSeconds")
    return started_at + timedelta(seconds=int(limit)) if started_at is not None and limit is not None else None


def _read_init(spec: _Body, status: _Body) -> InitContainer | None:
    """Read the first init container that is not done: the later ones wait for it."""
    states = {found.get("name"): found for found in status.get("initContainerStatuses") or ()}
    for container in spec.get("initContainers") or ():
        name, found = container.get("name"), states.get(container.get("name")) or {}
        is_sidecar = container.get("restartPolicy") == "Always"
        state = found.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if found.get("started") if is_sidecar else terminated and terminated.get("exitCode") == 0:
            continue
        return InitContainer(
            name=str(name),
            is_sidecar=is_sidecar,
            waiting=Waiting(waiting.get("reason") or "", waiting.get("message") or "") if waiting else None,
            terminated=_read_terminated(terminated) if terminated else None,
        )
    return None


def _read_reader(spec: _Body, status: _Body) -> Reader | None:
    """Read the container of ours that reads the case's JUnit files, where the pod has one."""
    if all(container.get("name") != READER for container in spec.get("initContainers") or ()):
        return None
    state = _container_state(status.get("initContainerStatuses") or (), READER)
    terminated = state.get("terminated")
    return Reader(_read_terminated(terminated) if terminated else None)


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
