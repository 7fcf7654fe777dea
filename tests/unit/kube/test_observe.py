"""From what the API server sends to observations; anything may be missing."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from support.builders import NOON, attempt_of, ended_pod, pod, running_pod, seconds
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.observation import (
    InitContainer,
    JobState,
    PodObservation,
    PodPhase,
    Reader,
    Terminated,
    Waiting,
)
from testrun_operator.kube import labels
from testrun_operator.kube.observe import choose_pod, read_job, read_pod, read_time
from testrun_operator.kube.outcomes import encode_outcome

NOON_TEXT = "2026-03-01T12:00:00Z"


def job_body(*, annotations: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    """Return a Job of ours as the API server sends it."""
    return {
        "metadata": {
            "name": "job-1",
            "creationTimestamp": NOON_TEXT,
            "labels": {labels.CASE: "one", labels.ATTEMPT: "2"},
            "annotations": annotations or {},
        },
        "status": status,
    }


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    """Return a condition of a Job or a pod."""
    return {"type": kind, "status": status, "lastTransitionTime": "2026-03-01T12:00:10Z"} | more


def pod_body(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """Return a pod of a case as the API server sends it, with its container in a state."""
    statuses = [{"name": "sidecar", "state": {"running": {}}}, {"name": "case", "state": state}]
    return {
        "metadata": {"name": "pod-1", "creationTimestamp": NOON_TEXT},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Pending", "containerStatuses": statuses} | status,
    }


# -- Jobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [{}, None], ids=["an empty status", "no status"])
def test_a_job_that_was_just_created_is_active(status: dict[str, Any] | None) -> None:
    """The Job controller has not seen it yet."""
    seen = read_job(job_body() | {"status": status})
    assert seen is not None
    assert (seen.name, seen.case, seen.attempt, seen.created_at) == ("job-1", "one", 2, NOON)
    assert (seen.state, seen.finished_at, seen.decided, seen.pod) == (JobState.ACTIVE, None, None, None)


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([condition("Complete")], JobState.COMPLETE),
        ([condition("Failed", reason="DeadlineExceeded")], JobState.FAILED),
        ([condition("SuccessCriteriaMet"), condition("Complete")], JobState.COMPLETE),
        ([condition("FailureTarget")], JobState.ACTIVE),
        ([condition("Failed", "False")], JobState.ACTIVE),
        ([condition("Suspended")], JobState.ACTIVE),
        ([], JobState.ACTIVE),
        (None, JobState.ACTIVE),
    ],
)
def test_a_job_is_over_by_its_conditions(conditions: list[dict[str, str]] | None, state: JobState) -> None:
    """Only Complete and Failed are final; FailureTarget announces an end while the pod may still run."""
    seen = read_job(job_body(conditions=conditions))
    assert seen is not None
    assert seen.state is state
    assert seen.finished_at == (None if state is JobState.ACTIVE else NOON + seconds(10))


@pytest.mark.parametrize(
    "own_labels",
    [
        None,
        {},
        {labels.CASE: "one"},
        {labels.ATTEMPT: "1"},
        {labels.CASE: "", labels.ATTEMPT: "1"},
        {labels.CASE: "one", labels.ATTEMPT: "first"},
        {labels.CASE: "one", labels.ATTEMPT: "-1"},
        {labels.CASE: "one", labels.ATTEMPT: ""},
    ],
)
def test_a_job_without_the_labels_of_an_attempt_is_none_of_ours(own_labels: dict[str, str] | None) -> None:
    """Somebody may put our name on a Job of his own."""
    body = job_body()
    body["metadata"]["labels"] = own_labels
    assert read_job(body) is None


@pytest.mark.parametrize(("text", "count"), [("3", 3), ("0", 0), ("", 0), ("x", 0), ("-1", 0), (None, 0)])
def test_counts_on_a_job_are_read_from_its_annotations(text: str | None, count: int) -> None:
    """Somebody may edit them; what is no number counts as nothing."""
    annotations = {labels.TEST_FAILURES: text, labels.INFRASTRUCTURE_FAULTS: text} if text is not None else {}
    seen = read_job(job_body(annotations=annotations))
    assert seen is not None
    assert (seen.test_failures, seen.infrastructure_faults) == (count, count)


def test_a_job_that_the_operator_stopped_says_why() -> None:
    """The outcome was written before the pod was ended, so that it survives the operator."""
    outcome = attempt_of("one", Verdict.TIMED_OUT, attempt=2, message="took too long")
    seen = read_job(job_body(annotations={labels.OUTCOME: encode_outcome(outcome)}))
    assert seen is not None
    assert seen.decided == outcome


def test_a_job_with_an_outcome_that_is_none_is_judged_anew() -> None:
    """Somebody edited the annotation."""
    seen = read_job(job_body(annotations={labels.OUTCOME: "Passed"}))
    assert seen is not None
    assert seen.decided is None


# -- pods ---------------------------------------------------------------------------------------------------------


def test_a_pod_that_was_just_created_is_pending() -> None:
    """It has no status, no node and no container yet."""
    seen = read_pod({"metadata": {"name": "pod-1", "creationTimestamp": NOON_TEXT}})
    assert seen == PodObservation("pod-1", PodPhase.PENDING, NOON)


@pytest.mark.parametrize("missing", ["spec", "status"])
def test_a_part_of_a_pod_may_be_null(missing: str) -> None:
    """The same as if it were not there."""
    assert read_pod(pod_body() | {missing: None}).name == "pod-1"


@pytest.mark.parametrize("phase", PodPhase)
def test_the_phase_of_a_pod_is_kubernetes_own(phase: PodPhase) -> None:
    """All five are known."""
    assert read_pod(pod_body(phase=str(phase))).phase is phase


def test_a_waiting_container_says_what_for() -> None:
    """From this the operator knows an image that cannot be pulled."""
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    seen = read_pod(pod_body(state))
    assert seen.waiting == Waiting("ImagePullBackOff", "Back-off pulling image")
    assert (seen.running_since, seen.terminated) == (None, None)
    assert read_pod(pod_body({"waiting": {"reason": "ContainerCreating"}})).waiting == Waiting("ContainerCreating")


def test_a_running_container_says_since_when() -> None:
    """The timeout of a case counts from there."""
    seen = read_pod(pod_body({"running": {"startedAt": "2026-03-01T12:00:02Z"}}, phase="Running"))
    assert seen.running_since == NOON + seconds(2)
    assert seen.node == "node-1"


def test_a_container_that_ended_leaves_its_evidence() -> None:
    """Exit code, reason, message and times, as the kubelet saw them."""
    ended = {
        "exitCode": 137,
        "reason": "OOMKilled",
        "message": "the end of the log",
        "startedAt": "2026-03-01T12:00:02Z",
        "finishedAt": "2026-03-01T12:00:05Z",
    }
    seen = read_pod(pod_body({"terminated": ended}, phase="Failed"))
    assert seen.terminated == Terminated(137, "OOMKilled", "the end of the log", NOON + seconds(2), NOON + seconds(5))


@pytest.mark.parametrize("zero", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None])
def test_a_container_that_never_started_has_no_start(zero: str | None) -> None:
    """Container runtimes write the zero of their calendar; a duration from there would be half a century."""
    ended = {"exitCode": 128, "reason": "StartError", "startedAt": zero, "finishedAt": "2026-03-01T12:00:05Z"}
    seen = read_pod(pod_body({"terminated": ended})).terminated
    assert seen is not None
    assert (seen.started_at, seen.finished_at) == (None, NOON + seconds(5))


@pytest.mark.parametrize("state", [{"terminated": {"exitCode": 0}}, {"terminated": {"exitCode": 0, "message": None}}])
def test_an_end_without_further_words_is_an_end(state: dict[str, Any]) -> None:
    """Exit code 0 is a value, not something missing."""
    assert read_pod(pod_body(state)).terminated == Terminated(0)


@pytest.mark.parametrize("statuses", [None, [], [{"name": "sidecar", "state": {"running": {}}}], [{"name": "case"}]])
def test_only_the_container_of_the_case_is_judged(statuses: list[dict[str, Any]] | None) -> None:
    """A service mesh adds containers of its own."""
    seen = read_pod(pod_body() | {"status": {"phase": "Running", "containerStatuses": statuses}})
    assert (seen.waiting, seen.running_since, seen.terminated) == (None, None, None)


def test_a_pod_that_is_being_deleted_is_told() -> None:
    """It may still run for its grace period, but what it does no longer counts as undisturbed."""
    body = pod_body({"running": {"startedAt": NOON_TEXT}})
    assert read_pod(body).deleted is False
    body["metadata"]["deletionTimestamp"] = NOON_TEXT
    assert read_pod(body).deleted is True


@pytest.mark.parametrize(
    ("conditions", "disruption", "unschedulable"),
    [
        ([condition("DisruptionTarget", reason="EvictionByEvictionAPI")], "EvictionByEvictionAPI", ""),
        ([condition("DisruptionTarget", "False", reason="PreemptionByScheduler")], "", ""),
        ([condition("DisruptionTarget")], "", ""),
        ([condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes")], "", "0/3 nodes"),
        ([condition("PodScheduled", "False", reason="Unschedulable")], "", "Unschedulable"),
        ([condition("PodScheduled", "False", reason="SchedulingGated", message="wait")], "", ""),
        ([condition("PodScheduled")], "", ""),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_disruptions_and_missing_room_are_read_from_conditions(
    conditions: list[dict[str, str]] | None, disruption: str, unschedulable: str
) -> None:
    """By these an infrastructure fault is told from a failure."""
    seen = read_pod(pod_body(conditions=conditions))
    assert (seen.disruption, seen.unschedulable) == (disruption, unschedulable)


def test_an_evicted_pod_has_its_own_reason() -> None:
    """Kubernetes before 1.25 has no condition for it."""
    seen = read_pod(pod_body(phase="Failed", reason="Evicted", message="The node was low on resource: memory."))
    assert (seen.reason, seen.message) == ("Evicted", "The node was low on resource: memory.")


# -- which pod ----------------------------------------------------------------------------------------------------

EARLY, LATE = NOON, NOON + seconds(5)
CHOICES = {
    "a pod that ended, not the one made after it": (
        ended_pod(name="wanted", created_at=EARLY),
        running_pod(name="other", created_at=LATE),
    ),
    "a pod that ended, not an earlier one that was deleted": (
        ended_pod(name="wanted", created_at=LATE),
        running_pod(name="other", created_at=EARLY, deleted=True),
    ),
    "the first that ended": (
        ended_pod(name="wanted", created_at=EARLY),
        ended_pod(name="other", created_at=LATE),
    ),
    "a pod that ended by itself, not one that ended by its deletion": (
        ended_pod(name="wanted", created_at=LATE),
        ended_pod(143, name="other", created_at=EARLY, deleted=True),
    ),
    "a deleted pod, not the one made in its place": (
        running_pod(name="wanted", created_at=EARLY, deleted=True),
        running_pod(name="other", created_at=LATE),
    ),
    "the newest of those that are undisturbed": (
        running_pod(name="wanted", created_at=LATE),
        pod(name="other", created_at=EARLY),
    ),
}


@pytest.mark.parametrize("what", CHOICES)
def test_an_attempt_is_judged_by(what: str) -> None:
    """Whatever the order in which the pods are seen."""
    for order in itertools.permutations(CHOICES[what]):
        chosen = choose_pod(order)
        assert chosen is not None
        assert chosen.name == "wanted"


def test_without_pods_there_is_none_to_judge_by() -> None:
    """A Job's pod may not be created yet, or be gone."""
    assert choose_pod(()) is None


