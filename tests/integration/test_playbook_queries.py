"""Queries that judge what a playbook did, on real databases: PostgreSQL, MariaDB and SQLite."""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tests.integration.mariadb import MariadbServer, running_mariadb
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres

from testrun_operator.kinds.playbook.execution.queries import MAX_ROWS, Query, QueryOutOfTime, check_queries
from testrun_operator.masking import Masker
from testrun_operator.runner.findings import Finding
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class _Place:
    """A database with a table of orders."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    def count(self) -> object:
        return self.server.execute("SELECT count(*) FROM orders", self.name)[0][0]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariadbServer]:
    """Start a server of another kind."""
    with running_mariadb() as running:
        yield running


@pytest.fixture(scope="module")
def place(server: PostgresServer) -> _Place:
    """Make a database with three orders in it, one of them not paid, and one of which that is not known."""
    name = server.new_database()
    server.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, paid boolean, note text);"
        "INSERT INTO orders VALUES (1, true, 'a'), (2, false, 'b'), (3, NULL, 'c')",
        name,
    )
    return _Place(server, name)


def _check(dsn: str, query: str, *, allow_no_rows: bool = False, masker: Masker | None = None) -> Finding:
    queries = [Query("orders", query, "db", "playbook.expect.sql[0]", allow_no_rows)]
    (finding,) = check_queries(queries, {"db": dsn}, masker or Masker([PASSWORD]))
    return finding


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("SELECT true", "true in 1 row"),
        ("SELECT paid FROM orders WHERE id = 1;", "true in 1 row"),
        ("SELECT true AS a, 5 AS n, 1 = 1 AS b FROM orders -- all of them", "true in 3 rows"),
        ("VALUES (true), (true)", "true in 2 rows"),
        ("WITH x AS (SELECT count(*) = 3 AS ok FROM orders) TABLE x", "true in 1 row"),
        ("SELECT false AS other, true AS test_passed", "true in 1 row"),
        ("SELECT 1 AS test_passed", "true in 1 row"),
        ("SELECT 'TRUE' AS Test_Passed", "true in 1 row"),
        ('SELECT true AS "TEST_PASSED", NULL::boolean AS other', "true in 1 row"),
        ("SELECT paid AS a, paid AS a FROM orders WHERE paid", "true in 1 row"),
        ("SELECT note = E'a;\\'b' OR true FROM orders WHERE id = 1", "true in 1 row"),
        (f"SELECT true FROM generate_series(1, {MAX_ROWS})", f"true in {MAX_ROWS} rows"),
    ],
)
def test_a_query_holds_where_all_of_it_is_true(place: _Place, query: str, seen: str) -> None:
    """Every boolean of every row, or test_passed alone."""
    finding = _check(place.dsn, query)
    assert finding.passed, finding.sentence
    assert finding.actual == seen
    assert finding.name == "sql orders"
    assert finding.location == "connection db"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT false AS ok", "expected ok true in every row, got ok false"),
        ("SELECT NULL::boolean AS ok", "expected ok true in every row, got ok NULL"),
        (
            "SELECT id, paid, note FROM orders ORDER BY id",
            "expected paid true in every row, got row 2 of 3: paid false, with id 2, note 'b'",
        ),
        (
            "SELECT true AS a, false AS b, NULL::boolean AS c",
            "expected a, b, c true in every row, got b false, c NULL, with a true",
        ),
        (
            "SELECT true AS ok, false AS test_passed",
            "expected test_passed true in every row, got test_passed false, with ok true",
        ),
        ("SELECT 0 AS test_passed", "expected test_passed true in every row, got test_passed 0"),
        ("SELECT 'yes' AS test_passed", "expected test_passed true in every row, got test_passed 'yes'"),
        ("SELECT NULL AS test_passed", "expected test_passed true in every row, got test_passed NULL"),
        (
            "SELECT 1 AS n, 'true' AS ok",
            "expected a column test_passed, or columns of booleans, got no such column among n, ok",
        ),
        ("SELECT true WHERE false", "expected a row at least, got no rows"),
        (
            f"SELECT true FROM generate_series(1, {MAX_ROWS + 1})",
            f"expected at most {MAX_ROWS} rows, got more than these; the query itself could count them",
        ),
    ],
)
def test_a_query_that_does_not_hold_says_what_it_returned(place: _Place, query: str, sentence: str) -> None:
    """The first row that is wrong, with what else is in it. NULL is not true."""
    finding = _check(place.dsn, query)
    assert not finding.passed
    assert finding.sentence == f"{sentence} (connection db)"


def test_no_rows_hold_where_the_case_says_so(place: _Place) -> None:
    """But rows that are wrong do not."""
    assert _check(place.dsn, "SELECT paid FROM orders WHERE id > 3", allow_no_rows=True).passed
    assert not _check(place.dsn, "SELECT paid FROM orders WHERE id > 1", allow_no_rows=True).passed


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT true FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELEKT true", 'syntax error at or near "SELEKT"'),
        ("SELECT 1 / 0 = 1", "division by zero"),
        ("SELECT true FROM orders WHERE id = 'x'", "invalid input syntax for type integer"),
        ("SHOW server_version", "syntax error"),
        ("DELETE FROM orders RETURNING true", "syntax error"),
        ("WITH gone AS (DELETE FROM orders RETURNING true) SELECT * FROM gone", "data-modifying statements in WITH"),
        ("SELECT wipe()", "read-only transaction"),
        ("SELECT true FROM orders FOR UPDATE", "cannot"),
        ("SELECT nextval('numbers') > 0", "read-only transaction"),
    ],
)
def test_what_the_database_refuses_is_a_broken_expectation_in_its_words(place: _Place, query: str, said: str) -> None:
    """The playbook may not have made the table. And nothing is changed by a look."""
    place.server.execute(
        "CREATE OR REPLACE FUNCTION wipe() RETURNS boolean LANGUAGE sql AS "
        "'DELETE FROM orders; SELECT true'; CREATE SEQUENCE IF NOT EXISTS numbers",
        place.name,
    )
    finding = _check(place.dsn, query)
    assert not finding.passed
    assert finding.expected == "an answer"
    assert said in finding.actual
    assert place.count() == 3


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 0), ("  -- nothing\n", 0), ("SELECT true; SELECT true", 2), ("SELECT true; COMMIT; DELETE FROM orders", 3)],
)
def test_a_text_that_is_not_one_query_is_the_fault_of_the_case(place: _Place, query: str, count: int) -> None:
    """Several statements could end the transaction that keeps the data as it is."""
    with pytest.raises(InvalidCase, match=rf"playbook\.expect\.sql\[0\]\.query: .*{count} statements"):
        _check(place.dsn, query)
    assert place.count() == 3


def test_queries_go_on_after_one_that_failed_and_see_what_was_committed_since(place: _Place) -> None:
    """Each in a transaction of its own, over one connection for each database."""
    queries = [
        Query("broken", "SELECT true FROM nowhere", "db", "playbook.expect.sql[0]"),
        Query("own", "SELECT pg_backend_pid() AS pid, count(*) = 1 AS ok FROM later", "db", "playbook.expect.sql[1]"),
        Query("other", "SELECT current_database() = 'postgres' AS ok", "other", "playbook.expect.sql[2]"),
        Query("again", "SELECT count(*) = 2 AS ok FROM later", "db", "playbook.expect.sql[3]"),
    ]
    place.server.execute("CREATE TABLE later (id int); INSERT INTO later VALUES (1)", place.name)
    dsns = {"db": place.dsn, "other": place.server.dsn()}
    findings = check_queries(queries, dsns, Masker([]))
    assert not next(findings).passed
    assert next(findings).passed
    place.server.execute("INSERT INTO later VALUES (2)", place.name)
    assert [finding.passed for finding in findings] == [True, True]


def test_the_settings_of_a_session_are_left_as_they_were(place: _Place) -> None:
    """A pooler may give the session to an application next, which must not find that it can only read."""
    with psycopg.connect(place.dsn) as connection:
        before = connection.execute("SHOW default_transaction_read_only").fetchone()
    queries = [
        Query("one", "SELECT true", "db", "playbook.expect.sql[0]"),
        Query(
            "two",
            "SELECT current_setting('default_transaction_read_only') = 'off' AND "
            "current_setting('transaction_read_only') = 'on'",
            "db",
            "playbook.expect.sql[1]",
        ),
    ]
    assert before == ("off",)
    assert all(finding.passed for finding in check_queries(queries, {"db": place.dsn}, Masker([])))


def test_what_queries_return_is_masked_and_bounded(place: _Place) -> None:
    """They may look at tables with secrets in them."""
    query = f"SELECT false AS ok, '{PASSWORD}' AS word, repeat('x', 100000) AS long, E'\\x1b[31m' AS red"
    finding = _check(place.dsn, query)
    assert PASSWORD not in finding.actual
    assert "***" in finding.actual
    assert len(finding.actual) < 1000
    assert finding.actual.isprintable()
    wide = _check(place.dsn, "SELECT " + ", ".join(f"{number} = 0 AS c{number}" for number in range(1, 1000)))
    assert "and 991 more" in wide.actual
    assert len(wide.sentence) < 1000


def test_a_query_that_takes_longer_than_the_case_has_is_cancelled_on_the_server(place: _Place) -> None:
    """It does not go on for an hour after the case is over."""
    queries = [Query("slow", "SELECT true FROM pg_sleep(60)", "db", "playbook.expect.sql[0]")]
    began = time.monotonic()
    with pytest.raises(QueryOutOfTime, match="'slow' was not answered in time"):
        list(check_queries(queries, {"db": place.dsn}, Masker([]), remaining_seconds=lambda: 1.0))
    assert time.monotonic() - began < 20
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    assert place.server.execute(running) == [(0,)]


def test_a_connection_that_goes_away_is_no_fault_of_the_playbook(place: _Place) -> None:
    """The case could not be judged."""
    query = "SELECT true FROM pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(ConnectionFailed, match=r"playbook\.expect\.sql\[0\]: the connection to PostgreSQL was lost"):
        _check(place.dsn, query)


def test_a_database_that_is_not_there_is_no_fault_of_the_playbook(server: PostgresServer) -> None:
    """Nor is a wrong password; neither is shown."""
    with pytest.raises(ConnectionFailed, match=r"connections\.db\.dsnFrom: cannot connect") as caught:
        _check(server.dsn(password="wrong-horse"), "SELECT true")
    assert "wrong-horse" not in str(caught.value)
    with pytest.raises(ConnectionFailed):
        _check("postgresql://admin@127.0.0.1:1/nothing", "SELECT true")


def test_an_address_that_is_missing_or_wrong_is_the_fault_of_the_case() -> None:
    """It names the field."""
    with pytest.raises(InvalidCase, match=r"connections\.db\.dsnFrom"):
        _check("carrier-pigeon://home", "SELECT true")
    query = Query("q", "SELECT true", "other", "playbook.expect.sql[4]")
    with pytest.raises(InvalidCase, match=r"connections\.other\.dsnFrom: is needed by playbook\.expect\.sql\[4\]"):
        list(check_queries([query], {"db": "sqlite://"}, Masker([])))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a database of SQLite."""
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, paid BOOLEAN)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(1, True), (2, False)])
    return path


