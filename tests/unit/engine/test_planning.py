"""The plan by examples: what is started, stopped and concluded, and in which order.

What must hold for any order of events is in test_any_order_of_events.py.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.builders import (
    NOON,
    attempt_of,
    container_case,
    ended_pod,
    http_case,
    job,
    minutes,
    pod,
    record_of,
    reporting_pod,
    run_of,
    running_pod,
    seconds,
    suite_of,
)
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.judgement import JudgingSettings
from testrun_operator.engine.observation import JobObservation, JobState, PodObservation, PodPhase
from testrun_operator.engine.outcome import Baseline
from testrun_operator.engine.planning import (
    AskWhy,
    Controls,
    Ending,
    Execution,
    Plan,
    PlanState,
    StartAttempt,
    StopAttempt,
    plan,
)

CANCELLED = Ending(Reason.RUN_CANCELLED, "the run was cancelled")
SUPERSEDED = Ending(Reason.SUPERSEDED, "the run's spec changed")


def execution_of(*cases: Mapping[str, Any], baselines: tuple[Baseline, ...] = (), **fields: Any) -> Execution:
    """Return an execution of these cases that started at noon; fields of the run as in YAML."""
    return record_of(suite_of(*cases), run_of(**fields), baselines=baselines).to_execution()


def planned(
    execution: Execution,
    *jobs: JobObservation,
    plan_state: PlanState | None = None,
    now: datetime = NOON,
    parallelism: int = 10,
    **controls: Any,
) -> Plan:
    """Plan once."""
    wanted = Controls(run_of(parallelism=parallelism), **controls)
    return plan(execution, wanted, jobs, plan_state or PlanState(), now, JudgingSettings())


def started(result: Plan) -> list[tuple[str, int]]:
    """Return the cases and attempts that a plan starts."""
    return [(action.case.name, action.attempt) for action in result.actions if isinstance(action, StartAttempt)]


def stopped(result: Plan) -> list[tuple[str, Verdict, Reason]]:
    """Return the cases that a plan stops, with verdict and reason."""
    return [
        (action.job.case, action.outcome.verdict, action.outcome.reason)
        for action in result.actions
        if isinstance(action, StopAttempt)
    ]


def ends(result: Plan) -> dict[str, tuple[Verdict, Reason]]:
    """Return how the cases that are over ended."""
    return {name: (outcome.verdict, outcome.reason) for name, outcome in result.plan_state.cases.items()}


def passed(case: str, attempt: int = 1, **fields: Any) -> JobObservation:
    """Return the Job of an attempt that passed."""
    return job(case, attempt, pod=ended_pod(0), **fields)


def failed(case: str, attempt: int = 1, **fields: Any) -> JobObservation:
    """Return the Job of an attempt that failed."""
    return job(case, attempt, pod=ended_pod(1), **fields)


def evicted(case: str, attempt: int = 1, **fields: Any) -> JobObservation:
    """Return the Job of an attempt whose pod was evicted."""
    return job(case, attempt, pod=replace(ended_pod(137), reason="Evicted"), **fields)


def running(case: str, attempt: int = 1, **fields: Any) -> JobObservation:
    """Return the Job of an attempt that runs."""
    return job(case, attempt, pod=running_pod(), **fields)


ONE = container_case("one")
TWO = container_case("two")
THREE = container_case("three")
TWO_NEEDS_ONE = container_case("two", needs=["one"])


# -- starting -----------------------------------------------------------------------------------------------------


def test_as_many_cases_start_as_may_run_side_by_side() -> None:
    """Places are given in the order of the suite; a running attempt occupies one."""
    execution = execution_of(ONE, TWO, THREE)
    assert [("one", 1), ("two", 1)] == started(planned(execution, parallelism=2))
    assert [("two", 1)] == started(planned(execution, running("one"), parallelism=2))
    assert [] == started(planned(execution, running("one"), running("two"), parallelism=1))


def test_a_case_waits_for_what_it_needs() -> None:
    """It starts when all of its needs have passed, and no look before."""
    execution = execution_of(ONE, TWO_NEEDS_ONE)
    assert [("one", 1)] == started(planned(execution))
    assert [] == started(planned(execution, running("one")))
    assert [("two", 1)] == started(planned(execution, passed("one")))


def test_nothing_starts_while_the_run_is_suspended() -> None:
    """What runs goes on; what is to be repeated waits."""
    execution = execution_of(container_case("one", retries=1), TWO)
    result = planned(execution, failed("one"), suspended=True)
    assert [] == started(result)
    assert {"one"} == result.running
    assert NOON + timedelta(hours=1) == result.requeue_at


def test_retries_go_before_cases_that_were_not_started() -> None:
    """A case that was begun is brought to its end first."""
    execution = execution_of(ONE, container_case("two", retries=1))
    assert [("two", 2)] == started(planned(execution, failed("two"), parallelism=1))


# -- repeating ----------------------------------------------------------------------------------------------------


def test_the_two_budgets_do_not_touch_each_other() -> None:
    """A case with one retry may fail once, be evicted twice, and pass at its fourth attempt: it is flaky then."""
    execution = execution_of(container_case("one", retries=1))
    first = failed("one")
    second = evicted("one", 2, test_failures=1)
    third = evicted("one", 3, test_failures=1, infrastructure_faults=1)
    result = planned(execution, first, second, third)
    (start,) = result.actions
    assert isinstance(start, StartAttempt)
    assert (4, 1, 2) == (start.attempt, start.test_failures, start.infrastructure_faults)
    fourth = passed("one", 4, test_failures=1, infrastructure_faults=2)
    result = planned(execution, first, second, third, fourth)
    assert {"one": (Verdict.PASSED, Reason.EXIT_CODE_ZERO)} == ends(result)
    assert result.plan_state.cases["one"].flaky
    assert [1, 2, 3, 4] == [attempt.attempt for attempt in result.plan_state.cases["one"].attempts]


def test_a_case_that_passes_after_infrastructure_faults_alone_is_not_flaky() -> None:
    """A flaky case is one whose subject, or itself, is not reliable."""
    result = planned(execution_of(ONE), evicted("one"), passed("one", 2, infrastructure_faults=1))
    assert not result.plan_state.cases["one"].flaky


def test_the_third_infrastructure_fault_is_the_last() -> None:
    """The case ends as Errored, never as Failed."""
    jobs = [evicted("one", count + 1, infrastructure_faults=count) for count in range(3)]
    result = planned(execution_of(container_case("one", retries=5)), *jobs)
    assert {"one": (Verdict.ERRORED, Reason.POD_EVICTED)} == ends(result)
    assert result.is_over


def test_a_failure_without_retries_is_final() -> None:
    """The verdict of a case is that of its last attempt."""
    assert {"one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO)} == ends(planned(execution_of(ONE), failed("one")))


@pytest.mark.parametrize(
    ("case", "seen", "again"),
    [
        (container_case, ended_pod(1), True),
        (container_case, ended_pod(137, reason="OOMKilled"), False),
        (container_case, ended_pod(128, reason="StartError"), False),
        (http_case, reporting_pod(Verdict.FAILED), True),
        (http_case, reporting_pod(Verdict.TIMED_OUT, reason=Reason.CASE_TIMEOUT), True),
        (http_case, reporting_pod(Verdict.ERRORED, failure_class=FailureClass.DEPENDENCY), True),
        (http_case, reporting_pod(Verdict.ERRORED, failure_class=FailureClass.CONFIGURATION), False),
    ],
    ids=[
        "exit code 1",
        "out of memory",
        "no such command",
        "failed",
        "timed out",
        "dependency",
        "configuration",
    ],
)
def test_a_configuration_error_is_not_repeated(case: Any, seen: PodObservation, again: bool) -> None:
    """It would end the same way; everything else uses up a retry."""
    result = planned(execution_of(case("one", retries=1)), job("one", pod=seen))
    assert ([("one", 2)] if again else []) == started(result)
    assert again != result.is_over


def test_an_attempt_with_a_successor_is_over_even_if_nothing_shows_how() -> None:
    """Its pod may be gone; it is neither waited for nor put after the attempt that followed it."""
    execution = execution_of(container_case("one", retries=1))
    gone = job("one", state=JobState.FAILED, finished_at=NOON)
    result = planned(execution, gone, passed("one", 2, test_failures=1), now=NOON + seconds(1))
    assert {"one": (Verdict.PASSED, Reason.EXIT_CODE_ZERO)} == ends(result)
    assert [Reason.POD_VANISHED, Reason.EXIT_CODE_ZERO] == [
        attempt.reason for attempt in result.plan_state.cases["one"].attempts
    ]


def test_a_job_that_was_deleted_is_an_infrastructure_fault() -> None:
    """One that was under way and is not seen any more ended by that, and the next attempt starts."""
    execution = execution_of(ONE)
    before = planned(execution, running("one"))
    result = planned(execution, plan_state=before.plan_state)
    assert [("one", 2)] == started(result)
    assert [Reason.JOB_DELETED] == [ended.outcome.reason for ended in result.plan_state.attempts["one"]]


def test_a_first_attempt_has_used_up_nothing() -> None:
    """Both budgets are whole, and attempts are counted from one."""
    (start,) = planned(execution_of(ONE)).actions
    assert isinstance(start, StartAttempt)
    assert (1, 0, 0) == (start.attempt, start.test_failures, start.infrastructure_faults)


def test_only_a_case_that_passed_in_the_end_is_flaky() -> None:
    """One that failed twice has failed."""
    execution = execution_of(container_case("one", retries=1))
    result = planned(execution, failed("one"), failed("one", 2, test_failures=1))
    assert {"one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO)} == ends(result)
    assert not result.plan_state.cases["one"].flaky


def test_an_attempt_that_is_over_is_judged_once() -> None:
    """Its Job is there until its time is up, and seen at every plan."""
    execution = execution_of(container_case("one", retries=1))
    result = planned(execution, failed("one"))
    result = planned(execution, failed("one"), running("one", 2, test_failures=1), plan_state=result.plan_state)
    assert [1] == [ended.outcome.attempt for ended in result.plan_state.attempts["one"]]


# -- stopping -----------------------------------------------------------------------------------------------------


def test_an_outcome_counts_only_once_it_is_written_on_the_job() -> None:
    """A SIGKILL between the decision and the write must not lose it: the attempt is under way until then."""
    execution = execution_of(ONE)
    now = NOON + minutes(6)
    result = planned(execution, running("one"), now=now)
    assert [("one", Verdict.TIMED_OUT, Reason.CASE_TIMEOUT)] == stopped(result)
    assert {} == ends(result)
    (stop,) = result.actions
    assert isinstance(stop, StopAttempt)
    result = planned(execution, replace(stop.job, decided=stop.outcome), plan_state=result.plan_state, now=now)
    assert {"one": (Verdict.TIMED_OUT, Reason.CASE_TIMEOUT)} == ends(result)


def test_cancelling_stops_what_runs_and_starts_nothing() -> None:
    """Cases without a verdict are cancelled, those that wait for a running one when that has ended."""
    execution = execution_of(ONE, container_case("two", needs=["one"]), THREE)
    result = planned(execution, running("one"), ending=CANCELLED, parallelism=1)
    assert [("one", Verdict.CANCELLED, Reason.RUN_CANCELLED)] == stopped(result)
    assert [] == started(result)
    assert {"three": (Verdict.CANCELLED, Reason.RUN_CANCELLED)} == ends(result)
    decided = attempt_of("one", Verdict.CANCELLED, reason=Reason.RUN_CANCELLED, failure_class=None)
    result = planned(execution, running("one", decided=decided), plan_state=result.plan_state, ending=CANCELLED)
    assert dict.fromkeys(("one", "two", "three"), (Verdict.CANCELLED, Reason.RUN_CANCELLED)) == ends(result)


def test_a_verdict_that_was_reached_stays_when_the_run_is_cancelled() -> None:
    """Cancelling does not hide a failure."""
    result = planned(execution_of(ONE, TWO), failed("one"), ending=CANCELLED)
    assert {
        "one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO),
        "two": (Verdict.CANCELLED, Reason.RUN_CANCELLED),
    } == ends(result)


def test_a_case_between_two_attempts_is_cancelled_with_the_run() -> None:
    """It was not over; what its attempts were is kept."""
    result = planned(execution_of(container_case("one", retries=1)), failed("one"), ending=SUPERSEDED)
    assert {"one": (Verdict.CANCELLED, Reason.SUPERSEDED)} == ends(result)
    assert 1 == len(result.plan_state.cases["one"].attempts)


def test_a_case_that_needs_a_cancelled_one_is_cancelled_after_a_restart_too() -> None:
    """What ends a case follows from how its needs ended, not from the moment at which it is looked at."""
    execution = execution_of(ONE, TWO_NEEDS_ONE)
    decided = attempt_of("one", Verdict.CANCELLED, reason=Reason.RUN_CANCELLED, failure_class=None)
    result = planned(execution, running("one", decided=decided), ending=CANCELLED)
    assert (Verdict.CANCELLED, Reason.RUN_CANCELLED) == ends(result)["two"]


def test_a_job_whose_answer_was_lost_is_stopped_when_its_case_is_over() -> None:
    """It is not counted as running, and it ends as its case did, so that a restart changes nothing."""
    execution = execution_of(ONE, TWO)
    before = planned(execution, ending=CANCELLED)
    assert before.is_over
    result = planned(execution, running("one"), plan_state=before.plan_state, ending=CANCELLED)
    assert [("one", Verdict.CANCELLED, Reason.RUN_CANCELLED)] == stopped(result)
    assert frozenset() == result.running
    assert ends(before) == ends(result)


# -- the end of the run's time ------------------------------------------------------------------------------------


def test_the_runs_timeout_ends_everything_that_is_left() -> None:
    """What runs is stopped, what waits is not started any more."""
    execution = execution_of(ONE, TWO, container_case("three", needs=["one"]), timeout="10m")
    now = NOON + minutes(10)
    seen = job("one", pod=running_pod(now - minutes(1)))
    result = planned(execution, seen, now=now, parallelism=1)
    assert [("one", Verdict.TIMED_OUT, Reason.RUN_TIMEOUT)] == stopped(result)
    assert {"two": (Verdict.TIMED_OUT, Reason.RUN_TIMEOUT)} == ends(result)
    assert FailureClass.CONFIGURATION is result.plan_state.cases["two"].failure_class
    (stop,) = result.actions
    assert isinstance(stop, StopAttempt)
    result = planned(execution, replace(seen, decided=stop.outcome), plan_state=result.plan_state, now=now)
    assert dict.fromkeys(("one", "two", "three"), (Verdict.TIMED_OUT, Reason.RUN_TIMEOUT)) == ends(result)


def test_the_runs_timeout_is_not_repeated() -> None:
    """No attempt starts once the run's time is over, whatever is left of the budgets."""
    execution = execution_of(container_case("one", retries=3), timeout="10m")
    assert {"one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO)} == ends(
        planned(execution, failed("one"), now=NOON + minutes(10))
    )


