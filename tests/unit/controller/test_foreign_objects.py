"""People who copy labels, records and Jobs: nothing of theirs counts for a run, and nothing is done for them."""

import copy
import json
from typing import Any

import pytest

from support.builders import container_case, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.controller import metrics
from testrun_operator.controller.foreign import FOREIGN_OBJECTS, Mismatch
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, JOBS, PODS, SERVICES, TESTRUNS
from testrun_operator.kube.job import job_name
from testrun_operator.kube.records import digest_of_record, record_name
from testrun_operator.kube.references import RunReference
from unit.controller.process import MemoryStore, Process

SUITE = suite_document(container_case("one"))
OWN_SERVER = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Run"}]}


async def begin(cluster: MemoryCluster, **spec: Any) -> Process:
    """Start a run."""
    cluster.apply_run("nightly", {"suite": SUITE} | spec)
    process = Process(cluster)
    await process.settle()
    return process


def copied(body: Body, namespace: str, **metadata: Any) -> Body:
    """Return what somebody makes of an object by copying it."""
    forged = copy.deepcopy(body)
    for field in ("uid", "creationTimestamp", "generation"):
        forged["metadata"].pop(field, None)
    forged["metadata"] |= {"namespace": namespace} | metadata
    return forged


def hostile_record(cluster: MemoryCluster, namespace: str) -> Body:
    """Return a record for the run, of a later execution with another image."""
    [record] = cluster.all(CONFIGMAPS)
    own = record["metadata"]["labels"]
    run_id = str(int(own[labels.RUN_ID]) + 1)
    text = record["data"]["execution.json"].replace("busybox", "evil").replace(own[labels.RUN_ID], run_id)
    run = RunReference("team", "nightly", own[labels.RUN_UID])
    forged = copied(record, namespace, name=record_name(run, run_id), labels=own | {labels.RUN_ID: run_id})
    return forged | {"data": {"execution.json": text}}


@pytest.mark.parametrize("namespace", ["other", "team"])
async def test_a_forged_record_starts_nothing(cluster: MemoryCluster, namespace: str) -> None:
    """Neither of another namespace, nor by somebody who may only write ConfigMaps in the run's own."""
    process = await begin(cluster)
    cluster.put(CONFIGMAPS, hostile_record(cluster, namespace))
    await process.settle()
    await Process(cluster).settle()
    assert [job["metadata"]["namespace"] for job in cluster.all(JOBS)] == ["team"]
    assert "evil" not in str(cluster.all(JOBS))
    assert cluster.status("nightly")["phase"] == "Running"


async def test_a_record_that_is_replaced_by_another_one_of_its_name_is_not_taken_up(cluster: MemoryCluster) -> None:
    """An immutable ConfigMap can be deleted and made anew; the status has the digest of the one that was written."""
    await begin(cluster)
    [record] = cluster.all(CONFIGMAPS)
    record["data"]["execution.json"] = record["data"]["execution.json"].replace("busybox", "evil")
    cluster.delete(JOBS, cluster.job("one")["metadata"]["name"])
    await Process(cluster).settle()
    assert "evil" not in str(cluster.all(JOBS))


async def test_a_completed_job_of_another_namespace_decides_nothing(cluster: MemoryCluster) -> None:
    """A copy of the run's Job, with a pod that ended well."""
    process = await begin(cluster)
    forged = cluster.put(JOBS, copied(cluster.job("one"), "other"))
    cluster.end_pod(forged)
    await process.settle()
    await Process(cluster).settle()
    assert cluster.status("nightly")["phase"] == "Running"


async def test_a_pod_of_another_job_decides_nothing(cluster: MemoryCluster) -> None:
    """A pod with the name of the Job, and the uid of another one."""
    process = await begin(cluster)
    pod = cluster.run_pod(cluster.job("one"))
    cluster.end_pod(cluster.job("one"))
    del cluster.job("one")["status"]
    pod["metadata"]["ownerReferences"][0]["uid"] = "another"
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"


