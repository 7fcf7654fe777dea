"""Database tests against a real MariaDB: statements, values, routines, transactions, and how statements end."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from tests.integration.mariadb import PASSWORD, MariadbServer, running_mariadb

from testrun_operator.databases.base import (
    Argument,
    DatabaseUnreachable,
    Kind,
    Mode,
    NotPossible,
    RoutineNotFound,
    Session,
    StatementCancelled,
    StatementFailed,
    Value,
)
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.databases.relational.mysql import MySqlDatabase


@pytest.fixture(scope="module")
def server() -> Iterator[MariadbServer]:
    """Give a server for all tests of this module."""
    with running_mariadb() as server:
        yield server


@pytest.fixture
def database(server: MariadbServer) -> Iterator[MySqlDatabase]:
    """Give an empty database."""
    database = open_database(read_dsn(server.url(server.new_database())), 60)
    assert isinstance(database, MySqlDatabase)
    with closing(database):
        yield database


@pytest.fixture
def session(database: MySqlDatabase) -> Iterator[Session]:
    """Give a session with a table."""
    with closing(database.connect()) as session:
        session.execute("CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20) UNIQUE)")
        yield session


def _texts(session: Session, query: str) -> list[tuple[str | None, ...]]:
    return [tuple(value.text for value in row) for row in session.query(query).rows]


def _run(session: Session, script: str) -> None:
    for statement in session.split(script):
        session.execute(statement.text)


def _number(session: Session) -> str | None:
    return _texts(session, "SELECT CONNECTION_ID()")[0][0]


@contextmanager
def _soon(action: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread while the block waits."""
    timer = threading.Timer(0.3, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


# --- statements ----------------------------------------------------------------------------------------------------


def test_the_label_has_the_servers_name_and_version(database: MySqlDatabase, server: MariadbServer) -> None:
    """As soon as there was a connection; a password is never in it."""
    assert database.label.startswith("MariaDB or MySQL, database test_")
    database.connect().close()
    assert re.fullmatch(rf"MariaDB \d+\.\d+\.\d+, database test_\d+ on 127\.0\.0\.1:{server.port}", database.label)


def test_a_statement_tells_how_many_rows_it_returned_or_changed(session: Session) -> None:
    """An UPDATE counts what it found, as in other databases."""
    assert 3 == session.execute("INSERT INTO a (v) VALUES ('1'), ('2'), ('50%s')")
    assert 2 == session.execute("UPDATE a SET v = v WHERE id < 3")
    assert 3 == session.execute("SELECT * FROM a")
    assert 1 == session.execute("DELETE FROM a WHERE id = 1")
    _run(session, "CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 1 UNION SELECT 2; END")
    assert 2 == session.execute("CALL two()")


def test_a_refused_statement_has_the_servers_words_the_sqlstate_and_the_line(session: Session) -> None:
    """As in the server's own client."""
    with pytest.raises(StatementFailed) as caught:
        session.execute("SELECT 1,\n\n  nix nix nix")
    assert re.fullmatch(
        r"ERROR 1064 \(42000\): You have an error in your SQL syntax;.* at line 3", caught.value.message
    )
    assert ("42000", 3) == (caught.value.sqlstate, caught.value.line)
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with pytest.raises(StatementFailed) as caught:
        session.execute("INSERT INTO a (v) VALUES ('x')")
    assert "ERROR 1062 (23000): Duplicate entry 'x' for key 'v'" == caught.value.message
    assert ("23000", None) == (caught.value.sqlstate, caught.value.line)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ("SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = 'mine'", ("ERROR 1644 (45001): mine", "45001")),
        (
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 40000",
            ("ERROR 40000 (45000): mine", "45000"),
        ),
        (
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not lost', MYSQL_ERRNO = 2013",
            ("ERROR 2013 (45000): not lost", "45000"),
        ),
    ],
)
def test_signals_have_the_sqlstate_that_was_signalled(session: Session, signal: str, expected: tuple[str, str]) -> None:
    """Whatever number they have: one of a lost connection does not make it one."""
    with pytest.raises(StatementFailed) as caught:
        session.execute(signal)
    assert expected == (caught.value.message, caught.value.sqlstate)
    assert [("1",)] == _texts(session, "SELECT 1")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT '\ud800'", "surrogates not allowed"),
        ("SELECT 1; SELECT 2", "ERROR 1064"),
        ("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE a", "ERROR 4166"),
    ],
)
def test_what_would_do_harm_is_refused(session: Session, statement: str, message: str) -> None:
    """The session goes on."""
    with pytest.raises(StatementFailed, match=message):
        session.execute(statement)
    assert [("1",)] == _texts(session, "SELECT 1")


