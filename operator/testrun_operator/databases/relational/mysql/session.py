"""A connection to MariaDB or MySQL."""

import contextlib
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import pymysql
from pymysql.constants import SERVER_STATUS
from pymysql.cursors import SSCursor
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    Routine,
    Statement,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.databases.relational.mysql import errors, routines
from testrun_operator.databases.relational.mysql.names import quote
from testrun_operator.databases.relational.mysql.splitting import split_script
from testrun_operator.databases.relational.mysql.values import input_of, reader_of
from testrun_operator.databases.relational.names import read_reference
from testrun_operator.databases.relational.session import SAVEPOINT, Reader, RelationalSession
from testrun_operator.errors import CaseError
from testrun_operator.masking import Masker

_NOT_ROLLED_BACK: Final = 1196
_LASTING_TABLE: Final = (
    "SELECT 1 FROM information_schema.TABLES JOIN information_schema.ENGINES USING (ENGINE)"
    " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND TRANSACTIONS <> 'YES' LIMIT 1"
)
_MOST_BYTES: Final = 4
"""Of a character in UTF-8."""


class Server(Protocol):
    """What a session must know of its database."""

    masker: Masker

    @property
    def label(self) -> str:
        """What it is, for messages."""

    @property
    def largest_statement(self) -> int:
        """How many bytes the server takes at once."""

    @property
    def is_out_of_time(self) -> bool:
        """Whether the time is over that all statements together have."""

    def kill(self, number: int) -> None:
        """End the statement that a connection runs, by the connection's number."""


class MySqlSession(RelationalSession):
    """A connection to MariaDB or MySQL.

    Args:
        engine: opens the connections.
        server: what the connection is to.
    """

    def __init__(self, engine: Engine, server: Server) -> None:
        self._server = server
        self._has_lasting_tables: bool | None = None
        """Whether there are tables that cannot be rolled back; None until it matters."""
        super().__init__(engine)

    def split(self, script: str) -> tuple[Statement, ...]:
        """See the protocol."""
        status = getattr(self._driver, "server_status", 0)  # of a connection that is closed there is none
        plain = status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
        return split_script(script, backslash_escapes=not plain)

    def find_routines(self, name: str) -> Sequence[Routine]:
        """See the protocol."""
        with self._operation():
            return routines.find_routines(self._rows, name)

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """See the protocol. Sets of rows that a procedure returns are read and dropped."""
        plan = routines.plan_call(routine, arguments, self._driver.escape)
        with self._statement():
            for statement in plan.before:
                self._send(statement)
            with contextlib.closing(self._cursor()) as cursor:
                cursor.execute(plan.statement)
                if not plan.returns_by_query:
                    self._drain(cursor)
                    returned = None
                else:
                    returned = self._fetch(cursor).rows[0][0]
            self._refuse_cancelled()
            if not plan.variables:
                return CallResult((), returned, plan.row_count)
            values = self._rows(plan.variables_query)[0].values()
            return routines.read_variables(plan, list(values), returned)

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """See the protocol."""
        reference = read_reference(table)
        names = [read_reference(column).name.text for column in columns]
        with self._operation():
            types = {
                str(row["column_name"]).lower(): str(row["column_type"])
                for row in self._rows(
                    "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"
                    " WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE()) AND TABLE_NAME = %s",
                    reference.schema.text if reference.schema else None,
                    reference.name.text,
                )
            }
        kinds = [types.get(name.lower(), "") for name in names]
        target = ".".join(quote(part.text) for part in reference.parts)
        statement = f"INSERT INTO {target} ({', '.join(map(quote, names))})".replace("%", "%%")
        values = ", ".join(["%s"] * len(names))
        return self._insert(
            f"{statement} VALUES ({values})",
            ([input_of(text, kind) for text, kind in zip(row, kinds, strict=True)] for row in rows),
        )

    def transaction_is_whole(self) -> bool:
        """See the protocol. Also false after a change of a table whose engine has no transactions."""
        if self._whole and self._in_transaction:
            with self._operation():
                self._whole = not self._has_lasting_changes()
        return self._whole

    def _has_lasting_changes(self) -> bool:
        """Whether tables were changed that cannot be rolled back.

        The server says so where it is asked to roll back, even if there is nothing to be undone; it says the same of
        a temporary table that was made, which does not matter.
        """
        self._send(f"SAVEPOINT {SAVEPOINT}")
        with contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            if not getattr(cursor, "warning_count", 0):
                return False
        if not any(int(row["code"]) == _NOT_ROLLED_BACK for row in self._rows("SHOW WARNINGS")):
            return False
        if self._has_lasting_tables is None:
            self._has_lasting_tables = bool(self._rows(_LASTING_TABLE))
        return self._has_lasting_tables

    # --- for the base ------------------------------------------------------------------------------------------------

    @property
    def _driver(self) -> Any:
        return self._connection.driver_connection

    def _connect(self) -> PoolProxiedConnection:
        try:
            return self._engine.raw_connection()
        except (SQLAlchemyError, pymysql.MySQLError) as error:
            # What SQLAlchemy says has the statement in it that it asked the new server.
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnreachable(
                self._server.masker.text(f"{self._server.label}: {errors.describe(cause)}")
            ) from None

    def _cursor(self) -> DBAPICursor:
        # Row by row, so that what is only counted takes no memory.
        return self._connection.cursor(SSCursor)

    def _next_set(self, cursor: DBAPICursor) -> bool:
        return bool(cursor.nextset())

    def _readers(self, cursor: DBAPICursor) -> list[Reader]:
        return [reader_of(column[1]) for column in cursor.description]

    def _translate(self, error: Exception) -> CaseError:
        if errors.is_lost(error) or not self._driver.open:
            return self._unreachable(error)
        if errors.code_of(error) in errors.OUT_OF_TIME and self._server.is_out_of_time:
            return StatementCancelled("the statement was ended by the server, since the time was over")
        failure = errors.failure_of(error)
        return StatementFailed(self._server.masker.text(failure.message), sqlstate=failure.sqlstate, line=failure.line)

    def _unreachable(self, error: BaseException) -> DatabaseUnreachable:
        return DatabaseUnreachable(self._server.masker.text(f"{self._server.label}: {errors.describe(error)}"))

    def _interrupt(self) -> None:
        try:
            self._server.kill(self._driver.thread_id())
        except (pymysql.MySQLError, DatabaseUnreachable):
            # The server cannot be asked. Whoever waits for its answer is told at least.
            with contextlib.suppress(OSError, AttributeError):
                self._driver._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001

    def _begin(self) -> None:
        self._has_lasting_tables = None  # that cannot change in it: making a table commits
        self._send("START TRANSACTION")

    def _is_in_transaction(self) -> bool:
        self._driver.ping(reconnect=False)  # the answer carries the state of the connection
        return bool(self._driver.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def _check(self, statement: str) -> None:
        # The server would close the connection; its own client refuses such a statement, too.
        if len(statement) * _MOST_BYTES < self._server.largest_statement:
            return
        size = len(statement.encode("utf-8", "replace"))
        if size >= self._server.largest_statement:
            limit = f"max_allowed_packet is {self._server.largest_statement} bytes"
            raise StatementFailed(f"The statement has {size} bytes; the server's {limit}.")
