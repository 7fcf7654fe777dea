"""Statements, values, errors and rows on a real PostgreSQL."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres
from tests.integration.sql_postgresql import database, failure, one, session_on, texts

from testrun_operator.databases.base import (
    DatabaseUnreachable,
    Kind,
    StatementCancelled,
    StatementFailed,
    Value,
)
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.postgresql.database import PostgresDatabase
from testrun_operator.databases.postgresql.session import PostgresSession

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def session(server: PostgresServer) -> Iterator[PostgresSession]:
    """Open a session in a new database."""
    with session_on(server) as opened:
        yield opened


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", Value(None)),
        ("NULL::int", Value(None, Kind.NUMBER)),
        ("true", Value("true", Kind.BOOLEAN)),
        ("1 = 2", Value("false", Kind.BOOLEAN)),
        ("58 / 2.0", Value("29.0000000000000000", Kind.NUMBER)),
        ("0.1::float8", Value("0.1", Kind.NUMBER)),
        ("'NaN'::numeric", Value("NaN", Kind.NUMBER)),
        ("9223372036854775807", Value("9223372036854775807", Kind.NUMBER)),
        ("'$1.50'::money", Value("$1.50")),
        ("'\\x00ff'::bytea", Value("\\x00ff", Kind.BINARY)),
        ("''", Value("")),
        ("' a b '::text", Value(" a b ")),
        ("'ab'::char(4)", Value("ab  ")),
        ("ARRAY[true, false]", Value("{t,f}")),
        ("ROW(1, 'a b')", Value('(1,"a b")')),
        ("'{\"a\": 1}'::jsonb", Value('{"a": 1}')),
        ("date '2020-01-02'", Value("2020-01-02")),
        ("timestamp '2020-01-02 03:04:05.60'", Value("2020-01-02 03:04:05.6")),
        ("timestamptz '2020-01-02 03:04:05+01'", Value("2020-01-02 02:04:05+00")),
        ("interval '1 day 2 hours'", Value("1 day 02:00:00")),
        ("'grüße 🎉'", Value("grüße 🎉")),
    ],
)
def test_values_are_texts_as_the_server_writes_them(session: PostgresSession, expression: str, value: Value) -> None:
    """An author writes texts; only booleans are written out, as Trilogy had them."""
    assert session.query(f"SELECT {expression}").rows == ((value,),)


def test_a_domain_is_of_the_kind_of_its_base(session: PostgresSession) -> None:
    """An amount of money is a number, also where it has a type of its own."""
    session.execute("CREATE DOMAIN amount AS numeric CHECK (value >= 0)")
    assert session.query("SELECT 1.50::amount AS a").rows == ((Value("1.50", Kind.NUMBER),),)


def test_how_values_are_written_does_not_depend_on_the_servers_settings(server: PostgresServer) -> None:
    """The same tests pass on every machine; RESET and DISCARD do not change that."""
    name = server.new_database()
    for setting in ("DateStyle = 'SQL, DMY'", "IntervalStyle = iso_8601", "bytea_output = escape"):
        server.execute(f"ALTER DATABASE {name} SET {setting}")
    query = "SELECT date '2020-01-02', interval '1 day', '\\x00'::bytea, 0.1::float8"
    with session_on(server, name) as session:
        for statement in ("SELECT 1", "RESET ALL", "DISCARD ALL"):
            session.execute(statement)
            assert texts(session.query(query)) == [("2020-01-02", "1 day", "\\x00", "0.1")]
        # The order of day and month in what is read stays as it was chosen.
        assert one(session, "SELECT date '01/02/2020'") == "2020-02-01"


def test_times_are_in_utc_unless_a_zone_was_chosen_for_the_tests(server: PostgresServer) -> None:
    """The zone of the server's machine is nobody's choice; that of the database, the user or the address is."""
    name = server.new_database()
    with session_on(server, name) as session:
        assert one(session, "SHOW TimeZone") == "UTC"
        session.execute("SET TimeZone TO 'Asia/Tokyo'")
        session.execute("RESET ALL")
        assert one(session, "SHOW TimeZone") == "UTC"
        session.execute("SET TimeZone TO 'Asia/Tokyo'")
        session.reset()
        assert one(session, "SHOW TimeZone") == "UTC"
    address = server.dsn(name) + " options='-c TimeZone=Asia/Tokyo'"
    chosen = PostgresDatabase(read_dsn(address)).connect()
    assert one(chosen, "SHOW TimeZone") == "Asia/Tokyo"
    chosen.close()
    server.execute(f"ALTER DATABASE {name} SET TimeZone TO 'Europe/Oslo'")
    with session_on(server, name) as session:
        session.reset()
        assert one(session, "SHOW TimeZone") == "Europe/Oslo"


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("SELECT * FROM t", 2),
        ("INSERT INTO t VALUES (3), (4), (5)", 3),
        ("UPDATE t SET a = a WHERE a = 1", 1),
        ("DELETE FROM t WHERE a > 9", 0),
        ("UPDATE t SET a = a RETURNING a", 2),
        ("COPY t TO STDOUT", 2),
        ("/* a */ COPY t TO STDOUT", 2),
        ("CREATE TABLE u ()", None),
        ("DO $$ BEGIN END $$", None),
        ("-- nothing", None),
        ("SELECT 1; SELECT * FROM t", 2),
        ("VACUUM t", None),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", None),
    ],
)
def test_statements_tell_how_many_rows_they_returned_or_changed(
    session: PostgresSession, statement: str, count: int | None
) -> None:
    """Everything that psql runs by itself runs here, also what cannot be in a transaction."""
    session.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)")
    assert session.execute(statement) == count


@pytest.mark.parametrize(
    ("statement", "message", "sqlstate", "line"),
    [
        ("SELECT 1/0", "ERROR: division by zero", "22012", None),
        ("SELECT 1,\n\n  foo", 'ERROR: column "foo" does not exist', "42703", 3),
        ("SELEC 1", 'ERROR: syntax error at or near "SELEC"', "42601", 1),
        (
            "DO $$ BEGIN\nRAISE EXCEPTION 'no %', 1 USING detail = 'why', hint = 'what', errcode = 'AB123'; END $$",
            "ERROR: no 1\nDETAIL: why\nHINT: what\nCONTEXT: PL/pgSQL function inline_code_block line 2 at RAISE",
            "AB123",
            None,
        ),
        (
            "DO $$ BEGIN EXECUTE 'SELECT foo'; END $$",
            'column "foo" does not exist\nQUERY: SELECT foo\nCONTEXT: PL/pgSQL function inline_code_block line 1 at ',
            "42703",
            None,
        ),
        ("SELECT '\0'", "the statement has a character of the number 0", None, None),
        ("SELECT '\ud800'", "the statement has the character '\\ud800'", None, None),
        ("\\i other.sql", "commands of psql, such as \\i", "42601", 1),
        ("SELECT 1 \\gset", "commands of psql, such as \\i", "42601", 1),
        ("COPY t FROM STDIN", "COPY … FROM STDIN takes its data from psql", None, None),
        ("SELECT 1; COPY t FROM STDIN", "COPY … FROM STDIN takes its data from psql", None, None),
        ("COPY t FROM STDIN;\n1\tx\n\\.\n", "COPY … FROM STDIN takes its data from psql", "42601", 2),
        ("COPY t TO STDOUT; SELECT 1", "COPY", None, None),
    ],
)
def test_a_refused_statement_tells_all_that_the_server_says(
    session: PostgresSession, statement: str, message: str, sqlstate: str | None, line: int | None
) -> None:
    """The text of the statement is not in it, since an expected text would be found there."""
    session.execute("CREATE TABLE t (a int)")
    with pytest.raises(StatementFailed) as caught:
        session.execute(statement)
    assert message in caught.value.message
    assert (caught.value.sqlstate, caught.value.line) == (sqlstate, line)
    assert one(session, "SELECT 1") == "1", "the session is still of use"


def test_an_error_can_be_looked_for_in_its_message_without_the_statement(session: PostgresSession) -> None:
    """An author who expects 'balance' must not be satisfied by a misspelt statement that has the word in it."""
    with pytest.raises(StatementFailed) as caught:
        session.execute("SELECT foo AS balance")
    assert "balance" not in caught.value.message


def test_a_query_must_return_rows(session: PostgresSession) -> None:
    """An expected result cannot be compared with none; rows without columns are rows."""
    with pytest.raises(StatementFailed, match="returns no rows"):
        session.query("CREATE TABLE t ()")
    assert session.query("SELECT").rows == ((),)
    assert session.query('SELECT 1 AS "A b", 2 AS a').columns == ("A b", "a")


def test_a_session_of_another_encoding_is_understood(session: PostgresSession) -> None:
    """A script may begin with SET client_encoding, as those of pg_dump do."""
    session.execute("SET client_encoding TO 'LATIN1'")
    assert one(session, "SELECT 'grüße'") == "grüße"
    with pytest.raises(StatementFailed, match="cannot be sent"):
        session.execute("SELECT '🎉'")


def test_a_session_brought_back_has_nothing_of_before(session: PostgresSession) -> None:
    """Test cases do not disturb each other by what they leave in the session."""
    session.execute("CREATE TEMPORARY TABLE t (); SET work_mem TO '1MB'; PREPARE p AS SELECT 1; LISTEN l")
    session.execute("BEGIN")
    session.reset()
    assert one(session, "SHOW work_mem") == "4MB"
    assert one(session, "SELECT to_regclass('t')") is None
    assert one(session, "SELECT count(*) FROM pg_prepared_statements") == "0"
    assert session.execute("COMMIT") is None


def test_rows_are_put_into_a_table_and_converted_by_the_server(session: PostgresSession) -> None:
    """Texts of all kinds arrive as they are; an empty text is not NULL."""
    session.execute("CREATE TABLE t (a int, b text, c timestamptz, d bool DEFAULT true)")
    rows = [["1", "", None], ["2", "a\tb\\N\n\r'\"", "2020-01-02 03:04+01"], ["3", "__NULL__ 🎉", "infinity"]]
    assert session.load_rows("t", ["a", "b", "c"], rows) == 3
    assert texts(session.query("SELECT * FROM t ORDER BY a")) == [
        ("1", "", None, "true"),
        ("2", "a\tb\\N\n\r'\"", "2020-01-02 02:04:00+00", "true"),
        ("3", "__NULL__ 🎉", "infinity", "true"),
    ]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("ORDERS", ["ID", "First Name", "firstname"]),
        ("Shop.Orders", ["id", '"First Name"', '"firstName"']),
        ('"shop"."orders"', ["Id", "First Name", "FIRSTNAME"]),
        ("Order-Items", ["id", "First Name", "firstName"]),
        ("shop.Order-Items", ["id", "First Name", "firstName"]),
    ],
)
def test_names_of_tables_and_columns_are_folded_and_else_taken_as_written(
    session: PostgresSession, table: str, columns: list[str]
) -> None:
    """Names of files and CSV headers cannot well have quotes around them."""
    session.execute("CREATE SCHEMA shop; SET search_path TO shop")
    for name in ("orders", '"Order-Items"'):
        session.execute(f'CREATE TABLE {name} (id int, "First Name" text, "firstName" text)')
    assert session.load_rows(table, columns, [["1", "b", "c"]]) == 1
    found = 'SELECT * FROM orders UNION ALL SELECT * FROM "Order-Items"'
    assert texts(session.query(found)) == [("1", "b", "c")]


@pytest.mark.parametrize(
    ("table", "columns", "row", "message", "sqlstate"),
    [
        ("nowhere", ["a"], ["1"], 'relation "nowhere" does not exist', "42P01"),
        ("t", ["a", "c"], ["1", "2"], 'column "c" of relation "t" does not exist', "42703"),
        ("t", ["a"], ["x"], 'invalid input syntax for type integer: "x"', "22P02"),
        ("t", ["a"], [""], 'invalid input syntax for type integer: ""', "22P02"),
        ("t", ["a"], ["1\0"], "cannot contain NUL", None),
        ('t"; DROP TABLE t; --', ["a"], ["1"], "does not exist", "42P01"),
    ],
)
def test_rows_that_cannot_be_loaded_leave_nothing(
    session: PostgresSession, table: str, columns: list[str], row: list[str], message: str, sqlstate: str | None
) -> None:
    """All of a fixture's rows are loaded, or none; names do what names do."""
    session.execute("CREATE TABLE t (a int)")
    with pytest.raises(StatementFailed) as caught:
        session.load_rows(table, columns, [["7"] * len(row), row])
    assert message in caught.value.message
    assert caught.value.sqlstate == sqlstate
    assert one(session, "SELECT count(*) FROM t") == "0"


