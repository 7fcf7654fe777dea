"""What is expected because of an earlier execution holds for that execution, on every release."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kinds.playbook.replay import Timeline, all_timelines

from testrun_operator.kinds.playbook.commands.history import expectations_from, limit_of, summarize
from testrun_operator.kinds.playbook.execution.judging import judge
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import PlaybookStatus
from testrun_operator.masking import Masker

_BY_NAME = {timeline.name: timeline for timeline in all_timelines()}
_NEVER_OVER = ("no_worker", "worker_killed")


@pytest.mark.parametrize("timeline", _BY_NAME.values(), ids=_BY_NAME.keys())
def test_the_next_execution_of_the_same_kind_passes(timeline: Timeline) -> None:
    """Every expectation that is written holds for the log that it comes from."""
    log = timeline.complete
    recorded = summarize(log)
    if recorded is None:
        assert timeline.name.startswith(("no_worker", "worker_", "server_restarted", "retry"))
        return
    for in_order in (True, False):
        expect = expectations_from(recorded, in_order=in_order, duration=True)
        findings = list(judge(expect, log, final_status(log), {}, Masker([])))
        assert all(finding.passed for finding in findings), findings


@pytest.mark.parametrize("release", ["1.8.0", "2.5.5", "4.26.0"])
def test_good_executions_are_told_from_others(release: str) -> None:
    """One that completed though a step of it, or of what it started, failed is not good."""

    def is_good(name: str) -> bool | None:
        recorded = summarize(_BY_NAME[f"{name}-{release}"].complete)
        return recorded.is_good if recorded is not None else None

    assert is_good("hello_world") is True
    assert is_good("composition") is True
    assert is_good("late_failure") is False
    assert is_good("composition_of_failure") is False
    assert [is_good(name) for name in _NEVER_OVER] == [None, None]


@pytest.mark.parametrize("release", ["1.8.0", "2.5.5", "4.26.0"])
def test_a_log_that_lacks_its_end_teaches_nothing(release: str) -> None:
    """An execution that runs is not over."""
    timeline = _BY_NAME[f"variables-{release}"]
    half = timeline.at(timeline.end / 2)
    assert summarize(half) is None


def test_what_1_x_has_not_said_is_not_over() -> None:
    """Between two steps, nothing is missing that one could name."""
    log = _BY_NAME["variables-1.8.0"].complete
    for count in range(1, len(log.events)):
        part = replace(log, events=log.events[:count], work=(), knows_work=False)
        recorded = summarize(part)
        assert recorded is None or any(event.type == "playbook_completed" for event in part.events)
        assert recorded is None or not recorded.is_certain


@pytest.mark.parametrize("release", ["2.5.5", "4.26.0"])
def test_an_execution_that_another_started_is_no_example(release: str) -> None:
    """It had an input of its own."""
    log = _BY_NAME[f"composition-{release}"].complete
    child = next(execution for execution in log.executions if execution != log.root)
    own = tuple(event for event in log.events if event.execution == child)
    server_states = tuple(one for one in log.server_states if one.execution == child)
    work = tuple(one for one in log.work if one.execution == child)
    recorded = summarize(type(log)(child, log.dialect, own, work, server_states=server_states))
    assert recorded is not None
    assert recorded.is_child
    assert not recorded.is_good


def test_what_is_written_of_a_linear_playbook() -> None:
    """The order says that they ran, so that it is enough."""
    recorded = summarize(_BY_NAME["late_failure-4.26.0"].complete)
    assert recorded is not None
    expect = expectations_from(recorded, in_order=True, duration=False)
    assert expect.status is PlaybookStatus.FAILED
    assert expect.steps.in_order == ("start", "first", "second", "third", "fourth", "end")
    assert expect.steps.ran == ()
    assert expect.max_duration is None
    assert expectations_from(recorded, in_order=False, duration=False).steps.ran == expect.steps.in_order


def test_a_step_that_a_server_gave_out_twice_is_expected_once() -> None:
    """Servers of 1.x do that under load; without it, counts are what they are."""
    for name in ("hello_world", "loop", "composition"):
        log = _BY_NAME[f"{name}-1.8.0"].complete
        once = summarize(log)
        assert once is not None
        assert once.events == len(log.events)
        again = [replace(event, id=event.id + 2**40) for event in log.of(log.root) if event.node in ("after", "greet")]
        assert again
        twice = summarize(replace(log, events=(*log.events, *again)))
        assert twice is not None
        assert twice.events == once.events


def test_events_of_a_repetition_are_not_expected_again() -> None:
    """The next execution may not need it."""
    recorded = summarize(_BY_NAME["retry-1.8.0"].complete)
    assert recorded is not None
    assert recorded.is_good
    assert expectations_from(recorded, in_order=True, duration=False).min_events is None


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)))
def test_a_limit_is_generous_and_not_much_more(took: timedelta) -> None:
    """Three times what it took, rounded up."""
    limit = limit_of(took)
    assert limit >= max(3 * took, timedelta(seconds=5))
    assert limit <= max(3 * took * 2, timedelta(seconds=5))


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [(0.2, 5), (1.6, 5), (1.7, 10), (15, 45), (19.9, 60), (20, 60), (21, 75), (130, 420), (1500, 4800)],
)
def test_limits_are_round_numbers(seconds: float, limit: int) -> None:
    """As people would have written them."""
    assert limit_of(timedelta(seconds=seconds)) == timedelta(seconds=limit)
