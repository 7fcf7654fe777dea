"""How a script for PostgreSQL is split into its statements."""

import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.base import Statement
from testrun_operator.databases.splitting import _split, split_statements


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        (" \n ; ;\n", []),
        ("-- nothing", []),
        ("/* nothing */ ;", []),
        ("SELECT 1", [("SELECT 1", 1)]),
        ("SELECT 1;", [("SELECT 1", 1)]),
        ("SELECT 1; SELECT 2", [("SELECT 1", 1), ("SELECT 2", 1)]),
        ("SELECT 1;\r\nSELECT 2;\r\n", [("SELECT 1", 1), ("SELECT 2", 2)]),
        ("\n-- a;\n/* b\n; */\n SELECT\n1 ; -- c\n\nSELECT 2", [("SELECT\n1", 5), ("SELECT 2", 8)]),
        ("(--a", [("(", 1)]),
        ("1 ) 2; ( ; 3); 4", [("1 ) 2", 1), ("( ; 3)", 1), ("4", 1)]),
        ("SELECT ) ( ; 2) ; 3", [("SELECT ) ( ; 2)", 1), ("3", 1)]),
        ("SELECT ')' ( ; 2) ; 3", [("SELECT ')' ( ; 2)", 1), ("3", 1)]),
        ("SELECT '(' || ')'; SELECT 2", [("SELECT '(' || ')'", 1), ("SELECT 2", 1)]),
        ("(/* a */", [("(", 1)]),
        ("SELECT (1 --a;\n); SELECT 2 --b", [("SELECT (1 --a;\n)", 1), ("SELECT 2", 2)]),
        ("SELECT 1 /* a */ ; SELECT 2; /* b */", [("SELECT 1", 1), ("SELECT 2", 1)]),
        ("(1;2) --a\n; DO $$1;$$ --b\n", [("(1;2)", 1), ("DO $$1;$$", 2)]),
        ("SELECT ';' ;\nSELECT 'it''s;\n';\nSELECT 3", [("SELECT ';'", 1), ("SELECT 'it''s;\n'", 2), ("SELECT 3", 4)]),
        ("SELECT E'\\';'; SELECT 2", [("SELECT E'\\';'", 1), ("SELECT 2", 1)]),
        ("SELECT '\\'; SELECT 2", [("SELECT '\\'", 1), ("SELECT 2", 1)]),
        ('SELECT "a;""b"; SELECT 2', [('SELECT "a;""b"', 1), ("SELECT 2", 1)]),
        ("DO $$ BEGIN; END $$; SELECT $a$ $$; $a$", [("DO $$ BEGIN; END $$", 1), ("SELECT $a$ $$; $a$", 1)]),
        ("SELECT a$b; SELECT $1, $2", [("SELECT a$b", 1), ("SELECT $1, $2", 1)]),
        ("SELECT /* /* ; */ ; */ 1; SELECT 2", [("SELECT /* /* ; */ ; */ 1", 1), ("SELECT 2", 1)]),
        ("BEGIN; SELECT 1; END; SELECT 2", [("BEGIN", 1), ("SELECT 1", 1), ("END", 1), ("SELECT 2", 1)]),
        ("SELECT CASE WHEN true THEN 1 END; SELECT 2", [("SELECT CASE WHEN true THEN 1 END", 1), ("SELECT 2", 1)]),
    ],
)
def test_a_delimiter_ends_a_statement_unless_it_is_quoted(script: str, statements: list[tuple[str, int]]) -> None:
    """Comments, strings of all kinds and dollar quotes may have delimiters in them."""
    assert [(one.text, one.line) for one in split_statements(script)] == statements


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE RULE r AS ON INSERT TO t DO (INSERT INTO a VALUES (1); DELETE FROM b)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "create or replace procedure p()\nlanguage sql begin atomic select case when true then 2 end; select 3; end",
        'CREATE FUNCTION "f;"() RETURNS int LANGUAGE sql RETURN 1',
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN 1; END; $f$",
    ],
)
def test_the_body_of_a_routine_or_rule_is_not_split(statement: str) -> None:
    """Its statements have delimiters of their own."""
    expected = (Statement(statement, 2), Statement("SELECT 1", 3 + statement.count("\n")))
    assert split_statements(f"\n{statement};\nSELECT 1") == expected