def test_a_statement_that_is_too_large_does_not_cost_the_connection(session: Session) -> None:
    """The server would close it."""
    with pytest.raises(StatementFailed, match=r"has 17000009 bytes; the server's max_allowed_packet is 16777216 bytes"):
        session.execute("SELECT '" + "x" * 17_000_000 + "'")
    assert [("1",)] == _texts(session, "SELECT 1")


def test_a_query_returns_exactly_one_set_of_rows(session: Session) -> None:
    """A procedure may return one, too."""
    assert () == session.query("SELECT * FROM a").rows
    _run(session, "CREATE PROCEDURE one() SELECT 1 AS x; CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END")
    assert ("x",) == session.query("CALL one()").columns
    for statement, message in (("DO 1", "returns no rows"), ("CALL two()", "returns 2 sets of rows")):
        with pytest.raises(StatementFailed, match=message):
            session.query(statement)


def test_scripts_are_split_as_by_the_servers_own_client(server: MariadbServer, session: Session) -> None:
    """The same script makes the same database."""
    script = """\
        -- a comment; with a semicolon
        CREATE TABLE b (m TEXT); # another;
        INSERT INTO b VALUES ('it''s; 1\\'; 2'), ("three;"), ('-- four'), (5--2), ('/* six */');
        /*!50003 INSERT INTO b VALUES ('seven;') */; INSERT INTO b
        VALUES ('eight
        DELIMITER $$
        lines');
        DELIMITER //
        CREATE PROCEDURE p(OUT x INT)
        BEGIN
          -- inside; of it
          SET x = 1; INSERT INTO b VALUES ('nine //');
        END//
        CALL p(@x)//
        DELIMITER ;
        CALL p(@x); INSERT INTO `b` VALUES (CONCAT('ten ', @x))"""
    database = server.new_database()
    server.run_client(script + ";\n", database)
    _run(session, script)
    show = "SHOW CREATE PROCEDURE p"
    assert [row[0] for row in server.execute("SELECT m FROM b", database)] == [
        m for (m,) in _texts(session, "SELECT m FROM b")
    ]
    assert server.execute(show, database)[0][2] == _texts(session, show)[0][2]


