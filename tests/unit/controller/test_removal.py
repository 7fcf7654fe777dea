"""Jobs that are removed while their run goes on: ``keepJobs: NotPassed``."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from zlib import compress

import pytest

from support.builders import container_case, http_case, report_of
from support.memory_cluster import Body, MemoryCluster, is_over
from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller import metrics
from testrun_operator.errors import TransientError
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import JOBS, PODS
from testrun_operator.store.results import CaseKey
from unit.controller.process import MemoryStore, Process, condition
from unit.controller.test_runs import STATUS, inline, started_cases

FULL = 'jobs.batch "x" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: {0}, limited: {0}'
FIVE = tuple(container_case(name) for name in "abcde")
NOT_PASSED = {"keepJobs": "NotPassed"}
PAST_THE_LAST = b64encode(compress(b"\x20")).decode()
"""A sixth case of five."""


class Killed(BaseException):
    """The process is killed in the middle of a call."""


class Cluster(MemoryCluster):
    """A cluster with a quota on Jobs, and with what has to hold of every deletion looked at when it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.quota: int | None = None
        self.created: Counter[str] = Counter()
        """How often the Job of each attempt was created."""
        self.removed: list[str] = []
        """The cases whose Jobs the operator deleted one by one."""
        self.kill_at: int | None = None
        """The number of the write at which the process is killed."""
        self.is_carried_out = False
        """Whether that write is carried out."""
        self.writes = count()
        self.on_status: Callable[[], None] = lambda: None
        """Called when a status is written."""
        self._is_dead = False

    def take_trouble(self, verb: str, resource: str) -> tuple[Exception | None, bool]:
        """Refuse Jobs for which the quota has no room."""
        if (verb, resource) == ("create", JOBS) and self.quota is not None and len(self.all(JOBS)) >= self.quota:
            return Refused(403, "Forbidden", FULL.format(self.quota)), False
        if (verb, resource) == STATUS:
            self.on_status()
        if self.kill_at is not None and verb not in {"get", "list"} and next(self.writes) == self.kill_at:
            self._is_dead = True
            return Killed(), self.is_carried_out  # type: ignore[return-value]
        if self._is_dead:
            return Killed(), False  # type: ignore[return-value]
        return super().take_trouble(verb, resource)

    def put(self, resource: str, body: Body) -> Body:
        """Take note of each Job."""
        if resource == JOBS:
            self.created[body["metadata"]["name"]] += 1
        return super().put(resource, body)

    def revive(self) -> None:
        """Let another process write."""
        self.kill_at, self._is_dead = None, False


@pytest.fixture
def cluster() -> Cluster:
    """Return an empty cluster."""
    return Cluster()


def cases_of(cluster: MemoryCluster) -> set[str]:
    """Return the cases that have Jobs."""
    return set(started_cases(cluster))


def named(cluster: MemoryCluster) -> str | None:
    """Return what the status says of the Jobs of the newest execution."""
    text: str | None = cluster.status("nightly")["records"][-1].get("withoutJobs")
    return text


def end_what_runs(cluster: MemoryCluster, failing: str = "") -> bool:
    """Let every case that runs end, and return whether there was one."""
    running = [job for job in cluster.all(JOBS) if not is_over(job)]
    for job in running:
        own = job["metadata"]["labels"]
        is_bad = own[labels.CASE] in failing
        if labels.OUTCOME in (job["metadata"].get("annotations") or {}):
            cluster.end_deleted_pods(job)
        elif own[labels.CASE].startswith("http"):
            cluster.report(job, report_of(case=own[labels.CASE], attempt=int(own[labels.ATTEMPT])))
        else:
            cluster.end_pod(job, exit_code=3 if is_bad else 0)
    return bool(running)


async def rest(process: Process) -> None:
    """Let the run come to rest, and everything be stored."""
    await process.settle()
    if process.writer is not None:
        await process.store()


# -- what goes, and when ----------------------------------------------------------------------------------------------


