"""One execution of a log: its events with what they mean, and what was found out about their completeness."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from testrun_operator.kinds.playbook.execution.event_types import TERMINAL, fold, meaning_of
from testrun_operator.kinds.playbook.execution.log import Account, Event, Log, Meaning, Work


@dataclass(frozen=True)
class Story:
    """One execution of a log."""

    execution: int
    is_root: bool
    events: tuple[Event, ...]
    """In the order in which they were written."""
    meanings: tuple[Meaning, ...]
    """What they mean, in the same order."""
    work: tuple[Work, ...]
    account: Account | None

    @cached_property
    def terminal(self) -> tuple[tuple[Event, Meaning], ...]:
        """The events by which the execution says that it is over."""
        return tuple(pair for pair in zip(self.events, self.meanings, strict=True) if pair[1] in TERMINAL)

    @property
    def is_over(self) -> bool:
        """Whether the execution says that it is over."""
        return bool(self.terminal)

    @property
    def is_finished(self) -> bool:
        """Whether the execution says that it is over, or the server says so of it."""
        return self.is_over or (self.account is not None and self.account.is_over)

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled before it was over."""
        return bool(self.terminal) and self.terminal[0][1] is Meaning.CANCELLED

    @cached_property
    def by_meaning(self) -> dict[Meaning, tuple[Event, ...]]:
        """Events by what they mean."""
        found: dict[Meaning, list[Event]] = defaultdict(list)
        for event, meaning in zip(self.events, self.meanings, strict=True):
            found[meaning].append(event)
        return {meaning: tuple(events) for meaning, events in found.items()}

    @cached_property
    def by_type(self) -> Counter[str]:
        """How many events there are by folded type."""
        return Counter(fold(event.type) for event in self.events)

    @cached_property
    def by_node(self) -> Counter[tuple[str, str]]:
        """How many events there are by folded type and step."""
        return Counter((fold(event.type), event.node) for event in self.events)

    def having(self, *meanings: Meaning) -> tuple[Event, ...]:
        """Give the events of some meanings."""
        if len(meanings) == 1:
            return self.by_meaning.get(meanings[0], ())
        found = [event for meaning in meanings for event in self.by_meaning.get(meaning, ())]
        return tuple(sorted(found, key=lambda event: event.id))

    @property
    def suffix(self) -> str:
        """What tells executions apart in messages."""
        return "" if self.is_root else f" of execution {self.execution}"


@dataclass
class Notes:
    """What was found out about the completeness of a log."""

    missing: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    is_under_way: bool = False

    def miss(self, story: Story, what: str, *, under_way: bool = False) -> None:
        """Note what must still come."""
        self.missing.append(what + story.suffix)
        self.is_under_way |= under_way

    def wait(self, story: Story, what: str, *, under_way: bool = True) -> None:
        """Note work that no worker has claimed."""
        self.miss(story, what, under_way=under_way)
        self.waiting.append(what + story.suffix)

    def doubt(self, story: Story, what: str) -> None:
        """Note what should be there, by the habits of the releases that were observed."""
        self.doubts.append(what + story.suffix)


def stories_of(log: Log) -> tuple[Story, ...]:
    """Take a log apart: the execution itself, then those that it started."""
    events: dict[int, list[tuple[Event, Meaning]]] = {log.root: []}
    for event in log.events:
        meaning = meaning_of(log.dialect, event.type, event.status)
        events.setdefault(event.execution, []).append((event, meaning))
    work: dict[int, list[Work]] = defaultdict(list)
    for piece in log.work:
        events.setdefault(piece.execution, [])
        work[piece.execution].append(piece)
    accounts: dict[int, Account] = {}
    for account in log.accounts:
        events.setdefault(account.execution, [])
        accounts[account.execution] = account
    return tuple(
        Story(
            execution=execution,
            is_root=execution == log.root,
            events=tuple(event for event, _ in pairs),
            meanings=tuple(meaning for _, meaning in pairs),
            work=tuple(work[execution]),
            account=accounts.get(execution),
        )
        for execution, pairs in events.items()
    )


def last_ids(events: Iterable[Event]) -> dict[str, int]:
    """Give the id of the last event of each step."""
    found: dict[str, int] = {}
    for event in events:
        found[event.node] = max(event.id, found.get(event.node, 0))
    return found
