"""Copies of a database, made by the server from a template, for ``isolation: database``."""

import contextlib
import hashlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier, Literal

from testrun_operator.databases.base import Database, NotPossible, StatementCancelled, StatementFailed
from testrun_operator.databases.dsn import Dsn
from testrun_operator.errors import CaseError

_LOG: Final = logging.getLogger(__name__)
_MARK: Final = "A copy made by testrun-operator, to be dropped by it"
_MAINTENANCE: Final = ("postgres", "template1")
"""Databases from which others are made; every server has them, and the tests are in neither."""
_MAX_NAME: Final = 63
_ROOM_FOR_NUMBER: Final = 8
_DROP_TIMEOUT: Final = "30s"
_LEAST_MILLISECONDS: Final = 100
"""Even when all time is over: less would not let the next statement say otherwise."""
_SETTINGS: Final = """
    SELECT setrole <> 0, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
    FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS setting
    WHERE setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = %s)
      AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))
"""
_LEFT_OVER: Final = """
    SELECT datname FROM pg_catalog.pg_database
    WHERE starts_with(datname, %s) AND shobj_description(oid, 'pg_database') = %s
"""
_SESSIONS: Final = """
    SELECT usename, coalesce(nullif(application_name, ''), backend_type, 'a session'), count(*)
    FROM pg_catalog.pg_stat_activity
    WHERE datname = %s AND pid <> pg_backend_pid()
    GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5
"""


