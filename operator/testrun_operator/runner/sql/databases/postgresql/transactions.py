"""The transaction of ``isolation: rollback``: everything in it is undone at its end, and what fails is undone alone.

A savepoint is set before each statement. The statements of a test may themselves begin, commit, roll back and set
savepoints; the tags that the server answers with tell what they did.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

_T = TypeVar("_T")

_NAME: Final = b"testrun_before_statement"
_SET: Final = b"SAVEPOINT " + _NAME
_BEGIN: Final = b"BEGIN;" + _SET
_NEXT: Final = b"RELEASE " + _NAME + b";" + _SET
_BACK: Final = b"ROLLBACK TO " + _NAME
_COMMITS: Final = frozenset({"COMMIT", "PREPARE TRANSACTION"})
_MOVES_SAVEPOINTS: Final = frozenset({"BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})


class RollbackTransaction:
    """A transaction that is rolled back at its end. It begins with the first statement.

    Args:
        connection: a connection in autocommit mode, outside of a transaction.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.is_whole = True
        """Whether everything since its begin will be rolled back."""
        self._connection = connection
        self._cursor = connection.cursor()
        self._before_next: bytes | None = _BEGIN
        """What must be sent before the next statement; together with it would be cheaper, but a syntax error in the
        statement would keep the savepoint from being set."""

    def run(self, work: Callable[[], _T], cursor: psycopg.Cursor[Any], statement: str) -> _T:
        """Run something in the transaction, and undo it if it fails.

        Args:
            work: sends the statement.
            cursor: has the results afterwards.
            statement: its text.

        Raises:
            psycopg.Error: from the work.
        """
        if self._before_next is not None:
            self._prepare(self._before_next)
        try:
            result = work()
        except Exception:
            self._undo(statement)
            raise
        self._look_at(_tags(cursor))
        return result

    def end(self) -> None:
        """Roll back."""
        if self._connection.closed:
            return  # the server rolls back by itself
        try:
            if self._connection.info.transaction_status is not TransactionStatus.IDLE:
                self._cursor.execute(b"ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def _prepare(self, commands: bytes) -> None:
        try:
            self._cursor.execute(commands)
        except psycopg.Error:
            self.end()  # cancelled; nothing is left to be kept
            self._before_next = _BEGIN
            raise
        self._before_next = None

    def _look_at(self, tags: set[str | None]) -> None:
        if not _COMMITS.isdisjoint(tags):
            self.is_whole = False
        if self._connection.info.transaction_status is TransactionStatus.IDLE:
            self._before_next = _BEGIN  # so that at least what follows is rolled back
        elif _MOVES_SAVEPOINTS.isdisjoint(tags):
            self._before_next = _NEXT
        else:
            # To release ours would release the author's, and it may be gone already.
            self._before_next = _SET

    def _undo(self, statement: str) -> None:
        if self._connection.closed:
            return
        if self._connection.info.transaction_status is TransactionStatus.IDLE:
            # A single statement has failed to commit, and so all is rolled back; of several, one may have committed.
            self.is_whole = self.is_whole and ";" not in statement
            self._before_next = _BEGIN
            return
        try:
            self._cursor.execute(_BACK)
        except psycopg.Error:
            # Several statements in one, which ended the transaction and began another.
            self.is_whole = False
            self._before_next = _BEGIN
            self.end()


def _tags(cursor: psycopg.Cursor[Any]) -> set[str | None]:
    """Give the server's words for what it did, of all results; the last result is chosen then."""
    tags = {cursor.statusmessage}
    while cursor.nextset():
        tags.add(cursor.statusmessage)
    return tags
