"""Procedures and functions on a real PostgreSQL: how they are found and called."""

from collections.abc import Iterator

import pytest
from tests.integration.postgres import PostgresServer, running_postgres
from tests.integration.sql_postgresql import call, one, outputs, session_on

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    Kind,
    Mode,
    Parameter,
    Routine,
    RoutineNotFound,
    StatementFailed,
    Value,
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
    """Open a session in a new database."""
    with session_on(server) as opened:
        yield opened


def _signatures(session: PostgresSession, name: str) -> list[str]:
    return [routine.signature for routine in session.find_routines(name)]


def _not_found(session: PostgresSession, name: str) -> str:
    with pytest.raises(RoutineNotFound) as caught:
        session.find_routines(name)
    assert one(session, "SELECT 1") == "1", "the session is still of use"
    return str(caught.value)


_ROUTINES = """
    CREATE SCHEMA billing;
    CREATE PROCEDURE divide(a int, b int) LANGUAGE sql AS '';
    CREATE PROCEDURE billing.charge(amount int) LANGUAGE sql AS '';
    CREATE PROCEDURE billing.charge(amount numeric, OUT total numeric) LANGUAGE sql AS 'SELECT amount';
    CREATE FUNCTION billing.charge(customer text, amount int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION billing."Odd (Name)"() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE billing.mood AS ENUM ('good', 'bad');
    CREATE FUNCTION billing.cheer(m billing.mood) RETURNS billing.mood LANGUAGE sql AS 'SELECT m';
    CREATE TABLE invoices ();
    CREATE VIEW billing.open_invoices AS SELECT 1;
    CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int);
"""


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("divide", ["public.divide(integer, integer)"]),
        ("DIVIDE", ["public.divide(integer, integer)"]),
        ('public."divide"', ["public.divide(integer, integer)"]),
        (
            "Billing.Charge",
            ["billing.charge(integer)", "billing.charge(numeric)", "billing.charge(text, integer)"],
        ),
        ("billing.charge(int)", ["billing.charge(integer)"]),
        ("billing.charge(decimal(10, 2))", ["billing.charge(numeric)"]),
        ("billing.charge(numeric, numeric)", ["billing.charge(numeric)"]),
        ("billing.charge(TEXT,INTEGER)", ["billing.charge(text, integer)"]),
        ('billing."Odd (Name)"', ['billing."Odd (Name)"()']),
        ('billing."Odd (Name)"()', ['billing."Odd (Name)"()']),
        ("billing.cheer(billing.mood)", ["billing.cheer(billing.mood)"]),
        ("lower(text)", ["pg_catalog.lower(text)"]),
    ],
)
def test_routines_are_found_as_postgresql_would_find_them(
    session: PostgresSession, name: str, signatures: list[str]
) -> None:
    """Folded, on the search_path or in the schema that is named, with the overloads or the one that is meant."""
    session.execute(_ROUTINES)
    assert _signatures(session, name) == signatures


def test_the_search_path_decides_which_routines_are_seen(session: PostgresSession) -> None:
    """One that is hidden by another of the same types is not an overload, nor is one of the server's own."""
    session.execute(
        _ROUTINES + "CREATE FUNCTION charge(customer text, amount int) RETURNS int LANGUAGE sql AS 'SELECT 2'"
    )
    assert _signatures(session, "charge") == ["public.charge(text, integer)"]
    session.execute("SET search_path TO billing, public")
    assert _signatures(session, "charge") == [
        "billing.charge(integer)",
        "billing.charge(numeric)",
        "billing.charge(text, integer)",
    ]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "charge",
            ["no procedure or function charge in the schemas of the search_path", "there is billing.charge(integer)"],
        ),
        ("billing.divide", ["in the schema billing", "there is public.divide(integer, integer)"]),
        ("invoices", ["invoices is a table", "# TEST CASE alone"]),
        ("billing.open_invoices", ["billing.open_invoices is a view"]),
        ("divdie", ["similar: public.divide"]),
        ("billing.odd_name", ['similar: billing."Odd (Name)"']),
        ("zzzzzzzz", ["no procedure or function zzzzzzzz"]),
        ("total", ["total is an aggregate function"]),
        ("rank", ["rank is a window function"]),
        ("divide(text)", ["no procedure or function divide(text)", "there is public.divide(integer, integer)"]),
        ("divide()", ["there is public.divide(integer, integer)"]),
        ("divide(nowhere.type)", ["there is no type nowhere.type"]),
        ("divide(a b c)", ["the types of divide(a b c) cannot be understood"]),
        ("a b", ["cannot be the name", "SCHEMA.NAME"]),
        ("a.b.c", ["cannot be the name"]),
        ("x'); DROP TABLE invoices; --", ["cannot be the name"]),
    ],
)
def test_what_is_not_found_is_said_with_what_there_is(session: PostgresSession, name: str, parts: list[str]) -> None:
    """Most of the time it is a misspelling, another schema, or no routine at all."""
    session.execute(_ROUTINES)
    message = _not_found(session, name)
    assert all(part in message for part in parts), message


