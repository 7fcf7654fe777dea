"""Which Jobs may go while their run goes on, and how a status names their cases."""

import base64
import random
import zlib
from dataclasses import replace
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
    outcome_of,
    outcomes_of,
    planned,
    run_of,
    running_pod,
    with_pod,
)
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.observation import JobState
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.engine.planning import Execution, PlanState
from testrun_operator.engine.removal import find_removable, name_cases, read_cases
from testrun_operator.engine.told import passed_before
from testrun_operator.resources.status import RecordDigest

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True), unique=True, min_size=1, max_size=60)


def execution_of(*cases: Any) -> Execution:
    """Return an execution of cases."""
    return Execution(planned(*cases), NOON, run_of())


ONE_AND_TWO = execution_of(container_case("one"), container_case("two", needs=["one"]))
DONE = job(state=JobState.COMPLETE)


def removable(outcome: CaseOutcome, *jobs: Any, stored: set[str] | None = None) -> frozenset[str]:
    """Return what may go of an execution of one case."""
    plan_state = PlanState(cases={"one": outcome})
    return find_removable(execution_of(container_case("one")), plan_state, jobs or (DONE,), stored)


# -- which ones -------------------------------------------------------------------------------------------------------


def test_a_case_that_passed_may_go() -> None:
    """With its pod as it ended, or gone, and also if somebody has deleted its Job already."""
    passed = outcome_of()
    assert removable(passed) == {"one"}
    assert removable(passed, with_pod(DONE, ended_pod())) == {"one"}
    assert find_removable(execution_of(container_case("one")), PlanState(cases={"one": passed}), (), None) == {"one"}


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASSED])
def test_nothing_else_may(verdict: Verdict) -> None:
    """People want to look at it."""
    assert removable(outcome_of(verdict=verdict)) == frozenset()


def test_what_needed_a_second_attempt_may_not() -> None:
    """Neither for a failure, which makes it flaky, nor for a fault of the infrastructure."""
    attempts = (attempt_of(verdict=Verdict.ERRORED), attempt_of(attempt=2))
    assert removable(outcome_of(attempts=attempts)) == frozenset()
    assert removable(outcome_of(attempts=attempts, flaky=True)) == frozenset()
    assert removable(outcome_of(attempts=(attempt_of(attempt=2),))) == frozenset()


def test_a_job_that_is_not_over_may_not_go() -> None:
    """Its pod still acts on the subject, or another container of it goes on: its end is somebody else's business."""
    passed = outcome_of()
    assert removable(passed, job()) == frozenset()
    assert removable(passed, with_pod(DONE, running_pod())) == frozenset()
    assert removable(passed, with_pod(DONE, ended_pod(others_running=True, phase="Running"))) == frozenset()
    assert removable(passed, DONE, job(attempt=2, state=JobState.COMPLETE)) == frozenset()


def test_what_is_not_stored_may_not_go() -> None:
    """Only its Job shows what is to be stored."""
    assert removable(outcome_of(), stored=set()) == frozenset()
    assert removable(outcome_of(), stored={"one"}) == {"one"}


def test_what_another_case_needs_may_not_go() -> None:
    """Its outputs are in its Job, until the other case has ended for good."""
    one = outcomes_of({"one": Verdict.PASSED})
    assert find_removable(ONE_AND_TWO, PlanState(cases=one), (DONE,), None) == frozenset()
    for verdict in Verdict:
        both = one | outcomes_of({"two": verdict})
        assert "one" in find_removable(ONE_AND_TWO, PlanState(cases=both), (DONE,), None)


def test_a_case_that_a_status_names_is_passed_and_no_more() -> None:
    """It has no attempts to be stored again, nor to be chosen again."""
    known = passed_before(planned(container_case("one"))[0])
    assert (known.verdict, known.attempts, known.flaky, known.failure_class) == (Verdict.PASSED, (), False, None)
    assert removable(known) == frozenset()


# -- how they are named -----------------------------------------------------------------------------------------------


@given(NAMES, st.data())
def test_what_is_written_is_read(names: list[str], data: st.DataObject) -> None:
    """Whichever cases, and in whichever order another release plans them."""
    chosen = frozenset(data.draw(st.sets(st.sampled_from(names))))
    named = name_cases(chosen, names)
    assert named.cases == chosen
    assert read_cases(named.text, data.draw(st.permutations(names))) == named
    assert (named.text is None) == (not chosen)


@given(NAMES, st.text(max_size=80) | st.binary(max_size=60).map(lambda content: base64.b64encode(content).decode()))
def test_any_other_text_is_refused_or_names_known_cases(names: list[str], text: str) -> None:
    """It never raises anything else, and never names what is not in the execution."""
    try:
        named = read_cases(text, names)
    except ValueError:
        return
    assert named.cases <= set(names)


def packed(content: bytes) -> str:
    """Return bytes as a status has them."""
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "no base64 at all",
        packed(b""),
        packed(b"\x01\x00"),
        packed(b"\x04"),
        packed(b"\x00" * 100_000_000),
        packed(b"\x01")[:-4],
        base64.b64encode(zlib.compress(b"\x01") + b"more").decode(),
    ],
    ids=["empty", "short", "words", "nothing", "too long", "unknown case", "huge", "cut", "more behind it"],
)
def test_a_text_that_was_not_written_for_these_cases_is_refused(text: str) -> None:
    """Whoever reads it wrong would start cases again, or never."""
    with pytest.raises(ValueError, match=r".*"):
        read_cases(text, ["one", "two"])


def test_ten_thousand_cases_fit_into_a_status() -> None:
    """Even if those that passed follow no pattern; each status is sent to everybody who watches TestRuns."""
    names = [f"case-{number:05}" for number in range(10_000)]
    some = random.Random("any").sample(names, 5_000)
    text = name_cases(frozenset(some), names).text
    assert text is not None
    assert len(text) <= 1700
    assert len(name_cases(frozenset(names), names).text or "") < 50
    assert RecordDigest(run_id="1", digest="0" * 32, without_jobs=text).without_jobs == text


def test_variants_that_share_their_needs_are_looked_at_once() -> None:
    """256 variants that each need 256 others are 65,536 needs; of 10,000 cases it would be millions, at each look."""
    values = [str(number) for number in range(256)]
    first, second = container_case("first", matrix={"a": values}), container_case("second", matrix={"a": values})
    execution = execution_of(first, second | {"needs": ["first"]})
    assert len({id(case.needs) for case in execution.cases}) <= 3
    outcomes = {case.name: outcome_of(case.name) for case in execution.cases if case.name.startswith("first")}
    assert find_removable(execution, PlanState(cases=outcomes), (), None) == frozenset()
    several = replace(execution, cases=execution.cases[:256])
    assert len(find_removable(several, PlanState(cases=outcomes), (), None)) == 256
