"""From a plan to the status of a TestRun."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import (
    NOON,
    attempt_of,
    container_case,
    outcome_of,
    outcomes_of,
    record_of,
    run_of,
    seconds,
    suite_of,
)
from testrun_operator.api.phase import ConditionStatus, ConditionType, Phase
from testrun_operator.api.reason import ConditionReason, Reason
from testrun_operator.api.report import ExecutionReport
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.execution import ExecutionRecord, Restriction
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.engine.planning import Plan, PlanState
from testrun_operator.engine.status import (
    MAX_STATUS_BYTES,
    Storing,
    Subject,
    count_cases,
    describe_execution,
    describe_invalid,
    describe_waiting,
    list_failures,
    remember_execution,
    shorten,
    summarize_settings,
    with_storing,
)
from testrun_operator.engine.summary import explain_few, final_phase, phase_of, success_rate
from testrun_operator.resources.status import MAX_HISTORY, Condition, Execution, PlaybookExecution, TestRunStatus

RECORD = record_of(suite_of(container_case("one")), run_of(revision="4f2c1d"))
RUNNING = (ConditionReason.RUNNING, "cases are running")
STORING = Storing(ConditionStatus.FALSE, ConditionReason.STORING, "outcomes are stored as cases end")
STORED = Storing(ConditionStatus.TRUE, ConditionReason.STORED, "every outcome is in Postgres")
NEW = TestRunStatus()
HALF_A_MINUTE_LATER = NOON + seconds(30)
TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def plan_of(outcomes: Mapping[str, CaseOutcome], *, running: tuple[str, ...] = (), is_over: bool = True) -> Plan:
    """Return a plan with these outcomes."""
    return Plan((), PlanState(cases=outcomes), frozenset(running), None, is_over)


def described(
    outcomes: Mapping[str, CaseOutcome],
    *,
    previous: TestRunStatus = NEW,
    generation: int = 1,
    record: ExecutionRecord = RECORD,
    now: datetime = HALF_A_MINUTE_LATER,
    activity: tuple[ConditionReason, str] = RUNNING,
    storing: Storing = STORING,
    total: int | None = None,
    **plan: Any,
) -> TestRunStatus:
    """Describe an execution thirty seconds after its start."""
    subject = Subject(generation, previous)
    count = len(outcomes) if total is None else total
    return describe_execution(subject, record, count, plan_of(outcomes, **plan), activity, storing, now)


def conditions_of(status: TestRunStatus) -> dict[str, ConditionStatus]:
    """Return the status of each condition."""
    return {condition.type: condition.status for condition in status.conditions}


def condition_of(status: TestRunStatus, kind: ConditionType) -> Condition:
    """Return a condition."""
    return next(condition for condition in status.conditions if condition.type == kind)


# -- counts and phase ---------------------------------------------------------------------------------------------


def test_every_case_is_counted_where_it_is() -> None:
    """The verdicts, what runs and what waits add up to the total; a flaky case is among those that passed."""
    outcomes = [outcome_of(f"case-{verdict}", verdict) for verdict in Verdict]
    outcomes.append(outcome_of("flaky", flaky=True))
    counts = count_cases(10, outcomes, running=2)
    assert {
        "total": 10,
        "pending": 1,
        "running": 2,
        "passed": 2,
        "failed": 1,
        "errored": 1,
        "timed_out": 1,
        "skipped": 1,
        "cancelled": 1,
        "flaky": 1,
    } == counts.model_dump(by_alias=False)


TIMED_OUT_ITSELF = outcome_of("case", Verdict.TIMED_OUT, failure_class=FailureClass.TEST)
NEVER_STARTED = outcome_of("case", Verdict.TIMED_OUT, failure_class=FailureClass.CONFIGURATION)


@pytest.mark.parametrize(
    ("outcomes", "phase"),
    [
        ([], Phase.PASSED),
        ([outcome_of()], Phase.PASSED),
        ([outcome_of(verdict=Verdict.SKIPPED)], Phase.PASSED),
        ([outcome_of(), outcome_of(verdict=Verdict.ERRORED)], Phase.ERRORED),
        ([outcome_of(), NEVER_STARTED], Phase.ERRORED),
        ([outcome_of(verdict=Verdict.ERRORED), outcome_of(verdict=Verdict.CANCELLED)], Phase.CANCELLED),
        ([outcome_of(verdict=Verdict.CANCELLED), TIMED_OUT_ITSELF], Phase.FAILED),
        ([outcome_of(verdict=verdict) for verdict in Verdict], Phase.FAILED),
    ],
)
def test_the_phase_is_the_first_that_fits(outcomes: list[CaseOutcome], phase: Phase) -> None:
    """Failed, Cancelled, Errored, Passed; a time-out counts as a failure where it was the case that took too long."""
    assert phase is final_phase(outcomes)


@given(st.lists(st.sampled_from(Verdict)))
def test_the_phase_does_not_depend_on_the_order(verdicts: list[Verdict]) -> None:
    """Which case ended first says nothing of the run."""
    outcomes = [outcome_of(verdict=verdict) for verdict in verdicts]
    assert final_phase(outcomes) is final_phase(reversed(outcomes))


@pytest.mark.parametrize(
    ("verdicts", "rate"),
    [
        ([], None),
        ([Verdict.SKIPPED], None),
        ([Verdict.PASSED], "100.00"),
        ([Verdict.FAILED], "0.00"),
        ([Verdict.PASSED, Verdict.PASSED, Verdict.FAILED], "66.67"),
        ([Verdict.PASSED, Verdict.SKIPPED, Verdict.ERRORED], "50.00"),
        ([Verdict.PASSED, Verdict.CANCELLED, Verdict.TIMED_OUT, Verdict.ERRORED], "25.00"),
        ([Verdict.PASSED] * 9_999 + [Verdict.FAILED], "99.99"),
    ],
)
def test_the_success_rate_is_of_the_executed_cases(verdicts: list[Verdict], rate: str | None) -> None:
    """What was skipped does not count; without anything executed there is none."""
    assert rate == success_rate([outcome_of(verdict=verdict) for verdict in verdicts])


def test_a_run_in_which_nothing_was_executed_says_so() -> None:
    """It failed nowhere, and yet nobody should take it for a proof: reason and message of the conditions tell."""
    outcomes = {name: outcome_of(name, Verdict.SKIPPED) for name in ("one", "two")}
    status = described(outcomes)
    assert Phase.PASSED is status.phase
    for kind in (ConditionType.READY, ConditionType.SUCCEEDED):
        found = condition_of(status, kind)
        assert (TRUE, "NothingExecuted") == (found.status, found.reason)
        assert found.message.startswith("no case was executed; of ")
        assert found.message.endswith(" cases: 2 skipped")


@pytest.mark.parametrize(
    ("least", "verdicts", "before", "phase", "reason"),
    [
        (0, [Verdict.SKIPPED], (), Phase.PASSED, "NothingExecuted"),
        (1, [Verdict.SKIPPED], (), Phase.ERRORED, "TooFewExecuted"),
        (1, [Verdict.PASSED, Verdict.SKIPPED], (), Phase.PASSED, "AllPassed"),
        (2, [Verdict.PASSED, Verdict.SKIPPED], (), Phase.ERRORED, "TooFewExecuted"),
        (2, [Verdict.FAILED, Verdict.SKIPPED], (), Phase.FAILED, "CasesFailed"),
        (2, [Verdict.ERRORED, Verdict.SKIPPED], (), Phase.ERRORED, "CasesErrored"),
        (2, [Verdict.CANCELLED, Verdict.SKIPPED], (), Phase.CANCELLED, "Cancelled"),
        (3, [Verdict.PASSED], ("a", "b"), Phase.PASSED, "AllPassed"),
        (4, [Verdict.PASSED], ("a", "b"), Phase.ERRORED, "TooFewExecuted"),
    ],
)
def test_a_least_number_of_executed_cases_can_be_demanded(
    least: int, verdicts: list[Verdict], before: tuple[str, ...], phase: Phase, reason: str
) -> None:
    """With fewer the run could not be judged; what failed counts first, and what passed before a rerun counts, too."""
    restriction = Restriction(only=("x",), passed_before=before) if before else None
    record = record_of(suite_of(container_case("one")), run_of(minExecuted=least), restriction=restriction)
    outcomes = [outcome_of(f"case-{number}", verdict) for number, verdict in enumerate(verdicts)]
    assert phase is phase_of(record, outcomes)
    assert reason == explain_few(record, phase, outcomes)[0]


# -- failures -----------------------------------------------------------------------------------------------------


def test_failures_are_the_first_twenty_by_name() -> None:
    """Everything that did not pass but was not skipped; the rest is in Postgres."""
    outcomes = [outcome_of(f"case-{index:02}", Verdict.FAILED) for index in reversed(range(30))]
    outcomes += [outcome_of("a-passed"), outcome_of("a-skipped", Verdict.SKIPPED)]
    assert [f"case-{index:02}" for index in range(20)] == [failure.case for failure in list_failures(outcomes)]


def test_a_failure_names_the_attempt_that_decided() -> None:
    """And its Job, so that its log can be read."""
    attempts = (attempt_of("one", Verdict.FAILED), attempt_of("one", Verdict.ERRORED, 2))
    outcome = outcome_of("one", Verdict.ERRORED, reason=Reason.POD_EVICTED, message="x" * 300, attempts=attempts)
    (failure,) = list_failures([outcome])
    assert (2, "job-one-2", "PodEvicted") == (failure.attempt, failure.job, failure.reason)
    assert "x" * 199 + "…" == failure.message


def test_a_failure_of_a_playbook_names_its_execution() -> None:
    """And how that ended, and where NoETL shows it."""
    report = ExecutionReport(id="765993903060157424", status="FAILED", page="http://noetl/1", events={"step.exit": 3})
    attempts = (attempt_of("one", Verdict.FAILED, execution=report),)
    (failure,) = list_failures([outcome_of("one", Verdict.FAILED, attempts=attempts)])
    assert failure.execution == PlaybookExecution(id="765993903060157424", status="FAILED", page="http://noetl/1")


def test_half_of_an_address_and_words_of_somebody_else_are_not_shown() -> None:
    """The first would lead nowhere, and the others could be anything; the id says which execution it is."""
    report = ExecutionReport(id="1", status="x" * 100, page="http://noetl/" + "x" * 1000)
    attempts = (attempt_of("one", Verdict.FAILED, execution=report),)
    (failure,) = list_failures([outcome_of("one", Verdict.FAILED, attempts=attempts)])
    assert failure.execution is not None
    assert failure.execution == PlaybookExecution(id="1")


def test_a_failure_without_attempt_has_number_zero() -> None:
    """Nothing was executed, and there is no Job."""
    (failure,) = list_failures([outcome_of("one", Verdict.CANCELLED, attempts=())])
    assert (0, None) == (failure.attempt, failure.job)


@given(st.text(), st.integers(1, 20))
def test_a_text_is_cut_to_its_limit(text: str, limit: int) -> None:
    """With an ellipsis as its last character where something was cut, and unchanged otherwise."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short.endswith("…")