def test_backslashes_are_characters_in_the_mode_for_it(session: Session) -> None:
    """The server tells its mode with each answer."""
    session.execute("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    assert ["SELECT '\\'", "SELECT 2"] == [statement.text for statement in session.split("SELECT '\\';SELECT 2")]
    session.reset()
    assert 1 == len(session.split("SELECT '\\';SELECT 2"))


# --- values --------------------------------------------------------------------------------------------------------

VALUES = [
    ("TINYINT", "-5", Value("-5", Kind.NUMBER)),
    ("BOOLEAN", "true", Value("1", Kind.NUMBER)),
    ("SMALLINT UNSIGNED", "65535", Value("65535", Kind.NUMBER)),
    ("MEDIUMINT", "7", Value("7", Kind.NUMBER)),
    ("INT", "42", Value("42", Kind.NUMBER)),
    ("BIGINT UNSIGNED", "18446744073709551615", Value("18446744073709551615", Kind.NUMBER)),
    ("DECIMAL(20,4)", "29", Value("29.0000", Kind.NUMBER)),
    ("FLOAT", "1.1", Value("1.1", Kind.NUMBER)),
    ("DOUBLE", "1e100", Value("1e100", Kind.NUMBER)),
    ("YEAR", "2020", Value("2020", Kind.NUMBER)),
    ("BIT(9)", "257", Value("\\x0101", Kind.BINARY)),
    ("DATE", "2020-01-10", Value("2020-01-10")),
    ("DATETIME", "2020-01-02 03:04:00", Value("2020-01-02 03:04:00")),
    ("DATETIME(6)", "2020-01-02 03:04:05.6", Value("2020-01-02 03:04:05.6")),
    ("TIMESTAMP(3)", "2020-01-02 03:04:05.060", Value("2020-01-02 03:04:05.06")),
    ("TIME(2)", "-100:00:00.50", Value("-100:00:00.5")),
    ("CHAR(5)", "ab", Value("ab")),
    ("VARCHAR(50)", "it's \\ 'äöü€😀' %s", Value("it's \\ 'äöü€😀' %s")),
    ("VARCHAR(5) CHARACTER SET latin1", "äé", Value("äé")),
    ("LONGTEXT", "1.50", Value("1.50")),
    ("ENUM('x','y')", "y", Value("y")),
    ("SET('x','y')", "y,x", Value("x,y")),
    ("JSON", '{"a": [1, "ä"]}', Value('{"a": [1, "ä"]}')),
    ("BINARY(3)", "\\x00ff", Value("\\x00ff00", Kind.BINARY)),
    ("VARBINARY(9)", "plain", Value("\\x706c61696e", Kind.BINARY)),
    ("BLOB", "\\x00FF27", Value("\\x00ff27", Kind.BINARY)),
    ("UUID", "123e4567-e89b-12d3-a456-426614174000", Value("123e4567-e89b-12d3-a456-426614174000")),
    ("INET6", "::1", Value("::1")),
]


@pytest.mark.parametrize(("type_name", "text", "expected"), VALUES)
def test_values_of_all_types_by_tables_and_by_routines(
    session: Session, type_name: str, text: str, expected: Value
) -> None:
    """A value reads the same in a row, as an OUT, as an INOUT parameter, and as what a function returned."""
    session.execute(f"CREATE TABLE t (c {type_name})")
    session.load_rows("t", ["c"], [[text], [None]])
    column, null = (row[0] for row in session.query("SELECT c FROM t").rows)
    assert (expected, None) == (column, null.text)
    session.execute(f"CREATE PROCEDURE p (i {type_name}, INOUT io {type_name}, OUT o {type_name}) SET o = i")
    session.execute(f"CREATE FUNCTION f (i {type_name}) RETURNS {type_name} RETURN i")
    (procedure,), (function,) = session.find_routines("p"), session.find_routines("f")
    result = session.call(procedure, [Argument("i", text), Argument("io", text)])
    assert (("io", expected), ("o", expected)) == result.outputs
    assert expected == session.call(function, [Argument("i", text)]).returned
    nothing = session.call(procedure, [Argument("i", None), Argument("io", None)])
    assert [None, None] == [value.text for _, value in nothing.outputs]


def test_values_that_are_no_columns(session: Session) -> None:
    """Literals, and what functions of the server return."""
    rows = session.query(
        "SELECT TRUE, 1.50, 0x41, NULL, MD5('a'), CONCAT(1, 2), ST_AsText(POINT(1, 2)), DATE'2020-01-02'"
    )
    expected = (
        *(Value("1", Kind.NUMBER), Value("1.50", Kind.NUMBER), Value("\\x41", Kind.BINARY), Value(None)),
        *(Value("0cc175b9c0f1b6a831c399e269772661"), Value("12"), Value("POINT(1 2)"), Value("2020-01-02")),
    )
    assert expected == rows.rows[0]


def test_the_servers_time_zone_is_kept_where_somebody_chose_it(session: Session) -> None:
    """This one was told one at its start."""
    assert [("+05:45",)] == _texts(session, "SELECT @@time_zone")


def test_where_nobody_chose_a_time_zone_it_is_utc(server: MariadbServer, database: MySqlDatabase) -> None:
    """So that tests find the same times everywhere."""
    server.execute("SET GLOBAL time_zone = 'SYSTEM'")
    try:
        with closing(database.connect()) as session:
            assert [("+00:00",)] == _texts(session, "SELECT @@time_zone")
    finally:
        server.execute("SET GLOBAL time_zone = '+05:45'")


# --- routines ------------------------------------------------------------------------------------------------------

DIVIDE = (
    "CREATE PROCEDURE Divide(IN dividend DECIMAL(10,2), divisor DECIMAL(10,2), OUT quotient DECIMAL(30,16))"
    " BEGIN {} END"
)
DIVISION = "SELECT 'noise'; SET quotient = dividend / divisor; SELECT 1 UNION SELECT 2;"


def test_routines_are_found_as_the_server_folds_their_names(database: MySqlDatabase, session: Session) -> None:
    """In any case, quoted, with the database, and with types."""
    _run(session, DIVIDE.format(DIVISION))
    app = database.dsn.database
    for name in (
        "DIVIDE",
        "divide",
        f"{app}.Divide",
        "`divide`",
        "divide(decimal, NUMERIC)",
        "divide(decimal,decimal,decimal)",
    ):
        (routine,) = session.find_routines(name)
        assert f"`{app}`.`Divide`" == routine.name
    assert f"{app}.Divide(decimal(10,2), decimal(10,2), OUT decimal(30,16))" == routine.signature
    assert [("dividend", Mode.IN), ("divisor", Mode.IN), ("quotient", Mode.OUT)] == [
        (parameter.name, parameter.mode) for parameter in routine.parameters
    ]
    assert (False, None) == (routine.is_function, routine.returns)


def test_what_there_is_instead_of_a_routine_is_told(session: Session) -> None:
    """Most often it is a typing error."""
    with pytest.raises(RoutineNotFound, match="there is no procedure or function divde, and no other one either"):
        session.find_routines("divde")
    _run(session, DIVIDE.format(DIVISION))
    with pytest.raises(RoutineNotFound, match="no procedure or function divde; there are: Divide"):
        session.find_routines("divde")
    with pytest.raises(RoutineNotFound, match=r"there is test_\d+\.Divide\(.*\), but not divide\(int\)"):
        session.find_routines("divide(int)")


def test_a_procedure_and_a_function_may_have_the_same_name(session: Session) -> None:
    """Both are found; and names that need quoting are called as they are."""
    _run(session, "CREATE PROCEDURE `two ``words` () SELECT 1; CREATE FUNCTION `two ``words` () RETURNS INT RETURN 7")
    procedure, function = session.find_routines("`two ``words`")
    assert (None, ()) == (session.call(procedure, []).returned, session.call(procedure, []).outputs)
    result = session.call(function, [])
    assert (Value("7", Kind.NUMBER), 1, "int(11)") == (result.returned, result.row_count, function.returns)


def test_a_procedure_gives_its_outputs_and_what_it_selects_is_dropped(session: Session) -> None:
    """The statement after it is not disturbed."""
    _run(session, DIVIDE.format(DIVISION))
    (routine,) = session.find_routines("divide")
    result = session.call(routine, [Argument("divisor", "2"), Argument("dividend", "58")])
    assert (("quotient", Value("29.0000000000000000", Kind.NUMBER)),) == result.outputs
    assert [("1",)] == _texts(session, "SELECT 1")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dividend": "1", "divisor": "0"}, "ERROR 1365 (22012): Division by 0"),
        ({"dividend": "many", "divisor": "2"}, "ERROR 1366 (22007): Incorrect decimal value: 'many'"),
        ({"dividend": "", "divisor": "2"}, "ERROR 1366 (22007): Incorrect decimal value: ''"),
        ({"divisor": "2"}, "Parameter dividend of "),
        ({"dividend": "2"}, "Parameter divisor of "),
    ],
)
def test_a_refused_call_has_the_databases_words(session: Session, values: dict[str, str], expected: str) -> None:
    """Inputs that cannot be converted are the database's to refuse; one that is missing cannot even be passed."""
    _run(session, DIVIDE.format(DIVISION))
    (routine,) = session.find_routines("divide")
    with pytest.raises(StatementFailed) as caught:
        session.call(routine, [Argument(name, value) for name, value in values.items()])
    assert caught.value.message.startswith(expected)
    assert caught.value.sqlstate is not None


