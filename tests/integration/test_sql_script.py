"""The script for a DBA runs in the databases' own clients, from files that do not end as they should."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.mariadb import MariadbServer, running_mariadb
from tests.integration.postgres import PostgresServer, running_postgres

from testrun_operator.kinds.sql.project.dba_script import Dialect, write_script
from testrun_operator.kinds.sql.project.discovery import load_project
from testrun_operator.kinds.sql.project.model import File, Project

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sql"
FOR_POSTGRESQL = sorted({path.parts[-3] for path in EXAMPLES.glob("*/src/*.sql")} - {"mariadb"})


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariadbServer]:
    """A real MariaDB."""
    with running_mariadb() as server:
        yield server


def project_of(*texts: str) -> Project:
    """Return a project with these sources."""
    return Project("ledger", (), sources=tuple(File(f"src/{n}.sql", text) for n, text in enumerate(texts)))


def run_psql(server: PostgresServer, script: str) -> str:
    """Run a script by psql in a new database; return that database's name."""
    database = server.new_database()
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={server.dsn(database)}"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return database


@pytest.mark.postgres
def test_psql_runs_files_that_do_not_end(postgres: PostgresServer) -> None:
    """Without semicolon, without line feed, with a comment behind the last statement."""
    project = project_of(
        "CREATE TABLE a (n int) -- the table; of numbers",
        "/* nothing /* but */ comments; */",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 41; END; $body$",
        "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; END",
        "INSERT INTO a SELECT f() + g(); INSERT INTO a VALUES (2) /* last; */",
    )
    database = run_psql(postgres, write_script(project, Dialect.POSTGRESQL))
    assert postgres.execute("SELECT n FROM a ORDER BY n", database) == [(2,), (42,)]


@pytest.mark.postgres
@pytest.mark.parametrize("example", FOR_POSTGRESQL)
def test_psql_runs_the_examples(postgres: PostgresServer, example: str) -> None:
    """Each of those that have sources."""
    run_psql(postgres, write_script(load_project(EXAMPLES / example), Dialect.POSTGRESQL))


def test_mariadb_runs_files_that_do_not_end(mariadb: MariadbServer) -> None:
    """With routines whose files have no DELIMITER, which tests do not need, and with some that do not put it back."""
    project = project_of(
        "CREATE TABLE a (n int) # the table; of numbers",
        "CREATE PROCEDURE p(IN x int)\nBEGIN\n  INSERT INTO a VALUES (x); -- //\n  INSERT INTO a VALUES (x + 1);\nEND",
        "DELIMITER //\nCREATE PROCEDURE q()\nBEGIN\n  CALL p(1);\n  CALL p(10);\nEND//\n",
        "DELIMITER $$\nCREATE PROCEDURE r() BEGIN CALL q(); END",
        "INSERT INTO a VALUES (0); CREATE PROCEDURE s() BEGIN CALL r(); END; CALL s()",
    )
    database = mariadb.new_database()
    mariadb.run_client(write_script(project, Dialect.MYSQL), database)
    assert [row[0] for row in mariadb.execute("SELECT n FROM a ORDER BY n", database)] == [0, 1, 2, 10, 11]


def test_mariadb_runs_its_example(mariadb: MariadbServer) -> None:
    """As a DBA would."""
    database = mariadb.new_database()
    mariadb.run_client(write_script(load_project(EXAMPLES / "mariadb"), Dialect.MYSQL), database)
    assert mariadb.execute("SHOW TABLES", database)