# -- conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "phase", "ready", "stalled"),
    [
        (Verdict.PASSED, Phase.PASSED, TRUE, FALSE),
        (Verdict.FAILED, Phase.FAILED, FALSE, TRUE),
        (Verdict.ERRORED, Phase.ERRORED, FALSE, TRUE),
        (Verdict.CANCELLED, Phase.CANCELLED, FALSE, TRUE),
    ],
)
def test_a_run_that_is_over_is_ready_or_stalled(
    verdict: Verdict, phase: Phase, ready: ConditionStatus, stalled: ConditionStatus
) -> None:
    """To kstatus, Ready=False alone is "in progress"; hence Stalled=True beside it for a run that did not pass."""
    status = described(outcomes_of({"one": verdict}))
    assert phase is status.phase
    assert {
        "Ready": ready,
        "Reconciling": FALSE,
        "Stalled": stalled,
        "Succeeded": ready,
        "ResultsStored": FALSE,
    } == conditions_of(status)


def test_a_run_that_is_not_over_is_reconciling() -> None:
    """Neither ready nor stalled; the reason says what it is busy with."""
    status = described({"one": outcome_of()}, running=("two",), is_over=False, total=2)
    assert Phase.RUNNING is status.phase
    assert {
        "Ready": UNKNOWN,
        "Reconciling": TRUE,
        "Stalled": FALSE,
        "Succeeded": UNKNOWN,
        "ResultsStored": FALSE,
    } == conditions_of(status)
    assert "Running" == condition_of(status, ConditionType.RECONCILING).reason
    assert (None, None, None) == (status.completion_time, status.duration_seconds, status.success_rate)


