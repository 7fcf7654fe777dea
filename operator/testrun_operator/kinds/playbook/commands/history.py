"""Looks through a server's executions for one of each playbook that went well."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from testrun_operator.kinds.playbook.commands.recorded_executions import Experience, learn
from testrun_operator.kinds.playbook.commands.server import Execution, Server
from testrun_operator.kinds.playbook.execution.eventlog.api import ApiEventLog
from testrun_operator.kinds.playbook.execution.following import EventLog
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase
from testrun_operator.terminal.errors import CannotDo

LOOK_BACK = 10
"""So many of the newest executions of a playbook are looked at."""
_GRACE_SECONDS = 10.0
_STILL_SECONDS = 5.0
"""What may not be over must not change for so long."""


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
