"""What runs own in the cluster: Jobs and their pods, records of executions, and test servers, as values.

``kube/reflector.py`` tells what there is and what happens to it; here it becomes values, under the keys by which they
are looked up. Of an execution of which nothing remains to be done, nothing of its Jobs and pods is kept: there may be a
hundred thousand of them until their ttl has passed (``docs/decisions/0024-finished-runs-cost-nothing.md``).
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from testrun_operator.controller import indexing
from testrun_operator.controller.cache import IndexedJob, Key, OwnerKey, ServerObject
from testrun_operator.controller.watches import SILENCE_SECONDS, WATCH_SECONDS, WatchSupervisor, watch_seconds
from testrun_operator.engine.observation import JobObservation, PodObservation
from testrun_operator.kube import labels
from testrun_operator.kube.belonging import job_of
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, JOBS, PODS, SERVICES, KubernetesClient
from testrun_operator.kube.observe import read_pod
from testrun_operator.kube.records import StoredRecord
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.reflector import Reflector

_Body = Mapping[str, Any]
_V = TypeVar("_V")
_O = TypeVar("_O")


class Listener(Protocol):
    """Who is told of what happens; the operator."""

    def job_changed(self, job: IndexedJob, *, deleted: bool) -> None:
        """A Job of ours was created, changed or deleted."""

    def pod_changed(self, owner: OwnerKey, run_id: str, job: str, lost: PodObservation | None) -> None:
        """A pod of ours was created, changed or, if its last observation is given, deleted."""

    def owned_changed(self, owner: OwnerKey) -> None:
        """Something else that belongs to a TestRun changed."""

    def servers_changed(self) -> None:
        """A test server was created, changed or deleted."""


class _Entry(NamedTuple, Generic[_V, _O]):
    key: Key
    value: _V
    owner: _O
    """Whom its end concerns."""


class Index(Generic[_V, _O]):
    """Values of objects under a key of namespace and something else; several objects may have the same key."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[_V, _O]] = {}
        self._uids: dict[Key, dict[str, None]] = {}

    def get(self, key: Key, default: Collection[_V] = (), /) -> Collection[_V]:
        """Return the values under a key."""
        uids = self._uids.get(key)
        return [self._entries[uid].value for uid in uids] if uids else default

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys."""
        return iter(list(self._uids))

    def put(self, uid: str, entry: _Entry[_V, _O]) -> None:
        """Take an object in, or replace what was known of it."""
        known = self._entries.get(uid)
        if known is not None and known.key != entry.key:
            self.remove(uid)
        self._entries[uid] = entry
        self._uids.setdefault(entry.key, {})[uid] = None

    def remove(self, uid: str) -> _Entry[_V, _O] | None:
        """Take an object out, and return what was known of it."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            uids = self._uids[entry.key]
            del uids[uid]
            if not uids:
                del self._uids[entry.key]
        return entry

    def drop(self, key: Key) -> None:
        """Take out all objects under a key."""
        for uid in self._uids.pop(key, ()):
            del self._entries[uid]

    def uids(self, namespace: str | None) -> list[str]:
        """Return the uids of the objects in a namespace, or of all of them."""
        return [uid for uid, entry in self._entries.items() if namespace in {None, entry.key[0]}]


