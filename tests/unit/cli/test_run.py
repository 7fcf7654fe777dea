"""``testrun run``."""

import pytest
import yaml
from tests.unit.cli.conftest import ClusterWith, Invoke
from tests.unit.cli.fakes import make_run

from testrun_operator.api.run import TestRunSpec

SUITE = {"metadata": {"name": "checkout", "namespace": "shop"}}


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
