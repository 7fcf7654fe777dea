"""The tables that the migrations make of an empty database, of NoETL's, and of a half-finished one."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from tests import seed_queries
from tests.integration.postgres import PostgresServer, running_postgres
from tests.unit.store.records import case_record, detail, run_record

from testrun_operator.errors import SchemaTooNew, StoreUnavailable
from testrun_operator.store.reference import migrations, tables
from testrun_operator.store.results import ResultStore
from testrun_operator.store.settings import StoreSettings

pytestmark = pytest.mark.postgres

_NOETL = f"""
CREATE SCHEMA noetl_test;
CREATE TABLE noetl_test.regression_results ({seed_queries.RESULTS_COLUMNS});
CREATE TABLE noetl_test.regression_summary (
    {seed_queries.SUMMARY_COLUMNS},
    CONSTRAINT counts CHECK (total_tests = passed_tests + failed_tests + skipped_tests)
);
CREATE TABLE noetl_test.expected_results (
    playbook_name VARCHAR(255) PRIMARY KEY,
    playbook_path VARCHAR(500) NOT NULL,
    expected_status VARCHAR(50) NOT NULL,
    expected_min_steps INTEGER,
    baseline_created_at TIMESTAMP NOT NULL DEFAULT NOW()
);
INSERT INTO noetl_test.regression_results (test_run_id, playbook_name, playbook_path, status, test_passed)
    VALUES (7, 'hello_world', 'tests/hello_world', 'COMPLETED', true);
INSERT INTO noetl_test.regression_summary (test_run_id, total_tests, passed_tests, failed_tests, skipped_tests)
    VALUES (7, 1, 1, 0, 0);
INSERT INTO noetl_test.expected_results (playbook_name, playbook_path, expected_status)
    VALUES ('old', 'tests/old', 'COMPLETED');
"""
"""What an installation of NoETL's framework has; its expected_results differs from the one in the issue."""

ALL = tuple(migration.version for migration in migrations())