def test_a_search_that_fails_leaves_a_transaction_as_it_was(session: PostgresSession) -> None:
    """What was done before it is still there."""
    with session.transaction():
        session.execute("CREATE TABLE t ()")
        _not_found(session, "divide(a b c)")
        assert one(session, "SELECT count(*) FROM t") == "0"


def test_a_routine_is_described_as_the_catalogue_has_it(session: PostgresSession) -> None:
    """Modes, types, defaults and names of parameters, also of those without one."""
    session.execute("""
        CREATE PROCEDURE p(a int, INOUT "B" char, OUT c numeric, d text DEFAULT 'x', VARIADIC e int[] DEFAULT '{}')
        LANGUAGE sql AS $$ SELECT 'x'::char, 1.0 $$;
        CREATE FUNCTION f(int, text DEFAULT '') RETURNS SETOF text LANGUAGE sql AS $$ SELECT '' $$;
        CREATE FUNCTION v() RETURNS void LANGUAGE sql AS ''
    """)
    (procedure,) = session.find_routines("p")
    assert procedure.parameters == (
        Parameter("a", Mode.IN, "integer"),
        Parameter("B", Mode.INOUT, "character"),
        Parameter("c", Mode.OUT, "numeric"),
        Parameter("d", Mode.IN, "text", has_default=True),
        Parameter("e", Mode.IN, "integer[]", has_default=True),
    )
    assert (procedure.is_function, procedure.returns, procedure.returns_set) == (False, None, False)
    assert (procedure.name, procedure.signature) == ("public.p", "public.p(integer, character, text, integer[])")
    (function,) = session.find_routines("f")
    assert function.parameters == (
        Parameter("$1", Mode.IN, "integer"),
        Parameter("$2", Mode.IN, "text", has_default=True),
    )
    assert (function.is_function, function.returns, function.returns_set) == (True, "text", True)
    assert session.find_routines("v")[0].returns is None


def test_a_procedure_takes_and_gives_values_by_name(session: PostgresSession) -> None:
    """The DIVIDE of the format's announcement."""
    session.execute("""
        CREATE PROCEDURE divide(v_in numeric, INOUT v_inout numeric, OUT v_out numeric) LANGUAGE plpgsql AS $$
        BEGIN v_out := v_inout / v_in; v_inout := v_in; END $$
    """)
    result = call(session, "DIVIDE", v_inout="58", v_in="2")
    assert result == CallResult(
        (("v_inout", Value("2", Kind.NUMBER)), ("v_out", Value("29.0000000000000000", Kind.NUMBER)))
    )


_TYPES = """
    CREATE DOMAIN amount AS numeric CHECK (value >= 0);
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TYPE pair AS (a int, b text);
    CREATE SCHEMA "Odd one";
    CREATE TYPE "Odd one"."A;type" AS ENUM ('x');
    CREATE DOMAIN short AS varchar(3);
    CREATE TABLE results (value text);
"""


