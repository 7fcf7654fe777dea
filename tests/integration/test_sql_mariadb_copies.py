"""Copies of a real MariaDB database, for tests that are kept apart by them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.integration.mariadb import MariadbServer, running_mariadb

from testrun_operator.databases.base import (
    Database,
    DatabaseUnreachable,
    NotPossible,
    Session,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.relational.mysql import MySqlDatabase

SCHEMA = """
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 10;
CREATE TABLE parent (
    id INT PRIMARY KEY AUTO_INCREMENT, n INT DEFAULT NEXTVAL(numbers),
    at TIMESTAMP NOT NULL DEFAULT '2020-01-01 12:00:00'
) AUTO_INCREMENT = 50;
CREATE TABLE child (
    id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT NOT NULL COMMENT 'of `app`.`parent`, it''s',
    name VARCHAR(20) CHARACTER SET utf8mb4, upper_name VARCHAR(20) AS (UPPER(name)) STORED,
    hidden INT INVISIBLE DEFAULT 3,
    FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE, CHECK (hidden < 10)
);
CREATE TABLE a_grandchild (id INT, FOREIGN KEY (id) REFERENCES child (id));
CREATE TABLE cycle_1 (id INT PRIMARY KEY, other INT);
CREATE TABLE cycle_2 (id INT PRIMARY KEY, other INT, FOREIGN KEY (other) REFERENCES cycle_1 (id));
ALTER TABLE cycle_1 ADD FOREIGN KEY (other) REFERENCES cycle_2 (id);
CREATE TABLE parts (id INT) PARTITION BY HASH (id) PARTITIONS 3;
CREATE TABLE versions (id INT) WITH SYSTEM VERSIONING;
CREATE TABLE zero (id INT PRIMARY KEY AUTO_INCREMENT, d DATE);
CREATE TABLE `we``ird na.me` (`sel``ect` INT, b BLOB);
CREATE TABLE log (m VARCHAR(20));
CREATE FUNCTION next_of(a INT) RETURNS INT RETURN a + 1;
CREATE VIEW z_first AS SELECT id, next_of(id) AS next, name FROM child;
CREATE VIEW a_second AS SELECT * FROM z_first;
CREATE PROCEDURE add_parent(OUT added INT) BEGIN INSERT INTO parent (n) VALUES (1); SET added = LAST_INSERT_ID(); END;
CREATE TRIGGER second AFTER INSERT ON parent FOR EACH ROW INSERT INTO log VALUES (CONCAT('2:', NEW.id));
CREATE TRIGGER first AFTER INSERT ON parent FOR EACH ROW PRECEDES second INSERT INTO log VALUES (CONCAT('1:', NEW.id));
CREATE EVENT clean ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM log; END;
INSERT INTO parent (n) VALUES (DEFAULT), (DEFAULT);
DELETE FROM log;
INSERT INTO child (parent_id, name) VALUES (50, 'äöü€'), (51, 'b');
INSERT INTO a_grandchild VALUES (1);
INSERT INTO cycle_1 VALUES (1, NULL); INSERT INTO cycle_2 VALUES (1, 1); UPDATE cycle_1 SET other = 1;
INSERT INTO parts VALUES (1), (2);
INSERT INTO versions VALUES (1); UPDATE versions SET id = 2;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; INSERT INTO zero VALUES (0, '0000-00-00'); SET sql_mode = DEFAULT;
INSERT INTO `we``ird na.me` VALUES (5, x'00FF');
"""


@pytest.fixture(scope="module")
def server() -> Iterator[MariadbServer]:
    """Give a server for all tests of this module."""
    with running_mariadb() as server:
        yield server


@pytest.fixture
def database(server: MariadbServer) -> Iterator[MySqlDatabase]:
    """Give a database with one of each thing in it, whose character set is not the server's."""
    name = server.new_database()
    server.execute(f"ALTER DATABASE {name} CHARACTER SET latin1")
    with closing(MySqlDatabase(read_dsn(server.url(name)), 120)) as database:
        with closing(database.connect()) as session:
            _run(session, SCHEMA)
        yield database


def _run(session: Session, script: str) -> None:
    for statement in session.split(script):
        session.execute(statement.text)


def _texts(session: Session, query: str) -> list[tuple[str | None, ...]]:
    return [tuple(value.text for value in row) for row in session.query(query).rows]


def _databases(server: MariadbServer, prefix: str) -> list[str]:
    return [str(name) for (name,) in server.execute(f"SHOW DATABASES LIKE '{prefix}%'")]


def _copy_once(database: Database, prefix: str = "testrun_x") -> None:
    with database.copies(prefix) as copies, copies.copy() as copy:
        copy.connect().close()


