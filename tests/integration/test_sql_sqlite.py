"""Database tests against SQLite."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from testrun_operator.databases.base import (
    DatabaseUnreachable,
    Kind,
    NotPossible,
    Routine,
    Session,
    StatementCancelled,
    StatementFailed,
    Value,
)
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.databases.relational.sqlite import SqliteDatabase

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteDatabase]:
    """Give a database: in a file whose name has to be encoded, and in memory."""
    address = f"sqlite:///{tmp_path}/a b%25#.db" if request.param == "file" else "sqlite://"
    database = open_database(read_dsn(address), 60)
    assert isinstance(database, SqliteDatabase)
    with closing(database):
        yield database


@pytest.fixture
def session(database: SqliteDatabase) -> Iterator[Session]:
    """Give a session with a table."""
    with closing(database.connect()) as session:
        session.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT UNIQUE, b BLOB)")
        yield session


def _texts(session: Session, query: str) -> list[tuple[str | None, ...]]:
    return [tuple(value.text for value in row) for row in session.query(query).rows]


def test_values_are_of_the_kind_that_they_are_stored_as(session: Session) -> None:
    """A column of SQLite holds values of any kind."""
    rows = session.query("SELECT 1 AS one, 2.50, 'x', x'00FF', NULL, true, '2020-01-02', 9e999, CAST(x'80' AS TEXT)")
    assert "one" == rows.columns[0]
    expected = (
        *(Value("1", Kind.NUMBER), Value("2.5", Kind.NUMBER), Value("x"), Value("\\x00ff", Kind.BINARY), Value(None)),
        *(Value("1", Kind.NUMBER), Value("2020-01-02"), Value("inf", Kind.NUMBER), Value("\ufffd")),
    )
    assert expected == rows.rows[0]


def test_a_statement_tells_how_many_rows_it_returned_or_changed(session: Session) -> None:
    """And nothing where SQLite does not say it."""
    assert 3 == session.execute("INSERT INTO a (v) VALUES ('1'), ('2'), ('3')")
    assert 2 == session.execute("UPDATE a SET b = NULL WHERE id > 1")
    assert 3 == session.execute("SELECT * FROM a")
    assert 1 == session.execute("DELETE FROM a WHERE id = 1 RETURNING id")
    assert session.execute("CREATE TABLE c (d)") is None


def test_a_refused_statement_has_sqlites_words_and_its_name_of_the_error(session: Session) -> None:
    """SQLite has no SQLSTATEs, and does not say on which line the fault is."""
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with pytest.raises(StatementFailed) as caught:
        session.execute("INSERT INTO a (v) VALUES ('x')")
    assert "ERROR: UNIQUE constraint failed: a.v (SQLITE_CONSTRAINT_UNIQUE)" == caught.value.message
    assert (None, None) == (caught.value.sqlstate, caught.value.line)
    for refused in ("SELEC", "SELECT '\0'", "SELECT '\ud800'", "SELECT ?", "SELECT 1; SELECT 2"):
        with pytest.raises(StatementFailed, match="ERROR: "):
            session.execute(refused)


def test_a_query_must_return_rows(session: Session) -> None:
    """A table without rows is something else than no table."""
    assert () == session.query("SELECT * FROM a").rows
    with pytest.raises(StatementFailed, match="returns no rows"):
        session.query("INSERT INTO a (v) VALUES ('x')")


def test_scripts_with_triggers_run_as_they_are(session: Session) -> None:
    """No delimiter is needed."""
    script = "CREATE TABLE log (m);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO log VALUES (NEW.v); END;"
    for statement in session.split(script + "INSERT INTO a (v) VALUES (';');"):
        session.execute(statement.text)
    assert [(";",)] == _texts(session, "SELECT m FROM log")


def test_there_are_no_routines_and_that_is_said(session: Session) -> None:
    """With what works instead."""
    with pytest.raises(NotPossible, match=r"SQLite has no procedures .* DIVIDE .* generic tests"):
        session.find_routines("DIVIDE")
    with pytest.raises(NotPossible, match="SQLite has no procedures"):
        session.call(Routine("x", "x()", (), is_function=False), [])


def test_rows_are_loaded_as_texts_that_sqlite_converts(session: Session) -> None:
    """By the column's affinity; binary values are written as they are read."""
    rows = [["7", "a'%s?", "\\x00ff"], ["8", None, "plain"]]
    assert 2 == session.load_rows('"a"', ["ID", "v", "B"], rows)
    expected = [("7", "integer", "a'%s?", "\\x00ff"), ("8", "integer", None, "plain")]
    assert expected == _texts(session, "SELECT id, typeof(id), v, b FROM a")


def test_rows_are_loaded_all_or_none(session: Session) -> None:
    """Outside of a transaction, too."""
    with pytest.raises(StatementFailed, match=r"UNIQUE constraint failed: a\.v"):
        session.load_rows("a", ["v"], [[str(number)] for number in range(3000)] + [["7"]])
    with pytest.raises(StatementFailed, match="no such table"):
        session.load_rows("nowhere", ["v"], [["x"]])
    assert [("0",)] == _texts(session, "SELECT count(*) FROM a")