@pytest.mark.parametrize(
    ("type_name", "given", "expected"),
    [
        ("int", "5", "5"),
        ("numeric(10, 2)", "1.505", "1.505"),
        ("bool", "yes", "true"),
        ("text", "it's $1 \\ :x %s", "it's $1 \\ :x %s"),
        ("text", "", ""),
        ("text", None, None),
        ("char", "abc", "abc"),
        ('"char"', "a", "a"),
        ("bit", "101", "101"),
        ("varchar(2)", "abc", "abc"),
        ("date", "2020-01-02", "2020-01-02"),
        ("timestamptz", "2020-01-02 03:04:05+01", "2020-01-02 02:04:05+00"),
        ("interval", "90 minutes", "01:30:00"),
        ("int[]", "{1,NULL}", "{1,NULL}"),
        ("text[][]", '{{a,"b c"}}', '{{a,"b c"}}'),
        ("jsonb", '{"a":1}', '{"a": 1}'),
        ("xml", "<a/>", "<a/>"),
        ("uuid", "00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a"),
        ("bytea", "\\x00FF", "\\x00ff"),
        ("bytea", b"\x00\xff", "\\x00ff"),
        ("int4range", "[1,5]", "[1,6)"),
        ("amount", "1.50", "1.50"),
        ("amount[]", "{1,2.5}", "{1,2.5}"),
        ("mood", "good", "good"),
        ("mood[]", "{good,bad}", "{good,bad}"),
        ("pair", '(1,"a b")', '(1,"a b")'),
        ("pair[]", '{"(1,a)"}', '{"(1,a)"}'),
        ('"Odd one"."A;type"', "x", "x"),
        ("anyelement", "a b", "a b"),
        ("anyarray", "{a,b}", "{a,b}"),
        ("anycompatible", "a", "a"),
        ("regclass", "results", "results"),
    ],
)
def test_the_server_converts_a_text_into_the_parameters_type(
    session: PostgresSession, type_name: str, given: str | bytes | None, expected: str | None
) -> None:
    """Whatever type it is; as it would a literal of that type."""
    session.execute(_TYPES + f"CREATE FUNCTION same(v {type_name}) RETURNS {type_name} LANGUAGE sql AS 'SELECT v'")
    session.execute("SET search_path TO public")
    returned = call(session, "same", v=given).returned
    assert returned is not None
    assert returned.text == expected


@pytest.mark.parametrize(
    ("type_name", "given", "message", "sqlstate"),
    [
        ("int", "five", 'invalid input syntax for type integer: "five"', "22P02"),
        ("int", "", 'invalid input syntax for type integer: ""', "22P02"),
        ("smallint", "70000", "out of range for type smallint", "22003"),
        ("date", "2020-02-30", "date/time field value out of range", "22008"),
        ("amount", "-1", "violates check constraint", "23514"),
        ("short", "abcd", "value too long for type character varying(3)", "22001"),
        ("mood", "so so", 'invalid input value for enum mood: "so so"', "22P02"),
        ("text", "a\0b", "cannot contain NUL", None),
    ],
)
def test_a_value_that_cannot_be_converted_is_the_databases_refusal(
    session: PostgresSession, type_name: str, given: str, message: str, sqlstate: str | None
) -> None:
    """A row may expect it, as any other error."""
    session.execute(_TYPES + f"CREATE PROCEDURE take(v {type_name}) LANGUAGE sql AS ''")
    with pytest.raises(StatementFailed) as caught:
        call(session, "take", v=given)
    assert message in caught.value.message
    assert caught.value.sqlstate == sqlstate


def test_a_refused_value_is_told_with_the_parameters_name(session: PostgresSession) -> None:
    """The server only knows numbers, of which the author has seen none."""
    session.execute("CREATE PROCEDURE take(a int, b date) LANGUAGE sql AS ''")
    with pytest.raises(StatementFailed, match="parameter b"):
        call(session, "take", b="never", a="1")


