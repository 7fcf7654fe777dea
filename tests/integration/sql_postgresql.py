"""Sessions of the PostgreSQL adapter for tests, each in a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.integration.postgres import PASSWORD, PostgresServer

from testrun_operator.databases.base import Argument, CallResult, Rows
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.postgresql.database import PostgresDatabase
from testrun_operator.databases.postgresql.session import PostgresSession
from testrun_operator.errors import CaseError


def database(
    server: PostgresServer, name: str | None = None, user: str = "admin", timeout: float | None = None
) -> PostgresDatabase:
    """Give a database, a new one without a name."""
    return PostgresDatabase(read_dsn(server.dsn(name or server.new_database(), user)), timeout)


@contextmanager
def session_on(
    server: PostgresServer, name: str | None = None, timeout: float | None = None
) -> Iterator[PostgresSession]:
    """Open a session for a block of code."""
    opened = database(server, name, timeout=timeout).connect()
    try:
        yield opened
    finally:
        opened.close()


def texts(rows: Rows) -> list[tuple[str | None, ...]]:
    """Give the texts of rows."""
    return [tuple(value.text for value in row) for row in rows.rows]


def one(session: PostgresSession, query: str) -> str | None:
    """Give the only value that a query returns."""
    ((value,),) = texts(session.query(query))
    return value


def call(session: PostgresSession, name: str, **arguments: str | bytes | None) -> CallResult:
    """Call a routine that has no overloads."""
    (routine,) = session.find_routines(name)
    return session.call(routine, [Argument(key.replace("__", "$"), value) for key, value in arguments.items()])


def outputs(result: CallResult) -> dict[str, str | None]:
    """Give the texts of the outputs of a call."""
    return {name: value.text for name, value in result.outputs}


def failure(error: CaseError) -> str:
    """Give an error's text, after making sure that the password is not in it."""
    assert PASSWORD not in str(error)
    return str(error)


def attempt(session: PostgresSession, statement: str) -> None:
    """Run a statement that may fail."""
    with suppress(CaseError):
        session.execute(statement)
