"""Decides when an event log is complete: nothing is missing by its own structure, and nothing comes any more.

A log is taken for complete when

1. nothing is missing by its structure (``structure/``): each piece of work and each command has its end, and each batch
   was processed, in the execution and in all that it started; and
2. it has not changed for a time. This is ``settle.quiet``. It is longer where rows were seen to come late, where an
   execution never said that it is over, and where something is absent that the releases that were observed would have
   written (a suspected gap).

A row that nothing else in the log points to cannot be missed. If all rows of a step are late while the last event of
the execution is there, nothing shows that they exist; and nothing shows the last event of an execution that may as well
end without one. Against this only waiting helps. How long depends on how late rows came before, up to
:data:`LONGEST_QUIET_SECONDS`. If all rows of a log come at once and the last of them more than that later, the verdict
is that of the rows that came. Without the rows of the queue (1.x, read through the server), a step that is to be tried
again looks like one that failed for good until its next attempt begins.

Rows that are all late by the same time, as those of a replica, do no harm and do not count as late.

How reliable this is was measured by replaying recorded executions with rows late by 0 to 5 seconds: all, some or one of
them, each by a time of its own. With quiet times that do not grow, 6 of 20,000 were called complete before their last
row, 3 of them with another verdict. With those that grow it was 1 of 100,000, with the same verdict; one more suspected
gap was defined because of it. See decision 0010.
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

__all__ = ["LONGEST_QUIET_SECONDS", "CompletenessTracker", "Decision", "Examination", "State", "examine"]

LONGEST_QUIET_SECONDS: Final = 15.0
"""The quiet time does not grow beyond this, unless ``settle.quiet`` is longer."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the times in event logs have no zone
_SHORTEST_POLL_SECONDS: Final = 0.05
_LONGEST_POLL_SECONDS: Final = 0.5
_POLL_GROWTH: Final = 1.3
_ROUNDING_SECONDS: Final = 0.001
"""The shortest pause. The rest of a time may be so short that a clock does not advance by it."""

_LATE_FACTOR: Final = 1.5
"""The quiet time is so many times the longest delay of a row."""
_UNSAID_LATE_FACTOR: Final = 4.0
"""The same where an execution has no event that says that it is over."""
_UNSAID_SECONDS: Final = 1.0
"""The shortest quiet time there."""
_UNSAID_IN_RUST_SECONDS: Final = 12.0
"""The same for servers written in Rust: every 8 s they look for executions that halted by mistake and continue them."""
_SUSPECTED_GAP_SECONDS: Final = 6.0
"""The shortest quiet time where a gap is suspected."""
_UNSEEN_QUEUE_SECONDS: Final = 10.0
"""The shortest quiet time of logs of 1.x that are read without the rows of the queue."""


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
    """What is known about the completeness of a log after it was read once more."""

    state: State
    poll_after: float
    """Seconds until it should be read again, if it is open."""
    missing: tuple[str, ...]
    """What must still come, each as a clause."""
    quiet: float
    """Seconds for which the log must not change before it is taken for complete."""
    examination: Examination
    """What its structure says."""


class _Lateness:
    """Measures how late rows become visible, compared with rows of the same type and with later rows.

    They cannot be compared with a clock: those of servers, workers and databases differ, and some processes write times
    in zones of their own. The time from an event until it was seen is therefore compared with the shortest such time of
    the events of its type, which are all written by processes of one kind. A row that becomes visible after one with a
    higher id is late, too, by the time between the two.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._seen: set[int] = set()
        self._met: set[int] = set()
        self._shortest: dict[str, float] = {}
        self._highest: list[tuple[int, float]] = []
        self._last_look: float | None = None

    def observe(self, events: tuple[Event, ...], now: float) -> bool:
        """Take the events that can be seen now.

        Args:
            events: all of them, also those that were seen before.
            now: seconds of the database's clock where it is known, else of a clock that never jumps.

        Returns:
            Whether one of them was not seen before.
        """
        fresh = [event for event in events if event.id not in self._seen]
        before = self._last_look
        for event in fresh:
            self._seen.add(event.id)
            age = now - _seconds(event.created)
            type_ = fold(event.type)
            shortest = min(age, self._shortest.get(type_, age))
            self._shortest[type_] = shortest
            if before is not None and event.execution in self._met:
                # It was not there when the log was read before, so that it is late at least until then. By the time of
                # this reading it would seem the later, the less often the log is read.
                self.longest = max(self.longest, before - _seconds(event.created) - shortest)
                first_above = bisect_right(self._highest, event.id, key=itemgetter(0))
                if first_above < len(self._highest):
                    self.longest = max(self.longest, before - self._highest[first_above][1])
        # An execution may be found long after it began, by a result that names it. Its first rows were not late.
        self._met.update(event.execution for event in fresh)
        if fresh:
            highest = max(event.id for event in fresh)
            if not self._highest or highest > self._highest[-1][0]:
                self._highest.append((highest, now))
        self._last_look = now
        return bool(fresh)


class CompletenessTracker:
    """Decides when a log is complete, from what it contained each time that it was read.

    Args:
        settling: the field ``settle`` of the case.
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
        """Take the log as it is now, and decide whether it is complete.

        Args:
            log: all that can be seen of it.
            now: seconds of a clock that never jumps, such as ``time.monotonic``.
        """
        clock = _seconds(log.now) if log.now is not None else now
        is_new = self._lateness.observe(log.events, clock)
        last = self._last
        if last is None or is_new or (last.work, last.server_states) != (log.work, log.server_states):
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
        if examination.suspected:
            needed = max(_SUSPECTED_GAP_SECONDS, needed)
        if log.dialect is Dialect.QUEUE and not log.knows_work:
            needed = max(_UNSEEN_QUEUE_SECONDS, needed)
        return max(self._quiet, min(needed, LONGEST_QUIET_SECONDS))


def _seconds(moment: datetime) -> float:
    # Not timestamp(), which applies the time zone of this machine and fails for times near the year 1.
    return (moment - _EPOCH).total_seconds()
