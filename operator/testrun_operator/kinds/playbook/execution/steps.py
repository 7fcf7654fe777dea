"""Which steps of a playbook ran, in which order, by the events of each generation.

A step has run where a worker began with it. A command that was given out and never taken, or taken and cancelled, is no
step that ran; neither is a step without a tool on 1.x, of which nothing is written at all.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log

_STARTS: Final = ("step_enter", "step_started", "command_started", "action_started")
"""Types of events by which steps start, the best first: some releases write several of them for one start."""
_ENDS: Final = frozenset(
    {"call_done", "call_error", "step_exit", "step_completed", "step_failed", "step_result"}
    | {"action_completed", "action_failed", "command_completed", "command_failed"}
)
_QUEUED: Final = "step_started"
"""The server of 1.x writes this when it queues the work, whether or not a worker will ever take it."""
_QUEUED_IN_RUST: Final = "step_enter"
"""And this the servers written in Rust; the others when a worker has it."""
_ITERATION: Final = re.compile(r"_iter_[0-9]+$")
_TASK_LIST: Final = ":task_sequence"


@dataclass(frozen=True, slots=True)
class Start:
    """A step that started; once for each iteration of a loop, and for each time that the flow came by."""

    id: int
    """Of the event that says so."""
    node: str
    """As the event names it."""
    step: str
    """As the playbook names it."""

    def is_of(self, name: str) -> bool:
        """Whether it is a start of the step that an author calls so."""
        return name in (self.step, self.node)


def step_of(dialect: Dialect, node: str) -> str:
    """Give the name that a step has in its playbook: without what the releases add to it in the log.

    Args:
        dialect: the generation that wrote it.
        node: the name in the log: ``each_iter_0`` is an iteration of ``each`` on 1.x, ``fetch:task_sequence`` is
            ``fetch`` on 4.x.
    """
    if dialect is Dialect.QUEUE:
        return _ITERATION.sub("", node) or node
    return node.removesuffix(_TASK_LIST) or node


def is_named(dialect: Dialect, node: str, name: str) -> bool:
    """Whether a name in the log is that of the step which an author calls so."""
    return name in (node, step_of(dialect, node))


def find_starts(log: Log) -> tuple[Start, ...]:
    """Find the steps of the execution itself that ran, in the order in which they started."""
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
    """Give the events of one name that say that it started.

    Args:
        events: the events of this name.
        is_loop: whether its iterations, or the list of its tasks, start under names of their own.
    """
    types = [fold(event.type) for event in events]
    if all(type_ == _QUEUED for type_ in types):
        return ()
    for wanted in _STARTS:
        if wanted in types:
            return [event for event, type_ in zip(events, types, strict=True) if type_ == wanted]
    return () if is_loop else events[:1]
