"""Makes the database that a NoETL server expects: roles, the schema `noetl`, and its tables from the package's own DDL.

The server does not make them itself. Run with the Python that has `noetl` installed, and with DSN parts in libpq's own
variables (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE) for an administrator, NOETL_PASSWORD for the owner of the
schema and READER_PASSWORD for a role that may only read it. May be run again: what is there stays.
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

OWNER = "noetl"
READER = "events_reader"
# Passwords are in there as they are; events do not need them.
SECRET_TABLES = ("credential", "auth_cache", "keychain")
PATIENCE_SECONDS = 120
PAUSE_SECONDS = 0.3


def ddl() -> str:
    """Read the tables' definition out of the package, without running any of it."""
    package = importlib.util.find_spec("noetl")
    if package is None or package.origin is None:
        raise SystemExit("the package noetl is not installed")
    return (Path(package.origin).parent / "database/ddl/postgres/schema_ddl.sql").read_text("utf-8")


def connect() -> psycopg.Connection:
    """Connect, as soon as the server answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return psycopg.connect("", autocommit=True, connect_timeout=3)
        except psycopg.OperationalError as fault:
            if time.monotonic() > deadline:
                raise
            print(f"waiting for Postgres: {str(fault).splitlines()[0]}", flush=True)
            time.sleep(PAUSE_SECONDS)


def make_role(connection: psycopg.Connection, name: str, password: str) -> None:
    """Make a role that may log in, or give the one that is there its password."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    statement = SQL("ALTER ROLE {} LOGIN PASSWORD {}") if found else SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(Identifier(name), Literal(password)))


def main() -> int:
    """Make what is missing."""
    with connect() as connection:
        make_role(connection, OWNER, os.environ["NOETL_PASSWORD"])
        make_role(connection, READER, os.environ["READER_PASSWORD"])
        # The owner may make schemas of its own: playbooks that use Postgres do.
        connection.execute(
            SQL("GRANT ALL ON DATABASE {} TO {}").format(Identifier(connection.info.dbname), Identifier(OWNER))
        )
        connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS noetl AUTHORIZATION {}").format(Identifier(OWNER)))
        connection.execute(SQL("GRANT USAGE ON SCHEMA noetl TO {}").format(Identifier(READER)))
        connection.execute(SQL("SET ROLE {}").format(Identifier(OWNER)))
        reading = SQL("GRANT SELECT ON TABLES TO {}").format(Identifier(READER))
        connection.execute(SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA noetl ") + reading)
        if connection.execute("SELECT to_regclass('noetl.event')").fetchone() == (None,):
            connection.execute(ddl().encode())
        for table in SECRET_TABLES:
            if connection.execute("SELECT to_regclass(%s)", [f"noetl.{table}"]).fetchone() != (None,):
                connection.execute(SQL("REVOKE ALL ON noetl.{} FROM {}").format(Identifier(table), Identifier(READER)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
