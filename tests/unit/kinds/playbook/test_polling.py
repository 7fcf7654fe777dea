"""An execution is followed until its log is complete, will never be, or the case's time is over."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.kinds.playbook.replay import Timeline, all_timelines

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.playbook.execution.event_types import meaning_of
from testrun_operator.kinds.playbook.execution.log import Log, Meaning
from testrun_operator.kinds.playbook.execution.polling import EventsIncomplete, LogPoller, OutOfTime, list_missing
from testrun_operator.kinds.playbook.spec import Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.problem import ConnectionFailed

_LONG = 1000.0


def _load(name: str) -> Timeline:
    (timeline,) = (one for one in all_timelines() if one.name == name)
    return timeline


class _Clock:
    """Time that passes only where it is waited."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class _Replayed:
    """An event log that shows a recording."""

    def __init__(self, timeline: Timeline, clock: _Clock, change: Callable[[Log], Log] = lambda log: log) -> None:
        self._timeline = timeline
        self._clock = clock
        self._change = change

    def read(self, root: int, *, until: float) -> Log:
        assert root == self._timeline.execution
        assert until >= self._clock.now
        return self._change(self._timeline.at(self._clock.now))


def _journal(lines: list[str], doing: list[str]) -> Journal:
    return Journal(
        Masker(()),
        write_line=lines.append,
        tell_detail=lambda _: None,
        tell_progress=lambda text, _: doing.append(text),
    )


def _follower(
    timeline: Timeline, clock: _Clock, change: Callable[[Log], Log] = lambda log: log
) -> tuple[LogPoller, list[str], list[str]]:
    lines: list[str] = []
    doing: list[str] = []
    poller = LogPoller(
        timeline.execution,
        _Replayed(timeline, clock, change),
        Settling(),
        _journal(lines, doing),
        clock=clock,
        sleep=clock.sleep,
    )
    return poller, lines, doing


_FINISHED = ("hello_world", "late_failure", "composition", "loop", "variables")


@pytest.mark.parametrize("release", ["1.8.0", "2.5.5", "4.26.0"])
@pytest.mark.parametrize("name", _FINISHED)
def test_a_log_that_is_complete_is_returned_whole(name: str, release: str) -> None:
    """What is judged has every row, and each event was counted and logged once."""
    clock = _Clock()
    timeline = _load(f"{name}-{release}")
    poller, lines, _ = _follower(timeline, clock)
    log = poller.poll(_LONG)
    assert log.events == timeline.complete.events
    assert poller.log == log
    assert len(lines) == len(log.events)
    assert clock.now >= timeline.end


def test_work_that_nobody_claims_ends_with_the_time_and_is_for_want_of_a_worker() -> None:
    """It says which step waits, so that people look at the worker and not at the playbook."""
    for release in ("1.8.0", "2.5.5", "4.26.0"):
        poller, _, doing = _follower(_load(f"no_worker-{release}"), _Clock())
        with pytest.raises(OutOfTime, match="nobody has claimed") as caught:
            poller.poll(40)
        assert caught.value.failure_class is FailureClass.DEPENDENCY
        assert "nobody has claimed" in doing[-1]


def test_a_step_that_takes_too_long_is_not_for_want_of_a_worker() -> None:
    """A worker has it: that it does not end is the playbook's own matter."""
    timeline = _load("worker_killed-4.26.0")
    poller, _, _ = _follower(timeline, _Clock())
    with pytest.raises(OutOfTime, match="which a worker has") as caught:
        poller.poll(30)
    assert caught.value.failure_class is FailureClass.TEST


@pytest.mark.parametrize("name", ["hello_world-4.26.0", "late_failure-2.5.5", "hello_world-1.8.0"])
def test_a_log_that_never_becomes_complete_is_not_judged(name: str) -> None:
    """The end of a command was lost, while the execution says that it is over."""
    timeline = _load(name)
    dropped = next(
        event
        for event in timeline.complete.events
        if meaning_of(timeline.dialect, event.type, event.status) is Meaning.ENDED
    )

    def lose(log: Log) -> Log:
        return replace(log, events=tuple(event for event in log.events if event != dropped))

    clock = _Clock()
    poller, _, _ = _follower(timeline, clock, lose)
    with pytest.raises(EventsIncomplete, match=r"stayed incomplete for 30 s: .* is missing") as caught:
        poller.poll(_LONG)
    assert caught.value.failure_class is FailureClass.DEPENDENCY
    assert caught.value.reason is Reason.EVENTS_INCOMPLETE
    assert str(timeline.execution) in str(caught.value)
    assert clock.now - timeline.end < 32


def test_a_log_that_cannot_be_read_any_more_is_told_and_what_was_seen_is_kept() -> None:
    """The report can still say which execution it was, and how far it came."""
    timeline = _load("slow-4.26.0")
    clock = _Clock()
    half = timeline.end / 2

    class _Lost(_Replayed):
        def read(self, root: int, *, until: float) -> Log:
            if clock.now > half:
                raise ConnectionFailed("the database did not answer")
            return super().read(root, until=until)

    poller = LogPoller(
        timeline.execution, _Lost(timeline, clock), Settling(), _journal([], []), clock=clock, sleep=clock.sleep
    )
    with pytest.raises(ConnectionFailed):
        poller.poll(_LONG)
    assert poller.log is not None
    assert poller.log.events


def test_a_log_that_is_complete_but_too_young_is_not_said_to_lack_something() -> None:
    """The time ended in the quiet time."""
    timeline = _load("hello_world-4.26.0")
    poller, _, _ = _follower(timeline, _Clock())
    with pytest.raises(OutOfTime, match=r"nothing is missing, but further events were waited for \(0\.25 s"):
        poller.poll(timeline.end + 0.1)


def test_no_recording_is_followed_beyond_the_time_that_the_case_has() -> None:
    """Whatever state it is in, it ends by then."""
    for timeline in all_timelines():
        clock = _Clock()
        poller, _, _ = _follower(timeline, clock)
        until = timeline.end / 3
        with pytest.raises((OutOfTime, EventsIncomplete)):
            poller.poll(until)
        assert clock.now <= until + 1e-6


def test_only_the_first_of_many_missing_things_are_named() -> None:
    """A message of a hundred of them would be read by nobody."""
    assert list_missing(("a,", "b")) == "a, b"
    assert list_missing(tuple("abcdefgh")) == "a, b, c, d, e and 3 more"