def test_a_run_that_waits_is_reconciling_for_a_reason() -> None:
    """With the phase Pending, and without anything of an execution."""
    status = describe_waiting(Subject(3, NEW), ConditionReason.SUITE_NOT_FOUND, "there is no such suite", NOON)
    assert (Phase.PENDING, 3, None, None) == (status.phase, status.observed_generation, status.run_id, status.cases)
    assert {
        "Ready": UNKNOWN,
        "Reconciling": TRUE,
        "Stalled": FALSE,
        "Succeeded": UNKNOWN,
        "ResultsStored": UNKNOWN,
    } == conditions_of(status)
    assert "SuiteNotFound" == condition_of(status, ConditionType.READY).reason


def test_an_invalid_run_is_stalled() -> None:
    """Nothing will happen until somebody changes it; the message names the field."""
    status = describe_invalid(Subject(3, NEW), "spec.select: matches no case", NOON)
    assert Phase.ERRORED is status.phase
    assert {
        "Ready": FALSE,
        "Reconciling": FALSE,
        "Stalled": TRUE,
        "Succeeded": FALSE,
        "ResultsStored": UNKNOWN,
    } == conditions_of(status)
    stalled = condition_of(status, ConditionType.STALLED)
    assert ("InvalidSpec", "spec.select: matches no case") == (stalled.reason, stalled.message)


