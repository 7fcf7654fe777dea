"""What Kubernetes does to Jobs and pods, and what becomes of the verdict: on the release that the cluster runs.

What the same disturbances look like on the API, version by version, is recorded in ``tests/unit/kube/timelines``.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.cluster import (
    BUSYBOX,
    Body,
    Namespace,
    classes,
    condition,
    container,
    failure,
    kubectl,
    query,
    scale_operator,
    wait_for_storing,
    wait_until,
)
from support.policies import can_inject, injection, policy
from testrun_operator.kube.pods import restricted_container, restricted_pod

STUBBORN = "trap '' TERM; sleep 300"
"""Ignores that it is told to end: it goes on until its grace period of 10 s is over."""


def attempts(namespace: Namespace, run: str, status: Body) -> list[list[str]]:
    """Return verdict, class and reason of each attempt, as Postgres has them."""
    wait_for_storing(namespace, run)
    return query(
        "SELECT verdict, failure_class, reason FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {status['runId']} ORDER BY playbook_name, attempt"
    )


def pod_of(namespace: Namespace, run: str) -> str:
    """Return the name of the only pod of a run."""
    [pod] = namespace.objects("pods", f"testrun.dev/run={run}")
    name: str = pod["metadata"]["name"]
    return name


def evict(namespace: Namespace, pod: str) -> None:
    """Evict a pod through the API, as ``kubectl drain`` does."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace.name}}
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))


def moment(text: str) -> datetime:
    """Read a time of Kubernetes."""
    return datetime.fromisoformat(text)


# -- disturbances ---------------------------------------------------------------------------------------------------


def test_a_pod_that_is_evicted_and_ends_with_0_has_not_passed(namespace: Namespace) -> None:
    """Many programs end with 0 on SIGTERM; the case is repeated, and that is no retry of its own."""
    run = namespace.run("evicted", container("a", "trap 'exit 0' TERM; sleep 6 & wait"))
    namespace.wait_for_running(run, "a")
    evict(namespace, pod_of(namespace, run))
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["passed"], status["cases"]["flaky"]) == ("Passed", 1, 0)
    assert attempts(namespace, run, status) == [
        ["Errored", "Infrastructure", "PodEvicted"],
        ["Passed", "", "ExitCodeZero"],
    ]


def test_a_pod_that_is_preempted_is_repeated(namespace: Namespace) -> None:
    """The scheduler takes the place of a case for something more important, and the case gets another one."""
    cpu = _most_of_the_free_cpu()
    case = container("a", "sleep 4")
    case["container"]["resources"] = {"requests": {"cpu": cpu}}
    important = f"important-{namespace.name[-5:]}"
    kubectl("create", "priorityclass", important, "--value=100000")
    try:
        run = namespace.run("preempted", case)
        namespace.wait_for_running(run, "a")
        namespace.kubectl("apply", "-f", "-", text=json.dumps(_pod("important", cpu, important)))
        namespace.kubectl("wait", "--for=condition=Ready", "pod/important", "--timeout=60s")
        namespace.kubectl("delete", "pod", "important", "--grace-period=0", "--force")
        status = namespace.wait_for_end(run)
    finally:
        kubectl("delete", "priorityclass", important)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 1)
    assert attempts(namespace, run, status) == [
        ["Errored", "Infrastructure", "PodPreempted"],
        ["Passed", "", "ExitCodeZero"],
    ]


def _most_of_the_free_cpu() -> str:
    """Return more than half of the CPU that the largest node has free, so that two pods of that size do not fit."""
    free: dict[str, int] = {
        node["metadata"]["name"]: _millicores(node["status"].get("allocatable", {}).get("cpu", "0"))
        for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    }
    for pod in json.loads(kubectl("get", "pods", "-A", "-o", "json"))["items"]:
        node = pod["spec"].get("nodeName", "")
        if pod["status"].get("phase") in {"Pending", "Running"} and node in free:
            for made in pod["spec"]["containers"]:
                free[node] -= _millicores(made.get("resources", {}).get("requests", {}).get("cpu", "0"))
    return f"{max(free.values()) * 6 // 10}m"


def _millicores(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)