def test_a_last_parameter_that_is_missing_is_for_the_server_to_refuse(session: Session) -> None:
    """It may have a default."""
    session.execute("CREATE PROCEDURE p (a INT, b INT) SELECT 1")
    (routine,) = session.find_routines("p")
    with pytest.raises(StatementFailed, match=r"ERROR 1318 \(42000\): .*expected 2, got 1"):
        session.call(routine, [Argument("a", "1")])


def test_a_function_with_outputs_gives_both(session: Session) -> None:
    """MariaDB does not call such a one in a query."""
    session.execute(
        "CREATE FUNCTION f (a INT, OUT b FLOAT, INOUT c DATETIME(1)) RETURNS FLOAT"
        " BEGIN SET b = a / 10; RETURN a / 4; END"
    )
    (routine,) = session.find_routines("f")
    result = session.call(routine, [Argument("a", "11"), Argument("c", "2020-01-02 03:04:05")])
    assert Value("2.75", Kind.NUMBER) == result.returned
    assert (("b", Value("1.1", Kind.NUMBER)), ("c", Value("2020-01-02 03:04:05"))) == result.outputs


def test_bytes_are_passed_as_they_are(session: Session) -> None:
    """They come from a file."""
    session.execute("CREATE FUNCTION f (a BLOB) RETURNS BLOB RETURN a")
    (routine,) = session.find_routines("f")
    assert Value("\\x00275c80", Kind.BINARY) == session.call(routine, [Argument("a", b"\x00'\\\x80")]).returned


