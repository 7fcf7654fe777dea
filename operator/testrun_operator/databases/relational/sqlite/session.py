"""A connection to SQLite."""

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    Kind,
    NotPossible,
    Routine,
    Statement,
    StatementFailed,
    Value,
)
from testrun_operator.databases.relational.names import Name, read_reference
from testrun_operator.databases.relational.session import Reader, RelationalSession
from testrun_operator.databases.relational.sqlite.splitting import split_script
from testrun_operator.errors import CaseError

_UNREACHABLE: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR}
)
_PRIMARY: Final = 0xFF
"""The part of SQLite's error codes that is not a detail."""
_HEX: Final = re.compile(r"\\x((?:[0-9a-f]{2})*)", re.IGNORECASE)


class SqliteSession(RelationalSession):
    """A connection to SQLite.

    Args:
        engine: opens the connections.
        label: what the database is, for messages.
    """

    def __init__(self, engine: Engine, label: str) -> None:
        self._label = label
        super().__init__(engine)

    def split(self, script: str) -> tuple[Statement, ...]:
        """See the protocol."""
        return split_script(script)

    def find_routines(self, name: str) -> NoReturn:
        """See the protocol.

        Raises:
            NotPossible: always.
        """
        raise NotPossible(
            f"SQLite has no procedures and no functions to be called, so that {name} cannot be tested; "
            "generic tests (# TEST CASE without a name) work"
        )

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """See the protocol.

        Raises:
            NotPossible: always.
        """
        del arguments
        self.find_routines(routine.signature)

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """See the protocol."""
        reference = read_reference(table)
        names = [read_reference(column).name.text for column in columns]
        prefix = f"{_quote(reference.schema)}." if reference.schema else ""
        with self._operation():
            described = self._rows(f"PRAGMA {prefix}table_info({_quote(reference.name)})")
        types = {str(row["name"]).lower(): str(row["type"]).lower() for row in described}
        binary = ["blob" in types.get(name.lower(), "") for name in names]
        listed = ", ".join(_quote(Name(name)) for name in names)
        marks = ", ".join("?" * len(names))
        return self._insert(
            f"INSERT INTO {prefix}{_quote(reference.name)} ({listed}) VALUES ({marks})",  # noqa: S608 - names are quoted
            ([_input_of(text, is_blob) for text, is_blob in zip(row, binary, strict=True)] for row in rows),
        )

    # --- for the base ------------------------------------------------------------------------------------------------

    @property
    def _driver(self) -> Any:
        return self._connection.driver_connection

    def _connect(self) -> PoolProxiedConnection:
        try:
            connection = self._engine.raw_connection()
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute("SELECT count(*) FROM sqlite_master")  # opening a file looks at nothing in it
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise DatabaseUnreachable(f"{self._label}: {getattr(error, 'orig', None) or error}") from None
        return connection

    def _translate(self, error: Exception) -> CaseError:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & _PRIMARY in _UNREACHABLE:
            return DatabaseUnreachable(f"{self._label}: {error}")
        name = getattr(error, "sqlite_errorname", "")
        return StatementFailed(f"ERROR: {error} ({name})" if name else f"ERROR: {error}")

    def _interrupt(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._driver.interrupt()

    def _readers(self, cursor: DBAPICursor) -> list[Reader]:
        return [_read] * len(cursor.description)

    def _begin(self) -> None:
        self._send("BEGIN")

    def _is_in_transaction(self) -> bool:
        return bool(self._driver.in_transaction)


def _read(value: str | float | bytes | None) -> Value:
    if value is None:
        return Value(None)
    if isinstance(value, bytes):
        return Value("\\x" + value.hex(), Kind.BINARY)
    return Value(value) if isinstance(value, str) else Value(str(value), Kind.NUMBER)


def _input_of(text: str | None, is_blob: bool) -> str | bytes | None:  # noqa: FBT001
    """Give what an author's text stands for: binary values are written as they are read."""
    match = _HEX.fullmatch(text) if is_blob and text is not None else None
    return bytes.fromhex(match[1]) if match else text


def _quote(name: Name) -> str:
    return '"' + name.text.replace('"', '""') + '"'
