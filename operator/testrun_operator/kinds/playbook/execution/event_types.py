"""The types of events that NoETL's releases write, and what they mean.

Some releases write ``playbook_completed`` and others ``playbook.completed``, with statuses in upper or lower case, and
some mix both. Types and statuses of all releases are therefore compared without regard to case, and with dots and
underscores as the same character. No release uses a type for something that it does not mean in another.
"""

from typing import Final

from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Meaning

_FAILED_STATUSES: Final = frozenset({"failed", "failure", "error", "errored", "timeout"})
_CANCELLED_STATUSES: Final = frozenset({"cancelled", "canceled"})

_MEANINGS: Final = {
    "playbook_started": Meaning.STARTED,
    "playbook_initialized": Meaning.STARTED,
    "execution_started": Meaning.STARTED,
    "execution_start": Meaning.STARTED,
    "command_issued": Meaning.ISSUED,
    "command_claimed": Meaning.CLAIMED,
    "command_started": Meaning.CLAIMED,
    "action_started": Meaning.CLAIMED,
    "step_enter": Meaning.STEP_STARTED,
    "step_started": Meaning.STEP_STARTED,
    "step_exit": Meaning.STEP_ENDED,
    "step_completed": Meaning.STEP_ENDED,
    "step_failed": Meaning.STEP_ENDED,
    "command_completed": Meaning.ENDED,
    "command_failed": Meaning.ENDED,
    "command_cancelled": Meaning.ENDED,
    "action_completed": Meaning.ENDED,
    "action_failed": Meaning.ENDED,
    "batch_accepted": Meaning.BATCH_ACCEPTED,
    "batch_completed": Meaning.BATCH_ENDED,
    "batch_failed": Meaning.BATCH_ENDED,
    "playbook_completed": Meaning.COMPLETED,
    "execution_completed": Meaning.COMPLETED,
    "execution_complete": Meaning.COMPLETED,
    "playbook_failed": Meaning.FAILED,
    "execution_failed": Meaning.FAILED,
    "playbook_cancelled": Meaning.CANCELLED,
    "execution_cancelled": Meaning.CANCELLED,
}

TERMINAL: Final = frozenset({Meaning.COMPLETED, Meaning.FAILED, Meaning.CANCELLED})
"""Meanings of the events by which an execution says that it is over."""


def fold(word: str) -> str:
    """Return a type or a status in the form in which all releases are compared: ``step_exit`` for ``Step.Exit``."""
    return word.strip().casefold().replace(".", "_").replace("canceled", "cancelled")


def meaning_of(dialect: Dialect, type: str, status: str) -> Meaning:  # noqa: A002 - the name of the column
    """Return what an event means.

    Args:
        dialect: the generation that wrote it; at present the types mean the same in all of them.
        type: its type as written.
        status: its status as written. An event of the type ``playbook_completed`` with the status ``failed`` means that
            the execution failed.
    """
    del dialect
    meaning = _MEANINGS.get(fold(type), Meaning.OTHER)
    if meaning is Meaning.COMPLETED:
        folded = fold(status)
        if folded in _FAILED_STATUSES:
            return Meaning.FAILED
        if folded in _CANCELLED_STATUSES:
            return Meaning.CANCELLED
    return meaning


def is_error(event: Event) -> bool:
    """Whether an event reports an error, by its status, its type, or the text of an error.

    All three are looked at: releases write ``call.error`` with the status RUNNING, ``step.exit`` with the status
    COMPLETED and the text of an error, and ``command.completed`` with the status ``error``.
    """
    if event.error or fold(event.status) in _FAILED_STATUSES:
        return True
    return fold(event.type).rpartition("_")[2] in ("failed", "error")
