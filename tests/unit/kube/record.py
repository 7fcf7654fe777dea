"""Records what a real cluster shows of a Job and its pod, event by event, for ``test_timelines.py``.

    KUBECONFIG=… PYTHONPATH=tests .venv/bin/python tests/unit/kube/record.py [--namespace NAME] [SCENARIO …]

The Jobs are those that the operator makes; what happens to them is in ``SCENARIOS``. Each timeline has every version of
the Job and of its pods that the watches showed, in the order of their arrival, and the Events of the Job. Names of
machines, addresses and ids are replaced.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.builders import RUN, container_case, record_of, suite_of
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.kube.job import build_job
from testrun_operator.kube.outcomes import stop_patch
from testrun_operator.kube.pods import PodSettings, restricted_container, restricted_pod

Body = dict[str, Any]
FOLDER = Path(__file__).parent / "timelines"
BUSYBOX = "docker.io/library/busybox:1.37"
IMAGE = "docker.io/library/testrun-operator:dev"
"""The operator's own, as `ci/build-image` makes it."""
FAKE_NODE = "jobs-machine-that-is-none"
_PATIENCE_SECONDS = 150.0
_TOLD_AGAIN = frozenset(
    {
        "activeDeadlineSeconds",
        "initContainers",
        "nodeName",
        "parallelism",
        "suspend",
        "terminationGracePeriodSeconds",
        "ttlSecondsAfterFinished",
    }
)
"""What of a spec is kept of every version."""


def kubectl(*words: str, text: str | None = None, check: bool = True) -> str:
    """Run kubectl and return what it prints."""
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode != 0:
        raise SystemExit(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@dataclass
class Stage:
    """A Job of a scenario, and what has been seen of it."""

    namespace: str
    job: Body
    seen: list[Body] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _watches: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the Job."""
        return str(self.job["metadata"]["name"])

    def kubectl(self, *words: str, **more: Any) -> str:
        """Run kubectl in the namespace."""
        return kubectl("-n", self.namespace, *words, **more)

    def watch(self) -> None:
        """Begin to note every version of the Job and its pods."""
        for resource in ("jobs", "pods"):
            words = ["kubectl", "-n", self.namespace, "get", resource, "-w", "--output-watch-events", "-o", "json"]
            process = subprocess.Popen(words, stdout=subprocess.PIPE)
            self._watches.append(process)
            threading.Thread(target=self._note, args=(process,), daemon=True).start()
        time.sleep(1.5)

    def _note(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        decoder, text = json.JSONDecoder(), ""
        while chunk := process.stdout.read1(65536):  # type: ignore[attr-defined]
            text = (text + chunk.decode()).lstrip()
            while text:
                try:
                    event, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                with self._lock:
                    self.seen.append({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **event})

    def stop(self) -> None:
        """End the watches."""
        for process in self._watches:
            process.terminate()

    def versions(self, kind: str) -> list[Body]:
        """Return the versions of the Job or of pods that were seen."""
        with self._lock:
            return [event["object"] for event in self.seen if event["object"]["kind"] == kind]

    def wait(self, what: str, condition: Callable[["Stage"], object], seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until what was seen fulfils a condition."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > deadline:
                sys.stderr.write(f"{self.name}: not seen: {what}\n")
                return
            time.sleep(0.1)

    def pod(self) -> Body:
        """Return the newest version of the pod."""
        return self.versions("Pod")[-1]


def pod_runs(stage: Stage) -> bool:
    """Whether the container of the pod runs."""
    return any("running" in (case_of(pod).get("state") or {}) for pod in stage.versions("Pod"))


def job_is_over(stage: Stage) -> bool:
    """Whether the Job is Complete or Failed."""
    jobs = stage.versions("Job")
    conditions = jobs[-1].get("status", {}).get("conditions", []) if jobs else []
    return any(found["type"] in {"Complete", "Failed"} and found["status"] == "True" for found in conditions)


def is_gone(kind: str) -> Callable[[Stage], bool]:
    """Make a condition: an object was deleted."""
    return lambda stage: any(event["type"] == "DELETED" and event["object"]["kind"] == kind for event in stage.seen)


def case_of(pod: Body) -> Body:
    """Return the status of the container that is judged."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return next((status for status in statuses if status["name"] == "case"), {})


def runs_then(*acts: Callable[[Stage], object], over: Callable[[Stage], bool] = job_is_over) -> Callable[[Stage], None]:
    """Make the course of a scenario: the container runs, something is done, the Job is over."""

    def course(stage: Stage) -> None:
        stage.wait("the container runs", pod_runs)
        time.sleep(2)
        for act in acts:
            act(stage)
        stage.wait("the end", over)

    return course


def ends(stage: Stage) -> None:
    """Wait until the Job is over."""
    stage.wait("the Job is over", job_is_over)


def evict(stage: Stage) -> None:
    """Evict the pod through the API."""
    name = stage.pod()["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": stage.namespace}}
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction"
    stage.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))


