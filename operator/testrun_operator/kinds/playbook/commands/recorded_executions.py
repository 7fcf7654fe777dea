"""What an earlier execution of a playbook looked like, and what may be expected of the next one because of it."""

import math
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from testrun_operator.kinds.playbook.execution.completeness import examine
from testrun_operator.kinds.playbook.execution.errors import find_errors
from testrun_operator.kinds.playbook.execution.event_types import meaning_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, Meaning
from testrun_operator.kinds.playbook.execution.steps import find_starts, step_of
from testrun_operator.kinds.playbook.execution.verdict import final_status
from testrun_operator.kinds.playbook.spec import PlaybookExpectations, PlaybookStatus, StepExpectations

_SLOWER = 3
"""So many times as long as it took may it take."""
_SHORTEST_LIMIT = timedelta(seconds=5)
_ROUND = ((60, 5), (300, 15), (3600, 60), (math.inf, 600))
"""Limits below so many seconds are multiples of so many."""
_MOST_STEPS = 64
_LONGEST_STEP = 253


@dataclass(frozen=True, slots=True)
class Experience:
    """An execution that is over."""

    execution: int
    status: PlaybookStatus
    has_errors: bool
    """Whether a step of it, or of what it started, had an error that was not made up for."""
    failed_step: str
    """The step of the first error; empty where it is of none, or there is none."""
    was_repeated: bool
    """Whether a step was repeated: the next execution may get by without, and write fewer events."""
    events: int
    """How many its log has at least, with those of what it started."""
    steps: tuple[str, ...]
    """Those that ran, each once, in the order in which they started."""
    in_turn: bool
    """Whether none of them started before the one before it had ended."""
    took: timedelta
    """From the first event to the last."""
    is_child: bool
    """Whether another execution started it: with an input of its own."""
    is_certain: bool
    """Whether the log leaves no doubt that it is over: it says so, and tells of all work that there is."""

    @property
    def is_good(self) -> bool:
        """Whether it was started for itself, and completed without an error."""
        return not self.is_child and self.status is PlaybookStatus.COMPLETED and not self.has_errors


def learn(log: Log) -> Experience | None:
    """Say what an execution looked like; None where it is not over, as far as its log tells."""
    examination = examine(log)
    # Executions of 1.x always say when they are over; of others, a third never do.
    is_silent = log.dialect is Dialect.QUEUE and not examination.says_so
    if examination.missing or is_silent or not log.events:
        return None
    times = [event.created for event in log.events]
    errors = find_errors(log)
    first = errors.first if errors.standing else None
    return Experience(
        execution=log.root,
        status=final_status(log).status,
        has_errors=bool(errors.standing),
        failed_step=step_of(log.dialect, first.node) if first is not None else "",
        was_repeated=bool(errors.repeated),
        events=_count_events(log),
        steps=tuple(dict.fromkeys(start.step for start in find_starts(log))),
        in_turn=_is_in_turn(log),
        took=max(times) - min(times),
        # Some releases give iterations of loops their own execution as parent.
        is_child=any(event.parent_execution not in (None, log.root) for event in log.of(log.root)),
        is_certain=examination.says_so and (log.knows_work or log.dialect is not Dialect.QUEUE),
    )


def expect_the_same(experience: Experience, *, in_order: bool, duration: bool) -> PlaybookExpectations:
    """Say what to expect of the next execution.

    Args:
        experience: of an earlier one.
        in_order: whether the playbook is written so that its steps come one after the other.
        duration: whether to expect that it does not take much longer.
    """
    steps = tuple(step for step in experience.steps if len(step) <= _LONGEST_STEP)[:_MOST_STEPS]
    completed = experience.status is PlaybookStatus.COMPLETED
    return PlaybookExpectations(
        status=experience.status,
        # Of one that completed no errors are the rule, and of one that did not they are none.
        no_errors=False if completed and experience.has_errors else None,
        min_events=None if experience.was_repeated else experience.events,
        max_duration=limit_of(experience.took) if duration else None,
        # Steps that started in an order have run.
        steps=StepExpectations(in_order=steps) if in_order and experience.in_turn else StepExpectations(ran=steps),
    )


def limit_of(took: timedelta) -> timedelta:
    """Give the longest time that is to be expected after one that took so long: generous, and a round number."""
    seconds = took.total_seconds() * _SLOWER
    unit = next(unit for below, unit in _ROUND if seconds < below)
    return max(_SHORTEST_LIMIT, timedelta(seconds=math.ceil(seconds / unit) * unit))


def _count_events(log: Log) -> int:
    """Count the events that the next execution will have, too.

    Under load, servers of 1.x give out a step twice when two iterations before it end at once. Since each iteration has
    a name of its own there, what is there twice is counted once.
    """
    if log.dialect is Dialect.QUEUE:
        return len({(event.execution, event.type, event.node) for event in log.events})
    return len(log.events)


def _is_in_turn(log: Log) -> bool:
    """Whether each step of the execution itself ended before the next one started."""
    ends: dict[str, int] = {}
    for event in log.of(log.root):
        if meaning_of(log.dialect, event.type, event.status) is Meaning.ENDED:
            step = step_of(log.dialect, event.node)
            ends[step] = max(event.id, ends.get(step, 0))
    starts: dict[str, int] = {}
    for start in find_starts(log):
        starts.setdefault(start.step, start.id)
    order = list(starts)
    return all(ends.get(before, 0) < starts[after] for before, after in pairwise(order))
