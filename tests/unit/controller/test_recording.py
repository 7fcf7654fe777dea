"""What happened is told once."""

from typing import Any

import pytest

from support.builders import container_case, http_case, playbook_case, report_of, sql_case, suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.api.report import Detail, DetailKind, ExecutionReport
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller import metrics, reports
from testrun_operator.engine.outcome import Baseline
from testrun_operator.kube.client import CONFIGMAPS, EVENTS
from unit.controller.process import MemoryStore, Process

LOG = "get", "v1/pods/log"
LARGE = tuple(
    Detail(kind=DetailKind.PAGE, name=f"page {number}", passed=True, message=f"{number:030}") for number in range(100)
)


def metric(name: str, **given: str) -> float:
    """Return the sum of a metric's values with these labels."""
    return sum(
        sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == name and given.items() <= sample.labels.items()
    )


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> str:
    """Return the name of a suite of the test's own, since the metrics are those of the process."""
    return str(request.node.name).replace("_", "-")[:60].strip("-")


def prepare(cluster: MemoryCluster, suite: str, *cases: Body, **spec: Any) -> None:
    """Make a suite, and a run of it."""
    cluster.apply_suite(suite, suite_document(*cases))
    cluster.apply_run("nightly", {"suiteRef": {"name": suite}} | spec)


async def test_an_execution_has_one_event_for_its_start_and_one_for_its_end(cluster: MemoryCluster, suite: str) -> None:
    """However often it is looked at."""
    prepare(cluster, suite, container_case("one"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"))
    for _ in range(3):
        await process.settle()
    assert [(event["type"], event["reason"]) for event in cluster.all(EVENTS)] == [
        ("Normal", "Started"),
        ("Normal", "Passed"),
    ]
    event = cluster.all(EVENTS)[1]
    assert event["involvedObject"]["name"] == "nightly"
    assert event["message"].endswith("1 of 1 cases passed")


async def test_an_execution_that_did_not_pass_ends_with_a_warning(cluster: MemoryCluster, suite: str) -> None:
    """The reason of the Event is the phase."""
    prepare(cluster, suite, container_case("one"))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("one"), exit_code=1)
    await process.settle()
    assert (cluster.all(EVENTS)[1]["type"], cluster.all(EVENTS)[1]["reason"]) == ("Warning", "Failed")


@pytest.mark.parametrize(("least", "reason"), [(0, "Passed"), (1, "Errored")])
async def test_an_execution_of_nothing_ends_with_a_warning(
    cluster: MemoryCluster, suite: str, least: int, reason: str
) -> None:
    """All were skipped: the Event says so, and the run is Errored where at least one was demanded."""
    suite = suite.partition("[")[0]
    prepare(cluster, suite, container_case("one"), skip={"names": ["one"]}, minExecuted=least)
    await Process(cluster).settle()
    event = cluster.all(EVENTS)[-1]
    assert (event["type"], event["reason"]) == ("Warning", reason)
    assert "cases were executed, and minExecuted is 1" in event["message"] or "no case was executed" in event["message"]
    assert cluster.status("nightly")["phase"] == reason


async def test_events_that_cannot_be_written_are_given_up(cluster: MemoryCluster, suite: str) -> None:
    """Nothing depends on them."""
    prepare(cluster, suite, container_case("one"))
    cluster.fail_next("create", EVENTS)
    process = Process(cluster)
    await process.settle()
    assert (cluster.all(EVENTS), cluster.status("nightly")["phase"]) == ([], "Running")


async def test_metrics_count_each_case_and_each_run_once(cluster: MemoryCluster, suite: str) -> None:
    """By suite, verdict and class."""
    prepare(
        cluster, suite, container_case("good", retries=1), container_case("bad"), container_case("s", needs=["bad"])
    )
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("good"), exit_code=1)
    cluster.end_pod(cluster.job("bad"), exit_code=1)
    await process.settle()
    cluster.end_pod(cluster.job("good", attempt=2))
    for _ in range(3):
        await process.settle()
    assert metric("testrun_cases_total", suite=suite, verdict="Passed") == 1
    assert metric("testrun_cases_total", suite=suite, verdict="Failed", failure_class="Test") == 1
    assert metric("testrun_cases_total", suite=suite, verdict="Skipped") == 1
    assert metric("testrun_flaky_cases_total", suite=suite) == 1
    assert metric("testrun_runs_total", suite=suite, phase="Failed") == 1
    assert metric("testrun_run_duration_seconds_count", suite=suite) == 1