# -- times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (NOON_TEXT, NOON),
        ("2026-03-01T12:00:00.250000Z", NOON + timedelta(milliseconds=250)),
        ("2026-03-01T13:00:00+01:00", NOON),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_with_their_zone(text: str | None, moment: datetime | None) -> None:
    """Times without a zone could not be compared with those that have one."""
    seen = read_time(text)
    assert seen == moment
    assert seen is None or seen.tzinfo in {UTC, timezone(timedelta(hours=1))}


def test_an_object_without_a_creation_time_counts_as_new() -> None:
    """It comes from a dry run or a test; a time in the past would make it late at once."""
    body = job_body()
    del body["metadata"]["creationTimestamp"]
    seen = read_job(body)
    assert seen is not None
    assert abs(seen.created_at - datetime.now(UTC)) < timedelta(minutes=1)


# -- what came with newer Kubernetes ------------------------------------------------------------------------------


@pytest.mark.parametrize(("suspend", "expected"), [(True, True), (False, False), (None, False)])
def test_a_job_says_whether_it_is_suspended_and_since_when_it_is_not(suspend: bool | None, expected: bool) -> None:
    """The Job controller sets its start anew when it is resumed, and takes it away while it is suspended."""
    seen = read_job(job_body(startTime="2026-03-01T12:00:07Z") | {"spec": {"suspend": suspend}})
    assert seen is not None
    assert (seen.suspended, seen.resumed_at) == (expected, NOON + seconds(7))
    assert read_job(job_body()) is not None


