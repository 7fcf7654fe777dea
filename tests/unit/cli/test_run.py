"""``testrun run``."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from support.command_line import ClusterWith, Invoke
from support.fakes import make_condition, make_run
from testrun_operator.resources.run import TestRunSpec


def make_suite(*, generation: int = 1, observed: int = 1, problem: str | None = None) -> dict[str, Any]:
    """Make a TestSuite as the API server sends it."""
    stalled = make_condition("Stalled", "True" if problem else "False", "InvalidSpec", problem or "the spec is valid")
    return {
        "metadata": {"name": "checkout", "namespace": "shop", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": [stalled]},
    }


SUITE = make_suite()
COUNTS = {
    "total": 2,
    "pending": 0,
    "running": 1,
    "passed": 0,
    "failed": 1,
    "errored": 0,
    "timedOut": 0,
    "skipped": 0,
    "cancelled": 0,
    "flaky": 0,
}
FAILURE = {
    "case": "page-number",
    "verdict": "Failed",
    "reason": "ExpectationNotMet",
    "message": "items: expected 36, got 35",
    "attempt": 1,
    "job": "nightly-page-number-0123456789",
}


def test_a_run_has_what_the_command_line_says(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Variables, selection and the rest reach the TestRun as they were given; a value may contain an equals sign."""
    client = cluster_with(SUITE)
    result = invoke(
        *("run", "checkout", "--set", "pg_auth=pg_k8s", "--set", "query=a=b", "--revision", "4f2c1d", "--tag", "smoke"),
        *("--skip-case", "slow", "--parallelism", "3", "--fail-fast"),
    )
    assert result.exit_code == 0
    assert result.stdout == "testrun.testrun.dev/checkout-x7k2p created in namespace shop\n"
    [(resource, namespace, body)] = client.created
    assert (resource, namespace) == ("testrun.dev/v1alpha1/testruns", "shop")
    assert body["metadata"] == {"generateName": "checkout-"}
    assert body["spec"] == {
        "suiteRef": {"name": "checkout"},
        "revision": "4f2c1d",
        "select": {"tags": ["smoke"]},
        "skip": {"names": ["slow"]},
        "variables": {"pg_auth": "pg_k8s", "query": "a=b"},
        "parallelism": 3,
        "failFast": True,
    }


@pytest.mark.parametrize(("phase", "code"), [("Passed", 0), ("Failed", 1), ("Errored", 2), ("Cancelled", 2)])
def test_with_wait_the_exit_code_says_how_the_run_ended(
    invoke: Invoke, cluster_with: ClusterWith, phase: str, code: int
) -> None:
    """As that of ``testrun wait``; standard output has the one line about the end."""
    cluster_with(SUITE, make_run("Running"), make_run(phase))
    result = invoke("run", "checkout", "--wait")
    assert result.exit_code == code
    assert result.stdout.startswith(f"shop/nightly: {phase}")


