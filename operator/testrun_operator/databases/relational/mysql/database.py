"""A MariaDB or MySQL database."""

import contextlib
import ssl
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import pymysql
from pymysql.constants import CLIENT, CR
from pymysql.converters import conversions
from pymysql.cursors import Cursor
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from testrun_operator.databases.base import Copies, DatabaseUnreachable
from testrun_operator.databases.dsn import Dsn
from testrun_operator.databases.relational.mysql import errors
from testrun_operator.databases.relational.mysql.copies import prepare_copies
from testrun_operator.databases.relational.mysql.session import MySqlSession
from testrun_operator.masking import Masker

MAX_CONNECT_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 30.0
"""By so much the client is more patient than the server is told to be: only where the server says nothing at all."""
_CANCEL_SECONDS: Final = 5.0
_TEXTS: Final[Any] = {key: value for key, value in conversions.items() if not isinstance(key, int)}
"""The driver's conversions without those of results, which are wanted as the server writes them."""
_VERIFYING: Final = frozenset({"VERIFY_CA", "VERIFY_IDENTITY"})


@dataclass(frozen=True, slots=True)
class _Server:
    """What a server says of itself."""

    name: str
    is_mariadb: bool
    largest_statement: int


class MySqlDatabase:
    """A database of a MariaDB or MySQL server.

    Args:
        dsn: where it is.
        timeout: seconds until the case's time is over; None for no limit.
    """

    def __init__(self, dsn: Dsn, timeout: float | None) -> None:
        self.dsn = dsn
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self.masker = Masker(dsn.secrets)
        self._encryption: ssl.SSLContext | None = None
        self._is_plain = dsn.parameters.get("ssl_mode") == "DISABLED"
        self._server: _Server | None = None
        self._engine = create_engine(
            "mysql+pymysql://", creator=self.open, poolclass=NullPool, pool_reset_on_return=None
        )

    @property
    def label(self) -> str:
        """See the protocol."""
        return f"{self._server.name if self._server else 'MariaDB or MySQL'}, {self.dsn.label}"

    @property
    def remaining_seconds(self) -> float | None:
        """How much is left of the time; None for no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def connect(self) -> MySqlSession:
        """See the protocol."""
        return MySqlSession(self._engine, self)

    def copies(self, prefix: str) -> AbstractContextManager[Copies]:
        """See the protocol."""
        return prepare_copies(self, prefix)

    def for_database(self, name: str) -> "MySqlDatabase":
        """Give another database of the same server, with the same time."""
        other = MySqlDatabase(self.dsn.for_database(name), self.remaining_seconds)
        other._server, other._is_plain = self._server, self._is_plain  # what is known of the server already
        return other

    @property
    def largest_statement(self) -> int:
        """How many bytes the server takes at once; 0 before the first connection."""
        return self._server.largest_statement if self._server else 0

    def close(self) -> None:
        """See the protocol."""
        with contextlib.suppress(Exception):
            self._engine.dispose()

    # --- connections -------------------------------------------------------------------------------------------------

    def open(self, *, limited: bool = True) -> Any:
        """Open a connection as a session has it, but without SQLAlchemy.

        Args:
            limited: whether it must do with the time that is left; what cleans up needs not.

        Raises:
            DatabaseUnreachable: it cannot be opened.
        """
        remaining = self.remaining_seconds if limited else None
        connection = self._open_within(self._connect_seconds() if limited else MAX_CONNECT_SECONDS)
        connection._read_timeout = None if remaining is None else remaining + _PATIENCE_SECONDS  # noqa: SLF001
        try:
            with connection.cursor() as cursor:
                server = self._look_at(cursor)
                cursor.execute(_settings(server, remaining))
        except pymysql.MySQLError as error:
            raise self._unreachable(errors.describe(error)) from None
        return connection

    def _look_at(self, cursor: Cursor) -> _Server:
        if self._server is None:
            cursor.execute("SELECT VERSION(), @@max_allowed_packet")
            version, largest = cursor.fetchone() or ("", 0)
            is_mariadb = "mariadb" in str(version).lower()
            name = f"{'MariaDB' if is_mariadb else 'MySQL'} {str(version).split('-', 1)[0]}"
            self._server = _Server(name, is_mariadb, int(largest))
        return self._server

    def _open_within(self, seconds: float) -> Any:
        """Open a connection; raises DatabaseUnreachable."""
        dsn = self.dsn
        try:
            return pymysql.connect(
                host=dsn.host or "localhost",
                port=dsn.port or 3306,
                unix_socket=dsn.parameters.get("unix_socket"),
                user=dsn.user,
                password=(dsn.password or "").encode(),  # the driver would write it as latin-1
                database=dsn.database,
                charset="utf8mb4",
                autocommit=True,
                conv=_TEXTS,
                client_flag=CLIENT.FOUND_ROWS,  # an UPDATE counts the rows that it found, as in other databases
                connect_timeout=max(1, round(seconds)),
                read_timeout=max(1, round(seconds)),  # an address may take connections and never say a word
                program_name="testrun",
                **self._encryption_arguments(),
            )
        except pymysql.MySQLError as error:
            if self._may_be_plain(error):
                self._is_plain = True
                return self._open_within(seconds)
            raise self._unreachable(errors.describe(error)) from None
        # RuntimeError: the driver lacks a library for the way in which this user proves who it is.
        except (RuntimeError, ValueError, OSError) as error:
            raise self._unreachable(str(error)) from None

    def _unreachable(self, why: str) -> DatabaseUnreachable:
        return DatabaseUnreachable(self.masker.text(f"{self.label}: {why}"))

    def _encryption_arguments(self) -> dict[str, Any]:
        if self._is_plain:
            return {"ssl_disabled": True}
        if self._encryption is None:
            self._encryption = _encryption(self.dsn)
        return {"ssl": self._encryption}

    def _may_be_plain(self, error: pymysql.MySQLError) -> bool:
        preferred = self.dsn.parameters.get("ssl_mode", "PREFERRED") == "PREFERRED"
        return preferred and not self._is_plain and errors.code_of(error) == CR.CR_SSL_CONNECTION_ERROR

    def kill(self, number: int) -> None:
        """End the statement that a connection runs, over a connection of its own.

        Args:
            number: the server's number of the connection.

        Raises:
            DatabaseUnreachable, pymysql.MySQLError: the server cannot be told.
        """
        with contextlib.closing(self._open_within(_CANCEL_SECONDS)) as connection, connection.cursor() as cursor:
            cursor.execute(f"KILL QUERY {number}")

    def _connect_seconds(self) -> float:
        asked = float(self.dsn.parameters.get("connect_timeout", MAX_CONNECT_SECONDS))
        remaining = self.remaining_seconds
        return min(asked, MAX_CONNECT_SECONDS if remaining is None else remaining, MAX_CONNECT_SECONDS)

    @property
    def is_out_of_time(self) -> bool:
        """Whether the time is over, or as good as over."""
        return self._deadline is not None and time.monotonic() >= self._deadline - 1.0


def _settings(server: _Server, seconds: float | None) -> str:
    """Write the statement that sets up a session.

    Where nobody chose a time zone it is UTC and not that of the server's machine, so that tests find the same times
    everywhere. Limits see to it that nothing goes on after this process has ended, however it ended.
    """
    settings = "SET SESSION time_zone = IF(@@time_zone = 'SYSTEM', '+00:00', @@time_zone)"
    if seconds is None:
        return settings
    seconds = max(1.0, seconds)
    if server.is_mariadb:
        return f"{settings}, max_statement_time = {seconds:.3f}"
    # MySQL limits queries only, and how long others wait.
    return f"{settings}, max_execution_time = {seconds * 1000:.0f}, lock_wait_timeout = {seconds:.0f}"


def _encryption(dsn: Dsn) -> ssl.SSLContext:
    """Make what the address asks for; without a word on it, encryption without a look at who is there."""
    parameters = dsn.parameters
    mode = parameters.get("ssl_mode", "PREFERRED")
    if mode in _VERIFYING:
        context = ssl.create_default_context(cafile=parameters.get("ssl_ca"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which the certificates that servers make do not pass
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if mode not in _VERIFYING:
        context.verify_mode = ssl.CERT_NONE
    if certificate := parameters.get("ssl_cert"):
        context.load_cert_chain(certificate, parameters.get("ssl_key"))
    return context