@pytest.mark.parametrize(
    ("metadata", "conditions", "expected"),
    [
        ({}, [], None),
        ({"deletionTimestamp": "2026-03-01T12:00:40Z", "deletionGracePeriodSeconds": 30}, [], NOON + seconds(10)),
        ({"deletionTimestamp": "2026-03-01T12:00:40Z"}, [], NOON + seconds(40)),
        ({}, [condition("DisruptionTarget", reason="TerminationByKubelet")], NOON + seconds(10)),
        ({}, [condition("DisruptionTarget", "False", reason="TerminationByKubelet")], None),
        (
            {"deletionTimestamp": "2026-03-01T12:00:50Z", "deletionGracePeriodSeconds": 30},
            [condition("DisruptionTarget", reason="EvictionByEvictionAPI")],
            NOON + seconds(10),
        ),
    ],
)
def test_a_pod_is_disturbed_from_when_its_end_was_asked_for(
    metadata: dict[str, Any], conditions: list[dict[str, str]], expected: datetime | None
) -> None:
    """``deletionTimestamp`` is when the pod has to be gone; the disruption is often noted before it is deleted."""
    body = pod_body(conditions=conditions)
    body["metadata"] |= metadata
    assert read_pod(body).disturbed_at == expected


def test_a_pod_says_what_disrupts_it_in_the_words_of_kubernetes() -> None:
    """The message names the scheduler or the taint; the pod has none of its own then."""
    message = "Eviction API: evicting"
    seen = read_pod(
        pod_body(conditions=[condition("DisruptionTarget", reason="EvictionByEvictionAPI", message=message)])
    )
    assert (seen.disruption, seen.disruption_message) == ("EvictionByEvictionAPI", message)


