"""How scripts of Oracle are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.relational.oracle.splitting import split_script

BLOCK = "CREATE OR REPLACE PROCEDURE p IS\nBEGIN\n  INSERT INTO a VALUES ('/');\n  COMMIT;\nEND;"


def _texts(script: str) -> list[str]:
    return [statement.text for statement in split_script(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("-- nothing;\n/* at all; */ ;;\n/\n  /  \n", []),
        ("SELECT 1 FROM dual; SELECT 2 FROM dual", ["SELECT 1 FROM dual", "SELECT 2 FROM dual"]),
        ("SELECT ';', \";\" FROM dual;SELECT 2", ["SELECT ';', \";\" FROM dual", "SELECT 2"]),
        (
            "SELECT q'[it's;]', nq'{;'}', q'!;'!' FROM dual;SELECT 2",
            ["SELECT q'[it's;]', nq'{;'}', q'!;'!' FROM dual", "SELECT 2"],
        ),
        ("SELECT 6\n/ 2 FROM dual;SELECT 2", ["SELECT 6\n/ 2 FROM dual", "SELECT 2"]),
        ("SELECT 1 FROM dual\n/\nSELECT 2 FROM dual\n/\n", ["SELECT 1 FROM dual", "SELECT 2 FROM dual"]),
        (f"{BLOCK}\n/\nSELECT 2 FROM dual;", [BLOCK, "SELECT 2 FROM dual"]),
        (f"CREATE TABLE a (b INT);\n/\n{BLOCK}\r\n/\r\n", ["CREATE TABLE a (b INT)", BLOCK]),
        (
            "BEGIN\n  p;\nEND;\n/\nDECLARE x INT; BEGIN NULL; END;",
            ["BEGIN\n  p;\nEND;", "DECLARE x INT; BEGIN NULL; END;"],
        ),
        ("CREATE EDITIONABLE PACKAGE BODY p AS\nEND;\n/", ["CREATE EDITIONABLE PACKAGE BODY p AS\nEND;"]),
        ("SELECT 'open;SELECT 2;", ["SELECT 'open;SELECT 2;"]),
    ],
)
def test_sql_ends_at_a_semicolon_and_plsql_at_a_slash_on_a_line_of_its_own(script: str, expected: list[str]) -> None:
    """As for SQL*Plus, but that a slash behind a semicolon runs nothing a second time."""
    assert expected == _texts(script)


def test_lines_are_those_of_the_script_on_which_statements_begin() -> None:
    """Comments before a statement are no part of it."""
    script = f"-- one\nSELECT 1 FROM dual;\n/* two */ {BLOCK}\n/\n\nSELECT 2"
    assert [2, 3, 10] == [statement.line for statement in split_script(script)]


@given(
    st.lists(
        st.sampled_from(
            ["SELECT 1", ";", "'", '"', "q'[", "]'", "--", "/*", "*/", "\n", " ", "/", "\n/\n", "BEGIN ", "END;"]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_is_split_into_parts_of_itself_in_their_order(script: str) -> None:
    """No input fails, and nothing is made up."""
    position = 0
    for statement in split_script(script):
        position = script.index(statement.text, position) + len(statement.text)
        assert "" != statement.text


@pytest.mark.parametrize("part", [";", "'", "/*", "q'[", "BEGIN x; END;\n/\n", "/\n", "\t\n", "\n", " /"])
def test_a_megabyte_of_anything_is_split(part: str) -> None:
    """What takes the square of the time would not come to an end here."""
    script = part * (1_000_000 // len(part))
    assert sum(len(statement.text) for statement in split_script(script)) <= len(script)
