"""When a log is taken for complete: every recording, looked at often and seldom, and what real servers do wrong."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.kinds.playbook.replay import Timeline, all_timelines, replay

from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, Decision, State, examine
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log, ServerState, Work, WorkState
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import Settling

_NEVER_END = ("no_worker", "worker_killed", "retry-2.5.5", "retry_exhausted-2.5.5", "server_restarted-2.5.5")
_WHEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as in the log
_INTERVALS = (None, 0.05, 0.3, 1.1)
_PHASES = (0.0, 0.13, 0.77)


def _ends(timeline: Timeline) -> bool:
    return not examine(timeline.complete).missing


@pytest.mark.parametrize("timeline", all_timelines(), ids=lambda timeline: timeline.name)
def test_a_recording_is_settled_when_its_last_row_is_there_and_soon_after(timeline: Timeline) -> None:
    """Neither how often it is looked at nor when the looking began may matter."""
    expected = final_status(timeline.complete)
    for interval in _INTERVALS:
        for phase in _PHASES:
            outcome = replay(timeline, interval, phase)
            if not _ends(timeline):
                assert outcome.decision.state is State.OPEN
                assert outcome.decision.missing
                continue
            assert outcome.decision.state is State.SETTLED
            assert outcome.at >= timeline.end
            # One look finds the last row, and one finds that the time is over.
            looks = 2 * (0.5 if interval is None else interval)
            assert outcome.at <= max(timeline.end, phase) + outcome.decision.quiet + looks
            assert final_status(outcome.log) == expected


def test_recordings_that_end_leave_no_doubt() -> None:
    """A doubt makes a case some seconds slower: what real servers write all the time must raise none."""
    ended = [timeline for timeline in all_timelines() if _ends(timeline)]
    assert len(ended) > 30
    assert {timeline.name: examine(timeline.complete).suspected for timeline in ended if _doubted(timeline)} == {}


def _doubted(timeline: Timeline) -> bool:
    return bool(examine(timeline.complete).suspected)


def test_recordings_that_never_end_are_the_expected_ones() -> None:
    """A rule that never settles would pass the tests above."""
    open_names = {timeline.name for timeline in all_timelines() if not _ends(timeline)}
    assert {name for name in open_names if not name.startswith(_NEVER_END)} <= {
        "worker_restarted-4.26.0",
        "server_restarted-4.26.0",
    }


def test_work_that_nobody_claims_is_named() -> None:
    """It is what the message of a timeout says."""
    for timeline in all_timelines():
        if timeline.name.startswith("no_worker"):
            examination = examine(timeline.complete)
            assert any("nobody has claimed" in one or "queued" in one for one in examination.waiting_for_worker)
        if timeline.name.startswith("worker_killed"):
            assert examine(timeline.complete).waiting_for_worker == ()


class _Writer:
    """Writes a log of one execution, a row a call."""

    def __init__(self, dialect: Dialect, root: int = 1000) -> None:
        self.dialect, self.root = dialect, root
        self.events: list[Event] = []
        self.work: list[Work] = []
        self.server_states: list[ServerState] = []

    def add(
        self, type_: str, node: str = "p", *, command: int | None = None, execution: int | None = None
    ) -> "_Writer":
        number = len(self.events) + 1
        self.events.append(Event(number, execution or self.root, type_, "", node, _WHEN, command=command))
        return self

    def command(self, node: str, command: int | None = None) -> "_Writer":
        self.add("command.issued", node, command=command)
        self.add("command.claimed", node, command=command).add("command.started", node, command=command)
        self.add("step.enter", node).add("call.done", node, command=command).add("step.exit", node, command=command)
        return self.add("command.completed", node, command=command)

    def begin(self) -> "_Writer":
        return self.add("playbook.initialized").add("workflow.initialized")

    def end(self) -> "_Writer":
        return self.add("workflow.completed").add("playbook.completed")

    @property
    def log(self) -> Log:
        return Log(
            self.root, self.dialect, tuple(self.events), work=tuple(self.work), server_states=tuple(self.server_states)
        )


def _watch(log: Log, seconds: float, settling: Settling | None = None) -> Decision:
    """Look at a log that does not change, for some seconds."""
    settler = CompletenessTracker(settling or Settling())
    now = 0.0
    decision = settler.observe(log, now)
    while decision.state is State.OPEN and now < seconds:
        now += decision.poll_after
        decision = settler.observe(log, now)
    return decision


def test_commands_are_matched_one_by_one_and_not_by_their_number() -> None:
    """4.26 reported the end of one command twice, while another ran for 137 seconds more."""
    writer = _Writer(Dialect.BATCH).begin().command("first", 1)
    writer.add("command.failed", "first", command=1).add("command.issued", "second", command=2)
    writer.add("command.claimed", "second", command=2).end()
    examination = examine(writer.log)
    assert len([event for event in writer.events if event.type == "command.issued"]) == 2
    assert any("'second', which a worker has" in one for one in examination.missing)


def test_a_second_end_does_not_stand_for_that_of_the_next_time_round() -> None:
    """2.5.5 does not tell which command an end belongs to: only the order does."""
    writer = _Writer(Dialect.COMMAND).begin().command("each").add("command.completed", "each")
    writer.add("command.issued", "each")
    assert any("'each', which nobody has claimed" in one for one in examine(writer.log).missing)


def test_a_worker_that_has_a_command_once_more_is_waited_for() -> None:
    """NATS gives a command to a second worker when the first is slow; what it writes belongs to the log."""
    writer = _Writer(Dialect.COMMAND).begin().command("slow").add("command.claimed", "slow").end()
    assert any("once more" in one for one in examine(writer.log).missing)


def test_an_execution_that_is_over_and_lacks_an_event_is_incomplete_after_the_limit() -> None:
    """It must neither pass nor fail, and says what is missing."""
    writer = _Writer(Dialect.COMMAND).begin().command("first").add("command.issued", "second")
    writer.add("command.claimed", "second").end()
    settling = Settling(limit=timedelta(seconds=5))
    assert _watch(writer.log, 4.5, settling).state is State.OPEN
    decision = _watch(writer.log, 60, settling)
    assert decision.state is State.INCOMPLETE
    assert "step 'second'" in decision.missing[0]


def test_work_that_is_under_way_after_the_last_event_is_waited_for_beyond_the_limit() -> None:
    """A playbook does not wait for those that it starts: they may run for long after it."""
    writer = _Writer(Dialect.COMMAND).begin().command("start").end()
    for type_ in ("playbook.initialized", "workflow.initialized"):
        writer.add(type_, execution=2000)
    for type_ in ("command.issued", "command.claimed"):
        writer.add(type_, "long", execution=2000)
    assert _watch(writer.log, 100).state is State.OPEN
    assert "of execution 2000" in _watch(writer.log, 100).missing[0]


def test_an_execution_that_does_not_say_that_it_is_over_stays_open() -> None:
    """The case's timeout ends that, and tells who has the work."""
    writer = _Writer(Dialect.COMMAND).begin().add("command.issued", "start")
    decision = _watch(writer.log, 1000)
    assert decision.state is State.OPEN
    assert decision.examination.waiting_for_worker