@pytest.mark.parametrize(
    "script",
    [
        "SELECT 'a;\nSELECT 2",
        "SELECT /* a;\nSELECT 2",
        "SELECT $a$;\nSELECT 2",
        'SELECT "a;\nSELECT 2',
        "a /*/* ; */ ; */ b",
    ],
)
def test_what_cannot_be_split_is_one_statement(script: str) -> None:
    """The database will refuse it, and say why."""
    assert split_statements(f"\n {script}\n") == (Statement(script, 2),)


def test_statements_before_one_that_cannot_be_split_are_run() -> None:
    """As psql would run them."""
    assert split_statements("SELECT 1;\nSELECT 'a;") == (Statement("SELECT 1", 1), Statement("SELECT 'a;", 2))


_FRAGMENTS = (
    "a ",
    "1",
    "'b;'",
    "'c''\n'",
    '"d;"',
    ";",
    ";\n",
    "\n",
    "(",
    ")",
    "-",
    "/",
    "-- e;\n",
    "create rule ",
    "$1",
)


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=20).map("".join))
def test_simple_statements_are_split_as_all_others_are(script: str) -> None:
    """That they are found without the tokenizer is a matter of speed alone."""
    assert split_statements(script) == (_split(script, 1) if script.strip(" \t\n\r\f\v") else ())


@given(st.text())
def test_any_text_can_be_split(script: str) -> None:
    """Test files are not trusted: nothing in them stops the run."""
    statements = split_statements(script)
    assert all(one.text for one in statements)
    assert all(before.line <= after.line for before, after in pairwise(statements))


@pytest.mark.parametrize(
    "piece", ["(;", "$a", "$1 ", "/*", "/* ", "/*a*/b", "$", "'", "'''", "E'\\'", "a.", "--a\n", "{#", '"a;"']
)
def test_the_time_grows_with_the_length_and_not_faster(piece: str) -> None:
    """A file that was made to hang the run does not."""

    def seconds(count: int) -> float:
        script = piece * count + ";;x"
        begin = time.process_time()
        split_statements(script)
        return time.process_time() - begin

    seconds(1000)  # loads what is loaded once
    # Eight times as much, where the square would be sixty-four times as much.
    assert seconds(40_000) < 0.5 + 32 * seconds(5_000)


def test_simple_scripts_do_not_load_the_tokenizer() -> None:
    """It takes longer to load than a database to answer, and most tests do not need it."""
    script = "from testrun_operator.databases.splitting import split_statements as split\nimport sys\n"
    script += "split('''-- a\nINSERT INTO a VALUES ('b;', 1);\nDELETE FROM c;\n''')\nprint('sqlglot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("DO $$ BEGIN; END $$; SELECT 1", ["DO $$ BEGIN; END $$", "SELECT 1"]),
        ("do\n$a$ $$ ; $$ $a$;do $b$;$b$", ["do\n$a$ $$ ; $$ $a$", "do $b$;$b$"]),
        ("DO $A$ x; $a$; y $A$; SELECT 1", ["DO $A$ x; $a$; y $A$", "SELECT 1"]),
        ("DO $$ ; $$ LANGUAGE plpgsql; SELECT 1", ["DO $$ ; $$ LANGUAGE plpgsql", "SELECT 1"]),
        ("DO $$ ; ", ["DO $$ ;"]),
    ],
)
def test_blocks_of_code_are_one_statement(script: str, texts: list[str]) -> None:
    """A dollar quote ends where its own tag comes again, whose case counts."""
    assert [statement.text for statement in split_statements(script)] == texts
