"""What psycopg raises, as our exceptions."""

import re
from dataclasses import dataclass
from typing import Final

import psycopg

from testrun_operator.databases.base import DatabaseUnreachable, StatementCancelled, StatementFailed
from testrun_operator.databases.postgresql.wire import NO_DATA, takes_data
from testrun_operator.errors import CaseError
from testrun_operator.masking import Masker

QUERY_CANCELLED: Final = "57014"
_SYNTAX_ERROR: Final = "42601"
_ENDS_CONNECTION: Final = ("FATAL", "PANIC")
_NOT_IN_TRANSACTION: Final = {
    "2D000": "it commits or rolls back",
    "25001": "it cannot run inside of a transaction",
}
_PSQL_COMMAND: Final = re.compile(r"^[ \t]*\\\S|\\g(?:set|x|exec|desc)?\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What must be known besides the error itself."""

    statement: str
    """The statement as it was sent."""
    is_cancelled: bool
    """Whether we asked the server to end it, or its time is over."""
    is_closed: bool
    """Whether the connection is gone."""
    in_transaction: bool
    """Whether it ran in the transaction of ``isolation: rollback``."""


def translate(error: psycopg.Error, circumstances: Circumstances, masker: Masker) -> CaseError:
    """Say in our words what went wrong with a statement."""
    text = masker.text(_text(error))
    if circumstances.is_cancelled and (error.sqlstate == QUERY_CANCELLED or circumstances.is_closed):
        return StatementCancelled(f"the statement was ended because its time was over: {text}")
    if circumstances.is_closed or error.diag.severity_nonlocalized in _ENDS_CONNECTION:
        return DatabaseUnreachable(f"the connection to PostgreSQL was lost: {text}")
    explanation = _explanation(error.sqlstate, circumstances)
    return StatementFailed(
        f"{text}\n({explanation})" if explanation else text,
        sqlstate=error.sqlstate,
        line=_line(error.diag.statement_position, circumstances.statement),
    )


def unreachable(error: psycopg.Error, masker: Masker, place: str) -> DatabaseUnreachable:
    """Say in our words why there is no connection."""
    text = " ".join(masker.text(str(error)).split())
    return DatabaseUnreachable(f"cannot connect to PostgreSQL, {place}: {text or type(error).__name__}")


def _text(error: psycopg.Error) -> str:
    """Write an error as psql does, without the line of the statement: an expected text must not be found in that."""
    diag = error.diag
    if diag.message_primary is None:  # psycopg has refused it by itself
        return str(error).strip() or type(error).__name__
    parts = [f"{diag.severity}: {diag.message_primary}"]
    for title, part in (
        ("DETAIL", diag.message_detail),
        ("HINT", diag.message_hint),
        ("QUERY", diag.internal_query),
        ("CONTEXT", diag.context),
    ):
        if part:
            parts.append(f"{title}: {part}")
    return "\n".join(parts)


def _explanation(sqlstate: str | None, circumstances: Circumstances) -> str | None:
    """Tell what the server cannot know; None where it has said it all."""
    if circumstances.in_transaction and sqlstate in _NOT_IN_TRANSACTION:
        reason = _NOT_IN_TRANSACTION[sqlstate]
        return (
            f"isolation: rollback runs each test in a transaction, so that this cannot work: {reason}; "
            "it can with isolation: none or isolation: database"
        )
    if sqlstate == _SYNTAX_ERROR:
        if takes_data(circumstances.statement):
            return NO_DATA
        if _PSQL_COMMAND.search(circumstances.statement):
            return r"commands of psql, such as \i, \copy or \gset, are not supported here: only SQL is"
    return None


def _line(position: str | None, statement: str) -> int | None:
    if position is None:
        return None
    return statement.count("\n", 0, int(position) - 1) + 1
