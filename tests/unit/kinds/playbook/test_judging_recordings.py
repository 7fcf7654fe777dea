"""Real executions of three releases, judged: what passes, what fails, and what is said of it."""

import random
from dataclasses import replace

import pytest
from pydantic import JsonValue
from tests.unit.kinds.playbook.replay import TIMELINES, Timeline, all_timelines, load

from testrun_operator.kinds.playbook.execution.completeness import examine
from testrun_operator.kinds.playbook.execution.description import actual_events, describe
from testrun_operator.kinds.playbook.execution.judging import judge
from testrun_operator.kinds.playbook.execution.log import Log
from testrun_operator.kinds.playbook.execution.status import final_status, find_errors
from testrun_operator.kinds.playbook.execution.steps import find_starts
from testrun_operator.kinds.playbook.spec import PlaybookExpectations, PlaybookStatus
from testrun_operator.masking import Masker
from testrun_operator.runner.findings import Finding

OF_PYTHON = ("1.8.0", "2.5.5", "4.26.0")
RUST = "rust-3.54.0"
RELEASES = (*OF_PYTHON, RUST)
ALL_WELL = ("hello_world", "start_with_action", "variables", "slow", "loop", "composition", "composition_child")
ALL_WELL += ("composition_waiting", "pagination_pages", "pagination_cursor", "retry", "open_end")
_COMPLETES_WITH_AN_ERROR = (f"late_failure-{RUST}", f"retry_exhausted-{RUST}")
_ALMOST_ALL: dict[str, JsonValue] = {
    "minEvents": 5,
    "maxEvents": 8,
    "maxDuration": "1s",
    "events": [{"type": "playbook.completed"}, {"type": "step.exit", "status": "completed", "node": "third"}],
    "steps": {"ran": ["third", "nowhere"], "notRan": ["first", "fourth"], "inOrder": ["third", "first"]},
    "jmespath": [{"expression": "status", "equals": "Completed"}, {"expression": "length(result)", "equals": 1}],
}


def judge_log(log: Log, **expect: JsonValue) -> list[Finding]:
    """Judge a log against expectations as they stand in a suite."""
    final = final_status(log)
    expectations = PlaybookExpectations.model_validate(expect)
    return list(judge(expectations, log, final, describe(log, final), Masker([])))


def broken(log: Log, **expect: JsonValue) -> dict[str, str]:
    """Give what is wrong, by the expectation's name."""
    return {finding.name: finding.sentence for finding in judge_log(log, **expect) if not finding.passed}


def recorded(playbook: str, release: str) -> Log:
    """Give the complete log of a recording."""
    return load(TIMELINES / f"{playbook}-{release}.json").complete


def _complete(playbooks: tuple[str, ...]) -> list[Timeline]:
    """Give recordings of playbooks whose executions came to their end."""
    found = [timeline for timeline in all_timelines() if timeline.name.rpartition("-")[0] in playbooks]
    return [timeline for timeline in found if not examine(timeline.complete).missing]


@pytest.mark.parametrize("timeline", _complete(ALL_WELL), ids=lambda timeline: timeline.name)
def test_a_playbook_that_does_what_it_should_passes_without_any_word(timeline: Timeline) -> None:
    """No expectation at all means that it completes without an error."""
    assert broken(timeline.complete) == {}


def test_most_of_the_recordings_are_among_those_that_do_what_they_should() -> None:
    """A filter that finds nothing would make a test that cannot fail."""
    assert len(_complete(ALL_WELL)) >= 30


@pytest.mark.parametrize("release", OF_PYTHON)
def test_a_failure_is_told_with_its_step_and_its_text(release: str) -> None:
    """4.26 says of the step that it is COMPLETED, goes on, and gives no text with playbook.failed."""
    problems = broken(recorded("late_failure", release))
    assert problems["status"].startswith("expected Completed, got Failed (playbook")
    assert "first error: step 'third': the third step is broken" in problems["status"]
    assert problems["noErrors"] == "expected no errors, got errors in step 'third'"


