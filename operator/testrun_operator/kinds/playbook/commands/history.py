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

_DURATION_FACTOR = 3
"""The next execution may take so many times as long as the earlier one."""
_SHORTEST_LIMIT = timedelta(seconds=5)
_ROUNDING = ((60, 5), (300, 15), (3600, 60), (math.inf, 600))
"""Pairs of seconds: a limit below the first is rounded up to a multiple of the second."""
_MAX_STEPS = 64
"""Of the fields ``ran`` and ``inOrder`` of a case."""
_LONGEST_STEP = 253
"""Characters of a step's name that a case can have."""
LOOK_BACK = 10
"""So many of the newest executions of a playbook are examined."""
_GRACE_SECONDS = 10.0
"""How long a server or a database may be away while an event log is read."""
_UNCHANGED_SECONDS = 5.0
"""An execution that may still be running counts as over if its event log does not change for so long."""


@dataclass(frozen=True, slots=True)
class RecordedExecution:
    """What an execution that is over looked like, by its event log."""

    execution: int
    """Its id."""
    status: PlaybookStatus
    has_errors: bool
    """Whether a step, of the execution or of those that it started, had an error that no repetition made up for."""
    failed_step: str
    """The step with the first error; empty if there is no error, or if it belongs to no step."""
    was_repeated: bool
    """Whether a step was repeated. The next execution may do without the repetition, and so have fewer events."""
    events: int
    """How many events there were, with those of the executions that it started."""
    steps: tuple[str, ...]
    """The steps that ran, each once, in the order in which they started."""
    in_turn: bool
    """Whether each step started only after the one before it had ended."""
    took: timedelta
    """The time from the first event to the last."""
    is_child: bool
    """Whether another execution started it. It then had an input that the case will not have."""
    is_certain: bool
    """Whether the log leaves no doubt that the execution is over: it says so, and shows all the work that there is."""

    @property
    def is_good(self) -> bool:
        """Whether no other execution started it, and it completed without an error."""
        return not self.is_child and self.status is PlaybookStatus.COMPLETED and not self.has_errors


def summarize(log: Log) -> RecordedExecution | None:
    """Describe an execution by its event log.

    Args:
        log: all of its events that can be seen.

    Returns:
        The description; None if the execution is not over, as far as its log tells.
    """
    examination = examine(log)
    # Executions of 1.x always say that they are over. Of those of later generations, a third never do.
    is_silent = log.dialect is Dialect.QUEUE and not examination.says_so
    if examination.missing or is_silent or not log.events:
        return None
    times = [event.created for event in log.events]
    errors = find_errors(log)
    first = errors.first if errors.standing else None
    return RecordedExecution(
        execution=log.root,
        status=final_status(log).status,
        has_errors=bool(errors.standing),
        failed_step=step_of(log.dialect, first.node) if first is not None else "",
        was_repeated=bool(errors.repeated),
        events=_count_events(log),
        steps=tuple(dict.fromkeys(start.step for start in find_starts(log))),
        in_turn=_is_in_turn(log),
        took=max(times) - min(times),
        # Some releases name the execution itself as the parent of the iterations of its loops.
        is_child=any(event.parent_execution not in (None, log.root) for event in log.of(log.root)),
        is_certain=examination.says_so and (log.knows_work or log.dialect is not Dialect.QUEUE),
    )


def expectations_from(recorded: RecordedExecution, *, in_order: bool, duration: bool) -> PlaybookExpectations:
    """Return what to expect of the next execution of a playbook.

    Args:
        recorded: an earlier execution.
        in_order: whether the text of the playbook says that its steps run one after the other.
        duration: whether to expect that the next execution does not take much longer.
    """
    steps = tuple(step for step in recorded.steps if len(step) <= _LONGEST_STEP)[:_MAX_STEPS]
    completed = recorded.status is PlaybookStatus.COMPLETED
    return PlaybookExpectations(
        status=recorded.status,
        # The default expects no errors of an execution that completes, and does not care for those of one that fails.
        no_errors=False if completed and recorded.has_errors else None,
        min_events=None if recorded.was_repeated else recorded.events,
        max_duration=limit_of(recorded.took) if duration else None,
        # Steps that must have started in this order need not be listed as steps that ran.
        steps=StepExpectations(in_order=steps) if in_order and recorded.in_turn else StepExpectations(ran=steps),
    )