# --- loading rows --------------------------------------------------------------------------------------------------


def test_rows_are_loaded_all_or_none(database: MySqlDatabase, session: Session) -> None:
    """Names are as authors write them: with the database, quoted, in any case of letters."""
    session.execute("CREATE TABLE `100%s` (`per%cent` INT, b BOOLEAN)")
    assert 2 == session.load_rows(f"{database.dsn.database}.`100%s`", ["`per%cent`", "B"], [["5", "true"], [None, "0"]])
    assert [("5", "1"), (None, "0")] == _texts(session, "SELECT * FROM `100%s`")
    with pytest.raises(StatementFailed, match="Duplicate entry '7'"):
        session.load_rows("a", ["v"], [[str(number)] for number in range(3000)] + [["7"]])
    with pytest.raises(StatementFailed, match="Unknown column 'nix'"):
        session.load_rows("a", ["nix"], [["x"]])
    with pytest.raises(StatementFailed, match="doesn't exist"):
        session.load_rows("nowhere", ["v"], [["x"]])
    assert [("0",)] == _texts(session, "SELECT COUNT(*) FROM a")


# --- transactions --------------------------------------------------------------------------------------------------


def test_a_transaction_is_rolled_back_and_a_refused_statement_alone(session: Session) -> None:
    """Also a procedure that fails half way. A temporary table does not matter."""
    _run(session, "CREATE PROCEDURE half() BEGIN INSERT INTO a (v) VALUES ('half'); SIGNAL SQLSTATE '45000'; END")
    (half,) = session.find_routines("half")
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('x')")
        for failing in (
            lambda: session.execute("INSERT INTO a (v) VALUES ('y'), ('x')"),
            lambda: session.call(half, []),
        ):
            with pytest.raises(StatementFailed):
                failing()
        session.load_rows("a", ["v"], [["z"]])
        session.execute("CREATE TEMPORARY TABLE t (i INT)")
        assert [("x",), ("z",)] == _texts(session, "SELECT v FROM a ORDER BY v")
        assert session.transaction_is_whole()
    assert [] == _texts(session, "SELECT v FROM a")


