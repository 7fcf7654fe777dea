"""Earlier executions of playbooks on a server: which went well, and what to expect of the next one because of it."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from testrun_operator.kinds.playbook.commands.server import Execution, Server
from testrun_operator.kinds.playbook.execution.completeness import examine
from testrun_operator.kinds.playbook.execution.event_types import meaning_of
from testrun_operator.kinds.playbook.execution.eventlog.api import ApiEventLog
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, Meaning
from testrun_operator.kinds.playbook.execution.polling import EventLog
from testrun_operator.kinds.playbook.execution.status import final_status, find_errors
from testrun_operator.kinds.playbook.execution.steps import find_starts, step_of
from testrun_operator.kinds.playbook.spec import PlaybookExpectations, PlaybookStatus, StepExpectations
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase
from testrun_operator.terminal.errors import CannotDo

_SLOWER = 3
"""So many times as long as it took may it take."""
_SHORTEST_LIMIT = timedelta(seconds=5)
_ROUND = ((60, 5), (300, 15), (3600, 60), (math.inf, 600))
"""Limits below so many seconds are multiples of so many."""
_MOST_STEPS = 64
_LONGEST_STEP = 253
LOOK_BACK = 10
"""So many of the newest executions of a playbook are looked at."""
_GRACE_SECONDS = 10.0
_STILL_SECONDS = 5.0
"""What may not be over must not change for so long."""


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


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a playbook's executions."""

    good: Experience | None = None
    """The newest that completed without an error."""
    bad: Experience | None = None
    """The newest that is over and did not, where none is good."""
    looked_at: int = 0
    """How many executions were looked at."""
    old_version: int | None = None
    """Of the playbook, where the execution was not of the newest."""


@contextmanager
def open_event_log(server: Server, dsn: str | None) -> Iterator[EventLog]:
    """Open what reads event logs: the database where there is a DSN, else the server.

    Raises:
        CannotDo: the DSN cannot be read.
    """
    dialect = server.dialect()
    if dsn is None:
        yield ApiEventLog(server.api, dialect, grace=_GRACE_SECONDS)
        return
    # Only here, since its driver is in an extra, which those who ask the server do not need.
    from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog  # noqa: PLC0415 - see above

    try:
        event_log = PostgresEventLog(dsn, dialect, grace=_GRACE_SECONDS)
    except InvalidCase:
        raise CannotDo("--dsn: this is no DSN of PostgreSQL") from None
    with event_log:
        yield event_log


def remember(
    event_log: EventLog, executions: Mapping[str, Sequence[Execution]], progress: Callable[[str], None]
) -> Mapping[str, Memory]:
    """Look at executions until a good one is found, for each playbook.

    Args:
        event_log: where their logs are read.
        executions: by path of the playbook, in the order in which they are preferred.
        progress: is told which playbook is looked at.

    Raises:
        CannotDo: a log cannot be read.
    """
    memories: dict[str, Memory] = {}
    for path, candidates in executions.items():
        progress(path)
        memories[path] = _remember(event_log, candidates)
    doubtful = [path for path, memory in memories.items() if memory.good is not None and not memory.good.is_certain]
    if doubtful:
        # Between two of its steps, an execution that runs looks like one that is over and never says so; and servers of
        # 1.x go on after they said so, which only their queue tells.
        time.sleep(_STILL_SECONDS)
    for path in doubtful:
        known = memories[path].good
        if known is not None and _learn(event_log, known.execution) != known:
            memories[path] = Memory(looked_at=memories[path].looked_at)
    return memories


def _remember(event_log: EventLog, candidates: Sequence[Execution]) -> Memory:
    best = Memory(looked_at=len(candidates))
    for candidate in candidates:
        experience = _learn(event_log, candidate.id)
        if experience is not None and experience.is_good:
            return Memory(good=experience, looked_at=len(candidates), old_version=candidate.old_version)
        if experience is not None and not experience.is_child and best.bad is None:
            best = Memory(bad=experience, looked_at=len(candidates), old_version=candidate.old_version)
    return best


def _learn(event_log: EventLog, execution: int) -> Experience | None:
    try:
        return learn(event_log.read(execution, until=time.monotonic() + _GRACE_SECONDS))
    except (ConnectionFailed, InvalidCase) as error:
        raise CannotDo(f"the event log of execution {execution} cannot be read: {error.message}") from None
    except CannotJudge:
        # It is too large to be judged, and its next execution will be, too: nothing can be learnt from it.
        return None