@pytest.mark.parametrize("release", OF_PYTHON)
def test_a_failure_that_is_expected_passes(release: str) -> None:
    """Errors are then no surprise."""
    assert broken(recorded("late_failure", release), status="Failed") == {}


def test_where_the_server_says_that_it_completed_the_error_is_told_all_the_same() -> None:
    """For those in Rust a program that fails is a result, and the flow goes on to the end."""
    log = recorded("late_failure", RUST)
    text = "Python script exited with code 1: ValueError: the third step is broken"
    assert broken(log) == {"noErrors": f"expected no errors, got an error in step 'third': {text}"}
    assert broken(log, noErrors=False, steps={"ran": ["third", "fourth"]}) == {}
    assert "got Completed (playbook.completed/COMPLETED)" in broken(log, status="Failed")["status"]
    assert broken(log, noErrors=False, jmespath=[{"expression": "steps.third.error", "equals": text}]) == {}
    assert "step 'stubborn': Python script exited" in broken(recorded("retry_exhausted", RUST))["noErrors"]


def test_an_execution_that_was_cancelled_in_rust_goes_on_for_the_step_that_runs() -> None:
    """It calls the playbook cancelled, not the execution."""
    log = recorded("cancelled", RUST)
    assert broken(log, status="Cancelled") == {}
    assert "got Cancelled (playbook_cancelled/CANCELLED)" in broken(log)["status"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_success_is_broken_where_a_failure_is_expected(release: str) -> None:
    """And there is no first error to be told."""
    problems = broken(recorded("hello_world", release), status="Failed")
    assert list(problems) == ["status"]
    assert "expected Failed, got Completed" in problems["status"]
    assert "first error" not in problems["status"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_failure_of_what_it_started_is_an_error_of_the_playbook(release: str) -> None:
    """The parent says that it completed; so the baseline took it for a success."""
    log = recorded("composition_of_failure", release)
    child = next(execution for execution in log.executions if execution != log.root)
    said = "Python script exited with code 1: ValueError: " if release == RUST else ""
    text = f"expected no errors, got an error in step 'third' of execution {child}: {said}the third step is broken"
    assert broken(log) == {"noErrors": text}
    assert broken(log, noErrors=False) == {}


@pytest.mark.parametrize("release", ["1.8.0", "4.26.0"])
def test_a_retry_that_worked_is_no_error(release: str) -> None:
    """1.8.0 writes playbook_failed for the first attempt; 4.26 repeats within the worker and writes nothing."""
    log = recorded("retry", release)
    findings = {finding.name: finding for finding in judge_log(log, noErrors=True)}
    assert findings["status"].passed
    assert findings["noErrors"].passed
    assert ("step 'fetch': Unknown error" in findings["noErrors"].actual) == (release == "1.8.0")


def test_all_that_a_failed_attempt_wrote_is_repeated_with_it() -> None:
    """Also what it said of the workflow and of the playbook."""
    errors = find_errors(recorded("retry", "1.8.0"))
    assert errors.standing == ()
    assert [event.type for event in errors.repeated] == [
        *("action_failed", "step_failed"),
        *("workflow_failed", "playbook_failed"),
    ]


@pytest.mark.parametrize("release", ["1.8.0", "4.26.0"])
def test_a_retry_that_never_worked_is_a_failure(release: str) -> None:
    """However often it was tried."""
    log = recorded("retry_exhausted", release)
    problems = broken(log)
    assert "got Failed" in problems["status"]
    assert "step 'stubborn': never works" in problems["status"]
    assert find_errors(log).repeated == ()


@pytest.mark.parametrize("release", ["2.5.5", "4.26.0"])
def test_an_execution_without_a_last_event_is_judged_by_its_errors(release: str) -> None:
    """It is said that this was inferred."""
    log = recorded("open_end", release)
    status = judge_log(log)[0]
    assert status.passed
    assert status.actual == "Completed (inferred, as no event says so)"
    assert "inferred" in broken(log, status="Failed")["status"]


def test_a_cancelled_execution_is_what_it_says() -> None:
    """Although the engine goes on for a step after that."""
    log = recorded("cancelled", "4.26.0")
    assert broken(log, status="Cancelled") == {}
    assert "got Cancelled (execution.cancelled/CANCELLED)" in broken(log)["status"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("late_failure-1.8.0", ["first", "second", "third"]),
        ("late_failure-2.5.5", ["start", "first", "second", "third"]),
        ("late_failure-4.26.0", ["start", "first", "second", "third", "fourth", "end"]),
        ("loop-1.8.0", ["each", "each", "each", "after"]),
        ("loop-2.5.5", ["start", "each", "each", "each", "after", "end"]),
        ("loop-4.26.0", ["start", "each", "each", "each", "after", "end"]),
        ("composition-1.8.0", ["prepare", "child", "after"]),
        ("composition-4.26.0", ["start", "prepare", "child", "after", "end"]),
        ("retry-1.8.0", ["fetch", "after"]),
        ("retry-4.26.0", ["start", "fetch", "after", "end"]),
        ("open_end-4.26.0", ["start", "end"]),
        # Work that nobody took: 1.x writes that the step started as soon as it waits for a worker.
        ("no_worker-1.8.0", []),
        ("no_worker-2.5.5", []),
        ("no_worker-4.26.0", []),
        # The worker died, and another one began again.
        ("worker_restarted-1.8.0", ["sleep"]),
        ("worker_restarted-2.5.5", ["start", "sleep", "sleep", "end"]),
    ],
)
def test_steps_ran_where_a_worker_began_with_them(name: str, expected: list[str]) -> None:
    """Under the names that they have in the playbook, in the order in which they began."""
    assert [start.step for start in find_starts(load(TIMELINES / f"{name}.json").complete)] == expected


@pytest.mark.parametrize("release", RELEASES)
def test_the_results_of_steps_are_those_that_the_playbook_makes(release: str) -> None:
    """Each release writes them in another place, and with other things around them."""
    log = recorded("variables", release)
    document = describe(log, final_status(log))
    assert isinstance(document, dict)
    steps = document["steps"]
    assert isinstance(steps, dict)
    assert steps["measure"] == {"city": "Tbilisi", "fahrenheit": 68.0}
    assert steps["describe"] == {"text": "Tbilisi: 68 F"}
    assert document["result"] == {"text": "Tbilisi: 68 F"}
    assert document["status"] == "Completed"
    assert document["execution"] == {"id": str(log.root)}
    # A variable of the workload is no step.
    assert set(steps) <= {"start", "measure", "describe", "end"}


@pytest.mark.parametrize(
    ("playbook", "release", "step", "result"),
    [
        ("start_with_action", "1.8.0", "start", {"total": 12}),
        ("start_with_action", "2.5.5", "start", {"total": 12}),
        ("start_with_action", "4.26.0", "start", {"total": 12}),
        ("loop", "1.8.0", "each", [{"letters": 4}, {"letters": 7}, {"letters": 7}]),
        ("loop", "2.5.5", "each", {"letters": 7}),
        ("pagination_pages", "1.8.0", "count", {"items": 35}),
        ("pagination_pages", "4.26.0", "count", {"items": 35}),
        ("retry", "1.8.0", "after", {"after": "retry"}),
        ("retry", "4.26.0", "after", {"after": "retry"}),
        ("open_end", "4.26.0", "end", {"status": "ok"}),
    ],
)
def test_the_results_of_special_steps(playbook: str, release: str, step: str, result: JsonValue) -> None:
    """A start with a tool, a loop, a retry, a list of tasks."""
    log = recorded(playbook, release)
    document = describe(log, final_status(log))
    assert isinstance(document, dict)
    steps = document["steps"]
    assert isinstance(steps, dict)
    assert steps[step] == result


@pytest.mark.parametrize("release", OF_PYTHON)
def test_the_error_of_a_step_is_in_its_result(release: str) -> None:
    """So that a failure that is expected can be expected to be the right one."""
    expression = {"expression": "steps.third.error", "equals": "the third step is broken"}
    assert broken(recorded("late_failure", release), status="Failed", jmespath=[expression]) == {}


def test_without_what_the_server_keeps_the_events_of_4_tell_the_results() -> None:
    """As where the server's API is all that there is, and its answer about the execution is gone."""
    log = recorded("variables", "4.26.0")
    document = describe(replace(log, server_states=()), final_status(log))
    assert document == describe(log, final_status(log))


@pytest.mark.parametrize("release", RELEASES)
def test_events_are_counted_whatever_a_release_calls_them(release: str) -> None:
    """One suite for several servers."""
    log = recorded("hello_world", release)
    count = len(log.events)
    expect: dict[str, JsonValue] = {
        "minEvents": count,
        "maxEvents": count,
        "maxDuration": "1m",
        "events": [
            {"type": "Playbook.Completed", "max": 1},
            {"type": "playbook_completed", "status": "Completed"},
            {"type": "playbook.failed", "min": 0, "max": 0},
        ],
        "steps": {"ran": ["greet"], "notRan": ["goodbye"], "inOrder": ["greet"]},
        "jmespath": [
            {"expression": "events.playbook_completed", "equals": 1},
            {"expression": "steps.greet.greeting", "equals": "hello, world"},
        ],
    }
    assert broken(log, **expect) == {}
    findings = judge_log(log, **expect)
    assert len(findings) == 13
    assert all(finding.expected and finding.actual for finding in findings)


@pytest.mark.parametrize("timeline", all_timelines(), ids=lambda timeline: timeline.name)
def test_the_same_log_in_any_order_of_rows_gives_the_same_findings(timeline: Timeline) -> None:
    """Rows come in whatever order the database likes."""
    log = timeline.complete
    expected = judge_log(log, **_ALMOST_ALL)
    document, counts = describe(log, final_status(log)), actual_events(log, Masker([]))
    for seed in range(5):
        events, work = list(log.events), list(log.work)
        random.Random(seed).shuffle(events)
        random.Random(seed).shuffle(work)
        shuffled = replace(
            log, events=tuple(events), work=tuple(work), server_states=tuple(reversed(log.server_states))
        )
        final, again = final_status(log), PlaybookExpectations.model_validate(_ALMOST_ALL)
        assert describe(shuffled, final) == document
        assert list(judge(again, shuffled, final, document, Masker([]))) == expected
        assert actual_events(shuffled, Masker([])) == counts


@pytest.mark.parametrize("timeline", all_timelines(), ids=lambda timeline: timeline.name)
def test_what_is_broken_says_what_was_expected_and_what_was_seen(timeline: Timeline) -> None:
    """And nothing that passed says that something is wrong."""
    for finding in judge_log(timeline.complete, **_ALMOST_ALL):
        assert finding.expected
        assert finding.actual
        if not finding.passed:
            assert finding.sentence.startswith(f"expected {finding.expected}, got ")
            assert finding.expected != finding.actual


@pytest.mark.parametrize("timeline", all_timelines(), ids=lambda timeline: timeline.name)
def test_a_recording_is_counted_completely(timeline: Timeline) -> None:
    """What a report shows of it is bounded."""
    log = timeline.complete
    counts = actual_events(log, Masker([]))
    assert sum(counts.by_type.values()) == len(log.events)
    assert len(counts.last) == min(20, len(log.events))
    last = max(log.events, key=lambda event: event.id)
    assert (counts.last[-1].type, counts.last[-1].node) == (last.type, last.node)
    assert counts.last[-1].execution == (None if last.execution == log.root else str(last.execution))


def test_no_recorded_error_is_overlooked() -> None:
    """Every execution that says that it failed has an error that stands, and none that is well has one."""
    for timeline in all_timelines():
        log = timeline.complete
        if examine(log).missing:
            continue
        errors = find_errors(log)
        if final_status(log).status is PlaybookStatus.FAILED:
            assert errors.standing, timeline.name
        elif timeline.name not in _COMPLETES_WITH_AN_ERROR and not timeline.name.startswith("composition_of_failure"):
            assert not errors.standing, timeline.name
