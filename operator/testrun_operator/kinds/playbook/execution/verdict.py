"""How an execution ended, by a log that is complete."""

from dataclasses import dataclass

from testrun_operator.kinds.playbook.execution.event_types import TERMINAL, is_error, meaning_of
from testrun_operator.kinds.playbook.execution.log import Event, Log, Meaning
from testrun_operator.kinds.playbook.execution.repeats import find_repeated_attempts
from testrun_operator.kinds.playbook.spec import PlaybookStatus

_STATUSES = {
    Meaning.COMPLETED: PlaybookStatus.COMPLETED,
    Meaning.FAILED: PlaybookStatus.FAILED,
    Meaning.CANCELLED: PlaybookStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """How an execution ended."""

    status: PlaybookStatus
    inferred: bool
    """Whether the log does not say so: it has no terminal event, so that it was judged by the errors in it."""
    as_written: str
    """The type and status of the event that says so, as in ``playbook.failed/FAILED``; empty where inferred."""


def final_status(log: Log) -> FinalStatus:
    """Say how the execution itself ended, not those that it started.

    The last event that says so counts: the queue's generation writes ``playbook_failed`` at each attempt of a step, and
    ``playbook_completed`` when one of them works. But an execution that is over cannot be cancelled any more, and one
    that was cancelled stays so: servers accept to cancel what has ended, and let the step that runs end after that.

    Where no event says so, an error in the log means that it failed, unless it was repeated with success.
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
    """Find the first error of the log that says what happened, or else the first of all.

    Those of the execution itself come before those of the executions that it started.
    """
    errors = sorted(filter(is_error, log.events), key=lambda event: (event.execution != log.root, event.id))
    return next((event for event in errors if event.error), errors[0] if errors else None)