def _cancelled_after(session: PostgresSession, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, session.cancel)
    timer.start()
    return timer


def test_a_statement_is_cancelled_on_the_server_by_another_thread(server: PostgresServer) -> None:
    """A statement that hangs does not go on when the case's time is over."""
    with session_on(server) as session:
        _cancelled_after(session, 0.2)
        with pytest.raises(StatementCancelled):
            session.execute("SELECT pg_sleep(60) AS asleep")
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%asleep' AND state = 'active'"
        assert server.execute(running) == [(0,)]
        assert one(session, "SELECT 1") == "1"
        session.cancel()  # nothing runs
        assert one(session, "SELECT 2") == "2"


def test_a_server_that_does_not_listen_is_left(server: PostgresServer) -> None:
    """A stopped server, or a network that swallows everything, does not keep the case from ending."""
    with session_on(server) as session:
        backend = int(one(session, "SELECT pg_backend_pid()") or 0)
        timer = threading.Timer(0.2, lambda: (os.kill(backend, signal.SIGSTOP), session.cancel(), session.cancel()))
        timer.start()
        try:
            with pytest.raises(StatementCancelled):
                session.execute("SELECT pg_sleep(60)")
        finally:
            timer.join()
            os.kill(backend, signal.SIGCONT)
        with pytest.raises(DatabaseUnreachable):
            session.execute("SELECT 1")


