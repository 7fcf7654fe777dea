"""Which steps ran, in which order."""

import pytest
from tests.unit.kinds.playbook.logs import ROOT, event, log_of

from testrun_operator.kinds.playbook.execution.log import Dialect, Event
from testrun_operator.kinds.playbook.execution.steps import find_starts, is_named, step_of


def _steps(dialect: Dialect, *events: Event) -> list[str]:
    return [start.step for start in find_starts(log_of(dialect, *events))]


@pytest.mark.parametrize(
    ("dialect", "node", "step"),
    [
        (Dialect.QUEUE, "each_iter_0", "each"),
        (Dialect.QUEUE, "each_iter_12", "each"),
        (Dialect.QUEUE, "each_iter_x", "each_iter_x"),
        (Dialect.QUEUE, "_iter_1", "_iter_1"),
        (Dialect.BATCH, "fetch:task_sequence", "fetch"),
        (Dialect.BATCH, ":task_sequence", ":task_sequence"),
        (Dialect.BATCH, "each_iter_0", "each_iter_0"),
        (Dialect.COMMAND, "fetch", "fetch"),
    ],
)
def test_a_step_is_called_as_in_its_playbook(dialect: Dialect, node: str, step: str) -> None:
    """Whatever the log adds to its name."""
    assert step_of(dialect, node) == step
    assert is_named(dialect, node, step)
    assert is_named(dialect, node, node)
    assert not is_named(dialect, node, "other")


def test_one_start_is_counted_once_whatever_is_written_of_it() -> None:
    """2.x and 4.x write that the command started and that the step was entered."""
    assert _steps(
        Dialect.COMMAND,
        event(1, "command.issued", "a"),
        event(2, "command.claimed", "a"),
        event(3, "command.started", "a"),
        event(4, "step.enter", "a"),
        event(5, "step.exit", "a"),
        event(6, "command.completed", "a"),
    ) == ["a"]


def test_steps_that_run_at_the_same_time_are_in_the_order_of_their_starts() -> None:
    """What they write is mixed."""
    events = [
        *(event(1, "command.started", "b"), event(2, "command.started", "a")),
        *(event(3, "step.enter", "a"), event(4, "step.enter", "b")),
        *(event(5, "step.exit", "b"), event(6, "step.exit", "a")),
    ]
    assert _steps(Dialect.BATCH, *events) == ["a", "b"]


@pytest.mark.parametrize(
    "events",
    [
        [event(1, "command.issued", "a")],
        [event(1, "command.issued", "a"), event(2, "command.claimed", "a"), event(3, "command.cancelled", "a")],
        [event(1, "step_started", "a", "RUNNING")],
        [event(1, "step.enter", "a", execution=ROOT + 1)],
        [event(1, "playbook.initialized", "p"), event(2, "workflow.initialized", "workflow")],
    ],
)
def test_what_nobody_began_with_has_not_run(events: list[Event]) -> None:
    """Given out, cancelled, queued, of another execution, or no step at all."""
    assert _steps(Dialect.QUEUE, *events) == []
    assert _steps(Dialect.BATCH, *events) == []


def test_a_step_of_which_only_the_end_is_written_has_run() -> None:
    """As one that the server does by itself."""
    assert _steps(Dialect.QUEUE, event(1, "step_completed", "route")) == ["route"]
    assert _steps(Dialect.QUEUE, event(1, "step_started", "route"), event(2, "step_completed", "route")) == ["route"]


def test_a_step_that_the_flow_comes_back_to_starts_again() -> None:
    """So that an order may name it twice."""
    events = [event(1, "step.enter", "a"), event(2, "step.enter", "b"), event(3, "step.enter", "a")]
    assert _steps(Dialect.BATCH, *events) == ["a", "b", "a"]
