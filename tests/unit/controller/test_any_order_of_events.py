"""Whatever happens to a run, its Jobs, the API server and the operator, and in whatever order.

As tests/unit/engine/test_any_order_of_events.py, but with all of the controller over a cluster in memory: people change
and correct the spec or the suite, delete the run and create it anew, calls fail or their answers are lost, watches lag
behind, Postgres goes away, and the operator is killed. The operator looks at the run only when a watch has shown
something new, when the time has come that it has named itself, or when its last look failed: as its worker does.
"""

import asyncio
import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.builders import NOON, container_case, http_case, report_of, suite_document
from support.memory_cluster import Body, MemoryCluster, is_over
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.errors import TransientError
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, JOBS, PODS, TESTRUNS, TESTSUITES
from testrun_operator.resources.status import TestRunStatus
from unit.controller.process import MemoryStore, Process, condition

_FINAL = {"Passed", "Failed", "Errored", "Cancelled"}
_WATCHED = (TESTRUNS, TESTSUITES, JOBS, PODS, CONFIGMAPS)
_CALLS = [
    ("create", JOBS),
    ("patch", JOBS),
    ("create", CONFIGMAPS),
    ("patch", CONFIGMAPS),
    ("patch", f"{TESTRUNS}/status"),
]
_MOST_STEPS = 400
_MOMENT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=6)
"""Longer than every limit of an attempt."""
_GOOD: Body = {"timeout": "30m", "select": None}
_TYPOS: list[Body] = [{"timeout": "slow"}, {"select": {"names": ["nobody"]}}]