def _pod(name: str, cpu: str, priority: str) -> Body:
    made = {
        "name": "main",
        "image": BUSYBOX,
        "command": ["sleep", "300"],
        "resources": {"requests": {"cpu": cpu}},
        "securityContext": restricted_container(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"priorityClassName": priority, "securityContext": restricted_pod(65532), "containers": [made]},
    }


def test_a_pod_that_exceeds_its_own_storage_limit_is_a_configuration_error(namespace: Namespace) -> None:
    """The kubelet evicts it, whatever room the node has; it would be evicted again, so it is not repeated.

    The program is killed: of one that ends with 0 when it is told to, the kubelet shows now the eviction, now a pod
    that has succeeded (docs/limits.md).
    """
    case = container("a", "head -c 20000000 /dev/zero > /data/a; sleep 300")
    case["container"] |= {
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "2Mi"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    run = namespace.run("greedy", case)
    status = namespace.wait_for_end(run, seconds=150)
    assert classes_when_stored(namespace, run, status) == {"a": ("Errored", "Configuration", "OutOfStorage")}
    assert 'Usage of EmptyDir volume "data" exceeds the limit' in failure(status, "a")["message"]


def classes_when_stored(namespace: Namespace, run: str, status: Body) -> dict[str, tuple[str, str, str]]:
    """Return verdict, class and reason of each case that did not pass."""
    wait_for_storing(namespace, run)
    return classes(status)


# -- stopping -----------------------------------------------------------------------------------------------------


def test_a_stopped_job_fails_in_the_end_and_is_not_repeated_before_its_pod_has_ended(namespace: Namespace) -> None:
    """The Job says FailureTarget at once and Failed when its pod has ended; only then the next attempt begins."""
    run = namespace.run("stubborn", container("a", STUBBORN, timeout="2s", retries=1))
    first = wait_until("the first attempt is stopped", lambda: _announced(namespace, run))
    assert [found["type"] for found in first["status"]["conditions"]] == ["FailureTarget"]
    assert first["status"]["conditions"][0]["reason"] == "DeadlineExceeded"
    assert namespace.status(run)["phase"] == "Running"
    second = wait_until("the second attempt has begun", lambda: _attempt(namespace, run, 2), seconds=40)
    told = moment(first["status"]["conditions"][0]["lastTransitionTime"])
    # The grace period is 10 s, and Kubernetes knows whole seconds.
    assert moment(second["metadata"]["creationTimestamp"]) - told >= timedelta(seconds=9)
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["timedOut"]) == ("Failed", 1)
    wait_until("both Jobs have failed", lambda: all(_types(job)[-1:] == ["Failed"] for job in namespace.jobs(run)))


def _attempt(namespace: Namespace, run: str, number: int) -> Body | None:
    found = namespace.objects("jobs", f"testrun.dev/run={run},testrun.dev/attempt={number}")
    return found[0] if found else None


def _announced(namespace: Namespace, run: str) -> Body | None:
    """Return the Job of case a that is told to end, once the Job controller has said so."""
    found = namespace.objects("jobs", f"testrun.dev/run={run},testrun.dev/case=a,testrun.dev/attempt=1")
    return found[0] if found and _types(found[0]) else None


def _types(job: Body) -> list[str]:
    return [found["type"] for found in job.get("status", {}).get("conditions", []) if found["status"] == "True"]


def test_a_pod_that_is_ending_counts_for_the_runs_parallelism(namespace: Namespace) -> None:
    """With a parallelism of 1, no two pods of a run are ever alive at the same time, not even while one is stopped."""
    run = namespace.run("one-by-one", container("a", STUBBORN, timeout="2s"), container("b", "sleep 1"), parallelism=1)
    wait_until("the first one is stopped", lambda: _announced(namespace, run))
    assert len(namespace.jobs(run)) == 1
    status = namespace.wait_for_end(run)
    assert (status["cases"]["timedOut"], status["cases"]["passed"]) == (1, 1)


# -- queues -------------------------------------------------------------------------------------------------------