class Dependents:
    """What runs own; a :class:`testrun_operator.kube.reflector.View`.

    Args:
        listener: who is told of what happens, once it is in the indices.
        has_store: whether results go to Postgres, so that an execution is over when they are there.
    """

    def __init__(self, listener: Listener, *, has_store: bool) -> None:
        self._listener = listener
        self._has_store = has_store
        self._released: set[Key] = set()
        self.records: Index[StoredRecord, None] = Index()
        self.jobs: Index[JobObservation, RunReference] = Index()
        self.pods: Index[PodObservation, tuple[OwnerKey, str]] = Index()
        self.deployments: Index[ServerObject, None] = Index()
        self.services: Index[ServerObject, None] = Index()
        self.listed = asyncio.Event()
        """Set when everything was listed once."""

    def indices(self) -> dict[str, Any]:
        """Return the indices by the names that the cache has for them."""
        return {name: getattr(self, name) for name in ("records", "jobs", "pods", "deployments", "services")}

    # -- executions of which nothing remains to be done -------------------------------------------------------------

    def release(self, namespace: str, run_id: str) -> None:
        """Keep nothing of the Jobs and pods of an execution from now on, however long they exist."""
        key = namespace, run_id
        if key in self._released:
            return
        self._released.add(key)
        for job in self.jobs.get(key):
            self.pods.drop((namespace, job.name))
        self.jobs.drop(key)

    def is_released(self, namespace: str, run_id: str) -> bool:
        """Whether nothing is kept of an execution."""
        return (namespace, run_id) in self._released

    def release_finished(self) -> None:
        """Release the executions that are over by their records; for the time before anything else is listed."""
        for key in self.records:
            for stored in self.records.get(key):
                if stored.is_over(has_store=self._has_store):
                    self._released.add((key[0], stored.run_id))

    # -- what a reflector tells --------------------------------------------------------------------------------------

    def see(self, resource: str, kind: str | None, body: _Body) -> None:
        """Take note of an object."""
        uid, is_deleted = str(body["metadata"]["uid"]), kind == "DELETED"
        if resource == JOBS:
            self._see_job(uid, body, is_deleted=is_deleted)
        elif resource == PODS:
            self._see_pod(uid, body, is_deleted=is_deleted)
        elif resource == CONFIGMAPS:
            self._see_record(uid, body, is_deleted=is_deleted)
        elif resource == DEPLOYMENTS:
            self._see_server(self.deployments, uid, {} if is_deleted else indexing.index_deployment(body))
        else:
            self._see_server(self.services, uid, {} if is_deleted else indexing.index_service(body))

    def retain(self, resource: str, namespace: str | None, uids: Iterable[str]) -> None:
        """Drop what has vanished, and tell of it as of a deletion."""
        kept = set(uids)
        for uid in self._index_of(resource).uids(namespace):
            if uid not in kept:
                self._vanish(resource, uid)

    def _index_of(self, resource: str) -> Index[Any, Any]:
        names = {JOBS: "jobs", PODS: "pods", CONFIGMAPS: "records", DEPLOYMENTS: "deployments", SERVICES: "services"}
        index: Index[Any, Any] = getattr(self, names[resource])
        return index

    def _vanish(self, resource: str, uid: str) -> None:
        if resource == JOBS and (job := self.jobs.remove(uid)) is not None:
            self._listener.job_changed(IndexedJob(job.owner, job.key[1], job.value), deleted=True)
        elif resource == PODS and (pod := self.pods.remove(uid)) is not None:
            self._listener.pod_changed(*pod.owner, pod.key[1], pod.value)
        elif resource == CONFIGMAPS and (record := self.records.remove(uid)) is not None:
            self._released.discard((record.key[0], record.value.run_id))
            self._listener.owned_changed(record.key)
        elif self._index_of(resource).remove(uid) is not None:
            self._listener.servers_changed()

    def _is_released(self, body: _Body) -> bool:
        metadata = body["metadata"]
        return (metadata["namespace"], (metadata.get("labels") or {}).get(labels.RUN_ID)) in self._released

    def _see_job(self, uid: str, body: _Body, *, is_deleted: bool) -> None:
        is_kept = not is_deleted and not self._is_released(body)
        job = indexing.read_indexed_job(body) if is_kept or is_deleted else None
        if job is not None and is_kept:
            self.jobs.put(uid, _Entry((job.run.namespace, job.run_id), job.observation, job.run))
        else:
            self.jobs.remove(uid)
        if job is not None:
            self._listener.job_changed(job, deleted=is_deleted)

    def _see_pod(self, uid: str, body: _Body, *, is_deleted: bool) -> None:
        found, job = indexing.index_pod(body), job_of(body)
        owner, run_id = _owner(body), str((body["metadata"].get("labels") or {}).get(labels.RUN_ID))
        is_released = self._is_released(body)
        self.pods.remove(uid)
        for key, pod in found.items():
            if not is_deleted and not is_released:
                self.pods.put(uid, _Entry(key, pod, (owner, run_id)))
        if job is not None and not is_released:
            self._listener.pod_changed(owner, run_id, job[0], read_pod(body) if is_deleted else None)

    def _see_record(self, uid: str, body: _Body, *, is_deleted: bool) -> None:
        found = indexing.index_record(body)
        self.records.remove(uid)
        for key, stored in found.items():
            if is_deleted:
                self._released.discard((key[0], stored.run_id))
            else:
                kept = stored.without_content() if stored.is_over(has_store=self._has_store) else stored
                self.records.put(uid, _Entry(key, kept, None))
        self._listener.owned_changed(_owner(body))

    def _see_server(self, index: Index[ServerObject, None], uid: str, found: Mapping[Key, ServerObject]) -> None:
        index.remove(uid)
        for key, server in found.items():
            index.put(uid, _Entry(key, server, None))
        self._listener.servers_changed()


def _owner(body: _Body) -> OwnerKey:
    """Return namespace and uid of the run that an object names: enough to look at it, and believed for nothing else."""
    metadata = body["metadata"]
    return str(metadata["namespace"]), str((metadata.get("labels") or {}).get(labels.RUN_UID, ""))


async def watch_dependents(
    dependents: Dependents, client: KubernetesClient, watches: WatchSupervisor, namespaces: Collection[str]
) -> None:
    """Watch what runs own, until cancelled.

    Args:
        dependents: gets what is seen.
        client: the API server.
        watches: is told of each answer.
        namespaces: where; none for everywhere.
    """
    seconds = watch_seconds(max(1, len(namespaces)))

    def make(resource: str, namespace: str | None) -> Reflector:
        return Reflector(
            client,
            resource,
            namespace,
            _SELECTORS[resource],
            dependents,
            _note(watches, resource, namespace),
            seconds=seconds,
            silence=seconds + SILENCE_SECONDS - WATCH_SECONDS,
        )

    async with asyncio.TaskGroup() as group:

        async def begin(*resources: str) -> None:
            made = [make(resource, namespace) for resource in resources for namespace in namespaces or (None,)]
            for reflector in made:
                group.create_task(reflector.run())
            for reflector in made:
                await reflector.listed.wait()

        await begin(CONFIGMAPS)  # first, since records say of which executions Jobs and pods need not be kept at all
        dependents.release_finished()
        await begin(JOBS, PODS, DEPLOYMENTS, SERVICES)
        dependents.listed.set()


def _note(watches: WatchSupervisor, resource: str, namespace: str | None) -> Callable[[int], None]:
    return lambda status: watches.note_answer(resource, namespace or "", status)


_SELECTORS = {
    JOBS: labels.SELECTOR,
    PODS: f"{labels.SELECTOR},{labels.COMPONENT}={labels.CASE_COMPONENT}",
    CONFIGMAPS: f"{labels.SELECTOR},{labels.COMPONENT}={labels.EXECUTION_COMPONENT}",
    DEPLOYMENTS: labels.SELECTOR,
    SERVICES: labels.SELECTOR,
}
"""What is ours, filtered on the server's side: the operator never sees other people's objects."""
