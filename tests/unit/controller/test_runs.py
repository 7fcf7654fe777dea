"""A run from its spec to its end, and whatever may come between."""

import contextlib
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from support.builders import NOON, container_case, http_case, report_of, suite_document, termination_message
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.api.report import Detail, DetailKind, encode
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.execution import digest_of
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, EVENTS, JOBS, SERVICES, TESTRUNS
from testrun_operator.resources.parsing import parse_run
from testrun_operator.resources.status import format_time
from unit.controller.process import MemoryStore, Process, condition

STATUS = "patch", f"{TESTRUNS}/status"
RUN_SERVER = {"testServers": [{"name": "pages", "pagination": {}, "scope": "Run"}]}
SHARED_SERVER = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Shared"}]}


def inline(*cases: Body, suite: Body | None = None, **fields: Any) -> Body:
    """Return the spec of a run with a suite of its own."""
    return {"suite": suite_document(*(cases or (container_case("one"),)), **(suite or {})), **fields}


def started_cases(cluster: MemoryCluster) -> list[str]:
    """Return the cases that have Jobs, in the order in which they were created."""
    return [job["metadata"]["labels"][labels.CASE] for job in cluster.all(JOBS)]


async def test_a_run_starts_its_cases_and_ends_with_their_verdicts(cluster: MemoryCluster) -> None:
    """Record, Jobs, verdicts and the final status follow one another, and the record notes the end."""
    cluster.apply_run("nightly", inline(container_case("good"), container_case("bad")))
    process = Process(cluster)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"
    assert cluster.status("nightly")["cases"]["running"] == 2
    cluster.end_pod(cluster.job("good"))
    cluster.end_pod(cluster.job("bad"), exit_code=3)
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["passed"], status["cases"]["failed"]) == ("Failed", 1, 1)
    assert status["successRate"] == "50.00"
    assert [failure["case"] for failure in status["failures"]] == ["bad"]
    assert condition(status, "Stalled") == ("True", "CasesFailed")
    [record] = cluster.all(CONFIGMAPS)
    assert record["metadata"]["annotations"] == {labels.COMPLETED_AT: status["completionTime"]}
    assert status["specDigest"] == digest_of(parse_run(cluster.find(TESTRUNS, "nightly")["spec"]))
    assert process.runs.active() == ()


async def test_the_record_is_written_before_the_first_job(cluster: MemoryCluster) -> None:
    """Without the record nothing of an execution may exist."""
    cluster.apply_run("nightly", inline())
    cluster.fail_next("create", CONFIGMAPS)
    with pytest.raises(ClusterUnavailable):
        await Process(cluster).reconcile()
    assert cluster.client.writes == {("create", CONFIGMAPS): 1}
    assert cluster.all(JOBS) == []


async def test_a_record_whose_creation_was_not_answered_is_taken_up(cluster: MemoryCluster) -> None:
    """An execution is started once even if the answer to its record is lost."""
    cluster.apply_run("nightly", inline())
    cluster.fail_next("create", CONFIGMAPS, is_done=True)
    process = Process(cluster)
    with pytest.raises(ClusterUnavailable):
        await process.reconcile()
    await process.settle()
    assert (len(cluster.all(CONFIGMAPS)), started_cases(cluster)) == (1, ["one"])


async def test_only_as_many_cases_run_as_parallelism_says(cluster: MemoryCluster) -> None:
    """The next case starts when a place is free."""
    cluster.apply_run("nightly", inline(*(container_case(name) for name in "abc"), parallelism=2))
    process = Process(cluster)
    await process.settle()
    assert started_cases(cluster) == ["a", "b"]
    cluster.end_pod(cluster.job("a"))
    await process.settle()
    assert started_cases(cluster) == ["a", "b", "c"]


async def test_a_case_that_fails_once_is_repeated_and_flaky(cluster: MemoryCluster) -> None:
    """A retry is a Job of its own, and the status says that the case needed it."""
    cluster.apply_run("nightly", inline(container_case("one", retries=1)))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"), exit_code=1)
    await process.settle()
    cluster.end_pod(cluster.job("one", attempt=2))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["flaky"]) == ("Passed", 1)


async def test_jobs_and_record_go_after_their_time_and_nothing_starts_again(cluster: MemoryCluster) -> None:
    """What is over is removed ttlAfterFinished after the end; the status keeps it from being run again."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1m"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    due = await process.settle()
    assert due is not None
    assert due - cluster.now == timedelta(minutes=1)
    cluster.now = due - timedelta(milliseconds=1)
    await process.reconcile()
    assert len(cluster.all(JOBS)) == 1
    cluster.now = due
    before = deepcopy(cluster.status("nightly"))
    assert await process.settle() is None
    assert (cluster.all(JOBS), cluster.all(CONFIGMAPS)) == ([], [])
    assert cluster.status("nightly") == before
    assert process.runs.active() == ()


async def test_a_removed_execution_is_not_taken_up_from_a_watch_that_lags_behind(cluster: MemoryCluster) -> None:
    """The record may be shown for a moment after it was deleted."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.pass_time(2)
    cluster.lag_behind()
    await process.settle()
    assert process.runs.active() == ()
    assert (cluster.all(JOBS), cluster.all(CONFIGMAPS)) == ([], [])