def test_the_message_of_a_run_that_is_over_sums_it_up() -> None:
    """In words, without what is zero."""
    outcomes = outcomes_of({"one": Verdict.PASSED, "two": Verdict.FAILED, "three": Verdict.SKIPPED})
    ready = condition_of(described(outcomes), ConditionType.READY)
    assert "of 3 cases: 1 passed, 1 failed, 1 skipped" == ready.message


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    """A new message or reason is no transition."""
    first = described({}, is_over=False, total=1)
    later = described(
        {},
        previous=first,
        is_over=False,
        total=1,
        now=NOON + seconds(40),
        activity=(ConditionReason.SUSPENDED, "spec.suspend is true"),
    )
    assert NOON + seconds(30) == condition_of(later, ConditionType.RECONCILING).last_transition_time
    assert "Suspended" == condition_of(later, ConditionType.RECONCILING).reason
    over = described({"one": outcome_of()}, previous=later, now=NOON + seconds(50))
    assert NOON + seconds(50) == condition_of(over, ConditionType.RECONCILING).last_transition_time
    assert NOON + seconds(30) == condition_of(over, ConditionType.STALLED).last_transition_time


def test_the_message_of_a_condition_is_cut_to_what_the_resource_allows() -> None:
    """The API server would refuse the whole status for one long message."""
    status = describe_invalid(Subject(1, NEW), "x" * 5_000, NOON)
    message = condition_of(status, ConditionType.STALLED).message
    assert (1024, "…") == (len(message), message[-1])


def test_conditions_say_for_which_generation_they_hold() -> None:
    """Who waits for a change to be seen need not guess."""
    status = described({"one": outcome_of()}, generation=7)
    assert {7} == {status.observed_generation, *(condition.observed_generation for condition in status.conditions)}


# -- what stays ---------------------------------------------------------------------------------------------------


def test_the_completion_time_is_the_first_one() -> None:
    """However often an execution that is over is described."""
    first = described({"one": outcome_of()})
    again = described({"one": outcome_of()}, previous=first, now=NOON + seconds(300))
    assert first == again
    assert (NOON + seconds(30), 30) == (again.completion_time, again.duration_seconds)


def test_the_storing_of_results_changes_nothing_else() -> None:
    """Only its own condition, and the generation that was observed."""
    before = described({"one": outcome_of()})
    after = with_storing(before, Subject(2, before), STORED, NOON + seconds(60))
    assert TRUE is condition_of(after, ConditionType.RESULTS_STORED).status
    assert NOON + seconds(60) == condition_of(after, ConditionType.RESULTS_STORED).last_transition_time
    assert (1, 2) == (before.observed_generation, after.observed_generation)
    unchanged = {"conditions", "observed_generation"}
    assert before.model_dump(exclude=unchanged) == after.model_dump(exclude=unchanged)
    assert condition_of(before, ConditionType.READY).last_transition_time == NOON + seconds(30)


def test_a_condition_of_somebody_else_is_no_error() -> None:
    """A status can be edited by others; what we do not know is dropped."""
    foreign = Condition(
        type="Audited", status=TRUE, reason="Yes", message="", last_transition_time=NOON, observed_generation=1
    )
    before = described({"one": outcome_of()})
    before = before.model_copy(update={"conditions": (*before.conditions, foreign)})
    after = with_storing(before, Subject(1, before), STORED, NOON)
    assert {kind.value for kind in ConditionType} == set(conditions_of(after))


# -- history ------------------------------------------------------------------------------------------------------


def earlier(count: int) -> tuple[Execution, ...]:
    """Return executions that ended, the newest first."""
    return tuple(Execution(run_id=str(100 - index), phase=Phase.PASSED) for index in range(count))


def test_a_new_execution_puts_the_one_before_into_the_history() -> None:
    """The newest first, five at most."""
    previous = TestRunStatus(
        run_id="101", phase=Phase.FAILED, revision="old", completion_time=NOON, history=earlier(MAX_HISTORY)
    )
    history = described({}, previous=previous, is_over=False, total=1).history
    assert ["101", "100", "99", "98", "97"] == [entry.run_id for entry in history]
    assert (Phase.FAILED, "old", NOON) == (history[0].phase, history[0].revision, history[0].completion_time)