def test_parameters_without_a_value_are_left_to_their_defaults(session: PostgresSession) -> None:
    """Those without a default are named in the error."""
    session.execute("""
        CREATE FUNCTION f(a int, b int DEFAULT 2, c int DEFAULT 3) RETURNS text LANGUAGE sql
        AS 'SELECT concat_ws('','', a, b, c)'
    """)
    for arguments, expected in (({"a": "1"}, "1,2,3"), ({"a": "1", "c": "9"}, "1,2,9"), ({"a": None, "b": None}, "3")):
        assert call(session, "f", **arguments).returned == Value(expected)
    with pytest.raises(StatementFailed, match=r"f\(integer, integer, integer\) needs a value for a, which") as caught:
        call(session, "f", b="1")
    assert caught.value.sqlstate == "42883"


def test_parameters_without_names_are_given_by_their_place(session: PostgresSession) -> None:
    """They are called $1, $2 and so on; those before the last one that is given are needed."""
    session.execute("""
        CREATE FUNCTION f(int DEFAULT 1, int DEFAULT 2, c int DEFAULT 3) RETURNS text LANGUAGE sql
        AS 'SELECT concat_ws('','', $1, $2, $3)';
        CREATE PROCEDURE p(int, OUT int) LANGUAGE sql AS 'SELECT $1 * 2'
    """)
    assert call(session, "f", __1="7").returned == Value("7,2,3")
    assert call(session, "f", c="9", __2="8", __1="7").returned == Value("7,8,9")
    with pytest.raises(StatementFailed, match=r"needs a value for \$1, because parameters without a name follow"):
        call(session, "f", __2="8")
    assert outputs(call(session, "p", __1="4")) == {"$2": "8"}


def test_variadic_parameters_take_an_array(session: PostgresSession) -> None:
    """As they have in the catalogue."""
    session.execute("""
        CREATE FUNCTION f(a text, VARIADIC b int[]) RETURNS text LANGUAGE sql AS 'SELECT a || cardinality(b)';
        CREATE FUNCTION g(VARIADIC int[]) RETURNS int LANGUAGE sql AS 'SELECT cardinality($1)'
    """)
    assert call(session, "f", a="x", b="{1,2,3}").returned == Value("x3")
    assert call(session, "g", __1="{}").returned == Value("0", Kind.NUMBER)


@pytest.mark.parametrize(
    ("definition", "result"),
    [
        ("() RETURNS int AS 'SELECT 5'", CallResult((), Value("5", Kind.NUMBER), 1)),
        ("() RETURNS int AS 'SELECT NULL::int'", CallResult((), Value(None, Kind.NUMBER), 1)),
        ("() RETURNS void AS ''", CallResult((), None, 1)),
        ("() RETURNS int[] AS 'SELECT ARRAY[1,2]'", CallResult((), Value("{1,2}"), 1)),
        ("() RETURNS SETOF int AS 'VALUES (7), (8)'", CallResult((), Value("7", Kind.NUMBER), 2)),
        ("() RETURNS SETOF int AS 'SELECT 1 WHERE false'", CallResult((), None, 0)),
        ("(OUT a int) AS 'SELECT 5'", CallResult((("a", Value("5", Kind.NUMBER)),), Value("5", Kind.NUMBER), 1)),
        (
            "(OUT a int, OUT b text) AS 'SELECT 5, ''x y'''",
            CallResult((("a", Value("5", Kind.NUMBER)), ("b", Value("x y"))), Value('(5,"x y")'), 1),
        ),
        (
            "() RETURNS TABLE (a bool, \"B c\" text) AS 'VALUES (true, ''x''), (false, ''y'')'",
            CallResult((("a", Value("true", Kind.BOOLEAN)), ("B c", Value("x"))), Value("(t,x)"), 2),
        ),
        ("() RETURNS TABLE (a bool) AS 'SELECT true WHERE false'", CallResult((), None, 0)),
        (
            "() RETURNS pair AS 'SELECT (1, ''x'')::pair'",
            CallResult((("a", Value("1", Kind.NUMBER)), ("b", Value("x"))), Value("(1,x)"), 1),
        ),
        (
            "() RETURNS SETOF pair AS 'SELECT 1, ''x'' UNION ALL SELECT 2, ''y'''",
            CallResult((("a", Value("1", Kind.NUMBER)), ("b", Value("x"))), Value("(1,x)"), 2),
        ),
        ("() RETURNS record AS 'SELECT 1, ''x y'''", CallResult((), Value('(1,"x y")'), 1)),
    ],
)
def test_functions_give_a_value_columns_and_rows(session: PostgresSession, definition: str, result: CallResult) -> None:
    """OUT parameters and columns are outputs, also those of a type that has columns; rows are counted."""
    session.execute(f"CREATE TYPE pair AS (a int, b text); CREATE FUNCTION f{definition} LANGUAGE sql")
    assert call(session, "f") == result