@pytest.mark.parametrize(
    "statement",
    [
        "COMMIT",
        "ROLLBACK",
        "CREATE TABLE made (i INT)",
        "BEGIN",
        "CALL commits()",
        "CALL commits_and_goes_on()",
        "DROP VIEW IF EXISTS w",
    ],
)
def test_a_transaction_that_was_ended_is_noticed_and_the_rest_rolled_back(session: Session, statement: str) -> None:
    """By a word of its own, silently, and inside of a procedure, even where that begins another one."""
    _run(session, "CREATE PROCEDURE commits() BEGIN COMMIT; END")
    goes_on = "COMMIT; BEGIN NOT ATOMIC START TRANSACTION; END; INSERT INTO a (v) VALUES ('in');"
    _run(session, f"CREATE PROCEDURE commits_and_goes_on() BEGIN {goes_on} END")
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('x')")
        assert session.transaction_is_whole()
        session.execute(statement)
        assert not session.transaction_is_whole()
        session.execute("INSERT INTO a (v) VALUES ('later')")
        assert not session.transaction_is_whole()
    assert ([] if statement == "ROLLBACK" else [("x",)]) == _texts(session, "SELECT v FROM a")
    with session.transaction():
        assert session.transaction_is_whole()


def test_a_failing_statement_that_ended_the_transaction_is_noticed(session: Session) -> None:
    """It commits first and fails then."""
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('x')")
        with pytest.raises(StatementFailed):
            session.execute("CREATE TABLE a (i INT)")
        assert not session.transaction_is_whole()


def test_changes_of_tables_without_transactions_are_noticed(session: Session) -> None:
    """To read from one does no harm."""
    session.execute("CREATE TABLE m (i INT) ENGINE = MyISAM")
    with session.transaction():
        session.query("SELECT * FROM m")
        session.execute("INSERT INTO a (v) VALUES ('x')")
        assert session.transaction_is_whole()
        session.execute("INSERT INTO m VALUES (1)")
        assert not session.transaction_is_whole()
    assert [("0", "1")] == _texts(session, "SELECT (SELECT COUNT(*) FROM a), (SELECT COUNT(*) FROM m)")


def test_no_transaction_is_begun_in_one_of_the_authors(session: Session) -> None:
    """It would be committed silently."""
    session.execute("BEGIN")
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with pytest.raises(NotPossible, match="begun a transaction and not ended it"), session.transaction():
        pytest.fail("it was begun")
    assert 1 == session.load_rows("a", ["v"], [["y"]])
    session.execute("ROLLBACK")
    assert [] == _texts(session, "SELECT v FROM a")


def test_after_a_reset_the_session_is_as_it_was_opened(session: Session) -> None:
    """No temporary tables, variables, settings or transactions."""
    session.execute("CREATE TEMPORARY TABLE t (i INT)")
    session.execute("SET @x = 1, sql_mode = ''")
    session.execute("BEGIN")
    session.execute("INSERT INTO a (v) VALUES ('gone')")
    session.reset()
    assert [(None, "0")] == _texts(session, "SELECT @x, (SELECT COUNT(*) FROM a)")
    assert [("",)] != _texts(session, "SELECT @@sql_mode")
    with pytest.raises(StatementFailed, match="doesn't exist"):
        session.execute("SELECT * FROM t")


