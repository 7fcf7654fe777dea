"""When an event log is taken for complete: when its own structure says so and nothing comes any more.

A log is complete when

1. nothing is missing by its structure (``structure/``): each piece of work has its end, each command its own, each
   batch was looked at, in the execution and in all that it started; and
2. it has not changed for a time. That is ``settle.quiet``; longer where rows were seen to come late, where an execution
   never said that it is over, and where something is absent that the observed releases would have written (a doubt).

What cannot be known: a row that nothing else in the log tells of. A whole step whose every row is late while the last
event of the execution is there leaves no trace; nor does the last event of an execution that may as well end without
one. Against these there is only time. It is measured by the rows that came late before: the more of a log is late, the
longer it is waited for, up to :data:`LONGEST_QUIET_SECONDS`. Where all rows of a log come at once and the last of them
more than that later, the verdict is that of the rows that came. Without the queue's rows (1.x, read through the
server) a step that is to be tried again looks as one that failed for good until the next attempt begins.

Rows that come late all by the same time, as from a replica, are no problem and are not counted as late.

How strong that is was found by replays of recorded executions, with rows late by 0 to 5 seconds: all, some or one of
them, each by a time of its own. With quiet times that do not grow, 6 of 20,000 were called settled before their last
row, 3 of them with another verdict. With those that grow it was 1 of 100,000, with the same verdict; a doubt was added
because of it.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.structure.examination import Examination, examine
from testrun_operator.kinds.playbook.spec import Settling

__all__ = ["LONGEST_QUIET_SECONDS", "Decision", "Examination", "Settler", "State", "examine"]

LONGEST_QUIET_SECONDS: Final = 15.0
"""The quiet time never becomes longer than that, or than ``settle.quiet`` where somebody set it to more."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - as in logs
_SHORTEST_POLL_SECONDS: Final = 0.05
_LONGEST_POLL_SECONDS: Final = 0.5
_POLL_GROWTH: Final = 1.3
_ROUNDING_SECONDS: Final = 0.001
"""What is left of a time may be too little for a clock to advance by."""

_LATE_FACTOR: Final = 1.5
_UNSAID_LATE_FACTOR: Final = 4.0
_UNSAID_SECONDS: Final = 1.0
_UNSAID_IN_RUST_SECONDS: Final = 12.0
"""Servers written in Rust look every 8 s for executions that came to a halt by mistake, and go on with them."""
_DOUBT_SECONDS: Final = 6.0
_UNSEEN_QUEUE_SECONDS: Final = 10.0


class State(StrEnum):
    """What is known about the completeness of a log."""

    OPEN = "open"
    """More may come."""
    SETTLED = "settled"
    """It is complete: it can be judged."""
    INCOMPLETE = "incomplete"
    """It will not become complete: it must not be judged."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a log."""

    state: State
    poll_after: float
    """Seconds after which to look again, where it is open."""
    missing: tuple[str, ...]
    """What must still come, for people."""
    quiet: float
    """Seconds for which the log must not change before it is taken for complete."""
    examination: Examination


class _Lateness:
    """How late rows become visible: not against a clock, but against their own kind and against later rows.

    Clocks of servers, workers and databases differ, and some write their times in zones of their own. So the time from
    an event until it was seen is compared with the shortest of these for events of the same type, which one kind of
    process writes. A row that comes after one with a higher id is late, too, by the time between them.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._seen: set[int] = set()
        self._met: set[int] = set()
        self._shortest: dict[str, float] = {}
        self._highest: list[tuple[int, float]] = []
        self._last_look: float | None = None

    def observe(self, events: tuple[Event, ...], now: float) -> bool:
        """Take what can be seen now; say whether there is anything new."""
        fresh = [event for event in events if event.id not in self._seen]
        before = self._last_look
        for event in fresh:
            self._seen.add(event.id)
            age = now - _seconds(event.created)
            type_ = fold(event.type)
            shortest = min(age, self._shortest.get(type_, age))
            self._shortest[type_] = shortest
            if before is not None and event.execution in self._met:
                # It was not there at the look before: so it is late by at least that, however seldom we look.
                self.longest = max(self.longest, before - _seconds(event.created) - shortest)
                first_above = bisect_right(self._highest, event.id, key=itemgetter(0))
                if first_above < len(self._highest):
                    self.longest = max(self.longest, before - self._highest[first_above][1])
        # Executions may be found by what names them, long after they began: their first rows were not late.
        self._met.update(event.execution for event in fresh)
        if fresh:
            highest = max(event.id for event in fresh)
            if not self._highest or highest > self._highest[-1][0]:
                self._highest.append((highest, now))
        self._last_look = now
        return bool(fresh)


class Settler:
    """Decides when a log is complete, by what it was each time it was looked at.

    Args:
        settling: the case's times.
    """

    def __init__(self, settling: Settling) -> None:
        self._quiet = settling.quiet.total_seconds()
        self._limit = settling.limit.total_seconds()
        self._lateness = _Lateness()
        self._last: Log | None = None
        self._examination: Examination | None = None
        self._changed_at = 0.0
        self._poll = _SHORTEST_POLL_SECONDS

    def observe(self, log: Log, now: float) -> Decision:
        """Take a log as it is now, and decide.

        Args:
            log: what can be seen.
            now: seconds of a clock that never jumps.
        """
        clock = _seconds(log.now) if log.now is not None else now
        is_new = self._lateness.observe(log.events, clock)
        last = self._last
        if last is None or is_new or (last.work, last.accounts) != (log.work, log.accounts):
            self._changed_at = now
            self._poll = _SHORTEST_POLL_SECONDS
            self._examination = examine(log)
        else:
            self._poll = min(self._poll * _POLL_GROWTH, _LONGEST_POLL_SECONDS)
        self._last = log
        examination = self._examination or examine(log)
        return self._decide(log, examination, now - self._changed_at)

    def _decide(self, log: Log, examination: Examination, unchanged: float) -> Decision:
        quiet = self._needed_quiet(log, examination)
        state, poll = State.OPEN, self._poll
        if not examination.missing:
            rest = quiet - unchanged
            if rest <= 0:
                state = State.SETTLED
            else:
                poll = min(max(rest, _ROUNDING_SECONDS), _LONGEST_POLL_SECONDS)
        elif examination.will_stay_incomplete and unchanged >= max(self._limit, quiet):
            state = State.INCOMPLETE
        return Decision(state, poll, examination.missing, quiet, examination)

    def _needed_quiet(self, log: Log, examination: Examination) -> float:
        late = self._lateness.longest
        needed = late * _LATE_FACTOR
        if not examination.says_so:
            least = _UNSAID_IN_RUST_SECONDS if log.dialect is Dialect.RUST else _UNSAID_SECONDS
            needed = max(least, late * _UNSAID_LATE_FACTOR)
        if examination.doubts:
            needed = max(_DOUBT_SECONDS, needed)
        if log.dialect is Dialect.QUEUE and not log.knows_work:
            needed = max(_UNSEEN_QUEUE_SECONDS, needed)
        return max(self._quiet, min(needed, LONGEST_QUIET_SECONDS))


def _seconds(moment: datetime) -> float:
    # Not timestamp(), which goes by the time zone of this machine, and does not know the first day of all.
    return (moment - _EPOCH).total_seconds()
