"""What has to be there before an execution starts."""

from datetime import timedelta
from typing import Any

import pytest

from support.builders import container_case, run_of, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.starting import Started, Waiting
from testrun_operator.engine.execution import ExecutionRecord, digest_of
from testrun_operator.engine.outcome import Baseline
from testrun_operator.errors import ClusterUnavailable, InvalidSpec
from testrun_operator.kube.client import CONFIGMAPS
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.parsing import parse_run
from testrun_operator.resources.status import TestRunStatus
from unit.controller.process import MemoryStore, Process

ABC = suite_document(*(container_case(name) for name in "abc"))


async def start(process: Process, previous: TestRunStatus | None = None, **spec: Any) -> ExecutionRecord | Waiting:
    """Start an execution of a run with a spec."""
    given: Body = spec if "suite" in spec else {"suiteRef": {"name": "regression"}} | spec
    process.cluster.apply_run("nightly", given)
    view = process.cluster.cache.run(("team", "nightly"))
    assert view is not None
    started = await process.runs._starter.start(view, parse_run(given), previous or TestRunStatus())
    return started.record if isinstance(started, Started) else started


async def reason_to_wait(process: Process, **spec: Any) -> tuple[ConditionReason, str]:
    """Return why an execution cannot start yet."""
    waiting = await start(process, **spec)
    assert isinstance(waiting, Waiting)
    assert process.cluster.all(CONFIGMAPS) == []
    return waiting.reason, waiting.message


async def test_a_suspended_run_waits(cluster: MemoryCluster) -> None:
    """It is not even looked whether its suite exists."""
    assert (await reason_to_wait(Process(cluster), suspend=True))[0] is ConditionReason.SUSPENDED


async def test_a_run_without_its_suite_waits(cluster: MemoryCluster) -> None:
    """The message says which one is missing, and where; one of the same name elsewhere does not count."""
    cluster.apply_suite("regression", ABC, namespace="other")
    reason, message = await reason_to_wait(Process(cluster))
    assert reason is ConditionReason.SUITE_NOT_FOUND
    assert message == "there is no TestSuite 'regression' in namespace team; the run starts with it"


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        ({"cases": [{"name": "a"}]}, "cases[0]"),
        (suite_document(container_case("a", needs=["nobody"])), "nobody"),
        (None, "spec"),
    ],
)
async def test_a_run_of_an_invalid_suite_waits(cluster: MemoryCluster, suite: object, told: str) -> None:
    """What is wrong is told at the run too; it starts when the suite is right."""
    cluster.apply_suite("regression", suite)
    reason, message = await reason_to_wait(Process(cluster))
    assert reason is ConditionReason.SUITE_INVALID
    assert message.startswith("TestSuite 'regression': ")
    assert told in message


async def test_an_invalid_suite_of_the_run_itself_is_an_invalid_spec(cluster: MemoryCluster) -> None:
    """There is nothing to wait for."""
    with pytest.raises(InvalidSpec, match=r"spec\.suite\.cases"):
        await start(Process(cluster), suite=suite_document(container_case("a", needs=["nobody"])))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"select": {"names": ["nobody"]}}, r"spec\.select"),
        ({"select": {"tags": ["nothing"]}}, r"spec\.select"),
        ({"skip": {"names": ["nobody"]}}, r"spec\.skip"),
    ],
)
async def test_a_run_that_does_not_fit_its_suite_is_invalid(cluster: MemoryCluster, spec: Body, told: str) -> None:
    """A run of no cases, or of unknown ones, would show nothing."""
    cluster.apply_suite("regression", ABC)
    with pytest.raises(InvalidSpec, match=told):
        await start(Process(cluster), **spec)


async def test_the_record_has_everything_that_decides_what_runs(cluster: MemoryCluster) -> None:
    """It is in the cluster before anything else is done, and an inline suite is in it once."""
    process = Process(cluster)
    record = await start(process, suite=ABC, revision="4f2c1d")
    assert isinstance(record, ExecutionRecord)
    [stored] = cluster.cache.records(RunReference("team", "nightly", "uid-1"))
    assert stored.read() == record
    assert (record.suite_name, record.run.suite, record.run.revision) == ("nightly", None, "4f2c1d")
    assert record.spec_digest == digest_of(run_of(suite=ABC, revision="4f2c1d"))
    assert [case.name for case in record.suite.cases] == ["a", "b", "c"]


