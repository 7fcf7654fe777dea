"""The operator as a whole, from what the handlers tell to what is in the cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from support.builders import container_case, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.controller import metrics, work_queue
from testrun_operator.controller.cache import OwnerKey
from testrun_operator.controller.indexing import read_indexed_job
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.settings import Settings
from testrun_operator.errors import LeadershipLost
from testrun_operator.kube import labels
from testrun_operator.kube.client import DEPLOYMENTS, JOBS, TESTRUNS, TESTSUITES

SPEC = {"suite": suite_document(container_case("one"))}
Make = Callable[..., Awaitable[Operator]]


@pytest_asyncio.fixture
async def make_operator(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Return what makes an operator over the cluster, whose workers wait for nothing."""
    monkeypatch.setattr(work_queue, "GATHER_SECONDS", 0.001)
    monkeypatch.setattr(metrics, "REGISTRY", CollectorRegistry())
    cluster.now = datetime.now(UTC)  # the operator's own clock
    made: list[Operator] = []

    async def make(**settings: Any) -> Operator:
        operator = Operator(Settings(**settings), cluster.client)
        await operator.open()
        cache = cluster.cache
        operator.connect_indices(
            {
                name: getattr(cache, f"{name}_index")
                for name in ("runs", "suites", "records", "jobs", "pods", "deployments", "services")
            }
        )
        made.append(operator)
        return operator

    yield make
    for operator in made:
        await operator.close()


async def rest() -> None:
    """Let the workers do what they have to do: many turns, since a busy machine makes each of them long."""
    for _ in range(25):
        await asyncio.sleep(0.002)


def owner_of(job: Body) -> OwnerKey:
    """Return namespace and uid of the run that a Job belongs to."""
    return job["metadata"]["namespace"], job["metadata"]["labels"][labels.RUN_UID]


async def test_a_run_is_brought_forward_by_what_the_handlers_tell(cluster: MemoryCluster, make_operator: Make) -> None:
    """An event of the run starts it, and one of its Job ends it."""
    operator = await make_operator()
    cluster.apply_run("nightly", SPEC)
    operator.run_changed("team", "nightly")
    await rest()
    job = cluster.job("one")
    cluster.end_pod(job)
    operator.pod_changed(owner_of(job), "", job["metadata"]["name"], None)
    await rest()
    assert cluster.status("nightly")["phase"] == "Passed"


async def test_runs_and_suites_of_other_namespaces_are_ignored(cluster: MemoryCluster, make_operator: Make) -> None:
    """With watchNamespaces, those of the shared test servers' namespace too: it is watched, and nothing else."""
    operator = await make_operator(watch_namespaces=("team",))
    for namespace in ("team", "test-server", "other"):
        cluster.apply_run("nightly", SPEC, namespace)
        cluster.apply_suite("regression", SPEC["suite"], namespace)
        operator.run_changed(namespace, "nightly")
        operator.suite_changed(namespace, "regression")
    operator.servers_changed()
    await rest()
    assert {job["metadata"]["namespace"] for job in cluster.all(JOBS)} == {"team"}
    for resource in (TESTRUNS, TESTSUITES):
        looked_at = [body for body in cluster.all(resource) if body["status"] != {"observedGeneration": -1}]
        assert [body["metadata"]["namespace"] for body in looked_at] == ["team"]


async def test_a_job_that_is_deleted_is_an_end_of_its_attempt(cluster: MemoryCluster, make_operator: Make) -> None:
    """The next attempt starts, though the index never showed what became of the first."""
    operator = await make_operator()
    cluster.apply_run("nightly", SPEC)
    operator.run_changed("team", "nightly")
    await rest()
    job = cluster.job("one")
    cluster.delete(JOBS, job["metadata"]["name"])
    indexed = read_indexed_job(job)
    assert indexed is not None
    operator.job_changed(indexed, deleted=True)
    await rest()
    assert [body["metadata"]["labels"][labels.ATTEMPT] for body in cluster.all(JOBS)] == ["2"]


