"""An API server in memory: the calls of :class:`testrun_operator.kube.client.KubernetesClient` on plain dicts.

The objects are kept as the API server would send them, and an :class:`ClusterCache` reads them by the functions that
kopf's indices are filled with. A test plays the other parts: the Job controller, the kubelet, people. Jobs end as they
do from Kubernetes 1.31 on: ``SuccessCriteriaMet`` or ``FailureTarget`` first, ``Complete`` or ``Failed`` once every pod
has ended; a Job whose deadline passes has its pods deleted, and they go on for as long as their grace period.
"""

import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from support.builders import NOON
from testrun_operator.api.junit import READER
from testrun_operator.api.report import Report, encode
from testrun_operator.controller import indexing
from testrun_operator.controller.cache import ClusterCache
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import (
    CONFIGMAPS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    PODS,
    SERVICES,
    TESTRUNS,
    TESTSUITES,
    KubernetesClient,
)
from testrun_operator.kube.observe import CONTAINER
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.resources.status import format_time

Body = dict[str, Any]
NAMESPACE = "team"
_GRACE_SECONDS = 10
_ANNOUNCEMENTS = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}
_Objects = dict[str, dict[tuple[str, str], Body]]


def merge(target: Body, patch: Mapping[str, Any]) -> None:
    """Merge a patch into an object, as RFC 7386 says."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            merge(target[name], value)
        else:
            target[name] = copy.deepcopy(value)


def _init_containers(job: Body) -> Body:
    template = job.get("spec", {}).get("template", {}).get("spec", {})
    return {"initContainers": template["initContainers"]} if "initContainers" in template else {}


def is_over(job: Body) -> bool:
    """Whether the Job controller has said that a Job is Complete or Failed."""
    return any(found["type"] in _ANNOUNCEMENTS for found in job.get("status", {}).get("conditions", []))


@dataclass
class _Trouble:
    """A call that will not go well."""

    verb: str
    resource: str
    error: Exception
    is_done: bool
    """Whether the call is carried out all the same, and only its answer is lost."""


class MemoryCluster:
    """The API server, its clock, and what a test does in the place of Kubernetes and of people."""

    def __init__(self) -> None:
        self.now = NOON
        self.objects: _Objects = {}
        self.logs: dict[str, str] = {}
        """Logs of pods, by the pod's name."""
        self.client = MemoryClient(self)
        self.is_down = False
        """Whether no call is answered."""
        self._troubles: list[_Trouble] = []
        self.patches: list[Body] = []
        """The patches that were sent, the oldest first."""
        self._shown: _Objects | None = None
        self._uids = 0
        self.cache = ClusterCache(
            runs_index=_View(self, TESTRUNS, indexing.index_run),
            suites_index=_View(self, TESTSUITES, indexing.index_suite),
            records_index=_View(self, CONFIGMAPS, indexing.index_record),
            jobs_index=_View(self, JOBS, indexing.index_job),
            pods_index=_View(self, PODS, indexing.index_pod),
            deployments_index=_View(self, DEPLOYMENTS, indexing.index_deployment),
            services_index=_View(self, SERVICES, indexing.index_service),
        )

    # -- the clock and the watches --------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """Return the time."""
        return self.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def lag_behind(self) -> None:
        """Let the watches show nothing of what happens from now on."""
        self._shown = copy.deepcopy(self.objects)

    def catch_up(self) -> None:
        """Let the watches show everything again."""
        self._shown = None

    def shown(self, resource: str) -> Collection[Body]:
        """Return the objects of a resource as the watches show them."""
        objects = self.objects if self._shown is None else self._shown
        return list(objects.get(resource, {}).values())

    # -- trouble --------------------------------------------------------------------------------------------------

    def fail_next(self, verb: str, resource: str, *, is_done: bool = False) -> None:
        """Give no answer to the next such call.

        Args:
            verb: as in RBAC.
            resource: as the client counts it.
            is_done: whether it is carried out all the same.
        """
        error = ClusterUnavailable(f"{verb} {resource}: no answer")
        self._troubles.append(_Trouble(verb, resource, error, is_done))

    def refuse_next(self, verb: str, resource: str, status: int, message: str = "no") -> None:
        """Refuse the next such call."""
        self._troubles.append(_Trouble(verb, resource, Refused(status, "", message), is_done=False))

    def answer_next(self, verb: str, resource: str, error: Exception) -> None:
        """End the next such call with an error, as the client tells it."""
        self._troubles.append(_Trouble(verb, resource, error, is_done=False))

    def take_trouble(self, verb: str, resource: str) -> tuple[Exception | None, bool]:
        """Return the error that a call is to end with, and whether it is carried out all the same."""
        if self.is_down:
            return ClusterUnavailable(f"{verb} {resource}: no answer"), False
        for trouble in self._troubles:
            if (trouble.verb, trouble.resource) == (verb, resource):
                self._troubles.remove(trouble)
                return trouble.error, trouble.is_done
        return None, False

    # -- objects --------------------------------------------------------------------------------------------------

    def put(self, resource: str, body: Body) -> Body:
        """Store a new object."""
        stored = copy.deepcopy(body)
        metadata = stored["metadata"]
        self._uids += 1
        metadata.setdefault("uid", f"uid-{self._uids}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", format_time(self.now))
        self.objects.setdefault(resource, {})[metadata["namespace"], metadata["name"]] = stored
        return stored

    def find(self, resource: str, name: str, namespace: str = NAMESPACE) -> Body:
        """Return an object, as the API server has it."""
        return self.objects[resource][namespace, name]

    def all(self, resource: str) -> list[Body]:
        """Return all objects of a resource, as the API server has them, the oldest first."""
        return list(self.objects.get(resource, {}).values())

    def delete(self, resource: str, name: str, namespace: str = NAMESPACE) -> Body:
        """Delete an object; of a Job, its pods with it."""
        body = self.objects[resource].pop((namespace, name))
        if resource == JOBS:
            for pod in self.pods_of(name):
                self.delete(PODS, pod["metadata"]["name"], namespace)
        return body

    # -- people ---------------------------------------------------------------------------------------------------

    def apply_run(self, name: str, spec: object, namespace: str = NAMESPACE) -> Body:
        """Create a TestRun, or change its spec; people take a second for that."""
        return self._apply(TESTRUNS, "TestRun", name, spec, namespace)

    def apply_suite(self, name: str, spec: object, namespace: str = NAMESPACE) -> Body:
        """Create a TestSuite, or change its spec."""
        return self._apply(TESTSUITES, "TestSuite", name, spec, namespace)

    def _apply(self, resource: str, kind: str, name: str, spec: object, namespace: str) -> Body:
        found = self.objects.get(resource, {}).get((namespace, name))
        if found is None:
            return self.put(
                resource,
                {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": kind,
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": spec,
                    "status": {"observedGeneration": -1},
                },
            )
        if found["spec"] != spec:
            found["spec"] = copy.deepcopy(spec)
            found["metadata"]["generation"] += 1
            self.pass_time(1)
        return found

    def status(self, name: str, namespace: str = NAMESPACE) -> Body:
        """Return the status of a TestRun."""
        status: Body = self.find(TESTRUNS, name, namespace)["status"]
        return status

    def reasons_of_events(self) -> list[str]:
        """Return the reasons of all Events, the oldest first."""
        return [event["reason"] for event in self.all(EVENTS)]

    # -- the Job controller and the kubelet ---------------------------------------------------------------------

    def job(self, case: str, attempt: int = 1) -> Body:
        """Return the newest Job of an attempt."""
        found = [
            job
            for job in self.all(JOBS)
            if job["metadata"]["labels"][labels.CASE] == case
            and job["metadata"]["labels"][labels.ATTEMPT] == str(attempt)
        ]
        return found[-1]

    def pods_of(self, job: str) -> list[Body]:
        """Return the pods of a Job."""
        return [pod for pod in self.all(PODS) if pod["metadata"]["labels"]["job-name"] == job]

    def run_pod(self, job: Body) -> Body:
        """Bring up the pod of a Job, and let its container run."""
        metadata = job["metadata"]
        own = {"batch.kubernetes.io/job-name": metadata["name"], "batch.kubernetes.io/controller-uid": metadata["uid"]}
        body = {
            "metadata": {
                "name": f"{metadata['name']}-pod",
                "namespace": metadata["namespace"],
                "labels": metadata["labels"] | own | {"job-name": metadata["name"]},
                "finalizers": ["batch.kubernetes.io/job-tracking"],
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": {"nodeName": "node-1", **_init_containers(job)},
        }
        pod = self.put(PODS, body)
        self._set_state(pod, "Running", {"running": {"startedAt": format_time(self.now)}})
        job["status"] = {"startTime": format_time(self.now), "active": 1, "ready": 1, "terminating": 0}
        return pod

    def end_beside_sidecar(self, pod: Body, exit_code: int = 0) -> None:
        """Let the container of a case end while another one of its pod goes on."""
        now = format_time(self.now)
        ended = {"exitCode": exit_code, "startedAt": now, "finishedAt": now}
        self._set_state(pod, "Running", {"terminated": ended})
        pod["status"]["containerStatuses"].append({"name": "proxy", "state": {"running": {"startedAt": now}}})

    def end_before_reader(self, pod: Body, exit_code: int = 0) -> None:
        """Let the container of a case end while the reader of its JUnit files has not."""
        now = format_time(self.now)
        self._set_state(pod, "Running", {"terminated": {"exitCode": exit_code, "startedAt": now, "finishedAt": now}})
        pod["status"]["initContainerStatuses"] = [{"name": READER, "started": True, "state": {"running": {}}}]

    def end_reader(self, job: Body, report: Report | None, exit_code: int = 0) -> None:
        """Let the reader of a case's JUnit files report, or end without a report, and the pod be over with it."""
        [pod] = self.pods_of(job["metadata"]["name"])
        message, block = encode(report) if report is not None else (b"", "")
        self.logs[f"{pod['metadata']['name']}/{READER}"] = block
        case = pod["status"]["containerStatuses"][0]["state"]
        phase = "Succeeded" if case["terminated"]["exitCode"] == 0 else "Failed"
        self._set_state(pod, phase, case)
        ended = {"exitCode": exit_code, "message": message.decode()}
        pod["status"]["initContainerStatuses"] = [{"name": READER, "started": False, "state": {"terminated": ended}}]
        self.finish_job(job, "Complete" if phase == "Succeeded" else "Failed")

    def delete_gracefully(self, job: Body) -> None:
        """Let the pods of a Job be deleted: they run on until they end, or their grace period does."""
        pods = self.pods_of(job["metadata"]["name"])
        for pod in pods:
            gone_at = format_time(self.now + timedelta(seconds=_GRACE_SECONDS))
            pod["metadata"] |= {"deletionTimestamp": gone_at, "deletionGracePeriodSeconds": _GRACE_SECONDS}
        self.announce_end(job, "Failed", terminating=len(pods))

    def end_stopped_container(self, job: Body, exit_code: int = 137) -> None:
        """Let the kubelet end the container of a Job that was stopped, and say so; its pod is still there."""
        for pod in self.pods_of(job["metadata"]["name"]):
            state = pod["status"]["containerStatuses"][0]["state"]
            started_at = state.get("running", {}).get("startedAt")
            ended = {"exitCode": exit_code, "startedAt": started_at, "finishedAt": format_time(self.now)}
            self._set_state(pod, "Failed", {"terminated": ended})

    def end_deleted_pods(self, job: Body) -> None:
        """Let the pods of a Job that are being deleted end and go, and the Job be over."""
        for pod in self.pods_of(job["metadata"]["name"]):
            self.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        self.finish_job(job, "Failed")

    def end_pod(self, job: Body, exit_code: int = 0, message: str = "") -> Body:
        """Let the container of a Job end, and the Job with it."""
        pods = self.pods_of(job["metadata"]["name"])
        pod = pods[0] if pods else self.run_pod(job)
        state = {
            "exitCode": exit_code,
            "message": message,
            "startedAt": format_time(self.now),
            "finishedAt": format_time(self.now),
        }
        self._set_state(pod, "Succeeded" if exit_code == 0 else "Failed", {"terminated": state})
        self.finish_job(job, "Complete" if exit_code == 0 else "Failed")
        return pod

    def report(self, job: Body, report: Report) -> Body:
        """Let the runner of a Job report, and end."""
        message, block = encode(report)
        pod = self.end_pod(job, 0 if report.failure_class is None else 1, message.decode())
        self.logs[pod["metadata"]["name"]] = block
        return pod

    def finish_job(self, job: Body, state: str) -> None:
        """Let the Job controller say that a Job is over."""
        self.announce_end(job, state)
        job["status"]["conditions"].append(self._condition(state))

    def announce_end(self, job: Body, state: str, *, terminating: int = 0) -> None:
        """Let the Job controller say how a Job is going to end, while its pods still end."""
        status = job.setdefault("status", {})
        status |= {"active": 0, "ready": 0, "terminating": terminating}
        announced = self._condition(_ANNOUNCEMENTS[state])
        known = [found for found in status.get("conditions", []) if found["type"] == announced["type"]]
        status["conditions"] = known or [announced]

    def _condition(self, kind: str) -> Body:
        return {"type": kind, "status": "True", "lastTransitionTime": format_time(self.now)}

    def make_ready(self, deployment: Body) -> None:
        """Let the pod of a Deployment answer."""
        generation = deployment["metadata"]["generation"]
        deployment["status"] = {"readyReplicas": 1, "observedGeneration": generation}

    def _set_state(self, pod: Body, phase: str, state: Body) -> None:
        written = {"manager": "kubelet", "subresource": "status", "time": format_time(self.now)}
        pod["metadata"]["managedFields"] = [written]
        pod["status"] = {"phase": phase, "containerStatuses": [{"name": CONTAINER, "state": state}]}


class MemoryClient(KubernetesClient):
    """The calls of the operator, on a cluster in memory."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self.calls: Counter[tuple[str, str]] = Counter()
        self.warnings: Counter[str] = Counter()

    @property
    def writes(self) -> Counter[tuple[str, str]]:
        """The calls that change something."""
        return Counter({key: count for key, count in self.calls.items() if key[0] not in {"get", "list"}})

    def _carry_out(self, verb: str, resource: str, work: Callable[[], Any]) -> Any:
        self.calls[verb, resource] += 1
        error, is_done = self._cluster.take_trouble(verb, resource)
        if error is None:
            return copy.deepcopy(work())
        if is_done:
            work()
        raise error

    def _find(self, resource: str, namespace: str, name: str) -> Body:
        found = self._cluster.objects.get(resource, {}).get((namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f"{resource} {name!r} not found")
        return found

    def now(self) -> datetime:
        """Return the cluster's time."""
        return self._cluster.now

    async def close(self) -> None:
        """There is nothing to close."""

    async def create(self, resource: str, namespace: str, body: Body) -> Body:
        """Create an object."""

        def work() -> Body:
            name = body["metadata"]["name"]
            assert body["metadata"]["namespace"] == namespace
            if (namespace, name) in self._cluster.objects.get(resource, {}):
                raise Refused(409, "AlreadyExists", f"{resource} {name!r} already exists")
            return self._cluster.put(resource, body)

        return self._carry_out("create", resource, work)

    async def get(self, resource: str, namespace: str, name: str) -> Body | None:
        """Read an object; None if it does not exist."""
        return self._carry_out("get", resource, lambda: self._cluster.objects.get(resource, {}).get((namespace, name)))

    async def list(self, resource: str, namespace: str | None, **query: str) -> tuple[Body, ...]:
        """List objects; of the selectors, only those of labels, of the object of an Event, and its name, are known."""

        def matches(body: Body) -> bool:
            selected = _selects(query.get("labelSelector", ""), body["metadata"].get("labels") or {})
            fields = {f"involvedObject.{name}": value for name, value in body.get("involvedObject", {}).items()}
            fields |= {"type": body.get("type", ""), "reason": body.get("reason", "")}
            fields |= {"metadata.name": body["metadata"]["name"]}
            return selected and _selects(query.get("fieldSelector", ""), fields)

        return self._carry_out(
            "list",
            resource,
            lambda: tuple(
                body
                for (where, _), body in self._cluster.objects.get(resource, {}).items()
                if namespace in {None, where} and matches(body)
            ),
        )

    async def patch(self, resource: str, namespace: str, name: str, body: Body) -> Body:
        """Merge a patch into an object."""

        def work() -> Body:
            found = self._find(resource, namespace, name)
            merge(found, body)
            self._cluster.patches.append(copy.deepcopy(body))
            if resource == JOBS and "activeDeadlineSeconds" in body.get("spec", {}) and not is_over(found):
                self._cluster.delete_gracefully(found)
            return found

        return self._carry_out("patch", resource, work)

    async def replace(self, resource: str, namespace: str, name: str, path: str, value: Body) -> Body:
        """Replace a part of an object, which must be there."""

        def work() -> Body:
            found = self._find(resource, namespace, name)
            *way, last = path.strip("/").split("/")
            part = found
            for step in way:
                part = part[step]
            assert last in part
            part[last] = copy.deepcopy(value)
            return found

        return self._carry_out("patch", resource, work)

    async def write_status(
        self, resource: str, namespace: str, name: str, uid: str, status: Body, *, whole: bool = True
    ) -> Body:
        """Write an object's status, or some fields of it."""

        def work() -> Body:
            found = self._find(resource, namespace, name)
            if found["metadata"]["uid"] != uid:
                raise Refused(404, "NotFound", f"{name} was replaced by another one of its name")
            found["status"] = ({} if whole else found.get("status", {})) | copy.deepcopy(status)
            return found

        return self._carry_out("patch", f"{resource}/status", work)

    async def update(self, resource: str, namespace: str, name: str, body: Body) -> Body:
        """Replace an object."""

        def work() -> Body:
            self._find(resource, namespace, name)
            self._cluster.objects[resource][namespace, name] = copy.deepcopy(body)
            return body

        return self._carry_out("update", resource, work)

    async def delete(self, resource: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object. One that does not exist is fine, and another one of its name stays."""

        def work() -> None:
            found = self._cluster.objects.get(resource, {}).get((namespace, name))
            if found is not None and found["metadata"]["uid"] == uid:
                self._cluster.delete(resource, name, namespace)

        self._carry_out("delete", resource, work)

    async def delete_collection(self, resource: str, namespace: str, label_selector: str) -> None:
        """Delete all objects that labels select."""

        def work() -> None:
            for where, name in list(self._cluster.objects.get(resource, {})):
                own = self._cluster.find(resource, name, where)["metadata"].get("labels") or {}
                if where == namespace and _selects(label_selector, own):
                    self._cluster.delete(resource, name, where)

        self._carry_out("deletecollection", resource, work)

    async def read_log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "case",
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
    ) -> str:
        """Read the log of a pod: by its name that of the case's container, with a slash and a name that of others."""

        def work() -> str:
            self._find(PODS, namespace, pod)
            name = pod if container == "case" else f"{pod}/{container}"
            lines = self._cluster.logs.get(name, "").splitlines()
            return "\n".join(lines[-tail_lines:] if tail_lines else lines)[:limit_bytes]

        return self._carry_out("get", "v1/pods/log", work)

    async def serves(self, api_version: str) -> bool:
        """Whether the server knows an API."""
        return self._carry_out("get", "apis", lambda: api_version == f"{GROUP}/{VERSION}")


class _View:
    """One of kopf's indices, over what the watches show."""

    def __init__(self, cluster: MemoryCluster, resource: str, index: Callable[[Body], Mapping[Any, Any]]) -> None:
        self._cluster = cluster
        self._resource = resource
        self._index = index

    def _build(self) -> dict[Any, list[Any]]:
        values: dict[Any, list[Any]] = {}
        for body in self._cluster.shown(self._resource):
            for key, value in self._index(body).items():
                values.setdefault(key, []).append(value)
        return values

    def get(self, key: Any, default: Collection[Any] = (), /) -> Collection[Any]:
        return self._build().get(key, default)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._build())


def _selects(selector: str, values: Mapping[str, str]) -> bool:
    wanted = (part.partition("=") for part in selector.split(",") if part)
    return all(values.get(name) == value for name, _, value in wanted)
