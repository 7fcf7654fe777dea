"""The errors of a log, and which of them the server itself has made up for.

A step that failed and that the server repeated with success, as its playbook asked it to, is no error of the execution:
it would hide behind every retry that works. Such attempts are told of, and do no harm. On 1.x each failed attempt of a
step writes everything from ``action_failed`` to ``playbook_failed``, and then the step goes on; later generations
repeat a command by its id, or within the worker, where nothing of it is seen.

An error that the playbook handles, by another step or by going back to the same one, remains an error.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from testrun_operator.kinds.playbook.execution.event_types import is_error
from testrun_operator.kinds.playbook.execution.log import Event, Log
from testrun_operator.kinds.playbook.execution.repeats import find_repeated_attempts, is_about_all
from testrun_operator.kinds.playbook.execution.verdict import final_status
from testrun_operator.kinds.playbook.spec import PlaybookStatus


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of a log: those of the execution itself first, then those of what it started, as they were written."""

    standing: tuple[Event, ...]
    """Those that remain."""
    repeated: tuple[Event, ...]
    """Those of attempts that were repeated with success."""

    @property
    def first(self) -> Event | None:
        """The first one that says what happened, or else the first of all; of those that remain if there are any."""
        errors = self.standing or self.repeated
        return next((event for event in errors if event.error), errors[0] if errors else None)


def find_errors(log: Log) -> Errors:
    """Find the errors of an execution and of all that it started."""
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
    """Find the errors of one execution that were made up for."""
    errors = [event for event in log.events if is_error(event)]
    of_all = {event.id for event in errors if is_about_all(log.dialect, event)}
    repeated = find_repeated_attempts(log.dialect, log.events)
    if repeated and repeated >= {event.id for event in errors} - of_all:
        # Nothing but these attempts can be what the execution complained of.
        final = final_status(log)
        if final.status is PlaybookStatus.COMPLETED and not final.inferred:
            return repeated | of_all
    return repeated
