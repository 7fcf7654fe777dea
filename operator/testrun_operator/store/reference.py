"""The tables as the migrations describe them: for the reference page, and to see whether a database has them all.

The migrations are the only description. They are read as text, so that the page needs no database; a test compares
what is read with what Postgres makes of it.
"""

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Final

_STATEMENT: Final = re.compile(r"(CREATE|ALTER) TABLE (?:IF NOT EXISTS )?\{schema\}\.(\w+)(.*?);\n", re.DOTALL)
_COLUMN: Final = re.compile(r"^    (?:ADD COLUMN IF NOT EXISTS )?([a-z_]+) ([A-Z].*?),?$", re.MULTILINE)
_COMMENT: Final = re.compile(
    r"COMMENT ON (?:TABLE \{schema\}\.(\w+)|COLUMN \{schema\}\.(\w+)\.(\w+)) IS\s+'((?:[^']|'')*)';"
)
_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``store/migrations``."""

    version: int
    name: str
    sql: str
    """With ``{schema}`` where the schema's name belongs."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is after the last migration."""

    name: str
    type: str
    """Type, default and constraints, as written in the migration."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is after the last migration."""

    name: str
    comment: str
    columns: tuple[Column, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """Read the migrations that this release knows, the oldest first."""
    found = (
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in (resources.files(__package__) / "migrations").iterdir()
        if (match := _FILE.fullmatch(file.name))
    )
    return tuple(sorted(found, key=lambda migration: migration.version))


@cache
def tables() -> tuple[Table, ...]:
    """Read the tables and their columns from the migrations, in the order in which they appear."""
    text = "\n".join(migration.sql for migration in migrations())
    columns: dict[str, dict[str, Column]] = {}
    for _, table, body in _STATEMENT.findall(text):
        known = columns.setdefault(table, {})
        for name, kind in _COLUMN.findall(body):
            known.setdefault(name, Column(name, kind))
    table_comments = {}
    for table, column_table, column, comment in _COMMENT.findall(text):
        if table:
            table_comments[table] = comment.replace("''", "'")
        else:
            described = replace(columns[column_table][column], comment=comment.replace("''", "'"))
            columns[column_table][column] = described
    return tuple(Table(name, table_comments.get(name, ""), tuple(known.values())) for name, known in columns.items())


def render() -> str:
    """Render ``docs/reference/tables.md``."""
    lines = [
        "# Tables",
        "",
        "The tables in Postgres, in the schema `noetl_test` unless the operator is told another one. `psql`'s `\\d+`",
        "shows the same descriptions. What to do with them is in [results](../results.md).",
        "",
        "Generated from the migrations in `operator/testrun_operator/store/migrations`; do not edit.",
    ]
    for table in tables():
        lines += ["", f"## {table.name}", "", table.comment, "", "| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{column.name}` | `{column.type}` | {column.comment} |" for column in table.columns]
    return "\n".join(lines) + "\n"
