"""Logs of very many events: what is done with them grows with their number, and not with the square of it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, State
from testrun_operator.kinds.playbook.execution.description import actual_events, describe
from testrun_operator.kinds.playbook.execution.eventlog.event_cache import MAX_EVENTS, EventCache
from testrun_operator.kinds.playbook.execution.judging import judge
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import PlaybookExpectations, Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import CannotJudge

_ROOT = 100
_WHEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as in logs
_COMMANDED = ("command.issued", "command.claimed", "command.started", "step.enter", "call.done", "step.exit")
_QUEUED = ("step_started", "action_started", "action_completed", "step_completed", "step_result")
_MASKER = Masker(["secret-of-all"])
_SMALL, _FACTOR = 400, 8
_ALLOWED = 3.5
"""Of what is linear; for eight times as many events the square would take eight times as long for each of them."""


def _log(dialect: Dialect, steps: int, *, is_loop: bool, is_broken: bool) -> Log:
    events: list[Event] = []

    def add(type_: str, node: str, command: int | None = None, error: str = "") -> None:
        number = len(events) + 1
        created = _WHEN + timedelta(milliseconds=number)
        events.append(Event(number, _ROOT, type_, "COMPLETED", node, created, command=command, error=error))

    is_queue = dialect is Dialect.QUEUE
    add("playbook_started" if is_queue else "playbook.initialized", "playbook")
    for step in range(steps):
        node = (f"each_iter_{step}" if is_queue else "each") if is_loop else f"step_{step}"
        command = 1000 + step if dialect is Dialect.BATCH else None
        for type_ in _QUEUED if is_queue else (*_COMMANDED, "command.completed"):
            add(type_, node, command, "boom" if is_broken and type_ in ("call.done", "action_completed") else "")
    add("playbook_completed" if is_queue else "playbook.completed", "playbook")
    return Log(_ROOT, dialect, tuple(events))


def _examine(log: Log) -> None:
    assert CompletenessTracker(Settling()).observe(log, 0.0).state is State.OPEN


def _judge(log: Log) -> None:
    final = final_status(log)
    expect = PlaybookExpectations.model_validate({"steps": {"ran": ["each"], "inOrder": ["step_1", "step_2"]}})
    document = describe(log, final)
    assert list(judge(expect, log, final, document, _MASKER))
    assert actual_events(log, _MASKER).last


def _follow_growth(log: Log) -> None:
    """Look at the log again and again while a few events come each time, but without what is done about changes."""
    settler = CompletenessTracker(Settling())
    lateness = settler._lateness
    for end in range(0, len(log.events), 50):
        lateness.observe(log.events[max(0, end - 50) : end], end / 1000)


@pytest.mark.parametrize("work", [_examine, _judge, _follow_growth])
@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(("is_loop", "is_broken"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_time_for_a_log_grows_with_its_length(
    work: Callable[[Log], None], dialect: Dialect, *, is_loop: bool, is_broken: bool
) -> None:
    """Whatever is in it: many steps, a long loop, an error in each of them."""
    small = _log(dialect, _SMALL, is_loop=is_loop, is_broken=is_broken)
    large = _log(dialect, _SMALL * _FACTOR, is_loop=is_loop, is_broken=is_broken)
    for _ in range(4):  # a busy machine may disturb one measurement, but not all
        if _seconds(lambda: work(large)) <= _ALLOWED * _FACTOR * min(_seconds(lambda: work(small)) for _ in range(3)):
            return
    pytest.fail("the time grows faster than the log")


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return max(time.process_time() - began, 0.002)


def test_a_log_that_does_not_fit_into_the_pod_is_refused_before_it_is_read_to_its_end() -> None:
    """The pod would be killed, and nobody knew why."""
    cache = EventCache(_ROOT)
    made = 0

    def endless() -> Event:
        nonlocal made
        made += 1
        return Event(made, _ROOT, "step.exit", "", "step", _WHEN)

    with pytest.raises(CannotJudge, match=f"more than {MAX_EVENTS} events"):
        cache.add(iter(endless, None))
    assert made == MAX_EVENTS + 1
