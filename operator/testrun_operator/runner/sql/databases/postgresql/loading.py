"""Puts rows into tables, and takes what ``COPY … TO STDOUT`` writes."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from psycopg.generators import copy_end, copy_from
from psycopg.pq import TransactionStatus

from testrun_operator.runner.sql.databases.postgresql.names import fold, parse_name, quote
from testrun_operator.runner.sql.databases.postgresql.routines import Fetch

_COLUMNS: Final = """
    SELECT attname::text
    FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


def copy_statement(table: str, columns: Sequence[str], fetch: Fetch) -> str:
    """Write the statement that takes rows for a table.

    Names are folded as PostgreSQL folds them. Where there is no such table or column the spelling of the author is
    tried: names of files and headers of CSV cannot well have quotes around them.
    """
    folded = parse_name(table) or (table,)
    known: dict[str, None] = {}
    chosen = folded
    for parts in dict.fromkeys((folded, tuple(table.split(".")), (table,))):
        if found := fetch(_COLUMNS, [_qualified(parts)]):
            known = dict.fromkeys(name for (name,) in found)
            chosen = parts
            break
    listed = ", ".join(quote(_column(column, known)) for column in columns)
    return f"COPY {_qualified(chosen)} ({listed}) FROM STDIN"


def _qualified(parts: Sequence[str]) -> str:
    return ".".join(quote(part) for part in parts)


def _column(written: str, known: dict[str, None]) -> str:
    parts = parse_name(written)
    folded = parts[0] if parts is not None and len(parts) == 1 else written
    if folded in known:
        return folded
    if written in known:
        return written
    similar = [name for name in known if fold(name) == fold(written)]
    return similar[0] if len(similar) == 1 else folded


def copy_in(cursor: psycopg.Cursor, statement: str, rows: Iterable[Sequence[str | None]]) -> int:
    """Send rows; return how many there were."""
    with cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
    return max(0, cursor.rowcount)


def copy_out(cursor: psycopg.Cursor, statement: bytes) -> None:
    """Run ``COPY … TO STDOUT`` and drop what it writes."""
    with cursor.copy(statement) as copy:
        for _ in copy:
            pass


def leave_copy(connection: psycopg.Connection) -> None:
    """Bring a connection back to its senses on which a COPY began where none was expected."""
    if connection.closed or connection.info.transaction_status is not TransactionStatus.ACTIVE:
        return
    try:
        with contextlib.suppress(psycopg.Error):  # it sends data, or refuses the end as it must
            connection.wait(copy_end(connection.pgconn, b"there is no data"))
        while isinstance(connection.wait(copy_from(connection.pgconn)), memoryview):
            pass
    except psycopg.Error:
        pass
    if connection.info.transaction_status is TransactionStatus.ACTIVE:
        connection.close()
