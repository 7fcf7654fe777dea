"""Turns a recorded timeline into the logs that a reader would have seen."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, Decision, State
from testrun_operator.kinds.playbook.execution.eventlog.rows import commanded_work_of, queued_work_of, server_state_of
from testrun_operator.kinds.playbook.execution.eventlog.rust import event_reader
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log, ServerState, Work
from testrun_operator.kinds.playbook.spec import Settling

_V = TypeVar("_V")

TIMELINES = Path(__file__).parent / "timelines"
_DIALECTS = {"1": Dialect.QUEUE, "2": Dialect.COMMAND, "4": Dialect.BATCH, "rust-3": Dialect.RUST}
_QUIET_AFTER_END_SECONDS = 120.0


@dataclass(frozen=True)
class Timeline:
    """A recording: each version of each row with the second at which it could be seen, beside its id."""

    name: str
    release: str
    execution: int
    events: tuple[tuple[float, Event], ...]
    work: tuple[tuple[float, Work], ...]
    server_states: tuple[tuple[float, ServerState], ...]

    @property
    def dialect(self) -> Dialect:
        """The generation of its release."""
        return dialect_of(self.release)

    @cached_property
    def end(self) -> float:
        """When the last row came; of accounts, the last that said something else than the one before."""
        said: dict[int, str] = {}
        turns = []
        for seconds, server_state in self.server_states:
            if said.get(server_state.execution) != server_state.status:
                said[server_state.execution] = server_state.status
                turns.append(seconds)
        return max(*turns, *(seconds for seconds, _ in (*self.events, *self.work)), 0.0)

    @property
    def length(self) -> int:
        """How many versions of rows there are."""
        return len(self.events) + len(self.work) + len(self.server_states)

    def delayed(self, delays: Sequence[float]) -> "Timeline":
        """Delay each version of each row by a time of its own.

        A version that would come after a later one of the same row never comes.
        """
        rest = iter(delays)
        events = [(seconds + next(rest), event) for seconds, event in self.events]
        work = [(seconds + next(rest), work) for seconds, work in self.work]
        server_states = [(seconds + next(rest), server_state) for seconds, server_state in self.server_states]
        return replace(
            self,
            events=tuple(events),
            work=_without_overtaken(work, lambda one: one.id),
            server_states=_without_overtaken(server_states, lambda one: one.execution),
        )

    def at(self, now: float) -> Log:
        """Give what could be seen at a moment. Of a row's versions it is the last that can be seen."""
        seen = sorted((event for seconds, event in self.events if seconds <= now), key=lambda event: event.id)
        work: dict[int, Work] = {one.id: one for seconds, one in self.work if seconds <= now}
        server_states: dict[int, ServerState] = {
            one.execution: one for seconds, one in self.server_states if seconds <= now
        }
        return Log(
            self.execution, self.dialect, tuple(seen), tuple(work.values()), server_states=tuple(server_states.values())
        )

    @cached_property
    def complete(self) -> Log:
        """All of it."""
        return self.at(float("inf"))


@dataclass(frozen=True)
class Outcome:
    """What became of a replay."""

    decision: Decision
    at: float
    log: Log


def replay(timeline: Timeline, interval: float | None = None, phase: float = 0.0, **times: timedelta) -> Outcome:
    """Look at a timeline again and again until it is decided, or long after its end.

    Args:
        timeline: the recording.
        interval: seconds between looks; None for those that the settler asks for.
        phase: the second of the first look.
        times: of the settling, where they are not the defaults.
    """
    settler = CompletenessTracker(Settling(**times))
    now = phase
    until = timeline.end + _QUIET_AFTER_END_SECONDS
    changes = sorted({seconds for seconds, _ in (*timeline.events, *timeline.work, *timeline.server_states)})
    log, seen = timeline.at(now), 0
    while True:
        count = _count(changes, now, seen)
        if count != seen:
            log, seen = timeline.at(now), count
        decision = settler.observe(log, now)
        if decision.state is not State.OPEN or now > until:
            return Outcome(decision, now, log)
        now += decision.poll_after if interval is None else interval


def _without_overtaken(versions: Sequence[tuple[float, _V]], key: Callable[[_V], int]) -> tuple[tuple[float, _V], ...]:
    earliest: dict[int, float] = {}
    kept = []
    for seconds, version in reversed(versions):
        if seconds < earliest.get(key(version), float("inf")):
            earliest[key(version)] = seconds
            kept.append((seconds, version))
    return tuple(reversed(kept))


def _count(changes: Sequence[float], now: float, first: int) -> int:
    while first < len(changes) and changes[first] <= now:
        first += 1
    return first


def dialect_of(release: str) -> Dialect:
    """Give the generation of a release."""
    return _DIALECTS[release.partition(".")[0]]


def load(path: Path) -> Timeline:
    """Read a recording."""
    document: dict[str, Any] = json.loads(path.read_text())
    dialect = dialect_of(document["release"])
    event_of = event_reader(dialect)
    # The servers written in Rust write rows there that never change, and which nobody reads.
    commands = () if dialect is Dialect.RUST else _rows(document, "command")
    rows = {table: list(_rows(document, table)) for table in ("event", "queue", "execution")}
    return Timeline(
        name=path.stem,
        release=document["release"],
        execution=int(document["executionId"]),
        events=tuple((seconds, event_of(row)) for seconds, row in rows["event"]),
        work=(
            *((seconds, queued_work_of(row)) for seconds, row in rows["queue"]),
            *((seconds, commanded_work_of(row)) for seconds, row in commands),
        ),
        server_states=tuple((seconds, server_state_of(row)) for seconds, row in rows["execution"]),
    )


def _rows(document: Mapping[str, Any], table: str) -> Iterator[tuple[float, Mapping[str, Any]]]:
    for row in document["rows"]:
        if row["table"] == table:
            yield row["atMs"] / 1000, row["row"]


@cache
def all_timelines() -> tuple[Timeline, ...]:
    """Read every recording."""
    return tuple(load(path) for path in sorted(TIMELINES.glob("*.json")))