def test_a_log_without_any_command_is_not_balanced() -> None:
    """Nothing issued and nothing ended is the state of every execution after its first event."""
    assert _watch(_Writer(Dialect.BATCH).begin().log, 100).state is State.OPEN
    assert _watch(_Writer(Dialect.COMMAND).log, 100).state is State.OPEN


@pytest.mark.parametrize("dialect", Dialect)
def test_an_execution_that_is_over_before_anything_was_done_is_doubted(dialect: Dialect) -> None:
    """Found by delays: every row of its only step was late, and its last event was not."""
    assert any("any " in one for one in examine(_Writer(dialect).begin().end().log).suspected)


def test_what_the_server_says_of_an_execution_ends_it_too() -> None:
    """About a third of the executions of 4.26 never write that they are over."""
    writer = _Writer(Dialect.BATCH).begin().add("command.issued", "start", command=1)
    writer.work = [Work(1, writer.root, "start", WorkState.ENDED, "COMPLETED")]
    writer.server_states = [ServerState(writer.root, "COMPLETED", is_over=True)]
    decision = _watch(writer.log, 100)
    assert decision.state is State.INCOMPLETE
    assert any("step 'start'" in one for one in decision.missing)


def test_a_cancelled_execution_does_not_wait_for_commands_that_nobody_takes() -> None:
    """The engine issues the next command although it was told to cancel."""
    writer = _Writer(Dialect.BATCH).begin().command("slow", 1).add("execution.cancelled")
    writer.add("command.issued", "next", command=2)
    writer.work = [
        Work(1, writer.root, "slow", WorkState.ENDED, "COMPLETED"),
        Work(2, writer.root, "next", WorkState.WAITING, "PENDING"),
    ]
    assert examine(writer.log).missing == ()


def test_an_execution_that_a_result_names_is_waited_for_but_not_for_ever() -> None:
    """It may be one of another server, whose log is elsewhere."""
    log = _Writer(Dialect.COMMAND).begin().command("call").end().log
    events = [replace(one, result={"execution_id": "1001"}) if one.type == "step.exit" else one for one in log.events]
    decision = _watch(replace(log, events=tuple(events)), 30)
    assert decision.state is State.SETTLED
    assert decision.quiet > 5
    # An older one cannot have been started by this.
    events = [replace(one, result={"execution_id": "999"}) if one.type == "step.exit" else one for one in log.events]
    assert _watch(replace(log, events=tuple(events)), 30).quiet < 1


def test_the_quiet_time_is_what_the_case_says() -> None:
    """It may be longer than the longest that is chosen by itself."""
    log = _Writer(Dialect.COMMAND).begin().command("call").end().log
    assert _watch(log, 100, Settling(quiet=timedelta(seconds=40))).quiet == 40
    assert _watch(log, 100).quiet == 0.25


def test_clocks_that_differ_do_not_make_rows_late() -> None:
    """A worker's clock is wrong, a server writes times of another zone."""
    for hours in (-6, 6):
        shift = timedelta(hours=hours)
        for timeline in all_timelines():
            if timeline.name.startswith("hello_world"):
                events = tuple((at, replace(event, created=event.created + shift)) for at, event in timeline.events)
                outcome = replay(replace(timeline, events=events))
                assert outcome.decision.quiet < 1


def test_looking_becomes_rarer_while_nothing_happens() -> None:
    """A step of an hour is not looked at twenty times a second."""
    log = _Writer(Dialect.COMMAND).begin().add("command.issued", "start").log
    settler = CompletenessTracker(Settling())
    polls, now = [], 0.0
    for _ in range(20):
        polls.append(settler.observe(log, now).poll_after)
        now += polls[-1]
    assert polls[0] == 0.05
    assert polls[-1] == 0.5
    more = replace(log, events=(*log.events, Event(50, 1000, "command.claimed", "", "start", _WHEN)))
    assert settler.observe(more, now).poll_after == 0.05