def test_a_job_that_a_queue_suspends_while_it_runs_is_repeated(namespace: Namespace) -> None:
    """Kueue does that to give its place to another; the first attempt gets no second pod when it is let go again."""
    run = namespace.run("suspended", container("a", "sleep 5"))
    namespace.wait_for_running(run, "a")
    name = namespace.jobs(run)[0]["metadata"]["name"]
    namespace.kubectl("patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["flaky"]) == ("Passed", 0)
    assert attempts(namespace, run, status) == [
        ["Errored", "Infrastructure", "JobSuspended"],
        ["Passed", "", "ExitCodeZero"],
    ]
    namespace.kubectl("patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": false}}')
    namespace.kubectl("wait", "--for=condition=Failed", f"job/{name}", "--timeout=30s")
    assert namespace.objects("pods", f"job-name={name}") == []


def test_a_job_that_waits_in_a_queue_is_no_fault(namespace: Namespace) -> None:
    """The status says that it is suspended, and it starts when it is let go."""
    # A quota of no pods keeps the first pod from being created before the Job is suspended.
    namespace.kubectl("create", "quota", "full", "--hard=pods=0")
    run = namespace.run("queued", container("a", "true"))
    [job] = wait_until("there is a Job", lambda: namespace.jobs(run))
    name = job["metadata"]["name"]
    namespace.kubectl("patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    namespace.kubectl("delete", "quota", "full")
    wait_until(
        "the status says so",
        lambda: "1 suspended by a queue" in condition(namespace.status(run), "Reconciling").get("message", ""),
    )
    namespace.kubectl("patch", "job", name, "--type=merge", "-p", '{"spec": {"suspend": false}}')
    status = namespace.wait_for_end(run)
    assert (status["phase"], len(namespace.jobs(run))) == ("Passed", 1)


# -- what is refused ------------------------------------------------------------------------------------------------


def test_a_quota_that_is_used_up_is_waited_for_and_told(namespace: Namespace) -> None:
    """Cases take turns where the quota has room for one pod, and the status says what they wait for."""
    namespace.kubectl("create", "quota", "narrow", "--hard=pods=1")
    run = namespace.run("narrow", container("a", "sleep 20"), container("b", "sleep 20"), parallelism=2)
    wait_until(
        "the status says so",
        lambda: "exceeded quota: narrow" in condition(namespace.status(run), "Reconciling").get("message", ""),
    )
    status = namespace.wait_for_end(run, seconds=180)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 2)


def test_a_pod_that_lacks_what_a_quota_demands_is_a_configuration_error(namespace: Namespace) -> None:
    """It would lack it again: the API server's words are in the status within seconds, not minutes."""
    namespace.kubectl("create", "quota", "limits", "--hard=limits.cpu=4")
    status = namespace.wait_for_end(namespace.run("limitless", container("a", "true")), seconds=60)
    told = failure(status, "a")
    assert (told["verdict"], told["reason"]) == ("Errored", "PodNotCreated")
    assert "must specify limits.cpu" in told["message"]
    assert condition(status, "Stalled")["status"] == "True"


def test_a_pod_that_a_policy_refuses_is_told_in_the_words_of_the_policy(namespace: Namespace) -> None:
    """Within seconds, as a configuration error, and not repeated."""
    rule = "has(object.metadata.labels) && 'cost-centre' in object.metadata.labels"
    with policy(namespace, "", "pods", rule, "every pod needs the label cost-centre"):
        run = namespace.run("refused", container("a", "true"))
        status = namespace.wait_for_end(run, seconds=60)
    assert classes_when_stored(namespace, run, status) == {"a": ("Errored", "Configuration", "PodNotCreated")}
    assert "every pod needs the label cost-centre" in failure(status, "a")["message"]
    assert len(namespace.jobs(run)) == 1


def test_a_job_that_a_policy_refuses_is_told_in_the_words_of_the_policy(namespace: Namespace) -> None:
    """Most policies are written for what people create; they meet the Job, and not its pod."""
    rule = "object.spec.template.spec.containers.all(c, !c.image.endsWith(':latest'))"
    case = container("a", "true")
    case["container"]["image"] = "docker.io/library/busybox:latest"
    with policy(namespace, "batch", "jobs", rule, "no image may be called latest"):
        run = namespace.run("latest", case, container("b", "true"))
        status = namespace.wait_for_end(run, seconds=60)
    assert classes_when_stored(namespace, run, status) == {"a": ("Errored", "Configuration", "JobRejected")}
    assert "no image may be called latest" in failure(status, "a")["message"]
    assert status["cases"]["passed"] == 1