@st.composite
def suites(draw: st.DrawFn) -> Body:
    """Draw a suite of one to three cases."""
    cases = []
    for index in range(draw(st.integers(1, 3))):
        make = draw(st.sampled_from([http_case, container_case]))
        needs = [f"case-{need}" for need in range(index) if draw(st.integers(0, 2)) == 0]
        cases.append(make(f"case-{index}", needs=needs, retries=draw(st.integers(0, 1)), timeout="1m"))
    return suite_document(*cases)


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Everything that may happen to a run."""

    @initialize(
        suite=suites(),
        by_name=st.booleans(),
        with_store=st.booleans(),
        fail_fast=st.booleans(),
        changes=st.booleans(),
    )
    def begin(self, suite: Body, by_name: bool, with_store: bool, fail_fast: bool, changes: bool) -> None:
        """Somebody applies a run, with a suite of its own or of a name; it may be changed later on, or not."""
        self.loop = asyncio.new_event_loop()
        self.cluster = MemoryCluster()
        self.store = MemoryStore() if with_store else None
        self.suite = suite
        self.by_name = by_name
        of_suite: Body = {"suiteRef": {"name": "regression"}} if by_name else {"suite": suite}
        self.spec: Body = of_suite | {"parallelism": 2, "failFast": fail_fast, "timeout": "30m"}
        self.changes = changes
        if by_name:
            self.cluster.apply_suite("regression", suite)
        self.cluster.apply_run("nightly", self.spec)
        self.was_cancelled = False
        self.uids: dict[str, set[str]] = {}
        self.deleted: set[str] = set()
        self.lost: set[str] = set()
        self.unanswered = False
        self.final: dict[str, Body] = {}
        self.seen = ""
        self.wake: datetime | None = None
        self.must_retry = False
        self.process = Process(self.cluster, self.store)

    # -- the operator ---------------------------------------------------------------------------------------------

    @rule()
    def reconcile(self) -> None:
        """The operator's worker looks, if there is a reason to."""
        now = self.cluster.now
        due = self.wake is not None and self.wake <= now
        if self.must_retry or due or self.seen != self.shown():
            self.look_once()

    def look_once(self) -> None:
        """Let the operator look once, and check what came of it."""
        self.seen = self.shown()
        active = self.occupied()
        before = {body["metadata"]["uid"] for body in self.cluster.all(JOBS)}
        try:
            self.wake = self.loop.run_until_complete(self.look_and_read())
            self.must_retry = False
        except (TransientError, Refused):
            self.must_retry = True
        self.check_jobs(before, active)
        self.check_status()
        self.check_drift()

    async def look_and_read(self) -> datetime | None:
        """Look, and let the reading of logs come to its end."""
        wake = await self.process.reconcile()
        while self.process.recorder._tasks:
            await asyncio.gather(*self.process.recorder._tasks)
        return wake

    @rule()
    def kill_operator(self) -> None:
        """The operator is killed; the next one begins with complete lists."""
        self.cluster.catch_up()
        self.process = Process(self.cluster, self.store)
        self.must_retry = True

    @rule()
    def write_results(self) -> None:
        """The writer writes what waits, and tells."""
        if self.process.writer is not None:
            self.loop.run_until_complete(self.process.writer.flush())
            self.must_retry = True

    @rule(problem=st.sampled_from([None, "no route to host"]))
    def change_store(self, problem: str | None) -> None:
        """Postgres goes away, or comes back."""
        if self.store is not None:
            self.store.problem = problem

    # -- the API server -------------------------------------------------------------------------------------------

    @rule(call=st.sampled_from(_CALLS), is_done=st.booleans())
    def lose_call(self, call: tuple[str, str], is_done: bool) -> None:
        """A call gets no answer; it may have been carried out."""
        self.cluster.fail_next(*call, is_done=is_done)
        # A status whose answer is lost is written once more, with the time of then.
        self.unanswered = self.unanswered or call[1].endswith("/status")
        if call == ("create", JOBS) and is_done:
            self.lost.add(str(len(self.lost)))

    @rule(message=st.sampled_from(["forbidden", "exceeded quota: pods"]))
    def refuse_job(self, message: str) -> None:
        """The API server refuses a Job."""
        self.cluster.refuse_next("create", JOBS, 403, message)

    @rule()
    def lag_behind(self) -> None:
        """The watches show nothing for a moment."""
        if self.cluster._shown is None:
            self.cluster.lag_behind()

    @rule()
    def catch_up(self) -> None:
        """The watches show everything."""
        self.cluster.catch_up()

    @rule(seconds=st.sampled_from([1, 1, 10, 70, 400]))
    def pass_time(self, seconds: int) -> None:
        """Time passes; the watches do not lag behind for so long."""
        self.cluster.catch_up()
        self.cluster.pass_time(seconds)

    # -- people ---------------------------------------------------------------------------------------------------

    def apply(self, **fields: Any) -> None:
        """Apply the run with some fields changed."""
        self.spec = {name: value for name, value in (self.spec | fields).items() if value is not None}
        self.cluster.apply_run("nightly", self.spec)

    @rule(revision=st.sampled_from(["a", "b"]))
    @precondition(lambda self: self.changes)
    def change_revision(self, revision: str) -> None:
        """Somebody wants another revision to be tested."""
        self.apply(revision=revision)

    @rule(typo=st.sampled_from([{}, *_TYPOS]))
    @precondition(lambda self: self.changes)
    def make_or_mend_typo(self, typo: Body) -> None:
        """Somebody makes the spec invalid, or corrects it."""
        self.apply(**_GOOD | typo)

    @rule(change=st.sampled_from(["delete", "spoil", "restore", "restore"]))
    @precondition(lambda self: self.changes and self.by_name)
    def change_suite(self, change: str) -> None:
        """Somebody deletes the suite, makes it invalid, or puts it back."""
        if change == "spoil":
            self.cluster.apply_suite("regression", {"cases": [container_case("one", needs=["nobody"])]})
        elif change == "restore":
            self.cluster.apply_suite("regression", self.suite)
        elif self.cluster.all(TESTSUITES):
            self.cluster.delete(TESTSUITES, "regression")

    @rule(is_seen=st.booleans())
    @precondition(lambda self: self.changes)
    def delete_run(self, is_seen: bool) -> None:
        """Somebody deletes the run and creates it anew, before or after the operator has seen that it is gone."""
        self.cluster.catch_up()
        self.cluster.delete(TESTRUNS, "nightly")
        for job in self.cluster.all(JOBS):
            self.deleted.add(job["metadata"]["name"])
            self.process.lose_job(job)
        for record in self.cluster.all(CONFIGMAPS):
            self.cluster.delete(CONFIGMAPS, record["metadata"]["name"])
        if is_seen:
            assert self.loop.run_until_complete(self.look_and_read()) is None
            assert () == self.process.runs.active()
        self.cluster.apply_run("nightly", self.spec)
        self.was_cancelled = bool(self.spec.get("cancel"))

    @rule(cancel=st.booleans())
    @precondition(lambda self: self.changes)
    def cancel(self, cancel: bool) -> None:
        """Somebody cancels the run, or takes that back."""
        self.was_cancelled = self.was_cancelled or cancel
        self.apply(cancel=cancel)

    @rule(suspend=st.sampled_from([True, False, False]))
    @precondition(lambda self: self.changes)
    def suspend(self, suspend: bool) -> None:
        """Somebody suspends the run, or lets it go on."""
        self.apply(suspend=suspend)

    @rule(parallelism=st.integers(1, 3))
    def change_parallelism(self, parallelism: int) -> None:
        """Somebody changes how many cases run side by side."""
        self.apply(parallelism=parallelism)

    # -- Jobs and pods --------------------------------------------------------------------------------------------

    def jobs(self, condition: Callable[[Body], bool] = lambda _: True) -> list[Body]:
        """Return the Jobs of which something holds."""
        return [job for job in self.cluster.all(JOBS) if condition(job)]

    def choose(self, data: st.DataObject, bodies: list[Body]) -> Body | None:
        """Choose one of some objects."""
        return bodies[data.draw(st.integers(0, len(bodies) - 1))] if bodies else None

    def is_unfinished(self, job: Body) -> bool:
        """Whether neither the Job controller nor the operator has ended a Job."""
        return not is_over(job) and labels.OUTCOME not in (job["metadata"].get("annotations") or {})

    def occupied(self) -> set[str]:
        """Return the names of the Jobs that occupy places."""
        return {job["metadata"]["name"] for job in self.jobs(self.is_unfinished)}

    @rule(data=st.data())
    def end_job(self, data: st.DataObject) -> None:
        """A case ends, in one of the ways in which it can."""
        if job := self.choose(data, self.jobs(self.is_unfinished)):
            self.end(job, data.draw(st.sampled_from([0, 0, 1, 1, 2, 3])))

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """The operator looks, a case ends, and the operator looks again."""
        self.cluster.catch_up()
        self.reconcile()
        self.end_job(data)
        self.reconcile()

    def end(self, job: Body, how: int) -> None:
        """Let a case end: passed, failed, ended by the infrastructure, killed."""
        own = job["metadata"]["labels"]
        case, attempt = own[labels.CASE], int(own[labels.ATTEMPT])
        if how == 2:
            self.cluster.end_pod(job, 137)
        elif own[labels.COMPONENT] == labels.CASE_COMPONENT and self.is_http(case):
            verdict = (Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.ERRORED)[how]
            failure = (None, FailureClass.TEST, None, FailureClass.INFRASTRUCTURE)[how]
            reason = (Reason.EXPECTATIONS_MET, Reason.EXPECTATION_NOT_MET, None, Reason.TEST_SERVER_UNAVAILABLE)[how]
            report = report_of(verdict, case=case, attempt=attempt, failure_class=failure, reason=reason)
            self.cluster.report(job, report)
        else:
            self.cluster.end_pod(job, (0, 1, 137, 2)[how])

    def is_http(self, case: str) -> bool:
        """Whether a case is executed by our runner."""
        return any(given["name"] == case and "http" in given for given in self.suite["cases"])

    @rule(data=st.data())
    def run_pod(self, data: st.DataObject) -> None:
        """A pod comes up."""
        waiting = self.jobs(lambda job: self.is_unfinished(job) and not self.cluster.pods_of(job["metadata"]["name"]))
        if job := self.choose(data, waiting):
            self.cluster.run_pod(job)

    @rule(data=st.data())
    def delete_job(self, data: st.DataObject) -> None:
        """Somebody deletes a Job."""
        if job := self.choose(data, self.jobs()):
            self.deleted.add(job["metadata"]["name"])
            self.cluster.catch_up()
            self.process.lose_job(job)

    @rule(data=st.data())
    def delete_pod(self, data: st.DataObject) -> None:
        """Somebody deletes a pod."""
        if pod := self.choose(data, self.cluster.all(PODS)):
            job = pod["metadata"]["labels"]["job-name"]
            self.deleted.add(job)
            self.cluster.catch_up()
            self.process.lose_pod(pod)
            if (JOBS in self.cluster.objects) and (found := self.cluster.objects[JOBS].get(("team", job))):
                self.cluster.finish_job(found, "Failed")

    # -- the rules ------------------------------------------------------------------------------------------------

    def shown(self) -> str:
        """Return what the watches show, as a text to be compared."""
        return repr([sorted(map(repr, self.cluster.shown(resource))) for resource in _WATCHED])

    def check_jobs(self, before: set[str], active: set[str]) -> None:
        """No attempt gets two Jobs, places are kept, and no execution begins before the one before it has ended."""
        created = [job for job in self.cluster.all(JOBS) if job["metadata"]["uid"] not in before]
        for job in created:
            uids = self.uids.setdefault(job["metadata"]["name"], set())
            uids.add(job["metadata"]["uid"])
            assert 1 == len(uids) or job["metadata"]["name"] in self.deleted, "an attempt got a second Job"
        if created:
            [known] = self.cluster.shown(TESTRUNS)
            unknown = len(self.lost) + len(self.deleted)
            assert len(active) + len(created) <= known["spec"]["parallelism"] + unknown
            running = {job["metadata"]["labels"][labels.RUN_ID] for job in self.jobs(self.is_unfinished)}
            assert 1 == len(running) or self.lost, "two executions run at the same time"

    def check_status(self) -> None:
        """The status is one that the models know, adds up, and never takes back how an execution ended."""
        body = self.cluster.status("nightly")
        status = TestRunStatus.model_validate(body)
        if (cases := body.get("cases")) is not None:
            parts = {name: count for name, count in cases.items() if name not in {"total", "flaky"}}
            assert cases["total"] == sum(parts.values())
        ids = [entry.run_id for entry in status.history]
        assert len(ids) == len(set(ids))
        if status.run_id is not None and body["phase"] in _FINAL:
            told = {name: body[name] for name in ("phase", "cases", "failures")}
            if not self.unanswered:
                told["completionTime"] = body["completionTime"]
            before = self.final.setdefault(status.run_id, told)
            assert before | told == told | before, "the end of an execution was told differently"
        if status.run_id is not None and status.run_id in self.final:
            assert body["phase"] in _FINAL, "an execution that had ended goes on"

    def check_drift(self) -> None:
        """The operator writes nothing to a TestRun but its status."""
        body = self.cluster.find(TESTRUNS, "nightly")
        assert self.spec == body["spec"]
        assert {"name", "namespace", "uid", "generation", "creationTimestamp"} == set(body["metadata"])

    def teardown(self) -> None:
        """The run comes to its end without anybody's help, and then to rest."""
        if not hasattr(self, "cluster"):
            return
        try:
            self.finish()
        finally:
            self.loop.close()

    def finish(self) -> None:
        """Let everything that was wrong be right again, and let the run come to its end."""
        self.cluster._troubles.clear()
        self.cluster.catch_up()
        self.apply(suspend=False)
        if self.by_name:
            self.cluster.apply_suite("regression", self.suite)
        if self.store is not None:
            self.store.problem = None
        for _ in range(_MOST_STEPS):
            if self.must_retry or self.seen != self.shown() or (self.wake and self.wake <= self.cluster.now):
                self.look_once()
            elif unfinished := self.jobs(self.is_unfinished):
                self.end(unfinished[0], 0)
            elif stopped := self.jobs(lambda job: not is_over(job)):
                self.cluster.end_deleted_pods(stopped[0])
            elif self.process.writer is not None and self.process.writer.pending:
                self.write_results()
            elif self.is_at_rest():
                break
            else:
                assert self.wake is not None, "nobody will ever look at the run again"
                assert self.wake - self.cluster.now < _LONGEST_WAIT, "nobody looks at the run before its time is over"
                self.cluster.now = max(self.wake, self.cluster.now)
        else:
            raise AssertionError("the run does not come to rest")
        self.check_end()

    def is_at_rest(self) -> bool:
        """Whether the run is over, and everything is stored."""
        body = self.cluster.find(TESTRUNS, "nightly")
        status = body["status"]
        is_soon = self.wake is not None and self.wake < self.cluster.now + _MOMENT
        is_current = body["metadata"]["generation"] == status["observedGeneration"]
        if is_soon or not is_current or status.get("phase") not in _FINAL:
            return False
        return self.store is None or status.get("runId") is None or condition(status, "ResultsStored")[0] == "True"

    def check_end(self) -> None:
        """The status is about the spec as it is, Postgres says the same, and nothing is done any more."""
        body = self.cluster.find(TESTRUNS, "nightly")
        status = copy.deepcopy(body["status"])
        assert body["metadata"]["generation"] == status["observedGeneration"]
        if any(self.spec | typo == self.spec for typo in _TYPOS):
            assert ("True", "InvalidSpec") == condition(status, "Stalled")
        else:
            assert "Cancelled" != status["phase"] or self.was_cancelled, "a run ended as cancelled by nobody"
            assert status["runId"] not in {entry["runId"] for entry in status["history"]}
            assert self.spec.get("revision") == status.get("revision")
            assert 0 == status["cases"]["pending"] + status["cases"]["running"]
            self.check_stored(status)
        writes = self.cluster.client.writes
        self.seen = ""
        self.look_once()
        assert (writes, status) == (self.cluster.client.writes, self.cluster.status("nightly"))

    def check_stored(self, status: Body) -> None:
        """The summary and the rows in Postgres are those of the status."""
        if self.store is None:
            return
        run_id = int(status["runId"])
        summary, counts = self.store.runs[run_id], status["cases"]
        assert (status["phase"], counts["total"], counts["passed"], counts["failed"], counts["skipped"]) == (
            summary.phase.value,
            summary.total,
            summary.passed,
            summary.failed,
            summary.skipped,
        )
        if not self.deleted:
            stored = [record.outcome.verdict for key, record in self.store.cases.items() if key[0] == run_id]
            executed = counts["passed"] + counts["failed"]
            assert executed == sum(verdict in {Verdict.PASSED, Verdict.FAILED} for verdict in stored)

    def states(self) -> tuple[ExecutionState, ...]:
        """Return what the process knows of executions."""
        return self.process.runs.active()


assert NOON  # the time at which a cluster in memory begins
TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=2 * settings().max_examples)
