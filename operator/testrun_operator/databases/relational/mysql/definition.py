"""What a database is made of: read from one, and written into another.

MySQL has no copies of databases. So everything in one is asked for as the statement that makes it, and those statements
are sent again elsewhere, in an order in which no one needs what a later one makes. Of a table with system versioning
the present rows are taken and not its history.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pymysql

from testrun_operator.databases.base import NotPossible
from testrun_operator.databases.relational.mysql import errors
from testrun_operator.databases.relational.mysql.names import quote

Rows = Callable[..., list[dict[str, Any]]]
"""Runs a query with parameters and gives its rows by the columns' names in lower case."""

READING: Final = "SET SESSION sql_mode = '', time_zone = '+00:00'"
"""Other modes change how the server writes statements down; defaults of timestamps are in the session's zone."""
WRITING: Final = (
    "SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO',"
    " collation_connection = @@collation_server, time_zone = '+00:00'"
)
_DEFINER: Final = re.compile(r"\bDEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)? ")
_NOT_CODE: Final = re.compile(r"'(?:[^'\\]|\\.)*'|--[ \t][^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_BEFORE_DATABASE: Final = r"\b(?:from|join|into|update|table|call|references|exists|truncate)\s+"
_MAY_NOT_SET_DEFINER: Final = 1227


@dataclass(frozen=True, slots=True)
class Item:
    """A table, a view, a routine and so on."""

    kind: str
    name: str
    statement: str
    settings: str | None = None
    """Sent before it."""

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"{self.kind.lower()} {self.name}"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a database is made of."""

    database: str
    options: str
    """Character set and collation, as CREATE DATABASE wants them."""
    items: tuple[Item, ...]
    """In an order in which they can be made."""


def read_definition(rows: Rows, database: str, other_names: tuple[str, ...] = ()) -> Definition:
    """Read what a database is made of.

    Args:
        rows: runs a query, in this database.
        database: its name.
        other_names: databases that the code in this one must not name, as it must not name this one.

    Raises:
        NotPossible: a right is missing to see all of it, or code in it names the database.
        pymysql.MySQLError: the server refuses something else.
    """
    reader = _Reader(rows, database, (database, *other_names))
    options = rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
        database,
    )[0]
    return Definition(
        database,
        f"CHARACTER SET {options['charset']} COLLATE {options['collation']}",
        tuple(reader.items()),
    )


def write_item(send: Callable[[str], None], item: Item) -> None:
    """Make one part of a database in another one, which is the current one.

    Args:
        send: runs a statement.
        item: what is to be made.

    Raises:
        pymysql.MySQLError: the server refuses it.
    """
    if item.settings:
        send(item.settings)
    try:
        send(item.statement)
    except pymysql.MySQLError as error:
        # Only some may make what runs with the rights of another user; then it runs with the rights of this one.
        own = _DEFINER.sub("", item.statement, count=1)
        if errors.code_of(error) != _MAY_NOT_SET_DEFINER or own == item.statement:
            raise
        send(own)
    finally:
        if item.settings:
            send(WRITING)


class _Reader:
    def __init__(self, rows: Rows, database: str, names: tuple[str, ...]) -> None:
        self._rows = rows
        self._database = database
        self._qualifier = re.compile(rf"('(?:[^'\\]|\\.)*')|{re.escape(quote(database))}\.(?=`)")
        alternatives = "|".join(re.escape(form) for name in names for form in (name, quote(name)))
        self._self_reference = re.compile(rf"{_BEFORE_DATABASE}(?:{alternatives})\s*\.", re.IGNORECASE)

    def items(self) -> Iterator[Item]:
        """Give everything, in an order in which it can be made."""
        kinds = {
            str(row["table_name"]): str(row["table_type"])
            for row in self._rows(
                "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
                " ORDER BY TABLE_NAME",
                self._database,
            )
        }
        columns = self._columns()
        sequences = [name for name, kind in kinds.items() if kind == "SEQUENCE"]
        views = [name for name, kind in kinds.items() if kind == "VIEW"]
        tables = [name for name, kind in kinds.items() if kind not in {"SEQUENCE", "VIEW"}]
        for name in sequences:
            yield self._created("SEQUENCE", name)
        for name in tables:
            yield self._created("TABLE", name)
        yield from self._contents(sequences, tables, columns)
        yield from self._routines()
        # Views may be made of views: each has a stand-in with the same columns until all are there.
        for name in views:
            if stand_in := ", ".join(f"1 AS {quote(column)}" for column, _ in columns.get(name, ())):
                yield Item("VIEW", name, f"CREATE VIEW {quote(name)} AS SELECT {stand_in}")
        for name in views:
            yield self._view(name)
        # Last, so that they do not run for the rows that are copied.
        yield from self._triggers_and_events()

    def _columns(self) -> dict[str, list[tuple[str, bool]]]:
        """Give the columns of each table and view, and whether the server computes them."""
        found: dict[str, list[tuple[str, bool]]] = {}
        for row in self._rows(
            "SELECT TABLE_NAME, COLUMN_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS"
            " WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION",
            self._database,
        ):
            entry = (str(row["column_name"]), bool(row["generation_expression"]))
            found.setdefault(str(row["table_name"]), []).append(entry)
        return found

    def _created(self, kind: str, name: str) -> Item:
        return Item(kind, name, self._unqualified(_statement_in(self._show(kind, name))))

    def _contents(
        self, sequences: list[str], tables: list[str], columns: Mapping[str, list[tuple[str, bool]]]
    ) -> Iterator[Item]:
        for name in sequences:
            value = self._rows(f"SELECT next_not_cached_value AS value FROM {quote(name)}")[0]["value"]  # noqa: S608
            yield Item("SEQUENCE", name, f"DO SETVAL({quote(name)}, {int(value)}, 0)")
        for name in tables:
            if self._rows(f"SELECT 1 FROM {quote(name)} LIMIT 1"):  # noqa: S608 - quoted, and from the catalogue
                listed = ", ".join(quote(column) for column, is_generated in columns[name] if not is_generated)
                source = f"{quote(self._database)}.{quote(name)}"
                yield Item("TABLE", name, f"INSERT INTO {quote(name)} ({listed}) SELECT {listed} FROM {source}")  # noqa: S608

    def _routines(self) -> Iterator[Item]:
        for row in self._rows(
            "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s"
            " ORDER BY ROUTINE_TYPE, ROUTINE_NAME",
            self._database,
        ):
            yield self._coded(str(row["routine_type"]), str(row["routine_name"]))

    def _view(self, name: str) -> Item:
        row = self._show("VIEW", name)
        statement = self._unqualified(_statement_in(row)).replace("CREATE ", "CREATE OR REPLACE ", 1)
        return Item("VIEW", name, statement, f"SET SESSION collation_connection = '{row['collation_connection']}'")

    def _triggers_and_events(self) -> Iterator[Item]:
        for row in self._rows(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
            " ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
            self._database,
        ):
            yield self._coded("TRIGGER", str(row["trigger_name"]))
        for row in self._rows(
            "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY EVENT_NAME",
            self._database,
        ):
            yield self._coded("EVENT", str(row["event_name"]))

    def _coded(self, kind: str, name: str) -> Item:
        """Give something that has code in it, which remembers the settings with which it was made."""
        row = self._show(kind, name)
        statement = _statement_in(row)
        item = Item(kind, name, statement)
        if not statement:
            missing = "the right to see it, as SELECT on mysql.proc or SHOW_ROUTINE gives it"
            raise NotPossible(f"no copy of the {item.label}: the database's user lacks {missing}")
        if match := self._self_reference.search(_NOT_CODE.sub(" ", statement)):
            named = " ".join(match.group().split())
            why = f"its code names the database ({named}…) and would go on using it from a copy"
            raise NotPossible(f"no copy of the {item.label}: {why}; leave the database's name out of the code")
        settings = f"sql_mode = '{row['sql_mode']}', collation_connection = '{row['collation_connection']}'"
        if row.get("time_zone"):
            settings += f", time_zone = '{row['time_zone']}'"
        return Item(kind, name, statement, f"SET SESSION {settings}")

    def _show(self, kind: str, name: str) -> dict[str, Any]:
        return self._rows(f"SHOW CREATE {kind} {quote(name)}")[0]

    def _unqualified(self, statement: str) -> str:
        """Leave the database's name out, so that what is meant is in the database in which the statement runs."""
        return self._qualifier.sub(lambda match: match[1] or "", statement)


def _statement_in(row: Mapping[str, Any]) -> str:
    """Give the statement in what SHOW CREATE returned; empty where the server does not show it."""
    return str(next((row[key] for key in row if key.startswith(("create ", "sql original"))), None) or "")