# -- what others put into pods --------------------------------------------------------------------------------------

needs_injection = pytest.mark.skipif(not can_inject(), reason="before Kubernetes 1.36 only a webhook can change pods")


@needs_injection
def test_a_sidecar_of_a_service_mesh_neither_delays_nor_changes_a_verdict(namespace: Namespace) -> None:
    """The verdict is there with the end of the case; the sidecar takes another ten seconds, and the Job as well."""
    with injection(namespace, STUBBORN, "Always"):
        run = namespace.run("meshed", container("a", "exit 0"), container("b", "exit 3"))
        status = namespace.wait_for_end(run)
    assert (status["cases"]["passed"], status["cases"]["failed"]) == (1, 1)
    assert failure(status, "b")["reason"] == "ExitCodeNotZero"
    assert [_types(job) for job in namespace.jobs(run)] == [[], []]
    wait_until("the Jobs are over", lambda: all(len(_types(job)) == 2 for job in namespace.jobs(run)))


@needs_injection
def test_an_init_container_of_a_service_mesh_that_fails_is_named(namespace: Namespace) -> None:
    """It is no fault of the case: repeated like any other infrastructure fault, with its last line in the status."""
    with injection(namespace, "echo no route to host; exit 5", None):
        run = namespace.run("meshed", container("a", "exit 0"))
        status = namespace.wait_for_end(run)
    assert attempts(namespace, run, status) == [["Errored", "Infrastructure", "InitContainerFailed"]] * 3
    message = failure(status, "a")["message"]
    assert message == "the init container mesh ended with exit code 5; last line: no route to host"


# -- deletion -----------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_run_that_is_deleted_while_no_operator_is_there_is_gone_with_all_that_it_had(namespace: Namespace) -> None:
    """In the foreground, and with the finalizers that the Job controller has on pods: nothing of it is ours to do."""
    run = namespace.run("forgotten", container("a", STUBBORN))
    namespace.wait_for_running(run, "a")
    scale_operator(0)
    try:
        namespace.kubectl("delete", "testrun", run, "--cascade=foreground", "--timeout=60s")
        wait_until("nothing of it is left", lambda: _everything_of(namespace, run) == [], seconds=60)
    finally:
        scale_operator(1)
    assert namespace.objects("testruns") == []


def _everything_of(namespace: Namespace, run: str) -> list[str]:
    kinds = "jobs,pods,configmaps,deployments,services"
    return [f"{found['kind']} {found['metadata']['name']}" for found in _objects(namespace, kinds, run)]


def _objects(namespace: Namespace, kinds: str, run: str) -> list[Body]:
    return namespace.objects(kinds, f"testrun.dev/run={run}")


def test_a_job_that_its_ttl_removes_loses_no_verdict(namespace: Namespace) -> None:
    """Policies put ttlSecondsAfterFinished on every Job; a short one removes it before the run is over."""
    run = namespace.run("short-lived", container("a", "sleep 3"), container("b", "sleep 8"))
    namespace.wait_for_running(run, "a", "b")
    for job in namespace.jobs(run):
        patch = json.dumps({"spec": {"ttlSecondsAfterFinished": 0}})
        namespace.kubectl("patch", "job", job["metadata"]["name"], "--type=merge", "-p", patch)
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 2)
    assert attempts(namespace, run, status) == [["Passed", "", "ExitCodeZero"]] * 2


# -- evidence -----------------------------------------------------------------------------------------------------


def test_the_last_lines_of_a_failed_container_are_its_evidence(namespace: Namespace) -> None:
    """FallbackToLogsOnError puts the end of the log into the pod's status: no further call, and no log to be read."""
    run = namespace.run("talkative", container("a", "echo one; echo the total is wrong; exit 3"))
    status = namespace.wait_for_end(run)
    assert failure(status, "a")["message"] == "expected exit code 0, got 3; last line: the total is wrong"
    wait_for_storing(namespace, run)
    rows: list[Any] = query(
        f"SELECT log_tail FROM noetl_test.regression_attempts WHERE test_run_id = {status['runId']}"
    )
    assert ["the total is wrong"] in rows