async def test_a_run_that_rests_makes_no_call(cluster: MemoryCluster) -> None:
    """Nothing changes, so nothing is called: neither while cases run nor after the end."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.client.calls.clear()
    for _ in range(3):
        await process.reconcile()
        cluster.pass_time(1)
    assert cluster.client.calls == {}
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.client.calls.clear()
    for _ in range(3):
        await process.reconcile()
        cluster.pass_time(1)
    assert cluster.client.calls == {}


async def test_a_case_that_passes_costs_two_writes_at_most(cluster: MemoryCluster) -> None:
    """One write starts a case; statuses are shared by all cases of a moment."""
    cluster.apply_run("nightly", inline(*(container_case(f"case-{number}") for number in range(20)), parallelism=20))
    process = Process(cluster)
    await process.settle()
    for job in cluster.all(JOBS):
        cluster.end_pod(job)
    await process.settle()
    assert cluster.client.writes[("create", JOBS)] == 20
    assert cluster.client.writes.total() <= 2 * 20


async def test_a_watch_that_lags_behind_starts_nothing_twice(cluster: MemoryCluster) -> None:
    """What was just created counts as there before any watch shows it."""
    cluster.apply_run("nightly", inline())
    cluster.lag_behind()
    process = Process(cluster)
    for _ in range(3):
        await process.reconcile()
        cluster.pass_time(1)
    assert cluster.client.calls[("create", JOBS)] == 1
    assert cluster.client.calls[("create", CONFIGMAPS)] == 1
    cluster.catch_up()
    await process.settle()
    assert cluster.client.calls[("create", JOBS)] == 1


# -- what people change -------------------------------------------------------------------------------------------


async def test_a_changed_spec_ends_the_running_execution_first_and_keeps_it_in_history(cluster: MemoryCluster) -> None:
    """The old Jobs are stopped before the first new one is created; the history has the old execution as Cancelled."""
    cluster.apply_run("nightly", inline(revision="a"))
    process = Process(cluster)
    await process.settle()
    [old] = cluster.all(JOBS)
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", inline(revision="b"))
    await process.reconcile()
    assert started_cases(cluster) == ["one"]
    assert old["spec"]["activeDeadlineSeconds"] == 1
    await process.settle()
    status = cluster.status("nightly")
    assert started_cases(cluster) == ["one", "one"]
    assert (status["phase"], status["revision"], status["observedGeneration"]) == ("Running", "b", 2)
    assert status["runId"] > first
    assert [(entry["runId"], entry["phase"]) for entry in status["history"]] == [(first, "Cancelled")]


async def test_a_changed_spec_of_a_run_that_is_over_runs_it_again(cluster: MemoryCluster) -> None:
    """A new revision is a new execution; the earlier verdict stays in the history."""
    cluster.apply_run("nightly", inline(revision="a"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", inline(revision="b"))
    await process.settle()
    cluster.end_pod(cluster.all(JOBS)[1], exit_code=1)
    await process.settle()
    status = cluster.status("nightly")
    assert status["phase"] == "Failed"
    assert [entry["runId"] for entry in status["history"]] == [first]
    assert [entry["phase"] for entry in status["history"]] == ["Passed"]


async def test_a_change_and_its_reversal_are_two_new_executions(cluster: MemoryCluster) -> None:
    """An execution that was replaced is not resumed when the spec goes back to what it was."""
    cluster.apply_run("nightly", inline(revision="a"))
    process = Process(cluster)
    await process.settle()
    cluster.apply_run("nightly", inline(revision="b"))
    await process.settle()
    cluster.apply_run("nightly", inline(revision="a"))
    await process.settle()
    status = cluster.status("nightly")
    assert (len(cluster.all(JOBS)), status["phase"], status["revision"]) == (3, "Running", "a")
    assert [entry["revision"] for entry in status["history"]] == ["b", "a"]


@pytest.mark.parametrize("change", [{"parallelism": 3}, {"suspend": True}, {"ttlAfterFinished": "2h"}])
async def test_a_change_of_what_does_not_decide_what_runs_starts_nothing(cluster: MemoryCluster, change: Body) -> None:
    """Parallelism, suspend and ttlAfterFinished are followed without a new execution, and the generation is noted."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", inline(**change))
    await process.settle()
    assert len(cluster.all(JOBS)) == 1
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["runId"], status["phase"], status["observedGeneration"]) == (first, "Passed", 2)


async def test_a_removed_execution_still_notes_a_new_generation(cluster: MemoryCluster) -> None:
    """After its Jobs are gone, too, a change that starts nothing is seen."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.pass_time(2)
    await process.settle()
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s", parallelism=3))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["observedGeneration"], cluster.all(JOBS)) == ("Passed", 2, [])


async def test_cancel_ends_what_runs_and_keeps_verdicts_that_were_reached(cluster: MemoryCluster) -> None:
    """Cases without a verdict are Cancelled."""
    cases = container_case("done"), container_case("slow"), container_case("later", needs=["slow"])
    cluster.apply_run("nightly", inline(*cases))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("done"))
    cluster.run_pod(cluster.job("slow"))
    await process.settle()
    cluster.apply_run("nightly", inline(*cases, cancel=True))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["passed"], status["cases"]["cancelled"]) == ("Cancelled", 1, 2)
    assert started_cases(cluster) == ["done", "slow"]
    assert cluster.job("slow")["spec"]["activeDeadlineSeconds"] == 1


async def test_cancel_after_the_end_changes_no_verdict(cluster: MemoryCluster) -> None:
    """What passed stays Passed."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.apply_run("nightly", inline(cancel=True))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["observedGeneration"]) == ("Passed", 2)