async def test_a_job_with_the_labels_of_an_attempt_and_another_name_is_no_attempt(cluster: MemoryCluster) -> None:
    """Each attempt has one name; a second Job with its labels is somebody else's."""
    process = await begin(cluster)
    forged = cluster.put(JOBS, copied(cluster.job("one"), "team", name="nightly-one-mine"))
    cluster.end_pod(forged)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"


async def test_a_test_server_of_somebody_else_is_not_the_runs(cluster: MemoryCluster) -> None:
    """A Deployment that answers, in the way under the server's name, does not let a case start."""
    process = await begin(cluster, suite=SUITE | OWN_SERVER)
    for resource in (DEPLOYMENTS, SERVICES):
        [found] = cluster.all(resource)
        found["metadata"]["ownerReferences"][0]["uid"] = "another"
    [deployment] = cluster.all(DEPLOYMENTS)
    cluster.make_ready(deployment)
    for _ in range(3):
        await process.reconcile()
    assert cluster.all(JOBS) == []


async def test_a_service_of_somebody_else_leads_no_case_astray(cluster: MemoryCluster) -> None:
    """The server answers, but what has its name leads elsewhere."""
    process = await begin(cluster, suite=SUITE | OWN_SERVER)
    cluster.make_ready(cluster.all(DEPLOYMENTS)[0])
    [service] = cluster.all(SERVICES)
    service["metadata"]["ownerReferences"][0]["uid"] = "another"
    for _ in range(3):
        await process.reconcile()
    assert cluster.all(JOBS) == []


@pytest.mark.parametrize("resource", [DEPLOYMENTS, SERVICES])
async def test_what_somebody_else_has_put_in_the_place_of_a_test_server_stays(
    cluster: MemoryCluster, resource: str
) -> None:
    """A run that ends takes away what is its own, and not what has the name."""
    process = await begin(cluster, suite=SUITE | OWN_SERVER)
    cluster.make_ready(cluster.all(DEPLOYMENTS)[0])
    await process.settle()
    [body] = cluster.all(resource)
    body["metadata"]["ownerReferences"][0]["uid"] = "another"
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert cluster.all(resource) == [body]
    assert cluster.all(({DEPLOYMENTS, SERVICES} - {resource}).pop()) == []


