"""Views of single executions of a log, and the gaps that are found in them."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from testrun_operator.kinds.playbook.execution.event_types import TERMINAL, fold, meaning_of
from testrun_operator.kinds.playbook.execution.log import Event, Log, Meaning, ServerState, Work


@dataclass(frozen=True)
class ExecutionView:
    """The part of a log that is about one execution."""

    execution: int
    """Its id."""
    is_root: bool
    """Whether it is the execution that the case started, and not one that it started in turn."""
    events: tuple[Event, ...]
    """In the order in which they were written."""
    meanings: tuple[Meaning, ...]
    """What these events mean, in the same order."""
    work: tuple[Work, ...]
    server_state: ServerState | None

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
        return self.is_over or (self.server_state is not None and self.server_state.is_over)

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
        """Return the events that have one of these meanings, in the order in which they were written."""
        if len(meanings) == 1:
            return self.by_meaning.get(meanings[0], ())
        found = [event for meaning in meanings for event in self.by_meaning.get(meaning, ())]
        return tuple(sorted(found, key=lambda event: event.id))

    @property
    def suffix(self) -> str:
        """What a message appends to tell this execution from the root; empty for the root."""
        return "" if self.is_root else f" of execution {self.execution}"


@dataclass
class Gaps:
    """Collects what is missing from a log while its executions are examined.

    Each is a clause for messages, such as ``the end of step 'third'``.
    """

    missing: list[str] = field(default_factory=list)
    """What must still come before the log is complete."""
    suspected: list[str] = field(default_factory=list)
    """What should be there by the habits of the releases that were observed."""
    unclaimed: list[str] = field(default_factory=list)
    """Those of ``missing`` that are work which no worker has claimed."""
    is_under_way: bool = False
    """Whether some of what is missing is work that is still to be done."""

    def add_missing(self, view: ExecutionView, what: str, *, under_way: bool = False) -> None:
        """Note something that must still come.

        Args:
            view: the execution that it is missing from.
            what: what is missing, as a clause.
            under_way: whether it is work that is still to be done, and not only an event that is to be written.
        """
        self.missing.append(what + view.suffix)
        self.is_under_way |= under_way

    def add_unclaimed(self, view: ExecutionView, what: str, *, under_way: bool = True) -> None:
        """Note work that must still be done and that no worker has claimed; arguments as above."""
        self.add_missing(view, what, under_way=under_way)
        self.unclaimed.append(what + view.suffix)

    def suspect(self, view: ExecutionView, what: str) -> None:
        """Note what the releases that were observed would have written, but what may be missing for good."""
        self.suspected.append(what + view.suffix)


def execution_views(log: Log) -> tuple[ExecutionView, ...]:
    """Divide a log by executions: the root first, then those that it started."""
    events: dict[int, list[tuple[Event, Meaning]]] = {log.root: []}
    for event in log.events:
        meaning = meaning_of(log.dialect, event.type, event.status)
        events.setdefault(event.execution, []).append((event, meaning))
    work: dict[int, list[Work]] = defaultdict(list)
    for piece in log.work:
        events.setdefault(piece.execution, [])
        work[piece.execution].append(piece)
    server_states: dict[int, ServerState] = {}
    for server_state in log.server_states:
        events.setdefault(server_state.execution, [])
        server_states[server_state.execution] = server_state
    return tuple(
        ExecutionView(
            execution=execution,
            is_root=execution == log.root,
            events=tuple(event for event, _ in pairs),
            meanings=tuple(meaning for _, meaning in pairs),
            work=tuple(work[execution]),
            server_state=server_states.get(execution),
        )
        for execution, pairs in events.items()
    )


def last_ids(events: Iterable[Event]) -> dict[str, int]:
    """Return the id of the last event of each step, by the name of the step."""
    found: dict[str, int] = {}
    for event in events:
        found[event.node] = max(event.id, found.get(event.node, 0))
    return found