async def test_a_run_passes_with_a_quota_that_is_smaller_than_the_number_of_its_cases(cluster: Cluster) -> None:
    """Each Job that is gone makes room for the next one; none is left at the end for the next run to wait for."""
    cluster.quota = 2
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED))
    process = Process(cluster)
    await process.settle()
    for _ in range(5):
        assert len(cluster.all(JOBS)) <= 2
        end_what_runs(cluster)
        await process.settle()
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 5)
    assert sorted(cluster.created.values()) == [1] * 5
    assert cluster.all(JOBS) == []


async def test_without_the_field_the_same_run_waits_for_room(cluster: Cluster) -> None:
    """All Jobs are kept, so that their logs can be read."""
    cluster.quota = 2
    cluster.apply_run("nightly", inline(*FIVE))
    process = Process(cluster)
    await process.settle()
    end_what_runs(cluster)
    await process.settle()
    assert (cases_of(cluster), named(cluster)) == ({"a", "b"}, None)
    assert condition(cluster.status("nightly"), "Reconciling") == ("True", "WaitingForQuota")


async def test_jobs_that_did_not_pass_are_kept(cluster: Cluster) -> None:
    """Failed, flaky, or repeated for a fault of the infrastructure: people look at them until the ttl."""
    cases = container_case("bad"), container_case("flaky", retries=1), container_case("good"), container_case("more")
    cluster.apply_run("nightly", inline(*cases, **NOT_PASSED, parallelism=3))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("bad"), exit_code=3)
    cluster.end_pod(cluster.job("flaky"), exit_code=3)
    cluster.end_pod(cluster.job("good"))
    await process.settle()
    cluster.end_pod(cluster.job("flaky", attempt=2))
    await process.settle()
    assert sorted(started_cases(cluster)) == ["bad", "flaky", "flaky", "more"]
    cluster.end_pod(cluster.job("more"))
    await process.settle()
    assert sorted(started_cases(cluster)) == ["bad", "flaky", "flaky"]
    assert cluster.status("nightly")["cases"]["passed"] == 3


async def test_a_job_goes_only_after_a_status_that_names_it(cluster: Cluster) -> None:
    """A SIGKILL between the two must leave the verdict somewhere."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    end_what_runs(cluster)
    cluster.pass_time(1)
    for _ in range(2):
        cluster.fail_next(*STATUS)
        with pytest.raises(TransientError):
            await process.reconcile()
        assert "a" in cases_of(cluster)
    await process.settle()
    assert named(cluster) is not None
    assert "a" not in cases_of(cluster)


async def test_a_job_goes_only_when_its_case_is_stored(cluster: Cluster, store: MemoryStore) -> None:
    """While Postgres is away everything is kept, and what it refuses is kept as well."""
    store.refused = {"b"}
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=2))
    process = Process(cluster, store)
    await process.settle()
    store.problem = "away"
    end_what_runs(cluster)
    await process.settle()
    await process.store()
    assert {"a", "b"} <= cases_of(cluster)
    store.problem = None
    await process.store()
    assert "a" not in cases_of(cluster)
    assert "b" in cases_of(cluster)


async def test_a_case_that_is_stored_makes_the_run_be_looked_at(cluster: Cluster, store: MemoryStore) -> None:
    """Nothing else may happen in it: it may wait for the room that its own Job takes."""
    for keep, expected in ((NOT_PASSED, 1), ({}, 0)):
        cluster.apply_run(f"run-{expected}", inline(*FIVE, **keep, parallelism=1))
        process = Process(cluster, store)
        told: list[int | None] = []
        process.results._on_change = told.append
        await process.settle(f"run-{expected}")
        end_what_runs(cluster)
        await process.settle(f"run-{expected}")
        assert process.writer is not None
        await process.writer.flush()
        assert len([run_id for run_id in told if run_id is not None]) == expected
        end_what_runs(cluster)


async def test_a_case_whose_details_are_not_accepted_keeps_its_job(cluster: Cluster, store: MemoryStore) -> None:
    """They are nowhere else."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster, store)
    await process.settle()
    end_what_runs(cluster)
    await process.settle()
    process.results._reduced(int(cluster.status("nightly")["runId"]), "a")
    await process.store()
    assert "a" in cases_of(cluster)


