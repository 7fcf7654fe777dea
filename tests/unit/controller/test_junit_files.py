"""Container cases that leave JUnit files behind, from their Job to Postgres."""

from collections.abc import Mapping

import pytest

from support.builders import container_case, report_of, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.api.junit import READER
from testrun_operator.api.report import Detail, DetailKind, Report
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.kube.client import JOBS, PODS
from unit.controller.process import MemoryStore, Process

CASE = container_case("one", container={"image": "tests:3", "junit": "/reports/*.xml"}, timeout="1m")
DETAILS = (Detail(kind=DetailKind.TEST, name="vat", passed=False, message="19 != 7"),)
FAILED = report_of(Verdict.FAILED, message="1 of 2 tests failed: vat", details=DETAILS, step_count=2)


def large(report: Report) -> Report:
    """Return a report that does not fit into a termination message."""
    return report.model_copy(update={"details": DETAILS * 500})


async def begin(cluster: MemoryCluster, store: MemoryStore | None = None) -> tuple[Process, Body]:
    """Start a run of the case, and its container; return the process and the Job."""
    cluster.apply_run("nightly", {"suite": suite_document(CASE)})
    process = Process(cluster, store)
    await process.settle()
    job = cluster.job("one")
    cluster.run_pod(job)
    await process.settle()
    return process, job


def phase(cluster: MemoryCluster) -> Mapping[str, object]:
    """Return phase and first failure of the run."""
    status = cluster.status("nightly")
    return {"phase": status["phase"], "message": next((found["message"] for found in status.get("failures", ())), "")}


async def stored(process: Process, store: MemoryStore) -> AttemptOutcome:
    """Return the only attempt in Postgres."""
    await process.store()
    [record] = store.cases.values()
    [attempt] = record.outcome.attempts
    return attempt


@pytest.mark.parametrize("restarted", [False, True], ids=["by the same process", "by another one"])
async def test_the_verdict_comes_with_the_tests(cluster: MemoryCluster, *, restarted: bool) -> None:
    """The container has ended, and then its reader; whoever looks at it says the same."""
    store = MemoryStore()
    process, job = await begin(cluster, store)
    cluster.end_before_reader(cluster.pods_of(job["metadata"]["name"])[0], 1)
    await process.settle()
    assert phase(cluster)["phase"] == "Running"
    process = Process(cluster, store) if restarted else process
    cluster.end_reader(job, FAILED)
    await process.settle()
    message = "expected exit code 0, got 1; 1 of 2 tests failed: vat"
    assert phase(cluster) == {"phase": "Failed", "message": message}
    attempt = await stored(process, store)
    assert (attempt.message, attempt.details, attempt.step_count) == (message, DETAILS, 2)


async def test_a_large_report_is_read_from_the_log_of_the_reader(cluster: MemoryCluster) -> None:
    """That of the case's own container has other things in it."""
    store = MemoryStore()
    process, job = await begin(cluster, store)
    [pod] = cluster.pods_of(job["metadata"]["name"])
    cluster.logs[pod["metadata"]["name"]] = "the case's own log"
    cluster.end_before_reader(pod, 1)
    cluster.end_reader(job, large(FAILED))
    await process.settle()
    assert f"{pod['metadata']['name']}/{READER}" in cluster.logs
    assert len((await stored(process, store)).details) == 500


async def test_a_case_without_its_readers_report_is_judged_half_a_minute_later(cluster: MemoryCluster) -> None:
    """The outcome is on the Job then, and stays the same for another process, whatever comes later."""
    process, job = await begin(cluster)
    cluster.end_before_reader(cluster.pods_of(job["metadata"]["name"])[0], 0)
    await process.settle()
    cluster.pass_time(28)
    await process.settle()
    assert phase(cluster)["phase"] == "Running"
    cluster.pass_time(2)
    await process.settle()
    assert phase(cluster)["phase"] == "Passed"
    cluster.end_reader(job, FAILED)
    written = job["metadata"]["annotations"]["testrun.dev/outcome"]
    assert "did not end within 30 s" in written
    store = MemoryStore()
    another = Process(cluster, store)
    await another.settle()
    attempt = await stored(another, store)
    assert (attempt.verdict, attempt.details) == (Verdict.PASSED, ())
    assert attempt.message.startswith("the JUnit files were not read: of their reader, it did not end within 30 s")