def stop(stage: Stage) -> None:
    """Stop the Job as the operator does."""
    is_suspended = stage.versions("Job")[-1]["spec"].get("suspend")
    why = (
        (Verdict.ERRORED, FailureClass.INFRASTRUCTURE, Reason.JOB_SUSPENDED)
        if is_suspended
        else (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT)
    )
    outcome = AttemptOutcome("one", 1, stage.name, *why, "ended by the operator")
    stage.kubectl("patch", "job", stage.name, "--type=merge", "-p", json.dumps(stop_patch(outcome)))


def patch(spec: Body) -> Callable[[Stage], object]:
    """Make an act: change the Job's spec."""
    return lambda stage: stage.kubectl("patch", "job", stage.name, "--type=merge", "-p", json.dumps({"spec": spec}))


def delete(kind: str, *options: str) -> Callable[[Stage], object]:
    """Make an act: delete the Job or the pod."""

    def act(stage: Stage) -> None:
        name = stage.name if kind == "job" else stage.pod()["metadata"]["name"]
        stage.kubectl("delete", kind, name, "--wait=false", *options)

    return act


def pause(seconds: float) -> Callable[[Stage], object]:
    """Make an act: wait."""
    return lambda _: time.sleep(seconds)


def preempt(stage: Stage) -> None:
    """Start a pod of a higher priority that needs the same room."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "important"},
        "spec": {
            "priorityClassName": "jobs-important",
            "terminationGracePeriodSeconds": 0,
            "securityContext": restricted_pod(65532),
            "containers": [
                {
                    "name": "main",
                    "image": BUSYBOX,
                    "command": ["sleep", "20"],
                    "securityContext": restricted_container(),
                    "resources": {"requests": {"cpu": stage.job["_cpu"]}},
                }
            ],
        },
    }
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "jobs-important"},
        "value": 100000,
    }
    kubectl("apply", "-f", "-", text=json.dumps(priority))
    stage.kubectl("apply", "-f", "-", text=json.dumps(pod))
    stage.wait("the Job is over", job_is_over)
    stage.kubectl("delete", "pod", "important", "--force", "--grace-period=0")
    kubectl("delete", "priorityclass", "jobs-important")


def free_cpu() -> str:
    """Return more than half of the CPU that is free, so that two pods of that size do not fit."""
    [node] = [item for item in json.loads(kubectl("get", "nodes", "-o", "json"))["items"] if _is_real(item)]
    used = 0
    for pod in json.loads(kubectl("get", "pods", "-A", "-o", "json"))["items"]:
        if pod["status"].get("phase") in {"Running", "Pending"}:
            for container in pod["spec"]["containers"]:
                used += _millicores(container.get("resources", {}).get("requests", {}).get("cpu", "0"))
    return f"{(_millicores(node['status']['allocatable']['cpu']) - used) * 6 // 10}m"


def _is_real(node: Body) -> bool:
    return node["metadata"]["name"] != FAKE_NODE


def _millicores(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def with_fake_node(stage: Stage, act: Callable[[], object]) -> None:
    """Bind the pod to a node without a kubelet, and let something happen to that."""
    stage.wait("there is a pod", lambda seen: seen.versions("Pod"))
    time.sleep(3)
    act()
    stage.wait("the pod is told to end", lambda seen: "deletionTimestamp" in seen.pod()["metadata"])
    time.sleep(5)
    kubectl("delete", "node", FAKE_NODE, "--ignore-not-found")
    stage.wait("the Job is over", job_is_over)


def make_fake_node() -> None:
    """Register a node that no kubelet is behind, and on which nothing is scheduled."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": FAKE_NODE, "labels": {"kubernetes.io/hostname": FAKE_NODE}},
        "spec": {"unschedulable": True},
    }
    kubectl("apply", "-f", "-", text=json.dumps(node))


def taint(stage: Stage) -> None:
    """Let the taint manager delete the pod."""
    with_fake_node(stage, lambda: kubectl("taint", "node", FAKE_NODE, "jobs/maintenance=soon:NoExecute"))


