"""What is tried again by itself: one refused action must hold up nothing else of its run.

A quota that is used up refuses everything of its namespace, so those who wait for one take turns: after a refusal one
Job is tried at a time, and more as they are accepted. Whatever else is refused for now is tried again alone.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from testrun_operator.engine.planning import Action, StartAttempt

_FIRST_DELAY = timedelta(seconds=1)
_LONGEST_DELAY = timedelta(seconds=30)
_NUDGE_INTERVAL = timedelta(seconds=10)
_OPEN_AT = 32
"""So many accepted one after the other, and a namespace is not minded any more."""


def backoff(tries: int) -> timedelta:
    """Return how long to wait after a number of refusals: a second, doubling up to half a minute."""
    doubled: timedelta = _FIRST_DELAY * (1 << min(tries - 1, 10))
    return min(doubled, _LONGEST_DELAY)


@dataclass(frozen=True, slots=True)
class Hold:
    """An action that was refused for now."""

    action: Action
    tries: int
    tried_at: datetime
    again_at: datetime
    message: str
    for_quota: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """The actions of an execution that were refused for now, by what they do and the name of their Job."""

    by_action: dict[str, Hold] = field(default_factory=dict)

    def add(
        self, name: str, action: Action, error: Exception, now: datetime, *, for_quota: bool, asked: float | None
    ) -> Hold:
        """Take note of a refusal.

        Args:
            name: what it does, and to which Job.
            action: the action.
            error: what was said.
            now: the time.
            for_quota: whether a quota refuses it: then its namespace decides when it is tried again.
            asked: seconds for which the server wants to be left alone; None if it said nothing.
        """
        known = self.by_action.get(name)
        tries = known.tries + 1 if known is not None else 1
        delay = timedelta() if for_quota else max(backoff(tries), timedelta(seconds=asked or 0))
        self.by_action[name] = hold = Hold(action, tries, now, now + delay, str(error), for_quota)
        return hold

    def drop(self, action: str) -> None:
        """Forget what was refused: it is done, or not wanted any more."""
        self.by_action.pop(action, None)

    def again_at(self, action: str) -> datetime | None:
        """Return when an action may be tried again; None if it was not refused."""
        hold = self.by_action.get(action)
        return hold.again_at if hold is not None else None

    def keep(self, wanted: Collection[str], settled: Collection[str]) -> None:
        """Forget what is not wanted any more. A start that has no place in a plan has not lost its turn by that.

        Args:
            wanted: names of the actions of a plan.
            settled: cases that have their verdict.
        """
        for name, hold in list(self.by_action.items()):
            if name in wanted:
                continue
            if not isinstance(hold.action, StartAttempt) or hold.action.case.name in settled:
                self.drop(name)

    @property
    def starts(self) -> tuple[Hold, ...]:
        """The attempts whose Jobs were refused for now."""
        return tuple(hold for hold in self.by_action.values() if isinstance(hold.action, StartAttempt))

    @property
    def tried(self) -> dict[str, datetime]:
        """When the start of each case that was refused was tried last."""
        return {hold.action.case.name: hold.tried_at for hold in self.starts if isinstance(hold.action, StartAttempt)}


@dataclass(slots=True)
class Removal:
    """When Jobs of an execution whose deletion was refused are deleted again."""

    tries: int = 0
    again_at: datetime | None = None

    def refused(self, now: datetime, asked: float | None) -> bool:
        """Take note of a refusal.

        Args:
            now: the time.
            asked: seconds for which the server wants to be left alone; None if it said nothing.

        Returns:
            Whether it is the first one in a row.
        """
        self.tries += 1
        self.again_at = now + max(backoff(self.tries), timedelta(seconds=asked or 0))
        return self.tries == 1

    def done(self) -> None:
        """Take note that nothing was refused."""
        self.tries, self.again_at = 0, None


@dataclass(slots=True)
class _Gate:
    again_at: datetime
    refusals: int = 1
    width: int = 1
    on_their_way: int = 0


class QuotaGates:
    """How many Jobs may be tried at once in namespaces whose quota was used up.

    A namespace without a gate lets everything through. The first refusal puts one up, through which one Job goes at a
    time, after a growing delay; each that is accepted lets one more go beside it.
    """

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}
        self._nudged: dict[str, datetime] = {}

    def take(self, namespace: str, wanted: int, now: datetime) -> int:
        """Return how many of the Jobs that are wanted may be tried now; each has to be told how it went."""
        gate = self._gates.get(namespace)
        if gate is None:
            return wanted
        granted = min(wanted, max(0, gate.width - gate.on_their_way)) if now >= gate.again_at else 0
        gate.on_their_way += granted
        return granted

    def again_at(self, namespace: str, now: datetime) -> datetime | None:
        """Return when those who were not let through are to ask again."""
        gate = self._gates.get(namespace)
        if gate is None:
            return None
        return gate.again_at if now < gate.again_at else now + _FIRST_DELAY

    def refused(self, namespace: str, now: datetime) -> None:
        """A quota refused a Job."""
        gate = self._gates.get(namespace)
        if gate is None or now < gate.again_at:  # several were on their way when the first was refused
            self._gates.setdefault(namespace, _Gate(now + backoff(1)))
            return
        gate.refusals += 1
        gate.width = 1
        gate.again_at = now + backoff(gate.refusals)

    def accepted(self, namespace: str, now: datetime) -> None:
        """A Job was created."""
        gate = self._gates.get(namespace)
        if gate is None:
            return
        gate.width += 1
        gate.refusals = 0
        gate.again_at = min(gate.again_at, now)
        if gate.width > _OPEN_AT:
            del self._gates[namespace]

    def returned(self, namespace: str) -> None:
        """One that was let through has its answer, whatever it is."""
        gate = self._gates.get(namespace)
        if gate is not None:
            gate.on_their_way = max(0, gate.on_their_way - 1)

    def freed(self, namespace: str, now: datetime) -> None:
        """Something that a quota counts is gone: the next may be tried at once."""
        gate = self._gates.get(namespace)
        if gate is not None:
            gate.refusals = 0
            gate.again_at = min(gate.again_at, now)

    def may_nudge(self, namespace: str, now: datetime) -> bool:
        """Whether a Job whose pod was refused may be shown to the Job controller again; one at a time."""
        last = self._nudged.get(namespace)
        if last is not None and now < last + _NUDGE_INTERVAL:
            return False
        self._nudged[namespace] = now
        return True