class CopySource(Database, Protocol):
    """A database of PostgreSQL as it is needed for copies of it."""

    @property
    def dsn(self) -> Dsn:
        """Where it is."""

    @property
    def seconds_left(self) -> float | None:
        """How long from now there is time; None for as long as it takes."""

    def for_database(self, name: str) -> "CopySource":
        """Give another database of the same server."""

    def open_connection(self) -> psycopg.Connection:
        """Open a connection.

        Raises:
            psycopg.Error: it cannot be opened.
        """

    def failure(self, error: psycopg.Error) -> CaseError:
        """Say why there is no connection, without the password."""

    def masked(self, error: psycopg.Error) -> str:
        """Give the text of an error without the password."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """``ALTER DATABASE … SET``, or ``ALTER ROLE … IN DATABASE … SET``: the server does not copy them."""

    is_roles: bool
    name: str
    value: str


@dataclass(slots=True)
class _Maker:
    """Makes and drops databases, one at a time: the server cannot copy one template twice at once."""

    source: CopySource
    connection: psycopg.Connection
    name: str
    """The name of the database that is copied."""
    prefix: str
    settings: list[_Setting] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: set[str] = field(default_factory=set)
    count: int = 0

    def make(self, template: str) -> CopySource:
        """Copy a database.

        Raises:
            NotPossible: a right is missing, or somebody uses the template.
            StatementFailed: the server could not.
        """
        with self.lock:
            try:
                self._run(SQL("SET statement_timeout = {}").format(Literal(self._milliseconds())))
                name = self._create(template)
                self._run(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(_MARK)))
                for setting in self.settings:
                    self._apply(setting, name)
            except psycopg.Error as error:
                raise self._failure(error, template) from None
            return self.source.for_database(name)

    def drop(self, name: str) -> None:
        """Drop a copy, with whoever still uses it. Never raises: what cannot be dropped is left, and logged."""
        with self.lock:
            for _ in range(2):
                try:
                    if self.connection.closed:
                        self.connection = _maintenance(self.source)
                    self._run(SQL("SET statement_timeout = {}").format(Literal(_DROP_TIMEOUT)))
                    self._run(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
                except psycopg.Error as error:
                    failure = self.source.masked(error)
                else:
                    self.made.discard(name)
                    return
            _LOG.warning("the copy %s of the database is left: %s", name, failure)

    def drop_all(self) -> None:
        """Drop all copies that are left, and end."""
        for name in sorted(self.made, reverse=True):
            self.drop(name)
        self.connection.close()

    def drop_leftovers(self) -> None:
        """Drop what an execution of the same prefix left behind, because it was killed."""
        for (name,) in self.connection.execute(_LEFT_OVER, [self.prefix, _MARK]).fetchall():
            self.drop(name)

    def read_settings(self) -> None:
        """Remember what the source has of settings."""
        rows = self.connection.execute(_SETTINGS, [self.name]).fetchall()
        self.settings = [_Setting(*row) for row in rows]

    def _create(self, template: str) -> str:
        """Copy a database under the next name that is free."""
        while True:
            name = f"{self.prefix}{self.count}"
            self.count += 1
            with contextlib.suppress(errors.DuplicateDatabase):
                self._run(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
                self.made.add(name)
                return name

    def _apply(self, setting: _Setting, name: str) -> None:
        target = "ALTER ROLE CURRENT_USER IN DATABASE {} SET {} FROM CURRENT"
        if not setting.is_roles:
            target = "ALTER DATABASE {} SET {} FROM CURRENT"
        variable = SQL(".").join(Identifier(part) for part in setting.name.split("."))
        try:
            with self.connection.transaction():
                self.connection.execute("SELECT set_config(%s, %s, true)", [setting.name, setting.value])
                self._run(SQL(target).format(Identifier(name), variable))
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            _LOG.warning("the setting %s is not copied: %s", setting.name, self.source.masked(error))

    def _run(self, statement: Composed) -> None:
        self.connection.execute(statement)

    def _milliseconds(self) -> int:
        left = self.source.seconds_left
        return 0 if left is None else max(_LEAST_MILLISECONDS, round(left * 1000))

    def _failure(self, error: psycopg.Error, template: str) -> CaseError:
        user = self.connection.info.user
        if isinstance(error, errors.QueryCanceled):
            return StatementCancelled(f"the copy of the database {template} was not made in time")
        if isinstance(error, errors.InsufficientPrivilege):
            if template == self.name and self._may_create():
                return NotPossible(
                    f"isolation: database needs a copy of the database {template}, which {user} may not make: give it "
                    "to that user (ALTER DATABASE … OWNER TO …), or mark it (ALTER DATABASE … IS_TEMPLATE true)"
                )
            return NotPossible(
                f"isolation: database needs the right to create databases, which {user} has not: "
                "ALTER ROLE … CREATEDB gives it; or use isolation: rollback"
            )
        if isinstance(error, errors.ObjectInUse):
            rows = self.connection.execute(_SESSIONS, [template]).fetchall()
            who = ", ".join(f"{application} of {owner} ({count})" for owner, application, count in rows)
            return NotPossible(
                f"isolation: database needs a copy of the database {template}, which cannot be made while others "
                f"are connected to it: {who or 'they are gone by now'}; end their sessions, or test in another database"
            )
        if self.connection.closed:
            return self.source.failure(error)
        return StatementFailed(
            f"the database {template} cannot be copied: {error.diag.message_primary}", sqlstate=error.sqlstate
        )

    def _may_create(self) -> bool:
        row = self.connection.execute(
            "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        ).fetchone()
        return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class PostgresCopies:
    """A template and the copies made from it."""

    template: Database
    """See :attr:`Copies.template`."""
    name: str
    maker: _Maker

    @contextlib.contextmanager
    def copy(self) -> Iterator[Database]:
        """See :meth:`Copies.copy`.

        Raises:
            NotPossible: a session to the template is open.
            StatementFailed: the server could not.
        """
        made = self.maker.make(self.name)
        try:
            yield made
        finally:
            if made.dsn.database is not None:
                self.maker.drop(made.dsn.database)


@contextlib.contextmanager
def prepare_copies(source: CopySource, prefix: str) -> Iterator[PostgresCopies]:
    """Prepare copies of a database; drop them all at the end of the block.

    Args:
        source: the database; nobody may be connected to it.
        prefix: what the names of the copies begin with; unique for this execution.

    Raises:
        NotPossible: a right is missing, or somebody is connected to the source; says what to do.
        DatabaseUnreachable: the server cannot be reached.
    """
    try:
        connection = _maintenance(source)
    except psycopg.Error as error:
        raise source.failure(error) from None
    name = source.dsn.database or source.dsn.user or connection.info.user  # as libpq takes it
    maker = _Maker(source, connection, name, _shortened(prefix))
    try:
        try:
            maker.drop_leftovers()
            maker.read_settings()
        except psycopg.Error as error:
            raise source.failure(error) from None
        template = maker.make(name)
        yield PostgresCopies(template, template.dsn.database or "", maker)
    finally:
        maker.drop_all()


def _maintenance(source: CopySource) -> psycopg.Connection:
    """Connect to a database other than the source; to the source itself where nothing else may be connected to."""
    for name in _MAINTENANCE:
        if name != source.dsn.database:
            with contextlib.suppress(psycopg.OperationalError):
                return source.for_database(name).open_connection()
    return source.open_connection()


def _shortened(prefix: str) -> str:
    """Give a prefix that leaves room for a number, and is as unique as before."""
    limit = _MAX_NAME - _ROOM_FOR_NUMBER
    if len(prefix.encode()) <= limit:
        return prefix
    digest = hashlib.sha256(prefix.encode()).hexdigest()[:16]
    return prefix.encode()[: limit - len(digest)].decode(errors="ignore") + digest
