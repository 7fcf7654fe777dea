"""Keeps the events of a log that were read already. Their rows never change, so that each is read only once."""

from collections.abc import Iterable, Mapping

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.playbook.execution.ids import children_of
from testrun_operator.kinds.playbook.execution.log import Event
from testrun_operator.runner.problem import CannotJudge

MAX_EVENTS = 100_000
"""So many events take about 150 MB, with everything that is derived from them; the pod of a case has 256 MB."""
MAX_EXECUTIONS = 1_000
"""The most executions that one may have started, directly or through others, to be judged."""
MAX_RESULT_BYTES = 64 * 1024
"""Of a longer result only that is kept which tells whether the log is complete."""


class EventCache:
    """The events that were read of an execution and of those that it started.

    Args:
        root: id of the execution.
    """

    def __init__(self, root: int) -> None:
        self.root = root
        self.tree: dict[int, None] = {root: None}
        """The root, and the executions that it started directly or through others, as they were found."""
        self.candidates: set[int] = set()
        """Executions that a result names, and of which it is not known yet whether they belong to the tree."""
        self.unrelated: set[int] = set()
        """Those of them that were not found, or do not belong to the tree, when the log was read this time."""
        self._events: dict[int, dict[int, Event]] = {root: {}}
        self._highest: dict[int, int] = {}
        self._sorted: tuple[Event, ...] = ()
        self._count = 0

    def include(self, executions: Iterable[int]) -> bool:
        """Add executions to the tree; return whether one of them was not in it.

        Raises:
            CannotJudge: there are too many executions.
        """
        before = len(self.tree)
        for execution in executions:
            self.tree.setdefault(execution)
            self._events.setdefault(execution, {})
            self.candidates.discard(execution)
        if len(self.tree) > MAX_EXECUTIONS:
            raise too_large(f"more than {MAX_EXECUTIONS} executions")
        return len(self.tree) > before

    def add(self, events: Iterable[Event]) -> None:
        """Add events that were read.

        Raises:
            CannotJudge: there are too many events.
        """
        for event in events:
            known = self._events.setdefault(event.execution, {})
            if event.id not in known:
                known[event.id] = event
                self._highest[event.execution] = max(event.id, self._highest.get(event.execution, 0))
                self._count += 1
                self.candidates.update(child for child in children_of(event) if child not in self.tree)
            if self._count > MAX_EVENTS:
                raise too_large(f"more than {MAX_EVENTS} events")

    def count(self, execution: int) -> int:
        """Return how many events of an execution are known."""
        return len(self._events.get(execution, {}))

    def highest(self, execution: int) -> int:
        """Return the highest known id of an event of an execution; 0 if no event is known."""
        return self._highest.get(execution, 0)

    def unknown(self, execution: int, ids: Iterable[int]) -> list[int]:
        """Return those of the ids of events that are not known."""
        known = self._events.get(execution, {})
        return [one for one in ids if one not in known]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the tree in the order in which they were written."""
        if len(self._sorted) != self._count:
            found = [event for known in self._events.values() for event in known.values()]
            self._sorted = tuple(sorted(found, key=lambda event: event.id))
        return self._sorted


class EventCaches:
    """The cache of the execution that is read at present."""

    def __init__(self) -> None:
        self._known: dict[int, EventCache] = {}

    def of(self, root: int) -> EventCache:
        """Return the cache of an execution; that of any other execution is discarded."""
        if root not in self._known:
            self._known = {root: EventCache(root)}
        return self._known[root]


def belongs(parents: Iterable[int | None], tree: Mapping[int, None]) -> bool:
    """Whether an execution that a result names belongs to a tree.

    Args:
        parents: the parents that the events of the execution name. It belongs to the tree if one of them is in it, or
            if they name none.
        tree: the executions of the tree.
    """
    named = {parent for parent in parents if parent is not None}
    return not named or any(parent in tree for parent in named)


def too_large(what: str) -> CannotJudge:
    """Return the exception for an event log that is too large.

    Args:
        what: what is too large about it, as a clause.
    """
    return CannotJudge(
        FailureClass.CONFIGURATION, Reason.INVALID_CASE, f"the event log is too large to be judged: {what}"
    )