async def test_what_another_case_needs_stays_until_that_has_ended(cluster: Cluster) -> None:
    """After a restart its outputs are found in its Job."""
    cases = container_case("one"), container_case("two", needs=["one"]), container_case("three", needs=["two"])
    cluster.apply_run("nightly", inline(*cases, **NOT_PASSED))
    process = Process(cluster)
    for expected in ({"one", "two"}, {"two", "three"}):
        await process.settle()
        end_what_runs(cluster)
        await process.settle()
        assert cases_of(cluster) == expected


async def test_the_field_may_be_changed_while_a_run_goes_on(cluster: Cluster) -> None:
    """It starts no new execution, and what passed before goes at once."""
    cluster.apply_run("nightly", inline(*FIVE, parallelism=2))
    process = Process(cluster)
    await process.settle()
    end_what_runs(cluster)
    await process.settle()
    run_id = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", inline(*FIVE, parallelism=2, **NOT_PASSED))
    await process.settle()
    assert (cluster.status("nightly")["runId"], cases_of(cluster)) == (run_id, {"c", "d"})
    cluster.apply_run("nightly", inline(*FIVE, parallelism=2))
    end_what_runs(cluster)
    await process.settle()
    assert cases_of(cluster) == {"c", "d", "e"}
    await rest(Process(cluster))
    assert cluster.status("nightly")["cases"] | {"total": 5, "passed": 4} == cluster.status("nightly")["cases"]


async def test_the_last_jobs_are_waited_for_and_go_as_well(cluster: Cluster, store: MemoryStore) -> None:
    """A Job is over a moment after its container; left until the ttl, it would take the next run's room."""
    cluster.apply_run("nightly", inline(container_case("one"), **NOT_PASSED))
    process = Process(cluster, store)
    await process.settle()
    job = cluster.job("one")
    cluster.end_pod(job)
    finished = job.pop("status")
    job["status"] = {"active": 1}
    await rest(process)
    assert cluster.status("nightly")["phase"] == "Passed"
    assert cases_of(cluster) == {"one"}
    job["status"] = finished
    await rest(process)
    assert (cluster.all(JOBS), process.runs.active()) == ([], ())


async def test_a_last_job_that_is_over_while_the_end_is_told_goes_as_well(cluster: Cluster) -> None:
    """It was not over yet when the cases were chosen, and is when the run is finished."""
    cluster.apply_run("nightly", inline(container_case("one"), **NOT_PASSED))
    process = Process(cluster)
    await process.settle()
    job = cluster.job("one")
    cluster.end_pod(job)
    finished = job.pop("status")
    job["status"] = {"active": 1}
    cluster.on_status = lambda: job.update(status=finished)
    await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    assert (cluster.all(JOBS), process.runs.active()) == ([], ())


async def test_a_job_that_is_never_over_holds_nothing_up(cluster: Cluster) -> None:
    """After half a minute it is left to the ttl, as everything that was not removed."""
    cluster.apply_run("nightly", inline(container_case("one"), **NOT_PASSED, ttlAfterFinished="1h"))
    process = Process(cluster)
    await process.settle()
    job = cluster.job("one")
    cluster.end_pod(job)
    job["status"] = {"active": 1}
    await process.settle()
    cluster.pass_time(31)
    due = await process.settle()
    assert process.runs.active() == ()
    assert due is not None
    cluster.now = due
    await process.settle()
    assert cluster.all(JOBS) == []


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_removal_that_is_refused_is_tried_again_and_holds_nothing_up(cluster: Cluster) -> None:
    """The Role of an older release lacks the right: the run goes on all the same."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    for _ in range(8):
        cluster.refuse_next("delete", JOBS, 403)
    end_what_runs(cluster)
    await process.reconcile()
    cluster.pass_time(1)
    wake = await process.reconcile()
    assert wake is not None
    assert {"a", "b"} == cases_of(cluster)
    while end_what_runs(cluster):
        await process.settle()
    assert cluster.status("nightly")["phase"] == "Passed"
    cluster.pass_time(60)
    await process.settle()
    assert process.runs.active() == ()


async def test_a_job_of_that_name_that_is_another_one_is_not_deleted(cluster: Cluster) -> None:
    """The watch shows the one that passed; somebody has replaced it since."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    end_what_runs(cluster)
    cluster.lag_behind()
    foreign = deepcopy(cluster.delete(JOBS, cluster.job("a")["metadata"]["name"]))
    foreign["metadata"]["uid"] = "another"
    cluster.put(JOBS, foreign)
    await process.settle()
    assert cluster.job("a")["metadata"]["uid"] == "another"