def test_the_server_ends_statements_when_all_time_is_over(server: PostgresServer) -> None:
    """That is the net below the runner's own clock."""
    with session_on(server, timeout=0.5) as session, pytest.raises(StatementCancelled, match="its time was over"):
        session.execute("SELECT pg_sleep(60)")


def test_a_timeout_of_the_tests_own_is_an_error_like_others(session: PostgresSession) -> None:
    """A test may expect that a statement is ended by a timeout, or by somebody."""
    session.execute("SET statement_timeout TO '50ms'")
    with pytest.raises(StatementFailed, match="statement timeout") as caught:
        session.execute("SELECT pg_sleep(60)")
    assert caught.value.sqlstate == "57014"


@pytest.mark.parametrize(
    "statement",
    ["SELECT pg_terminate_backend(pg_backend_pid())", "COPY (SELECT pg_terminate_backend(pg_backend_pid())) TO STDOUT"],
)
def test_a_lost_connection_is_no_failure_of_the_test(session: PostgresSession, statement: str) -> None:
    """The subject may be right; we could not find out."""
    with pytest.raises(DatabaseUnreachable, match="terminating connection"):
        session.execute(statement)
    with pytest.raises(DatabaseUnreachable):
        session.query("SELECT 1")
    session.close()
    session.close()


