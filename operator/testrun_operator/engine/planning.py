"""The plan: from an execution and what was seen of it to what is to be done next.

:func:`plan` is level-triggered: it looks at everything there is and does not care which event made it look. It is
called again whenever something changed or its ``requeue_at`` has come, and yields no action once there is nothing
to do. What it has found out once it keeps in :class:`PlanState`, which the caller passes back; a plan without one
(after a restart) comes to the same verdicts from the Jobs and Pods.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import LogReference
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine import judging
from testrun_operator.engine.baseline import check_baseline
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop, Underway
from testrun_operator.engine.observation import JobObservation, JobState
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome
from testrun_operator.engine.plans import (
    NOTHING_PLANNED,
    Action,
    AskWhy,
    Controls,
    EndedAttempt,
    Ending,
    Execution,
    Plan,
    PlanState,
    StartAttempt,
    StopAttempt,
    StopCause,
)
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.engine.told import passed_before

__all__ = (
    "MAX_INFRASTRUCTURE_RETRIES",
    "NOTHING_PLANNED",
    "Action",
    "AskWhy",
    "Controls",
    "EndedAttempt",
    "Ending",
    "Execution",
    "Plan",
    "PlanState",
    "StartAttempt",
    "StopAttempt",
    "StopCause",
    "plan",
)

MAX_INFRASTRUCTURE_RETRIES = 2
"""How many infrastructure faults of a case are repeated before it ends as Errored."""

_LONGEST_ENDING = timedelta(seconds=30)
"""How long a pod that was stopped keeps its place: three times its grace period. A node that is lost never ends it."""

_LINGERING_GRACE = timedelta(seconds=2)
"""How long other containers of a pod may go on after the case's has ended, before its Job is ended."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_EXECUTED_BADLY = frozenset({Verdict.FAILED, Verdict.TIMED_OUT, Verdict.ERRORED})


def plan(
    execution: Execution,
    controls: Controls,
    jobs: Sequence[JobObservation],
    plan_state: PlanState,
    now: datetime,
    settings: JudgingSettings,
) -> Plan:
    """Work out what is to be done next.

    Args:
        execution: what is being executed.
        controls: parallelism, suspension, cancellation.
        jobs: every Job of the execution that exists, with its pod; those just created included.
        plan_state: what the plan before this one returned; an empty one after a restart.
        now: the time.
        settings: how patient the judge is.
    """
    planner = _Planner(execution, controls, now, settings, plan_state)
    planner.observe(jobs)
    for case in execution.cases:
        planner.settle(case)
    for case in execution.cases:
        planner.consider(case)
    return planner.result()