async def test_a_record_that_is_refused_is_an_invalid_spec(cluster: MemoryCluster) -> None:
    """For instance one that is larger than the API server takes."""
    cluster.refuse_next("create", CONFIGMAPS, 413, "Request entity too large")
    with pytest.raises(InvalidSpec, match="the execution cannot be recorded: Request entity too large"):
        await start(Process(cluster), suite=ABC)


async def test_a_record_without_an_answer_is_tried_again(cluster: MemoryCluster) -> None:
    """An API server that is away makes no spec invalid."""
    cluster.fail_next("create", CONFIGMAPS)
    with pytest.raises(ClusterUnavailable):
        await start(Process(cluster), suite=ABC)


# -- rerun: Failed --------------------------------------------------------------------------------------------------


async def test_a_rerun_covers_what_did_not_pass(cluster: MemoryCluster, store: MemoryStore) -> None:
    """The record names the cases to repeat and those that are left out."""
    store.passed = frozenset({"a"})
    record = await start(Process(cluster, store), TestRunStatus(run_id="7"), suite=ABC, rerun="Failed")
    assert isinstance(record, ExecutionRecord)
    assert record.restriction is not None
    assert (record.restriction.only, record.restriction.passed_before) == (("b", "c"), ("a",))
    assert store.asked_for == [7]


async def test_a_rerun_of_what_passed_altogether_covers_everything(cluster: MemoryCluster, store: MemoryStore) -> None:
    """A run of no cases would pass without having shown anything."""
    store.passed = frozenset("abc")
    record = await start(Process(cluster, store), TestRunStatus(run_id="7"), suite=ABC, rerun="Failed")
    assert isinstance(record, ExecutionRecord)
    assert record.restriction is None


async def test_a_rerun_without_an_earlier_execution_covers_everything(
    cluster: MemoryCluster, store: MemoryStore
) -> None:
    """There is nothing to ask Postgres for."""
    record = await start(Process(cluster, store), suite=ABC, rerun="Failed")
    assert isinstance(record, ExecutionRecord)
    assert (record.restriction, store.asked_for) == (None, [])


@pytest.mark.parametrize("configured", [True, False])
async def test_a_rerun_waits_for_postgres(cluster: MemoryCluster, store: MemoryStore, *, configured: bool) -> None:
    """Which cases failed is only there."""
    store.problem = "connection refused"
    process = Process(cluster, store if configured else None)
    waiting = await start(process, TestRunStatus(run_id="7"), suite=ABC, rerun="Failed")
    assert isinstance(waiting, Waiting)
    assert waiting.reason is ConditionReason.WAITING_FOR_STORE


async def test_a_rerun_that_waits_is_tried_again_by_itself(cluster: MemoryCluster, store: MemoryStore) -> None:
    """No event tells a run that Postgres is back."""
    cluster.apply_run("nightly", {"suite": ABC})
    process = Process(cluster, store)
    await process.settle()
    for name in "abc":
        cluster.end_pod(cluster.job(name))
    await process.settle()
    await process.store()
    store.problem = "connection refused"
    cluster.apply_run("nightly", {"suite": ABC, "rerun": "Failed"})
    due = await process.settle()
    assert cluster.status("nightly")["phase"] == "Pending"
    assert due is not None
    assert due - cluster.now == timedelta(seconds=15)
    store.problem = None
    cluster.now = due
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Running"


# -- baselines ------------------------------------------------------------------------------------------------------


async def test_baselines_are_recorded(cluster: MemoryCluster, store: MemoryStore) -> None:
    """What people wrote for cases of the execution is kept with it."""
    store.rows = {"a": Baseline("a", min_events=3), "z": Baseline("z", min_events=1)}
    record = await start(Process(cluster, store), suite=ABC)
    assert isinstance(record, ExecutionRecord)
    assert record.baselines == (Baseline("a", min_events=3),)


async def test_an_execution_starts_without_baselines_if_postgres_is_away(
    cluster: MemoryCluster, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A run does not wait for Postgres; the log says that it went without."""
    store.problem = "connection refused"
    record = await start(Process(cluster, store), suite=ABC)
    assert isinstance(record, ExecutionRecord)
    assert record.baselines == ()
    assert "without the rows of expected_results: connection refused" in caplog.text
