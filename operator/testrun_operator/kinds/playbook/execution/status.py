"""How an execution ended, by a log that is complete: its status, and which of its errors count.

A step that failed and that the server repeated with success, as its playbook asked it to, is no error of the execution;
otherwise no playbook whose retries work could ever pass. Such attempts are reported, and do no harm. On 1.x each failed
attempt of a step writes everything from ``action_failed`` to ``playbook_failed``, and then the step goes on. Later
generations repeat a command under the same id, or within the worker, where nothing of it is seen.

An error that the playbook handles itself, by another step or by going back to the same one, remains an error.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import TERMINAL, fold, is_error, meaning_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log, Meaning
from testrun_operator.kinds.playbook.spec import PlaybookStatus

_STATUSES = {
    Meaning.COMPLETED: PlaybookStatus.COMPLETED,
    Meaning.FAILED: PlaybookStatus.FAILED,
    Meaning.CANCELLED: PlaybookStatus.CANCELLED,
}
_OF_ALL: Final = "workflow_"
"""How the types of events about the whole execution begin, besides those by which it ends."""


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """How an execution ended."""

    status: PlaybookStatus
    inferred: bool
    """Whether no event says how it ended, so that the status follows from the errors in the log."""
    as_written: str
    """Type and status of the event that says how it ended: ``playbook.failed/FAILED``. Empty if ``inferred``."""


def final_status(log: Log) -> FinalStatus:
    """Find out how the execution itself ended, not those that it started.

    The last event that says so counts: 1.x writes ``playbook_failed`` for each attempt of a step that fails, and
    ``playbook_completed`` when one of them succeeds. Cancellation is an exception: its event counts only if it
    is the first, since servers agree to cancel an execution that is over, and after a cancellation they still let the
    current step end.

    If no event says how it ended, an error in the log means that it failed, unless the step was repeated with success.

    Args:
        log: the complete log.
    """
    own = log.of(log.root)
    terminal = [
        (event, meaning) for event in own if (meaning := meaning_of(log.dialect, event.type, event.status)) in TERMINAL
    ]
    if not terminal:
        in_order = sorted(own, key=lambda event: event.id)
        repeated = find_repeated_attempts(log.dialect, in_order)
        failed = any(is_error(event) and event.id not in repeated for event in own)
        return FinalStatus(PlaybookStatus.FAILED if failed else PlaybookStatus.COMPLETED, inferred=True, as_written="")
    decisive, meaning = terminal[0]
    if meaning is not Meaning.CANCELLED:
        decisive, meaning = [each for each in terminal if each[1] is not Meaning.CANCELLED][-1]
    return FinalStatus(_STATUSES[meaning], inferred=False, as_written=f"{decisive.type}/{decisive.status}")


def first_error(log: Log) -> Event | None:
    """Find the first error of a log that has a text, or else the first error; None if there is none.

    Errors of the execution itself come before those of the executions that it started.

    Args:
        log: the log, which need not be complete.
    """
    errors = sorted(filter(is_error, log.events), key=lambda event: (event.execution != log.root, event.id))
    return next((event for event in errors if event.error), errors[0] if errors else None)


def is_about_all(dialect: Dialect, event: Event) -> bool:
    """Whether an event is about the whole execution, and not about one of its steps."""
    return fold(event.type).startswith(_OF_ALL) or meaning_of(dialect, event.type, event.status) in TERMINAL


def find_repeated_attempts(dialect: Dialect, events: Sequence[Event]) -> frozenset[int]:
    """Return the ids of the errors after which the same step, or command, was repeated with success.

    Args:
        dialect: the generation that wrote the events.
        events: the events of one execution, in the order in which they were written.
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
            # The playbook came to this step once more, and errors before that are no attempts of the same work. An
            # attempt that is repeated does not write this event.
            succeeded.discard(key)
    return frozenset(found)


def _is_cancelled(event: Event) -> bool:
    return fold(event.type).endswith("_cancelled") or fold(event.status) == "cancelled"


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of a log: those of the execution itself first, then those of the executions that it started.

    Within an execution they are in the order in which they were written.
    """

    standing: tuple[Event, ...]
    """Errors that no repetition made up for."""
    repeated: tuple[Event, ...]
    """Errors of attempts that were repeated with success."""

    @property
    def first(self) -> Event | None:
        """The first error with a text, or else the first; of ``standing`` if there are any, else of ``repeated``."""
        errors = self.standing or self.repeated
        return next((event for event in errors if event.error), errors[0] if errors else None)


def find_errors(log: Log) -> Errors:
    """Find the errors of an execution and of all that it started.

    Args:
        log: the complete log.
    """
    by_execution: dict[int, list[Event]] = defaultdict(list)
    for event in sorted(log.events, key=lambda event: event.id):
        by_execution[event.execution].append(event)
    standing: list[Event] = []
    repeated: list[Event] = []
    for execution in sorted(by_execution, key=lambda execution: (execution != log.root, execution)):
        events = by_execution[execution]
        if not any(map(is_error, events)):
            continue
        made_up = _find_repeated(replace(log, root=execution, events=tuple(events)))
        errors = [event for event in events if is_error(event)]
        standing += [event for event in errors if event.id not in made_up]
        repeated += [event for event in errors if event.id in made_up]
    return Errors(tuple(standing), tuple(repeated))


def _find_repeated(log: Log) -> frozenset[int]:
    """Find the errors of one execution that a repetition made up for.

    Where these are all errors of its steps, and the execution says that it completed, its errors about the whole
    execution count as made up for, too.
    """
    errors = [event for event in log.events if is_error(event)]
    of_all = {event.id for event in errors if is_about_all(log.dialect, event)}
    repeated = find_repeated_attempts(log.dialect, log.events)
    if repeated and repeated >= {event.id for event in errors} - of_all:
        # The errors about the whole execution can have no other cause than these attempts.
        final = final_status(log)
        if final.status is PlaybookStatus.COMPLETED and not final.inferred:
            return repeated | of_all
    return repeated
