"""The transaction of ``isolation: rollback``: everything in it is undone at its end, and what fails is undone alone.

A savepoint is set before each statement. The statements of a test may themselves begin, commit, roll back and set
savepoints; the tags that the server answers with tell what they did.

Outside of a transaction, constraints that are deferred are looked at when the statement commits. Here that moment never
comes, so that they are looked at after each statement; see :data:`_LOOK_AT_CONSTRAINTS`.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from testrun_operator.databases.postgresql.wire import send

_T = TypeVar("_T")

_NAME: Final = b"testrun_before_statement"
_SET: Final = b"SAVEPOINT " + _NAME
_BEGIN: Final = b"BEGIN;" + _SET
_NEXT: Final = b"RELEASE " + _NAME + b";" + _SET
_BACK: Final = b"ROLLBACK TO " + _NAME
_LOOK_AT_CONSTRAINTS: Final = (
    b"SAVEPOINT testrun_constraints;SET CONSTRAINTS ALL IMMEDIATE;"
    b"ROLLBACK TO testrun_constraints;RELEASE testrun_constraints"
)
"""The savepoint brings back which constraints are deferred: inside of a procedure they must be, as they would be
outside of a transaction."""
_HAS_DEFERRED: Final = b"SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tginitdeferred)"
_MAY_MAKE_DEFERRED: Final = (b"CREATE", b"ALTER")
"""What deferred constraints come from, as the server's tags begin."""
_DEFERS: Final = b"SET CONSTRAINTS"
_COMMITS: Final = frozenset({b"COMMIT", b"PREPARE TRANSACTION"})
_MOVES_SAVEPOINTS: Final = frozenset({b"BEGIN", b"START TRANSACTION", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE"})


class RollbackTransaction:
    """A transaction that is rolled back at its end. It begins with the first statement.

    Args:
        connection: a connection in autocommit mode, outside of a transaction.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.is_whole = True
        """Whether everything since its begin will be rolled back."""
        self._connection = connection
        self._has_deferred: bool | None = None
        """Whether there are deferred constraints; None where that has to be looked up."""
        self._before_next: bytes | None = _BEGIN
        """What must be sent before the next statement; together with it would be cheaper, but a syntax error in the
        statement would keep the savepoint from being set."""

    def run(self, work: Callable[[set[bytes | None]], _T]) -> _T:
        """Run something in the transaction, and undo it if it fails.

        Args:
            work: sends a statement, and adds the server's tags to the set that it is given, also where it fails.

        Raises:
            Exception: from the work.
        """
        if self._before_next is not None:
            self._prepare(self._before_next)
        tags: set[bytes | None] = set()
        try:
            result = work(tags)
            self._look_at_constraints(tags)
        except Exception:
            self._note_commit(tags)
            self._undo()
            raise
        self._note_commit(tags)
        if self._status() is TransactionStatus.IDLE:
            self._before_next = _BEGIN  # so that at least what follows is rolled back
        elif _MOVES_SAVEPOINTS.isdisjoint(tags):
            self._before_next = _NEXT
        else:
            # To release ours would release the author's, and it may be gone already.
            self._before_next = _SET
        return result

    def end(self) -> None:
        """Roll back."""
        if self._connection.closed:
            return  # the server rolls back by itself
        try:
            if self._status() is not TransactionStatus.IDLE:
                self._send(b"ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def _look_at_constraints(self, tags: set[bytes | None]) -> None:
        if self._status() is not TransactionStatus.INTRANS or not _MOVES_SAVEPOINTS.isdisjoint(tags):
            return  # the author is in charge
        if _DEFERS in tags:
            self._has_deferred = True
        elif self._has_deferred is None or any(tag is not None and tag.startswith(_MAY_MAKE_DEFERRED) for tag in tags):
            with self._connection.cursor() as cursor:
                row = cursor.execute(_HAS_DEFERRED).fetchone()
            self._has_deferred = row is not None and bool(row[0])
        if self._has_deferred:
            self._send(_LOOK_AT_CONSTRAINTS)

    def _prepare(self, commands: bytes) -> None:
        try:
            self._send(commands)
        except psycopg.Error:
            self.end()  # cancelled, or the connection is lost; nothing is left to be kept
            self._before_next = _BEGIN
            raise
        self._before_next = None

    def _note_commit(self, tags: set[bytes | None]) -> None:
        if not _COMMITS.isdisjoint(tags):
            self.is_whole = False

    def _undo(self) -> None:
        if self._connection.closed:
            return
        if self._status() is TransactionStatus.IDLE:
            self._before_next = _BEGIN  # a commit has failed, and so all is rolled back
            return
        try:
            self._send(_BACK)
        except psycopg.Error:
            # Several statements in one, which ended the transaction and began another; or it was cancelled.
            self._before_next = _BEGIN
            self.end()

    def _send(self, commands: bytes) -> None:
        send(self._connection, commands, set())

    def _status(self) -> TransactionStatus:
        return TransactionStatus(self._connection.pgconn.transaction_status)