def test_a_transaction_is_rolled_back_and_a_refused_statement_alone(session: Session) -> None:
    """Tables that were made in it are gone, too."""
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('x')")
        with pytest.raises(StatementFailed):
            session.execute("INSERT INTO a (v) VALUES ('y'), ('x')")
        session.load_rows("a", ["v"], [["z"]])
        session.execute("CREATE TABLE made (d)")
        assert [("x",), ("z",)] == _texts(session, "SELECT v FROM a")
        assert session.transaction_is_whole()
    assert [] == _texts(session, "SELECT v FROM a")
    with pytest.raises(StatementFailed, match="no such table"):
        session.query("SELECT * FROM made")


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "INSERT OR ROLLBACK INTO a (v) VALUES ('x')"])
def test_a_transaction_that_was_ended_is_noticed_and_another_one_begun(session: Session, statement: str) -> None:
    """So that at least the rest is rolled back."""
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with session.transaction():
        if "ROLLBACK INTO" in statement:
            with pytest.raises(StatementFailed):
                session.execute(statement)
        else:
            session.execute(statement)
        assert not session.transaction_is_whole()
        session.execute("INSERT INTO a (v) VALUES ('later')")
    assert [("x",)] == _texts(session, "SELECT v FROM a")
    with session.transaction():
        assert session.transaction_is_whole()


def test_no_transaction_is_begun_in_one_of_the_authors(session: Session) -> None:
    """It would be rolled back with what it had before."""
    session.execute("BEGIN")
    with pytest.raises(NotPossible, match="begun a transaction and not ended it"), session.transaction():
        pytest.fail("it was begun")
    assert 1 == session.load_rows("a", ["v"], [["x"]])
    session.execute("ROLLBACK")
    assert [] == _texts(session, "SELECT v FROM a")


def test_a_statement_is_cancelled_by_another_thread(session: Session) -> None:
    """The session goes on, and in a transaction what was before stays."""
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('y')")
        timer = threading.Timer(0.2, session.cancel)
        timer.start()
        with pytest.raises(StatementCancelled):
            session.query(ENDLESS)
        timer.join()
        assert [("2",)] == _texts(session, "SELECT count(*) FROM a")
        assert session.transaction_is_whole()


def test_to_cancel_nothing_does_nothing(session: Session) -> None:
    """The next statement runs."""
    session.cancel()
    assert [("1",)] == _texts(session, "SELECT 1")


def test_after_a_reset_the_session_is_as_it_was_opened(session: Session) -> None:
    """No temporary tables, no settings, no open transaction; what is in the database stays, also in memory."""
    session.execute("CREATE TEMP TABLE t (x)")
    session.execute("PRAGMA foreign_keys = ON")
    session.execute("INSERT INTO a (v) VALUES ('kept')")
    session.execute("BEGIN")
    session.execute("INSERT INTO a (v) VALUES ('gone')")
    session.reset()
    assert [("0",)] == _texts(session, "PRAGMA foreign_keys")
    assert [("kept",)] == _texts(session, "SELECT v FROM a")
    with pytest.raises(StatementFailed, match="no such table"):
        session.execute("SELECT * FROM t")


def test_all_sessions_see_the_same_database(database: SqliteDatabase, session: Session) -> None:
    """Also one in memory; and two databases in memory are two."""
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with closing(database.connect()) as other:
        assert [("x",)] == _texts(other, "SELECT v FROM a")
    with closing(SqliteDatabase(read_dsn("sqlite://"), None)) as another, closing(another.connect()) as other:
        assert [] == _texts(other, "SELECT name FROM sqlite_master")


def test_a_closed_session_says_so(session: Session) -> None:
    """To close it twice does no harm."""
    session.close()
    session.close()
    with pytest.raises(DatabaseUnreachable, match="closed"):
        session.execute("SELECT 1")
    assert 2 == len(session.split("SELECT 1;SELECT 2"))


def test_copies_have_what_the_template_has_and_do_not_disturb_each_other(
    database: SqliteDatabase, session: Session
) -> None:
    """Nor the database itself; no file of them is left."""
    session.execute("INSERT INTO a (v) VALUES ('original')")
    session.execute("CREATE VIEW w AS SELECT v FROM a")
    with database.copies("testrun_x") as copies:
        with closing(copies.template.connect()) as template:
            template.execute("INSERT INTO a (v) VALUES ('template')")
        with (
            copies.copy() as one,
            copies.copy() as two,
            closing(one.connect()) as first,
            closing(two.connect()) as second,
        ):
            first.execute("DELETE FROM a")
            assert [("original",), ("template",)] == _texts(second, "SELECT v FROM w")
            folder = Path(first.query("PRAGMA database_list").rows[0][2].text or "").parent
            assert folder.is_dir()
    assert not folder.exists()
    assert [("original",)] == _texts(session, "SELECT v FROM a")


def test_what_cannot_be_opened_is_unreachable(tmp_path: Path) -> None:
    """A folder that is not there, and a file that is no database."""
    with pytest.raises(DatabaseUnreachable, match=r"SQLite .*, file .*/nowhere/x\.db: unable to open database file"):
        SqliteDatabase(read_dsn(f"sqlite:///{tmp_path}/nowhere/x.db"), 5.0).connect()
    (tmp_path / "text.db").write_text("no database at all, but a text that is long enough" * 10)
    with pytest.raises(DatabaseUnreachable, match="file is not a database"):
        SqliteDatabase(read_dsn(f"sqlite:///{tmp_path}/text.db"), 5.0).connect()
