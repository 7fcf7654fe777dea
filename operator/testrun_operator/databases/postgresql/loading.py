"""Puts rows into tables."""

from collections.abc import Iterable, Sequence
from typing import Final

import psycopg

from testrun_operator.databases.postgresql.names import fold, parse_name, quote
from testrun_operator.databases.postgresql.routines import Fetch

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


def copy_rows(cursor: psycopg.Cursor, statement: str, rows: Iterable[Sequence[str | None]]) -> int:
    """Send rows; return how many there were."""
    with cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
    return max(0, cursor.rowcount)


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
