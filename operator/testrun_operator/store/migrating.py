"""Bringing the schema up to date, also when several operators start at once, and when NoETL was there before.

A migration may be applied again: NoETL's own script drops its tables when it is run, and a Postgres for trying out may
come back empty. So what counts is not only the version that the database claims, but whether the columns are there.
"""

import logging
from typing import Final

from psycopg.sql import SQL, Composed, Identifier

from testrun_operator.errors import SchemaTooNew, StoreUnavailable
from testrun_operator.store.database import Connection, Database
from testrun_operator.store.faults import ContentRefused, RightsMissing
from testrun_operator.store.reference import Migration, migrations, tables

logger = logging.getLogger(__name__)

_LOCK: Final = 0x7465737472756E
"""Ours among all who use advisory locks in the database. One for all schemas: migrations are rare and short."""

_STATEMENT_TIMEOUT_SECONDS: Final = 600.0
"""An index on a large table takes its time."""


def in_schema(statement: str, schema: str) -> Composed:
    """Put the schema's name, quoted, in the place of ``{schema}``."""
    return SQL(statement).format(schema=Identifier(schema))


async def migrate(database: Database) -> tuple[int, ...]:
    """Apply the migrations that the database lacks, each in a transaction of its own.

    Args:
        database: an open database.

    Returns:
        The versions that were applied; none if everything was there.

    Raises:
        SchemaTooNew: a newer release has migrated the database.
        StoreUnavailable: Postgres is away, or does not allow it; the message names what to grant.
    """
    applied: list[int] = []
    repair = False
    try:
        async with database.transaction() as connection:
            version = await _version(connection, database.schema)
            missing = await _missing_columns(connection, database.schema)
        if version == migrations()[-1].version and not missing:
            return ()  # without asking for a right or a lock: the user may only be allowed to read and write rows
        if version == migrations()[-1].version:
            logger.warning("columns are missing, applying all migrations again: %s", ", ".join(missing))
            repair = True
        for migration in migrations():
            if await _apply(database, migration, again=repair):
                applied.append(migration.version)
                logger.info("applied migration %d, %s", migration.version, migration.name)
    except ContentRefused as error:
        raise StoreUnavailable(f"the schema {database.schema} cannot be brought up to date: {error}") from None
    except RightsMissing as error:
        raise RightsMissing(_explain_rights(database, error)) from None
    return tuple(applied)


async def _apply(database: Database, migration: Migration, *, again: bool) -> bool:
    async with database.transaction(statement_timeout_seconds=_STATEMENT_TIMEOUT_SECONDS) as connection:
        # Released with the transaction, hence also with the connection of an operator that is killed.
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        version = await _version(connection, database.schema)
        if again and not await _missing_columns(connection, database.schema):
            return False  # another operator was faster
        if not again and version >= migration.version:
            return False
        await _create_schema(connection, database.schema)
        await connection.execute(in_schema(migration.sql, database.schema))
        record = "INSERT INTO {schema}.testrun_migrations (version, name) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        await connection.execute(in_schema(record, database.schema), [migration.version, migration.name])
    return True


async def _version(connection: Connection, schema: str) -> int:
    """Give the version of the database, 0 for none.

    Raises:
        SchemaTooNew: it is greater than this release's.
    """
    found = await connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'testrun_migrations'", [schema]
    )
    if await found.fetchone() is None:
        return 0
    latest = await connection.execute(in_schema("SELECT max(version) FROM {schema}.testrun_migrations", schema))
    row = await latest.fetchone()
    version = int(row[0] or 0) if row else 0
    known = migrations()[-1].version
    if version > known:
        raise SchemaTooNew(
            f"the tables in schema {schema} have version {version}, and this release of the operator knows {known}: "
            "install the newer release again, or give this one another schema"
        )
    return version


async def _missing_columns(connection: Connection, schema: str) -> list[str]:
    # Not information_schema.columns: that shows only what the user has rights on.
    found = await connection.execute(
        "SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname = %s AND attnum > 0 AND NOT attisdropped",
        [schema],
    )
    present = {row[0] for row in await found.fetchall()}
    wanted = [f"{table.name}.{column.name}" for table in tables() for column in table.columns]
    return [name for name in wanted if name not in present]


async def _create_schema(connection: Connection, schema: str) -> None:
    # CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where the schema exists.
    found = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
    if await found.fetchone() is None:
        await connection.execute(in_schema("CREATE SCHEMA {schema}", schema))
    table = (
        "CREATE TABLE IF NOT EXISTS {schema}.testrun_migrations ("
        "version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    await connection.execute(in_schema(table, schema))
    comment = "COMMENT ON TABLE {schema}.testrun_migrations IS 'Which migrations the operator has applied here.'"
    await connection.execute(in_schema(comment, schema))


def _explain_rights(database: Database, error: RightsMissing) -> str:
    schema, user = database.schema, database.user
    problem = str(error).partition("; to put it right")[0]
    return (
        f"the database user {user} may not bring the schema {schema} up to date: {problem}; to put it right, as an "
        f"administrator of the database {database.name}: CREATE SCHEMA IF NOT EXISTS {schema}; "
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}; and for each of the tables regression_results, "
        f"regression_summary and expected_results that exists already: ALTER TABLE {schema}.TABLE OWNER TO {user}"
    )