def test_a_copy_has_all_that_the_database_has(database: MySqlDatabase) -> None:
    """Tables with their rows, keys and numbers, views of views, routines, triggers, sequences and events."""
    with database.copies("testrun_all") as copies, copies.copy() as copy, closing(copy.connect()) as session:
        assert [("testrun_all_1", "latin1")] == _texts(session, "SELECT DATABASE(), @@character_set_database")
        tables = (
            "a_grandchild a_second child cycle_1 cycle_2 log numbers parent parts versions we`ird\xa0na.me z_first zero"
        )
        assert tables.split(" ") == [str(name).replace(" ", "\xa0") for (name,) in _texts(session, "SHOW TABLES")]
        parents = [("50", "100", "2020-01-01 12:00:00"), ("51", "110", "2020-01-01 12:00:00")]
        assert parents == _texts(session, "SELECT * FROM parent")
        assert [("1", "50", "äöü€", "ÄÖÜ€", "3"), ("2", "51", "b", "B", "3")] == _texts(
            session, "SELECT id, parent_id, name, upper_name, hidden FROM child"
        )
        assert [("1", "2", "äöü€"), ("2", "3", "b")] == _texts(session, "SELECT * FROM a_second")
        assert [("5", "\\x00ff")] == _texts(session, "SELECT * FROM `we``ird na.me`")
        assert [("0", "0000-00-00")] == _texts(session, "SELECT * FROM zero")
        assert [("2", "2", "1")] == _texts(
            session, "SELECT (SELECT COUNT(*) FROM parts), (SELECT id FROM versions), (SELECT other FROM cycle_1)"
        )
        assert [] == _texts(session, "SELECT * FROM log")
        (added,) = session.find_routines("add_parent")
        assert "52" == session.call(added, []).outputs[0][1].text
        assert [("1:52",), ("2:52",)] == _texts(session, "SELECT m FROM log")
        assert int(_texts(session, "SELECT NEXTVAL(numbers)")[0][0] or 0) > 110
        with pytest.raises(StatementFailed, match="foreign key constraint fails"):
            session.execute("INSERT INTO child (parent_id) VALUES (999)")
        session.execute("DELETE FROM a_grandchild")
        session.execute("DELETE FROM parent WHERE id = 50")
        assert [("2",)] == _texts(session, "SELECT id FROM child")
        event = "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
        assert [("clean", "ENABLED")] == _texts(session, event)


def test_what_is_in_a_copy_does_not_name_the_original(database: MySqlDatabase) -> None:
    """A default, a view or a trigger that did would use the original without a word."""
    origin = str(database.dsn.database)
    with database.copies("testrun_names") as copies, copies.copy() as copy, closing(copy.connect()) as session:
        for kind, name in (("TABLE", "parent"), ("TABLE", "child"), ("VIEW", "a_second"), ("VIEW", "z_first")):
            session.execute("USE information_schema")  # where the server writes all names in full
            shown = _texts(session, f"SHOW CREATE {kind} testrun_names_1.{name}")[0][1] or ""
            assert f"`{origin}`." not in shown
            assert "testrun_names_template" not in shown


def test_what_was_loaded_into_the_template_is_in_all_copies(database: MySqlDatabase, server: MariadbServer) -> None:
    """They do not disturb each other, the template or the original; and none of them is left."""
    with database.copies("testrun_many") as copies:
        with closing(copies.template.connect()) as session:
            _run(session, "CREATE TABLE extra (i INT); INSERT INTO extra VALUES (1); DELETE FROM zero")
        barrier = threading.Barrier(3)

        def use_copy(number: int) -> list[tuple[str | None, ...]]:
            with copies.copy() as copy, closing(copy.connect()) as session:
                session.execute(f"INSERT INTO extra VALUES ({number})")
                barrier.wait(60)
                return _texts(session, "SELECT i FROM extra")

        with ThreadPoolExecutor(3) as threads:
            seen = list(threads.map(use_copy, (7, 8, 9)))
        assert [[("1",), ("7",)], [("1",), ("8",)], [("1",), ("9",)]] == seen
        assert ["testrun_many_template"] == _databases(server, "testrun_many")
    assert [] == _databases(server, "testrun_many")
    with closing(database.connect()) as session, pytest.raises(StatementFailed, match="doesn't exist"):
        session.execute("SELECT * FROM extra")


def test_copies_are_dropped_also_after_an_error_and_where_a_session_was_left_open(
    database: MySqlDatabase, server: MariadbServer
) -> None:
    """Nothing is left on a server that others use, too."""
    leaked = []

    def fail_inside() -> None:
        with database.copies("testrun_left") as copies, copies.copy() as copy:
            leaked.append(copy.connect())
            leaked[0].execute("SELECT * FROM parent")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert [] == _databases(server, "testrun_left")
    leaked[0].close()