def test_an_error_that_looks_like_a_lost_connection_is_one_of_the_test(session: PostgresSession) -> None:
    """A routine may raise what it likes."""
    with pytest.raises(StatementFailed) as caught:
        session.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING errcode = '57P01'; END $$")
    assert caught.value.sqlstate == "57P01"


def test_a_database_that_cannot_be_reached_is_said_without_the_password(server: PostgresServer) -> None:
    """Wrong port, password, name of the database, and an address that leads nowhere."""
    address = read_dsn(server.dsn("postgres"))
    for broken, reason in (
        (server.dsn("postgres").replace(str(server.port), "1"), "refused"),
        (server.dsn("nowhere"), 'database "nowhere" does not exist'),
        (server.dsn("postgres", "nobody"), "password authentication failed"),
        (f"host=does.not.exist.invalid dbname=app password='{PASSWORD}'", "does.not.exist.invalid"),
    ):
        with pytest.raises(DatabaseUnreachable) as caught:
            PostgresDatabase(read_dsn(broken), timeout=5).connect()
        assert reason in failure(caught.value)
    assert PASSWORD not in repr(PostgresDatabase(address))


def test_connecting_to_a_server_that_says_nothing_ends(server: PostgresServer) -> None:
    """Ten seconds are enough, and less where less is left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = read_dsn(server.dsn().replace(str(server.port), str(listening.getsockname()[1])))
        begin = time.monotonic()
        with pytest.raises(DatabaseUnreachable, match="timeout"):
            PostgresDatabase(silent, timeout=2).connect()
        assert time.monotonic() - begin < 9


def test_the_label_has_the_version_once_it_is_known(server: PostgresServer) -> None:
    """It is in the result, so that people know what was tested."""
    app = database(server, "postgres")
    assert app.label == f"PostgreSQL, database postgres on 127.0.0.1:{server.port}"
    app.connect().close()
    assert app.label.startswith("PostgreSQL 1")
    assert app.label.endswith(f", database postgres on 127.0.0.1:{server.port}")
    app.close()


def test_the_server_knows_us_by_name_and_watches_for_our_death(server: PostgresServer) -> None:
    """People find the session, and statements of a pod that was killed do not go on; the address goes before us."""
    with session_on(server) as session:
        assert one(session, "SHOW application_name") == "testrun-operator"
        assert one(session, "SHOW client_connection_check_interval") == "5s"
        assert one(session, "SHOW statement_timeout") == "0"
    address = server.dsn() + " application_name=it options='-c client_connection_check_interval=0'"
    session = PostgresDatabase(read_dsn(address)).connect()
    assert one(session, "SHOW application_name") == "it"
    assert one(session, "SHOW client_connection_check_interval") == "0"
    session.close()


def test_a_server_without_the_watch_is_used_without_it(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems do not have it, and refuse the connection that asks for it."""
    asked = []
    connect = psycopg.connect

    def refusing(conninfo: str, **options: object) -> object:
        asked.append(conninfo)
        # A setting that the server does not have is refused in the same way.
        return connect(
            conninfo.replace("client_connection_check_interval", "client_connection_check_interval_"), **options
        )

    monkeypatch.setattr(psycopg, "connect", refusing)
    with session_on(server, "postgres") as session:
        assert one(session, "SELECT 1") == "1"
    assert ["client_connection_check_interval" in conninfo for conninfo in asked] == [True, False, False]