# --- how statements end --------------------------------------------------------------------------------------------

HANDLES_ALL = "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; LOOP SET @x = 1; END LOOP; END"


@pytest.mark.parametrize(
    "statement", ["SELECT SLEEP(60)", "DO SLEEP(60)", HANDLES_ALL, "INSERT INTO a (v) SELECT SLEEP(60)"]
)
def test_a_statement_is_cancelled_on_the_server(server: MariadbServer, session: Session, statement: str) -> None:
    """Also one that would go on after any error, or would end as if nothing was. What was before it stays."""
    with session.transaction():
        session.execute("INSERT INTO a (v) VALUES ('before')")
        with _soon(session.cancel), pytest.raises(StatementCancelled):
            session.execute(statement)
        assert [("before",)] == _texts(session, "SELECT v FROM a")
        assert session.transaction_is_whole()
    assert () == server.execute(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP%' AND INFO NOT LIKE '%LIST%'"
    )


def test_a_call_is_cancelled(session: Session) -> None:
    """And nothing of it is sent afterwards."""
    session.execute("CREATE PROCEDURE slow (OUT x INT) SET x = SLEEP(60)")
    (routine,) = session.find_routines("slow")
    with _soon(session.cancel), pytest.raises(StatementCancelled):
        session.call(routine, [])
    assert [("1",)] == _texts(session, "SELECT 1")


def test_a_statement_that_waits_for_a_lock_is_cancelled(database: MySqlDatabase, session: Session) -> None:
    """As one that waits for another test does."""
    session.execute("INSERT INTO a (v) VALUES ('x')")
    with closing(database.connect()) as other, other.transaction():
        other.execute("UPDATE a SET v = 'y'")
        with _soon(session.cancel), pytest.raises(StatementCancelled):
            session.execute("UPDATE a SET v = 'z'")


def test_to_cancel_nothing_does_nothing(session: Session) -> None:
    """The next statement runs."""
    session.cancel()
    assert [("1",)] == _texts(session, "SELECT 1")


def test_who_waits_for_a_server_that_cannot_be_asked_is_told_all_the_same(
    server: MariadbServer, database: MySqlDatabase, session: Session
) -> None:
    """The connection is ended from this side then."""

    def cancel_without_server() -> None:
        database.kill = _refuse  # type: ignore[method-assign]
        session.cancel()

    def _refuse(number: int) -> None:
        raise DatabaseUnreachable(str(number))

    with _soon(cancel_without_server), pytest.raises(StatementCancelled):
        session.execute("SELECT SLEEP(60)")
    with pytest.raises(DatabaseUnreachable):
        session.execute("SELECT 1")
    server.execute("SELECT 1")


def test_the_server_ends_what_goes_on_after_the_time_is_over(server: MariadbServer) -> None:
    """A net below the cancellation: so nothing goes on after this process has ended."""
    database = MySqlDatabase(read_dsn(server.url()), 1.0)
    with closing(database.connect()) as session, pytest.raises(StatementCancelled, match="the time was over"):
        session.execute("SELECT SLEEP(60)")


def test_a_limit_of_the_authors_is_an_error_as_any_other(session: Session) -> None:
    """There is time left."""
    with pytest.raises(StatementFailed, match="ERROR 1969 \\(70100\\)"):
        session.execute("SET STATEMENT max_statement_time = 0.1 FOR SELECT SLEEP(60)")


def test_a_statement_that_an_administrator_ended_is_an_error_as_any_other(
    server: MariadbServer, session: Session
) -> None:
    """Nobody here has cancelled it."""
    number = _number(session)
    with _soon(lambda: server.execute(f"KILL QUERY {number}")), pytest.raises(StatementFailed, match="ERROR 1317"):
        session.execute("SELECT SLEEP(60)")


