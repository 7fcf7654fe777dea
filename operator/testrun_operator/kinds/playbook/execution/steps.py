"""Finds out which steps of a playbook ran, and in which order, by the events of each generation.

A step has run if a worker began with it. A command that was issued and never claimed, or that was cancelled, is no step
that ran. Neither is a step without a tool on 1.x, which writes no event about it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log

_STARTS: Final = ("step_enter", "step_started", "command_started", "action_started")
"""Folded types of events by which steps start. Of several that a release writes for one start the first one counts."""
_ENDS: Final = frozenset(
    {"call_done", "call_error", "step_exit", "step_completed", "step_failed", "step_result"}
    | {"action_completed", "action_failed", "command_completed", "command_failed"}
)
_QUEUED: Final = "step_started"
"""Servers of 1.x write this when they put the work into the queue, whether or not a worker ever takes it."""
_QUEUED_IN_RUST: Final = "step_enter"
"""Servers written in Rust write this when they issue the work; other releases when a worker has it."""
_ITERATION: Final = re.compile(r"_iter_[0-9]+$")
"""What 1.x appends to the name of a step for each iteration of its loop."""
_TASK_LIST: Final = ":task_sequence"
"""What 4.x appends to the name of a step that is a list of tasks."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a step. There is one for each iteration of a loop, and each time that the playbook came to it."""

    id: int
    """Id of the event by which it started."""
    node: str
    """Name of the step in that event."""
    step: str
    """Name of the step in the playbook."""

    def is_of(self, name: str) -> bool:
        """Whether this is a start of the step with a name, which may be that in the playbook or in the log."""
        return name in (self.step, self.node)


def step_of(dialect: Dialect, node: str) -> str:
    """Return the name that a step has in its playbook, without what releases append to it in the log.

    Args:
        dialect: the generation that wrote the log.
        node: the name in the log. On 1.x, ``each_iter_0`` is an iteration of the step ``each``; on 4.x,
            ``fetch:task_sequence`` is the step ``fetch``.
    """
    if dialect is Dialect.QUEUE:
        return _ITERATION.sub("", node) or node
    return node.removesuffix(_TASK_LIST) or node


def is_named(dialect: Dialect, node: str, name: str) -> bool:
    """Whether a name in the log is that of a step, by its name in the playbook or in the log.

    Args:
        dialect: the generation that wrote the log.
        node: the name in the log.
        name: the name of the step, as the author of a case writes it.
    """
    return name in (node, step_of(dialect, node))


def find_starts(log: Log) -> tuple[Start, ...]:
    """Find the starts of steps in the execution itself, not in those that it started, in their order.

    Args:
        log: the complete log.
    """
    by_node: dict[str, list[Event]] = {}
    for event in sorted(log.of(log.root), key=lambda event: event.id):
        type_ = fold(event.type)
        if log.dialect is Dialect.RUST and type_ == _QUEUED_IN_RUST:
            continue
        if event.node and (type_ in _STARTS or type_ in _ENDS):
            by_node.setdefault(event.node, []).append(event)
    looped = {step for node in by_node if (step := step_of(log.dialect, node)) != node}
    starts = [
        Start(event.id, node, step_of(log.dialect, node))
        for node, events in by_node.items()
        for event in _starts_among(events, is_loop=node in looped)
    ]
    return tuple(sorted(starts, key=lambda start: start.id))


def _starts_among(events: Sequence[Event], *, is_loop: bool) -> Sequence[Event]:
    """Return those of the events of one node by which it started.

    Args:
        events: the events of the node by which a step starts or ends.
        is_loop: whether its iterations, or its list of tasks, start under names of their own.
    """
    types = [fold(event.type) for event in events]
    if all(type_ == _QUEUED for type_ in types):
        return ()
    for wanted in _STARTS:
        if wanted in types:
            return [event for event, type_ in zip(events, types, strict=True) if type_ == wanted]
    return () if is_loop else events[:1]
