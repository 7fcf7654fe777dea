"""Whatever happens, and in whatever order: the rules that hold for every execution.

Hypothesis chooses a suite and then, step by step, what happens next: in the cluster, on the watch, to the operator's
calls and to the operator itself. Every look of the operator is checked against the rules, and in the end the execution
must come to its end.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.builders import (
    container_case,
    http_case,
    playbook_case,
    record_of,
    report_of,
    run_of,
    sql_case,
    suite_of,
    termination_message,
)
from support.simulation import Fate, SimulatedCluster, SimulatedJob
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.observation import JobState, PodPhase, Terminated, Waiting
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.engine.planning import (
    MAX_INFRASTRUCTURE_RETRIES,
    Action,
    Ending,
    Plan,
    StartAttempt,
)
from testrun_operator.engine.status import count_cases
from testrun_operator.engine.summary import final_phase

_CANCELLED = Ending(Reason.RUN_CANCELLED, "the run was cancelled")
_MOST_STEPS = 500
_TROUBLES = ("cancel", "servers", "suspend", "delay")


@st.composite
def executions(draw: st.DrawFn) -> ExecutionRecord:
    """Draw an execution of one to five cases with needs, retries and reasons to skip."""
    count = draw(st.integers(1, 5))
    cases = []
    for index in range(count):
        make = draw(st.sampled_from([http_case, sql_case, playbook_case, container_case]))
        fields: dict[str, Any] = {
            "needs": [f"case-{need}" for need in range(index) if draw(st.integers(0, 3)) == 0],
            "retries": draw(st.integers(0, 2)),
            "timeout": draw(st.sampled_from(["10s", "5m"])),
        }
        if draw(st.integers(0, 5)) == 0:
            fields["when"] = [{"key": "never", "operator": "Exists"}]
        cases.append(make(f"case-{index}", **fields))
    run = run_of(
        parallelism=draw(st.integers(1, 3)),
        failFast=draw(st.booleans()),
        timeout=draw(st.sampled_from(["2m", "1h"])),
    )
    return record_of(suite_of(*cases), run)


def ends_of(kind: str, case: str, attempt: int) -> dict[str, tuple[Verdict, int, str, str]]:
    """Return the ways in which a container may end: the true verdict, its exit code, reason and message."""

    def said(verdict: Verdict, failure_class: FailureClass | None, reason: Reason) -> str:
        report = report_of(verdict, case=case, attempt=attempt, failure_class=failure_class, reason=reason)
        return termination_message(report)

    ends = {
        "killed": (Verdict.ERRORED, 137, "Error", ""),
        "out of memory": (Verdict.ERRORED, 137, "OOMKilled", ""),
    }
    if kind == "container":
        return ends | {
            "exit code 0": (Verdict.PASSED, 0, "Completed", ""),
            "exit code 1": (Verdict.FAILED, 1, "Error", "a line\n"),
            "signal 15": (Verdict.FAILED, 143, "Error", ""),
        }
    passed = said(Verdict.PASSED, None, Reason.EXPECTATIONS_MET)
    return ends | {
        "report: passed": (Verdict.PASSED, 0, "Completed", passed),
        "report: failed": (
            Verdict.FAILED,
            1,
            "Error",
            said(Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET),
        ),
        "report: timed out": (
            Verdict.TIMED_OUT,
            1,
            "Error",
            said(Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT),
        ),
        "report: no connection": (
            Verdict.ERRORED,
            1,
            "Error",
            said(Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED),
        ),
        "report: invalid case": (
            Verdict.ERRORED,
            1,
            "Error",
            said(Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE),
        ),
        "report: test server": (
            Verdict.ERRORED,
            1,
            "Error",
            said(Verdict.ERRORED, FailureClass.INFRASTRUCTURE, Reason.TEST_SERVER_UNAVAILABLE),
        ),
        "malformed report": (Verdict.ERRORED, 1, "Error", '{"case": "'),
        "no report": (Verdict.ERRORED, 1, "Error", ""),
        "report of another attempt": (Verdict.ERRORED, 1, "Error", passed.replace('"case":"', '"case":"x')),
    }


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Everything that may happen to an execution."""

    @initialize(record=executions(), lively=st.booleans(), troubles=st.sets(st.sampled_from(_TROUBLES), max_size=2))
    def begin(self, record: ExecutionRecord, lively: bool, troubles: set[str]) -> None:
        """An execution begins, in a cluster where in the end everything passes, or everything hangs.

        What ends whole executions happens to some of them only; nothing much would happen to the others otherwise.
        """
        self.lively = lively
        self.troubles = troubles
        self.cluster = SimulatedCluster(record)
        self.promised: dict[str, Verdict] = {}
        self.kinds = {case.name: case.case.kind.name for case in self.cluster.state.execution.cases}
        self.killed = False

    def is_ending(self) -> bool:
        """Whether something has ended the whole execution already; the next thing would change nothing."""
        execution, controls = self.cluster.state.execution, self.cluster.controls
        out_of_time = self.cluster.now >= execution.started_at + execution.run.timeout
        return out_of_time or controls.ending is not None or controls.server_problem is not None

    # -- the operator ---------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """The operator looks; its calls may fail."""
        fates = st.sampled_from([Fate.DONE, Fate.DONE, Fate.DONE, Fate.ANSWER_LOST, Fate.REFUSED_FOR_NOW])
        self.checked_look(lambda _: data.draw(fates))

    @rule()
    def look_undisturbed(self) -> None:
        """The watch catches up, and the operator looks."""
        self.cluster.show_everything()
        self.checked_look()

    @rule()
    def kill_operator(self) -> None:
        """The operator is killed, and another one takes over."""
        self.cluster.kill_operator()
        self.killed = True

    @rule()
    @precondition(lambda self: "cancel" in self.troubles and not self.is_ending())
    def cancel(self) -> None:
        """Somebody cancels the run. One whose time is over is ended already."""
        self.control(ending=_CANCELLED)

    @rule()
    @precondition(lambda self: "servers" in self.troubles and not self.is_ending())
    def give_up_test_servers(self) -> None:
        """The test servers did not get ready in time."""
        self.control(suspended=True, server_problem="paginated-api is not ready")

    @rule(suspended=st.sampled_from([True, False, False]))
    @precondition(lambda self: "suspend" in self.troubles)
    def suspend(self, suspended: bool) -> None:
        """Somebody suspends the run, or lets it go on."""
        self.control(suspended=suspended)

    @rule(parallelism=st.integers(1, 4))
    def change_parallelism(self, parallelism: int) -> None:
        """Somebody changes how many cases may run side by side."""
        self.control(spec=run_of(parallelism=parallelism))

    def control(self, **changes: Any) -> None:
        """Change what may change while an execution runs."""
        controls = self.cluster.controls
        self.cluster.controls = type(controls)(
            **{field: getattr(controls, field) for field in controls.__slots__} | changes
        )

    # -- the watch ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), job_first=st.booleans())
    def show(self, data: st.DataObject, job_first: bool) -> None:
        """The watch shows a Job, or its pods, but not both at once."""
        names = sorted(self.cluster.jobs)
        if names:
            name = data.draw(st.sampled_from(names))
            (self.cluster.show_job if job_first else self.cluster.show_pods)(name)

    # -- the cluster ----------------------------------------------------------------------------------------------

    @rule(span=st.sampled_from([1, 3, 10, 40]))
    def pass_time(self, span: int) -> None:
        """Time passes."""
        self.cluster.pass_time(timedelta(seconds=span))

    @rule(span=st.sampled_from([100, 400, 4000]))
    @precondition(lambda self: "delay" in self.troubles)
    def pass_much_time(self, span: int) -> None:
        """Much time passes, in which nobody looks."""
        self.cluster.pass_time(timedelta(seconds=span))

    @rule(data=st.data())
    def happen(self, data: st.DataObject) -> None:
        """Something happens to one of the Jobs that exist: whatever can happen to it as it is."""
        possible = [
            (name, event)
            for name, job in sorted(self.cluster.jobs.items())
            if job.exists
            for event, condition in _EVENTS.items()
            if condition(job)
        ]
        if possible:
            name, event = data.draw(st.sampled_from(possible))
            getattr(self, event)(name, data)

    @rule(data=st.data())
    def happen_more(self, data: st.DataObject) -> None:
        """Several things happen before the operator looks again."""
        for _ in range(data.draw(st.integers(2, 6))):
            self.happen(data)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Every Job comes a step forward as it should, and the operator sees it."""
        for name, job in sorted(self.cluster.jobs.items()):
            event = next((event for event in _FORWARD if job.exists and _EVENTS[event](job)), None)
            if event is not None:
                getattr(self, event)(name, data)
        self.cluster.show_everything()
        self.checked_look()

    def create_pod(self, name: str, _: st.DataObject) -> None:
        """The Job controller creates a pod."""
        self.cluster.create_pod(name)

    def wait(self, name: str, data: st.DataObject) -> None:
        """A container cannot start yet."""
        reason = data.draw(st.sampled_from(_WAITS))
        self.cluster.change_pod(name, waiting=Waiting(reason), unschedulable="")

    def find_no_node(self, name: str, _: st.DataObject) -> None:
        """No node has room for a pod."""
        self.cluster.change_pod(name, unschedulable="0/3 nodes are available", node=None)

    def start_container(self, name: str, _: st.DataObject | None) -> None:
        """A container starts."""
        since = self.cluster.whole_second()
        self.cluster.change_pod(name, phase=PodPhase.RUNNING, running_since=since, waiting=None, unschedulable="")

    def end_container(self, name: str, data: st.DataObject) -> None:
        """A container ends, in one of all the ways."""
        job = self.cluster.jobs[name].observation
        ends = ends_of(self.kinds[job.case], job.case, job.attempt)
        self.end_as(name, *ends[data.draw(st.sampled_from(sorted(ends)))])

    def end_as(self, name: str, truth: Verdict, exit_code: int, reason: str, message: str) -> None:
        """Let the container of a Job end."""
        job = self.cluster.jobs[name]
        assert job.pod is not None
        now = self.cluster.whole_second()
        ended = Terminated(exit_code, reason, message, job.pod.running_since, max(now, job.pod.running_since or now))
        phase = PodPhase.SUCCEEDED if exit_code == 0 else PodPhase.FAILED
        job.truth = truth
        self.cluster.change_pod(name, phase=phase, running_since=None, terminated=ended)

    def evict(self, name: str, data: st.DataObject) -> None:
        """The kubelet ends a pod."""
        self.cluster.jobs[name].truth = Verdict.ERRORED
        reason = data.draw(st.sampled_from(["Evicted", "NodeLost", "Preempting", "OutOfcpu"]))
        self.cluster.change_pod(name, phase=PodPhase.FAILED, reason=reason, running_since=None, waiting=None)

    def finish_job(self, name: str, _: st.DataObject) -> None:
        """The Job controller sees that a pod has ended."""
        self.cluster.finish_job(name, _state_by_pod(self.cluster.jobs[name]))

    def delete_pod(self, name: str, _: st.DataObject) -> None:
        """Somebody deletes a pod that has not ended."""
        self.cluster.jobs[name].disturbed = True
        self.cluster.delete_pod(name)

    def end_deleted_container(self, name: str, data: st.DataObject) -> None:
        """A container that was told to end does so: the runner with 143, another image with whatever it likes."""
        job = self.cluster.jobs[name]
        is_other = self.kinds[job.observation.case] == "container"
        exit_code = data.draw(st.sampled_from([0, 1, 137, 143] if is_other else [137, 143]))
        self.end_as(name, Verdict.ERRORED, exit_code, "Error", "")
        if job.observation.decided is not None:
            job.truth = None

    def remove_deleted_pod(self, name: str, _: st.DataObject) -> None:
        """A pod that was deleted is gone; its Job is not over yet."""
        self.cluster.remove_pod(name)

    def fail_job_without_pod(self, name: str, _: st.DataObject) -> None:
        """The Job controller sees that its pod is gone, or that a stopped Job has none."""
        self.cluster.finish_job(name, JobState.FAILED)

    def collect_ended_pod(self, name: str, _: st.DataObject) -> None:
        """A pod that had ended is removed, by hand or with its node."""
        self.cluster.jobs[name].disturbed = True
        self.cluster.remove_pod(name)

    def delete_job(self, name: str, _: st.DataObject) -> None:
        """Somebody deletes a Job."""
        job = self.cluster.jobs[name]
        job.disturbed = True
        job.exists = False
        job.pods.clear()

    def delete_stopped_pod(self, name: str, _: st.DataObject | None = None) -> None:
        """The Job controller ends a Job that the operator stopped: its pod is told to end."""
        self.cluster.delete_pod(name)

    # -- the rules ------------------------------------------------------------------------------------------------

    def checked_look(self, decide: Callable[[Action], Fate] = lambda _: Fate.DONE) -> Plan:
        """Let the operator look, and check what it made of it."""
        cluster = self.cluster
        places_before = sum(job.occupies_a_place or cluster.is_still_ending(name) for name, job in cluster.jobs.items())
        created_before = cluster.created.total()
        cases_before = dict(cluster.state.plan_state.cases)
        result = cluster.look(decide)
        self.check_verdicts(cases_before, result)
        self.check_truth(result)
        for action in result.actions:
            if isinstance(action, StartAttempt):
                self.check_start(action, result)
        starts = sum(isinstance(action, StartAttempt) for action in result.actions)
        if starts:
            assert len(result.plan_state.underway) + starts <= cluster.controls.spec.parallelism
        if cluster.created.total() > created_before:
            created = cluster.created.total() - created_before
            assert places_before + created <= cluster.controls.spec.parallelism + len(cluster.lost_answers)
        self.check_status(result)
        return result

    def check_start(self, start: StartAttempt, result: Plan) -> None:
        """Needs, skips and budgets are respected, and no attempt gets two Jobs."""
        assert start.case.name not in result.plan_state.cases
        assert start.case.skip is None
        verdicts = {
            need: result.plan_state.cases[need].verdict for need in start.case.needs if need in result.plan_state.cases
        }
        # One that passed and whose Job was then deleted is executed again; cases that it let start go on meanwhile.
        assert verdicts == dict.fromkeys(start.case.needs, Verdict.PASSED) or start.case.name in self.tainted()
        assert start.attempt == 1 + start.test_failures + start.infrastructure_faults
        assert start.test_failures <= start.case.retries
        assert start.infrastructure_faults <= MAX_INFRASTRUCTURE_RETRIES
        before = f"{start.case.name}.{start.attempt - 1}"
        assert before not in self.cluster.jobs or not self.cluster.is_still_ending(before)
        name = f"{start.case.name}.{start.attempt}"
        if self.cluster.created[name] > 1:
            # Nobody can know of a Job that was deleted unseen.
            assert self.killed or name in self.cluster.lost_answers, f"{name} was created twice"

    def check_verdicts(self, before: dict[str, Any], result: Plan) -> None:
        """A verdict never changes, not even by a restart as long as nobody destroyed what shows it."""
        assert before == {name: result.plan_state.cases[name] for name in before}
        tainted = self.tainted()
        for name, outcome in result.plan_state.cases.items():
            verdict = outcome.verdict
            if self.cluster.state.execution.run.fail_fast and _was_ended_by_the_run(outcome):
                # By what of it depends on what came first: a failure, the end of its time, or its cancellation.
                verdict = Verdict.SKIPPED
            assert self.promised.setdefault(name, verdict) == verdict or name in tainted, name

    def tainted(self) -> set[str]:
        """Return the cases whose verdict may depend on something that somebody destroyed."""
        destroyed = {job.observation.case for job in self.cluster.jobs.values() if job.disturbed}
        if destroyed and self.cluster.state.execution.run.fail_fast:
            return set(self.kinds)
        for case in self.cluster.state.execution.cases:  # in the order of needs
            if destroyed & set(case.needs):
                destroyed.add(case.name)
        return destroyed

    def check_truth(self, result: Plan) -> None:
        """A test failure is Failed and nothing else is; no infrastructure fault is ever a test failure."""
        for attempts in result.plan_state.attempts.values():
            assert [item.outcome.attempt for item in attempts] == sorted(item.outcome.attempt for item in attempts)
            for ended in attempts:
                outcome = ended.outcome
                job = self.cluster.jobs[f"{outcome.case}.{outcome.attempt}"]
                if outcome.verdict in {Verdict.PASSED, Verdict.FAILED}:
                    assert job.truth is outcome.verdict
                elif job.truth is not None and not job.disturbed and job.observation.decided is None:
                    assert job.truth is outcome.verdict, outcome

    def check_status(self, result: Plan) -> None:
        """The counts add up to the total."""
        total = len(self.kinds)
        counts = count_cases(total, result.plan_state.cases.values(), len(result.running))
        parts = counts.model_dump()
        parts.pop("flaky")
        assert parts.pop("total") == sum(parts.values()) == total
        assert result.is_over == (counts.pending + counts.running == 0)

    def teardown(self) -> None:
        """The execution comes to its end, and then there is nothing left to do."""
        if not hasattr(self, "cluster"):
            return
        for _ in range(_MOST_STEPS):
            progress = self.let_cluster_work()
            news = self.cluster.show_everything()
            result = self.checked_look()
            if progress or news or result.actions:
                continue
            if result.is_over:
                break
            assert result.requeue_at is not None, "nobody will ever look again"
            assert result.requeue_at > self.cluster.now
            self.cluster.now = result.requeue_at
        else:
            raise AssertionError("the execution does not end")
        self.check_end(result)

    def let_cluster_work(self) -> bool:
        """Let everything in the cluster come a step nearer to its end."""
        progress = False
        for name, job in self.cluster.jobs.items():
            if not job.exists or not _is_active(job):
                continue
            if job.pod is None and (job.had_pod or job.observation.decided is not None):
                self.cluster.finish_job(name, JobState.FAILED)
            elif job.pod is None:
                self.cluster.create_pod(name)
            elif job.pod.deleted and job.pod.may_run:
                self.cluster.remove_pod(name)
            elif job.observation.decided is not None and job.pod.may_run:
                self.cluster.delete_pod(name)
            elif _has_ended(job):
                self.cluster.finish_job(name, _state_by_pod(job))
            elif self.lively and _is_running(job):
                seen = job.observation
                ends = ends_of(self.kinds[seen.case], seen.case, seen.attempt)
                self.end_as(name, *next(end for end in ends.values() if end[0] is Verdict.PASSED))
            elif self.lively and not job.pod.terminated:
                self.start_container(name, None)
            else:
                continue  # it runs for ever, or never starts: time alone ends it
            progress = True
        return progress

    def check_end(self, result: Plan) -> None:
        """Every case has its verdict, no Job runs, and a restarted operator comes to the same end."""
        assert set(result.plan_state.cases) == set(self.kinds)
        assert [] == [name for name, job in self.cluster.jobs.items() if job.occupies_a_place]
        assert final_phase(result.plan_state.cases.values()).is_final
        before = {name: outcome for name, outcome in result.plan_state.cases.items() if outcome.attempts}
        self.cluster.kill_operator()
        self.cluster.pass_time(timedelta(seconds=10))
        self.control(over_since=self.cluster.now)
        result = self.cluster.look()
        assert () == result.actions
        assert result.is_over
        # What has no attempt cannot be told any more, and is not stored again either.
        for name in before.keys() - self.tainted():
            assert before[name].verdict is result.plan_state.cases[name].verdict


def _was_ended_by_the_run(outcome: CaseOutcome) -> bool:
    return not outcome.attempts or outcome.verdict is Verdict.CANCELLED or outcome.reason is Reason.RUN_TIMEOUT


def _state_by_pod(job: SimulatedJob) -> JobState:
    # Also where its deletion was asked for, if it ended with 0 before the Job controller looked.
    complete = job.pod is not None and job.pod.phase is PodPhase.SUCCEEDED
    return JobState.COMPLETE if complete else JobState.FAILED


def _is_active(job: SimulatedJob) -> bool:
    return job.observation.state is JobState.ACTIVE


def _is_starting(job: SimulatedJob) -> bool:
    pod = job.pod
    return pod is not None and pod.phase is PodPhase.PENDING and not pod.deleted


def _is_running(job: SimulatedJob) -> bool:
    pod = job.pod
    return pod is not None and pod.running_since is not None and not pod.deleted


def _has_ended(job: SimulatedJob) -> bool:
    return job.pod is not None and job.pod.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}


_WAITS = ("ContainerCreating", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")
_EVENTS: dict[str, Callable[[SimulatedJob], bool]] = {
    "create_pod": lambda job: _is_active(job) and not job.had_pod and job.observation.decided is None,
    "wait": lambda job: _is_active(job) and _is_starting(job),
    "find_no_node": lambda job: _is_active(job) and _is_starting(job),
    "start_container": lambda job: _is_active(job) and _is_starting(job),
    "end_container": lambda job: _is_active(job) and _is_running(job),
    "evict": lambda job: _is_active(job) and (_is_starting(job) or _is_running(job)),
    "finish_job": lambda job: _is_active(job) and _has_ended(job),
    "delete_pod": lambda job: _is_starting(job) or _is_running(job),
    "end_deleted_container": lambda job: job.pod is not None and job.pod.deleted and job.pod.may_run,
    "remove_deleted_pod": lambda job: job.pod is not None and job.pod.deleted and _is_active(job),
    "fail_job_without_pod": lambda job: (
        _is_active(job) and job.pod is None and (job.had_pod or job.observation.decided is not None)
    ),
    "collect_ended_pod": lambda job: _has_ended(job) and not _is_active(job),
    "delete_job": lambda _: True,
    "delete_stopped_pod": lambda job: (
        job.observation.decided is not None and job.pod is not None and job.pod.may_run and not job.pod.deleted
    ),
}
"""What can happen to a Job, and when."""
_FORWARD = (
    "fail_job_without_pod",
    "delete_stopped_pod",
    "remove_deleted_pod",
    "create_pod",
    "start_container",
    "end_container",
    "finish_job",
)
"""What happens to a Job that nothing disturbs."""

TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=4 * settings().max_examples)
