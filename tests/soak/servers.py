"""Test servers: the Deployment controller, people who delete or replace what the operator made, and what must hold."""

from collections.abc import Collection
from random import Random

from soak.apiserver import ApiServer, Body, Key
from soak.records import Truth, mark_foreign
from soak.scenario import RunScript
from testrun_operator.engine.execution import name_for
from testrun_operator.kube import labels
from testrun_operator.kube.client import DEPLOYMENTS, JOBS, SERVICES

SHARED_NAMESPACE = "test-server"
_NOTICE = 2.0
"""Seconds within which an operator notices that a server is gone, its watches open: until then a case may begin."""


class Servers:
    """The Deployment controller, and what people do to its objects.

    Args:
        server: the API server.
        truth: takes note of what is wrong.
        random: for delays.
        scripts: the runs.
    """

    def __init__(self, server: ApiServer, truth: Truth, random: Random, scripts: Collection[RunScript]) -> None:
        self._server = server
        self._truth = truth
        self._random = random
        self._wanted = {script.name: script.suite.get("testServers", ()) for script in scripts}
        self._up_at: dict[tuple[str, Key], float] = {}
        """When each Deployment and each Service was there last; infinite for those that are."""
        self.blind_until = 0.0
        """Until when the operator may not know what has become of its servers."""
        server.listeners.append(self._listen)

    def _listen(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        if resource == DEPLOYMENTS and what != "DELETED" and (before is None or before["spec"] != body["spec"]):
            self._server.loop.call_later(self._random.uniform(0.5, 4), self._roll_out, key)
        if resource in {DEPLOYMENTS, SERVICES}:
            part = resource, key
            if self._is_up(*part):
                self._up_at[part] = float("inf")
            elif self._up_at.get(part) == float("inf"):
                self._up_at[part] = self._server.loop.time()
        if resource == JOBS and what == "ADDED":
            self._see_job(body)

    def _roll_out(self, key: Key) -> None:
        body = self._server.find(DEPLOYMENTS, *key)
        if body is not None:
            ready = {"observedGeneration": body["metadata"]["generation"], "readyReplicas": 1}
            self._server.change(DEPLOYMENTS, key, lambda found: found.update(status=ready))

    def _is_up(self, resource: str, key: Key) -> bool:
        body = self._server.find(resource, *key)
        if body is None or (resource, key) in self._truth.foreign:
            return False
        return resource == SERVICES or bool(body.get("status", {}).get("readyReplicas"))

    def _see_job(self, job: Body) -> None:
        """Check that the servers of an execution are there when one of its attempts begins."""
        own, now = job["metadata"].get("labels") or {}, self._server.loop.time()
        is_foreign = (JOBS, _key_of(job)) in self._truth.foreign
        for wanted in () if is_foreign else self._wanted.get(own.get(labels.RUN, ""), ()):
            key = _place(wanted, own, job["metadata"]["namespace"])
            up_at = min(self._up_at.get((resource, key), 0.0) for resource in (DEPLOYMENTS, SERVICES))
            if up_at < now - _NOTICE and now > self.blind_until:
                self._truth.report(f"the Job {job['metadata']['name']} begins, and its test server {key[1]} is not up")

    def all(self) -> list[tuple[str, Body]]:
        """Return what the operator made of servers."""
        found = [(resource, body) for resource in (DEPLOYMENTS, SERVICES) for body in self._server.all(resource)]
        return [(resource, body) for resource, body in found if (resource, _key_of(body)) not in self._truth.foreign]

    def delete(self, target: int) -> None:
        """Let somebody delete a Deployment or a Service."""
        if known := self.all():
            resource, body = known[target % len(known)]
            self._server.remove(resource, _key_of(body))

    def take_place(self, target: int, seconds: float) -> None:
        """Let somebody put an object of their own where one of a run's own servers was, and take it away again."""
        known = [(resource, body) for resource, body in self.all() if "ownerReferences" in body["metadata"]]
        if not known:
            return
        resource, body = known[target % len(known)]
        key = _key_of(body)
        self._server.remove(resource, key)
        forged: Body = {
            "metadata": {"namespace": key[0], "name": key[1], "labels": body["metadata"]["labels"]},
            "spec": body["spec"],
        }
        mark_foreign(self._truth, resource, forged)
        self._truth.server_troubles.append(seconds)
        self._server.create(resource, forged)
        self._server.loop.call_later(seconds, self._give_place, resource, key)

    def _give_place(self, resource: str, key: Key) -> None:
        self._truth.foreign.discard((resource, key))
        self._server.remove(resource, key)

    def left_over(self) -> list[str]:
        """Name what is left of servers that belong to executions."""
        return [body["metadata"]["name"] for _, body in self.all() if "ownerReferences" in body["metadata"]]


def _place(wanted: Body, own: Body, namespace: str) -> Key:
    if wanted.get("scope") == "Shared":
        return SHARED_NAMESPACE, wanted["name"]
    name = name_for(own[labels.RUN], own[labels.RUN_UID], own[labels.RUN_ID], wanted["name"])
    return namespace, name


def _key_of(body: Body) -> Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]
