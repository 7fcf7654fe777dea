"""What is kept of Jobs, pods, records and test servers, and who is told of them."""

from collections.abc import Callable
from typing import Any

import pytest

from support.memory_cluster import MemoryCluster
from testrun_operator.controller.dependents import Dependents
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, JOBS, PODS, SERVICES
from testrun_operator.kube.job import job_name
from testrun_operator.kube.records import Notes, notes_patch, record_name
from testrun_operator.kube.references import RunReference

TIME = "2026-12-01T12:00:00Z"
RUN = RunReference("team", "nightly", "uid")
Body = dict[str, Any]


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values, **more: self.told.append((name, *values, *more.values()))


@pytest.fixture
def listener() -> Listener:
    """Return a listener."""
    return Listener()


@pytest.fixture
def dependents(listener: Listener) -> Dependents:
    """Return the dependents of an operator with Postgres."""
    return Dependents(listener, has_store=True)


def job(run_id: str = "7", case: str = "one", *, uid: str = "", run: RunReference = RUN) -> Body:
    """Return the Job of a first attempt."""
    own = {labels.RUN_UID: run.uid, labels.RUN_ID: run_id, labels.CASE: case, labels.ATTEMPT: "1"}
    name = job_name(run, run_id, case, 1)
    metadata = {"name": name, "namespace": run.namespace, "uid": uid or f"job-{run_id}-{case}", "labels": own}
    metadata |= {"creationTimestamp": TIME, "ownerReferences": [run.as_owner()]}
    return {"metadata": metadata, "spec": {}, "status": {}}


def pod_of(owner: Body) -> Body:
    """Return the pod of a Job."""
    metadata = owner["metadata"]
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "metadata": metadata
        | {"name": metadata["name"] + "-x", "uid": f"pod-{metadata['uid']}"}
        | {"ownerReferences": [reference | {"controller": True}]},
        "spec": {},
        "status": {"phase": "Running"},
    }


def record(run_id: str = "7", notes: Notes | None = None) -> Body:
    """Return the record of an execution."""
    own = {labels.RUN_UID: RUN.uid, labels.RUN_ID: run_id}
    metadata = {"name": record_name(RUN, run_id), "namespace": "team", "uid": f"record-{run_id}", "labels": own}
    metadata |= {"ownerReferences": [RUN.as_owner()]} | notes_patch(notes or Notes())["metadata"]
    return {"metadata": metadata, "data": {"execution.json": "{}"}}


def kept(dependents: Dependents, run_id: str = "7") -> tuple[int, int]:
    """Count the Jobs of an execution that are kept, and the pods."""
    return len(dependents.jobs.get(("team", run_id))), sum(len(dependents.pods.get(key)) for key in dependents.pods)


def test_a_job_and_its_pod_are_kept_and_told_of(dependents: Dependents, listener: Listener) -> None:
    """In that order: who is told finds it."""
    dependents.see(JOBS, "ADDED", job())
    dependents.see(PODS, "ADDED", pod_of(job()))
    assert kept(dependents) == (1, 1)
    (_, told, is_deleted), (_, owner, run_id, name, lost) = listener.told
    assert (told.run, told.run_id, told.observation.case, is_deleted) == (RUN, "7", "one", False)
    assert (owner, run_id, name, lost) == (("team", "uid"), "7", job()["metadata"]["name"], None)


def test_what_is_deleted_is_gone_and_told_with_its_last_sight(dependents: Dependents, listener: Listener) -> None:
    """How it ended may be in nothing else."""
    for kind in ("ADDED", "DELETED"):
        dependents.see(PODS, kind, pod_of(job()))
        dependents.see(JOBS, kind, job())
    assert kept(dependents) == (0, 0)
    assert listener.told[2][-1].name == pod_of(job())["metadata"]["name"]
    assert listener.told[3][-1] is True


def test_what_a_new_list_does_not_have_is_told_as_if_it_was_deleted(dependents: Dependents, listener: Listener) -> None:
    """Nobody else tells of it."""
    other = RunReference("other", "nightly", "other-uid")
    for body in (job(), job(case="two"), job(run=other, uid="elsewhere")):
        dependents.see(JOBS, None, body)
        dependents.see(PODS, None, pod_of(body))
    dependents.see(CONFIGMAPS, None, record())
    listener.told.clear()
    dependents.retain(JOBS, "team", ["job-7-two"])
    dependents.retain(PODS, "team", ["pod-job-7-two"])
    dependents.retain(CONFIGMAPS, None, [])
    [(_, lost_job, is_deleted), (_, owner, run_id, name, lost_pod), told] = listener.told
    assert (lost_job.run, lost_job.run_id, lost_job.observation.case, is_deleted) == (RUN, "7", "one", True)
    assert (owner, run_id, name) == (("team", "uid"), "7", job()["metadata"]["name"])
    assert lost_pod.name == pod_of(job())["metadata"]["name"]
    assert told == ("owned_changed", ("team", "uid"))
    assert kept(dependents) == (1, 2)
    assert len(dependents.jobs.get(("other", "7"))) == 1