def lose_node(stage: Stage) -> None:
    """Let the garbage collector of pods delete the pod of a node that is gone."""
    with_fake_node(stage, lambda: kubectl("delete", "node", FAKE_NODE))


@dataclass(frozen=True)
class Scenario:
    """What is done to a Job."""

    script: str = "sleep 1"
    course: Callable[[Stage], None] = ends
    change: Callable[[Body], object] = lambda _: None
    """Changes the manifest before the Job is created."""
    junit: str | None = None
    """Where the container leaves JUnit files."""
    prepare: Callable[[str], object] = lambda _: None
    clean_up: Callable[[str], object] = lambda _: None


JUNIT_FILE = (
    'echo \'<testsuite><testcase name="total"/><testcase name="vat"><failure message="19 != 7"/></testcase>'
    "</testsuite>' > /reports/a.xml"
)


def spec_of(job: Body) -> Body:
    """Return the pod's spec in a Job."""
    spec: Body = job["spec"]["template"]["spec"]
    return spec


def with_init(*containers: Body) -> Callable[[Body], object]:
    """Put init containers into a pod, as a webhook does."""
    defaults = {
        "image": BUSYBOX,
        "securityContext": restricted_container(),
    }
    return lambda job: spec_of(job).update(initContainers=[defaults | container for container in containers])


def sidecar(script: str, **more: Any) -> Body:
    """Return a container that goes on beside the case's."""
    return {"name": "mesh", "restartPolicy": "Always", "command": ["sh", "-c", script], **more}


def in_pod(**fields: Any) -> Callable[[Body], object]:
    """Set fields of the pod's spec."""
    return lambda job: spec_of(job).update(fields)


def in_container(**fields: Any) -> Callable[[Body], object]:
    """Set fields of the case's container."""
    return lambda job: spec_of(job)["containers"][0].update(fields)


def big(job: Body) -> None:
    """Let a pod need more than half of the free CPU."""
    job["_cpu"] = free_cpu()
    in_container(resources={"requests": {"cpu": job["_cpu"]}})(job)


