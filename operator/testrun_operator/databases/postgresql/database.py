"""A PostgreSQL database, to which sessions are opened."""

import contextlib
import math
import time
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from testrun_operator.databases.base import Copies, DatabaseUnreachable
from testrun_operator.databases.dsn import Dsn
from testrun_operator.databases.postgresql.copying import prepare_copies
from testrun_operator.databases.postgresql.failures import unreachable
from testrun_operator.databases.postgresql.session import PostgresSession
from testrun_operator.masking import Masker

_CONNECT_SECONDS: Final = 10
_LEAST_MILLISECONDS: Final = 100
"""What a statement gets when all time is over: who cleans up then must be able to say that it takes longer."""
_SETTINGS: Final = "-c IntervalStyle=postgres -c bytea_output=hex -c extra_float_digits=1"
"""How values are written. Said while connecting: so they are what DISCARD ALL and RESET go back to."""
_CHECK_CLIENT: Final = "client_connection_check_interval"
"""Ends what runs for a client that was killed; servers on some systems do not have it."""
_CHOSEN: Final = b"""
    SELECT current_setting('DateStyle'), source IN ('default', 'configuration file')
    FROM pg_catalog.pg_settings
    WHERE name = 'TimeZone'
"""


@dataclass(slots=True)
class _Known:
    """What was learned about a server and its databases that have the same settings."""

    version: str = ""
    checks_client: bool = True
    settings: str | None = None
    """Further settings that sessions need; None until one was opened."""


class PostgresDatabase:
    """A database of PostgreSQL 14 or newer.

    Times are written in ISO's style; the order of day and month in what is read stays as it was chosen. A session's
    time zone is that which was chosen for the database, the user or in the address. Where nobody chose one it is UTC
    and not that of the server's machine, so that tests find the same times everywhere.

    Args:
        dsn: where it is.
        timeout: seconds from now within which everything must be done; None for as long as it takes.
    """

    def __init__(self, dsn: Dsn, timeout: float | None = None) -> None:
        self._dsn = dsn
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._masker = Masker(dsn.secrets)
        self._known = _Known()

    def __repr__(self) -> str:
        return f"<PostgresDatabase {self.label}>"

    @property
    def label(self) -> str:
        """See :attr:`Database.label`; with the server's version once there was a session."""
        return f"PostgreSQL{self._known.version}, {self._dsn.label}"

    @property
    def dsn(self) -> Dsn:
        """Where it is."""
        return self._dsn

    @property
    def seconds_left(self) -> float | None:
        """How long from now there is time; None for as long as it takes."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def for_database(self, name: str) -> "PostgresDatabase":
        """Give another database of the same server, for the same user and the same time."""
        other = PostgresDatabase(self._dsn.for_database(name), self.seconds_left)
        other._known = self._known
        return other

    def connect(self) -> PostgresSession:
        """See :meth:`Database.connect`."""
        try:
            connection = self.open_connection()
            if self._known.settings is None:
                with contextlib.closing(connection):
                    self._known.settings = _further_settings(connection)
                connection = self.open_connection()
        except psycopg.Error as error:
            raise self.failure(error) from None
        return PostgresSession(connection, self._masker, self._deadline)

    def open_connection(self) -> psycopg.Connection:
        """Open a connection with our settings.

        Raises:
            psycopg.Error: it cannot be opened.
        """
        try:
            connection = self._connect()
        except psycopg.OperationalError as error:
            if _CHECK_CLIENT not in str(error) or not self._known.checks_client:
                raise
            self._known.checks_client = False
            connection = self._connect()
        version = connection.info.parameter_status("server_version") or ""
        self._known.version = f" {version.split()[0]}" if version else ""
        return connection

    def copies(self, prefix: str) -> contextlib.AbstractContextManager[Copies]:
        """See :meth:`Database.copies`."""
        return prepare_copies(self, prefix)

    def close(self) -> None:
        """See :meth:`Database.close`; it holds nothing."""

    def failure(self, error: psycopg.Error) -> DatabaseUnreachable:
        """Say why there is no connection, without the password."""
        return unreachable(error, self._masker, self._dsn.label)

    def masked(self, error: psycopg.Error) -> str:
        """Give the text of an error without the password."""
        return self._masker.text(str(error))

    def _connect(self) -> psycopg.Connection:
        dsn = self._dsn
        left = self.seconds_left
        settings = [_SETTINGS, self._known.settings or ""]
        if self._known.checks_client:
            settings.append(f"-c {_CHECK_CLIENT}=5s")
        if left is not None:
            settings.append(f"-c statement_timeout={max(_LEAST_MILLISECONDS, math.ceil(left * 1000))}")
        own = {"host": dsn.host, "port": dsn.port, "dbname": dsn.database, "user": dsn.user, "password": dsn.password}
        parameters: dict[str, str | int] = {
            "application_name": "testrun-operator",
            **dsn.parameters,
            **{name: value for name, value in own.items() if value is not None},
            "client_encoding": "UTF8",
            # What the address says comes last, and so counts.
            "options": " ".join(filter(None, [*settings, dsn.parameters.get("options")])),
            "connect_timeout": _connect_seconds(dsn.parameters.get("connect_timeout"), left),
        }
        # Statements are not prepared: a test may create the same table again and again.
        return psycopg.connect(make_conninfo("", **parameters), autocommit=True, prepare_threshold=None)


def _further_settings(connection: psycopg.Connection) -> str:
    """Tell what must be set and depends on what was chosen; it is said while connecting again, as the others are."""
    row = connection.execute(_CHOSEN).fetchone()
    style, zone_is_nobodys = row or ("ISO", False)
    settings = ["-c TimeZone=UTC"] if zone_is_nobodys else []
    if not style.startswith("ISO"):
        settings.append(f"-c DateStyle=ISO,{style.rpartition(', ')[2]}")
    return " ".join(settings)


def _connect_seconds(given: str | None, left: float | None) -> int:
    wanted = int(given) if given is not None and given.isdecimal() and int(given) else _CONNECT_SECONDS
    return wanted if left is None else max(1, min(wanted, math.ceil(left)))