def test_columns_of_the_returned_type_may_be_called_like_parameters(session: PostgresSession) -> None:
    """A function that finds a row by its key often is such."""
    session.execute("""
        CREATE TABLE users (id int, name text);
        INSERT INTO users VALUES (1, 'Ada');
        CREATE FUNCTION find_user(id int) RETURNS users LANGUAGE sql AS 'SELECT * FROM users u WHERE u.id = $1'
    """)
    (routine,) = session.find_routines("find_user")
    assert [(one.name, one.mode) for one in routine.parameters] == [("id", Mode.INOUT), ("name", Mode.OUT)]
    assert outputs(call(session, "find_user", id="1")) == {"id": "1", "name": "Ada"}


def test_the_overload_that_was_found_is_called(session: PostgresSession) -> None:
    """The types of the values decide, as they do where there are literals with casts."""
    session.execute("""
        CREATE FUNCTION f(v int) RETURNS text LANGUAGE sql AS 'SELECT ''int''';
        CREATE FUNCTION f(v text) RETURNS text LANGUAGE sql AS 'SELECT ''text''';
        CREATE FUNCTION f(v numeric) RETURNS text LANGUAGE sql AS 'SELECT ''numeric'''
    """)
    kinds = {
        routine.signature: session.call(routine, [Argument("v", "5")]).returned
        for routine in session.find_routines("f")
    }
    assert kinds == {
        "public.f(integer)": Value("int"),
        "public.f(text)": Value("text"),
        "public.f(numeric)": Value("numeric"),
    }


def test_a_routine_is_called_where_it_was_found_whatever_the_search_path_is_then(session: PostgresSession) -> None:
    """A fixture may change the search_path between the search and the call; names and types are qualified."""
    session.execute(_ROUTINES)
    (routine,) = session.find_routines("billing.cheer")
    session.execute("SET search_path TO ''")
    result = session.call(routine, [Argument("m", "bad")])
    assert result.returned == Value("bad")
    session.execute("DROP TYPE billing.mood CASCADE; CREATE TYPE billing.mood AS ENUM ('bad')")
    session.execute("CREATE FUNCTION billing.cheer(m billing.mood) RETURNS text LANGUAGE sql AS 'SELECT ''new'''")
    assert session.call(routine, [Argument("m", "bad")]).returned == Value("new")


def test_an_error_of_a_routine_has_its_sqlstate(session: PostgresSession) -> None:
    """With all that the server says, as of statements."""
    session.execute("""
        CREATE PROCEDURE p(a int) LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not %', a USING errcode = 'AB123'; END $$
    """)
    with pytest.raises(StatementFailed, match="ERROR: not 5") as caught:
        call(session, "p", a="5")
    assert (caught.value.sqlstate, caught.value.line) == ("AB123", None)


def test_a_procedure_may_commit_outside_of_a_transaction(session: PostgresSession) -> None:
    """Procedures that commit have to be tested too."""
    session.execute("""
        CREATE TABLE t (a int);
        CREATE PROCEDURE p(n int) LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO t VALUES (n); COMMIT; INSERT INTO t VALUES (n + 1); ROLLBACK; END $$
    """)
    call(session, "p", n="1")
    assert one(session, "SELECT string_agg(a::text, ',') FROM t") == "1"


def test_a_routine_of_another_database_is_no_routine_here(session: PostgresSession) -> None:
    """It is a mistake in our own code, which is said at once."""
    with pytest.raises(TypeError):
        session.call(Routine("f", "f()", (), is_function=True), [])
