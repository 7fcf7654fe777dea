"""The schema and the sources of a project as one script, for whoever may change a database but runs no tests in it."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from enum import StrEnum

from testrun_operator.databases.base import Statement
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.project.model import File, Project
from testrun_operator.sources.paths import printable

Split = Callable[[str], Sequence[Statement]]


class Dialect(StrEnum):
    """Whose client the script is for."""

    POSTGRESQL = "postgresql"
    """psql."""
    MYSQL = "mysql"
    """The client of MariaDB and MySQL."""
    ORACLE = "oracle"
    """SQL*Plus."""
    SQLITE = "sqlite"
    """sqlite3."""


class NoScript(CaseError):
    """A script cannot be written.

    Args:
        message: which file stands in the way, and why.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


_HINTS = {
    Dialect.POSTGRESQL: "psql --set=ON_ERROR_STOP=1 --file=THIS_FILE ends at the first error.",
    Dialect.MYSQL: "mysql DATABASE < THIS_FILE ends at the first error.",
    Dialect.ORACLE: "SQL*Plus needs SET DEFINE OFF, SET SQLBLANKLINES ON and WHENEVER SQLERROR EXIT FAILURE before it.",
    Dialect.SQLITE: "sqlite3 -bail DATABASE < THIS_FILE ends at the first error.",
}
_RULE = "-- " + "-" * 77
_DELIMITER = re.compile(r"^[ \t]*delimiter[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)
_DELIMITERS = ("//", "$$", "%%", "|||", "~~~~")
_SLASH_LINE = re.compile(r"^[ \t]*/[ \t]*\r?$", re.MULTILINE)
_PLSQL = re.compile(
    r"^[ \t]*(?:declare|begin|create(?:[ \t]+or[ \t]+replace)?(?:[ \t]+(?:non)?editionable)?"
    r"[ \t]+(?:procedure|function|package|trigger|type|library))\b",
    re.IGNORECASE | re.MULTILINE,
)
_PROBE = "\nSELECT 1"


def write_script(project: Project, dialect: Dialect = Dialect.POSTGRESQL) -> str:
    """Return the schema and the sources, in the order in which they are loaded, as one script.

    Each file stands as it is, with its name above it. A last statement without a delimiter gets one, so that no file
    runs into the next.

    Args:
        project: the project.
        dialect: whose client the script is for.

    Raises:
        NoScript: there is neither schema nor source, one of them cannot be read, or has no end.
    """
    files = [*((project.schema,) if project.schema is not None else ()), *project.sources]
    if not files:
        raise NoScript(f"{printable(project.name)} has no schema.sql and no src/**/*.sql")
    unreadable = [str(file.problem) for file in files if file.problem is not None]
    if unreadable:
        raise NoScript("; ".join(unreadable))
    ended = _ENDED[dialect]
    head = f"-- {printable(project.name)}: the schema and the sources, in their order.\n-- {_HINTS[dialect]}\n"
    parts = (f"\n{_RULE}\n-- {printable(file.path)}\n{_RULE}\n{ended(file)}" for file in files)
    return head + "".join(parts)


def _with_line_end(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _end_as_postgresql(file: File) -> str:
    from testrun_operator.databases.splitting import split_statements  # noqa: PLC0415 - loads a tokenizer

    if not _runs_on(split_statements, file.text, ""):
        return _with_line_end(file.text)
    if not _runs_on(split_statements, file.text, "\n;"):
        return f"{_with_line_end(file.text)};\n"
    if "/*/*" in file.text and file.text.rstrip().endswith(";"):  # which the splitter leaves alone
        return _with_line_end(file.text)
    raise _no_end(file)


def _end_as_mysql(file: File) -> str:
    from testrun_operator.databases.relational.mysql.splitting import split_script  # noqa: PLC0415 - as above

    own = _DELIMITER.findall(file.text)
    text = file.text
    if _runs_on(split_script, text, ""):
        fitting = [end for end in (";", *reversed(own)) if not _runs_on(split_script, text, f"\n{end}")]
        if not fitting:
            raise _no_end(file)
        text = f"{_with_line_end(text)}{fitting[0]}\n"
    if own:
        return f"{_with_line_end(text)}DELIMITER ;\n"
    return _with_line_end(_delimit_routines(text, split_script(text)))


def _delimit_routines(text: str, statements: Sequence[Statement]) -> str:
    """Put lines with DELIMITER around routines that contain semicolons; tests need none of them, the client does."""
    from testrun_operator.databases.relational.mysql.blocks import begins_routine  # noqa: PLC0415 - as above

    delimiter = next((mark for mark in _DELIMITERS if mark not in text), "")
    done: list[str] = []
    position = 0
    for statement in statements:
        if ";" not in statement.text or not delimiter or not begins_routine(statement.text, 0):
            continue
        start = text.index(statement.text, position)
        end = start + len(statement.text)
        before = text[position:start]
        position = text.index(";", end) + 1
        gap = "" if not before or before.endswith("\n") else "\n"
        # The client ignores what else stands on the line of a DELIMITER.
        behind = "" if text.startswith(("\n", "\r\n"), position) or position == len(text) else "\n"
        done.append(f"{before}{gap}DELIMITER {delimiter}\n{statement.text}\n{delimiter}\nDELIMITER ;{behind}")
    return "".join([*done, text[position:]])


def _end_as_sqlite(file: File) -> str:
    text = file.text
    if not text.strip() or sqlite3.complete_statement(text):
        return _with_line_end(text)
    if sqlite3.complete_statement(f"{text}\n;"):
        return f"{_with_line_end(text)};\n"
    raise _no_end(file)


def _end_as_oracle(file: File) -> str:
    text = _with_line_end(file.text)
    last = _SLASH_LINE.split(text)[-1]
    if not last.strip():
        return text
    if _PLSQL.search(last):  # everything from there on, up to a slash, is one unit to the client
        return f"{text}/\n"
    # A slash here would run the last statement once more.
    code = re.sub(r"--[^\n]*|/\*.*?\*/", "", last, flags=re.DOTALL).strip()
    return text if not code or code.endswith(";") else f"{text};\n"


def _runs_on(split: Split, text: str, end: str) -> bool:
    """Whether a statement behind the text and its end would become a part of the text's last one."""
    alone = split(text)
    return bool(alone) and len(split(f"{text}{end}{_PROBE}")) == len(alone)


def _no_end(file: File) -> NoScript:
    where = printable(file.path)
    return NoScript(
        f"{where} has a text, a comment or a block without an end, so that the next file would belong to it"
    )


_ENDED: dict[Dialect, Callable[[File], str]] = {
    Dialect.POSTGRESQL: _end_as_postgresql,
    Dialect.MYSQL: _end_as_mysql,
    Dialect.ORACLE: _end_as_oracle,
    Dialect.SQLITE: _end_as_sqlite,
}
