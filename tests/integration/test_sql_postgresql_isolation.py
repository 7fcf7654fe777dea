"""Transactions that are rolled back, and copies of a database, on a real PostgreSQL."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import psycopg
import pytest
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres
from tests.integration.sql_postgresql import attempt, call, database, failure, one, session_on

from testrun_operator.databases.base import (
    Database,
    DatabaseUnreachable,
    NotPossible,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.databases.postgresql.session import PostgresSession

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def session(server: PostgresServer) -> Iterator[PostgresSession]:
    """Open a session in a new database that has a table and a procedure."""
    with session_on(server) as opened:
        opened.execute("""
            CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
            CREATE PROCEDURE add(n int) LANGUAGE sql AS 'INSERT INTO t VALUES (n)';
            CREATE PROCEDURE add_and_commit(n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (n); COMMIT; END $$
        """)
        yield opened


def _content(session: PostgresSession) -> str | None:
    return one(session, "SELECT string_agg(a::text, ',' ORDER BY a) FROM t")


def _refusal(session: PostgresSession, statement: str) -> str | None:
    with pytest.raises(StatementFailed) as refused:
        session.execute(statement)
    return refused.value.sqlstate


def test_everything_in_a_transaction_is_rolled_back(session: PostgresSession) -> None:
    """Statements, calls, rows that were loaded, and tables that were made."""
    with session.transaction():
        session.execute("INSERT INTO t VALUES (1)")
        call(session, "add", n="2")
        session.load_rows("t", ["a"], [["3"], ["4"]])
        session.execute("CREATE TABLE u ()")
        session.execute("SET work_mem TO '1MB'")
        assert _content(session) == "1,2,3,4"
        assert session.transaction_is_whole()
    assert session.transaction_is_whole()
    assert _content(session) is None
    assert one(session, "SELECT to_regclass('u')") is None
    assert one(session, "SHOW work_mem") == "4MB"


def test_nothing_is_left_after_a_block_that_ended_with_an_exception(session: PostgresSession) -> None:
    """Whatever happened in it."""

    class Whatever(Exception):
        """Something from outside."""

    def block() -> None:
        with session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            raise Whatever

    with pytest.raises(Whatever):
        block()
    assert _content(session) is None
    with session.transaction():
        pass  # nothing was begun
    assert one(session, "SELECT pg_current_xact_id_if_assigned()") is None


def test_a_failure_in_a_transaction_is_undone_alone(session: PostgresSession) -> None:
    """What was done before it stays, as it would without a transaction."""
    with session.transaction():
        session.execute("INSERT INTO t VALUES (1)")
        for statement in (
            "INSERT INTO t VALUES (1)",
            "SELECT 1/0",
            "SELEC",
            "COPY t FROM STDIN",
            "INSERT INTO t VALUES (8); SELECT 1/0",
        ):
            with pytest.raises(StatementFailed):
                session.execute(statement)
        with pytest.raises(StatementFailed):
            call(session, "add", n="1")
        with pytest.raises(StatementFailed):
            session.load_rows("t", ["a"], [["9"], ["1"]])
        with pytest.raises(ZeroDivisionError):
            session.load_rows("t", ["a"], ([str(1 // number)] for number in (1, 0)))
        session.execute("INSERT INTO t VALUES (2)")
        assert _content(session) == "1,2"
        assert session.transaction_is_whole()
    assert _content(session) is None


@pytest.mark.parametrize(
    ("statements", "content", "is_whole", "left"),
    [
        (["INSERT INTO t VALUES (1)", "COMMIT", "INSERT INTO t VALUES (2)"], "1,2", False, "1"),
        (["INSERT INTO t VALUES (1)", "END"], "1", False, "1"),
        (["COMMIT", "BEGIN", "INSERT INTO t VALUES (2)"], "2", False, None),
        (["INSERT INTO t VALUES (1)", "COMMIT AND CHAIN", "INSERT INTO t VALUES (2)"], "1,2", False, "1"),
        (["INSERT INTO t VALUES (1); COMMIT; BEGIN; INSERT INTO t VALUES (2)"], "1,2", False, "1"),
        (["INSERT INTO t VALUES (1); COMMIT; SELECT 1/0"], "1", False, "1"),
        (["INSERT INTO t VALUES (1); COMMIT; BEGIN; SELECT 1/0", "INSERT INTO t VALUES (2)"], "1,2", False, "1"),
        (["INSERT INTO t VALUES (1)", "ROLLBACK", "INSERT INTO t VALUES (2)"], "2", True, None),
        (["INSERT INTO t VALUES (1)", "ROLLBACK", "BEGIN", "INSERT INTO t VALUES (2)"], "2", True, None),
        (["INSERT INTO t VALUES (1)", "ROLLBACK AND CHAIN", "INSERT INTO t VALUES (2)", "SELECT 1/0"], "2", True, None),
        (["INSERT INTO t VALUES (1); ROLLBACK; BEGIN; SELECT 1/0", "INSERT INTO t VALUES (2)"], "2", True, None),
        (["BEGIN", "INSERT INTO t VALUES (1)", "SELECT 1/0"], "1", True, None),
        (["INSERT INTO t VALUES (1, 7)", "COMMIT", "INSERT INTO t VALUES (2)"], "2", False, None),
        (
            ["INSERT INTO t VALUES (1)", "SAVEPOINT a", "INSERT INTO t VALUES (2)", "SELECT 1/0", "ROLLBACK TO a"],
            "1",
            True,
            None,
        ),
        (
            [
                *(
                    "SAVEPOINT a",
                    "INSERT INTO t VALUES (1)",
                    "SAVEPOINT b",
                    "INSERT INTO t VALUES (2)",
                    "ROLLBACK TO b",
                ),
                *("INSERT INTO t VALUES (3)", "ROLLBACK TO b", "INSERT INTO t VALUES (4)", "RELEASE b", "SELECT 1/0"),
            ],
            "1,4",
            True,
            None,
        ),
        (
            ["SAVEPOINT a", "INSERT INTO t VALUES (1)", "RELEASE a", "INSERT INTO t VALUES (2)", "ROLLBACK TO a"],
            "1,2",
            True,
            None,
        ),
        (
            ["SAVEPOINT a", "SAVEPOINT a", "INSERT INTO t VALUES (1)", "ROLLBACK TO a", "RELEASE a", "ROLLBACK TO a"],
            None,
            True,
            None,
        ),
        (["PREPARE p AS SELECT 1", "INSERT INTO t VALUES (1)"], "1", True, None),
    ],
)
def test_the_tests_own_transactions_are_understood(
    session: PostgresSession, statements: list[str], content: str | None, left: str | None, *, is_whole: bool
) -> None:
    """A commit is noticed, however it is written; savepoints are the author's as before; what fails is undone alone."""
    with session.transaction():
        for statement in statements:
            attempt(session, statement)
        assert _content(session) == content
        assert session.transaction_is_whole() is is_whole
    assert session.transaction_is_whole() is is_whole
    assert _content(session) == left


@pytest.mark.parametrize("isolated", [False, True], ids=["committed", "rolled-back"])
def test_deferred_constraints_are_looked_at_after_each_statement(session: PostgresSession, isolated: bool) -> None:
    """As if the statement had been committed; within a procedure they wait for its end."""
    session.execute("""
        CREATE PROCEDURE child_first(child int, parent int) LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO t VALUES (child, parent); INSERT INTO t VALUES (parent); END $$
    """)
    with session.transaction() if isolated else nullcontext():
        assert _refusal(session, "INSERT INTO t VALUES (1, 2)") == "23503"
        call(session, "child_first", child="1", parent="2")
        assert _content(session) == "1,2"
        assert _refusal(session, "DELETE FROM t WHERE a = 2") == "23503"
        assert _content(session) == "1,2"
        session.execute("CREATE TABLE u (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        assert _refusal(session, "INSERT INTO u VALUES (1), (1)") == "23505"
        session.execute("INSERT INTO u VALUES (1), (2)")
        session.execute("UPDATE u SET a = a + 1")
        assert session.transaction_is_whole()


@pytest.mark.parametrize(
    "statement", ["DO $$ BEGIN COMMIT; END $$", "CALL add_and_commit(1)", "VACUUM t", "CREATE DATABASE other"]
)
def test_what_cannot_run_in_a_transaction_is_told_with_the_cause(session: PostgresSession, statement: str) -> None:
    """The author has chosen the isolation, and may not know what it means for this statement."""
    with session.transaction():
        session.execute("INSERT INTO t VALUES (5)")
        with pytest.raises(StatementFailed, match="isolation: rollback") as caught:
            session.execute(statement)
        assert caught.value.sqlstate in {"2D000", "25001"}
        with pytest.raises(StatementFailed, match="isolation: rollback"):
            call(session, "add_and_commit", n="1")
        assert _content(session) == "5"
        assert session.transaction_is_whole()


def test_the_cause_is_only_told_where_it_is_one(session: PostgresSession) -> None:
    """Without isolation it is the author's own BEGIN."""
    session.execute("BEGIN")
    with pytest.raises(StatementFailed) as caught:
        session.execute("VACUUM t")
    assert "isolation" not in caught.value.message


def test_a_prepared_transaction_is_a_commit(server: PostgresServer) -> None:
    """What is prepared stays, and may be committed by anybody."""
    with running_postgres() as other:
        other.execute("ALTER SYSTEM SET max_prepared_transactions TO 2")
        other.stop("fast")
        other.start()
        with session_on(other) as session, session.transaction():
            session.execute("CREATE TABLE t ()")
            session.execute("PREPARE TRANSACTION 'x'")
            assert not session.transaction_is_whole()
    assert server.is_running()


def test_an_open_transaction_before_the_tests_is_refused(session: PostgresSession) -> None:
    """To roll back would undo it, and to go on would not undo the test."""
    session.execute("BEGIN")
    with pytest.raises(NotPossible, match="has begun a transaction"), session.transaction():
        pass


def test_a_cancelled_statement_of_a_transaction_is_undone(session: PostgresSession) -> None:
    """So that fixtures after the test can be run, and the rest be rolled back."""
    with session.transaction():
        session.execute("INSERT INTO t VALUES (1)")
        timer = threading.Timer(0.2, session.cancel)
        timer.start()
        with pytest.raises(StatementCancelled):
            session.execute("INSERT INTO t SELECT 2 FROM pg_sleep(60)")
        assert _content(session) == "1"
    assert _content(session) is None


def test_a_connection_that_is_lost_in_a_transaction_is_said(session: PostgresSession) -> None:
    """The server has rolled back by itself."""
    with session.transaction():
        session.execute("INSERT INTO t VALUES (1)")
        for _ in range(2):
            with pytest.raises(DatabaseUnreachable):
                session.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def _names(server: PostgresServer, prefix: str) -> list[str]:
    rows = server.execute(f"SELECT datname::text FROM pg_database WHERE starts_with(datname, '{prefix}') ORDER BY 1")
    return [str(name) for (name,) in rows]


def test_copies_have_what_the_template_has_and_are_dropped(server: PostgresServer) -> None:
    """The schema is loaded once, into the template; what a copy has is its own; the source stays as it is."""
    app = server.new_database()
    server.execute("CREATE TABLE source (a int)", app)
    with database(server, app).copies("cp_") as copies:
        session = copies.template.connect()
        session.execute("CREATE TABLE loaded (a int)")
        session.close()
        with copies.copy() as first, copies.copy() as second:
            assert _names(server, "cp_") == ["cp_0", "cp_1", "cp_2"]
            assert "cp_1" in first.label
            one_session, other_session = first.connect(), second.connect()
            one_session.execute("INSERT INTO loaded SELECT 1; INSERT INTO source SELECT 1")
            assert one(other_session, "SELECT count(*) FROM loaded, source") == "0"
            one_session.close()
        # The session to the second is still open, and so was ended with it.
        assert _names(server, "cp_") == ["cp_0"]
        with pytest.raises(DatabaseUnreachable):
            other_session.execute("SELECT 1")
    assert _names(server, "cp_") == []
    assert server.execute("SELECT count(*) FROM source", app) == [(0,)]
    assert server.execute("SELECT to_regclass('loaded')::text", app) == [(None,)]


def test_copies_are_dropped_also_after_an_exception(server: PostgresServer) -> None:
    """Also those whose block did not end."""
    unfinished: list[AbstractContextManager[Database]] = []

    class Whatever(Exception):
        """Something from outside."""

    def block() -> None:
        with database(server).copies("ex_") as copies:
            unfinished.append(copies.copy())
            unfinished[0].__enter__()
            assert _names(server, "ex_") == ["ex_0", "ex_1"]
            raise Whatever

    with pytest.raises(Whatever):
        block()
    assert _names(server, "ex_") == []


def test_copies_are_made_by_several_threads_at_once(server: PostgresServer) -> None:
    """Test cases run in parallel; the server copies a template once at a time."""

    def use(number: int) -> str | None:
        with copies.copy() as copy:
            session = copy.connect()
            try:
                session.execute(f"INSERT INTO t VALUES ({number})")
                return one(session, "SELECT sum(a) FROM t")
            finally:
                session.close()

    with database(server).copies("th_") as copies:
        session = copies.template.connect()
        session.execute("CREATE TABLE t (a int)")
        session.close()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(use, range(8))) == [str(number) for number in range(8)]
    assert _names(server, "th_") == []


def test_settings_of_the_database_are_those_of_the_copies(server: PostgresServer) -> None:
    """The server does not copy them, and a search_path decides what a test sees."""
    app, user = server.new_database(), server.new_user()
    server.execute(f"ALTER ROLE {user} CREATEDB; ALTER DATABASE {app} OWNER TO {user}")
    for setting in ("search_path TO \"A b\", 'c''d', public", "TimeZone TO 'Europe/Oslo'"):
        server.execute(f"ALTER DATABASE {app} SET {setting}")
    server.execute(f"ALTER ROLE {user} IN DATABASE {app} SET work_mem TO '7MB'")
    with database(server, app, user).copies("set_") as copies, copies.copy() as copy:
        for each in (copies.template, copy):
            session = each.connect()
            assert one(session, "SHOW search_path") == '"A b", "c\'d", public'
            assert one(session, "SHOW TimeZone") == "Europe/Oslo"
            assert one(session, "SHOW work_mem") == "7MB"
            session.close()


def test_settings_of_the_tests_own_are_copied_by_who_may(server: PostgresServer) -> None:
    """A superuser may set what the server has never heard of."""
    app = server.new_database()
    server.execute(f"ALTER DATABASE {app} SET my.own TO 'x=y'")
    with database(server, app).copies("my_") as copies:
        session = copies.template.connect()
        assert one(session, "SHOW my.own") == "x=y"
        session.close()


def test_a_setting_that_may_not_be_copied_is_logged(server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    """A superuser has set it, and the tests can do without."""
    app, user = server.new_database(), server.new_user()
    server.execute(f"ALTER ROLE {user} CREATEDB; ALTER DATABASE {app} OWNER TO {user}")
    server.execute(f"ALTER DATABASE {app} SET log_statement TO 'all'")
    with caplog.at_level(logging.WARNING), database(server, app, user).copies("log_"):
        pass
    assert "the setting log_statement is not copied: permission denied" in caplog.text


def test_a_user_without_the_right_is_told_which(server: PostgresServer) -> None:
    """With what a superuser has to do."""
    app, user = server.new_database(), server.new_user()
    with pytest.raises(NotPossible, match="ALTER ROLE … CREATEDB") as caught, database(server, app, user).copies("no_"):
        pass
    assert user in failure(caught.value)
    server.execute(f"ALTER ROLE {user} CREATEDB")
    with pytest.raises(NotPossible, match="OWNER TO"), database(server, app, user).copies("no_"):
        pass
    server.execute(f"ALTER DATABASE {app} IS_TEMPLATE true")
    with database(server, app, user).copies("no_"):
        assert _names(server, "no_") == ["no_0"]
    assert _names(server, "no_") == []
    server.execute(f"ALTER DATABASE {app} IS_TEMPLATE false")


def test_a_database_that_others_use_is_not_copied(server: PostgresServer) -> None:
    """It is said who they are, since somebody has to end them."""
    app = server.new_database()
    conninfo = f"{server.dsn(app)} application_name=billing-service"
    with (
        psycopg.connect(conninfo),
        pytest.raises(NotPossible, match=r"billing-service of admin \(1\)"),
        database(server, app).copies("used_"),
    ):
        pass
    with database(server, app).copies("used_") as copies:
        session = copies.template.connect()
        with pytest.raises(NotPossible, match=r"used_0.*testrun-operator of admin \(1\)"), copies.copy():
            pass
        session.close()
    assert _names(server, "used_") == []


def test_what_was_left_by_an_execution_that_was_killed_is_dropped(server: PostgresServer) -> None:
    """But never a database that only has a name like it."""
    app = server.new_database()
    killed = database(server, app).copies("left_")
    killed.__enter__()
    server.execute("CREATE DATABASE left_1")
    with database(server, app).copies("left_") as copies:
        assert _names(server, "left_") == ["left_0", "left_1"]
        with copies.copy():
            assert _names(server, "left_") == ["left_0", "left_1", "left_2"]
    assert _names(server, "left_") == ["left_1"]


def test_long_prefixes_are_shortened_and_stay_different(server: PostgresServer) -> None:
    """Names have at most 63 bytes."""
    app = server.new_database()
    names = []
    for end in "ab":
        with database(server, app).copies("é" * 40 + end) as copies, copies.copy():
            names.append(_names(server, "é"))
    assert [len(found) for found in names] == [2, 2]
    assert not set(names[0]) & set(names[1])
    assert all(len(name.encode()) <= 63 for found in names for name in found)


def test_a_copy_that_takes_too_long_is_given_up(server: PostgresServer) -> None:
    """The time of the case is that of its copies too; to drop them there is time still."""
    app = server.new_database()
    with database(server, app, timeout=2).copies("slow_") as copies:
        blocker = psycopg.connect(server.dsn("slow_0"))  # the server waits five seconds for it to go
        with pytest.raises(StatementCancelled, match="not made in time"), copies.copy():
            pass
        time.sleep(0.1)
        blocker.close()
    assert _names(server, "slow_") == []


def test_a_server_that_is_gone_is_said_and_nothing_else_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """What could not be dropped is logged, since somebody has to drop it."""
    with running_postgres() as other:
        app = database(other, other.new_database())
        with caplog.at_level(logging.WARNING), app.copies("gone_") as copies:
            other.stop("fast")
            with pytest.raises(DatabaseUnreachable) as caught, copies.copy():
                pass
            assert PASSWORD not in failure(caught.value)
        assert "the copy gone_0 of the database is left" in caplog.text
        assert PASSWORD not in caplog.text
        with pytest.raises(DatabaseUnreachable), app.copies("gone_"):
            pass


def test_no_other_database_needs_to_be_open_to_the_user(server: PostgresServer) -> None:
    """Copies are made from wherever the user may connect to; in the end from the source itself."""
    app, user = server.new_database(), server.new_user()
    server.execute(f"ALTER ROLE {user} CREATEDB; ALTER DATABASE {app} OWNER TO {user}")
    server.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    try:
        with database(server, app, user).copies("own_") as copies, copies.copy():
            assert _names(server, "own_") == ["own_0", "own_1"]
    finally:
        server.execute("GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")
    assert _names(server, "own_") == []
