"""The status of a TestSuite."""

from copy import deepcopy

import pytest

from support.builders import container_case, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.client import DEPLOYMENTS, SERVICES, TESTSUITES
from unit.controller.process import Process, condition

KEY = "team", "regression"
STATUS = "patch", f"{TESTSUITES}/status"
SERVERS = [
    {"name": "paginated-api", "pagination": {}, "scope": "Shared"},
    {"name": "own", "pagination": {}, "scope": "Run"},
]


def status(cluster: MemoryCluster) -> Body:
    """Return the suite's status."""
    found: Body = cluster.find(TESTSUITES, "regression")["status"]
    return found


async def test_a_valid_suite_is_ready_and_says_how_many_cases_it_has(cluster: MemoryCluster) -> None:
    """Matrices are counted as what they expand to."""
    cluster.apply_suite(
        "regression", suite_document(container_case("a"), container_case("b", matrix={"size": ["5", "10"]}))
    )
    await Process(cluster).suites.reconcile(KEY)
    assert condition(status(cluster), "Ready") == ("True", "Valid")
    assert condition(status(cluster), "Stalled") == ("False", "Valid")
    assert (status(cluster)["cases"], status(cluster)["observedGeneration"]) == (3, 1)


@pytest.mark.parametrize("spec", [None, {"cases": "many"}, suite_document(container_case("a", needs=["nobody"]))])
async def test_an_invalid_suite_is_stalled_with_what_is_wrong(cluster: MemoryCluster, spec: object) -> None:
    """It has no number of cases, and its message names the field."""
    cluster.apply_suite("regression", spec)
    await Process(cluster).suites.reconcile(KEY)
    assert condition(status(cluster), "Ready") == ("False", "InvalidSpec")
    assert condition(status(cluster), "Stalled") == ("True", "InvalidSpec")
    assert "cases" not in status(cluster)
    assert "spec" in status(cluster)["conditions"][0]["message"]


async def test_a_suite_that_becomes_invalid_loses_its_number_of_cases(cluster: MemoryCluster) -> None:
    """Conditions say since when they are as they are."""
    cluster.apply_suite("regression", suite_document(container_case("a")))
    process = Process(cluster)
    await process.suites.reconcile(KEY)
    cluster.apply_suite("regression", {"cases": "many"})
    await process.suites.reconcile(KEY)
    assert ("cases" in status(cluster), status(cluster)["observedGeneration"]) == (False, 2)
    assert status(cluster)["conditions"][0]["lastTransitionTime"] == "2026-03-01T12:00:01Z"


async def test_a_suite_that_rests_makes_no_call(cluster: MemoryCluster) -> None:
    """A status that is right is not written again, whatever the time."""
    cluster.apply_suite("regression", suite_document(container_case("a")))
    process = Process(cluster)
    await process.suites.reconcile(KEY)
    cluster.pass_time(60)
    await process.suites.reconcile(KEY)
    await Process(cluster).suites.reconcile(KEY)
    assert cluster.client.calls == {STATUS: 1}


async def test_the_last_run_is_shown_and_stays_after_the_run_is_gone(cluster: MemoryCluster) -> None:
    """Of several runs the one that ended last; deleting it takes nothing away."""
    cluster.apply_suite("regression", suite_document(container_case("a")))
    process = Process(cluster)
    for name, exit_code in (("first", 0), ("second", 1)):
        cluster.apply_run(name, {"suiteRef": {"name": "regression"}})
        await process.settle(name)
        cluster.pass_time(5)
        cluster.end_pod(cluster.all("batch/v1/jobs")[-1], exit_code)
        await process.settle(name)
    assert process.suites_to_look_at == {KEY}
    await process.suites.reconcile(KEY)
    shown = deepcopy(status(cluster)["lastRun"])
    assert (shown["name"], shown["phase"]) == ("second", "Failed")
    for name in ("first", "second"):
        cluster.delete("testrun.dev/v1alpha1/testruns", name)
    await process.suites.reconcile(KEY)
    assert status(cluster)["lastRun"] == shown


async def test_shared_test_servers_are_brought_up_with_their_suite(cluster: MemoryCluster) -> None:
    """They are there before the first run; those of scope Run are not."""
    cluster.apply_suite("regression", suite_document(container_case("a"), testServers=SERVERS))
    process = Process(cluster)
    await process.suites.reconcile(KEY)
    assert [body["metadata"]["name"] for body in cluster.all(DEPLOYMENTS)] == ["paginated-api"]
    cluster.delete(SERVICES, "paginated-api", "test-server")
    await process.suites.reconcile(KEY)
    assert [body["metadata"]["name"] for body in cluster.all(SERVICES)] == ["paginated-api"]


async def test_a_shared_test_server_of_an_older_release_gets_the_operators_image(cluster: MemoryCluster) -> None:
    """An upgrade of the operator is one of its test server."""
    cluster.apply_suite("regression", suite_document(container_case("a"), testServers=SERVERS))
    process = Process(cluster)
    await process.suites.reconcile(KEY)
    template = cluster.all(DEPLOYMENTS)[0]["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "operator:0"
    template["metadata"]["annotations"] = {labels.TEMPLATE: "older"}
    template["spec"]["nodeSelector"] = {"of": "older settings"}
    await process.suites.reconcile(KEY)
    template = cluster.all(DEPLOYMENTS)[0]["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "operator:1"
    assert "nodeSelector" not in template["spec"]
    cluster.refuse_next("patch", DEPLOYMENTS, 500)
    await process.suites.reconcile(KEY)  # it is as it should be, and is left alone


async def test_a_test_server_that_is_refused_does_not_spoil_the_status(cluster: MemoryCluster) -> None:
    """Whether the spec is right has nothing to do with it."""
    cluster.apply_suite("regression", suite_document(container_case("a"), testServers=SERVERS))
    cluster.refuse_next("create", DEPLOYMENTS, 403)
    await Process(cluster).suites.reconcile(KEY)
    assert condition(status(cluster), "Ready") == ("True", "Valid")


async def test_a_suite_that_is_gone_is_fine(cluster: MemoryCluster) -> None:
    """Before the look, or between the look and the write; no answer is tried again."""
    process = Process(cluster)
    await process.suites.reconcile(KEY)
    assert cluster.client.calls == {}
    cluster.apply_suite("regression", suite_document(container_case("a")))
    cluster.refuse_next(*STATUS, 404)
    await process.suites.reconcile(KEY)
    cluster.fail_next(*STATUS)
    with pytest.raises(ClusterUnavailable):
        await process.suites.reconcile(KEY)


async def test_a_status_that_somebody_broke_is_written_anew(cluster: MemoryCluster) -> None:
    """What cannot be read does not stay."""
    cluster.apply_suite("regression", suite_document(container_case("a")))["status"] = {"cases": "many", "odd": 1}
    await Process(cluster).suites.reconcile(KEY)
    assert (status(cluster)["cases"], "odd" in status(cluster)) == (1, False)