def test_a_pods_own_deadline_begins_when_its_node_takes_it() -> None:
    """Until then it has none."""
    body = pod_body(startTime="2026-03-01T12:00:05Z")
    body["spec"]["activeDeadlineSeconds"] = 60
    assert read_pod(body).deadline_at == NOON + seconds(65)
    del body["status"]["startTime"]
    assert read_pod(body).deadline_at is None


SIDECAR = {"name": "mesh", "restartPolicy": "Always"}
SET_UP = {"name": "set-up"}
_DONE = {"name": "set-up", "state": {"terminated": {"exitCode": 0}}}
_STARTED = {"name": "mesh", "started": True, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("specs", "statuses", "expected"),
    [
        ([], [], None),
        ([SET_UP], [], InitContainer("set-up")),
        ([SET_UP], [{"name": "set-up", "state": {"running": {}}}], InitContainer("set-up")),
        ([SET_UP], [_DONE], None),
        (
            [SET_UP],
            [{"name": "set-up", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}],
            InitContainer("set-up", terminated=Terminated(2, "Error")),
        ),
        ([SIDECAR], [_STARTED], None),
        (
            [SIDECAR],
            [{"name": "mesh", "started": False, "state": {"running": {}}}],
            InitContainer("mesh", is_sidecar=True),
        ),
        (
            [SET_UP, SIDECAR],
            [_DONE, {"name": "mesh", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}],
            InitContainer("mesh", is_sidecar=True, waiting=Waiting("ImagePullBackOff", "no")),
        ),
        ([SIDECAR, SET_UP], [_STARTED, {"name": "set-up", "state": {"running": {}}}], InitContainer("set-up")),
        ([SET_UP, SIDECAR], [_DONE, _STARTED], None),
    ],
)
def test_the_first_init_container_that_is_not_done_is_the_one_that_is_waited_for(
    specs: list[dict[str, str]], statuses: list[dict[str, Any]], expected: InitContainer | None
) -> None:
    """One that goes on beside the others is done when it has started, any other when it has ended with 0."""
    body = pod_body({"waiting": {"reason": "PodInitializing"}}, initContainerStatuses=statuses)
    body["spec"]["initContainers"] = specs
    assert read_pod(body).init == expected