async def test_a_restart_counts_nothing_again(cluster: MemoryCluster, suite: str) -> None:
    """What the process before had told is not told by the next one: while cases run, and after the end."""
    prepare(cluster, suite, container_case("a"), container_case("b"))
    await Process(cluster).settle()
    cluster.end_pod(cluster.job("a"))
    await Process(cluster).settle()
    cluster.pass_time(60)
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("b"))
    await process.settle()
    cluster.pass_time(60)
    await Process(cluster).settle()
    assert metric("testrun_cases_total", suite=suite) == 2
    assert metric("testrun_runs_total", suite=suite) == 1


async def test_a_restart_tells_of_no_infrastructure_fault_again(cluster: MemoryCluster, suite: str) -> None:
    """Neither metric nor Event, whether the fault is in the pod or noted on the Job; one after the restart counts."""
    labels = {"namespace": "team", "reason": "ContainerKilled"}
    before = metric("testrun_infrastructure_faults_total", **labels)
    prepare(cluster, suite, container_case("a"), container_case("b"))
    await Process(cluster).settle()
    cluster.end_pod(cluster.job("a"), exit_code=137)
    await Process(cluster).settle()
    assert metric("testrun_infrastructure_faults_total", **labels) == before + 1
    cluster.pass_time(60)
    process = Process(cluster)
    await process.settle()
    assert metric("testrun_infrastructure_faults_total", **labels) == before + 1
    assert cluster.reasons_of_events() == ["Started", "ContainerKilled"]
    cluster.end_pod(cluster.job("b"), exit_code=137)
    await process.settle()
    assert metric("testrun_infrastructure_faults_total", **labels) == before + 2
    assert cluster.reasons_of_events() == ["Started", "ContainerKilled", "ContainerKilled"]


async def test_a_restart_counts_no_case_again_that_was_never_started(cluster: MemoryCluster, suite: str) -> None:
    """A case that is skipped has no time at which it ended; it was told by the process that skipped it."""
    prepare(cluster, suite, container_case("a"), container_case("b"), skip={"names": ["b"]})
    await Process(cluster).settle()
    assert metric("testrun_cases_total", suite=suite, verdict="Skipped") == 1
    cluster.pass_time(60)
    await Process(cluster).settle()
    assert metric("testrun_cases_total", suite=suite, verdict="Skipped") == 1


async def test_a_restart_does_not_say_again_why_a_run_cannot_start(cluster: MemoryCluster, suite: str) -> None:
    """The status says it already; another cause is told."""
    cluster.apply_run("nightly", {"suiteRef": {"name": suite}})
    await Process(cluster).settle()
    cluster.pass_time(60)
    await Process(cluster).settle()
    assert cluster.reasons_of_events() == ["SuiteNotFound"]
    cluster.apply_suite(suite, {"cases": "many"})
    await Process(cluster).settle()
    assert len(cluster.reasons_of_events()) == 2


async def test_infrastructure_faults_are_told_by_at_most_five_events(cluster: MemoryCluster, suite: str) -> None:
    """Where there are more they are all of one cause; all of them are counted."""
    before = metric("testrun_infrastructure_faults_total", namespace="team", reason="ContainerKilled")
    prepare(cluster, suite, *(container_case(f"case-{number}") for number in range(8)))
    process = Process(cluster)
    await process.settle()
    for number in range(8):
        cluster.end_pod(cluster.job(f"case-{number}"), exit_code=137)
    await process.settle()
    assert cluster.reasons_of_events() == ["Started", *["ContainerKilled"] * 5]
    assert metric("testrun_infrastructure_faults_total", namespace="team", reason="ContainerKilled") == before + 8