async def test_a_suspended_run_starts_when_it_is_resumed(cluster: MemoryCluster) -> None:
    """While suspend is true there is no execution at all."""
    cluster.apply_run("nightly", inline(suspend=True))
    process = Process(cluster)
    await process.settle()
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "Suspended")
    assert (cluster.all(JOBS), cluster.all(CONFIGMAPS), cluster.all(EVENTS)) == ([], [], [])
    cluster.apply_run("nightly", inline(suspend=False))
    await process.settle()
    assert started_cases(cluster) == ["one"]


async def test_suspend_while_cases_run_starts_no_further_one(cluster: MemoryCluster) -> None:
    """What runs may end; the rest waits, and the status says why."""
    cases = container_case("a"), container_case("b")
    cluster.apply_run("nightly", inline(*cases, parallelism=1))
    process = Process(cluster)
    await process.settle()
    cluster.apply_run("nightly", inline(*cases, parallelism=1, suspend=True))
    cluster.end_pod(cluster.job("a"))
    await process.settle()
    assert started_cases(cluster) == ["a"]
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "Suspended")


async def test_a_deleted_run_is_forgotten(cluster: MemoryCluster) -> None:
    """What belongs to it goes by garbage collection; nothing is written any more."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.delete(TESTRUNS, "nightly")
    cluster.client.calls.clear()
    assert await process.reconcile() is None
    assert (process.runs.active(), cluster.client.calls) == ((), {})


async def test_a_run_that_is_being_deleted_starts_nothing(cluster: MemoryCluster) -> None:
    """A foreground deletion waits for its Jobs to go, so none may be added."""
    body = cluster.apply_run("nightly", inline())
    body["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    await Process(cluster).reconcile()
    assert cluster.client.calls == {}


# -- what is wrong with the spec ------------------------------------------------------------------------------------


async def test_an_invalid_spec_is_told_in_the_status(cluster: MemoryCluster) -> None:
    """The run is Errored and Stalled with the field's name, and one Event says so."""
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}, "parallelism": "many"})
    process = Process(cluster)
    await process.settle()
    await process.settle()
    status = cluster.status("nightly")
    assert status["phase"] == "Errored"
    assert condition(status, "Stalled") == ("True", "InvalidSpec")
    assert any("parallelism" in found["message"] for found in status["conditions"])
    assert cluster.reasons_of_events() == ["InvalidSpec"]


async def test_a_spec_that_becomes_invalid_ends_what_runs(cluster: MemoryCluster) -> None:
    """The execution before is ended as superseded, and stays in the history as Cancelled."""
    cluster.apply_run("nightly", inline(revision="a"))
    process = Process(cluster)
    await process.settle()
    cluster.apply_run("nightly", inline(container_case("one", needs=["nobody"])))
    await process.settle()
    status = cluster.status("nightly")
    assert cluster.job("one")["spec"]["activeDeadlineSeconds"] == 1
    assert (status["phase"], [entry["phase"] for entry in status["history"]]) == ("Errored", ["Cancelled"])


async def test_what_ran_before_an_invalid_spec_is_removed_in_its_time(cluster: MemoryCluster) -> None:
    """The end of ttlAfterFinished is a time to look again, also while the spec is invalid."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1m"))
    process = Process(cluster)
    await process.settle()
    cluster.apply_run("nightly", {"parallelism": "many"})
    due = await process.settle()
    assert due is not None
    assert due - cluster.now <= timedelta(minutes=1)
    cluster.now = due
    await process.settle()
    assert (cluster.all(JOBS), cluster.all(CONFIGMAPS)) == ([], [])


async def test_a_corrected_spec_is_executed(cluster: MemoryCluster) -> None:
    """What was invalid leaves nothing behind that would hold up the next execution."""
    cluster.apply_run("nightly", {"parallelism": "many"})
    process = Process(cluster)
    await process.settle()
    cluster.apply_run("nightly", inline())
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"
    assert condition(cluster.status("nightly"), "Stalled")[0] == "False"


async def test_a_spec_that_was_invalid_for_a_while_is_executed_anew(cluster: MemoryCluster) -> None:
    """An execution that an invalid spec ended is not what the corrected spec gets as its result."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", {"parallelism": "many"})
    await process.settle()
    cluster.apply_run("nightly", inline())
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], len(cluster.all(JOBS))) == ("Running", 2)
    assert status["runId"] != first


async def test_a_run_waits_for_its_suite_and_starts_when_it_appears(cluster: MemoryCluster) -> None:
    """The order in which GitOps applies things does not matter."""
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}})
    process = Process(cluster)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Pending"
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "SuiteNotFound")
    cluster.apply_suite("regression", suite_document(container_case("one")))
    await process.settle()
    assert started_cases(cluster) == ["one"]
    assert cluster.reasons_of_events() == ["SuiteNotFound", "Started"]


async def test_a_suite_that_changes_does_not_disturb_an_execution(cluster: MemoryCluster) -> None:
    """The suite is read when an execution starts, and never again."""
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}, "parallelism": 1})
    cluster.apply_suite("regression", suite_document(container_case("a"), container_case("b")))
    process = Process(cluster)
    await process.settle()
    cluster.apply_suite("regression", suite_document(container_case("c")))
    cluster.end_pod(cluster.job("a"))
    await process.settle()
    assert started_cases(cluster) == ["a", "b"]


# -- what happens to the operator and to the cluster ----------------------------------------------------------------


