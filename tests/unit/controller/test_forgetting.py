"""What kopf is kept from keeping, on kopf's own classes."""

import json
from dataclasses import replace
from typing import Any

from kopf._core.engines.indexing import OperatorIndexer

from testrun_operator.controller.forgetting import NoMemories, forget_values, strip
from testrun_operator.controller.inventory import Inventory
from testrun_operator.kube.observe import read_job, read_pod

TIME = "2026-12-01T12:00:00Z"
POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "pod",
        "namespace": "team",
        "uid": "1",
        "creationTimestamp": TIME,
        "labels": {"testrun.dev/case": "one", "testrun.dev/attempt": "1"},
        "managedFields": [
            {"manager": "kubelet", "subresource": "status", "time": TIME, "fieldsV1": {"f:status": {"x" * 500: {}}}}
        ],
    },
    "spec": {
        "nodeName": "node-1",
        "activeDeadlineSeconds": 60,
        "containers": [{"name": "case", "env": [{"name": "TESTRUN_CASE", "value": "x" * 5000}]}],
        "initContainers": [{"name": "mesh", "restartPolicy": "Always"}],
    },
    "status": {"phase": "Pending", "startTime": TIME},
}


def copy_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it comes from the API server."""
    copied: dict[str, Any] = json.loads(json.dumps(body))
    return copied


def test_what_is_read_of_a_pod_or_a_job_is_the_same_without_what_is_dropped() -> None:
    """The verdict must not depend on it."""
    stripped = copy_of(POD)
    strip(stripped)
    assert read_pod(stripped) == read_pod(POD)
    assert len(json.dumps(stripped)) < 800
    job = copy_of(POD) | {"kind": "Job"}
    job["spec"]["suspend"] = True
    stripped = copy_of(job)
    strip(stripped)
    assert read_job(stripped) == read_job(job)
    assert read_job(job) is not None


def test_other_objects_stay_as_they_are() -> None:
    """Of a TestRun or a Deployment other things are read."""
    run = copy_of(POD) | {"kind": "TestRun"}
    strip(run)
    assert run == POD | {"kind": "TestRun"}


async def test_kopf_remembers_no_object() -> None:
    """There may be a hundred thousand of them until their ttl has passed."""
    memories = NoMemories()
    body = copy_of(POD)
    await memories.recall(body, noticed_by_listing=True)
    assert list(memories.iter_all_memories()) == []
    assert "containers" not in body["spec"]
    await memories.forget(body)


def test_the_jobs_and_pods_of_an_execution_are_taken_out_of_the_indices() -> None:
    """Though they exist; what becomes of them later is seen again."""
    jobs, pods = OperatorIndexer(), OperatorIndexer()
    observed = read_job(POD | {"kind": "Job"})
    assert observed is not None
    for run_id in ("7", "8"):
        job = f"job-{run_id}"
        seen = replace(observed, name=job)
        jobs.replace(("team", job, f"uid-{run_id}"), {("team", run_id): seen})
        pods.replace(("team", f"{job}-x", f"pod-{run_id}"), {("team", job): read_pod(POD)})
    empty: Any = {}
    inventory = Inventory(empty, empty, empty, jobs.index, pods.index, empty, empty, forget=forget_values)
    inventory.release("team", "7")
    assert (inventory.jobs("team", "7"), inventory.pods("team", "job-7")) == ((), ())
    assert len(inventory.jobs("team", "8")) == len(inventory.pods("team", "job-8")) == 1
    inventory.release("team", "7")
    jobs.discard(("team", "job-7", "uid-7"))
    assert list(jobs.index) == [("team", "8")]
