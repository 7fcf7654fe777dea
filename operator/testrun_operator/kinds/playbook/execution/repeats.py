"""Which errors of an execution its server has made up for, by doing the same once more."""

from collections.abc import Hashable, Sequence
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import TERMINAL, fold, is_error, meaning_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Meaning

_OF_ALL: Final = "workflow_"
"""How types of events about all of an execution begin, beside those by which it ends."""


def is_about_all(dialect: Dialect, event: Event) -> bool:
    """Whether an event is about all of an execution, and not about one of its steps."""
    return fold(event.type).startswith(_OF_ALL) or meaning_of(dialect, event.type, event.status) in TERMINAL


def find_repeated_attempts(dialect: Dialect, events: Sequence[Event]) -> frozenset[int]:
    """Give the ids of errors of steps after which the same step, or command, was repeated with success.

    Args:
        dialect: of the events.
        events: those of one execution, in the order in which they were written.
    """
    succeeded: set[Hashable] = set()
    found: set[int] = set()
    for event in reversed(events):
        key = event.node if dialect is Dialect.QUEUE else event.command
        if not key or is_about_all(dialect, event):
            continue
        if is_error(event):
            if key in succeeded:
                found.add(event.id)
        elif meaning_of(dialect, event.type, event.status) is Meaning.ENDED and not _is_cancelled(event):
            succeeded.add(key)
        elif dialect is Dialect.QUEUE and fold(event.type) == "step_started":
            # The flow came by; what was before it is another matter. An attempt that is repeated does not write this.
            succeeded.discard(key)
    return frozenset(found)


def _is_cancelled(event: Event) -> bool:
    return fold(event.type).endswith("_cancelled") or fold(event.status) == "cancelled"
