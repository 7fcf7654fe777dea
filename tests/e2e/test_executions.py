"""A TestRun from its creation to its end: waiting, starting, starting again, ending."""

import json
import time

import pytest

from support.cluster import Namespace, condition, container, kubectl, scale_operator, wait_for_storing, wait_until


def test_a_run_waits_for_its_suite_and_starts_when_it_appears(namespace: Namespace) -> None:
    """A suite that does not exist is a reason to wait, not an error."""
    run = namespace.apply("TestRun", "early", {"suiteRef": {"name": "late"}})
    waiting = wait_until("the reason is told", lambda: condition(namespace.status(run), "Reconciling"))
    assert (waiting["status"], waiting["reason"]) == ("True", "SuiteNotFound")
    assert namespace.status(run)["phase"] == "Pending"
    namespace.apply("TestSuite", "late", {"cases": [container("only", "true")]})
    assert namespace.wait_for_end(run)["phase"] == "Passed"
    suite = wait_until(
        "the suite knows its last run", lambda: namespace.get("testsuite", "late")["status"].get("lastRun")
    )
    assert (suite["name"], suite["phase"]) == ("early", "Passed")


def test_a_wrong_spec_is_told_by_the_name_of_its_field(namespace: Namespace) -> None:
    """What the CRD's rules cannot see, the operator answers with Stalled, InvalidSpec, and the field's path."""
    run = namespace.run("wrong", container("a", "true", needs=["b"]), container("b", "true", needs=["a"]))
    stalled = wait_until("the problem is told", lambda: condition(namespace.status(run), "Stalled"))
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")
    assert "spec.suite.cases[0].needs: 'a' needs itself" in stalled["message"]
    assert namespace.jobs(run) == []
    namespace.run("wrong", container("a", "true"))
    assert wait_until("the mended run passes", lambda: namespace.status(run).get("phase") == "Passed")


def test_metadata_and_spec_are_byte_identical_after_the_run(namespace: Namespace) -> None:
    """The operator writes nothing but the status, so that no GitOps tool sees a drift."""
    run = namespace.run("untouched", container("a", "true"))
    before = namespace.get("testrun", run)
    namespace.wait_for_end(run)
    wait_for_storing(namespace, run)
    after = namespace.get("testrun", run)
    for body in (before, after):
        body["metadata"].pop("resourceVersion")
        body["metadata"].pop("managedFields", None)
    assert json.dumps(before["metadata"]) == json.dumps(after["metadata"])
    assert json.dumps(before["spec"]) == json.dumps(after["spec"])


def test_a_new_revision_runs_the_suite_again_and_parallelism_does_not(namespace: Namespace) -> None:
    """What decides what runs starts a new execution; what only steers it does not."""
    run = namespace.run("again", container("a", "true"))
    first = namespace.wait_for_end(run)
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"parallelism": 3}}')
    wait_until("the change is seen", lambda: namespace.status(run)["observedGeneration"] == 2)
    assert namespace.status(run)["runId"] == first["runId"]
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"revision": "4f2c1d"}}')
    second = namespace.wait_for_end(run, but_not=first["runId"])
    assert int(second["runId"]) > int(first["runId"])
    assert [entry["runId"] for entry in second["history"]] == [first["runId"]]


def test_a_change_while_it_runs_cancels_the_old_execution_first(namespace: Namespace) -> None:
    """One TestRun never has two executions at the same time."""
    run = namespace.run("changed", container("slow", "sleep 120"))
    namespace.wait_for_running(run, "slow")
    first = namespace.status(run)["runId"]
    namespace.run("changed", container("quick", "true"))
    status = namespace.wait_for_end(run, but_not=first)
    assert status["phase"] == "Passed"
    assert [(entry["runId"], entry["phase"]) for entry in status["history"]] == [(first, "Cancelled")]


def test_cancel_ends_a_run_at_once(namespace: Namespace) -> None:
    """Cases without a verdict are Cancelled; verdicts that were reached stay."""
    run = namespace.run(
        "cancelled",
        container("done", "true"),
        container("slow", "sleep 300"),
        container("later", "true", needs=["slow"]),
    )
    namespace.wait_for_running(run, "slow")
    wait_until("one case has passed", lambda: namespace.status(run)["cases"]["passed"] == 1)
    started = time.monotonic()
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    status = namespace.wait_for_end(run)
    assert time.monotonic() - started < 15
    assert (status["phase"], status["cases"]["passed"], status["cases"]["cancelled"]) == ("Cancelled", 1, 2)