async def test_a_restart_adopts_the_jobs_and_creates_no_second_one(cluster: MemoryCluster) -> None:
    """A new process goes on where the old one was killed."""
    cluster.apply_run("nightly", inline(*(container_case(name) for name in "abc"), parallelism=2))
    first = Process(cluster)
    await first.settle()
    cluster.end_pod(cluster.job("a"))
    second = Process(cluster)
    await second.settle()
    assert started_cases(cluster) == ["a", "b", "c"]
    for name in "bc":
        cluster.end_pod(cluster.job(name))
    await Process(cluster).settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 3)
    assert cluster.client.calls[("create", JOBS)] == 3


async def test_a_job_that_is_refused_once_more_after_a_restart_ends_its_case(cluster: MemoryCluster) -> None:
    """The operator looks again by itself: the status says already that the case runs, so no watch shows a change."""
    cluster.apply_run("nightly", inline())
    for _ in range(2):
        cluster.refuse_next("create", JOBS, 403, "forbidden")
    await Process(cluster).reconcile()
    process = Process(cluster)
    wake = await process.reconcile()
    assert wake == cluster.now
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], [failure["reason"] for failure in status["failures"]]) == ("Errored", ["JobRejected"])


async def test_a_restart_of_an_execution_that_is_over_calls_nothing(cluster: MemoryCluster) -> None:
    """A final status and a noted record say everything."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.client.calls.clear()
    await Process(cluster).settle()
    assert cluster.client.calls == {}


async def test_a_final_status_without_a_record_starts_nothing(cluster: MemoryCluster) -> None:
    """A restart after the Jobs are gone does not run a run again."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    cluster.pass_time(2)
    await process.settle()
    cluster.client.calls.clear()
    await Process(cluster).settle()
    assert cluster.client.calls == {}


async def test_a_kill_between_the_final_status_and_the_record_is_made_up_for(cluster: MemoryCluster) -> None:
    """The next process notes the end, with the time that the status says."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    cluster.fail_next("patch", CONFIGMAPS)
    with pytest.raises(ClusterUnavailable):
        await process.reconcile()
    completed_at = cluster.status("nightly")["completionTime"]
    cluster.pass_time(60)
    await Process(cluster).settle()
    [record] = cluster.all(CONFIGMAPS)
    assert record["metadata"]["annotations"][labels.COMPLETED_AT] == completed_at
    assert cluster.status("nightly")["completionTime"] == completed_at


async def test_a_restart_tells_nothing_again(cluster: MemoryCluster) -> None:
    """What happened to an execution that is over was told by the process before."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    process.lose_job(cluster.job("one"))
    await process.settle()
    cluster.end_pod(cluster.job("one", attempt=2), exit_code=137)
    await process.settle()
    cluster.end_pod(cluster.job("one", attempt=3))
    await process.settle()
    told = cluster.reasons_of_events()
    cluster.pass_time(60)
    cluster.client.calls.clear()
    await Process(cluster).settle()
    assert (cluster.reasons_of_events(), cluster.client.calls) == (told, {})


async def test_jobs_that_go_after_the_end_change_no_status(cluster: MemoryCluster) -> None:
    """Somebody who removes the Jobs of a finished run changes neither its phase nor its counts."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    before = deepcopy(cluster.status("nightly"))
    process.lose_job(cluster.job("one"))
    await process.settle()
    assert cluster.status("nightly") == before
    await Process(cluster).settle()
    assert (cluster.status("nightly"), cluster.all(JOBS)) == (before, [])


async def test_a_job_that_is_deleted_is_an_infrastructure_fault(cluster: MemoryCluster) -> None:
    """Its case is repeated without using up a retry."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    process.lose_job(cluster.job("one"))
    await process.settle()
    cluster.end_pod(cluster.job("one", attempt=2))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["flaky"]) == ("Passed", 0)
    assert cluster.reasons_of_events() == ["Started", "JobDeleted", "Passed"]


async def test_a_pod_that_is_deleted_while_it_runs_is_an_infrastructure_fault(cluster: MemoryCluster) -> None:
    """The attempt is ended on its Job, and the case repeated."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    pod = cluster.run_pod(cluster.job("one"))
    await process.settle()
    process.lose_pod(pod)
    await process.settle()
    assert '"PodDeleted"' in cluster.job("one")["metadata"]["annotations"][labels.OUTCOME]
    assert cluster.job("one", attempt=2)["metadata"]["annotations"] == {
        labels.TEST_FAILURES: "0",
        labels.INFRASTRUCTURE_FAULTS: "1",
    }


async def test_a_case_is_repeated_only_when_the_pod_that_was_stopped_has_ended(cluster: MemoryCluster) -> None:
    """The Job controller deletes the pod of a stopped Job, and it goes on for as long as its grace period."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s", retries=1)))
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    cluster.pass_time(31)
    wake = await process.settle()
    assert wake == cluster.now + timedelta(seconds=60)
    assert cluster.status("nightly")["cases"]["running"] == 1
    assert started_cases(cluster) == ["one"]
    cluster.end_stopped_container(cluster.job("one"))
    await process.settle()
    assert started_cases(cluster) == ["one", "one"]


def put_refusal(cluster: MemoryCluster, job: Body, message: str) -> None:
    """Let the Job controller say why it could not create a pod."""
    event = {
        "metadata": {"name": f"refusal-{cluster.now.timestamp()}", "namespace": "team"},
        "involvedObject": {"kind": "Job", "name": job["metadata"]["name"]},
        "type": "Warning",
        "reason": "FailedCreate",
        "lastTimestamp": format_time(cluster.now),
        "message": f"Error creating: {message}",
    }
    cluster.put(EVENTS, event)


