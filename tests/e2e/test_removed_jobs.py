"""`keepJobs: NotPassed` on a real cluster: Jobs of cases that passed make room, and nothing is lost with them."""

import json

import pytest

from support.cluster import (
    Namespace,
    condition,
    container,
    kill_operator,
    operator_pod,
    query,
    wait_for_storing,
    wait_until,
)

THREE_JOBS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "three-jobs"},
    "spec": {"hard": {"count/jobs.batch": "3"}},
}


def rows_of(run_id: str) -> dict[str, str]:
    """Return the verdict of each case that Postgres has; a case that is there twice fails."""
    rows = query(
        f"SELECT playbook_name, verdict FROM noetl_test.regression_results WHERE test_run_id = {run_id}",
    )
    verdicts = {row[0]: row[1] for row in rows}
    assert len(rows) == len(verdicts)
    return verdicts


def cases_of(namespace: Namespace, run: str) -> set[str]:
    """Return the cases that have Jobs."""
    return {job["metadata"]["labels"]["testrun.dev/case"] for job in namespace.jobs(run)}


def test_a_run_has_more_cases_than_its_quota_has_jobs(namespace: Namespace) -> None:
    """What passed makes room; what failed keeps its Job and its log; rows, counts and outputs are complete."""
    namespace.kubectl("apply", "-f", "-", text=json.dumps(THREE_JOBS))
    cases = [container(f"good-{number}", "true") for number in range(7)]
    run = namespace.run("crowded", container("bad", "echo why; exit 3"), *cases, keepJobs="NotPassed", parallelism=4)
    status = namespace.wait_for_end(run, seconds=240)
    assert (status["phase"], status["cases"]["passed"], status["cases"]["failed"]) == ("Failed", 7, 1)
    wait_for_storing(namespace, run)
    wait_until("the Job that failed is the only one", lambda: cases_of(namespace, run) == {"bad"})
    assert rows_of(status["runId"]) == {f"good-{number}": "Passed" for number in range(7)} | {"bad": "Failed"}
    (job,) = namespace.jobs(run)
    assert "why" in namespace.kubectl("logs", f"job/{job['metadata']['name']}", "--container", "case")


def test_without_the_field_such_a_run_waits_until_it_is_changed(namespace: Namespace) -> None:
    """The status says that it waits for the quota; the field is taken in the middle, and no case is executed twice."""
    namespace.kubectl("apply", "-f", "-", text=json.dumps(THREE_JOBS))
    run = namespace.run("crowded", *(container(f"case-{number}", "true") for number in range(5)), parallelism=5)
    wait_until(
        "the status says what is waited for",
        lambda: condition(namespace.status(run), "Reconciling").get("reason") == "WaitingForQuota",
    )
    run_id = namespace.status(run)["runId"]
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec":{"keepJobs":"NotPassed"}}')
    status = namespace.wait_for_end(run, seconds=240)
    assert (status["phase"], status["cases"]["passed"], status["runId"]) == ("Passed", 5, run_id)
    wait_until("all Jobs are gone", lambda: namespace.jobs(run) == [])
    attempts = f"SELECT count(*) FROM noetl_test.regression_attempts WHERE test_run_id = {run_id}"
    wait_for_storing(namespace, run)
    assert query(attempts) == [["5"]]


@pytest.mark.alone
def test_the_operator_killed_in_the_middle_executes_nothing_again(namespace: Namespace) -> None:
    """The next process knows what has passed without a Job; the time of each case is that of its only attempt."""
    cases = [container(f"case-{number:02}", "sleep 2") for number in range(12)]
    run = namespace.run("survivor", *cases, keepJobs="NotPassed", parallelism=3)

    def some_are_gone() -> bool:
        passed: int = namespace.status(run).get("cases", {}).get("passed", 0)
        return passed >= 4 and len(namespace.jobs(run)) < passed + 3

    wait_until("Jobs of cases that passed are gone", some_are_gone)
    before = rows_of(namespace.status(run)["runId"])
    restarts = operator_pod()["status"]["containerStatuses"][0]["restartCount"]
    kill_operator()
    status = namespace.wait_for_end(run, seconds=180)
    assert operator_pod()["status"]["containerStatuses"][0]["restartCount"] == restarts + 1
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 12)
    wait_for_storing(namespace, run)
    after = rows_of(status["runId"])
    assert before.items() <= after.items()
    assert after == {f"case-{number:02}": "Passed" for number in range(12)}
    attempts = query(
        f"SELECT attempt, count(*) FROM noetl_test.regression_attempts WHERE test_run_id = {status['runId']}"
        " GROUP BY attempt"
    )
    assert attempts == [["1", "12"]]
    wait_until("all Jobs are gone", lambda: namespace.jobs(run) == [])