@pytest.mark.parametrize("failure_class", [FailureClass.TEST, FailureClass.INFRASTRUCTURE])
def test_an_attempt_that_the_runs_timeout_ended_is_not_repeated_by_a_clock_that_is_behind(
    failure_class: FailureClass,
) -> None:
    """The operator that takes over may have an earlier time than the one that stopped the attempt."""
    execution = execution_of(container_case("one", retries=3), timeout="10m")
    decided = attempt_of("one", Verdict.TIMED_OUT, reason=Reason.RUN_TIMEOUT, failure_class=failure_class)
    result = planned(execution, running("one", decided=decided), now=NOON + minutes(9))
    assert {"one": (Verdict.TIMED_OUT, Reason.RUN_TIMEOUT)} == ends(result)
    assert () == result.actions


def test_somebody_looks_again_when_only_time_can_change_anything() -> None:
    """The next limit of an attempt or of the run, whichever comes first; nothing once the execution is over."""
    execution = execution_of(container_case("one", timeout="30s"), timeout="10m")
    assert NOON + minutes(10) == planned(execution).requeue_at
    assert NOON + minutes(5) == planned(execution, job("one", pod=pod())).requeue_at
    assert NOON + seconds(31) == planned(execution, running("one")).requeue_at
    assert planned(execution, passed("one")).requeue_at is None