def quota(spec: Body) -> Callable[[str], object]:
    """Put a quota on the namespace."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"}, "spec": {"hard": spec}}
    return lambda namespace: kubectl("-n", namespace, "apply", "-f", "-", text=json.dumps(body))


def no_quota(namespace: str) -> None:
    """Take the quota away again."""
    kubectl("-n", namespace, "delete", "resourcequota", "compute", "--ignore-not-found")


def policy(namespace: str) -> None:
    """Put a policy on the namespace that refuses every pod without a label."""
    rule = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "jobs-cost-centre"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [
                {
                    "expression": "has(object.metadata.labels) && 'cost-centre' in object.metadata.labels",
                    "message": "every pod needs the label cost-centre",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "jobs-cost-centre"},
        "spec": {
            "policyName": "jobs-cost-centre",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
        },
    }
    for body in (rule, binding):
        kubectl("apply", "-f", "-", text=json.dumps(body))
    time.sleep(5)


def no_policy(_: str) -> None:
    """Take the policy away again."""
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        kubectl("delete", kind, "jobs-cost-centre", "--ignore-not-found")


def refused(stage: Stage) -> None:
    """Wait until the Job controller has said that it cannot create the pod."""
    selector = f"involvedObject.name={stage.name},reason=FailedCreate"
    stage.wait("it is told", lambda _: "FailedCreate" in stage.kubectl("get", "events", "--field-selector", selector))
    time.sleep(3)


STUBBORN = "trap '' TERM; sleep 300"
OBEDIENT = "trap 'exit 0' TERM; sleep 300 & wait"
FAILING = "echo first; echo the total is wrong; exit 3"

SCENARIOS = {
    "passed": Scenario(),
    "failed": Scenario(FAILING),
    "out-of-memory": Scenario(
        "x=a; while true; do x=$x$x; done", change=in_container(resources={"limits": {"memory": "16Mi"}})
    ),
    "command-missing": Scenario(change=in_container(command=["/no/such/file"])),
    "stopped": Scenario(STUBBORN, runs_then(stop)),
    "stopped-before-it-ran": Scenario(
        change=in_container(image="registry.invalid/no/such:image"),
        course=lambda stage: (
            stage.wait("it waits", lambda seen: "ErrImagePull" in json.dumps(seen.versions("Pod"))),
            stop(stage),
            ends(stage),
        ),
    ),
    "evicted": Scenario(OBEDIENT, runs_then(evict)),
    "evicted-stubborn": Scenario(STUBBORN, runs_then(evict)),
    "deleted": Scenario("trap 'exit 1' TERM; sleep 300 & wait", runs_then(delete("pod"))),
    "deleted-with-force": Scenario(STUBBORN, runs_then(delete("pod", "--force", "--grace-period=0"))),
    "preempted": Scenario(STUBBORN, runs_then(preempt), change=big),
    "tainted": Scenario(course=taint, change=in_pod(nodeName=FAKE_NODE), prepare=lambda _: make_fake_node()),
    "node-gone": Scenario(course=lose_node, change=in_pod(nodeName=FAKE_NODE), prepare=lambda _: make_fake_node()),
    "storage-limit": Scenario(
        "head -c 20000000 /dev/zero > /data/a; sleep 300",
        runs_then(),
        change=lambda job: (
            in_container(
                resources={"limits": {"ephemeral-storage": "2Mi"}},
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            )(job),
            in_pod(volumes=[{"name": "data", "emptyDir": {}}])(job),
        ),
    ),
    "sidecar-passed": Scenario(change=with_init(sidecar("sleep 300"))),
    "sidecar-failed": Scenario(FAILING, change=with_init(sidecar("trap '' TERM; sleep 300"))),
    "sidecar-beyond-deadline": Scenario(
        "sleep 1; exit 3",
        change=lambda job: (
            with_init(sidecar("trap '' TERM; sleep 300"))(job),
            in_pod(activeDeadlineSeconds=8, terminationGracePeriodSeconds=20)(job),
        ),
    ),
    "sidecar-crashing": Scenario(
        course=lambda stage: (
            stage.wait("it waits", lambda seen: "CrashLoopBackOff" in json.dumps(seen.versions("Pod"))),
            stop(stage),
            ends(stage),
        ),
        change=with_init(sidecar("exit 1", startupProbe={"exec": {"command": ["false"]}, "failureThreshold": 100})),
    ),
    "junit-passed": Scenario(f"{JUNIT_FILE}; sleep 1", junit="/reports/*.xml"),
    "junit-failed": Scenario(f"{JUNIT_FILE}; sleep 1; exit 1", junit="/reports/*.xml"),
    "init-failed": Scenario(
        change=with_init(
            {
                "name": "set-up",
                "command": ["sh", "-c", "echo no route to host >&2; exit 5"],
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        )
    ),
    "init-image-missing": Scenario(
        course=lambda stage: (
            stage.wait("it waits", lambda seen: "ErrImagePull" in json.dumps(seen.versions("Pod"))),
            stop(stage),
            ends(stage),
        ),
        change=with_init({"name": "set-up", "image": "registry.invalid/no/such:image"}),
    ),
    "suspended": Scenario(
        STUBBORN, runs_then(patch({"suspend": True}), pause(3), stop, pause(14), patch({"suspend": False}))
    ),
    "suspended-from-the-start": Scenario(
        course=lambda stage: (time.sleep(4), patch({"suspend": False})(stage), ends(stage)),
        change=lambda job: job["spec"].update(suspend=True),
    ),
    "beyond-deadline": Scenario("sleep 300", change=in_pod(activeDeadlineSeconds=4)),
    "beyond-deadline-stubborn": Scenario(STUBBORN, change=in_pod(activeDeadlineSeconds=4)),
    "beyond-deadline-before-it-ran": Scenario(
        change=lambda job: (
            in_container(image="registry.invalid/no/such:image")(job),
            in_pod(activeDeadlineSeconds=6)(job),
        )
    ),
    "removed-by-ttl": Scenario(
        change=lambda job: job["spec"].update(ttlSecondsAfterFinished=0),
        course=lambda stage: stage.wait("the Job is gone", is_gone("Job")),
    ),
    "job-deleted": Scenario(STUBBORN, runs_then(delete("job"), over=is_gone("Pod"))),
    "job-deleted-in-the-foreground": Scenario(
        STUBBORN, runs_then(delete("job", "--cascade=foreground"), over=is_gone("Job"))
    ),
    "refused-by-quota": Scenario(course=refused, prepare=quota({"pods": "0"}), clean_up=no_quota),
    "refused-for-want-of-limits": Scenario(course=refused, prepare=quota({"limits.cpu": "4"}), clean_up=no_quota),
    "refused-by-pod-security": Scenario(course=refused, change=in_pod(hostNetwork=True)),
    "refused-by-policy": Scenario(course=refused, prepare=policy, clean_up=no_policy),
}


def manifest(name: str, scenario: Scenario, namespace: str) -> Body:
    """Make the Job of a scenario, as the operator makes it."""
    case = container_case("one", timeout="1m")
    case["container"] = {"image": BUSYBOX, "command": ["sh", "-c", scenario.script], "runAsUser": 65532}
    if scenario.junit is not None:
        case["container"]["junit"] = scenario.junit
    record = record_of(suite_of(case))
    [planned] = record.to_execution().cases
    settings = PodSettings(IMAGE, "IfNotPresent", (), {}, timedelta(minutes=6))
    job: Body = build_job(RUN, record, StartAttempt(planned, 1, 0, 0), {}, {}, settings).job
    del job["metadata"]["ownerReferences"]
    job["metadata"] |= {"name": name, "namespace": namespace}
    scenario.change(job)
    return job


def record(name: str, namespace: str) -> None:
    """Let a scenario happen, and write its timeline."""
    scenario = SCENARIOS[name]
    scenario.prepare(namespace)
    job = manifest(name, scenario, namespace)
    stage = Stage(namespace, job)
    stage.watch()
    try:
        stage.kubectl("create", "-f", "-", text=json.dumps({key: job[key] for key in job if key != "_cpu"}))
        scenario.course(stage)
        time.sleep(1.5)
        events = json.loads(
            stage.kubectl("get", "events", "-o", "json", "--field-selector", f"involvedObject.name={name}")
        )["items"]
    finally:
        stage.stop()
        scenario.clean_up(namespace)
        stage.kubectl("delete", "job", name, "--wait=true", "--ignore-not-found", "--cascade=foreground", check=False)
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    own = [
        event
        for event in stage.seen
        if name in json.dumps(event["object"]["metadata"].get("labels", {}))
        or event["object"]["metadata"]["name"] == name
    ]
    timeline = {
        "kubernetes": version,
        "events": [
            {key: event[key] for key in ("type", "reason", "message", "count", "lastTimestamp") if key in event}
            for event in events
        ],
    }
    first = {event["object"]["kind"]: index for index, event in reversed([*enumerate(own)])}
    lines = [json.dumps(timeline, ensure_ascii=False)]
    for index, event in enumerate(own):
        lines.append(json.dumps(_slim(event, whole=index in first.values()), ensure_ascii=False))
    text = _anonymous("\n".join(lines), namespace)
    (FOLDER / f"{name}.jsonl").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{name}: {len(own)} versions\n")


def _slim(event: Body, *, whole: bool) -> Body:
    """Leave out of an object what says nothing of its course, and of the later versions what is as in the first."""
    body = event["object"]
    metadata = body["metadata"]
    for noise in ("managedFields", "resourceVersion", "uid"):
        metadata.pop(noise, None)
    for owner in metadata.get("ownerReferences", []):
        owner.pop("uid", None)
    template = body["spec"].get("template", {})
    for known in (metadata.get("labels", {}), template.get("metadata", {}).get("labels", {})):
        for name in ("controller-uid", "batch.kubernetes.io/controller-uid"):
            known.pop(name, None)
    body["spec"].pop("selector", None)
    if not whole:
        body["spec"] = {name: value for name, value in body["spec"].items() if name in _TOLD_AGAIN}
    for status in body["status"].get("containerStatuses", []) + body["status"].get("initContainerStatuses", []):
        for noise in ("volumeMounts", "user", "allocatedResources", "resources"):
            status.pop(noise, None)
    return event


def _anonymous(text: str, namespace: str) -> str:
    machine = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    for node in machine:
        name = node["metadata"]["name"]
        if name != FAKE_NODE:
            text = re.sub(rf"\b{re.escape(name)}\b", "node-1", text)
    text = text.replace(FAKE_NODE, "node-2").replace(namespace, "team")
    text = re.sub(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", "192.0.2.1", text)
    text = re.sub(r"containerd://[0-9a-f]{12,}", "containerd://0", text)
    return re.sub(r"sha256:[0-9a-f]{64}", "sha256:0", text)


def main() -> None:
    """Record the scenarios that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--namespace", default="jobs-recording")
    given = parser.parse_args()
    kubectl("create", "namespace", given.namespace, check=False)
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", given.namespace, label, "--overwrite")
    for name in given.scenarios or SCENARIOS:
        record(name, given.namespace)


if __name__ == "__main__":
    main()