async def test_a_pod_that_a_rule_refuses_is_told_within_15_seconds(cluster: MemoryCluster) -> None:
    """The API server's words are in the status, and the case is not tried again."""
    rule = 'violates PodSecurity "restricted:latest": runAsNonRoot != true'
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    due = await process.settle()
    put_refusal(cluster, cluster.job("one"), f'pods "one" is forbidden: {rule}')
    assert due == NOON + timedelta(seconds=15)
    cluster.now = due
    await process.settle()
    cluster.pass_time(15)
    await process.settle()
    [failure] = cluster.status("nightly")["failures"]
    assert (failure["verdict"], failure["reason"], failure["attempt"]) == ("Errored", "PodNotCreated", 1)
    assert failure["message"] == f"the Job's pod is refused: {rule}"


async def test_a_pod_that_a_quota_refuses_is_waited_for_and_the_status_says_so(cluster: MemoryCluster) -> None:
    """There may be room again; until then people have to see what is waited for."""
    said = 'pods "one" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=1, limited: pods=1'
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    put_refusal(cluster, cluster.job("one"), said)
    cluster.pass_time(15)
    await process.settle()
    cluster.pass_time(15)
    await process.settle()
    job = cluster.job("one")["metadata"]["name"]
    found = next(found for found in cluster.status("nightly")["conditions"] if found["type"] == "Reconciling")
    assert found["message"] == f"1 refused, of which Job {job}: {said}"
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"


async def test_a_job_that_a_queue_suspends_waits_and_the_status_says_so(cluster: MemoryCluster) -> None:
    """Kueue suspends a Job when it is created, and lets it go when there is room."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster)
    await process.settle()
    job = cluster.job("one")
    job["spec"]["suspend"] = True
    cluster.pass_time(1800)
    await process.settle()
    found = next(found for found in cluster.status("nightly")["conditions"] if found["type"] == "Reconciling")
    assert found["message"] == "1 suspended by a queue"
    job["spec"]["suspend"] = False
    cluster.end_pod(job)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert started_cases(cluster) == ["one"]


QUOTA = 'jobs.batch "x" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: 1, limited: 1'


async def test_a_job_that_a_quota_refuses_holds_up_no_verdict_and_no_cancellation(cluster: MemoryCluster) -> None:
    """The refused one is tried again alone; that it waits is told in the status and by one Event."""
    spec = inline(container_case("a"), container_case("b"))
    cluster.apply_run("nightly", spec)
    for _ in range(2):
        cluster.refuse_next("create", JOBS, 403, QUOTA)
    process = Process(cluster)
    wake = await process.reconcile()
    assert wake is not None
    cluster.now = wake
    await process.reconcile()
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "WaitingForQuota")
    cluster.refuse_next("create", JOBS, 403, QUOTA)
    cluster.pass_time(900)
    await process.reconcile()
    assert cluster.reasons_of_events().count("WaitingForQuota") == 1
    assert cluster.all(JOBS) == []
    cluster.apply_run("nightly", spec | {"cancel": True})
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["cancelled"]) == ("Cancelled", 2)


async def test_the_queue_of_a_run_is_that_of_its_jobs(cluster: MemoryCluster) -> None:
    """Kueue takes the Jobs into the queue that the TestRun names by its label."""
    run = cluster.apply_run("nightly", inline())
    run["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "tests", "team": "a"}
    await Process(cluster).settle()
    [job] = cluster.all(JOBS)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tests"
    assert "team" not in job["metadata"]["labels"]


async def test_an_api_server_that_is_away_changes_no_verdict(cluster: MemoryCluster) -> None:
    """What is to be done is tried again; once the server is back, all is done as if nothing had been."""
    cluster.apply_run("nightly", inline(container_case("a"), container_case("b"), parallelism=1))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("a"))
    cluster.is_down = True
    for _ in range(3):
        with contextlib.suppress(ClusterUnavailable):
            assert await process.reconcile() is not None
        cluster.pass_time(10)
    cluster.is_down = False
    await process.settle()
    cluster.end_pod(cluster.job("b"))
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert started_cases(cluster) == ["a", "b"]


async def test_a_case_that_takes_too_long_is_stopped(cluster: MemoryCluster) -> None:
    """The time to look again is the case's deadline; then the Job is stopped with the outcome on it."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")))
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    due = await process.settle()
    assert due is not None
    assert due == NOON + timedelta(seconds=31)
    cluster.now = due
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["running"]) == ("Running", 1)
    cluster.end_stopped_container(cluster.job("one"))
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["timedOut"]) == ("Failed", 1)


async def test_a_time_out_that_was_asked_for_is_confirmed_by_another_process(cluster: MemoryCluster) -> None:
    """What was asked for is on the Job, and the verdict on it once it is confirmed: its pod may go then."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")))
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    cluster.pass_time(31)
    await process.settle()
    process = Process(cluster)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"
    cluster.end_stopped_container(cluster.job("one"))
    process = Process(cluster)
    await process.settle()
    cluster.end_deleted_pods(cluster.job("one"))
    process = Process(cluster)
    await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["timedOut"]) == ("Failed", 1)


async def test_a_silent_watch_makes_no_time_out(cluster: MemoryCluster) -> None:
    """Before an attempt is ended for its time being over, its Job and its pod are read: it had passed long ago."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")))
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    due = await process.settle()
    cluster.lag_behind()
    cluster.end_pod(cluster.job("one"))
    assert due is not None
    cluster.now = due
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert labels.OUTCOME not in cluster.job("one")["metadata"]["annotations"]


