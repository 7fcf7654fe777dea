"""Faults that come as objects of Kubernetes: evictions, a drain, quota, replicas; clocks, by an admission policy."""

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import yaml

from chaos import machine
from chaos.scene import Scene, operators_ready, tolerant, until
from support.cluster import (
    OPERATOR,
    POSTGRES,
    SYSTEM_NAMESPACE,
    Body,
    _pids_of_container,
    kubectl,
)

OFF_BY = "15m"
FAR_OFF = timedelta(minutes=14)
POSTGRES_AWAY_SECONDS = 120.0
LEASE_SECONDS = 60.0


def evict(scene: Scene, pod: str) -> None:
    """Ask the API server for the eviction of a pod, as a drain does."""
    name = scene.namespace.name
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    path = f"/api/v1/namespaces/{name}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", text=json.dumps(body), check=False)


def drained(scene: Scene) -> None:
    """Cordon the node, evict everything of the run, and let it be used again."""
    scene.wait_for_running(2)
    (node,) = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    scene.cleanup.callback(kubectl, "uncordon", node)
    kubectl("drain", node, "--force", f"--pod-selector=testrun.dev/run={scene.run}", "--timeout=60s")
    scene.note("the node is drained of the run's pods")
    scene.pause(15, 20)
    kubectl("uncordon", node)
    scene.note_end("uncordoned")


def postgres_stopped(scene: Scene) -> None:
    """Stop Postgres for minutes, beyond the end of the run."""
    scene.wait_for_running(1)
    name = f"statefulset/{POSTGRES}"

    def back() -> None:
        kubectl("-n", SYSTEM_NAMESPACE, "scale", name, "--replicas=1")
        kubectl("-n", SYSTEM_NAMESPACE, "rollout", "status", name, "--timeout=120s")

    scene.cleanup.callback(back)
    kubectl("-n", SYSTEM_NAMESPACE, "scale", name, "--replicas=0")
    scene.note(f"Postgres is stopped for {POSTGRES_AWAY_SECONDS:.0f} s")
    time.sleep(POSTGRES_AWAY_SECONDS)


def quota(scene: Scene) -> None:
    """Let one pod in at a time, then none, then all."""
    scene.wait_for_running(1)
    for pods, seconds in (("1", 40), ("0", 20)):
        body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
        scene.namespace.kubectl("apply", "-f", "-", text=yaml.safe_dump(body | {"spec": {"hard": {"pods": pods}}}))
        scene.note(f"quota: {pods} pods")
        scene.pause(seconds, seconds)
    scene.namespace.kubectl("delete", "resourcequota", "full")
    scene.note_end("quota removed")


def two_operators(scene: Scene) -> None:
    """Have a second operator wait, and kill the one that leads, twice."""
    _second_operator(scene)
    for _ in range(2):
        scene.pause(2, 5)
        leader = _leader()
        for process in _processes_of(leader):
            os.kill(process, 9)
        kubectl("-n", SYSTEM_NAMESPACE, "delete", "pod", leader, "--grace-period=0", "--force", check=False)
        scene.note("the leader is killed and gone")
        _wait_for_another_than(leader)


def leader_paused(scene: Scene) -> None:
    """Stop the leader until another one leads, then let it go on: two of them believe that they lead."""
    _second_operator(scene)
    leader = _leader()
    with machine.stopped(*_processes_of(leader)):
        scene.note("SIGSTOP of the leader")
        _wait_for_another_than(leader)
        scene.pause(1, 3)
    scene.note_end("SIGCONT, while another one leads")


def _second_operator(scene: Scene) -> None:
    deployment = f"deployment/{OPERATOR}"

    def one() -> None:
        kubectl("-n", SYSTEM_NAMESPACE, "scale", deployment, "--replicas=1")
        until(lambda: len(operators_ready()) == 1, "one operator is ready", 120)

    scene.cleanup.callback(one)
    kubectl("-n", SYSTEM_NAMESPACE, "scale", deployment, "--replicas=2")
    _wait_for(lambda: len(_pods()) == 2, "there are two operators")
    scene.pause(4, 6)


def _pods() -> list[Body]:
    words = ("-n", SYSTEM_NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "json")
    printed = tolerant(lambda: kubectl(*words))
    items: list[Body] = json.loads(printed)["items"] if printed else []
    return [pod for pod in items if pod["status"].get("phase") == "Running"]


def _leader() -> str:
    words = ("-n", SYSTEM_NAMESPACE, "get", "lease", "testrun-operator", "-o", "jsonpath={.spec.holderIdentity}")
    return str(tolerant(lambda: kubectl(*words)) or "")


def _processes_of(name: str) -> list[int]:
    for pod in _pods():
        if pod["metadata"]["name"] == name:
            return _pids_of_container(pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2])
    return []


def _wait_for_another_than(leader: str) -> None:
    _wait_for(lambda: _leader() not in {"", leader}, "the other one leads")


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    until(condition, what, LEASE_SECONDS)


def clock_behind(scene: Scene) -> None:
    """Have the node's clock behind by a quarter of an hour: all that its kubelet says of the run's pods."""
    _clock(scene, "-")


def clock_ahead(scene: Scene) -> None:
    """Have the node's clock ahead by as much."""
    _clock(scene, "+")


def _clock(scene: Scene, sign: str) -> None:
    # Kubernetes' programs are not linked to a libc that could be told another time (libfaketime), and a namespace of
    # the kernel has no wall clock of its own. So the times are changed where the kubelet hands them over.
    name = f"chaos-clock-{scene.namespace.name}"
    scene.cleanup.callback(
        kubectl, "delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", name, "--ignore-not-found"
    )
    kubectl("apply", "-f", "-", text=yaml.safe_dump_all(_policy(name, scene.namespace.name, sign)))
    until(lambda: any(_is_shifted(pod) for pod in scene.pods()), "a container starts at a time that is far off", 60)
    scene.note(f"the kubelet's clock {sign}{OFF_BY}")


def _is_shifted(pod: Body) -> bool:
    states = [found["state"] for found in pod["status"].get("containerStatuses", [])]
    starts = [state.get("startedAt") for found in states for state in found.values() if state.get("startedAt")]
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return any(abs(datetime.fromisoformat(start) - created) > FAR_OFF for start in starts)


def _policy(name: str, namespace: str, sign: str) -> list[Body]:
    states = {"running": ("startedAt",), "terminated": ("startedAt", "finishedAt")}
    patches = []
    for state, fields in states.items():
        where = f"object.status.containerStatuses[0].state.{state}"
        there = (
            "has(object.status.containerStatuses) && size(object.status.containerStatuses) > 0"
            f" && has(object.status.containerStatuses[0].state.{state})"
        )
        shifted = ", ".join(
            f'JSONPatch{{op: "replace", path: "/status/containerStatuses/0/state/{state}/{field}",'
            f' value: string(timestamp({where}.{field}) {sign} duration("{OFF_BY}"))}}'
            for field in fields
        )
        patches.append({"patchType": "JSONPatch", "jsonPatch": {"expression": f"{there} ? [{shifted}] : []"}})
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods/status"]}
    version = "admissionregistration.k8s.io/v1"
    policy = {
        "apiVersion": version,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            },
            # What others write of a pod has been shifted before, and is not the kubelet's clock.
            "matchConditions": [{"name": "kubelet", "expression": '"system:nodes" in request.userInfo.groups'}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": patches,
        },
    }
    binding = {
        "apiVersion": version,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    return [policy, binding]
