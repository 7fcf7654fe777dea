"""Projects of database tests that are written to a folder and executed against a real PostgreSQL."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.postgres import PostgresServer, running_postgres

from testrun_operator.databases.base import Isolation
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import ProjectOutcome, TestCaseOutcome, TestOutcome
from testrun_operator.kinds.sql.project.discovery import load_path


class Listener:
    """Takes what an observer is told, and keeps nothing."""

    def planned(self, cases: int, tests: int) -> None:
        """Take the plan."""

    def doing(self, what: str) -> None:
        """Take what is done."""

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """Take a test."""

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Take a test case."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server."""
    with running_postgres() as running:
        yield running


@dataclass
class Ran:
    """What came of a project."""

    outcome: ProjectOutcome
    server: PostgresServer
    database: str

    @property
    def tests(self) -> list[TestOutcome]:
        """All outcomes of tests."""
        return [test for case in self.outcome.cases for test in case.tests]

    @property
    def messages(self) -> str:
        """All that is said of what failed."""
        problems = [str(problem) for case in self.outcome.cases for problem in case.problems]
        return "\n".join([*problems, *(test.message for test in self.tests)])

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Look at what is in the database."""
        return self.server.execute(statement, self.database)


Run = Callable[..., Ran]


@pytest.fixture
def run(server: PostgresServer, tmp_path: Path) -> Run:
    """Return a function that writes a project and executes it in a database of its own.

    Its first argument are the files; a text is the only file of a test case that is run alone.
    """

    def run_it(
        files: Mapping[str, str | bytes] | str,
        isolation: Isolation = Isolation.NONE,
        *,
        before: str = "",
        deadline: float | None = None,
        parallel: int = 1,
    ) -> Ran:
        if isinstance(files, str):
            path = tmp_path / "alone.stt"
            path.write_text(files)
        else:
            path = tmp_path
            for name, content in files.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        database = server.new_database()
        if before:
            server.execute(before, database)
        opened = open_database(read_dsn(server.dsn(database)), None)
        request = Request(isolation=isolation, parallel=parallel)
        limit = None if deadline is None else time.monotonic() + deadline
        return Ran(execute(load_path(path), opened, request, Listener(), limit), server, database)

    return run_it


def generic(body: str, *sections: str, name: str = "It works.") -> str:
    """Write a generic test."""
    return "\n".join(["## TEST", name, "```sql", body, "```", *sections, "", ""])


GENERIC = "# TEST CASE\nGeneric.\n\n"
DIVIDE = """
CREATE PROCEDURE divide(dividend numeric, divisor numeric, OUT quotient numeric)
LANGUAGE plpgsql AS $$ BEGIN quotient := dividend / divisor; END $$;
"""
