"""The script for a DBA has all files as they are, and none of them runs into the next."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from testrun_operator.kinds.sql.project.dba_script import Dialect, NoScript, write_script
from testrun_operator.kinds.sql.project.discovery import load_project
from testrun_operator.kinds.sql.project.model import File, Project

MakeProject = Callable[[Mapping[str, str | bytes]], Path]
RULE = "-- " + "-" * 77


def project_of(*texts: str) -> Project:
    """Return a project with sources."""
    return Project("ledger", (), sources=tuple(File(f"src/{n}.sql", text) for n, text in enumerate(texts)))


def script_of(text: str, dialect: Dialect) -> str:
    """Return what a single source becomes, without what is written above it."""
    return write_script(project_of(text), dialect).rpartition(f"{RULE}\n")[2]


def test_the_schema_comes_first_then_the_sources_in_their_order(make_project: MakeProject) -> None:
    """Each below its name; a project needs no tests for it."""
    root = make_project({"src/b.sql": "SELECT 3", "src/B.sql": "SELECT 2;", "schema.sql": "SELECT 1;\n"})
    assert write_script(load_project(root, tests_required=False)) == (
        "-- ledger: the schema and the sources, in their order.\n"
        "-- psql --set=ON_ERROR_STOP=1 --file=THIS_FILE ends at the first error.\n"
        f"\n{RULE}\n-- schema.sql\n{RULE}\nSELECT 1;\n"
        f"\n{RULE}\n-- src/B.sql\n{RULE}\nSELECT 2;\n"
        f"\n{RULE}\n-- src/b.sql\n{RULE}\nSELECT 3\n;\n"
    )


COMPLETE = ["", "\n", "-- nothing", "SELECT 1;", "SELECT 1;\r\n", "SELECT 1; -- done", "SELECT ';';\n/* done */\n\n"]
INCOMPLETE = ["SELECT 1", "SELECT 1\n", "SELECT 1; SELECT 2", "SELECT 1 -- done;", "SELECT ';'", "SELECT 1 /* ; */"]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("text", COMPLETE)
def test_what_has_an_end_stands_as_it_is(dialect: Dialect, text: str) -> None:
    """With a line feed at its end."""
    script = script_of(text, dialect)
    whole = text if not text or text.endswith("\n") else f"{text}\n"
    # SQLite takes a comment alone for a statement; a semicolon behind it does no harm.
    assert script in {whole, f"{whole};\n"} if dialect is Dialect.SQLITE and "SELECT" not in text else script == whole


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("text", INCOMPLETE)
def test_a_last_statement_without_an_end_gets_one(dialect: Dialect, text: str) -> None:
    """On a line of its own, since a comment may stand behind the statement."""
    script = script_of(text, dialect)
    assert script == f"{text.removesuffix(chr(10))}\n;\n"


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;\n",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $body$\nSELECT 1; -- $$ ' \n$body$;\n",
        "DO $$ BEGIN PERFORM 1; END $$;\n",
        "/* outer /* inner */ ; */ SELECT 1;\n",
        "CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; SELECT 2; END;\n",
    ],
)
def test_postgresql_quotes_are_understood(text: str) -> None:
    """Their semicolons end nothing, and the delimiter at the end is seen."""
    assert script_of(text, Dialect.POSTGRESQL) == text
    assert script_of(text.rstrip(";\n"), Dialect.POSTGRESQL) == f"{text.rstrip(chr(10) + ';')}\n;\n"


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (Dialect.POSTGRESQL, "SELECT 'a;\n"),
        (Dialect.POSTGRESQL, "SELECT 1; /* a;\n"),
        (Dialect.POSTGRESQL, "DO $$ BEGIN;\n"),
        (Dialect.MYSQL, "SELECT 'a;\n"),
        (Dialect.SQLITE, "SELECT 'a;\n"),
        (Dialect.SQLITE, "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;\n"),
    ],
)
def test_what_has_no_end_is_refused(dialect: Dialect, text: str) -> None:
    """The next file would belong to it."""
    with pytest.raises(NoScript) as refused:
        write_script(project_of(text, "SELECT 2;"), dialect)
    assert refused.value.message == (
        "src/0.sql has a text, a comment or a block without an end, so that the next file would belong to it"
    )


ROUTINE = "CREATE PROCEDURE p()\nBEGIN\n  SELECT 1;\nEND"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (f"DELIMITER //\n{ROUTINE}//\nDELIMITER ;\n", f"DELIMITER //\n{ROUTINE}//\nDELIMITER ;\nDELIMITER ;\n"),
        (f"DELIMITER //\n{ROUTINE}//\n", f"DELIMITER //\n{ROUTINE}//\nDELIMITER ;\n"),
        (f"delimiter $$\n{ROUTINE}", f"delimiter $$\n{ROUTINE}\n$$\nDELIMITER ;\n"),
        (f"{ROUTINE};\n", f"DELIMITER //\n{ROUTINE}\n//\nDELIMITER ;\n"),
        (f"{ROUTINE}", f"DELIMITER //\n{ROUTINE}\n//\nDELIMITER ;\n"),
        (f"{ROUTINE}; SELECT 2;", f"DELIMITER //\n{ROUTINE}\n//\nDELIMITER ;\n SELECT 2;\n"),
        (
            f"SELECT 1; {ROUTINE};\n-- a // b\nSELECT 2",
            f"SELECT 1; \nDELIMITER $$\n{ROUTINE}\n$$\nDELIMITER ;\n-- a // b\nSELECT 2\n;\n",
        ),
    ],
)
def test_mysql_has_its_delimiters(text: str, script: str) -> None:
    """Tests run without them, the client does not; at the end of a file it is the semicolon again."""
    assert script_of(text, Dialect.MYSQL) == script


BLOCK = "CREATE OR REPLACE PROCEDURE p IS\nBEGIN\n  NULL;\nEND;"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (f"{BLOCK}\n/\n", f"{BLOCK}\n/\n"),
        (f"{BLOCK}\n", f"{BLOCK}\n/\n"),
        (BLOCK, f"{BLOCK}\n/\n"),
        (f"SELECT 1 FROM dual;\n{BLOCK}\n  /  \nSELECT 2 FROM dual", None),
        ("begin\n  null;\nend;\n", "begin\n  null;\nend;\n/\n"),
        ("CREATE TABLE begin_of (a int);\n", "CREATE TABLE begin_of (a int);\n"),
    ],
)
def test_oracle_has_its_slashes(text: str, script: str | None) -> None:
    """Behind blocks only: a slash behind a plain statement would run it once more."""
    assert script_of(text, Dialect.ORACLE) == (script or f"{text}\n;\n")


def test_the_script_runs(make_project: MakeProject) -> None:
    """In SQLite, with files that do not end as they should."""
    root = make_project(
        {
            "schema.sql": "CREATE TABLE a (n int) -- the table",
            "src/trigger.sql": "CREATE TRIGGER t AFTER INSERT ON a WHEN new.n < 3 BEGIN\n"
            "  INSERT INTO a VALUES (new.n + 1);\nEND",
            "src/z.sql": "INSERT INTO a VALUES (2)",
        }
    )
    database = sqlite3.connect(":memory:")
    database.executescript(write_script(load_project(root, tests_required=False), Dialect.SQLITE))
    assert database.execute("SELECT n FROM a ORDER BY n").fetchall() == [(2,), (3,)]


def test_without_files_there_is_no_script(make_project: MakeProject) -> None:
    """An empty script would look like success."""
    with pytest.raises(NoScript, match=r"ledger has no schema\.sql and no src/\*\*/\*\.sql"):
        write_script(load_project(make_project({"tests/a.stt": ""})))


def test_a_file_that_cannot_be_read_is_refused(make_project: MakeProject) -> None:
    """Without it, the script would not be the project's."""
    root = make_project({"tests/a.stt": "", "src/a.sql": b"\xff", "schema.sql": ""})
    with pytest.raises(NoScript, match=r"src/a\.sql:1: has a byte that is not UTF-8"):
        write_script(load_project(root))


def test_a_name_cannot_end_the_comment_above_its_file(make_project: MakeProject) -> None:
    """A line feed is allowed in the name of a file."""
    root = make_project({"src/a\nDROP TABLE users;.sql": "SELECT 1;"})
    assert "\nDROP" not in write_script(load_project(root, tests_required=False))