class _Planner:
    """One call of :func:`plan`; the mutable state in it does not outlive the call."""

    def __init__(
        self,
        execution: Execution,
        controls: Controls,
        now: datetime,
        settings: JudgingSettings,
        plan_state: PlanState,
    ) -> None:
        self._execution = execution
        self._controls = controls
        self._now = now
        self._settings = settings
        self._before = plan_state
        self._by_name = {case.name: case for case in execution.cases}
        self._underway: dict[str, JobObservation] = {}
        self._attempts = dict(plan_state.attempts)
        self._cases = dict(plan_state.cases)
        self._between: dict[str, StartAttempt] = {}
        self._next: list[StartAttempt] = []
        self._stops: dict[str, StopAttempt] = {}
        self._lingering: list[StopAttempt] = []
        self._lingering_soon: list[StopAttempt] = []
        self._questions: list[AskWhy] = []
        self._ending: set[str] = set()
        self._left_behind: set[str] = set()
        self._wakes: list[datetime] = []
        self._run_deadline = execution.started_at + execution.run.timeout

    # -- what happened ------------------------------------------------------------------------------------------

    def observe(self, jobs: Sequence[JobObservation]) -> None:
        """Judge every attempt that has no outcome yet."""
        seen: set[tuple[str, int]] = set()
        newest = {job.case: job.attempt for job in sorted(jobs, key=lambda job: job.attempt)}
        told = self._before.told.newer_than(newest)
        last = newest | {case: attempt.attempt for case, attempt in told.items()}
        for job in sorted(jobs, key=lambda job: job.attempt):
            seen.add((job.case, job.attempt))
            if job.case in self._by_name:
                if not self._is_known(job):
                    self._judge(job, has_successor=job.attempt < last[job.case])
                self._mind_its_end(job)
        for case, job in self._before.underway.items():
            if (case, job.attempt) not in seen:
                self._end(job, judging.job_deleted(job, self._now))
        for case, attempt in told.items():
            gone = JobObservation(attempt.job, case, attempt.attempt, created_at=self._execution.started_at)
            if case in self._by_name and not any(
                e.job.attempt >= attempt.attempt for e in self._attempts.get(case, ())
            ):
                self._end(gone, attempt)

    def _is_known(self, job: JobObservation) -> bool:
        return any(ended.job.attempt == job.attempt for ended in self._attempts.get(job.case, ()))

    def _judge(self, job: JobObservation, *, has_successor: bool) -> None:
        told = None if has_successor else self._before.told.verdict_of(job, self._by_name[job.case])
        match judging.judge(job, self._by_name[job.case], self._now, self._settings):
            case Ended(outcome, report_in_log) if told is None or not outcome.is_infrastructure_fault:
                self._end(job, outcome, report_in_log)
            case _ if told is not None:
                self._end(job, told)  # what shows it is gone, or was disturbed since
            case _ if has_successor:
                # It was over when the next one was started; what showed that is gone since.
                self._end(job, judging.pod_vanished(job, self._now))
            case MustStop(outcome) if self._controls.over and job.state is not JobState.ACTIVE:
                self._end(job, outcome)  # nothing is written any more after the end
            case MustStop(outcome, confirm):
                # The outcome counts only once it is written on the Job: a SIGKILL before that would lose it.
                self._underway[job.case] = job
                self._stops[job.case] = StopAttempt(job, outcome, StopCause.JUDGED, confirm)
            case Underway(requeue_at, ask_why, has_ended):
                self._underway[job.case] = job
                if has_ended:
                    self._left_behind.add(job.case)
                if requeue_at is not None:
                    self._wakes.append(requeue_at)
                if ask_why:
                    self._questions.append(AskWhy(job))

    def _mind_its_end(self, job: JobObservation) -> None:
        """Keep the place of an attempt that is over until its pod has ended: it still acts on the subject."""
        if job.pod is None or not (job.pod.may_run or job.pod.lingers):
            return
        ended = next((e for e in self._attempts.get(job.case, ()) if e.job.attempt == job.attempt), None)
        if ended is None:
            return
        if job.pod.lingers and job.decided is None:
            self._end_lingering(job, ended)
        given_up_at = ended.known_since + _LONGEST_ENDING
        if self._now < given_up_at:
            self._ending.add(job.case)
            self._wakes.append(given_up_at)

    def _end_lingering(self, job: JobObservation, ended: EndedAttempt) -> None:
        # Containers that something else has put into the pod need not end by themselves; some do when the case's does.
        due = ended.known_since + _LINGERING_GRACE
        stop = StopAttempt(job, ended.outcome, StopCause.LINGERING)
        if self._now < due:
            self._wakes.append(due)
            self._lingering_soon.append(stop)
        else:
            self._lingering.append(stop)

    def _end(self, job: JobObservation, outcome: AttemptOutcome, report_in_log: LogReference | None = None) -> None:
        ended = EndedAttempt(replace(job, pod=None, decided=None), outcome, self._now, report_in_log)
        self._attempts[job.case] = (*self._attempts.get(job.case, ()), ended)

    # -- what it means ------------------------------------------------------------------------------------------

    def settle(self, case: PlannedCase) -> None:
        """Give a case that was started its outcome, or find out that it needs another attempt."""
        if case.name in self._cases:
            self._stop_straggler(case.name)
            return
        if case.name in self._underway:
            self._end_if_time_is_up(self._underway[case.name])
            return
        attempts = self._attempts.get(case.name)
        if not attempts:
            return
        retry = self._retry(case, attempts[-1])
        if retry is None:
            self._cases[case.name] = self._judge_case(case, attempts)
        elif self._before.told.has_passed(case):
            outcomes = tuple(ended.outcome for ended in attempts)
            self._cases[case.name] = replace(passed_before(case), attempts=outcomes)
        elif self._controls.ending is not None:
            ending = self._controls.ending
            self._cases[case.name] = CaseOutcome(
                case.name,
                Verdict.CANCELLED,
                None,
                ending.reason,
                ending.message,
                attempts=tuple(ended.outcome for ended in attempts),
            )
        elif self._controls.over or self._controls.server_problem is not None or self._now >= self._run_deadline:
            self._cases[case.name] = self._judge_case(case, attempts)
        else:
            self._between[case.name] = retry

    def _stop_straggler(self, case: str) -> None:
        # Its creation succeeded though its answer was lost, and the case has got its verdict without it. It is ended
        # with that verdict, so that a plan without one comes to the same.
        job = self._underway.get(case)
        if job is not None:
            self._stops.setdefault(case, StopAttempt(job, judging.ended_with(job, self._cases[case], self._now)))

    def _end_if_time_is_up(self, job: JobObservation) -> None:
        if job.case in self._left_behind:
            return  # it has ended by itself; what it left behind comes in a moment, or not at all
        ending = self._controls.ending
        if self._controls.over_since is not None:
            self._end_leftover(job, self._controls.over_since)
        elif ending is not None:
            outcome = judging.cancelled(job, ending.reason, ending.message, self._now)
            self._stops.setdefault(job.case, StopAttempt(job, outcome))
        elif self._now >= self._run_deadline:
            if job.asked_to_end is None:
                outcome = judging.run_timed_out(job, self._execution.run.timeout, self._now)
                stop = StopAttempt(job, outcome, StopCause.RUN_TIMEOUT, confirm=judging.is_running(job))
                self._stops.setdefault(job.case, stop)
        else:
            self._wakes.append(self._run_deadline)

    def _end_leftover(self, job: JobObservation, over_since: datetime) -> None:
        # As a straggler, but found after a restart: nobody knows any more what its case ended with.
        due = over_since + judging.WATCH_LAG
        if self._now < due:
            self._wakes.append(due)
        elif job.state is JobState.ACTIVE:
            self._stops.setdefault(job.case, StopAttempt(job, judging.left_over(job, self._now)))

    def _retry(self, case: PlannedCase, last: EndedAttempt) -> StartAttempt | None:
        failures, faults = last.job.test_failures, last.job.infrastructure_faults
        outcome = last.outcome
        if outcome.reason is Reason.RUN_TIMEOUT or outcome == self._before.told.attempt_of(case.name):
            return None
        if outcome.is_infrastructure_fault:
            faults += 1
            wanted = faults <= MAX_INFRASTRUCTURE_RETRIES
        elif outcome.verdict in _EXECUTED_BADLY and outcome.failure_class is not FailureClass.CONFIGURATION:
            failures += 1
            wanted = failures <= case.retries
        else:
            wanted = False
        return StartAttempt(case, last.job.attempt + 1, failures, faults) if wanted else None

    def _judge_case(self, case: PlannedCase, attempts: tuple[EndedAttempt, ...]) -> CaseOutcome:
        last = attempts[-1]
        outcome = CaseOutcome(
            case.name,
            last.outcome.verdict,
            last.outcome.failure_class,
            last.outcome.reason,
            last.outcome.message,
            flaky=last.outcome.verdict is Verdict.PASSED and last.job.test_failures > 0,
            attempts=tuple(ended.outcome for ended in attempts),
        )
        baseline = self._execution.baselines.get(case.name)
        return check_baseline(case.case, outcome, baseline) if baseline else outcome

    # -- what is next -------------------------------------------------------------------------------------------

    def consider(self, case: PlannedCase) -> None:
        """Decide about a case that was not started: skip it, end it, or let it run."""
        if case.name in self._cases or case.name in self._underway or case.name in self._between:
            return
        if self._controls.over and case.name in self._before.told.cases:
            self._cases[case.name] = self._before.told.cases[case.name]
            return
        if self._before.told.stored.get(case.name) is Verdict.PASSED:
            self._cases[case.name] = passed_before(case)
            return
        if case.skip is not None:
            self._cases[case.name] = CaseOutcome(case.name, Verdict.SKIPPED, None, case.skip.reason, case.skip.message)
            return
        settled = [self._cases[need] for need in case.needs if need in self._cases]
        unmet = [outcome for outcome in settled if outcome.verdict is not Verdict.PASSED]
        for outcome in unmet:
            if outcome.verdict is not Verdict.CANCELLED and outcome.reason is not Reason.RUN_TIMEOUT:
                message = f"needs {outcome.case}, which is {outcome.verdict}"
                self._cases[case.name] = CaseOutcome(case.name, Verdict.SKIPPED, None, Reason.NEED_NOT_PASSED, message)
                return
        if len(settled) < len(case.needs):
            # What it ends with has to follow from how its needs ended, or a restart would change it.
            return
        outcome_now = self._share_end(case, unmet[0]) if unmet else self._without_attempt(case)
        if outcome_now is not None:
            self._cases[case.name] = outcome_now
        else:
            self._next.append(StartAttempt(case, 1, 0, 0))

    def _share_end(self, case: PlannedCase, needed: CaseOutcome) -> CaseOutcome:
        """Let what ended a needed case, a cancellation or the run's timeout, end this one too."""
        if needed.verdict is Verdict.CANCELLED:
            return CaseOutcome(case.name, Verdict.CANCELLED, None, needed.reason, needed.message)
        return self._out_of_time(case)

    def _without_attempt(self, case: PlannedCase) -> CaseOutcome | None:
        # What ends cases one by one goes before what ends all that are left: those were ended when that came.
        if self._before.told.none_skipped and self._before.told.has_passed(case):
            return passed_before(case)
        if self._execution.run.fail_fast and (failed := next(self._failed(), None)):
            message = f"{failed} did not pass, and the run has failFast"
            return CaseOutcome(case.name, Verdict.SKIPPED, None, Reason.FAIL_FAST, message)
        if self._before.told.has_passed(case):
            return passed_before(case)
        ending = self._controls.ending
        if ending is not None:
            return CaseOutcome(case.name, Verdict.CANCELLED, None, ending.reason, ending.message)
        fault = FailureClass.INFRASTRUCTURE
        if self._controls.server_problem is not None:
            message = self._controls.server_problem
            return CaseOutcome(case.name, Verdict.ERRORED, fault, Reason.TEST_SERVER_UNAVAILABLE, message)
        if self._now >= self._run_deadline:
            return self._out_of_time(case)
        if self._controls.over:
            message = "the Job was deleted before its outcome was stored"
            return CaseOutcome(case.name, Verdict.ERRORED, fault, Reason.JOB_DELETED, message)
        return None

    def _out_of_time(self, case: PlannedCase) -> CaseOutcome:
        limit = format_duration(self._execution.run.timeout)
        message = f"the run's timeout of {limit} ended before this case started"
        return CaseOutcome(case.name, Verdict.TIMED_OUT, FailureClass.CONFIGURATION, Reason.RUN_TIMEOUT, message)

    def _failed(self) -> Iterator[str]:
        return (
            name
            for name, outcome in self._cases.items()
            if outcome.verdict in _EXECUTED_BADLY and outcome.attempts and outcome.reason is not Reason.RUN_TIMEOUT
        )

    def result(self) -> Plan:
        """Use the free places, retries first, and return the plan."""
        controls = self._controls
        occupied = len(self._underway) + len(self._ending - self._underway.keys())
        retries = (retry for case, retry in self._between.items() if case not in self._ending)
        # What the API server refuses for now takes no place from what it may accept; of the others, each has its turn.
        wanted = sorted([*retries, *self._next], key=lambda start: controls.refused.get(start.case.name, _NEVER))
        wanted = [] if controls.suspended or controls.ending else wanted[: max(0, controls.spec.parallelism - occupied)]
        starts = wanted if controls.places is None else wanted[: max(0, controls.places - occupied)]
        is_over = len(self._cases) == len(self._execution.cases)
        if not is_over:
            self._wakes.append(self._run_deadline)
        else:
            # Nobody looks at an execution that is over: what lingers now would go on until its pod's own deadline.
            self._lingering += self._lingering_soon
        due = [moment for moment in self._wakes if moment > self._now]
        return Plan(
            actions=(*self._stops.values(), *self._lingering, *starts, *self._questions),
            plan_state=PlanState(self._underway, self._attempts, self._cases, self._before.told),
            running=(frozenset(self._underway) | frozenset(self._between)) - frozenset(self._cases),
            requeue_at=min(due) if due and not is_over else None,
            is_over=is_over,
            occupied=occupied + len(starts),
            waiting=len(wanted) - len(starts),
        )