async def test_the_tests_of_a_case_that_was_killed_are_stored(cluster: MemoryCluster) -> None:
    """It exceeded its timeout, was asked to end, and the kubelet confirms that; then its reader reports."""
    store = MemoryStore()
    process, job = await begin(cluster, store)
    cluster.pass_time(62)
    await process.settle()
    cluster.delete_gracefully(job)
    [pod] = cluster.pods_of(job["metadata"]["name"])
    cluster.pass_time(10)
    started_at = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    cluster.end_before_reader(pod, 137)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"] = started_at
    await process.settle()
    assert phase(cluster)["phase"] == "Running"
    cluster.end_reader(job, FAILED)
    await process.settle()
    assert phase(cluster)["phase"] == "Failed"
    attempt = await stored(process, store)
    assert attempt.verdict is Verdict.TIMED_OUT
    assert attempt.message.endswith("its timeout of 1m; 1 of 2 tests failed: vat")
    assert attempt.details == DETAILS


async def test_cancelling_a_run_does_not_cancel_a_case_that_has_ended(cluster: MemoryCluster) -> None:
    """Its exit code is known; the cancelled run waits a moment for what it left behind."""
    process, job = await begin(cluster)
    cluster.end_before_reader(cluster.pods_of(job["metadata"]["name"])[0], 0)
    cluster.apply_run("nightly", {"suite": suite_document(CASE), "cancel": True})
    await process.settle()
    assert cluster.client.writes["patch", JOBS] == 0
    cluster.end_reader(job, FAILED)
    await process.settle()
    assert cluster.status("nightly")["cases"]["passed"] == 1


async def test_a_watch_that_is_silent_about_the_reader_makes_no_verdict_without_tests(cluster: MemoryCluster) -> None:
    """Half a minute is elapsed time: the pod is read before anything is made of that."""
    process, job = await begin(cluster)
    cluster.end_before_reader(cluster.pods_of(job["metadata"]["name"])[0], 1)
    await process.settle()
    cluster.lag_behind()
    cluster.end_reader(job, FAILED)
    cluster.pass_time(40)
    await process.settle()
    assert cluster.client.calls["list", PODS] == 1
    assert phase(cluster)["message"] == "expected exit code 0, got 1; 1 of 2 tests failed: vat"


@pytest.mark.parametrize(
    ("is_seen", "is_restarted", "expected"),
    [(True, False, ("Failed", "Test")), (False, False, None), (True, True, None)],
    ids=["seen before", "not seen before", "seen by another process"],
)
async def test_an_end_that_was_seen_counts_when_the_pod_is_deleted_before_its_reader_has_reported(
    cluster: MemoryCluster, *, is_seen: bool, is_restarted: bool, expected: tuple[str, str] | None
) -> None:
    """A case without JUnit files would have been judged at once. Who did not see it cannot know what came first."""
    process, job = await begin(cluster)
    [pod] = cluster.pods_of(job["metadata"]["name"])
    cluster.end_before_reader(pod, 1)
    if is_seen:
        await process.settle()
    cluster.pass_time(8)
    process = Process(cluster) if is_restarted else process
    cluster.delete_gracefully(job)
    await process.settle()
    cluster.end_reader(job, None, 143)
    await process.settle()
    process.lose_pod(pod)
    await process.settle()
    failures = cluster.status("nightly").get("failures", ())
    assert [(found["verdict"], found["failureClass"]) for found in failures] == ([expected] if expected else [])
    assert cluster.client.writes["create", JOBS] == (1 if expected else 2)


async def test_an_end_that_was_seen_counts_when_the_job_is_deleted_before_its_reader_has_reported(
    cluster: MemoryCluster,
) -> None:
    """Nothing of its reader will come any more, and nothing is left to write an outcome on."""
    process, job = await begin(cluster)
    [pod] = cluster.pods_of(job["metadata"]["name"])
    cluster.end_before_reader(pod, 1)
    await process.settle()
    cluster.pass_time(8)
    cluster.delete_gracefully(job)
    process.lose_pod(pod)
    process.lose_job(job)
    await process.settle()
    [failure] = cluster.status("nightly")["failures"]
    assert (failure["verdict"], failure["failureClass"], cluster.status("nightly")["phase"]) == (
        "Failed",
        "Test",
        "Failed",
    )
