"""What was read of a log so far: rows of events never change, so that each is read once."""

from collections.abc import Iterable, Mapping

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.playbook.execution.ids import children_of
from testrun_operator.kinds.playbook.execution.log import Event
from testrun_operator.runner.problem import CannotJudge

MAX_EVENTS = 100_000
"""Some 150 MB of them, with all that is made of them; a pod has 256."""
MAX_EXECUTIONS = 1_000
MAX_RESULT_BYTES = 64 * 1024
"""A longer result is not kept, but for what the log's completeness depends on."""


class EventCache:
    """The events that were read of an execution and of those that it started.

    Args:
        root: the execution.
    """

    def __init__(self, root: int) -> None:
        self.root = root
        self.tree: dict[int, None] = {root: None}
        self.candidates: set[int] = set()
        """Executions that a result names and that were not found to belong to the family yet."""
        self.unrelated: set[int] = set()
        """Those of them that were looked for in vain at this look."""
        self._events: dict[int, dict[int, Event]] = {root: {}}
        self._highest: dict[int, int] = {}
        self._sorted: tuple[Event, ...] = ()
        self._count = 0

    def include(self, executions: Iterable[int]) -> bool:
        """Take executions into the family; say whether there was a new one.

        Raises:
            CannotJudge: there are too many.
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
        """Take events that were read.

        Raises:
            CannotJudge: there are too many.
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
        """Say how many events of an execution are known."""
        return len(self._events.get(execution, {}))

    def highest(self, execution: int) -> int:
        """Give the highest id of an execution's events that is known; 0 where none is."""
        return self._highest.get(execution, 0)

    def unknown(self, execution: int, ids: Iterable[int]) -> list[int]:
        """Give those of some ids that are not known."""
        known = self._events.get(execution, {})
        return [one for one in ids if one not in known]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the family in the order in which they were written."""
        if len(self._sorted) != self._count:
            found = [event for known in self._events.values() for event in known.values()]
            self._sorted = tuple(sorted(found, key=lambda event: event.id))
        return self._sorted


class EventCaches:
    """The memories of the executions that are followed at present."""

    def __init__(self) -> None:
        self._known: dict[int, EventCache] = {}

    def of(self, root: int) -> EventCache:
        """Give the memory of an execution; that of another is given up."""
        if root not in self._known:
            self._known = {root: EventCache(root)}
        return self._known[root]


def belongs(parents: Iterable[int | None], tree: Mapping[int, None]) -> bool:
    """Whether an execution that a result names was started by the family: its events name no other parent."""
    named = {parent for parent in parents if parent is not None}
    return not named or any(parent in tree for parent in named)


def too_large(what: str) -> CannotJudge:
    """Say that there is more than can be read."""
    return CannotJudge(
        FailureClass.CONFIGURATION, Reason.INVALID_CASE, f"the event log is too large to be judged: {what}"
    )
