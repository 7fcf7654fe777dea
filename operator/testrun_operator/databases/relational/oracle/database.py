"""An Oracle database. Not tested: there was no server to test it with."""

import contextlib
import time
from contextlib import AbstractContextManager
from typing import Any, Final

import oracledb
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from testrun_operator.databases.base import Copies, NotPossible
from testrun_operator.databases.dsn import Dsn
from testrun_operator.databases.relational.oracle.session import OracleSession
from testrun_operator.masking import Masker

_MAX_CONNECT_SECONDS: Final = 10.0
_FORMATS: Final = (
    "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS'"
    " NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF'"
    " NLS_TIMESTAMP_TZ_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF TZH:TZM' NLS_NUMERIC_CHARACTERS = '.,'"
)
"""How texts are converted to values and back."""


class OracleDatabase:
    """A database of Oracle 12.1 or later, by the thin mode of its driver.

    **This adapter has never met a server.** It is written after the documentation of the driver and of the catalogue;
    only what needs no server is tested.

    Args:
        dsn: where it is.
        timeout: seconds until the case's time is over; None for no limit.
    """

    def __init__(self, dsn: Dsn, timeout: float | None) -> None:
        self._dsn = dsn
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._masker = Masker(dsn.secrets)
        # All values as they are, and not by way of a float or an object that has to be read.
        oracledb.defaults.fetch_decimals = True
        oracledb.defaults.fetch_lobs = False
        self._engine = create_engine(
            "oracle+oracledb://", creator=self._open, poolclass=NullPool, pool_reset_on_return=None
        )

    @property
    def label(self) -> str:
        """See the protocol."""
        return f"Oracle, {self._dsn.label}"

    def connect(self) -> OracleSession:
        """See the protocol."""
        return OracleSession(self._engine, self.label, self._masker, lambda: self._remaining() == 0.0)

    def copies(self, prefix: str) -> AbstractContextManager[Copies]:
        """See the protocol.

        Raises:
            NotPossible: always.
        """
        del prefix
        raise NotPossible("Oracle has no copies of databases that tests could run in; isolation: rollback works")

    def close(self) -> None:
        """See the protocol."""
        with contextlib.suppress(Exception):
            self._engine.dispose()

    def _open(self) -> Any:
        dsn = self._dsn
        remaining = self._remaining()
        connection = oracledb.connect(
            user=dsn.user,
            password=dsn.password,
            host=dsn.host or "localhost",
            port=dsn.port or 1521,
            tcp_connect_timeout=max(1.0, min(_MAX_CONNECT_SECONDS, remaining or _MAX_CONNECT_SECONDS)),
            **({"sid": dsn.database} if dsn.parameters.get("sid") else {"service_name": dsn.database}),
        )
        if remaining is not None:
            connection.call_timeout = max(1, round(remaining * 1000))
        with connection.cursor() as cursor:
            cursor.execute(_FORMATS)
        return connection

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