async def test_a_job_that_has_changed_meanwhile_is_read_before_it_is_cancelled(cluster: MemoryCluster) -> None:
    """A case that had passed before its run was cancelled stays passed, though no watch has shown it yet."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")))
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    await process.settle()
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")) | {"cancel": True})
    cluster.lag_behind()
    cluster.end_pod(cluster.job("one"))
    cluster.refuse_next("patch", JOBS, 409, "the object has been modified")
    await process.settle()
    assert cluster.status("nightly")["cases"]["passed"] == 1


async def test_a_job_is_stopped_only_in_the_version_by_which_that_was_decided(cluster: MemoryCluster) -> None:
    """The API server refuses a patch with another resourceVersion than the Job's."""
    cluster.apply_run("nightly", inline(container_case("one", timeout="30s")))
    process = Process(cluster)
    await process.settle()
    cluster.job("one")["metadata"]["resourceVersion"] = "17"
    cluster.run_pod(cluster.job("one"))
    cluster.pass_time(31)
    await process.settle()
    assert cluster.patches[-1]["metadata"]["resourceVersion"] == "17"


async def test_a_sidecar_that_goes_on_does_not_hold_up_its_case(cluster: MemoryCluster) -> None:
    """The case's own container decides; what a mesh has put beside it is ended with the Job, and the run goes on."""
    cluster.apply_run("nightly", inline(container_case("one"), container_case("two"), parallelism=1))
    process = Process(cluster)
    await process.settle()
    pod = cluster.run_pod(cluster.job("one"))
    cluster.end_beside_sidecar(pod)
    wake = await process.settle()
    assert cluster.status("nightly")["cases"]["passed"] == 1
    assert started_cases(cluster) == ["one"]
    assert wake is not None
    cluster.now = wake
    await process.settle()
    assert '"Passed"' in cluster.job("one")["metadata"]["annotations"][labels.OUTCOME]
    cluster.end_deleted_pods(cluster.job("one"))
    await process.settle()
    assert started_cases(cluster) == ["one", "two"]


async def test_a_report_is_read_before_the_pod_of_a_case_that_is_repeated_is_ended(
    cluster: MemoryCluster, store: MemoryStore
) -> None:
    """A sidecar goes on, so that the Job is ended; the log goes with the pod, long before the case has its verdict."""
    cluster.apply_run("nightly", inline(http_case("one", retries=1)))
    process = Process(cluster, store)
    await process.settle()
    details = tuple(Detail(kind=DetailKind.ASSERTION, name=f"{n:0100}", passed=False) for n in range(100))
    pod = cluster.run_pod(cluster.job("one"))
    message, cluster.logs[pod["metadata"]["name"]] = encode(report_of(Verdict.FAILED, details=details))
    cluster.end_beside_sidecar(pod, 1)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message.decode()
    wake = await process.settle()
    assert wake is not None
    cluster.now = wake
    await process.settle()
    cluster.end_deleted_pods(cluster.job("one"))
    await process.settle()
    cluster.end_pod(cluster.job("one", 2), message=termination_message(report_of(attempt=2)))
    await process.settle()
    await process.store()
    [record] = store.cases.values()
    assert [len(attempt.details) for attempt in record.outcome.attempts] == [100, 0]


async def test_a_case_beside_a_sidecar_has_the_same_verdict_whenever_it_is_judged(cluster: MemoryCluster) -> None:
    """No operator was there, and the sidecar kept the pod up to its own deadline: the case had passed."""
    cluster.apply_run("nightly", inline(container_case("one")))
    process = Process(cluster)
    await process.settle()
    pod = cluster.run_pod(cluster.job("one"))
    cluster.end_beside_sidecar(pod)
    cluster.pass_time(700)
    pod["status"] |= {"phase": "Failed", "reason": "DeadlineExceeded"}
    pod["spec"]["activeDeadlineSeconds"] = 600
    pod["status"]["startTime"] = format_time(NOON)
    cluster.finish_job(cluster.job("one"), "Failed")
    process = Process(cluster)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"


# -- test servers ---------------------------------------------------------------------------------------------------


async def test_no_case_starts_before_its_test_server_answers(cluster: MemoryCluster) -> None:
    """The server is deployed first, and the status says what is waited for."""
    cluster.apply_run("nightly", inline(suite=RUN_SERVER))
    process = Process(cluster)
    await process.settle()
    assert cluster.all(JOBS) == []
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "WaitingForTestServer")
    [deployment] = cluster.all(DEPLOYMENTS)
    assert len(cluster.all(SERVICES)) == 1
    cluster.make_ready(deployment)
    await process.settle()
    assert started_cases(cluster) == ["one"]
    url = f"http://{deployment['metadata']['name']}.team.svc.cluster.local:5555"
    assert {"name": "TESTRUN_SERVER_PAGES_URL", "value": url} in cluster.job("one")["spec"]["template"]["spec"][
        "containers"
    ][0]["env"]


async def test_a_test_server_that_never_answers_ends_the_cases_as_errored(cluster: MemoryCluster) -> None:
    """After the start timeout every case that was not started ends with what is the matter."""
    cluster.apply_run("nightly", inline(suite=RUN_SERVER))
    process = Process(cluster)
    await process.settle()
    cluster.pass_time(301)
    await process.settle()
    status = cluster.status("nightly")
    assert status["phase"] == "Errored"
    assert [failure["reason"] for failure in status["failures"]] == ["TestServerUnavailable"]


async def test_the_end_of_waiting_for_a_test_server_comes_by_itself(cluster: MemoryCluster) -> None:
    """When the start timeout ends is a time to look again: nothing else may happen by then."""
    cluster.apply_run("nightly", inline(suite=RUN_SERVER))
    process = Process(cluster)
    due = await process.settle()
    assert due is not None
    assert due - cluster.now <= timedelta(minutes=5)