async def test_skipped_cases_are_not_stored(cluster: MemoryCluster, store: MemoryStore, suite: str) -> None:
    """They were not executed; the summary counts them."""
    prepare(cluster, suite, container_case("a", category="x"), container_case("b"), skip={"names": ["b"]})
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("a"))
    await process.settle()
    await process.store()
    assert [case for _, case in store.cases] == ["a"]
    [summary] = store.runs.values()
    assert (summary.total, summary.skipped, summary.categories, summary.suite) == (2, 1, ("x",), suite)


async def test_a_case_is_stored_with_its_details_from_the_log(
    cluster: MemoryCluster, store: MemoryStore, suite: str
) -> None:
    """The summary waits for them, so that no Job goes before they are read."""
    prepare(cluster, suite, http_case("one"))
    process = Process(cluster, store)
    await process.settle()
    cluster.report(cluster.job("one"), report_of(details=LARGE))
    await process.reconcile()
    assert process.writer is not None
    assert process.writer.runs == []
    await process.settle()
    await process.store()
    [record] = store.cases.values()
    assert record.outcome.attempts[0].details == LARGE
    assert (record.path, len(store.runs)) == ("GET /", 1)


async def test_details_that_are_lost_hold_up_nothing(
    cluster: MemoryCluster, store: MemoryStore, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is stored with its verdict, and the execution gets its summary."""
    monkeypatch.setattr(reports, "_DELAY_SECONDS", 0)
    prepare(cluster, suite, http_case("one"))
    process = Process(cluster, store)
    await process.settle()
    pod = cluster.report(cluster.job("one"), report_of(Verdict.FAILED, details=LARGE))
    cluster.logs[pod["metadata"]["name"]] = ""
    await process.settle()
    await process.store()
    [record] = store.cases.values()
    assert (record.outcome.verdict, record.outcome.attempts[0].details[0].name) == (Verdict.FAILED, "details")
    assert len(store.runs) == 1


async def test_no_log_is_read_where_nothing_is_stored(cluster: MemoryCluster, suite: str) -> None:
    """Without Postgres nobody would see the details."""
    prepare(cluster, suite, http_case("one"))
    process = Process(cluster)
    await process.settle()
    cluster.report(cluster.job("one"), report_of(details=LARGE))
    await process.settle()
    assert LOG not in cluster.client.calls


async def test_jobs_are_kept_while_a_log_is_read(cluster: MemoryCluster, store: MemoryStore, suite: str) -> None:
    """Also where another result was refused, and ttlAfterFinished is over."""
    prepare(cluster, suite, container_case("odd"), http_case("one"), ttlAfterFinished="0s")
    store.refused = {"odd"}
    process = Process(cluster, store)
    await process.settle()
    cluster.end_pod(cluster.job("odd"))
    await process.settle()
    await process.store()
    cluster.report(cluster.job("one"), report_of(details=LARGE))
    await process.reconcile()
    assert len(cluster.all(CONFIGMAPS)) == 1
    await process.settle()
    await process.store()
    assert {case for _, case in store.cases} == {"one"}


async def test_why_a_run_waits_is_told_once_for_each_reason(cluster: MemoryCluster) -> None:
    """A run may wait for days."""
    cluster.apply_run("nightly", {"suiteRef": {"name": "later"}})
    process = Process(cluster)
    for _ in range(3):
        await process.settle()
    cluster.apply_suite("later", {"cases": "many"})
    for _ in range(3):
        await process.settle()
    assert cluster.reasons_of_events() == ["SuiteNotFound", "SuiteInvalid"]


async def test_what_a_case_is_about_shows_no_secret(cluster: MemoryCluster, store: MemoryStore, suite: str) -> None:
    """A query may hold a token; of a container it is the image."""
    request = {"connection": "api", "request": {"path": "/users?token=hunter2"}}
    prepare(cluster, suite, http_case("a", http=request), container_case("b"))
    process = Process(cluster, store)
    await process.settle()
    cluster.report(cluster.job("a"), report_of(case="a"))
    cluster.end_pod(cluster.job("b"))
    await process.settle()
    await process.store()
    assert {case: record.path for (_, case), record in store.cases.items()} == {"a": "GET /users", "b": "busybox"}


async def test_a_playbook_is_stored_with_its_path_and_how_it_had_to_end(
    cluster: MemoryCluster, store: MemoryStore, suite: str
) -> None:
    """A baseline says so before the case does."""
    execution = ExecutionReport(id="765993903060157424", status="FAILED")
    cases = [
        playbook_case("plain"),
        playbook_case("failing", own={"version": 3, "expect": {"status": "Failed"}}),
        playbook_case("baseline", own={"path": "tests/{{ vars.name }}", "expect": {"status": "Failed"}}),
    ]
    connections = {"noetl": {"url": "http://noetl:8082"}}
    store.rows = {name: Baseline(name, expected_status="COMPLETED") for name in ("baseline",)}
    cluster.apply_suite(suite, suite_document(*cases, connections=connections))
    cluster.apply_run("nightly", {"suiteRef": {"name": suite}, "parallelism": len(cases)})
    process = Process(cluster, store)
    await process.settle()
    for case in ("plain", "failing", "baseline"):
        cluster.report(cluster.job(case), report_of(case=case, execution=execution))
    await process.settle()
    await process.store()
    found = {case: record for (_, case), record in store.cases.items()}
    assert {case: (record.kind, record.path, record.expected_status) for case, record in found.items()} == {
        "plain": ("playbook", "examples/hello", "COMPLETED"),
        "failing": ("playbook", "examples/hello@3", "FAILED"),
        "baseline": ("playbook", "tests/{{ vars.name }}", "COMPLETED"),
    }
    assert found["plain"].outcome.attempts[0].execution == execution
    assert found["baseline"].outcome.message == "expected_results: expected_status is COMPLETED, got FAILED"


async def test_what_a_case_is_about_says_where_its_files_come_from(
    cluster: MemoryCluster, store: MemoryStore, suite: str
) -> None:
    """Of a repository its address, path and ref as they are in the suite, without a query; of a ConfigMap its name."""
    sources: dict[str, dict[str, Any]] = {
        "git": {"git": {"url": "https://git.example.com/a.git?token=hunter2", "ref": "v1", "path": "db"}},
        "whole": {"git": {"url": "{{ vars.repository }}"}},
        "map": {"configMap": {"name": "ledger", "path": "tests"}},
        "keys": {"configMap": {"name": "ledger"}},
        "inline": {"inline": "# TEST CASE"},
    }
    database = {"dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}}}
    cases = [sql_case(name, source) for name, source in sources.items()]
    cluster.apply_suite(suite, suite_document(*cases, connections={"db": database}))
    cluster.apply_run("nightly", {"suiteRef": {"name": suite}, "parallelism": len(cases)})
    process = Process(cluster, store)
    await process.settle()
    for name in sources:
        cluster.report(cluster.job(name), report_of(case=name))
    await process.settle()
    await process.store()
    assert {case: (record.kind, record.path) for (_, case), record in store.cases.items()} == {
        "git": ("sql", "git https://git.example.com/a.git//db@v1"),
        "whole": ("sql", "git {{ vars.repository }}@HEAD"),
        "map": ("sql", "configmap/ledger/tests"),
        "keys": ("sql", "configmap/ledger"),
        "inline": ("sql", "inline"),
    }
