"""One connection to PostgreSQL."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    NotPossible,
    Routine,
    Rows,
    Statement,
    StatementFailed,
)
from testrun_operator.databases.postgresql.calling import name_parameter, read_call, write_call
from testrun_operator.databases.postgresql.failures import Circumstances, translate
from testrun_operator.databases.postgresql.loading import copy_rows, copy_statement
from testrun_operator.databases.postgresql.routines import PostgresRoutine, find_routines
from testrun_operator.databases.postgresql.transactions import RollbackTransaction
from testrun_operator.databases.postgresql.values import read_rows
from testrun_operator.databases.postgresql.wire import row_count, send
from testrun_operator.databases.splitting import split_statements
from testrun_operator.masking import Masker

_T = TypeVar("_T")

_CANCEL_SECONDS: Final = 5.0


class PostgresSession:
    """One connection. Statements go to the server as psql sends them, by the simple protocol.

    Args:
        connection: in autocommit mode; closed with the session.
        masker: keeps the password out of messages.
        deadline: when, by the monotonic clock, all time is over; None for never.
    """

    def __init__(self, connection: psycopg.Connection, masker: Masker, deadline: float | None) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._calls = psycopg.RawCursor(connection)
        self._masker = masker
        self._deadline = deadline
        self._transaction: RollbackTransaction | None = None
        self._is_whole = True
        self._lock = threading.Lock()
        """Held while a statement is being cancelled, so that no other one is hit."""
        self._is_busy = False
        self._is_cancelled = False

    def split(self, script: str) -> Sequence[Statement]:
        """See :meth:`Session.split`."""
        return split_statements(script)

    def execute(self, statement: str) -> int | None:
        """See :meth:`Session.execute`."""
        return row_count(self._send(statement))

    def query(self, statement: str) -> Rows:
        """See :meth:`Session.query`."""
        rows = self._rows_of(self._send(statement))
        if rows is None:
            raise StatementFailed("the statement returns no rows; a query is needed here")
        return rows

    def find_routines(self, name: str) -> Sequence[Routine]:
        """See :meth:`Session.find_routines`."""
        return find_routines(name, self._fetch)

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """See :meth:`Session.call`; the routine must come from :meth:`find_routines`."""
        if not isinstance(routine, PostgresRoutine):
            raise TypeError("the routine is not one of PostgreSQL")
        statement, values = write_call(routine, arguments)

        def work(tags: set[bytes | None]) -> None:
            self._calls.execute(statement.encode(), values)
            tags.add(b"CALL")

        try:
            self._guard(work, statement)
        except StatementFailed as error:
            raise name_parameter(routine, arguments, error) from None
        return read_call(routine, self._rows_of(self._calls.pgresult))

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """See :meth:`Session.load_rows`."""
        statement = copy_statement(table, columns, self._fetch)
        return self._guard(lambda _tags: copy_rows(self._cursor, statement, rows), statement)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """See :meth:`Session.transaction`."""
        if not self._connection.closed and self._status() is not TransactionStatus.IDLE:
            raise NotPossible(
                "tests cannot be rolled back one by one, because a statement before them has begun a transaction and "
                "not ended it"
            )
        self._transaction = RollbackTransaction(self._connection)
        try:
            yield
        finally:
            self._is_whole = self._transaction.is_whole
            self._transaction.end()
            self._transaction = None

    def transaction_is_whole(self) -> bool:
        """See :meth:`Session.transaction_is_whole`; after the block it tells how it was at its end."""
        return self._is_whole if self._transaction is None else self._transaction.is_whole

    def reset(self) -> None:
        """See :meth:`Session.reset`."""
        self._guard(self._discard, "DISCARD ALL")

    def cancel(self) -> None:
        """See :meth:`Session.cancel`; where the server does not listen, or if called again, the connection is ended."""
        with self._lock:
            if not self._is_busy:
                return
            hang_up = self._is_cancelled
            self._is_cancelled = True
            if not hang_up:
                try:
                    self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
                except (psycopg.Error, OSError):
                    hang_up = True
            if hang_up:
                self._hang_up()

    def close(self) -> None:
        """See :meth:`Session.close`."""
        with contextlib.suppress(psycopg.Error, OSError):
            self._connection.close()

    def _send(self, statement: str) -> PGresult | None:
        """Send a statement as it is; return its last result."""
        query = statement.encode() if statement.isascii() else self._encoded(statement)
        if b"\0" in query:
            raise StatementFailed("the statement has a character of the number 0 in it, which PostgreSQL cannot hold")
        return self._guard(lambda tags: send(self._connection, query, tags), statement)

    def _encoded(self, statement: str) -> bytes:
        try:
            return statement.encode(self._connection.info.encoding)
        except UnicodeEncodeError as error:
            problem = f"the statement has the character {statement[error.start]!a} in it, which cannot be sent"
            raise StatementFailed(f"{problem}: {error.reason}") from None
        except psycopg.Error:
            return statement.encode(errors="replace")  # the connection is lost, as will be said next

    def _fetch(self, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Ask the catalogue."""

        def work(_tags: set[bytes | None]) -> list[tuple[Any, ...]]:
            return self._cursor.execute(query.encode(), parameters).fetchall()

        return self._guard(work, query)

    def _guard(self, work: Callable[[set[bytes | None]], _T], statement: str) -> _T:
        """Do something with the server that may be cancelled, in the transaction if there is one."""
        with self._lock:
            self._is_busy = True
            self._is_cancelled = False
        try:
            if self._transaction is None:
                return work(set())
            return self._transaction.run(work)
        except psycopg.Error as error:
            circumstances = Circumstances(
                statement=statement,
                is_cancelled=self._is_cancelled or (self._deadline is not None and time.monotonic() >= self._deadline),
                is_closed=self._connection.closed,
                in_transaction=self._transaction is not None,
            )
            raise translate(error, circumstances, self._masker) from None
        finally:
            with self._lock:
                self._is_busy = False

    def _discard(self, tags: set[bytes | None]) -> None:
        if self._status() is not TransactionStatus.IDLE:
            send(self._connection, b"ROLLBACK", tags)
        send(self._connection, b"DISCARD ALL", tags)

    def _status(self) -> TransactionStatus:
        return self._connection.info.transaction_status

    def _rows_of(self, result: PGresult | None) -> Rows | None:
        if result is None or result.status != ExecStatus.TUPLES_OK:
            return None
        return read_rows(result, self._connection.info.encoding)

    def _hang_up(self) -> None:
        """End the network connection below the driver, which wakes the thread that waits for an answer."""
        with contextlib.suppress(psycopg.Error, OSError):
            duplicate = socket.socket(fileno=os.dup(self._connection.fileno()))
            with duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)