async def test_a_job_that_a_watch_still_shows_is_deleted_once_and_missed_by_nobody(cluster: Cluster) -> None:
    """Whether the watch tells of it late, never, or somebody else was quicker."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    job, pod = deepcopy(cluster.job("a")), deepcopy(cluster.end_pod(cluster.job("a")))
    cluster.lag_behind()
    await process.settle()
    cluster.pass_time(1)
    await process.settle()
    assert cluster.client.calls["delete", JOBS] == 1
    cluster.catch_up()
    cluster.put(PODS, pod)
    cluster.put(JOBS, job)
    process.lose_pod(pod)
    process.lose_job(job)
    await process.settle()
    [state] = process.runs.active()
    assert (state.lost_jobs, state.lost_pods, cases_of(cluster)) == ({}, {}, {"b"})
    counts = cluster.status("nightly")["cases"]
    assert (counts["passed"], counts["running"], counts["pending"]) == (1, 1, 3)


async def test_a_job_that_somebody_deletes_after_its_case_passed_is_named_too(cluster: Cluster) -> None:
    """So that the next process knows of it, and does not start it again."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    cluster.end_pod(cluster.job("a"))
    await process.reconcile()  # it is known, and the status is written a moment later
    process.lose_job(cluster.job("a"))
    await process.settle()
    await Process(cluster).settle()
    assert cluster.created.total() == 2
    assert cluster.status("nightly")["cases"]["passed"] == 1


# -- restarts ---------------------------------------------------------------------------------------------------------


def seen_by_metrics(cluster: MemoryCluster) -> float:
    """Return how many cases that passed the metrics have counted."""
    del cluster
    name = {"verdict": "Passed", "failure_class": "", "namespace": "team", "suite": "nightly"}
    return metrics.CASES.labels(**name)._value.get()  # type: ignore[no-any-return]


async def test_the_next_process_knows_what_passed_and_stores_and_counts_nothing_again(
    cluster: Cluster, store: MemoryStore
) -> None:
    """Rows keep the details that only the Job had; what needs such a case may start."""
    cases = http_case("http-one"), *FIVE, container_case("last", needs=["http-one"])
    cluster.apply_run("nightly", inline(*cases, **NOT_PASSED, parallelism=1))
    process = Process(cluster, store)
    await process.settle()
    detail = Detail(kind=DetailKind.ASSERTION, name="status", passed=True)
    cluster.report(cluster.job("http-one"), report_of(case="http-one", details=(detail,)))
    for _ in range(3):
        await rest(process)
        end_what_runs(cluster)
    await rest(process)
    before, counted = dict(store.cases), seen_by_metrics(cluster)
    assert "a" not in cases_of(cluster)
    second = Process(cluster, store)
    await rest(second)
    assert store.cases == before
    assert seen_by_metrics(cluster) == counted
    assert cluster.status("nightly")["cases"]["passed"] == len(before)
    while end_what_runs(cluster):
        await rest(second)
    status = cluster.status("nightly")
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 7)
    assert set(cluster.created.values()) == {1}
    assert {key: store.cases[key] for key in before} == before
    assert [run.passed for run in store.runs.values()] == [7]


