"""A spec that is changed and put back, with the operator killed anywhere on the way.

Whatever lies between, an invalid spec, another one, a suite that is missing: the spec that is there in the end gets its
own execution, which nobody ends but the one who cancels it.
"""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest

from support.builders import container_case, http_case, report_of, suite_document
from support.hypothesis_profiles import is_searching
from support.memory_cluster import Body, MemoryCluster, is_over
from testrun_operator.api.verdict import Verdict
from testrun_operator.errors import TransientError
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, JOBS, TESTRUNS
from unit.controller.process import MemoryStore, Process

SPEC: Body = {"suite": suite_document(http_case("one"), container_case("two")), "parallelism": 1}
STATUS = "patch", f"{TESTRUNS}/status"
RECORD = "patch", CONFIGMAPS
JOB = "patch", JOBS

DETOURS: dict[str, Body] = {
    "invalid": {"timeout": "slow"},
    "invalid suite": {"suite": suite_document(container_case("one", needs=["nobody"]))},
    "invalid selection": {"select": {"names": ["nobody"]}},
    "another revision": {"revision": "b"},
    "missing suite": {"suite": None, "suiteRef": {"name": "missing"}},
    "suspended": {"revision": "b", "suspend": True},
}


def apply(cluster: MemoryCluster, **fields: Any) -> None:
    """Apply the run with some fields changed; None leaves one out."""
    cluster.apply_run("nightly", {name: value for name, value in (SPEC | fields).items() if value is not None})


def end_all(cluster: MemoryCluster) -> bool:
    """Let every case that runs pass, and every Job that was stopped end; return whether there was one."""
    unfinished = [job for job in cluster.all(JOBS) if not is_over(job)]
    for job in unfinished:
        own = job["metadata"]["labels"]
        if labels.OUTCOME in (job["metadata"].get("annotations") or {}):
            cluster.end_deleted_pods(job)
        elif own[labels.CASE] == "one":
            cluster.report(job, report_of(Verdict.PASSED, case="one", attempt=int(own[labels.ATTEMPT])))
        else:
            cluster.end_pod(job)
    return bool(unfinished)


async def finish(process: Process) -> None:
    """Let the run come to its end, without any time passing but the moments that the operator asks for."""
    await process.settle()
    while end_all(process.cluster):
        await process.settle()


# -- how far the first execution has come ----------------------------------------------------------------------------


async def recorded(process: Process) -> None:
    """Only its record is there: the operator is killed before the first Job."""
    process.cluster.fail_next("create", JOBS)
    await process.reconcile()


async def running(process: Process) -> None:
    """Its first case runs."""
    await process.settle()
    process.cluster.run_pod(process.cluster.job("one"))


async def half_done(process: Process) -> None:
    """Its first case has passed, and its second one runs."""
    await process.settle()
    process.cluster.report(process.cluster.job("one"), report_of(Verdict.PASSED, case="one"))
    await process.settle()


async def ended_unseen(process: Process) -> None:
    """All its cases have passed, and the operator has not looked since."""
    await half_done(process)
    process.cluster.end_pod(process.cluster.job("two"))


async def passed(process: Process) -> None:
    """It has passed."""
    await finish(process)


async def passed_and_a_pod_is_gone(process: Process) -> None:
    """It has passed, and somebody has deleted the pod of a case a moment later."""
    await finish(process)
    [pod] = process.cluster.pods_of(process.cluster.job("one")["metadata"]["name"])
    process.lose_pod(pod)


async def passed_and_a_job_is_gone(process: Process) -> None:
    """It has passed, and somebody has deleted the Job of a case."""
    await finish(process)
    process.lose_job(process.cluster.job("one"))


BEGINNINGS = (recorded, running, half_done, ended_unseen, passed, passed_and_a_pod_is_gone, passed_and_a_job_is_gone)


async def reconcile(process: Process, times: int) -> None:
    """Look a number of times; what fails is tried again with the next look."""
    for _ in range(times):
        try:
            await process.reconcile()
        except TransientError:
            continue


def check(cluster: MemoryCluster, course: object = None) -> None:
    """The spec that is there has its own execution, and that has passed."""
    body = cluster.find(TESTRUNS, "nightly")
    status = body["status"]
    assert (status["observedGeneration"], status["phase"]) == (body["metadata"]["generation"], "Passed"), course
    assert status["cases"]["passed"] == 2, course
    assert status["runId"] not in {entry["runId"] for entry in status["history"]}, course


def check_stored(cluster: MemoryCluster, store: MemoryStore, course: object) -> None:
    """Postgres has every execution, with the end that the status tells of it."""
    status = cluster.status("nightly")
    told = {entry["runId"]: entry["phase"] for entry in status["history"]} | {status["runId"]: status["phase"]}
    assert told == {str(run_id): run.phase.value for run_id, run in store.runs.items()}, course