def test_init_containers_do_not_matter_once_the_container_runs() -> None:
    """A sidecar that is restarted then is none of the case's business."""
    restarted = {"name": "mesh", "started": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    body = pod_body({"running": {"startedAt": NOON_TEXT}}, initContainerStatuses=[restarted])
    body["spec"]["initContainers"] = [SIDECAR]
    assert read_pod(body).init is None


def test_the_reader_of_junit_files_is_known_by_its_name() -> None:
    """How it ended, with its report as the message; while it runs, or nothing is said of it, it has not ended."""
    body = pod_body({"terminated": {"exitCode": 0}})
    assert read_pod(body).reader is None
    body["spec"]["initContainers"] = [SIDECAR, {"name": "junit-reader", "restartPolicy": "Always"}]
    assert read_pod(body).reader == Reader()
    body["status"]["initContainerStatuses"] = [_STARTED, {"name": "junit-reader", "state": {"running": {}}}]
    assert read_pod(body).reader == Reader()
    ended = {"exitCode": 0, "reason": "Completed", "message": "{}", "finishedAt": NOON_TEXT}
    body["status"]["initContainerStatuses"][1]["state"] = {"terminated": ended}
    assert read_pod(body).reader == Reader(Terminated(0, "Completed", "{}", None, NOON))


def test_the_kubelet_wrote_a_status_last_at_the_time_that_managed_fields_say() -> None:
    """By the clock of the API server; what others wrote into the status does not count."""
    body = pod_body()
    assert read_pod(body).reported_at is None
    body["metadata"]["managedFields"] = [
        {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-03-01T12:09:00Z"},
        {"manager": "kubelet", "subresource": "status", "time": "2026-03-01T12:00:07Z"},
        {"manager": "kubelet", "time": "2026-03-01T12:08:00Z"},
        {"manager": "kubelet", "subresource": "status"},
    ]
    assert read_pod(body).reported_at == NOON + seconds(7)


@pytest.mark.parametrize(
    ("ready", "containers", "gates", "expected"),
    [
        ("True", "True", [], False),
        ("False", "False", [], False),
        ("False", "True", [], True),
        ("False", "True", [{}], False),
    ],
)
def test_a_pod_whose_containers_are_ready_and_that_is_not_is_on_a_silent_node(
    ready: str, containers: str, gates: list[dict[str, str]], expected: bool
) -> None:
    """The node controller marks the pod, and only the pod; a readiness gate does the same, where there is one."""
    body = pod_body(conditions=[condition("Ready", ready), condition("ContainersReady", containers)])
    body["spec"] |= {"readinessGates": gates}
    assert read_pod(body).node_silent is expected


def test_a_pod_lingers_for_as_long_as_a_container_of_somebody_else_runs() -> None:
    """A native sidecar is an init container, and no container: Kubernetes ends it itself."""
    body = pod_body(phase="Running", containerStatuses=[{"name": "case", "state": {"terminated": {"exitCode": 0}}}])
    assert not read_pod(body).lingers
    body["status"]["containerStatuses"].append({"name": "proxy", "state": {"running": {}}})
    assert read_pod(body).lingers
    body["status"]["phase"] = "Failed"
    assert not read_pod(body).lingers