def test_a_suspended_run_starts_nothing_until_it_is_resumed(namespace: Namespace) -> None:
    """While suspend is true no case is started."""
    run = namespace.run("asleep", container("a", "true"), suspend=True)
    wait_until("it says so", lambda: condition(namespace.status(run), "Reconciling").get("reason") == "Suspended")
    assert namespace.jobs(run) == []
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert namespace.wait_for_end(run)["phase"] == "Passed"


def test_jobs_go_after_their_time_and_the_run_stays(namespace: Namespace) -> None:
    """TtlAfterFinished removes the Jobs; nothing is executed again because they are gone."""
    run = namespace.run("brief", container("a", "true"), ttlAfterFinished="1s")
    first = namespace.wait_for_end(run)
    wait_until("the Jobs are gone", lambda: namespace.jobs(run) == [])
    wait_until("the record is gone", lambda: namespace.objects("configmaps", "testrun.dev/component=execution") == [])
    time.sleep(2)
    assert namespace.status(run)["runId"] == first["runId"]
    assert namespace.jobs(run) == []


@pytest.mark.alone
def test_deleting_a_run_removes_its_jobs_without_the_operator(namespace: Namespace) -> None:
    """Owner references do it, not a finalizer."""
    run = namespace.run("owned", container("a", "true"), container("b", "sleep 300"))
    namespace.wait_for_running(run, "b")
    scale_operator(0)
    try:
        namespace.kubectl("delete", "testrun", run, "--timeout=30s")
        wait_until("its Jobs are gone", lambda: namespace.jobs(run) == [])
        wait_until("its pods are gone", lambda: namespace.objects("pods", f"testrun.dev/run={run}") == [])
        wait_until(
            "its record is gone", lambda: namespace.objects("configmaps", "testrun.dev/component=execution") == []
        )
    finally:
        scale_operator(1)


def test_only_the_selected_cases_run_with_what_they_need(namespace: Namespace) -> None:
    """Select takes what cases need with it; skip wins, and is told."""
    run = namespace.run(
        "some",
        container("base", "true"),
        container("smoke", "true", tags=["smoke"], needs=["base"]),
        container("slow", "true", tags=["smoke", "slow"]),
        container("other", "false"),
        select={"tags": ["smoke"]},
        skip={"names": ["slow"]},
    )
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["total"]) == ("Passed", 3)
    assert (status["cases"]["passed"], status["cases"]["skipped"]) == (2, 1)


def test_variables_a_matrix_and_conditions_reach_the_case(namespace: Namespace) -> None:
    """The run's variables override the suite's, the matrix overrides both, and when looks at them."""
    run = namespace.run(
        "variables",
        container(
            "sum",
            'test "$TESTRUN_VAR_size-$TESTRUN_VAR_who" = "5-run" -o "$TESTRUN_VAR_size-$TESTRUN_VAR_who" = "10-run"',
            matrix={"size": ["5", "10"]},
        ),
        container("not-now", "false", when=[{"key": "who", "operator": "In", "values": ["suite"]}]),
        variables={"who": "run"},
        suite={"variables": {"who": "suite", "size": "1"}},
    )
    status = namespace.wait_for_end(run)
    assert (status["phase"], status["cases"]["passed"], status["cases"]["skipped"]) == ("Passed", 2, 1)
    cases = {job["metadata"]["labels"]["testrun.dev/case"] for job in namespace.jobs(run)}
    assert cases == {"sum-5", "sum-10"}


def test_events_tell_of_the_start_and_the_end(namespace: Namespace) -> None:
    """`kubectl describe` shows when an execution started and how it ended, and not more."""
    run = namespace.run("told", container("a", "true"))
    namespace.wait_for_end(run)

    def reasons() -> list[str] | None:
        events = json.loads(kubectl("-n", namespace.name, "get", "events", "-o", "json"))["items"]
        found = sorted(event["reason"] for event in events if event["involvedObject"]["kind"] == "TestRun")
        return found if len(found) >= 2 else None

    assert wait_until("both Events are there", reasons) == ["Passed", "Started"]
