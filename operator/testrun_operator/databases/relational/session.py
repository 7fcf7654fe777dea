"""A connection to one of these databases, and all that they have in common."""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final

from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    NotPossible,
    Routine,
    Rows,
    Statement,
    StatementCancelled,
    StatementFailed,
    Value,
)
from testrun_operator.errors import CaseError

Reader = Callable[[Any], Value]
"""Makes a value of ours from a driver's."""

SAVEPOINT: Final = "testrun_statement"
_ROWS_AT_ONCE: Final = 1000
_CANCEL_PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds; a cancellation that comes before the server has the statement is lost, and so it is repeated."""


class RelationalSession(ABC):
    """What :class:`~testrun_operator.databases.base.Session` asks for, on a driver's connection.

    Statements are sent as they are. Every failure of the driver becomes an exception of ours in :meth:`_operation`.

    Args:
        engine: opens the connections.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._state = threading.Condition()
        """Guards the four below, of which other threads learn what they may cancel."""
        self._running = False
        self._number = 0
        self._cancelled = False
        self._lost: str | None = None
        self._in_transaction = False
        self._whole = True
        self._connection = self._connect()

    # --- what each database does in its own way ----------------------------------------------------------------------

    @abstractmethod
    def split(self, script: str) -> Sequence[Statement]:
        """See the protocol."""

    @abstractmethod
    def find_routines(self, name: str) -> Sequence[Routine]:
        """See the protocol."""

    @abstractmethod
    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """See the protocol."""

    @abstractmethod
    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """See the protocol."""

    @abstractmethod
    def _connect(self) -> PoolProxiedConnection:
        """Open a connection; raises DatabaseUnreachable."""

    @abstractmethod
    def _translate(self, error: Exception) -> CaseError:
        """Make a failure of the driver one of ours: StatementFailed, or DatabaseUnreachable where it went away."""

    @abstractmethod
    def _interrupt(self) -> None:
        """End the running statement; called by another thread; never raises."""

    @abstractmethod
    def _readers(self, cursor: DBAPICursor) -> list[Reader]:
        """Give a reader for each column of what a cursor has."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def _is_in_transaction(self) -> bool:
        """Whether the server has a transaction open."""

    def _check(self, statement: str) -> None:
        """Refuse a statement that would do harm to the connection; raises StatementFailed."""
        del statement

    def _keep(self) -> bool:
        """Forget the savepoint; tell whether it was still there, or fail where it was not."""
        self._send(f"RELEASE SAVEPOINT {SAVEPOINT}")
        return True

    def _cursor(self) -> DBAPICursor:
        return self._connection.cursor()

    def _next_set(self, cursor: DBAPICursor) -> bool:
        """Go to the next thing that a statement returned; whether there is one."""
        del cursor
        return False

    # --- statements --------------------------------------------------------------------------------------------------

    def execute(self, statement: str) -> int | None:
        """See the protocol."""
        self._check(statement)
        with self._statement(), contextlib.closing(self._cursor()) as cursor:
            cursor.execute(statement)
            return self._drain(cursor)

    def query(self, statement: str) -> Rows:
        """See the protocol."""
        self._check(statement)
        with self._statement(), contextlib.closing(self._cursor()) as cursor:
            cursor.execute(statement)
            found: list[Rows] = []
            while True:
                if cursor.description:
                    found.append(self._fetch(cursor))
                if not self._next_set(cursor):
                    break
            if not found:
                raise StatementFailed("the statement returns no rows; a query is needed here")
            if len(found) > 1:
                raise StatementFailed(f"the statement returns {len(found)} sets of rows; one is needed here")
            return found[0]

    def _drain(self, cursor: DBAPICursor) -> int | None:
        """Read all that a statement returns; give the number of rows, or else of changed ones."""
        returned = changed = None
        while True:
            if cursor.description:
                returned = 0
                while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                    returned += len(rows)
            elif cursor.rowcount >= 0:
                changed = cursor.rowcount
            if not self._next_set(cursor):
                return changed if returned is None else returned

    def _fetch(self, cursor: DBAPICursor) -> Rows:
        readers = self._readers(cursor)
        rows: list[tuple[Value, ...]] = []
        while found := cursor.fetchmany(_ROWS_AT_ONCE):
            rows += (tuple(read(value) for read, value in zip(readers, row, strict=True)) for row in found)
        return Rows(tuple(str(column[0]) for column in cursor.description), tuple(rows))

    def _insert(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """Insert rows, all or none; give their number."""
        count = 0
        remaining = iter(rows)
        with self._statement(), contextlib.closing(self._connection.cursor()) as cursor:
            own = not self._in_transaction and not self._is_in_transaction()
            if own:
                self._begin()
            try:
                while batch := [tuple(row) for row in islice(remaining, _ROWS_AT_ONCE)]:
                    cursor.executemany(statement, batch)
                    count += len(batch)
                    self._refuse_cancelled()
            except BaseException:
                if own:
                    with contextlib.suppress(self._driver_error):
                        self._rollback()
                raise
            if own:
                self._commit()
        return count

    def _send(self, statement: str) -> None:
        """Run a statement of ours, inside of an operation."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(statement)

    def _rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a query of ours, inside of an operation; give the rows by the columns' names in lower case."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(statement, parameters)
            names = [str(column[0]).lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    # --- what runs, and how it ends ----------------------------------------------------------------------------------

    @property
    def _driver_error(self) -> type[Exception]:
        error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        return error

    @contextlib.contextmanager
    def _operation(self) -> Iterator[None]:
        """Run statements that may be cancelled, and make the driver's failures ours.

        Raises:
            StatementFailed, StatementCancelled, DatabaseUnreachable: as their names say.
        """
        with self._state:
            if self._lost is not None:
                raise DatabaseUnreachable(self._lost)
            self._running, self._cancelled = True, False
            self._number += 1
        failure: CaseError | None = None
        try:
            yield
        except StatementFailed as error:
            failure = error
        # ValueError: the driver cannot even send it, as with a zero byte or half a surrogate pair in it.
        except (self._driver_error, ValueError) as error:
            failure = self._translate(error)
        finally:
            with self._state:
                self._running = False
                self._state.notify_all()
        if isinstance(failure, DatabaseUnreachable):
            self._lost = str(failure)
        if self._cancelled:
            raise StatementCancelled("the statement was cancelled") from failure
        if failure is not None:
            raise failure

    @contextlib.contextmanager
    def _statement(self) -> Iterator[None]:
        """Run one statement of an author; inside of a transaction undo it alone where it fails."""
        with self._operation():
            if not self._in_transaction:
                yield
                return
            self._send(f"SAVEPOINT {SAVEPOINT}")
            try:
                yield
            except (self._driver_error, ValueError, CaseError):
                self._look_after_transaction(self._undo)
                raise
            self._look_after_transaction(self._keep)

    def _undo(self) -> bool:
        self._send(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        return True

    def _look_after_transaction(self, finish: Callable[[], bool]) -> None:
        """Undo a statement or keep it, and notice where the transaction that it was in is over.

        A COMMIT, also a silent one, takes the savepoints with it.
        """
        try:
            is_same = finish()
        except self._driver_error as error:
            if isinstance(self._translate(error), DatabaseUnreachable):
                return  # which the next statement will say, if this one did not
            is_same = False
        if is_same:
            return
        self._whole = False
        # What follows is to be rolled back at least.
        if not self._is_in_transaction():
            self._begin()

    def _refuse_cancelled(self) -> None:
        """End an operation of several statements between two of them; :meth:`_operation` says why it ended."""
        if self._cancelled:
            raise StatementFailed("cancelled")

    def cancel(self) -> None:
        """See the protocol. Returns when the statement has ended, or after about four seconds."""
        with self._state:
            number = self._number

            def is_over() -> bool:
                return not self._running or self._number != number

            for pause in _CANCEL_PAUSES:
                if is_over():
                    return
                self._cancelled = True
                self._interrupt()
                self._state.wait_for(is_over, pause)

    # --- transactions ------------------------------------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[None]:
        """See the protocol."""
        return self._transaction()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._operation():
            if self._is_in_transaction():
                raise NotPossible(
                    "tests cannot be rolled back one by one, because a statement before them has begun a transaction "
                    "and not ended it"
                )
            self._begin()
        self._in_transaction = self._whole = True
        try:
            yield
        finally:
            self._in_transaction = False
            # Where the connection is lost the server has rolled back by itself.
            with contextlib.suppress(DatabaseUnreachable), self._operation():
                self._rollback()

    def transaction_is_whole(self) -> bool:
        """See the protocol."""
        return self._whole

    def _commit(self) -> None:
        self._send("COMMIT")

    def _rollback(self) -> None:
        self._send("ROLLBACK")

    # --- the connection ----------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """See the protocol. A new connection is what all of these databases have for it."""
        self.close()
        self._in_transaction, self._whole = False, True
        self._connection = self._connect()
        with self._state:
            self._lost = None

    def close(self) -> None:
        """See the protocol."""
        with self._state:
            self._lost = self._lost or "the connection is closed"
        # A connection that is broken may not even be closed without an error, and not only one of the driver's.
        with contextlib.suppress(Exception):
            self._connection.close()