def test_nothing_is_kept_of_an_execution_that_was_released(dependents: Dependents, listener: Listener) -> None:
    """Whatever becomes of its Jobs; but a deletion is told, as it frees a quota."""
    for run_id in ("7", "8"):
        dependents.see(JOBS, None, job(run_id))
        dependents.see(PODS, None, pod_of(job(run_id)))
    dependents.release("team", "7")
    listener.told.clear()
    dependents.see(JOBS, "MODIFIED", job("7"))
    dependents.see(PODS, "MODIFIED", pod_of(job("7")))
    assert listener.told == []
    assert (dependents.is_released("team", "7"), dependents.is_released("team", "8")) == (True, False)
    assert kept(dependents, "7") == (0, 1)
    assert kept(dependents, "8") == (1, 1)
    dependents.see(JOBS, "DELETED", job("7"))
    assert [told[-1] for told in listener.told] == [True]


@pytest.mark.parametrize(
    ("notes", "has_store", "is_over"),
    [
        (Notes(), True, False),
        (Notes(completed_at=MemoryCluster().now), True, False),
        (Notes(completed_at=MemoryCluster().now), False, True),
        (Notes(completed_at=MemoryCluster().now, stored=True), True, True),
    ],
)
def test_jobs_of_executions_that_are_over_by_their_records_are_not_even_read(
    listener: Listener, notes: Notes, *, has_store: bool, is_over: bool
) -> None:
    """Records are listed first; the content of one that is over, which may be a megabyte, is not kept."""
    dependents = Dependents(listener, has_store=has_store)
    dependents.see(CONFIGMAPS, None, record(notes=notes))
    dependents.release_finished()
    dependents.see(JOBS, None, job())
    dependents.see(PODS, None, pod_of(job()))
    assert kept(dependents) == ((0, 0) if is_over else (1, 1))
    [stored] = dependents.records.get(("team", "uid"))
    assert stored.plain == ("" if is_over else "{}")


@pytest.mark.parametrize("vanishes", [False, True])
def test_a_record_that_is_gone_is_remembered_in_no_way(dependents: Dependents, *, vanishes: bool) -> None:
    """Otherwise a few bytes of each execution would be kept for ever."""
    dependents.see(CONFIGMAPS, None, record(notes=Notes(completed_at=MemoryCluster().now, stored=True)))
    dependents.release_finished()
    assert dependents.is_released("team", "7")
    if vanishes:
        dependents.retain(CONFIGMAPS, "team", [])
    else:
        dependents.see(CONFIGMAPS, "DELETED", record())
    assert not dependents.is_released("team", "7")
    assert list(dependents.records) == []


def test_an_object_that_changes_hands_is_kept_under_its_new_key_alone(dependents: Dependents) -> None:
    """Owner references can be changed."""
    one, two = job(case="one"), job(case="two")
    pod = pod_of(one)
    dependents.see(PODS, None, pod)
    pod["metadata"]["ownerReferences"] = pod_of(two)["metadata"]["ownerReferences"]
    dependents.see(PODS, "MODIFIED", pod)
    assert list(dependents.pods) == [("team", two["metadata"]["name"])]
    pod["metadata"]["ownerReferences"] = []
    dependents.see(PODS, "MODIFIED", pod)
    assert list(dependents.pods) == []


def test_foreign_objects_are_not_kept_and_wake_nobody(dependents: Dependents, listener: Listener) -> None:
    """A Job without the labels of an attempt, one that no run controls, a pod that no Job controls."""
    odd, orphan, stray = job(), job(uid="orphan"), pod_of(job())
    odd["metadata"]["labels"][labels.ATTEMPT] = "x"
    orphan["metadata"]["ownerReferences"] = []
    stray["metadata"]["ownerReferences"] = [RUN.as_owner()]
    dependents.see(JOBS, "ADDED", odd)
    dependents.see(JOBS, "ADDED", orphan)
    dependents.see(PODS, "ADDED", stray)
    assert kept(dependents) == (0, 0)
    assert listener.told == []


def test_test_servers_wake_whoever_waits_for_them(dependents: Dependents, listener: Listener) -> None:
    """When they come, when they go, and when they have vanished."""
    body: Body = {
        "metadata": {"name": "api", "namespace": "team", "uid": "1"},
        "spec": {"replicas": 1, "template": {"metadata": {}}},
        "status": {},
    }
    for resource, index in ((DEPLOYMENTS, dependents.deployments), (SERVICES, dependents.services)):
        dependents.see(resource, None, body)
        assert list(index) == [("team", "api")]
        dependents.see(resource, "DELETED", body)
        assert list(index) == []
        dependents.see(resource, "ADDED", body)
        dependents.retain(resource, None, [])
        assert list(index) == []
    assert listener.told == [("servers_changed",)] * 8
