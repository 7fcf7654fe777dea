"""How scripts of SQLite are split."""

import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.relational.sqlite.splitting import split_script

TRIGGER = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = ';'; DELETE FROM d; END"


def _texts(script: str) -> list[str]:
    return [statement.text for statement in split_script(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("-- nothing;\n/* at all; */ ;;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT ';', \";\", `;`, [;];SELECT 2", ["SELECT ';', \";\", `;`, [;]", "SELECT 2"]),
        ("SELECT 'a\\';SELECT 2", ["SELECT 'a\\'", "SELECT 2"]),
        ("SELECT 'it''s;'; SELECT 5--2;\n;SELECT 3", ["SELECT 'it''s;'", "SELECT 5--2;", "SELECT 3"]),
        (f"SELECT 1;{TRIGGER};SELECT 2", ["SELECT 1", TRIGGER, "SELECT 2"]),
        ("BEGIN;SELECT 1;END;", ["BEGIN", "SELECT 1", "END"]),
        ("SELECT 'open;SELECT 2;", ["SELECT 'open;SELECT 2;"]),
        ("SELECT '\0;';SELECT 2", ["SELECT '\0;'", "SELECT 2"]),
    ],
)
def test_a_statement_ends_where_sqlite_says(script: str, expected: list[str]) -> None:
    """Triggers are whole without any delimiter."""
    assert expected == _texts(script)


def test_lines_are_those_of_the_script_on_which_statements_begin() -> None:
    """Comments before a statement are no part of it."""
    script = f"-- one\n\nSELECT 1; /* two\n */ {TRIGGER};\nSELECT\n3"
    assert [3, 4, 5] == [statement.line for statement in split_script(script)]


_MARKS = ["SELECT 1", ";", "'", '"', "`", "[", "]", "--", "/*", "*/", "\n", " ", "\\", "x", "é"]
_WORDS = ["CREATE TRIGGER t ", "create temp trigger t ", "EXPLAIN ", "BEGIN ", "END", " END;", ";END"]
_PIECES = st.sampled_from(_MARKS + _WORDS)


def _as_the_shell_does(script: str) -> list[str]:
    """Show SQLite each statement from its begin on, at every semicolon; it takes the square of the time."""
    found, start = [], 0
    for end in [match.end() for match in re.finditer(";", script)]:
        if sqlite3.complete_statement(script[start:end]):
            found.append(script[start : end - 1])
            start = end
    blank = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*", re.DOTALL)
    texts = [text[match.end() :].rstrip() for text in [*found, script[start:]] if (match := blank.match(text))]
    return [text for text in texts if text]


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_it_is_what_sqlite_says_of_whole_statements(script: str) -> None:
    """The shortcut that keeps it linear changes nothing."""
    assert _as_the_shell_does(script) == _texts(script)


@pytest.mark.parametrize("part", [";", "'", "/*", "-- ", "CREATE TRIGGER t BEGIN SELECT 1;", "SELECT ';';\n", " END;"])
def test_a_megabyte_of_anything_is_split(part: str) -> None:
    """What takes the square of the time would not come to an end here."""
    script = "CREATE TRIGGER t BEGIN " + part * (1_000_000 // len(part))
    assert sum(len(statement.text) for statement in split_script(script)) <= len(script)