_COLUMNS = """
SELECT column_name,
       upper(data_type) || coalesce('(' || character_maximum_length || ')', '')
           || CASE WHEN data_type = 'numeric' THEN '(' || numeric_precision || ',' || numeric_scale || ')' ELSE '' END,
       is_nullable, column_default
FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = '{table}' ORDER BY ordinal_position
"""
_KEY = """
SELECT string_agg(attname, ', ' ORDER BY array_position(conkey, attnum))
FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
WHERE conrelid = '{schema}.{table}'::regclass AND contype = 'p'
"""
_SPELLINGS = {
    "CHARACTER VARYING": "VARCHAR",
    "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "NUMERIC": "DECIMAL",
    "ARRAY": "TEXT[]",
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


def _store(server: PostgresServer, database: str, schema: str = "noetl_test", user: str = "admin") -> ResultStore:
    return ResultStore(StoreSettings(server.dsn(database, user), schema=schema))


async def _migrate(server: PostgresServer, database: str, schema: str = "noetl_test", user: str = "admin") -> list[int]:
    async with _store(server, database, schema, user) as store:
        return list(await store.migrate())


def _columns(server: PostgresServer, database: str, table: str, schema: str = "noetl_test") -> list[str]:
    """Describe a table's columns in the words of the issue."""
    described = []
    for name, kind, nullable, default in server.execute(_COLUMNS.format(schema=schema, table=table), database):
        text = str(kind)
        for long, short in _SPELLINGS.items():
            text = text.replace(long, short)
        required = "" if nullable == "YES" else " NOT NULL"
        described.append(f"{name} {text}{required}" + (f" DEFAULT {str(default).upper()}" if default else ""))
    return described


def _wanted(definition: str) -> list[str]:
    """Take the columns out of a definition of the issue."""
    definition = definition.partition(", PRIMARY KEY (")[0].replace("DECIMAL(5,2)", "DECIMAL(5;2)")
    columns = [column.replace("(5;2)", "(5,2)") for column in definition.split(", ")]
    return [column.replace("PRIMARY KEY", "NOT NULL") for column in columns]


@pytest.mark.parametrize(
    ("table", "definition", "key"),
    [
        ("regression_results", seed_queries.RESULTS_COLUMNS, "test_run_id, playbook_name"),
        ("regression_summary", seed_queries.SUMMARY_COLUMNS, "test_run_id"),
    ],
)
async def test_the_columns_are_those_that_people_know(
    server: PostgresServer, table: str, definition: str, key: str
) -> None:
    """Name, type, length, nullability, default, order and key as in the issue; others only after them."""
    database = server.new_database()
    await _migrate(server, database)
    wanted = _wanted(definition)
    assert _columns(server, database, table)[: len(wanted)] == wanted
    assert server.execute(_KEY.format(schema="noetl_test", table=table), database) == [(key,)]


async def test_baselines_have_the_columns_that_people_know(server: PostgresServer) -> None:
    """The four columns of the issue's INSERT come first, and only the name is required."""
    database = server.new_database()
    await _migrate(server, database)
    columns = _columns(server, database, "expected_results")
    assert tuple(column.split()[0] for column in columns[:4]) == seed_queries.BASELINE_COLUMNS
    assert [column for column in columns if "NOT NULL" in column and "DEFAULT" not in column] == [
        "playbook_name VARCHAR(255) NOT NULL"
    ]


async def test_the_reference_describes_the_tables_as_they_are(server: PostgresServer) -> None:
    """The page is read from the migrations' text; here Postgres is asked whether it reads the same."""
    database = server.new_database()
    await _migrate(server, database)
    for table in tables():
        names = [column.split()[0] for column in _columns(server, database, table.name)]
        assert names == [column.name for column in table.columns]
        comment = f"SELECT obj_description('noetl_test.{table.name}'::regclass)"
        assert server.execute(comment, database) == [(table.comment,)]
        comments = "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid ="
        comments += f" 'noetl_test.{table.name}'::regclass ORDER BY attnum"
        assert server.execute(comments, database) == [(column.name, column.comment) for column in table.columns]


@pytest.mark.parametrize("beginning", ["", _NOETL], ids=["of ours", "of NoETL"])
async def test_the_queries_that_people_bring_along_work(server: PostgresServer, beginning: str) -> None:
    """Word for word, on tables that we made and on tables that we adopted."""
    database = server.new_database()
    server.execute(beginning, database)
    async with _store(server, database) as store:
        await store.migrate()
        await store.write_cases([case_record("a", run_id=8), case_record("b", run_id=8)])
        await store.write_run(run_record(8, passed=2, failed=0, skipped=1))
    adopted = 1 if beginning else 0
    rows = {name: server.execute(query, database) for name, query in seed_queries.READING.items()}
    assert len(rows["latest results"]) == 2 + adopted
    assert len(rows["latest runs"]) == 1 + adopted
    assert rows["failures"] == []
    assert [row[:2] for row in rows["last two runs"]][:2] == [(8, "a"), (8, "b")]
    assert rows["count of failures"] == [(0,)]
    server.execute(seed_queries.INSERT_BASELINES, database)
    with pytest.raises(psycopg.errors.UniqueViolation):
        server.execute(seed_queries.INSERT_BASELINES, database)


async def test_rows_of_noetl_are_kept(server: PostgresServer) -> None:
    """Adopting a schema adds columns at the end and changes no row."""
    database = server.new_database()
    server.execute(_NOETL, database)
    before = server.execute("SELECT * FROM noetl_test.regression_results", database)
    assert await _migrate(server, database) == [migration.version for migration in migrations()]
    after = server.execute("SELECT * FROM noetl_test.regression_results", database)
    assert [row[: len(before[0])] for row in after] == before
    assert server.execute("SELECT count(*) FROM noetl_test.regression_summary", database) == [(1,)]
    assert server.execute("SELECT playbook_path, min_events FROM noetl_test.expected_results", database) == [
        ("tests/old", None)
    ]


async def test_tables_that_noetl_made_anew_are_completed_again(server: PostgresServer) -> None:
    """NoETL's script drops its tables when it is run again; the next migration sees that columns are missing."""
    database = server.new_database()
    await _migrate(server, database)
    server.execute(
        "DROP TABLE noetl_test.regression_results CASCADE;"
        f"CREATE TABLE noetl_test.regression_results ({seed_queries.RESULTS_COLUMNS})",
        database,
    )
    async with _store(server, database) as store:
        with pytest.raises(StoreUnavailable, match="verdict"):
            await store.write_cases([case_record()])
        assert await store.migrate() == (1,)
        await store.write_cases([case_record()])


async def test_operators_that_start_at_once_migrate_once(server: PostgresServer) -> None:
    """Given an empty database and eight operators, then each migration is applied by exactly one of them."""
    database = server.new_database()
    applied = await asyncio.gather(*(_migrate(server, database) for _ in range(8)))
    assert sorted(version for versions in applied for version in versions) == [
        migration.version for migration in migrations()
    ]


async def test_details_of_the_first_release_were_not_left_out(server: PostgresServer) -> None:
    """Given a database of version 1 with details, when it is brought up to date, then none of them is skipped."""
    database = server.new_database()
    async with _store(server, database) as store:
        await store.migrate()
        await store.write_cases([case_record(details=(detail(), detail("order", passed=False)))])
    server.execute(
        "ALTER TABLE noetl_test.regression_details DROP COLUMN skipped;"
        "DELETE FROM noetl_test.testrun_migrations WHERE version > 1",
        database,
    )
    assert await _migrate(server, database) == list(ALL[1:])
    rows = server.execute("SELECT name, skipped FROM noetl_test.regression_details ORDER BY position", database)
    assert rows == [("items", False), ("order", False)]


async def test_migrating_again_changes_nothing(server: PostgresServer) -> None:
    """Every start of the operator migrates."""
    database = server.new_database()
    assert await _migrate(server, database) != []
    assert await _migrate(server, database) == []


async def test_a_newer_schema_is_left_alone(server: PostgresServer) -> None:
    """An older release must not write into tables that it does not understand."""
    database = server.new_database()
    await _migrate(server, database)
    server.execute("INSERT INTO noetl_test.testrun_migrations (version, name) VALUES (9999, 'later')", database)
    with pytest.raises(SchemaTooNew, match="version 9999"):
        await _migrate(server, database)


async def test_another_schema_can_be_chosen(server: PostgresServer) -> None:
    """Two installations may share a database."""
    database = server.new_database()
    await _migrate(server, database, "first")
    await _migrate(server, database, "select")  # a reserved word, so that missing quotes are noticed
    wanted = _wanted(seed_queries.SUMMARY_COLUMNS)
    assert _columns(server, database, "regression_summary", "select")[: len(wanted)] == wanted
    assert server.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'noetl_test'", database) == []


async def test_a_user_who_may_not_create_schemas_uses_the_one_that_exists(server: PostgresServer) -> None:
    """The usual arrangement where somebody else administers the database."""
    database, user = server.new_database(), server.new_user()
    server.execute(f"CREATE SCHEMA noetl_test; GRANT USAGE, CREATE ON SCHEMA noetl_test TO {user}", database)
    assert await _migrate(server, database, user=user) == list(ALL)


async def test_a_user_who_may_only_write_rows_needs_no_migration(server: PostgresServer) -> None:
    """Where an administrator has migrated, rights on the rows are enough."""
    database, user = server.new_database(), server.new_user()
    await _migrate(server, database)
    server.execute(
        f"GRANT USAGE ON SCHEMA noetl_test TO {user};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA noetl_test TO {user}",
        database,
    )
    async with _store(server, database, user=user) as store:
        assert await store.migrate() == ()
        await store.write_cases([case_record()])


@pytest.mark.parametrize("beginning", ["", "CREATE SCHEMA noetl_test", _NOETL], ids=["nothing", "schema", "tables"])
async def test_missing_rights_are_named(server: PostgresServer, beginning: str) -> None:
    """The message says what an administrator has to run; having run it is enough, without a restart."""
    database, user = server.new_database(), server.new_user()
    server.execute(beginning, database)
    async with _store(server, database, user=user) as store:
        with pytest.raises(StoreUnavailable, match=f"GRANT USAGE, CREATE ON SCHEMA noetl_test TO {user}"):
            await store.migrate()
        server.execute("CREATE SCHEMA IF NOT EXISTS noetl_test", database)
        server.execute(f"GRANT USAGE, CREATE ON SCHEMA noetl_test TO {user}", database)
        if beginning == _NOETL:
            with pytest.raises(StoreUnavailable, match=rf"ALTER TABLE noetl_test.TABLE OWNER TO {user}"):
                await store.migrate()
            for table in ("regression_results", "regression_summary", "expected_results"):
                server.execute(f"ALTER TABLE noetl_test.{table} OWNER TO {user}", database)
        assert await store.migrate() == ALL


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (seed_queries.LATEST_RESULTS, "regression_results_by_time"),
        (seed_queries.FAILURES, "regression_results_not_passed"),
        (seed_queries.COUNT_FAILURES, "regression_results_not_passed"),
        (seed_queries.LATEST_RUNS, "regression_summary_by_time"),
        (seed_queries.LAST_TWO_RUNS, "regression_summary_by_time"),
    ],
)
async def test_the_queries_stay_fast_when_the_tables_are_large(server: PostgresServer, query: str, index: str) -> None:
    """Given 500 runs of 40 cases, then Postgres reads an index and not the table."""
    database = server.new_database()
    await _migrate(server, database)
    server.execute(
        "INSERT INTO noetl_test.regression_results"
        " (test_run_id, test_timestamp, playbook_name, playbook_path, status, test_passed)"
        " SELECT run, now() - run * interval '1 hour', 'case-' || number, '', 'COMPLETED', (run + number) % 100 > 0"
        " FROM generate_series(1, 500) AS run, generate_series(1, 40) AS number;"
        "INSERT INTO noetl_test.regression_summary"
        " SELECT run, now() - run * interval '1 hour', 40, 40, 0, 0 FROM generate_series(1, 500) AS run;"
        "ANALYZE noetl_test.regression_results; ANALYZE noetl_test.regression_summary",
        database,
    )
    plan = "\n".join(str(row[0]) for row in server.execute("EXPLAIN " + query, database))
    assert index in plan
