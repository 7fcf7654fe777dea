"""What metrics say of suites, for as long as they are there."""

import re
from collections import Counter

import pytest

from support.builders import container_case, suite_document
from support.memory_cluster import MemoryCluster
from testrun_operator.controller import metrics
from testrun_operator.controller.exposing import last_runs, suites_in
from testrun_operator.kube.client import TESTRUNS, TESTSUITES
from testrun_operator.store.faults import Loss, Refusal
from unit.controller.process import Process


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> str:
    """Return the name of a suite of the test's own, since the metrics are those of the process."""
    return str(request.node.originalname).replace("_", "-")[:60].strip("-")


def value(name: str, suite: str) -> float | None:
    """Return what a metric says of a suite; None if it says nothing."""
    labels = {"namespace": "team", "suite": suite}
    return metrics.REGISTRY.get_sample_value(name, labels)


def scrape(cluster: MemoryCluster) -> None:
    """Do what is done before metrics are shown."""
    metrics.show_last_runs(last_runs(cluster.cache))


async def execute(cluster: MemoryCluster, run: str, suite: str, exit_code: int = 0) -> None:
    """Execute the only case of a suite in a run."""
    cluster.apply_run(run, {"suiteRef": {"name": suite}})
    process = Process(cluster)
    await process.settle(run)
    cluster.pass_time(5)
    cluster.end_pod(cluster.all("batch/v1/jobs")[-1], exit_code)
    await process.settle(run)
    await process.suites.reconcile(("team", suite))


@pytest.mark.parametrize(("exit_code", "passed"), [(0, 1), (1, 0)])
async def test_the_last_run_is_known_after_a_restart(
    cluster: MemoryCluster, suite: str, exit_code: int, passed: int
) -> None:
    """It is in the status of the TestSuite, and read from there whenever metrics are shown."""
    cluster.apply_suite(suite, suite_document(container_case("a")))
    await execute(cluster, "nightly", suite, exit_code)
    scrape(cluster)
    assert passed == value("testrun_last_run_passed", suite)
    assert value("testrun_last_run_completion_timestamp_seconds", suite) is not None


async def test_the_last_run_stays_when_its_testrun_goes_and_goes_with_the_suite(
    cluster: MemoryCluster, suite: str
) -> None:
    """TestRuns are often deleted; a suite that is gone alerts nobody for ever."""
    cluster.apply_suite(suite, suite_document(container_case("a")))
    await execute(cluster, "nightly", suite)
    cluster.delete(TESTRUNS, "nightly")
    scrape(cluster)
    assert 1 == value("testrun_last_run_passed", suite)
    cluster.delete(TESTSUITES, suite)
    scrape(cluster)
    assert value("testrun_last_run_passed", suite) is None
    assert value("testrun_last_run_completion_timestamp_seconds", suite) is None


async def test_the_last_run_of_an_inline_suite_goes_with_its_testrun(cluster: MemoryCluster, suite: str) -> None:
    """Its suite label is the TestRun's name."""
    cluster.apply_run(suite, {"suite": suite_document(container_case("a"))})
    process = Process(cluster)
    await process.settle(suite)
    cluster.end_pod(cluster.job("a"))
    await process.settle(suite)
    scrape(cluster)
    assert 1 == value("testrun_last_run_passed", suite)
    cluster.delete(TESTRUNS, suite)
    scrape(cluster)
    assert value("testrun_last_run_passed", suite) is None


async def test_the_last_run_does_not_go_back_to_an_earlier_one(cluster: MemoryCluster, suite: str) -> None:
    """When the newest run is deleted, the one before it is still the one before it."""
    cluster.apply_suite(suite, suite_document(container_case("a")))
    await execute(cluster, "first", suite, exit_code=1)
    cluster.pass_time(5)
    await execute(cluster, "second", suite)
    cluster.delete(TESTRUNS, "second")
    await Process(cluster).suites.reconcile(("team", suite))
    assert "second" == cluster.find(TESTSUITES, suite)["status"]["lastRun"]["name"]


async def test_what_was_counted_of_a_suite_that_is_gone_is_scraped_once_more_and_then_gone(
    cluster: MemoryCluster, suite: str
) -> None:
    """Runs with suites of their own, and namespaces, come and go: series of theirs would be without number."""
    absence = metrics.Absence()
    cluster.apply_run(suite, {"suite": suite_document(container_case("a"))})
    process = Process(cluster)
    await process.settle(suite)
    cluster.end_pod(cluster.job("a"))
    await process.settle(suite)
    metrics.FAULTS.labels(namespace="team", reason="NodeLost").inc()

    def counted() -> bool:
        return any(
            sample.labels.get("suite") == suite for family in metrics.REGISTRY.collect() for sample in family.samples
        )

    for _ in range(3):
        absence.forget_absent(suites_in(cluster.cache))
    assert counted()
    cluster.delete(TESTRUNS, suite)
    absence.forget_absent(suites_in(cluster.cache))
    assert counted()
    absence.forget_absent(suites_in(cluster.cache))
    assert not counted()
    assert (
        metrics.REGISTRY.get_sample_value(
            "testrun_infrastructure_faults_total", {"namespace": "team", "reason": "NodeLost"}
        )
        is None
    )


def test_what_postgres_refused_is_shown_by_what_became_of_it_and_why() -> None:
    """Both labels have words from lists, so that nothing of a result gets into a metric."""
    counts = Counter({(Loss.DROPPED, Refusal.CONSTRAINT_VIOLATED): 1, (Loss.REDUCED, Refusal.INVALID_VALUE): 2})
    [family] = metrics.refused_records(counts).collect()
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("testrun_store_refused_records_total", {"outcome": "Dropped", "reason": "ConstraintViolated"}, 1),
        ("testrun_store_refused_records_total", {"outcome": "Reduced", "reason": "InvalidValue"}, 2),
    ]


def test_alerts_are_about_metrics_and_labels_that_there_are() -> None:
    """One of another name would never be raised, and nobody would miss it."""
    labels = {name: set(labels) for name, _, labels, _ in metrics.describe()}
    assert len({alert.name for alert in metrics.ALERTS}) == len(metrics.ALERTS) > 5
    for alert in metrics.ALERTS:
        named = re.findall(r"testrun_[a-z_]+", alert.expression)
        assert named
        assert set(named) <= labels.keys(), alert
        grouped = re.search(r"by \(([a-z_, ]+)\)", alert.expression)
        shown = set(grouped[1].split(", ")) if grouped else set.union(*(labels[name] for name in named))
        assert set(re.findall(r"\$labels\.([a-z_]+)", alert.summary)) <= shown, alert
