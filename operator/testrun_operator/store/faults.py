"""What an error of Postgres means: come back later, or this content will never be accepted.

=====================================================  ====================  ==========================================
what happened                                          becomes               policy
=====================================================  ====================  ==========================================
no connection, timeout, read-only, too many            ``StoreUnavailable``  try again, with a growing delay, for ever
connections, shutdown, deadlock, serialization, disk
full, wrong password, missing rights, missing tables
or columns, anything unknown
a value is refused (classes 21, 22, 23, 44, 54, P0;    ``ContentRefused``    write row by row, then the row without its
a value that psycopg cannot send)                                            details, then set it aside and say so
=====================================================  ====================  ==========================================

The second list is short on purpose: what an administrator can put right must not cost a result.
"""

from enum import StrEnum

import psycopg

from testrun_operator.errors import RefusedError, StoreUnavailable

WRITE_FAULTS = (psycopg.Error, OSError, TimeoutError, ValueError, TypeError, ArithmeticError)
"""All that a write may raise; the last three where a value cannot be turned into one of Postgres's."""


class Refusal(StrEnum):
    """Why Postgres does not accept the content of a row, by the class of its SQLSTATE."""

    INVALID_VALUE = "InvalidValue"
    """It is no value of the column's type, or too large for it (classes 21 and 22)."""
    CONSTRAINT_VIOLATED = "ConstraintViolated"
    """A constraint, or the condition of a view (classes 23 and 44)."""
    LIMIT_EXCEEDED = "LimitExceeded"
    """The row is larger than Postgres can store (class 54)."""
    RAISED = "Raised"
    """A trigger or a function raised it (class P0)."""
    NOT_SENDABLE = "NotSendable"
    """The driver cannot send it, or does not say why."""


class Loss(StrEnum):
    """What became of a record that Postgres refused."""

    REDUCED = "Reduced"
    """Stored without its details, or its settings."""
    DROPPED = "Dropped"
    """Not stored at all."""


_REFUSALS = {
    "21": Refusal.INVALID_VALUE,
    "22": Refusal.INVALID_VALUE,
    "23": Refusal.CONSTRAINT_VIOLATED,
    "44": Refusal.CONSTRAINT_VIOLATED,
    "54": Refusal.LIMIT_EXCEEDED,
    "P0": Refusal.RAISED,
}
_INSUFFICIENT_PRIVILEGE = "42501"
_UNDEFINED = frozenset({"3F000", "42P01", "42703"})


class ContentRefused(RefusedError):
    """Postgres does not accept the content of a row. Never leaves the store.

    Args:
        message: what Postgres said.
        reason: the same in a word.
    """

    def __init__(self, message: str, reason: Refusal) -> None:
        super().__init__(message)
        self.reason = reason


class RightsMissing(StoreUnavailable):
    """The database user may not do what was asked for. Retried, since an administrator can put it right."""


def _refuses_content(error: Exception) -> bool:
    if isinstance(error, psycopg.Error):
        return error.sqlstate[:2] in _REFUSALS if error.sqlstate else isinstance(error, psycopg.DataError)
    return not isinstance(error, OSError)  # TimeoutError is one, too


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "Postgres did not answer in time"
    text = " ".join(str(error).split()) or type(error).__name__
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{text} ({sqlstate})" if sqlstate else text


def redact(text: str, password: str | None) -> str:
    """Replace the password wherever it occurs in a text. libpq does not write it into messages; this makes sure."""
    return text.replace(password, "***") if password else text


def translate(error: Exception, *, schema: str, user: str, password: str | None) -> StoreUnavailable | ContentRefused:
    """Turn a foreign exception into one of ours.

    Args:
        error: one of ``WRITE_FAULTS``.
        schema: the schema of the tables, for the hint.
        user: the database user, for the hint.
        password: what must not be in the message.
    """
    text = redact(_describe(error), password)
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    if _refuses_content(error):
        return ContentRefused(text, _REFUSALS.get((sqlstate or "")[:2], Refusal.NOT_SENDABLE))
    if sqlstate == _INSUFFICIENT_PRIVILEGE:
        return RightsMissing(
            f"{text}; to put it right, as an administrator: GRANT USAGE ON SCHEMA {schema} TO {user}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}"
        )
    if sqlstate in _UNDEFINED:
        text += "; the operator creates what is missing when it connects"
    return StoreUnavailable(text)