@pytest.mark.parametrize(
    ("query", "passed", "seen"),
    [
        ("SELECT count(*) = 2 AS test_passed FROM orders", True, "true in 1 row"),
        ("SELECT id, paid AS test_passed FROM orders", False, "row 2 of 2: test_passed 0, with id 2"),
        # SQLite has no booleans: a column of zeros and ones may be a number of errors.
        ("SELECT count(*) = 2 AS ok FROM orders", False, "no such column among ok"),
        ("SELECT true FROM nowhere", False, "no such table: nowhere"),
        ("DELETE FROM orders RETURNING 1 AS test_passed", False, "readonly"),
        (
            f"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT {MAX_ROWS + 1}) SELECT i FROM n",
            False,
            "more than these",
        ),
    ],
)
def test_sqlite(file: Path, query: str, seen: str, *, passed: bool) -> None:
    """Only test_passed decides, and nothing is written."""
    finding = _check(f"sqlite:///{file}", query)
    assert finding.passed is passed
    assert seen in finding.actual
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)


@pytest.mark.parametrize(
    ("query", "passed", "seen"),
    [
        ("SELECT count(*) = 2 AS test_passed FROM orders", True, "true in 1 row"),
        ("SELECT id, paid AS test_passed FROM orders ORDER BY id", False, "row 2 of 2: test_passed 0, with id 2"),
        ("SELECT count(*) = 2 AS ok FROM orders", False, "no such column among ok"),
        ("SELECT true FROM nowhere", False, "nowhere"),
        ("DELETE FROM orders", False, "READ ONLY"),
        (f"SELECT 1 AS test_passed FROM seq_1_to_{MAX_ROWS + 5}", False, "more than these"),
    ],
)
def test_mariadb(mariadb: MariadbServer, query: str, seen: str, *, passed: bool) -> None:
    """The same."""
    name = mariadb.new_database()
    mariadb.execute("CREATE TABLE orders (id INT, paid BOOLEAN)", name)
    mariadb.execute("INSERT INTO orders VALUES (1, true), (2, false)", name)
    finding = _check(mariadb.url(name), query)
    assert finding.passed is passed
    assert seen in finding.actual
    assert mariadb.execute("SELECT count(*) FROM orders", name) == ((2,),)