def limit_of(took: timedelta) -> timedelta:
    """Return the longest time that the next execution may take: three times as long, rounded up, at least 5 s.

    Args:
        took: how long the earlier execution took.
    """
    seconds = took.total_seconds() * _DURATION_FACTOR
    unit = next(unit for below, unit in _ROUNDING if seconds < below)
    return max(_SHORTEST_LIMIT, timedelta(seconds=math.ceil(seconds / unit) * unit))


def _count_events(log: Log) -> int:
    """Count the events that the next execution will certainly have.

    Under load, servers of 1.x start a step twice if two iterations before it end at the same moment. Since each
    iteration has a name of its own there, events of the same type and name are counted once.
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
class ExecutionHistory:
    """What is known about the earlier executions of a playbook."""

    good: RecordedExecution | None = None
    """The newest execution that completed without an error; None if there is none."""
    bad: RecordedExecution | None = None
    """The newest execution that is over, if none of them is good."""
    looked_at: int = 0
    """How many executions there were to look at."""
    old_version: int | None = None
    """The version of the playbook that was executed, if it is not the newest."""


@contextmanager
def open_event_log(server: Server, dsn: str | None) -> Iterator[EventLog]:
    """Open the source of event logs: the database if there is a DSN, else the server.

    Args:
        server: the NoETL server.
        dsn: address of NoETL's Postgres, as libpq reads it; None to read through the server.

    Raises:
        CannotDo: the DSN cannot be read.
    """
    dialect = server.dialect()
    if dsn is None:
        yield ApiEventLog(server.api, dialect, grace=_GRACE_SECONDS)
        return
    # Imported here, because its driver is in an extra, which is not needed for reading through the server.
    from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog  # noqa: PLC0415 - see above

    try:
        event_log = PostgresEventLog(dsn, dialect, grace=_GRACE_SECONDS)
    except InvalidCase:
        raise CannotDo("--dsn: this is no DSN of PostgreSQL") from None
    with event_log:
        yield event_log


def read_histories(
    event_log: EventLog, executions: Mapping[str, Sequence[Execution]], progress: Callable[[str], None]
) -> Mapping[str, ExecutionHistory]:
    """Examine the executions of each playbook until a good one is found.

    Args:
        event_log: where their event logs are read.
        executions: the executions by path of the playbook, those that are to be preferred first.
        progress: called with the path of each playbook before its executions are examined.

    Returns:
        The histories by path of the playbook.

    Raises:
        CannotDo: an event log cannot be read.
    """
    histories: dict[str, ExecutionHistory] = {}
    for path, candidates in executions.items():
        progress(path)
        histories[path] = _read_history(event_log, candidates)
    uncertain = [
        path for path, history in histories.items() if history.good is not None and not history.good.is_certain
    ]
    if uncertain:
        # Between two of its steps, an execution that is still running looks like one that is over and never says so.
        # And executions of 1.x may go on after they said that they are over, which only the queue's table shows.
        time.sleep(_UNCHANGED_SECONDS)
    for path in uncertain:
        known = histories[path].good
        if known is not None and _read_summary(event_log, known.execution) != known:
            histories[path] = ExecutionHistory(looked_at=histories[path].looked_at)
    return histories


def _read_history(event_log: EventLog, candidates: Sequence[Execution]) -> ExecutionHistory:
    best = ExecutionHistory(looked_at=len(candidates))
    for candidate in candidates:
        recorded = _read_summary(event_log, candidate.id)
        if recorded is not None and recorded.is_good:
            return ExecutionHistory(good=recorded, looked_at=len(candidates), old_version=candidate.old_version)
        if recorded is not None and not recorded.is_child and best.bad is None:
            best = ExecutionHistory(bad=recorded, looked_at=len(candidates), old_version=candidate.old_version)
    return best


def _read_summary(event_log: EventLog, execution: int) -> RecordedExecution | None:
    try:
        return summarize(event_log.read(execution, until=time.monotonic() + _GRACE_SECONDS))
    except (ConnectionFailed, InvalidCase) as error:
        raise CannotDo(f"the event log of execution {execution} cannot be read: {error.message}") from None
    except CannotJudge:
        # The event log is too large to be judged, and that of the next execution will be, too.
        return None
