"""What was told of cases stays true where nothing else is left of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import NOON, container_case, ended_pod, http_case, job, record_of, run_of, suite_of
from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.judgement import JudgingSettings
from testrun_operator.engine.observation import JobObservation, JobState
from testrun_operator.engine.planning import Controls, Plan, PlanState, StartAttempt, plan
from testrun_operator.engine.told import Told, read_told
from testrun_operator.resources.status import CaseCounts, Failure, TestRunStatus

_ID = "508709863430554191"
_ENDED = NOON + timedelta(minutes=1)
_LATER = NOON + timedelta(minutes=5)


def failure(case: str = "one", verdict: Verdict = Verdict.FAILED, attempt: int = 1, **fields: Any) -> Failure:
    """Return an entry of ``status.failures``."""
    known: dict[str, Any] = {"failure_class": FailureClass.TEST, "reason": Reason.EXIT_CODE_NOT_ZERO}
    return Failure(case=case, verdict=verdict, attempt=attempt, message="", job=f"{case}-{attempt}", **(known | fields))


def status_of(*failures: Failure, phase: Phase = Phase.RUNNING, **counts: int) -> TestRunStatus:
    """Return the status of a run of two cases."""
    return TestRunStatus(
        run_id=_ID, phase=phase, completion_time=_ENDED, cases=CaseCounts(total=2, **counts), failures=failures
    )


def planned(told: Told, *jobs: JobObservation, over: bool = False, **run: Any) -> Plan:
    """Plan once after a restart, two cases, each of which may be repeated once."""
    cases = container_case("one", retries=1), http_case("two", retries=1)
    execution = record_of(suite_of(*cases), run_of(**run)).to_execution()
    controls = Controls(run_of(), over_since=_ENDED if over else None)
    return plan(execution, controls, jobs, PlanState(told=told), _LATER, JudgingSettings())


def ends(result: Plan) -> dict[str, tuple[Verdict, Reason]]:
    """Return how the cases that are over ended."""
    return {name: (outcome.verdict, outcome.reason) for name, outcome in result.plan_state.cases.items()}


def started(result: Plan) -> list[tuple[str, int]]:
    """Return the attempts that a plan starts."""
    return [(action.case.name, action.attempt) for action in result.actions if isinstance(action, StartAttempt)]


def over_without_pod(case: str, attempt: int = 1) -> JobObservation:
    """Return a Job that is over and whose pod is gone."""
    return job(case, attempt, state=JobState.FAILED, finished_at=NOON)


FAILED = {"one": (Verdict.FAILED, Reason.EXIT_CODE_NOT_ZERO)}


@pytest.mark.parametrize(
    "left",
    [
        [],
        [over_without_pod("one")],
        [job("one", pod=replace(ended_pod(1), deleted=True, disturbed_at=NOON))],
    ],
    ids=["nothing", "a Job without a pod", "a pod that is being deleted"],
)
def test_a_failure_that_was_told_is_not_forgotten_with_its_pod(left: list[JobObservation]) -> None:
    """A drained node takes the operator and the pods of cases that have failed: they must not pass at another try."""
    result = planned(read_told(status_of(failure(), failed=1), _ID), *left)
    assert FAILED == ends(result)
    assert [("two", 1)] == started(result)


def test_the_attempt_that_decided_need_not_be_the_one_that_is_left() -> None:
    """The Job of the second attempt was deleted: it is not created a second time."""
    first = job("one", pod=ended_pod(1))
    result = planned(read_told(status_of(failure(attempt=2), failed=1), _ID), first)
    assert FAILED == ends(result)
    assert [1, 2] == [attempt.attempt for attempt in result.plan_state.cases["one"].attempts]
    assert [("two", 1)] == started(result)


def test_a_case_of_which_nothing_was_told_is_repeated() -> None:
    """As every one whose evidence is gone; a status of another execution says nothing of this one."""
    told = read_told(status_of(failure(), failed=1), "1")
    assert Told() == told
    result = planned(told, job("one", pod=replace(ended_pod(1), deleted=True, disturbed_at=NOON)))
    assert [("one", 2), ("two", 1)] == started(result)


def test_what_can_be_seen_counts_before_what_was_told() -> None:
    """A later attempt has a Job: whatever a status says of an earlier one is not the end of its case."""
    told = read_told(status_of(failure(), failed=1), _ID)
    assert {"one": (Verdict.PASSED, Reason.EXIT_CODE_ZERO)} == ends(
        planned(told, job("one", pod=ended_pod(1)), job("one", 2, pod=ended_pod(0), test_failures=1))
    )


def test_a_fault_of_the_infrastructure_that_was_told_is_no_better_than_what_is_seen() -> None:
    """What is seen has the evidence."""
    fault = failure(
        verdict=Verdict.ERRORED, failure_class=FailureClass.INFRASTRUCTURE, reason=Reason.POD_EVICTED, attempt=3
    )
    third = job("one", 3, infrastructure_faults=2, pod=replace(ended_pod(137), reason="Evicted"))
    result = planned(read_told(status_of(fault, errored=1), _ID), third)
    assert {"one": (Verdict.ERRORED, Reason.POD_EVICTED)} == ends(result)
    assert 137 == result.plan_state.cases["one"].attempts[0].evidence.exit_code


def test_of_an_execution_that_is_over_everything_follows_from_its_status() -> None:
    """Where those that did not pass are all listed, the others passed: what is stored is what was told."""
    told = read_told(status_of(failure(), phase=Phase.FAILED, failed=1, passed=1), _ID)
    result = planned(told, over_without_pod("two"), over=True)
    assert FAILED | {"two": (Verdict.PASSED, Reason.EXPECTATIONS_MET)} == ends(result)
    assert FAILED | {"two": (Verdict.PASSED, Reason.EXPECTATIONS_MET)} == ends(planned(told, over=True))


def test_a_case_that_passed_at_a_later_attempt_has_passed() -> None:
    """The Job of that one was deleted, and the one of the first is there."""
    told = read_told(status_of(phase=Phase.PASSED, passed=2, flaky=1), _ID)
    result = planned(told, job("one", pod=ended_pod(1)), over=True)
    assert {"one": Verdict.PASSED, "two": Verdict.PASSED} == {
        name: outcome.verdict for name, outcome in result.plan_state.cases.items()
    }


def test_a_case_that_was_cancelled_without_an_attempt_is_told_to_be_so() -> None:
    """Cancelled, and not Errored for a Job that it never had."""
    cancelled = failure("two", Verdict.CANCELLED, 0, failure_class=None, reason=Reason.RUN_CANCELLED)
    told = read_told(status_of(failure(), cancelled, phase=Phase.CANCELLED, failed=1, cancelled=1), _ID)
    assert FAILED | {"two": (Verdict.CANCELLED, Reason.RUN_CANCELLED)} == ends(planned(told, over=True))


def test_a_list_that_is_cut_says_nothing_of_those_that_are_not_in_it() -> None:
    """They may have passed, and may not."""
    told = read_told(status_of(failure(), phase=Phase.FAILED, failed=2), _ID)
    assert not told.is_whole
    assert (Verdict.ERRORED, Reason.JOB_DELETED) == ends(planned(told, over=True))["two"]


def test_a_reason_of_a_newer_release_is_not_guessed() -> None:
    """A rollback: the entry is none, and the list is not whole without it."""
    told = read_told(status_of(failure(reason="Newer"), phase=Phase.FAILED, failed=1, passed=1), _ID)
    assert ({}, False) == (told.cases, told.is_whole)


def test_a_case_that_fail_fast_skipped_is_not_taken_for_passed() -> None:
    """Where some were skipped, one that has no Job may be one of these."""
    told = read_told(status_of(failure(), phase=Phase.FAILED, failed=1, skipped=1), _ID)
    assert (Verdict.SKIPPED, Reason.FAIL_FAST) == ends(planned(told, over=True, failFast=True))["two"]
    told = read_told(status_of(failure(), phase=Phase.FAILED, failed=1, passed=1), _ID)
    assert (Verdict.PASSED, Reason.EXPECTATIONS_MET) == ends(planned(told, over=True, failFast=True))["two"]


def test_a_case_that_is_stored_as_passed_is_not_executed_again() -> None:
    """Its pod is gone, or its Job, and the operator was restarted: what Postgres has of it stays."""
    told = Told(stored={"one": Verdict.PASSED})
    result = planned(told, over_without_pod("one"))
    assert {"one": (Verdict.PASSED, Reason.EXIT_CODE_ZERO)} == ends(result)
    assert [("two", 1)] == started(result)
    assert told.is_stored(result.plan_state.cases["one"])
    assert [("two", 1)] == started(planned(told))


def test_what_is_seen_again_is_stored_again() -> None:
    """It has details and evidence, which may be missing in Postgres."""
    told = Told(stored={"one": Verdict.PASSED})
    result = planned(told, job("one", pod=ended_pod(0)))
    assert not told.is_stored(result.plan_state.cases["one"])
