"""When the log of a server written in Rust is complete: by its commands, by its chain of events, and by time."""

from dataclasses import replace

from tests.unit.kinds.playbook.logs import ROOT, event, log_of

from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, State, examine
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.steps import find_starts
from testrun_operator.kinds.playbook.spec import Settling

_RECONCILED_SECONDS = 8.0
"""So often the server looks for executions that came to a halt by mistake."""


def _chain(*events: Event) -> Log:
    """Make a log in which each event names the one before it, and each but the first is of a command by its id."""
    before: int | None = None
    linked = []
    for one in events:
        linked.append(replace(one, previous=before))
        before = one.id
    return log_of(Dialect.RUST, *linked)


def _command(first: int, node: str, number: int) -> tuple[Event, ...]:
    words = ("command.issued", "command.claimed", "command.started", "call.done", "command.completed")
    return tuple(
        replace(event(first + place, word, node), command=f"{ROOT}:{node}:{number}") for place, word in enumerate(words)
    )


def _complete() -> Log:
    return _chain(
        event(1, "playbook_started", "tests/hello"),
        *_command(2, "start", 1),
        event(7, "step.enter", "greet"),
        *_command(8, "greet", 1),
        event(13, "playbook.completed", "playbook"),
    )


def _without(log: Log, *ids: int) -> Log:
    return replace(log, events=tuple(one for one in log.events if one.id not in ids))


def test_a_log_that_has_all_of_its_chain_lacks_nothing() -> None:
    """And raises no doubt, which would make each case some seconds slower."""
    found = examine(_complete())
    assert (found.missing, found.suspected, found.says_so) == ((), (), True)


def test_any_event_that_another_names_is_missed() -> None:
    """Also one that no rule knows: the step's error may be in it."""
    log = _complete()
    for lost in log.events[:-1]:
        found = examine(_without(log, lost.id))
        assert any(f"event {lost.id}, which was written before" in one for one in found.missing), lost
        assert found.will_stay_incomplete


def test_commands_of_one_step_are_told_apart_by_their_ids() -> None:
    """As those of a loop: the end of one is not the end of another."""
    first, second = _command(2, "each", 1), _command(7, "each", 2)
    log = _chain(event(1, "playbook_started", "tests/loop"), *first, *second[:3])
    assert examine(log).missing == ("the end of the command of step 'each', which a worker has,",)
    twice = (*first, *(replace(one, id=one.id + 20) for one in first[3:]), *second[:3])
    log = _chain(event(1, "playbook_started", "tests/loop"), *twice)
    assert any("which a worker has" in one for one in examine(log).missing)


def test_a_step_that_was_given_out_and_that_no_worker_took_has_not_run() -> None:
    """The server writes step.enter all the same."""
    log = _chain(
        event(1, "playbook_started", "tests/hello"),
        *_command(2, "start", 1),
        event(7, "step.enter", "greet"),
        *_command(8, "greet", 1)[:1],
    )
    assert [start.step for start in find_starts(log)] == ["start"]
    assert examine(log).waiting_for_worker


def test_without_a_last_event_it_is_waited_for_until_the_server_has_looked_for_what_it_forgot() -> None:
    """It goes on with such executions."""
    log = _without(_complete(), 13)
    settler = CompletenessTracker(Settling())
    now, state = 0.0, State.OPEN
    while state is State.OPEN:
        decision = settler.observe(log, now)
        state = decision.state
        now += decision.poll_after
    assert state is State.SETTLED
    assert now > _RECONCILED_SECONDS