async def test_a_job_that_is_named_and_still_there_is_deleted_by_the_next_process(cluster: Cluster) -> None:
    """The one before was killed between the two writes."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster)
    await process.settle()
    end_what_runs(cluster)
    cluster.fail_next("delete", JOBS)
    await process.reconcile()
    cluster.pass_time(0.9)
    await process.reconcile()
    assert named(cluster) is not None
    assert "a" in cases_of(cluster)
    await Process(cluster).settle()
    assert cases_of(cluster) == {"b"}
    assert cluster.created.total() == 2


@pytest.mark.parametrize("text", ["AAAA", "not base64!", PAST_THE_LAST, 7, "A" * 3000])
async def test_what_cannot_be_read_starts_nothing_and_waits_for_a_person(cluster: Cluster, text: object) -> None:
    """Guessing would execute cases again."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    await Process(cluster).settle()
    right = deepcopy(cluster.status("nightly")["records"])
    cluster.end_pod(cluster.job("a"))
    cluster.status("nightly")["records"][-1]["withoutJobs"] = text
    process = Process(cluster)
    await process.settle()
    assert condition(cluster.status("nightly"), "Stalled") == ("True", "StatusUnreadable")
    assert started_cases(cluster) == ["a"]
    cluster.status("nightly")["records"] = right
    await process.settle()
    assert cluster.status("nightly")["cases"]["passed"] == 1


async def test_a_spec_that_is_changed_leaves_what_passed_as_it_was(cluster: Cluster, store: MemoryStore) -> None:
    """The execution that is superseded ends with what is known of it, also after a restart."""
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1))
    process = Process(cluster, store)
    await process.settle()
    end_what_runs(cluster)
    await rest(process)
    first = cluster.status("nightly")["runId"]
    cluster.apply_run("nightly", inline(*FIVE, **NOT_PASSED, parallelism=1, revision="b"))
    second = Process(cluster, store)
    for _ in range(12):
        await rest(second)
        end_what_runs(cluster)
    await rest(second)
    assert cluster.status("nightly")["phase"] == "Passed"
    ended = store.runs[int(first)]
    assert (ended.passed, ended.cancelled, ended.errored) == (1, 4, 0)
    assert set(cluster.created.values()) == {1}


async def _go_on(process: Process, cluster: Cluster, store: MemoryStore, failing: str) -> None:
    for _ in range(40):
        try:
            await rest(process)
        except TransientError:
            continue
        _look_at_the_store(store, cluster)
        if not end_what_runs(cluster, failing):
            return
    raise AssertionError("the run does not end")


def _look_at_the_store(store: MemoryStore, cluster: Cluster) -> None:
    status = cluster.status("nightly")
    if "records" not in status:
        return
    there = cases_of(cluster)
    gone = {record.outcome.case for record in store.cases.values()} - there
    assert not gone or named(cluster) is not None or status["phase"] != "Running"


@pytest.mark.parametrize("is_carried_out", [False, True], ids=["not carried out", "carried out"])
async def test_a_kill_at_any_write_starts_nothing_twice_and_loses_nothing(is_carried_out: bool) -> None:
    """Before the write, or after it: each case is executed once, stored once and with all that was seen of it."""
    cases = http_case("http"), container_case("c1"), container_case("bad", needs=["http"]), container_case("c2")
    for kill_at in count():
        cluster, store = Cluster(), MemoryStore()
        cluster.kill_at, cluster.is_carried_out, cluster.quota = kill_at, is_carried_out, 3
        cluster.apply_run("nightly", inline(*cases, container_case("c3"), **NOT_PASSED))
        try:
            await _go_on(Process(cluster, store), cluster, store, "bad")
        except Killed:
            cluster.revive()
        else:
            break
        before: dict[CaseKey, object] = dict(store.cases)
        await _go_on(Process(cluster, store), cluster, store, "bad")
        status = cluster.status("nightly")
        assert (status["phase"], status["cases"]["passed"], status["cases"]["failed"]) == ("Failed", 4, 1), kill_at
        assert set(cluster.created.values()) == {1}, kill_at
        assert cases_of(cluster) >= {"bad"}, kill_at
        assert {key: store.cases[key] for key in before} == before, kill_at
        verdicts = {record.outcome.case: record.outcome.verdict for record in store.cases.values()}
        assert verdicts == dict.fromkeys(["http", "c1", "c2", "c3"], Verdict.PASSED) | {"bad": Verdict.FAILED}, kill_at
        assert all(record.outcome.attempts for record in store.cases.values()), kill_at
        assert [run.passed for run in store.runs.values()] == [4], kill_at
    assert kill_at > 15