# -- cases without an attempt -------------------------------------------------------------------------------------


def test_a_case_that_the_run_skips_is_over_at_once() -> None:
    """With the reason that its selection found, and without an attempt; what needs it is skipped, too."""
    execution = execution_of(ONE, TWO_NEEDS_ONE, THREE, skip={"names": ["one"]})
    result = planned(execution)
    assert [("three", 1)] == started(result)
    assert {
        "one": (Verdict.SKIPPED, Reason.SKIPPED_BY_RUN),
        "two": (Verdict.SKIPPED, Reason.NEED_NOT_PASSED),
    } == ends(result)
    assert () == result.plan_state.cases["one"].attempts
    assert "the run's skip names the case, its category or one of its tags" == result.plan_state.cases["one"].message


def test_what_needs_a_case_that_did_not_pass_is_skipped_and_so_on() -> None:
    """Skipping goes through chains of needs, and does not wait for the other needs."""
    execution = execution_of(
        ONE, THREE, container_case("two", needs=["three", "one"]), container_case("four", needs=["two"])
    )
    result = planned(execution, failed("one"), running("three"))
    skipped = (Verdict.SKIPPED, Reason.NEED_NOT_PASSED)
    assert {"one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO), "two": skipped, "four": skipped} == ends(result)
    assert "needs one, which is Failed" == result.plan_state.cases["two"].message


def test_fail_fast_starts_no_further_case() -> None:
    """What runs goes on to its end; what was not started is skipped, and the message names the case that failed."""
    execution = execution_of(ONE, TWO, THREE, failFast=True)
    result = planned(execution, failed("one"), running("two"))
    assert [] == started(result)
    assert (Verdict.SKIPPED, Reason.FAIL_FAST) == ends(result)["three"]
    assert {"two"} == result.running
    assert "one did not pass, and the run has failFast" == result.plan_state.cases["three"].message


def test_fail_fast_waits_for_the_last_retry() -> None:
    """A case has failed for good only after its retries."""
    execution = execution_of(container_case("one", retries=1), TWO, failFast=True)
    assert [("one", 2), ("two", 1)] == started(planned(execution, failed("one")))


def test_fail_fast_does_not_look_at_cases_that_were_not_executed() -> None:
    """A case that the run's own end kept from starting is no failure that others are skipped for."""
    execution = execution_of(ONE, TWO, failFast=True)
    result = planned(execution, server_problem="paginated-api is not ready", suspended=True)
    errored = (Verdict.ERRORED, Reason.TEST_SERVER_UNAVAILABLE)
    assert {"one": errored, "two": errored} == ends(result)


def test_a_skip_for_fail_fast_stays_when_the_run_is_cancelled_and_the_operator_restarted() -> None:
    """A restart in the middle of a cancellation does not make Cancelled of Skipped."""
    execution = execution_of(ONE, TWO, THREE, failFast=True)
    result = planned(execution, failed("one"), running("two"), ending=CANCELLED)
    assert (Verdict.SKIPPED, Reason.FAIL_FAST) == ends(result)["three"]


def test_test_servers_that_do_not_come_up_end_cases_as_errored() -> None:
    """It is the infrastructure's fault; cases that run already go on."""
    execution = execution_of(ONE, TWO)
    result = planned(execution, running("one"), server_problem="paginated-api is not ready", suspended=True)
    assert {"two": (Verdict.ERRORED, Reason.TEST_SERVER_UNAVAILABLE)} == ends(result)
    assert FailureClass.INFRASTRUCTURE is result.plan_state.cases["two"].failure_class


def test_a_case_between_two_attempts_ends_with_the_last_one_when_test_servers_do_not_come_up() -> None:
    """No further attempt can come, so that the one before is what is known of the case."""
    execution = execution_of(container_case("one", retries=1))
    result = planned(execution, failed("one"), server_problem="paginated-api is not ready", suspended=True)
    assert {"one": Verdict.FAILED} == {name: outcome.verdict for name, outcome in result.plan_state.cases.items()}


# -- an execution that is over ------------------------------------------------------------------------------------


def test_an_execution_that_is_over_starts_nothing_again() -> None:
    """Jobs that are gone are not made again: the status says already how it ended."""
    result = planned(execution_of(container_case("one", retries=3), TWO), failed("one"), over_since=NOON)
    assert () == result.actions
    assert {
        "one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO),
        "two": (Verdict.ERRORED, Reason.JOB_DELETED),
    } == ends(result)


def test_a_cancelled_execution_that_is_over_is_found_cancelled_again() -> None:
    """A case that had been cancelled between two attempts is stored as such after a restart, too."""
    result = planned(execution_of(container_case("one", retries=1)), failed("one"), over_since=NOON, ending=CANCELLED)
    assert {"one": (Verdict.CANCELLED, Reason.RUN_CANCELLED)} == ends(result)


def test_an_attempt_that_is_found_after_the_end_is_stopped_once_the_watches_had_time_to_show_its_own_end() -> None:
    """Its creation got no answer and the operator was killed; or it has ended, and only its watch lags behind."""
    execution = execution_of(ONE)
    result = planned(execution, running("one"), over_since=NOON, now=NOON + seconds(1))
    assert ((), NOON + seconds(5)) == (result.actions, result.requeue_at)
    result = planned(execution, running("one"), over_since=NOON, now=NOON + seconds(5))
    assert [("one", Verdict.CANCELLED, Reason.SUPERSEDED)] == stopped(result)


def test_an_attempt_that_is_found_after_the_end_is_not_stopped_if_its_job_is_over() -> None:
    """Its pod is gone or not shown yet; there is nothing to stop, and its Job says how it ended."""
    over = job("one", state=JobState.COMPLETE, finished_at=NOON)
    execution = execution_of(http_case("one"))
    for delay in (1, 4):
        result = planned(execution, over, over_since=NOON - minutes(1), now=NOON + seconds(delay))
        assert (False, ()) == (result.is_over, result.actions)
    result = planned(execution, over, over_since=NOON - minutes(1), now=NOON + seconds(5))
    assert {"one": (Verdict.PASSED, Reason.EXPECTATIONS_MET)} == ends(result)


def test_the_plan_of_an_execution_that_is_over_is_empty() -> None:
    """However often it is looked at."""
    execution = execution_of(ONE, container_case("two", when=[{"key": "never", "operator": "Exists"}]))
    result = planned(execution, passed("one"))
    for _ in range(3):
        result = planned(execution, passed("one"), plan_state=result.plan_state, now=NOON + minutes(90))
        assert (True, (), None) == (result.is_over, result.actions, result.requeue_at)


# -- the rest -----------------------------------------------------------------------------------------------------


def test_jobs_of_cases_that_are_not_in_the_execution_are_left_alone() -> None:
    """A label that somebody put on a Job by hand changes nothing."""
    result = planned(execution_of(ONE), passed("one"), failed("stranger"))
    assert {"one"} == set(result.plan_state.cases)
    assert result.is_over


def test_a_baseline_makes_a_case_fail_that_passed() -> None:
    """It is judged when the case is over, and is not repeated for that."""
    execution = execution_of(
        container_case("one", retries=2), baselines=(Baseline("one", max_duration_milliseconds=9_999),)
    )
    result = planned(execution, passed("one"))
    assert {"one": (Verdict.FAILED, Reason.BASELINE_NOT_MET)} == ends(result)
    assert result.is_over


# -- pods that are ending ----------------------------------------------------------------------------------------


def timed_out(case: str, seen: PodObservation | None, **fields: Any) -> JobObservation:
    """Return the Job of an attempt that was stopped at noon, with its pod as it is now."""
    outcome = attempt_of(case, Verdict.TIMED_OUT, reason=Reason.CASE_TIMEOUT, finished_at=NOON)
    return job(case, decided=outcome, pod=seen, **fields)


def test_a_pod_that_is_being_stopped_keeps_its_place() -> None:
    """Parallelism counts what acts on the subject: a container that was told to end still does."""
    execution = execution_of(ONE, TWO)
    result = planned(execution, timed_out("one", running_pod(deleted=True)), parallelism=1)
    assert ends(result) == {"one": (Verdict.TIMED_OUT, Reason.CASE_TIMEOUT)}
    assert started(result) == []
    assert result.requeue_at == NOON + seconds(30)
    later = planned(
        execution, timed_out("one", ended_pod(143, deleted=True)), plan_state=result.plan_state, parallelism=1
    )
    assert started(later) == [("two", 1)]


@pytest.mark.parametrize("seen", [None, pod(deleted=True, gone=True), ended_pod(143)], ids=["none", "gone", "ended"])
def test_a_pod_that_was_stopped_and_has_ended_frees_its_place(seen: PodObservation | None) -> None:
    """Its end is all that was waited for; the Job's own conditions come later."""
    assert started(planned(execution_of(ONE, TWO), timed_out("one", seen), parallelism=1)) == [("two", 1)]


def test_a_case_is_not_repeated_beside_its_own_attempt_that_is_ending() -> None:
    """Two attempts at one case at the same time would spoil each other."""
    execution = execution_of(container_case("one", retries=1))
    ending = timed_out("one", running_pod(deleted=True))
    result = planned(execution, ending)
    assert (started(result), result.running) == ([], {"one"})
    assert started(planned(execution, timed_out("one", None), plan_state=result.plan_state)) == [("one", 2)]


def test_a_pod_that_never_ends_keeps_its_place_for_30_seconds() -> None:
    """A node that is lost ends no pod, and tells of none."""
    execution = execution_of(container_case("one", retries=1))
    ending = timed_out("one", running_pod(deleted=True))
    known = planned(execution, ending)
    assert started(planned(execution, ending, plan_state=known.plan_state, now=NOON + seconds(29))) == []
    assert started(planned(execution, ending, plan_state=known.plan_state, now=NOON + seconds(30))) == [("one", 2)]


def test_the_pod_of_a_job_that_was_deleted_keeps_its_place_until_it_is_gone() -> None:
    """The garbage collector comes a moment after the Job is gone."""
    execution = execution_of(ONE)
    lost = attempt_of("one", Verdict.ERRORED, failure_class=FailureClass.INFRASTRUCTURE, finished_at=NOON)
    assert started(planned(execution, job("one", decided=lost, pod=running_pod()))) == []
    assert started(planned(execution, job("one", decided=lost))) == [("one", 2)]


def test_why_a_job_has_no_pod_is_asked_once_in_a_while() -> None:
    """One question for each Job, and the next look when the next one is due."""
    execution = execution_of(ONE, timeout="1h")
    seen = job("one")
    result = planned(execution, seen, now=NOON + seconds(15))
    assert result.actions == (AskWhy(seen),)
    assert result.requeue_at == NOON + seconds(30)


def test_nobody_looks_again_at_a_suspended_job_before_the_runs_timeout() -> None:
    """The event of its resumption comes by itself."""
    result = planned(execution_of(ONE, timeout="1h"), job("one", suspended=True))
    assert result.actions == ()
    assert result.requeue_at == NOON + timedelta(hours=1)


def test_what_lingers_when_the_run_is_over_is_ended_at_once() -> None:
    """Nobody looks at a run that is over: the pod of its last case would go on until its own deadline."""
    lingering = replace(ended_pod(0), phase=PodPhase.RUNNING, others_running=True)
    result = planned(execution_of(ONE), job("one", pod=lingering))
    assert result.is_over
    assert stopped(result) == [("one", Verdict.PASSED, Reason.EXIT_CODE_ZERO)]
    assert not stopped(planned(execution_of(ONE, TWO), job("one", pod=lingering), running("two")))


def test_what_lingers_after_the_end_was_told_is_ended_as_well() -> None:
    """Its report was still being read at the end, which needs the pod; or the operator was replaced then."""
    lingering = replace(ended_pod(0), phase=PodPhase.RUNNING, others_running=True)
    result = planned(execution_of(ONE), job("one", pod=lingering), over_since=NOON)
    assert stopped(result) == [("one", Verdict.PASSED, Reason.EXIT_CODE_ZERO)]
