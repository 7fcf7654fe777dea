"""What runs in the control plane: the Job controller, the scheduler, the node controller, quotas.

Jobs behave as from Kubernetes 1.31 on: ``SuccessCriteriaMet`` or ``FailureTarget`` first, ``Complete`` or ``Failed``
once every pod has ended. A node is lost on the real timetable: after 40 to 50 seconds without a word its pods are
marked as not ready, 300 seconds later they are asked to go, and they stay until the node is back.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from random import Random

from soak.apiserver import ApiServer, Body, Denied, Key, copied
from soak.attempts import LONG_START, Attempt, draw_behaviour
from soak.machines import Machine
from testrun_operator.kube import labels
from testrun_operator.kube.client import EVENTS, JOBS, PODS, TESTRUNS
from testrun_operator.resources.status import format_time

_NOT_READY_SECONDS = 40.0
_EVICTION_SECONDS = 300.0
_LONGEST_BACKOFF = 60.0
_ANNOUNCEMENTS = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}


class ControlPlane:
    """Kubernetes, but for the API server and the kubelets.

    Args:
        server: the API server.
        machines: the nodes.
        random: for delays.
        seed: what the behaviour of each attempt follows from.
        sidecar: what a webhook puts into each pod: ``classic``, ``native`` or nothing.
        timeouts: the timeout of each run in seconds, by its name.
        needed: run and name of each case that another one needs.
    """

    def __init__(
        self,
        server: ApiServer,
        machines: list[Machine],
        random: Random,
        seed: int,
        sidecar: str,
        timeouts: Mapping[str, float],
        needed: Collection[tuple[str, str]] = (),
    ) -> None:
        self._server = server
        self._loop = server.loop
        self._machines = machines
        self._random = random
        self._seed = seed
        self._sidecar = sidecar
        self._timeouts = timeouts
        self._needed = needed
        self.attempts: dict[str, Attempt] = {}
        """The attempts by the uid of their Job."""
        self.refusals = 0
        """How often a quota refused something."""
        self.run_over_at: dict[str, float] = {}
        """When the timeout of each execution is over, about."""
        self.quotas: dict[tuple[str, str], int] = {}
        """How many ``pods`` or ``jobs`` a namespace may have, by namespace and which."""
        self._executions: dict[tuple[str, str], int] = {}
        server.listeners.append(self._listen)
        server.guards.append(self._guard)

    def _after(self, least: float, most: float, act: Callable[[], None]) -> None:
        self._loop.call_later(self._random.uniform(least, most), act)

    # -- quotas ---------------------------------------------------------------------------------------------------

    def _guard(self, resource: str, body: Body) -> None:
        plural = resource.rpartition("/")[2]
        namespace = body["metadata"]["namespace"]
        limit = self.quotas.get((namespace, plural))
        if limit is None:
            return
        used = [found for found in self._server.all(resource) if found["metadata"]["namespace"] == namespace]
        if plural == "pods":
            used = [pod for pod in used if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]
            what = "pods"
        else:
            what = "count/jobs.batch"
        if len(used) >= limit:
            self.refusals += 1
            message = (
                f'{plural} "{body["metadata"]["name"]}" is forbidden: exceeded quota: small, requested: {what}=1, '
                f"used: {what}={len(used)}, limited: {what}={limit}"
            )
            raise Denied(403, "Forbidden", message)

    # -- what happens ---------------------------------------------------------------------------------------------

    def _listen(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        if resource == JOBS:
            self._see_job(what, key, body, before)
        elif resource == PODS:
            self._see_pod(what, key, body, before)

    def _see_job(self, what: str, key: Key, job: Body, before: Body | None) -> None:
        if what == "ADDED":
            self._begin_attempt(job)
            self._after(0.05, 0.6, lambda: self._start(key, 1.0))
        elif what == "MODIFIED" and before is not None and job["spec"] != before["spec"]:
            self._see_spec(key, job, before)

    def _begin_attempt(self, job: Body) -> None:
        metadata, own = job["metadata"], job["metadata"]["labels"]
        if labels.CASE not in own or job.get("status"):
            return  # of somebody who made it by hand
        run, run_id, case = own[labels.RUN], own[labels.RUN_ID], own[labels.CASE]
        executions = [known for known in self._executions if known[0] == run]
        number = self._executions.setdefault((run, run_id), len(executions))
        pod = job["spec"]["template"]["spec"]
        has_report = labels.CASE in own and "registry.example.com" not in pod["containers"][0]["image"]
        timeout = pod["activeDeadlineSeconds"] - 375.0  # start timeout, grace of the runner, a minute
        seed = f"{self._seed} {run} {number} {case} {own[labels.ATTEMPT]}"
        before = [attempt for attempt in self.attempts.values() if attempt.job == metadata["name"]]
        self.attempts[metadata["uid"]] = Attempt(
            job=metadata["name"],
            namespace=metadata["namespace"],
            run_uid=own[labels.RUN_UID],
            run_id=run_id,
            case=case,
            number=int(own[labels.ATTEMPT]),
            has_report=has_report,
            is_needed=has_report and (run, case) in self._needed,
            timeout=timeout,
            behaviour=draw_behaviour(seed, timeout, has_report=has_report),
            created_at=self._loop.time(),
            run_over_at=self.run_over_at.setdefault(run_id, self._started_at(job) + self._timeouts[run]),
            clock=self._loop.time,
        )
        if before:
            self.attempts[metadata["uid"]].disturb("another Job had its name, whose pod may still be there")

    def _started_at(self, job: Body) -> float:
        """Return when the execution of a Job began: its first one may have waited for a quota or a server."""
        metadata = job["metadata"]
        run = self._server.find(TESTRUNS, metadata["namespace"], metadata["labels"][labels.RUN])
        status = run.get("status", {}) if run is not None else {}
        if status.get("runId") != metadata["labels"][labels.RUN_ID]:
            return self._loop.time()
        began = datetime.fromisoformat(status["startTime"]) - self._loop.now()
        return self._loop.time() + began.total_seconds()

    # -- the Job controller -----------------------------------------------------------------------------------------

    def _start(self, key: Key, backoff: float) -> None:
        """Create the pod of a Job, or try again later."""
        job = self._server.find(JOBS, *key)
        if job is None or job["metadata"]["uid"] not in self.attempts or _is_announced(job):
            return
        spec = job["spec"]
        if spec.get("suspend") or spec.get("parallelism") == 0 or self._pods_of(job):
            return
        if not job.get("status", {}).get("startTime"):
            self._set_job(key, {"startTime": self._server.stamp(), "active": 0, "ready": 0, "terminating": 0})
            job = self._server.find(JOBS, *key) or job
        try:
            self._create_pod(job)
        except Denied as error:
            self._tell_failed_create(job, str(error))
            attempt = self.attempts[job["metadata"]["uid"]]
            if self._loop.time() - attempt.created_at > LONG_START and "a quota" not in attempt.disturbances:
                attempt.disturb("a quota")
            self._loop.call_later(backoff, self._start, key, min(2 * backoff, _LONGEST_BACKOFF))
            return
        self._set_job(key, {"active": 1})

    def _create_pod(self, job: Body) -> None:
        metadata, template = job["metadata"], copied(job["spec"]["template"])
        own = {
            "batch.kubernetes.io/job-name": metadata["name"],
            "job-name": metadata["name"],
            "batch.kubernetes.io/controller-uid": metadata["uid"],
            "controller-uid": metadata["uid"],
        }
        if self._sidecar == "native":
            own_readers = template["spec"].get("initContainers", [])
            template["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}, *own_readers]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
        body: Body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{metadata['name'][:57]}-{self._random.randrange(16**5):05x}",
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"] | own,
                "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        self._server.create(PODS, body)

    def _tell_failed_create(self, job: Body, why: str) -> None:
        metadata = job["metadata"]
        about = {"kind": "Job", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
        event: Body = {
            "metadata": {
                "name": f"{metadata['name']}.{self._random.getrandbits(64):x}",
                "namespace": about["namespace"],
            },
            "involvedObject": about,
            "type": "Warning",
            "reason": "FailedCreate",
            "message": f"Error creating: {why}",
            "lastTimestamp": self._server.stamp(),
        }
        self._server.create(EVENTS, event)

    def _pods_of(self, job: Body) -> list[Body]:
        uid = job["metadata"]["uid"]
        return [
            pod
            for pod in self._server.all(PODS)
            if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", ()))
        ]

    def _see_spec(self, key: Key, job: Body, before: Body) -> None:
        spec, old = job["spec"], before["spec"]
        if spec.get("activeDeadlineSeconds") is not None and not spec.get("suspend"):
            started = job.get("status", {}).get("startTime")
            self._after(1.0, 1.5, lambda: self._meet_deadline(key)) if started or not old.get("suspend") else None
        if spec.get("suspend") and not old.get("suspend"):
            self._after(0.05, 0.5, lambda: self._suspend(key))
        elif old.get("suspend") and not spec.get("suspend"):
            self._after(0.05, 0.5, lambda: self._resume(key))

    def _suspend(self, key: Key) -> None:
        job = self._server.find(JOBS, *key)
        if job is None or _is_announced(job):
            return
        for pod in self._pods_of(job):
            self.attempts[job["metadata"]["uid"]].disturb("its Job was suspended")
            self._server.ask_to_go(PODS, _key_of(pod))

    def _resume(self, key: Key) -> None:
        self._set_job(key, {"startTime": self._server.stamp()})
        self._start(key, 1.0)

    def _meet_deadline(self, key: Key) -> None:
        job = self._server.find(JOBS, *key)
        if job is None or _is_announced(job) or job["spec"].get("suspend"):
            return
        self._announce(key, "Failed")
        for pod in self._pods_of(job):
            self._server.ask_to_go(PODS, _key_of(pod))
        self._after(0.1, 1.0, lambda: self._conclude(key))

    def _announce(self, key: Key, state: str) -> None:
        job = self._server.find(JOBS, *key)
        if job is not None and not _is_announced(job):
            self._set_job(key, {"active": 0, "ready": 0, "conditions": [self._condition(_ANNOUNCEMENTS[state])]})

    def _condition(self, kind: str) -> Body:
        return {"type": kind, "status": "True", "lastTransitionTime": self._server.stamp()}

    def _set_job(self, key: Key, values: Body) -> None:
        self._server.change(JOBS, key, lambda job: job.setdefault("status", {}).update(values))

    def _conclude(self, key: Key) -> None:
        """Say that a Job is over, once it was announced and every pod of it has ended."""
        job = self._server.find(JOBS, *key)
        if job is None or not _is_announced(job) or _is_over(job):
            return
        if any(pod["status"].get("phase") not in {"Succeeded", "Failed"} for pod in self._pods_of(job)):
            return
        conditions = job["status"]["conditions"]
        state = next(state for state, said in _ANNOUNCEMENTS.items() if said == conditions[0]["type"])
        self._set_job(key, {"conditions": [*conditions, self._condition(state)], "terminating": 0})

    # -- pods -----------------------------------------------------------------------------------------------------

    def _see_pod(self, what: str, key: Key, pod: Body, before: Body | None) -> None:
        owner = next(iter(pod["metadata"].get("ownerReferences", ())), None)
        if owner is None or owner["uid"] not in self.attempts:
            return
        job_key = pod["metadata"]["namespace"], owner["name"]
        attempt = self.attempts[owner["uid"]]
        if what == "ADDED":
            self._after(0.05, 0.5, lambda: self._bind(key, attempt))
            return
        is_leaving = pod["metadata"].get("deletionTimestamp") is not None
        if what == "DELETED":
            self._after(0.1, 0.8, lambda: self._settle(job_key, "Failed"))
        elif is_leaving and before is not None and before["metadata"].get("deletionTimestamp") is None:
            self._see_deletion(key, pod)
        phase = pod["status"].get("phase")
        if phase in {"Succeeded", "Failed"} and (before is None or before["status"].get("phase") != phase):
            state = "Complete" if phase == "Succeeded" else "Failed"
            self._after(0.1, 0.8, lambda: self._settle(job_key, state))

    def _settle(self, job_key: Key, state: str) -> None:
        """Announce the end of a Job, and say a moment later that it is over."""
        job = self._server.find(JOBS, *job_key)
        if job is None or job["spec"].get("suspend"):
            return
        self._announce(job_key, state)
        self._after(0.1, 0.8, lambda: self._conclude(job_key))

    def _see_deletion(self, key: Key, pod: Body) -> None:
        node = pod["spec"].get("nodeName")
        machine = next((machine for machine in self._machines if machine.name == node), None)
        if machine is None:
            self._after(0.1, 0.5, lambda: self._server.remove(PODS, key))
        else:
            self._after(0.05, 0.4, lambda: machine.tell_to_end(key))

    def _bind(self, key: Key, attempt: Attempt) -> None:
        """Give a pod a node that is not known to be silent."""
        pod = self._server.find(PODS, *key)
        if pod is None or pod["metadata"].get("deletionTimestamp") is not None:
            return
        now = self._loop.time()
        able = [m for m in self._machines if m.silent_since is None or now - m.silent_since < _NOT_READY_SECONDS]
        if not able:
            self._after(5.0, 10.0, lambda: self._bind(key, attempt))
            return
        machine = self._random.choice(able)
        self._server.change(PODS, key, lambda body: body["spec"].update(nodeName=machine.name))
        if machine.silent_since is not None:
            attempt.disturb(f"{machine.name} is silent")
        machine.take(self._server.find(PODS, *key) or pod, attempt, self._sidecar)

    # -- the node controller ----------------------------------------------------------------------------------------

    def lose_node(self, machine: Machine, seconds: float, *, dies: bool) -> None:
        """Let a node be silent for some time."""
        if machine.silent_since is not None:
            return
        machine.fall_silent(dies=dies)
        since = machine.silent_since
        not_ready = self._random.uniform(_NOT_READY_SECONDS, _NOT_READY_SECONDS + 10)
        self._loop.call_later(not_ready, self._if_silent, machine, since, self._mark_not_ready)
        evicted = not_ready + _EVICTION_SECONDS
        self._loop.call_later(evicted, self._if_silent, machine, since, self._evict_all)
        self._loop.call_later(seconds, machine.come_back)

    @staticmethod
    def _if_silent(machine: Machine, since: float | None, act: Callable[[Machine], None]) -> None:
        if machine.silent_since == since:
            act(machine)

    def _pods_on(self, machine: Machine) -> list[Body]:
        return [pod for pod in self._server.all(PODS) if pod["spec"].get("nodeName") == machine.name]

    def _mark_not_ready(self, machine: Machine) -> None:
        def edit(pod: Body) -> None:
            for condition in pod["status"].get("conditions", []):
                if condition["type"] == "Ready" and condition["status"] == "True":
                    condition |= {"status": "False", "lastTransitionTime": self._server.stamp()}

        for pod in self._pods_on(machine):
            self._server.change(PODS, _key_of(pod), edit, manager="kube-controller-manager")

    def _evict_all(self, machine: Machine) -> None:
        for pod in self._pods_on(machine):
            if pod["status"].get("phase") in {"Pending", "Running"}:
                self.evict(pod, "DeletionByTaintManager")

    def evict(self, pod: Body, reason: str) -> None:
        """Evict a pod, and say why in a condition."""
        condition = {"type": "DisruptionTarget", "reason": reason, "message": "evicted"} | self._condition("")
        condition["type"] = "DisruptionTarget"

        def edit(body: Body) -> None:
            body["status"]["conditions"] = [*body["status"].get("conditions", []), condition]

        self._server.change(PODS, _key_of(pod), edit, manager="kube-controller-manager")
        self._server.ask_to_go(PODS, _key_of(pod))


def in_future(server: ApiServer, seconds: float) -> str:
    """Return a time as Kubernetes writes it."""
    return format_time((server.loop.now() + timedelta(seconds=seconds)).replace(microsecond=0))


def _key_of(body: Body) -> Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _is_announced(job: Body) -> bool:
    return bool(job.get("status", {}).get("conditions"))


def _is_over(job: Body) -> bool:
    return any(found["type"] in _ANNOUNCEMENTS for found in job.get("status", {}).get("conditions", ()))
