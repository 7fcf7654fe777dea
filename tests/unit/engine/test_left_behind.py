"""What a container case leaves behind: it changes words and details, and never the verdict."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import (
    NOON,
    attempt_of,
    container_case,
    ended_pod,
    job,
    planned,
    record_of,
    report_of,
    run_of,
    seconds,
    suite_of,
    termination_message,
)
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind, Report, encode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop, Underway
from testrun_operator.engine.judging import judge
from testrun_operator.engine.left_behind import PATIENCE
from testrun_operator.engine.observation import JobObservation, PodObservation, PodPhase, Reader, Terminated
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import Controls, Ending, Plan, PlanState, StopAttempt, plan

SETTINGS = JudgingSettings()
LATER = NOON + seconds(11)
FIELDS = {"image": "busybox", "junit": "/reports/*.xml"}
[CASE] = planned(container_case("one", container=FIELDS, timeout="1m"))
[PLAIN] = planned(container_case("one", timeout="1m"))
DETAILS = tuple(
    Detail(kind=DetailKind.TEST, name=name, passed=passed, message="" if passed else "19 != 7")
    for name, passed in (("totals", True), ("vat", False))
)
FAILED = report_of(Verdict.FAILED, message="1 of 2 tests failed: vat", details=DETAILS, step_count=2)
PASSED = report_of(Verdict.PASSED, message="2 tests passed", step_count=2)
NOTHING = report_of(Verdict.ERRORED, message="no file fits /reports/*.xml", reason=Reason.NO_REPORT)


def reader(report: Report | None = None, exit_code: int = 0, message: str = "", reason: str = "") -> Reader:
    """Return a reader that has ended with a report, or without one."""
    said = termination_message(report) if report is not None else message
    return Reader(Terminated(exit_code, reason, said, NOON, NOON + seconds(11)))


def case_pod(found: Reader | None, exit_code: int = 1, message: str = "", **fields: Any) -> PodObservation:
    """Return a pod whose case has ended; it is over if its reader is."""
    is_over = found is None or found.terminated is not None
    over = {} if is_over else {"phase": PodPhase.RUNNING, "ended_seen_at": NOON + seconds(10)}
    return ended_pod(exit_code, message, **({"reader": found} | over | fields))


def judged(seen: PodObservation | None, now: datetime = LATER, **fields: Any) -> Any:
    """Judge an attempt a second after its container has ended."""
    return judge(replace(job(**fields), pod=seen), CASE, now, SETTINGS)


def ended(seen: PodObservation, **fields: Any) -> AttemptOutcome:
    """Judge an attempt that must be over."""
    judgement = judged(seen, **fields)
    assert isinstance(judgement, Ended)
    return judgement.outcome


@pytest.mark.parametrize(
    ("exit_code", "report", "verdict", "message"),
    [
        (0, PASSED, Verdict.PASSED, "2 tests passed"),
        (0, FAILED, Verdict.PASSED, "exit code 0, though 1 of 2 tests failed: vat"),
        (0, NOTHING, Verdict.PASSED, "no file fits /reports/*.xml"),
        (1, FAILED, Verdict.FAILED, "expected exit code 0, got 1; 1 of 2 tests failed: vat"),
        (
            1,
            PASSED,
            Verdict.FAILED,
            "expected exit code 0, got 1, though no test failed: 2 tests passed; last line: coverage 12 %",
        ),
        (
            1,
            NOTHING,
            Verdict.FAILED,
            "expected exit code 0, got 1; last line: coverage 12 %; no file fits /reports/*.xml",
        ),
        (143, FAILED, Verdict.FAILED, "expected exit code 0, got 143 (signal 15); 1 of 2 tests failed: vat"),
    ],
)
def test_the_exit_code_judges_and_the_message_tells_of_the_tests(
    exit_code: int, report: Report, verdict: Verdict, message: str
) -> None:
    """Where the two contradict each other the message says so."""
    outcome = ended(case_pod(reader(report), exit_code, "" if exit_code == 0 else "x\ncoverage 12 %\n"))
    assert (outcome.verdict, outcome.message) == (verdict, message)
    assert (outcome.details, outcome.step_count) == (report.details, report.step_count)
    assert outcome.has_tests
    assert outcome.evidence.log_tail == (None if exit_code == 0 else "x\ncoverage 12 %\n")


def test_a_report_that_is_in_the_log_is_named() -> None:
    """Its details are read from there before the case is stored, as those of our runner."""
    large = replace_details(FAILED, 500)
    judgement = judged(case_pod(reader(large)))
    assert isinstance(judgement, Ended)
    assert judgement.report_in_log is not None
    assert judgement.outcome.details == ()
    assert judgement.outcome.message.endswith("1 of 2 tests failed: vat")


def replace_details(report: Report, count: int) -> Report:
    """Return a report with many details."""
    return report.model_copy(update={"details": DETAILS * count})


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (reader(exit_code=137, reason="OOMKilled"), "it ended with exit code 137 (OOMKilled) and left no report"),
        (
            reader(exit_code=1, reason="Error", message="Traceback\nOSError: no space\n"),
            "it ended with exit code 1 and left no report, and said last: OSError: no space",
        ),
        (reader(), "it ended with exit code 0 and left no report"),
        (reader(message="{}"), "it ended with exit code 0 and left no report"),
        (reader(report_of(case="two")), "its report is of attempt 1 at 'two', not of this one"),
        (reader(report_of(attempt=2)), "its report is of attempt 2 at 'one', not of this one"),
    ],
)
@pytest.mark.parametrize(("exit_code", "verdict"), [(0, Verdict.PASSED), (1, Verdict.FAILED)])
def test_a_reader_without_a_report_changes_no_verdict(
    found: Reader, problem: str, exit_code: int, verdict: Verdict
) -> None:
    """The message says what is the matter with it."""
    outcome = ended(case_pod(found, exit_code))
    assert outcome.verdict is verdict
    assert outcome.message.endswith(f"the JUnit files were not read: of their reader, {problem}")
    assert (outcome.details, outcome.has_tests) == ((), False)


@pytest.mark.parametrize("exit_code", [0, 1])
def test_the_reader_is_waited_for_but_not_for_long(exit_code: int) -> None:
    """What is not there by then is missing for good: the outcome without it is written on the Job."""
    seen = case_pod(Reader(), exit_code)
    due = NOON + seconds(10) + PATIENCE
    assert judged(seen) == Underway(due, has_ended=True)
    assert judged(seen, due - timedelta(milliseconds=1)) == Underway(due, has_ended=True)
    judgement = judged(seen, due)
    assert isinstance(judgement, MustStop)
    assert judgement.outcome.verdict is (Verdict.PASSED if exit_code == 0 else Verdict.FAILED)
    assert judgement.outcome.message.endswith("of their reader, it did not end within 30 s after the case")
    assert not judgement.outcome.has_tests


def test_what_comes_after_the_outcome_was_written_does_not_count() -> None:
    """A node that comes back would change the message otherwise, whenever the operator is restarted."""
    written = attempt_of(verdict=Verdict.FAILED, message="without")
    assert judged(case_pod(reader(FAILED)), decided=written) == Ended(written)


def test_a_pod_that_is_over_is_not_waited_for() -> None:
    """Its status is final; a reader that it says nothing of says nothing any more."""
    outcome = ended(case_pod(Reader(), phase=PodPhase.FAILED))
    assert outcome.verdict is Verdict.FAILED
    assert outcome.message.endswith("of their reader, the pod is over, and does not show how it ended")


@pytest.mark.parametrize(
    "seen",
    [
        case_pod(Reader(), 137, reason="", phase=PodPhase.RUNNING),
        case_pod(Reader(), 143, deleted=True, phase=PodPhase.RUNNING),
        case_pod(reader(FAILED), 143, deleted=True),
    ],
    ids=["killed", "deleted", "deleted, and reported"],
)
def test_of_a_fault_of_the_infrastructure_no_tests_are_told(seen: PodObservation) -> None:
    """The attempt says nothing of the subject, and is repeated at once."""
    outcome = ended(seen)
    assert outcome.failure_class is FailureClass.INFRASTRUCTURE
    assert (outcome.details, outcome.has_tests) == ((), False)
    assert "test" not in outcome.message


def test_a_container_that_never_ran_left_nothing_behind() -> None:
    """That no file was found is no news then."""
    seen = replace(case_pod(reader(NOTHING)), terminated=Terminated(127, "StartError", "no such command"))
    assert ended(seen).message == "the container could not be started: no such command"


def test_of_a_container_that_used_too_much_memory_its_tests_are_told() -> None:
    """They say how far it came."""
    seen = replace(case_pod(reader(FAILED)), terminated=Terminated(137, "OOMKilled", "", NOON, NOON + seconds(10)))
    outcome = ended(seen)
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert outcome.message.endswith("; 1 of 2 tests failed: vat")
    assert outcome.details == DETAILS


def test_a_pod_without_a_reader_is_judged_as_ever() -> None:
    """An older release of the operator made it, or the case does not ask for one and something else has that name."""
    assert ended(case_pod(None)).message == "expected exit code 0, got 1"
    other = judge(job(pod=case_pod(reader(FAILED))), PLAIN, LATER, SETTINGS)
    assert isinstance(other, Ended)
    assert (other.outcome.message, other.outcome.details) == ("expected exit code 0, got 1", ())


# -- time is over --------------------------------------------------------------------------------------------------

ASKED = attempt_of(
    verdict=Verdict.TIMED_OUT, reason=Reason.CASE_TIMEOUT, message="too long", finished_at=NOON + seconds(61)
)


def killed_pod(found: Reader, **fields: Any) -> PodObservation:
    """Return a pod whose container was ended after its timeout."""
    terminated = Terminated(137, "Error", "", NOON, NOON + seconds(71))
    return case_pod(found, 137, **({"terminated": terminated, "deleted": True} | fields))


def test_of_a_case_that_was_killed_by_its_timeout_its_tests_are_told() -> None:
    """It wrote into the folder until the end; what is there is read."""
    judgement = judged(killed_pod(reader(FAILED)), NOON + seconds(73), asked_to_end=ASKED)
    assert isinstance(judgement, MustStop)
    outcome = judgement.outcome
    assert (outcome.verdict, outcome.message) == (Verdict.TIMED_OUT, "too long; 1 of 2 tests failed: vat")
    assert (outcome.details, outcome.has_tests) == (DETAILS, True)


def test_the_reader_of_a_case_that_was_killed_is_waited_for() -> None:
    """It is told to end after the case was killed."""
    seen = killed_pod(Reader(), ended_seen_at=NOON + seconds(71))
    due = NOON + seconds(71) + PATIENCE
    assert judged(seen, NOON + seconds(72), asked_to_end=ASKED) == Underway(due, has_ended=True)
    judgement = judged(seen, due, asked_to_end=ASKED)
    assert isinstance(judgement, MustStop)
    assert judgement.outcome.verdict is Verdict.TIMED_OUT
    assert "did not end within 30 s" in judgement.outcome.message


def test_a_written_outcome_has_the_details_that_its_pod_still_shows() -> None:
    """An annotation has no room for them."""
    written = replace(ASKED, message="too long; 1 of 2 tests failed: vat", has_tests=True)
    assert judged(killed_pod(reader(FAILED)), decided=written) == Ended(replace(written, details=DETAILS))
    assert judged(None, decided=written) == Ended(written)
    assert judged(killed_pod(Reader()), decided=written) == Ended(written)
    assert judged(killed_pod(reader()), decided=written) == Ended(written)
    large = replace_details(FAILED, 500)
    reference = judged(killed_pod(reader(large)), decided=written).report_in_log
    assert reference is not None
    assert f'"{reference.sha256}"' in encode(large)[0].decode()


# -- the plan ------------------------------------------------------------------------------------------------------


def planned_with(seen: JobObservation, now: datetime = LATER, **controls: Any) -> Plan:
    """Plan an execution of the case alone."""
    suite = suite_of(container_case("one", container=FIELDS, timeout="1m", retries=1))
    execution = record_of(suite, run_of(timeout="10s")).to_execution()
    return plan(execution, Controls(run_of(parallelism=1), **controls), [seen], PlanState(), now, SETTINGS)


@pytest.mark.parametrize(
    "controls",
    [
        {},
        {"ending": Ending(Reason.RUN_CANCELLED, "the run was cancelled")},
        {"over_since": NOON},
    ],
    ids=["the run's time is over", "the run is cancelled", "the run is over"],
)
def test_a_case_that_has_ended_is_not_ended_otherwise(controls: dict[str, Any]) -> None:
    """Its exit code is known; only what it left behind is not."""
    result = planned_with(job(pod=case_pod(Reader(), 0)), NOON + seconds(20), **controls)
    assert result.actions == ()
    assert not result.is_over
    assert result.requeue_at == NOON + seconds(10) + PATIENCE
    done = planned_with(job(pod=case_pod(reader(PASSED), 0)), NOON + seconds(20), **controls)
    assert done.plan_state.cases["one"].verdict is Verdict.PASSED


def test_a_case_whose_reader_is_waited_for_keeps_its_place() -> None:
    """Its pod still runs; and a next attempt must not run beside it."""
    result = planned_with(job(pod=case_pod(Reader())))
    assert result.running == {"one"}
    assert result.occupied == 1


def test_without_a_reader_in_time_the_outcome_is_written() -> None:
    """As any that is decided by the clock: after a fresh look, and on the Job."""
    result = planned_with(job(pod=case_pod(Reader(), 0)), NOON + seconds(10) + PATIENCE)
    [stop] = result.actions
    assert isinstance(stop, StopAttempt)
    assert stop.outcome.verdict is Verdict.PASSED


READERS = st.sampled_from([Reader(), reader(PASSED), reader(FAILED), reader(NOTHING), reader(), reader(exit_code=137)])


@given(
    found=READERS,
    exit_code=st.sampled_from([0, 1, 137, 143]),
    phase=st.sampled_from(PodPhase),
    after=st.integers(0, 100),
    deleted=st.booleans(),
    asked=st.booleans(),
)
def test_no_reader_changes_a_verdict(
    found: Reader, exit_code: int, phase: PodPhase, after: int, deleted: bool, asked: bool
) -> None:
    """Whatever the reader does, and whenever that is seen, the verdict is the one of a pod without it."""
    now = NOON + seconds(10 + after)
    seen = case_pod(found, exit_code, phase=phase, deleted=deleted, ended_seen_at=NOON + seconds(10))
    asked_to_end = ASKED if asked else None
    without = judged(replace(seen, reader=None), now, asked_to_end=asked_to_end)
    judgement = judged(seen, now, asked_to_end=asked_to_end)
    if isinstance(judgement, Underway):
        assert judgement.has_ended
        assert after < PATIENCE.total_seconds()
        return
    outcome, expected = judgement.outcome, without.outcome
    assert (outcome.verdict, outcome.failure_class, outcome.reason) == (
        expected.verdict,
        expected.failure_class,
        expected.reason,
    )
