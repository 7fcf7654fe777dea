"""Copies of a MariaDB or MySQL database."""

import contextlib
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any, Final, Protocol

import pymysql

from testrun_operator.databases.base import Database, DatabaseUnreachable, NotPossible, StatementCancelled
from testrun_operator.databases.dsn import Dsn
from testrun_operator.databases.relational.mysql import errors
from testrun_operator.databases.relational.mysql.definition import (
    READING,
    WRITING,
    Definition,
    read_definition,
    write_item,
)
from testrun_operator.databases.relational.mysql.names import quote
from testrun_operator.errors import CaseError
from testrun_operator.masking import Masker

_DROP_WAIT_SECONDS: Final = 10
"""For a session that was not closed and still uses a copy."""


class CopySource(Database, Protocol):
    """A database of MariaDB or MySQL as it is needed for copies of it."""

    @property
    def dsn(self) -> Dsn:
        """Where it is."""

    @property
    def masker(self) -> Masker:
        """Keeps the password out of messages."""

    def for_database(self, name: str) -> "CopySource":
        """Give another database of the same server."""

    def open(self, *, limited: bool = True) -> Any:
        """Open a connection of the driver; ``limited`` is whether the time that is left holds for its statements."""


@contextlib.contextmanager
def prepare_copies(origin: CopySource, prefix: str) -> Iterator["MySqlCopies"]:
    """Make the template, and drop it at the end.

    Args:
        origin: the database that is copied.
        prefix: what the names of template and copies begin with.

    Raises:
        NotPossible: there is no database in the address, a right is missing, or something cannot be copied.
        DatabaseUnreachable, StatementCancelled: as their names say.
    """
    name = origin.dsn.database
    if not name:
        raise NotPossible("no copies can be made: the connection string names no database")
    copier = _Copier(origin, prefix)
    with copier.copy(copier.read(origin), "template") as template:
        yield MySqlCopies(copier, template, name)


class MySqlCopies:
    """A template and the copies made from it.

    Args:
        copier: makes them.
        template: the template.
        origin: the name of the database that the template is a copy of.
    """

    def __init__(self, copier: "_Copier", template: CopySource, origin: str) -> None:
        self.template = template
        self._copier = copier
        self._origin = origin
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._definition: Definition | None = None

    @contextlib.contextmanager
    def copy(self) -> Iterator[CopySource]:
        """See the protocol."""
        with self._lock:
            number = next(self._numbers)
            if self._definition is None:
                self._definition = self._copier.read(self.template, (self._origin,))
        with self._copier.copy(self._definition, str(number)) as database:
            yield database


class _Copier:
    """Makes copies whose names begin in the same way."""

    def __init__(self, origin: CopySource, prefix: str) -> None:
        self._origin = origin
        self._prefix = prefix

    def read(self, database: CopySource, other_names: tuple[str, ...] = ()) -> Definition:
        """Read what a database is made of."""
        name = str(database.dsn.database)
        with self._translating(f"database {name}"), _connection(database) as connection:
            connection.run(READING)
            return read_definition(connection.rows, name, other_names)

    @contextlib.contextmanager
    def copy(self, definition: Definition, name: str) -> Iterator[CopySource]:
        """Make a copy and drop it at the end."""
        target = f"{self._prefix}_{name}"
        with self._translating(f"database {definition.database}"), _connection(self._origin) as connection:
            connection.run(f"CREATE DATABASE {quote(target)} {definition.options}")
        try:
            with _connection(self._origin) as connection:
                connection.driver.select_db(target)
                connection.run(WRITING)
                for item in definition.items:
                    with self._translating(f"{item.label} of {definition.database}"):
                        write_item(connection.run, item)
            with contextlib.closing(self._origin.for_database(target)) as database:
                yield database
        finally:
            with self._translating(f"database {target}"), _connection(self._origin, limited=False) as connection:
                connection.run(f"SET SESSION lock_wait_timeout = {_DROP_WAIT_SECONDS}")
                connection.run(f"DROP DATABASE IF EXISTS {quote(target)}")

    @contextlib.contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        """Make the server's refusals ours."""
        try:
            yield
        except pymysql.MySQLError as error:
            raise self._failure(what, error) from None

    def _failure(self, what: str, error: pymysql.MySQLError) -> CaseError:
        said = self._origin.masker.text(errors.describe(error))
        if errors.is_lost(error):
            return DatabaseUnreachable(f"{self._origin.label}: {said}")
        if errors.code_of(error) in errors.OUT_OF_TIME:
            return StatementCancelled(f"the time was over while the {what} was copied")
        message = f"the {what} cannot be copied: {said}"
        if errors.code_of(error) == errors.NO_DATABASE_RIGHT:
            pattern = self._prefix.split("_", maxsplit=1)[0] + r"\_%"
            message += f"; GRANT ALL ON `{pattern}`.* lets the user make databases with such names"
        return NotPossible(message)


class _Connection:
    """A connection for the making of copies."""

    def __init__(self, driver: "pymysql.Connection[Any]") -> None:
        self.driver = driver

    def run(self, statement: str) -> None:
        """Run a statement."""
        with self.driver.cursor() as cursor:
            cursor.execute(statement)

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a query and give its rows by the columns' names in lower case."""
        with self.driver.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            names = [str(column[0]).lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextlib.contextmanager
def _connection(database: CopySource, *, limited: bool = True) -> Iterator[_Connection]:
    with contextlib.closing(database.open(limited=limited)) as driver:
        yield _Connection(driver)