async def test_a_suite_that_appears_wakes_the_runs_that_wait_for_it(
    cluster: MemoryCluster, make_operator: Make
) -> None:
    """Nobody has to touch the run."""
    operator = await make_operator()
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}})
    operator.run_changed("team", "nightly")
    await rest()
    assert cluster.all(JOBS) == []
    cluster.apply_suite("regression", SPEC["suite"])
    operator.suite_changed("team", "regression")
    await rest()
    assert len(cluster.all(JOBS)) == 1


async def test_a_test_server_that_gets_ready_wakes_who_waits_for_it(
    cluster: MemoryCluster, make_operator: Make
) -> None:
    """And one that is deleted is deployed again for the suites that name it."""
    server = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Shared"}]}
    operator = await make_operator()
    cluster.apply_suite("regression", SPEC["suite"] | server)
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}})
    operator.suite_changed("team", "regression")
    operator.run_changed("team", "nightly")
    await rest()
    cluster.make_ready(cluster.all(DEPLOYMENTS)[0])
    operator.servers_changed()
    await rest()
    assert len(cluster.all(JOBS)) == 1
    cluster.delete(DEPLOYMENTS, "paginated-api", "test-server")
    operator.servers_changed()
    await rest()
    assert len(cluster.all(DEPLOYMENTS)) == 1


async def test_the_end_of_a_run_shows_in_its_suite(cluster: MemoryCluster, make_operator: Make) -> None:
    """The suite's last run follows the event of the run's status."""
    operator = await make_operator()
    cluster.apply_suite("regression", SPEC["suite"])
    cluster.apply_run("nightly", {"suiteRef": {"name": "regression"}})
    operator.run_changed("team", "nightly")
    await rest()
    cluster.end_pod(cluster.job("one"))
    operator.owned_changed(owner_of(cluster.job("one")))
    await rest()
    operator.run_changed("team", "nightly")
    await rest()
    assert cluster.find(TESTSUITES, "regression")["status"]["lastRun"]["phase"] == "Passed"


async def test_gauges_show_what_runs(cluster: MemoryCluster, make_operator: Make) -> None:
    """An execution that is over is not active any more, though it is still known."""
    operator = await make_operator()
    operator.refresh_metrics()
    cluster.apply_run("nightly", SPEC)
    operator.run_changed("team", "nightly")
    await rest()
    operator.owned_changed(owner_of(cluster.job("one")))
    await rest()
    operator.refresh_metrics()
    assert (metrics.ACTIVE_RUNS._value.get(), metrics.RUNNING._value.get()) == (1, 1)
    cluster.end_pod(cluster.job("one"))
    operator.owned_changed(owner_of(cluster.job("one")))
    await rest()
    operator.refresh_metrics()
    assert (metrics.ACTIVE_RUNS._value.get(), metrics.RUNNING._value.get()) == (0, 0)


async def test_the_first_fatal_error_ends_the_operator(make_operator: Make) -> None:
    """The others come of it."""
    operator = await make_operator()
    operator._fail(LeadershipLost("first"))
    operator._fail(LeadershipLost("second"))
    with pytest.raises(LeadershipLost, match="first"):
        await operator.failed


async def test_an_operator_can_be_closed_before_it_has_begun(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be told to stop while it waits for the Lease, and answer for its metrics meanwhile."""
    monkeypatch.setattr(metrics, "REGISTRY", CollectorRegistry())
    operator = Operator(Settings(), cluster.client)
    operator.refresh_metrics()
    await operator.close()


async def test_metrics_show_the_last_runs_once_everything_is_listed(
    cluster: MemoryCluster, make_operator: Make
) -> None:
    """Before that, what is not in the cache may exist all the same, and nothing is removed."""
    cluster.apply_run("nightly", SPEC)
    before = await make_operator()
    before.run_changed("team", "nightly")
    await rest()
    job = cluster.job("one")
    cluster.end_pod(job)
    before.run_changed("team", "nightly")
    await rest()
    metrics.show_last_runs(())

    def shown() -> list[float]:
        return [sample.value for family in metrics.LAST_PHASE.collect() for sample in family.samples]

    operator = await make_operator()
    operator.refresh_metrics()
    assert [] == shown()
    operator.has_listed = True
    operator.refresh_metrics()
    assert [1] == shown()
    cluster.delete(TESTRUNS, "nightly")
    operator.refresh_metrics()
    assert [] == shown()