def test_a_connection_that_was_killed_is_a_database_that_went_away(server: MariadbServer, session: Session) -> None:
    """During a statement or between two; a reset opens another one."""
    number = _number(session)
    with _soon(lambda: server.execute(f"KILL {number}")), pytest.raises(DatabaseUnreachable, match="Lost connection"):
        session.execute("SELECT SLEEP(60)")
    with pytest.raises(DatabaseUnreachable, match="Lost connection"):
        session.execute("SELECT 1")
    session.reset()
    server.execute(f"KILL {_number(session)}")
    with pytest.raises(DatabaseUnreachable), session.transaction():
        pytest.fail("it was begun")
    session.reset()
    assert [("1",)] == _texts(session, "SELECT 1")


def test_a_connection_that_was_killed_in_a_transaction_is_told_once(server: MariadbServer, session: Session) -> None:
    """The end of the transaction does not hide it."""

    def lose_connection() -> None:
        with session.transaction():
            server.execute(f"KILL {_number(session)}")
            session.execute("INSERT INTO a (v) VALUES ('x')")

    with pytest.raises(DatabaseUnreachable, match="Lost connection"):
        lose_connection()


def test_a_closed_session_says_so(session: Session) -> None:
    """To close it twice does no harm."""
    session.close()
    session.close()
    with pytest.raises(DatabaseUnreachable, match="closed"):
        session.execute("SELECT 1")
    assert 2 == len(session.split("SELECT 1;SELECT 2"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda url: url.replace("admin", "nobody"), "ERROR 1045 (28000): Access denied for user 'nobody'@'127.0.0.1'"),
        (lambda url: url + "nowhere", "ERROR 1049 (42000): Unknown database 'nowhere'"),
        (lambda url: url.replace(":{port}", ":1"), "ERROR 2003 (HY000): Can't connect"),
        (lambda url: url + "?ssl_mode=REQUIRED", "ERROR 2026 (HY000): SSL is required"),
        (lambda url: url + "?ssl_mode=VERIFY_CA&ssl_ca=/nowhere", "No such file"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_the_password(
    server: MariadbServer, change: Callable[[str], str], expected: str
) -> None:
    """With what the server or the driver says."""
    url = change(server.url().replace(f":{server.port}", ":{port}")).replace("{port}", str(server.port))
    with pytest.raises(DatabaseUnreachable) as caught:
        MySqlDatabase(read_dsn(url), 5.0).connect()
    assert expected in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_server_that_never_says_a_word_is_given_up() -> None:
    """It may be another program altogether."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DatabaseUnreachable, match="timed out"):
            MySqlDatabase(read_dsn(f"mysql://u:secret-word@127.0.0.1:{port}/x"), 1.0).connect()


def test_encryption_is_used_where_the_server_has_it() -> None:
    """And required, verified or switched off where the address says so."""
    with running_mariadb(encrypted=True) as server:
        verified = f"&ssl_ca={server.certificate}"
        modes = {
            "": True,
            "?ssl_mode=REQUIRED": True,
            "?ssl_mode=DISABLED": False,
            f"?ssl_mode=VERIFY_CA{verified}": True,
            f"?ssl_mode=VERIFY_IDENTITY{verified}": True,
        }
        for mode, expected in modes.items():
            with closing(MySqlDatabase(read_dsn(server.url() + mode), 10.0).connect()) as session:
                cipher = _texts(session, "SHOW STATUS LIKE 'Ssl_cipher'")[0][1]
                assert (mode, expected) == (mode, bool(cipher))
        elsewhere = server.url().replace("127.0.0.1", "localhost") + f"?ssl_mode=VERIFY_IDENTITY{verified}"
        for url in (elsewhere, server.url() + "?ssl_mode=VERIFY_CA"):
            with pytest.raises(DatabaseUnreachable, match=r"certificate verify failed"):
                MySqlDatabase(read_dsn(url), 10.0).connect()
