"""Every example of database tests runs as its page says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.mariadb import running_mariadb
from tests.integration.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.postgres

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sql"
OTHERS = {"mariadb", "configmap", "git"}  # for another database, and for a cluster
ISOLATIONS = {
    "isolation-rollback": ("--isolation", "rollback"),
    "isolation-database": ("--isolation", "database", "--parallel", "2"),
}
SUMMARIES = {"focus-and-skip": "1 passed, 2 skipped"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


def _run(example: str, dsn: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from testrun_operator.cli import main; main()", "sql", "run"]
    return subprocess.run(
        [*command, str(EXAMPLES / example), *options],
        check=False,
        env={"DB_URL": dsn, "PATH": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("example", sorted({path.name for path in EXAMPLES.iterdir() if path.is_dir()} - OTHERS))
def test_an_example_for_postgresql_passes(server: PostgresServer, example: str) -> None:
    """Twice: a project must be able to run again in a database that it has used."""
    dsn = server.dsn(server.new_database())
    for _ in range(2):
        done = _run(example, dsn, *ISOLATIONS.get(example, ()))
        assert done.returncode == 0, done.stdout + done.stderr
        assert SUMMARIES.get(example, " passed in ") in done.stdout


def test_the_example_for_mariadb_passes() -> None:
    """With all three isolations."""
    with running_mariadb() as server:
        for isolation in ("none", "rollback", "database"):
            done = _run("mariadb", server.url(server.new_database()), "--isolation", isolation)
            assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_every_example() -> None:
    """A folder that nobody finds is no example."""
    page = (EXAMPLES / "README.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES.iterdir() if path.is_dir() and f"`{path.name}`" not in page] == []
