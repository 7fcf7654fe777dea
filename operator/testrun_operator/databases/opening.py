"""Finds the adapter for a database. Each is loaded when it is needed: drivers take a while, and pods start often."""

import importlib
from typing import Final, cast

from testrun_operator.databases.base import Database, NotPossible
from testrun_operator.databases.dsn import Dialect, Dsn

_ADAPTERS: Final = {
    Dialect.POSTGRESQL: ("postgresql.database", "PostgresDatabase"),
    Dialect.MYSQL: ("relational.mysql", "MySqlDatabase"),
    Dialect.SQLITE: ("relational.sqlite", "SqliteDatabase"),
    Dialect.ORACLE: ("relational.oracle", "OracleDatabase"),
}

_ORACLES_DRIVER: Final = "oracledb"
_NO_DRIVER: Final = (
    "the driver of Oracle is not installed: it comes with pip install 'testrun-operator[oracle]', and with an image "
    "that was built with --build-arg REQUIREMENTS=oracle.lock"
)


def open_database(dsn: Dsn, timeout: float | None = None) -> Database:
    """Give the database at an address. Nothing is connected yet.

    Args:
        dsn: the address.
        timeout: seconds from now within which everything must be done; None for as long as it takes. Connecting is
            given up after at most ten of them, and the server is told to end statements that take longer, where it
            can be told; it is a net below :meth:`Session.cancel`.

    Raises:
        NotPossible: the adapter says that this cannot be done, or its driver is an extra that is not installed.
    """
    module, name = _ADAPTERS[dsn.dialect]
    try:
        adapter = getattr(importlib.import_module(f"testrun_operator.databases.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != _ORACLES_DRIVER:
            raise
        raise NotPossible(_NO_DRIVER) from None
    return cast("Database", adapter(dsn, timeout))