KILLS = tuple(product([False, True], [False, True]))
TROUBLES = (None, *product([STATUS, RECORD, JOB], [False, True]))
COURSES = tuple(product(range(4), KILLS, TROUBLES))
"""How often the operator looks before the spec is put back and after; whether it is killed before that and after; which
call fails, and whether it was carried out all the same."""
SHARE = 1 if is_searching() else 9
"""Of the courses, one in so many is taken: another ninth for each beginning and detour."""


@pytest.mark.hypothesis  # for `make search`, which takes all courses
@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda beginning: beginning.__name__)
@pytest.mark.parametrize("detour", DETOURS)
async def test_a_spec_that_is_put_back_gets_its_own_execution(
    beginning: Callable[[Process], Awaitable[None]], detour: str
) -> None:
    """Wherever the operator is killed, whichever call fails, and however often it looks in between."""
    first = BEGINNINGS.index(beginning) + list(DETOURS).index(detour)
    for course in COURSES[first % SHARE :: SHARE]:
        looks, (is_killed_before, is_killed_after), trouble = course
        cluster, store = MemoryCluster(), MemoryStore()
        apply(cluster)
        process = Process(cluster, store)
        await beginning(process)
        apply(cluster, **DETOURS[detour])
        if trouble is not None:
            cluster.fail_next(*trouble[0], is_done=trouble[1])
        await reconcile(process, looks)
        if is_killed_before:
            process = Process(cluster, store)
            await reconcile(process, looks // 2)
        apply(cluster)
        if is_killed_after:
            await reconcile(process, looks)
            process = Process(cluster, store)
        cluster._troubles.clear()
        await finish(process)
        await process.store()
        check(cluster, course)
        if beginning not in {passed_and_a_pod_is_gone, passed_and_a_job_is_gone}:
            check_stored(cluster, store, course)


# -- what was found by chance, one by one ----------------------------------------------------------------------------


async def test_a_spec_that_is_put_back_after_the_end_does_not_wait_for_a_pod_that_is_gone(
    cluster: MemoryCluster,
) -> None:
    """After a restart the operator waits some seconds for the pod of a Job that is over; nobody is held up by that."""
    apply(cluster)
    process = Process(cluster)
    await finish(process)
    apply(cluster, timeout="slow")
    await process.settle()
    [pod] = cluster.pods_of(cluster.job("one")["metadata"]["name"])
    process.lose_pod(pod)
    cluster.finish_job(cluster.job("one"), "Failed")
    apply(cluster)
    process = Process(cluster)
    await process.reconcile()
    assert cluster.status("nightly")["phase"] == "Running"
    await finish(process)
    check(cluster)


async def test_a_spec_that_is_put_back_while_the_execution_is_ended_gets_another_one(cluster: MemoryCluster) -> None:
    """Its cases were ended for another spec; they are no result of this one."""
    apply(cluster)
    process = Process(cluster)
    await process.settle()
    apply(cluster, revision="b")
    await process.reconcile()
    apply(cluster)
    await finish(process)
    check(cluster)
    assert [entry["phase"] for entry in cluster.status("nightly")["history"]] == ["Cancelled"]


async def test_an_execution_is_noted_as_replaced_before_anything_of_it_is_ended(cluster: MemoryCluster) -> None:
    """A restart in between must find out that what was ended was ended for another spec."""
    apply(cluster)
    process = Process(cluster)
    await process.settle()
    apply(cluster, timeout="slow")
    cluster.fail_next(*RECORD)
    with pytest.raises(TransientError):
        await process.reconcile()
    assert "activeDeadlineSeconds" not in cluster.job("one")["spec"]
    await process.settle()
    assert cluster.job("one")["spec"]["activeDeadlineSeconds"] == 1
    [record] = cluster.all(CONFIGMAPS)
    assert record["metadata"]["annotations"][labels.REPLACED] == "true"


async def test_the_history_has_how_an_execution_ended_before_an_invalid_spec(cluster: MemoryCluster) -> None:
    """Also if the operator had not seen its end before the spec became invalid."""
    apply(cluster)
    process = Process(cluster)
    await ended_unseen(process)
    apply(cluster, timeout="slow")
    await process.settle()
    status = cluster.status("nightly")
    assert status["phase"] == "Errored"
    assert [entry["phase"] for entry in status["history"]] == ["Passed"]


async def test_a_run_that_is_created_anew_has_nothing_of_the_one_before(cluster: MemoryCluster) -> None:
    """Though the operator never saw that it was gone."""
    apply(cluster)
    process = Process(cluster)
    await process.settle()
    cluster.delete(TESTRUNS, "nightly")
    for resource in (JOBS, CONFIGMAPS):
        for body in cluster.all(resource):
            cluster.delete(resource, body["metadata"]["name"])
    apply(cluster)
    await finish(process)
    check(cluster)
    assert cluster.status("nightly")["history"] == []
    assert process.runs.active() == ()