async def test_what_does_not_fit_is_counted_and_told_once(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is looked at."""
    counter = metrics.FOREIGN.labels(resource="configmaps", mismatch=Mismatch.CONTENT.value)
    before = counter._value.get()
    process = await begin(cluster)
    cluster.put(CONFIGMAPS, hostile_record(cluster, "team"))
    for _ in range(3):
        await process.reconcile()
    assert counter._value.get() == before + 1
    assert caplog.text.count("says that it belongs to a run: its content does not fit") == 1


async def test_a_record_that_no_status_names_yet_is_taken_up_by_the_next_process(cluster: MemoryCluster) -> None:
    """The operator was killed between record and status: it is ours, told of nobody else, and not made again."""
    counter = metrics.FOREIGN.labels(resource="configmaps", mismatch=Mismatch.CONTENT.value)
    before = counter._value.get()
    cluster.apply_run("nightly", {"suite": SUITE})
    cluster.fail_next("patch", f"{TESTRUNS}/status")
    with pytest.raises(ClusterUnavailable):
        await Process(cluster).reconcile()
    [record] = cluster.all(CONFIGMAPS)
    cluster.pass_time(30)
    await Process(cluster).settle()
    assert cluster.all(CONFIGMAPS) == [record]
    assert cluster.status("nightly")["runId"] == record["metadata"]["labels"][labels.RUN_ID]
    assert len(cluster.all(JOBS)) == 1
    assert counter._value.get() == before


@pytest.mark.parametrize("what", ["another image", "an id of later", "long ago", "a note"])
async def test_a_record_that_would_not_be_written_now_is_not_taken_up(cluster: MemoryCluster, what: str) -> None:
    """Whoever may write ConfigMaps can make one that no status names: it starts nothing of its own."""
    cluster.apply_run("nightly", {"suite": SUITE})
    cluster.fail_next("patch", f"{TESTRUNS}/status")
    with pytest.raises(ClusterUnavailable):
        await Process(cluster).reconcile()
    [record] = cluster.all(CONFIGMAPS)
    content = json.loads(record["data"]["execution.json"])
    match what:
        case "another image":
            content["suite"]["cases"][0]["container"]["image"] = "hostile"
        case "an id of later":
            cluster.delete(CONFIGMAPS, record["metadata"]["name"])
            content["runId"] = str(int(content["runId"]) + (10**6 << 22))
            record["metadata"]["labels"][labels.RUN_ID] = content["runId"]
            [run] = cluster.all(TESTRUNS)
            reference = RunReference("team", "nightly", run["metadata"]["uid"])
            record["metadata"]["name"] = record_name(reference, content["runId"])
            cluster.put(CONFIGMAPS, record)
            record = cluster.find(CONFIGMAPS, record["metadata"]["name"])
        case "long ago":
            cluster.pass_time(3600)
        case "a note":
            record["metadata"]["annotations"] = {labels.REPLACED: "true"}
    record["data"]["execution.json"] = json.dumps(content)
    await Process(cluster).settle()
    assert len(cluster.all(CONFIGMAPS)) == 2
    assert cluster.status("nightly")["runId"] != content["runId"]
    [job] = cluster.all(JOBS)
    assert "hostile" not in json.dumps(job)


def test_of_any_number_of_foreign_objects_a_bounded_number_is_remembered() -> None:
    """Somebody may make as many as the API server takes."""
    for number in range(3000):
        body = {"metadata": {"namespace": "team", "name": str(number), "uid": str(number)}}
        FOREIGN_OBJECTS.note("jobs", body, Mismatch.NAME)
    assert len(FOREIGN_OBJECTS._told) == 1000


# -- what an older or a newer release has stored --------------------------------------------------------------------


async def test_an_execution_of_a_release_that_bound_no_records_goes_on(cluster: MemoryCluster) -> None:
    """Its status names it, and has no digests yet; they are written."""
    await begin(cluster)
    status = cluster.status("nightly")
    [bound] = status.pop("records")
    process = Process(cluster)
    await process.settle()
    assert cluster.status("nightly")["records"] == [bound]
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert len(cluster.all(JOBS)) == 1


@pytest.mark.parametrize("is_finished", [False, True])
async def test_fields_of_a_newer_release_start_nothing_anew(cluster: MemoryCluster, is_finished: bool) -> None:
    """After a rollback, status, record and outcome have fields that this release does not know."""
    process = await begin(cluster)
    if is_finished:
        cluster.end_pod(cluster.job("one"))
        await process.settle()
    status = cluster.status("nightly")
    run_id = status["runId"]
    status |= {"quarantined": 3, "failures": [{"case": "x", "verdict": "Quarantined"}]}
    status["cases"]["quarantined"] = 3
    [record] = cluster.all(CONFIGMAPS)
    text = record["data"]["execution.json"].replace("{", '{"newField": 1, ', 1)
    record["data"]["execution.json"] = text.replace('"image"', '"newKind": [], "image"')
    if status["records"]:
        status["records"][0]["digest"] = digest_of_record(record)
    process = Process(cluster)
    await process.settle()
    if not is_finished:
        cluster.end_pod(cluster.job("one"))
        await process.settle()
    assert (cluster.status("nightly")["phase"], cluster.status("nightly")["runId"]) == ("Passed", run_id)
    assert len(cluster.all(JOBS)) == 1


async def test_a_status_that_cannot_be_read_starts_nothing_and_waits_for_a_person(cluster: MemoryCluster) -> None:
    """The run says so, keeps the rest of its status as it is, and goes on when a person has removed it."""
    process = await begin(cluster)
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.status("nightly")["phase"] = "Quarantined"
    process = Process(cluster)
    await process.settle()
    status = cluster.status("nightly")
    stalled = next(found for found in status["conditions"] if found["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "StatusUnreadable")
    assert "status.phase" in stalled["message"]
    assert (status["phase"], len(cluster.all(JOBS))) == ("Quarantined", 1)
    writes = cluster.client.writes
    await process.reconcile()
    assert cluster.client.writes == writes
    status["phase"] = "Passed"
    await process.settle()
    assert (cluster.status("nightly")["phase"], len(cluster.all(JOBS))) == ("Passed", 1)


async def test_a_record_that_cannot_be_read_starts_nothing_and_waits_for_a_person(cluster: MemoryCluster) -> None:
    """A kind of case that this release does not know, say."""
    await begin(cluster)
    [record] = cluster.all(CONFIGMAPS)
    record["data"]["execution.json"] = record["data"]["execution.json"].replace('"container"', '"quantum"')

    cluster.status("nightly")["records"][0]["digest"] = digest_of_record(record)
    process = Process(cluster)
    await process.settle()
    stalled = next(found for found in cluster.status("nightly")["conditions"] if found["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "RecordUnreadable")
    assert record["metadata"]["name"] in stalled["message"]
    assert len(cluster.all(JOBS)) == 1


# -- what is over ---------------------------------------------------------------------------------------------------


async def test_of_an_execution_that_is_stored_nothing_is_kept_and_nothing_taken_up(
    cluster: MemoryCluster, store: MemoryStore
) -> None:
    """But when it ended, by which its Jobs and its record are removed in their time, also after a restart."""
    cluster.apply_run("nightly", {"suite": SUITE})
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert len(process.runs.active()) == 1
    await process.store()
    assert process.runs.active() == ()
    process = Process(cluster, store)
    wake = await process.settle()
    assert process.runs.active() == ()
    assert wake is not None
    cluster.now = wake
    await process.settle()
    assert cluster.all(JOBS) == cluster.all(CONFIGMAPS) == []
    assert cluster.all(PODS) == []


async def test_a_job_that_is_in_the_way_of_an_attempt_is_not_adopted(cluster: MemoryCluster) -> None:
    """Somebody has made a Job under the name of the next attempt, and it is complete already."""
    suite = suite_document(container_case("one", retries=1))
    process = await begin(cluster, suite=suite)
    job = cluster.job("one")
    own = job["metadata"]["labels"]
    run = RunReference("team", "nightly", own[labels.RUN_UID])
    name = job_name(run, own[labels.RUN_ID], "one", 2)
    cluster.put(JOBS, {"metadata": {"name": name, "namespace": "team"}})
    cluster.end_pod(job, 1)
    await process.settle()
    [failure] = cluster.status("nightly")["failures"]
    assert (failure["verdict"], failure["reason"]) == ("Errored", "JobRejected")
    assert "the run does not control it" in failure["message"]


async def test_an_execution_that_another_one_followed_is_removed_in_its_time_after_a_restart(
    cluster: MemoryCluster, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The status names what anything remains to be done of; what is over and stored is not foreign for that."""
    cluster.apply_run("nightly", {"suite": SUITE, "revision": "a"})
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    await process.store()
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", {"suite": SUITE, "revision": "b"})
    await process.settle()
    process = Process(cluster, store)
    await process.settle()
    cluster.pass_time(25 * 3600)
    await process.settle()
    left = {record["metadata"]["labels"][labels.RUN_ID] for record in cluster.all(CONFIGMAPS)}
    assert first not in left
    assert first not in {job["metadata"]["labels"][labels.RUN_ID] for job in cluster.all(JOBS)}
    assert "says that it belongs to a run" not in caplog.text