async def test_a_test_server_that_cannot_be_deployed_is_told(cluster: MemoryCluster) -> None:
    """The API server's answer is in the condition."""
    cluster.apply_run("nightly", inline(suite=SHARED_SERVER))
    process = Process(cluster)
    for _ in range(2):
        cluster.refuse_next("create", DEPLOYMENTS, 404, 'namespaces "test-server" not found')
        await process.reconcile()
        cluster.pass_time(1)
    found = cluster.status("nightly")["conditions"][0]
    assert 'paginated-api cannot be deployed: namespaces "test-server" not found' in found["message"]


async def test_a_run_removes_its_own_test_server_and_keeps_shared_ones(cluster: MemoryCluster) -> None:
    """With scope Run the server goes when the run is over; with scope Shared it stays."""
    servers = {"testServers": [*RUN_SERVER["testServers"], *SHARED_SERVER["testServers"]]}
    cluster.apply_run("nightly", inline(suite=servers))
    process = Process(cluster)
    await process.settle()
    for deployment in cluster.all(DEPLOYMENTS):
        cluster.make_ready(deployment)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert [body["metadata"]["name"] for body in cluster.all(DEPLOYMENTS)] == ["paginated-api"]
    assert [body["metadata"]["name"] for body in cluster.all(SERVICES)] == ["paginated-api"]


async def test_a_test_server_that_is_deleted_while_cases_run_is_deployed_again(cluster: MemoryCluster) -> None:
    """It is repaired, and no further case starts until it answers."""
    cluster.apply_run("nightly", inline(container_case("a"), container_case("b"), suite=SHARED_SERVER, parallelism=1))
    process = Process(cluster)
    await process.settle()
    cluster.make_ready(cluster.find(DEPLOYMENTS, "paginated-api", "test-server"))
    await process.settle()
    cluster.delete(DEPLOYMENTS, "paginated-api", "test-server")
    cluster.end_pod(cluster.job("a"))
    await process.settle()
    assert started_cases(cluster) == ["a"]
    cluster.make_ready(cluster.find(DEPLOYMENTS, "paginated-api", "test-server"))
    await process.settle()
    assert started_cases(cluster) == ["a", "b"]


# -- results --------------------------------------------------------------------------------------------------------


async def test_results_are_stored_and_the_status_says_so(cluster: MemoryCluster, store: MemoryStore) -> None:
    """Each case and the summary are in Postgres; the condition and the record say it."""
    cluster.apply_run("nightly", inline(container_case("good"), container_case("bad"), revision="4f2c1d"))
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("good"))
    cluster.end_pod(cluster.job("bad"), exit_code=1)
    await process.settle()
    assert condition(cluster.status("nightly"), "ResultsStored") == ("False", "Storing")
    await process.store()
    assert condition(cluster.status("nightly"), "ResultsStored") == ("True", "Stored")
    [record] = cluster.all(CONFIGMAPS)
    assert record["metadata"]["annotations"][labels.STORED] == "true"
    verdicts = {case: row.outcome.verdict for (_, case), row in store.cases.items()}
    assert verdicts == {"good": Verdict.PASSED, "bad": Verdict.FAILED}
    [summary] = store.runs.values()
    assert (summary.total, summary.passed, summary.failed, summary.revision) == (2, 1, 1, "4f2c1d")


