"""Things are killed, deleted and stopped in the middle of runs; verdicts stay true, complete and single."""

import time

import pytest

from support.cases import SHARED_SERVER, walk
from support.cluster import (
    POSTGRES,
    SYSTEM_NAMESPACE,
    Namespace,
    condition,
    container,
    kill_operator,
    kubectl,
    operator_pod,
    query,
    wait_for_storing,
    wait_until,
)

pytestmark = pytest.mark.alone


def test_the_operator_killed_in_the_middle_finishes_the_run(namespace: Namespace) -> None:
    """After a SIGKILL every verdict is there, once, and no attempt got two Jobs."""
    cases = [container(f"case-{number:02}", "sleep 2" if number % 3 else "sleep 2; exit 1") for number in range(12)]
    run = namespace.run("survivor", *cases, parallelism=4)
    wait_until("some cases have ended", lambda: len(namespace.jobs(run)) >= 6)
    restarts = operator_pod()["status"]["containerStatuses"][0]["restartCount"]
    kill_operator()
    status = namespace.wait_for_end(run)
    assert operator_pod()["status"]["containerStatuses"][0]["restartCount"] == restarts + 1
    assert (status["cases"]["passed"], status["cases"]["failed"]) == (8, 4)
    attempts = [
        (job["metadata"]["labels"]["testrun.dev/case"], job["metadata"]["labels"]["testrun.dev/attempt"])
        for job in namespace.jobs(run)
    ]
    assert sorted(attempts) == sorted((case["name"], "1") for case in cases)
    wait_for_storing(namespace, run)
    rows = query(
        "SELECT count(*), count(*) FILTER (WHERE test_passed) FROM noetl_test.regression_results"
        f" WHERE test_run_id = {status['runId']}"
    )
    assert rows == [["12", "8"]]


def test_a_job_deleted_by_hand_is_repeated(namespace: Namespace) -> None:
    """A deleted Job is an infrastructure fault: it costs no retry, and the verdict is that of the repetition."""
    run = namespace.run("bereft", container("a", "sleep 3"))
    namespace.wait_for_running(run, "a")
    namespace.kubectl("delete", "job", namespace.jobs(run)[0]["metadata"]["name"], "--wait=false")
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["passed"], status["cases"]["flaky"]) == ("Passed", 1, 0)
    wait_for_storing(namespace, run)
    rows = query(
        "SELECT attempt, verdict, reason FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {status['runId']} ORDER BY attempt"
    )
    assert rows == [["1", "Errored", "JobDeleted"], ["2", "Passed", "ExitCodeZero"]]


@pytest.mark.parametrize("force", [False, True])
def test_a_pod_deleted_by_hand_is_repeated(namespace: Namespace, force: bool) -> None:
    """A deleted pod is never a test failure."""
    run = namespace.run("podless", container("a", "trap 'exit 1' TERM; sleep 4 & wait"))
    namespace.wait_for_running(run, "a")
    pod = namespace.objects("pods", f"testrun.dev/run={run}")[0]["metadata"]["name"]
    namespace.kubectl("delete", "pod", pod, "--wait=false", *(["--grace-period=0", "--force"] if force else []))
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 1)
    wait_for_storing(namespace, run)
    rows = query(
        "SELECT verdict, failure_class FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {status['runId']} ORDER BY attempt"
    )
    assert rows == [["Errored", "Infrastructure"], ["Passed", ""]]


def test_the_test_server_killed_in_the_middle_is_never_a_failure(namespace: Namespace) -> None:
    """The operator brings a deleted server back, and cases that it spoiled are repeated."""
    cases = [walk(f"walk-{number:02}") for number in range(10)]
    run = namespace.run("serverless", *cases, parallelism=3, suite=SHARED_SERVER)
    wait_until("some cases have started", lambda: len(namespace.jobs(run)) >= 4)
    kubectl("-n", "test-server", "delete", "deployment", "paginated-api", "--wait=false")
    kubectl("-n", "test-server", "delete", "pods", "--all", "--grace-period=0", "--force")
    status = namespace.wait_for_end(run, seconds=180)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 10)
    assert kubectl("-n", "test-server", "get", "deployment", "paginated-api", "-o", "name").strip()


def test_postgres_stopped_for_a_while_loses_nothing(namespace: Namespace) -> None:
    """With Postgres down a run ends truthfully, says so, keeps its Jobs, and everything is stored when it is back."""
    kubectl("-n", SYSTEM_NAMESPACE, "scale", f"statefulset/{POSTGRES}", "--replicas=0")
    try:
        kubectl("-n", SYSTEM_NAMESPACE, "wait", "--for=delete", f"pod/{POSTGRES}-0", "--timeout=60s")
        run = namespace.run("outage", container("good", "true"), container("bad", "false"), ttlAfterFinished="1s")
        status = namespace.wait_for_end(run)
        assert (status["phase"], status["cases"]["passed"], status["cases"]["failed"]) == ("Failed", 1, 1)
        told = wait_until(
            "the outage is told",
            lambda: (
                (found := condition(namespace.status(run), "ResultsStored")).get("reason") == "StoreUnavailable"
                and found
            ),
        )
        assert told["status"] == "False"
        kill_operator()
        time.sleep(3)
        assert len(namespace.jobs(run)) == 2
    finally:
        kubectl("-n", SYSTEM_NAMESPACE, "scale", f"statefulset/{POSTGRES}", "--replicas=1")
        kubectl("-n", SYSTEM_NAMESPACE, "rollout", "status", f"statefulset/{POSTGRES}", "--timeout=120s")
    wait_for_storing(namespace, run, seconds=90)
    rows = query(
        "SELECT playbook_name, verdict FROM noetl_test.regression_results"
        f" WHERE test_run_id = {status['runId']} ORDER BY 1"
    )
    assert rows == [["bad", "Failed"], ["good", "Passed"]]
    summary = query(
        "SELECT total_tests, passed_tests, failed_tests, success_rate FROM noetl_test.regression_summary"
        f" WHERE test_run_id = {status['runId']}"
    )
    assert summary == [["2", "1", "1", "50.00"]]
    wait_until("the Jobs go now", lambda: namespace.jobs(run) == [])