def test_the_history_stays_while_an_execution_lasts() -> None:
    """An execution is not in its own history."""
    first = described({}, previous=TestRunStatus(history=earlier(2)), is_over=False, total=1)
    assert earlier(2) == described({"one": outcome_of()}, previous=first).history


def test_an_execution_that_was_replaced_while_it_ran_was_cancelled() -> None:
    """Its own end is not written into the status any more."""
    previous = TestRunStatus(run_id="101", phase=Phase.RUNNING)
    assert Phase.CANCELLED is remember_execution(previous)[0].phase


@pytest.mark.parametrize("describe", [describe_waiting, describe_invalid], ids=["waiting", "invalid"])
def test_an_execution_is_remembered_once(describe: Any) -> None:
    """Waiting or being invalid in between neither loses nor repeats it."""
    reason = (ConditionReason.SUITE_NOT_FOUND,) if describe is describe_waiting else ()
    previous = TestRunStatus(run_id="101", phase=Phase.PASSED, history=earlier(1))
    waiting = describe(Subject(2, previous), *reason, "message", NOON)
    again = describe(Subject(2, waiting), *reason, "message", NOON)
    assert ["101", "100"] == [entry.run_id for entry in again.history]
    assert ["101", "100"] == [entry.run_id for entry in described({}, previous=again, total=0).history]


# -- size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "character", ["x", "é", "中", "😀", '"', "\n"], ids=["x", "é", "中", "emoji", "quote", "newline"]
)
@pytest.mark.parametrize("is_over", [True, False], ids=["over", "running"])
def test_a_status_is_never_larger_than_ten_thousand_bytes(character: str, is_over: bool) -> None:
    """Not with 10,000 cases that all failed, the longest names, texts and history, and every condition busy."""
    text = character * 5_000
    execution = ExecutionReport(id="9" * 18, status="COMPLETED", page=f"http://{'y' * 190}", events={text: 1})
    revision = character * 253
    outcomes = {}
    for index in range(10_000):
        name = f"case-{index:05}".ljust(63, "x")
        attempts = (attempt_of(name, Verdict.TIMED_OUT, 13, job="j" * 63, execution=execution),)
        outcomes[name] = outcome_of(
            name, Verdict.TIMED_OUT, reason=Reason.TEST_SERVER_UNAVAILABLE, message=text, attempts=attempts
        )
    history = tuple(
        Execution(run_id=str(9 * 10**18 + index), revision=revision, phase=Phase.CANCELLED, completion_time=NOON)
        for index in range(MAX_HISTORY)
    )
    status = described(
        outcomes,
        previous=TestRunStatus(run_id="9" * 19, phase=Phase.CANCELLED, revision=revision, history=history),
        generation=10**9,
        record=record_of(suite_of(container_case("one")), run_of(revision=revision), run_id="9" * 18),
        activity=(ConditionReason.WAITING_FOR_TEST_SERVER, text),
        storing=Storing(FALSE, ConditionReason.STORE_NOT_CONFIGURED, text),
        is_over=is_over,
    )
    stored = json.dumps(status.model_dump(mode="json", exclude_none=True), ensure_ascii=False, separators=(",", ":"))
    assert len(stored.encode()) <= MAX_STATUS_BYTES
    assert 20 == len(status.failures)
    assert MAX_HISTORY == len(status.history)


def test_texts_are_cut_no_more_than_needed() -> None:
    """A status of ordinary size has its messages in full length."""
    outcomes = {"one": outcome_of("one", Verdict.FAILED, message="x" * 200)}
    activity = (ConditionReason.WAITING_FOR_TEST_SERVER, "y" * 1000)
    status = described(outcomes, activity=activity, is_over=False, total=2)
    assert "x" * 200 == status.failures[0].message
    assert "y" * 1000 == condition_of(status, ConditionType.READY).message


# -- what is stored -----------------------------------------------------------------------------------------------


def test_the_settings_that_are_stored_say_how_the_run_was_asked_for() -> None:
    """Without the suite, and without defaults; with what was left out because it had passed."""
    record = record_of(
        suite_of(container_case("one")),
        run_of(revision="4f2c1d", variables={"a": "1"}, rerun="Failed"),
        restriction=Restriction(only=("one",), passed_before=("two",)),
    )
    assert {
        "suite": "regression",
        "revision": "4f2c1d",
        "variables": {"a": "1"},
        "rerun": "Failed",
        "passed_before": ["two"],
    } == summarize_settings(record)