async def test_jobs_are_kept_until_their_results_are_stored(cluster: MemoryCluster, store: MemoryStore) -> None:
    """During an outage of Postgres the run ends truthfully, and everything is stored when it is back."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    store.problem = "connection refused"
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    await process.store()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert condition(cluster.status("nightly"), "ResultsStored") == ("False", "StoreUnavailable")
    cluster.pass_time(3600)
    await process.settle()
    assert len(cluster.all(JOBS)) == 1
    store.problem = None
    await process.store()
    assert condition(cluster.status("nightly"), "ResultsStored") == ("True", "Stored")
    assert (len(store.runs), cluster.all(JOBS)) == (1, [])


async def test_a_restart_during_an_outage_loses_no_result(cluster: MemoryCluster, store: MemoryStore) -> None:
    """What waited in memory is found out again from the Jobs."""
    cluster.apply_run("nightly", inline(container_case("a"), container_case("b")))
    store.problem = "connection refused"
    process = Process(cluster, store)
    await process.settle()
    for name in "ab":
        cluster.end_pod(cluster.job(name))
    await process.settle()
    store.problem = None
    process = Process(cluster, store)
    await process.settle()
    await process.store()
    assert sorted(case for _, case in store.cases) == ["a", "b"]
    assert condition(cluster.status("nightly"), "ResultsStored") == ("True", "Stored")


async def test_a_restart_leaves_alone_what_is_noted_as_stored(cluster: MemoryCluster, store: MemoryStore) -> None:
    """Pods may be gone since; what is found out without them must not take the place of what is stored."""
    cluster.apply_run("nightly", inline())
    process = Process(cluster, store)
    await process.settle()
    pod = cluster.end_pod(cluster.job("one"), exit_code=1)
    await process.settle()
    await process.store()
    [before] = store.cases.values()
    cluster.delete("v1/pods", pod["metadata"]["name"])
    cluster.pass_time(60)
    process = Process(cluster, store)
    await process.settle()
    await process.store()
    assert list(store.cases.values()) == [before]


@pytest.mark.parametrize("left", ["a Job without a pod", "nothing"])
async def test_what_a_status_has_told_is_stored_though_its_evidence_is_gone(
    cluster: MemoryCluster, store: MemoryStore, left: str
) -> None:
    """Postgres was away, then a node was drained, with the pods of cases and with the operator on it."""
    cluster.apply_run("nightly", inline(container_case("a"), container_case("b")))
    store.problem = "connection refused"
    process = Process(cluster, store)
    await process.settle()
    pods = [cluster.end_pod(cluster.job("a")), cluster.end_pod(cluster.job("b"), exit_code=1)]
    await process.settle()
    for pod in pods:
        cluster.delete("v1/pods", pod["metadata"]["name"])
    for name in "ab" if left == "nothing" else "":
        cluster.delete(JOBS, cluster.job(name)["metadata"]["name"])
    cluster.pass_time(60)
    store.problem = None
    process = Process(cluster, store)
    await process.settle()
    await process.store()
    verdicts = {case: record.outcome.verdict.value for (_, case), record in store.cases.items()}
    assert verdicts == {"a": "Passed", "b": "Failed"}
    assert condition(cluster.status("nightly"), "ResultsStored") == ("True", "Stored")


async def test_a_failure_is_not_forgotten_with_its_pod(cluster: MemoryCluster, store: MemoryStore) -> None:
    """The same while the run goes on: what has failed does not get another try, and what has passed is not repeated."""
    cluster.apply_run("nightly", inline(*(container_case(name) for name in "abc")))
    process = Process(cluster, store)
    await process.settle()
    pods = [cluster.end_pod(cluster.job("a"), exit_code=1), cluster.end_pod(cluster.job("b"))]
    await process.settle()
    cluster.pass_time(1)
    await process.store()
    for pod in pods:
        cluster.delete("v1/pods", pod["metadata"]["name"])
    before = dict(store.cases)
    process = Process(cluster, store)
    await process.settle()
    assert len(cluster.all(JOBS)) == 3
    cluster.end_pod(cluster.job("c"))
    await process.settle()
    await process.store()
    status = cluster.status("nightly")
    assert (status["cases"]["passed"], status["cases"]["failed"]) == (2, 1)
    assert before.items() <= store.cases.items()  # with their details


async def test_an_execution_that_was_replaced_is_stored_too(cluster: MemoryCluster, store: MemoryStore) -> None:
    """Every execution has its summary in Postgres, also one that was superseded."""
    cluster.apply_run("nightly", inline(revision="a"))
    process = Process(cluster, store)
    await process.settle()
    cluster.apply_run("nightly", inline(revision="b"))
    await process.settle()
    await process.store()
    [summary] = store.runs.values()
    assert (summary.revision, summary.phase.value, summary.cancelled) == ("a", "Cancelled", 1)


async def test_a_run_without_postgres_says_so_and_is_removed_in_time(cluster: MemoryCluster) -> None:
    """Nothing waits for a store that does not exist."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    assert condition(cluster.status("nightly"), "ResultsStored") == ("False", "StoreNotConfigured")
    cluster.pass_time(2)
    await process.settle()
    assert cluster.all(JOBS) == []


async def test_a_result_that_postgres_never_accepts_does_not_keep_the_jobs(
    cluster: MemoryCluster, store: MemoryStore
) -> None:
    """The condition names the case; waiting longer would not help."""
    cluster.apply_run("nightly", inline(ttlAfterFinished="1s"))
    store.refused = {"one"}
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    await process.store()
    status = cluster.status("nightly")
    assert condition(status, "ResultsStored") == ("False", "StoreRefused")
    cluster.pass_time(2)
    await process.settle()
    assert cluster.all(JOBS) == []


async def test_statuses_are_written_once_an_interval(cluster: MemoryCluster) -> None:
    """Cases that end within a moment share a write; only the end is written at once."""
    cluster.apply_run("nightly", inline(*(container_case(name) for name in "abc")))
    process = Process(cluster)
    await process.settle()
    before = cluster.client.calls[STATUS]
    cluster.pass_time(1)
    for name in "ab":
        cluster.end_pod(cluster.job(name))
        await process.reconcile()
    assert cluster.client.calls[STATUS] == before + 1
    cluster.end_pod(cluster.job("c"))
    await process.reconcile()
    assert cluster.client.calls[STATUS] == before + 2
    assert cluster.status("nightly")["cases"]["passed"] == 3


async def test_nothing_but_the_status_of_a_run_is_written(cluster: MemoryCluster) -> None:
    """No annotation, finalizer, label or default: GitOps tools must not see drift."""
    before = cluster.apply_run("nightly", inline())
    metadata, spec = dict(before["metadata"]), dict(before["spec"])
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    await process.settle()
    after = cluster.find(TESTRUNS, "nightly")
    assert (after["metadata"], after["spec"]) == (metadata, spec)
    assert ("patch", TESTRUNS) not in cluster.client.calls


async def test_everything_that_is_created_belongs_to_the_run(cluster: MemoryCluster) -> None:
    """Owner references let the garbage collector remove it, also when the operator is down."""
    uid = cluster.apply_run("nightly", inline(suite=RUN_SERVER))["metadata"]["uid"]
    process = Process(cluster)
    await process.settle()
    cluster.make_ready(cluster.all(DEPLOYMENTS)[0])
    await process.settle()
    created = [body for resource in (JOBS, CONFIGMAPS, DEPLOYMENTS, SERVICES) for body in cluster.all(resource)]
    assert len(created) == 4
    assert {body["metadata"]["ownerReferences"][0]["uid"] for body in created} == {uid}