def test_views_of_other_databases_are_copied(database: MySqlDatabase, server: MariadbServer) -> None:
    """They go on using those, and of their own database the copy."""
    other = server.new_database()
    server.execute("CREATE TABLE country (code CHAR(2)); INSERT INTO country VALUES ('ch')", other)
    with closing(database.connect()) as session:
        name = database.dsn.database
        session.execute(
            f"CREATE VIEW mixed AS SELECT p.id, {name}.next_of(p.id) AS n, c.code FROM parent p, {other}.country c"
        )
    with database.copies("testrun_mixed") as copies, copies.copy() as copy, closing(copy.connect()) as session:
        session.execute("DELETE FROM parent WHERE id = 51")
        assert [("50", "51", "ch")] == _texts(session, "SELECT * FROM mixed")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE PROCEDURE p() BEGIN INSERT INTO {0}.log VALUES ('x'); END",
        "CREATE TRIGGER t AFTER INSERT ON zero FOR EACH ROW UPDATE `{0}` . log SET m = 1",
        "CREATE FUNCTION f() RETURNS INT RETURN (SELECT COUNT(*) FROM  {0}.log)",
    ],
)
def test_code_that_names_its_own_database_is_not_copied(database: MySqlDatabase, statement: str) -> None:
    """It would write into the original from a copy."""
    with closing(database.connect()) as session:
        session.execute(statement.format(database.dsn.database))
    with pytest.raises(
        NotPossible, match=r"no copy of the \w+ \w+: its code names the database .* leave .* out of the code"
    ):
        _copy_once(database)


def test_a_name_in_a_comment_or_a_text_is_no_use_of_the_database(database: MySqlDatabase) -> None:
    """Nor is a table's alias of the same name."""
    name = database.dsn.database
    with closing(database.connect()) as session:
        body = f"/* from {name}.log */ SELECT 'from {name}.log', {name}.m FROM log {name}; -- from {name}.log\n"
        session.execute(f"CREATE PROCEDURE p() BEGIN {body} END")
    _copy_once(database)


def test_code_in_the_template_must_not_name_the_original_either(database: MySqlDatabase) -> None:
    """It comes from the sources under test."""
    with database.copies("testrun_source") as copies:
        with closing(copies.template.connect()) as session:
            session.execute(f"CREATE PROCEDURE p() DELETE FROM {database.dsn.database}.log")
        with pytest.raises(NotPossible, match="procedure p: its code names the database"), copies.copy():
            pytest.fail("it was made")


def test_a_user_without_the_rights_is_told_which(database: MySqlDatabase, server: MariadbServer) -> None:
    """One after the other; with all of them it works, and what ran as somebody else runs as this user."""
    name = database.dsn.database
    user = server.new_user(f"ALL ON {name}.*")
    with closing(MySqlDatabase(read_dsn(server.url(name, user=user)), 60)) as limited:
        with pytest.raises(NotPossible, match=r"no copy of the function next_of: .* SELECT on mysql\.proc"):
            _copy_once(limited)
        server.execute(f"GRANT SELECT ON mysql.proc TO '{user}'@'%'")
        with pytest.raises(NotPossible, match=r"ERROR 1044 .* GRANT ALL ON `testrun\\_%`\.\* lets"):
            _copy_once(limited)
        server.execute(f"GRANT ALL ON `testrun\\_%`.* TO '{user}'@'%'")
        with limited.copies("testrun_rights") as copies, copies.copy() as copy, closing(copy.connect()) as session:
            assert f"DEFINER=`{user}`@`%`" in (_texts(session, "SHOW CREATE PROCEDURE add_parent")[0][2] or "")
            assert [("2",)] == _texts(session, "SELECT COUNT(*) FROM a_second")
    assert [] == _databases(server, "testrun_")


def test_without_a_database_there_is_nothing_to_copy(server: MariadbServer) -> None:
    """A connection string may name none."""
    with pytest.raises(NotPossible, match="names no database"):
        _copy_once(MySqlDatabase(read_dsn(server.url()), 60))


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """And the password is not told."""
    with pytest.raises(DatabaseUnreachable, match="Can't connect") as caught:
        _copy_once(MySqlDatabase(read_dsn("mysql://user:secret-word@127.0.0.1:1/app"), 60))
    assert "secret-word" not in str(caught.value)


def test_a_copy_that_is_not_made_in_time_is_given_up_and_dropped(
    database: MySqlDatabase, server: MariadbServer
) -> None:
    """As where it waits for what somebody else has locked; to drop it has time of its own."""
    with database.copies("testrun_late") as copies:
        with copies.copy():
            pass  # now it is known what the template is made of
        database._deadline = time.monotonic()
        with closing(copies.template.connect()) as session:
            session.execute("LOCK TABLES parts WRITE")
            late = pytest.raises(
                StatementCancelled, match="the time was over while the table parts of testrun_late_template"
            )
            with late, copies.copy():
                pytest.fail("it was made")
        assert ["testrun_late_template"] == _databases(server, "testrun_")
    assert [] == _databases(server, "testrun_")