def test_a_suite_that_does_not_exist_gets_no_run(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """The TestRun would wait for its suite for ever."""
    client = cluster_with(None)
    result = invoke("run", "chekout")
    assert result.exit_code == 2
    assert "there is no TestSuite 'chekout' in namespace shop" in result.stderr
    assert not client.created


def test_an_invalid_suite_gets_no_run(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """The TestRun would wait for ever for somebody to mend it; what is wrong is said instead."""
    client = cluster_with(make_suite(problem="spec.cases[0].needs: there is no case 'helth'"))
    result = invoke("run", "checkout", "--wait")
    assert result.exit_code == 2
    assert result.stderr == ("Error: TestSuite 'checkout' is invalid: spec.cases[0].needs: there is no case 'helth'\n")
    assert not client.created


def test_the_operator_sees_a_change_of_the_suite_before_the_run_is_made(
    invoke: Invoke, cluster_with: ClusterWith
) -> None:
    """An apply and a run right after it: what was valid, or was in the suite, before the change does not count."""
    before = make_suite(generation=2, observed=1)
    client = cluster_with(before, before, make_suite(generation=2, observed=2, problem="spec.cases: too short"))
    result = invoke("run", "checkout")
    assert result.exit_code == 2
    assert not client.created


def test_a_suite_that_the_operator_never_looks_at_gets_a_run_all_the_same(
    invoke: Invoke, cluster_with: ClusterWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator may be down at the moment; the run then says that it waits for it."""
    monkeypatch.setattr("testrun_operator.cli.suites.LONGEST_LOOK_SECONDS", 0.0)
    client = cluster_with({"metadata": {"name": "checkout", "generation": 1}})
    assert invoke("run", "checkout").exit_code == 0
    assert client.created


def test_in_the_log_of_a_build_there_is_progress_and_what_did_not_pass(
    invoke: Invoke, cluster_with: ClusterWith
) -> None:
    """On standard error; standard output keeps its one line."""
    running = make_run("Running", cases=COUNTS)
    ready = make_condition("Ready", "False", "CasesFailed", "of 2 cases: 1 passed, 1 failed")
    cluster_with(SUITE, running, make_run("Failed", durationSeconds=5, conditions=[ready], failures=[FAILURE]))
    result = invoke("run", "checkout", "--wait")
    assert result.stdout == "shop/nightly: Failed after 5s: of 2 cases: 1 passed, 1 failed\n"
    assert result.stderr == (
        "testrun.testrun.dev/checkout-x7k2p created in namespace shop\n"
        "shop/nightly: Running: 1 of 2 cases ended, 1 running, 1 not passed\n"
        "NOT PASSED   VERDICT  REASON             ATTEMPT  MESSAGE\n"
        "page-number  Failed   ExpectationNotMet        1  items: expected 36, got 35\n"
    )


def test_a_log_is_not_flooded(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """A run of an hour writes a line every ten seconds at most, not one a case."""
    steps = [make_run("Running", cases=COUNTS | {"pending": number, "total": 50}) for number in range(40, 0, -1)]
    cluster_with(SUITE, *steps, make_run("Passed"))
    assert invoke("run", "checkout", "--wait").stderr.count("Running") == 1


def test_a_log_says_at_once_what_is_waited_for(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """It may be the last that happens for a long time."""
    waiting = make_condition("Reconciling", "True", "WaitingForTestServer", "the test server is not ready")
    cluster_with(SUITE, make_run("Pending"), make_run("Pending", conditions=[waiting]), make_run("Passed"))
    assert invoke("run", "checkout", "--wait").stderr.splitlines()[1:] == [
        "shop/nightly: Pending",
        "shop/nightly: Pending: the test server is not ready",
    ]


def test_a_run_that_is_not_over_in_time_goes_on_and_how_to_end_it_is_said(
    invoke: Invoke, cluster_with: ClusterWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left behind in the cluster is the reader's to decide."""
    cluster_with(SUITE, make_run("Running"))
    monkeypatch.setattr("testrun_operator.cli.cluster.POLL_SECONDS", 10.0)
    result = invoke("run", "checkout", "--wait", "--timeout", "50ms")
    assert result.exit_code == 3
    assert result.stderr.endswith(
        "not over after 50ms\n"
        "the TestRun goes on; to wait for it again: testrun wait checkout-x7k2p -n shop\n"
        'to end it: kubectl patch testrun checkout-x7k2p -n shop --type merge -p \'{"spec":{"cancel":true}}\'\n'
    )


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize("arguments", [("run", "checkout", "--wait"), ("wait", "nightly"), ("status", "nightly", "-w")])
def test_ctrl_c_is_not_a_failed_test(
    invoke: Invoke, cluster_with: ClusterWith, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Nothing was found out, so the exit code is neither 0 nor 1, and there is no traceback."""
    client = cluster_with(SUITE, make_run("Running"))
    answer = client.get

    async def press_ctrl_c(resource: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        if resource.endswith("testruns"):
            os.kill(os.getpid(), signal.SIGINT)
        return make_run("Running") if resource.endswith("testruns") else await answer(resource, namespace, name)

    monkeypatch.setattr(client, "get", press_ctrl_c)
    result = invoke(*arguments)
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr
    assert ("the TestRun goes on" in result.stderr) is (arguments[0] == "run")
    assert client.closed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--set", "pg_auth"), "--set 'pg_auth' is not of the form NAME=VALUE"),
        (("--set", "=x"), "--set '=x' is not of the form NAME=VALUE"),
        (("--case", "Not A Name"), "names.0: String should match pattern"),
        (("--set", "a-b=x"), "variables.a-b"),
    ],
)
def test_what_breaks_a_rule_is_told_before_anything_is_sent(
    invoke: Invoke, cluster_with: ClusterWith, arguments: tuple[str, ...], problem: str
) -> None:
    """In one line, with the field."""
    client = cluster_with(SUITE)
    result = invoke("run", "checkout", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not client.asked


def test_a_dry_run_prints_a_manifest_that_the_operator_accepts(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """For a file in Git, or for ``kubectl create -f -``; no cluster is asked."""
    client = cluster_with(SUITE)
    result = invoke("run", "checkout", "--name", "nightly", "-n", "shop", "--set", "x=1", "--dry-run")
    body = yaml.safe_load(result.stdout)
    assert body["metadata"] == {"name": "nightly", "namespace": "shop"}
    assert TestRunSpec.model_validate(body["spec"]).variables == {"x": "1"}
    assert not client.asked
    assert not client.created
