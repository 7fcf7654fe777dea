"""The format of database tests as behaviour: every rule and every failure, against a real PostgreSQL."""

import pytest
from tests.integration.sql_projects import DIVIDE, GENERIC, Run, generic, run, server

from testrun_operator.kinds.sql.outcome import Mark, StepKind, Stop

pytestmark = pytest.mark.postgres
__all__ = ["run", "server"]  # fixtures


def test_the_procedural_example_of_the_announcement_passes(run: Run) -> None:
    """Upper-case names, an OUT parameter, 29 against 29.0000000000000000, an expected error."""
    text = """# TEST CASE DIVIDE
This test case checks the division of two numbers.

## TEST
The quotient is what it should be.
### DATA
| DIVIDEND | DIVISOR | QUOTIENT$ | =ERROR=          |
|---------:|--------:|----------:|------------------|
|       58 |       2 |        29 |                  |
|        3 |       4 |      0.75 |                  |
| __NULL__ |       2 |  __NULL__ |                  |
|        1 |       0 |           | DIVISION BY ZERO |
|        1 |       0 |           | any              |
"""
    ran = run({"src/divide.sql": DIVIDE, "tests/divide.stt": text})
    assert ran.outcome.passed, ran.messages
    assert len(ran.tests[0].steps) == 5


ANNOUNCED = """# TEST CASE
This test case has a body and assertions.

## BEFORE ALL
- Grate some cheese

## TEST
The cheese is there.
```
BEGIN;
INSERT INTO cheese VALUES ('Gouda');
COMMIT;
```
### ASSERTION
There are two of them.
```
DO $$ DECLARE n integer;
BEGIN
  SELECT count(*) INTO n FROM cheese;
  IF n <> 2 THEN
    RAISE EXCEPTION 'Expected 2 kinds but there are %', n;
  END IF;
END $$;
```
"""


@pytest.mark.parametrize("kinds", ["('Cheddar')", "('Cheddar'), ('Brie')"])
def test_the_generic_example_of_the_announcement_is_looked_at(run: Run, kinds: str) -> None:
    """A sentence names a fixture whose file ends with underscores; the assertion below one title counts."""
    ran = run(
        {
            "tests/fixtures/schema.sql": "CREATE TABLE cheese (kind text);",
            "tests/fixtures/setup/grate_some_cheese__.sql": f"INSERT INTO cheese VALUES {kinds};",
            "tests/cheese.stt": ANNOUNCED,
        }
    )
    if "Brie" not in kinds:
        assert ran.outcome.passed, ran.messages
        return
    failure = next(ran.tests[0].failures())
    assert failure.kind is StepKind.ASSERTION
    assert failure.message.startswith(
        "Assertion failure: There are two of them.\n    ERROR: Expected 2 kinds but there are 3"
    )
    assert "tests/cheese.stt:17: DO $$" in failure.message


def test_the_order_is_that_of_the_format(run: Run) -> None:
    """As the database saw it."""
    points = ["BEFORE ALL", "BEFORE EACH TEST", "BEFORE EACH ROW", "AFTER EACH ROW", "AFTER EACH TEST", "AFTER ALL"]
    files: dict[str, str | bytes] = {
        "schema.sql": "CREATE TABLE seen (n serial, what text); INSERT INTO seen (what) VALUES ('schema');",
        "src/a.sql": "INSERT INTO seen (what) VALUES ('source');\n"
        "CREATE PROCEDURE note(what text) LANGUAGE sql AS $$ INSERT INTO seen (what) VALUES (what) $$;",
    }
    for point in points:
        folder = "setup" if point.startswith("BEFORE") else "teardown"
        path = f"tests/fixtures/{folder}/deep/{point.lower().replace(' ', '_')}.sql"
        files[path] = f"INSERT INTO seen (what) VALUES ('{point}');"
    sections = "".join(f"## {point}\n- Deep / {point.capitalize()}\n\n" for point in points)
    rows = "## TEST\nRows.\n### DATA\n|WHAT|\n|-|\n|one|\n|two|\n### ASSERTION\nA.\n```\nCALL note('assertion');\n```\n"
    files["tests/a.stt"] = f"# TEST CASE note\nOrder.\n\n{sections}{rows}"
    ran = run(files)
    assert ran.outcome.passed, ran.messages
    row = ["BEFORE EACH ROW", "{}", "assertion", "AFTER EACH ROW"]
    expected = ["schema", "source", "BEFORE ALL", "BEFORE EACH TEST"]
    expected += [step.format(name) for name in ("one", "two") for step in row] + ["AFTER EACH TEST", "AFTER ALL"]
    assert [what for (what,) in ran.query("SELECT what FROM seen ORDER BY n")] == expected


def test_a_session_keeps_its_state_for_a_test_case_and_no_longer(run: Run) -> None:
    """Settings and temporary tables of one test are there in the next, and not in the next file."""
    first = generic("CREATE TEMPORARY TABLE mine (a integer);\nSET application_name = 'mine';")
    second = generic(
        "INSERT INTO mine VALUES (1);",
        "### RESULT",
        "R.",
        "```",
        "SHOW application_name",
        "```",
        "|application_name|",
        "|-|",
        "|mine|",
    )
    other = generic(
        "SELECT 1;",
        "### ASSERTION [true]",
        "A.",
        "```",
        "SELECT to_regclass('mine') IS NULL AND current_setting('application_name') <> 'mine'",
        "```",
    )
    ran = run({"tests/a.stt": GENERIC + first + second, "tests/b.stt": GENERIC + other})
    assert ran.outcome.passed, ran.messages


def test_a_routine_is_found_by_schema_case_quotes_and_columns(run: Run) -> None:
    """Functions, overloads and defaults included."""
    source = """
CREATE SCHEMA shop;
CREATE FUNCTION shop.price(net numeric, rate numeric DEFAULT 0.2) RETURNS numeric
LANGUAGE sql AS $$ SELECT net * (1 + rate) $$;
CREATE FUNCTION shop.price(net numeric, country text) RETURNS numeric LANGUAGE sql AS $$ SELECT net * 2 $$;
CREATE FUNCTION shop.twice(a integer) RETURNS text LANGUAGE sql AS $$ SELECT 'integer' $$;
CREATE FUNCTION shop.twice(a text) RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;
CREATE PROCEDURE shop."Mixed"(INOUT "Value" integer) LANGUAGE plpgsql AS $$ BEGIN "Value" := "Value" + 1; END $$;
"""
    ran = run(
        {
            "src/a.sql": source,
            "tests/a.stt": "# TEST CASE SHOP.Price\nA.\n## TEST\nA.\n### DATA\n|NET|RETURN$|\n|-|-|\n|10|12|\n"
            "## TEST\nB.\n### DATA\n|net|COUNTRY|=return=|\n|-|-|-|\n|10|CH|20.0|\n",
            "tests/b.stt": '# TEST CASE shop."Mixed"\nB.\n## TEST\nB.\n### DATA\n|VALUE|value$|\n|-|-|\n|1|2|\n',
            "tests/c.stt": "# TEST CASE shop.twice(text)\nC.\n## TEST\nC.\n### DATA\n|a|RETURN$|\n|-|-|\n|1|text|\n",
            "tests/d.stt": "# TEST CASE shop.twice\nD.\n## TEST\nD.\n### DATA\n|a|RETURN$|\n|-|-|\n|1|text|\n",
        }
    )
    assert [case.mark for case in ran.outcome.cases] == [Mark.PASSED, Mark.PASSED, Mark.PASSED, Mark.FAILED]
    assert "shop.twice(integer)" in ran.messages
    assert "# TEST CASE shop.twice(" in ran.messages


ROWS = """# TEST CASE divide
Rows.

## TEST
Each is judged.
### DATA
{}

## TEST
It is run in any case.
### DATA
| DIVIDEND | DIVISOR |
| - | - |
| 1 | 1 |
"""


BOTH = "|DIVIDEND|DIVISOR|"
NOBODY = "Row 1 of 1: Expected no error to occur, but the error was:\nERROR: "


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            BOTH + "QUOTIENT$|",
            "|1|1|1|\n|1|4|5|",
            "Row 2 of 2: Expected value '5' in the QUOTIENT out parameter, but",
        ),
        (BOTH, "|1|0|", "Row 1 of 1: No error was announced, but the error was:\nERROR: division by zero"),
        (BOTH + "=ERROR=|", "|1|0||", NOBODY + "division by zero"),
        (BOTH + "=error=|", "|1|1|any|", "Row 1 of 1: Expected any error to occur, but no errors were triggered"),
        (
            BOTH + "=ERROR=|",
            "|1|0|large|",
            "Expected an error with text 'large' to occur, but the error was:\nERROR: div",
        ),
        (
            BOTH + "=SQLSTATE=|",
            "|1|0|22003|",
            "an error with SQLSTATE '22003' to occur, but the error was (SQLSTATE 2201",
        ),
        (BOTH + "=ERROR=|", "|one|1||", NOBODY + "invalid input syntax for type numeric"),
        (
            "|DIVIDEND|X|Y$|=ERROR=|",
            "|1|1|1|any|",
            "Unexpected parameter(s) 'X, Y$'; Required input parameter 'divisor' is",
        ),
        ("|DIVIDEND|QUOTIENT$|", "|1|1|", "Row 1 of 1: Required input parameter 'divisor' is missing"),
        (BOTH, "|1|", "row 1"),
    ],
)
def test_a_row_fails_with_its_reason_and_the_next_test_runs(run: Run, header: str, rows: str, message: str) -> None:
    """Every class of failure of a row."""
    table = f"{header}\n{'|-' * (header.count('|') - 1)}|\n{rows}"
    ran = run({"src/divide.sql": DIVIDE, "tests/a.stt": ROWS.format(table)})
    first, second = ran.tests
    assert first.mark is Mark.FAILED
    assert message in first.message
    assert second.mark is Mark.PASSED


def test_what_the_database_cannot_convert_is_an_error_of_the_database(run: Run) -> None:
    """``any`` matches it."""
    table = "|DIVIDEND|DIVISOR|=ERROR=|\n|-|-|-|\n|one|1|any|\n||1|invalid input|"
    ran = run({"src/divide.sql": DIVIDE, "tests/a.stt": ROWS.format(table)})
    assert ran.outcome.passed, ran.messages


def test_a_body_fails_with_the_line_of_its_fault(run: Run) -> None:
    """Which may be inside of a statement over several lines."""
    ran = run(GENERIC + generic("SELECT 1;\n\nSELECT 1,\n  nonsense\n  FROM pg_class;\nSELECT 2;"))
    (step,) = ran.tests[0].steps
    assert str(step.place) == "alone.stt:10"
    assert step.message == 'ERROR: column "nonsense" does not exist\nalone.stt:10: SELECT 1, nonsense FROM pg_class'


def test_a_missing_routine_and_a_missing_fixture_fail_their_test_cases(run: Run) -> None:
    """The third one runs."""
    ran = run(
        {
            "tests/a.stt": "# TEST CASE nobody\nA.\n## TEST\nA.\n### DATA\n|a|\n|-|\n|1|\n",
            "tests/b.stt": GENERIC + "## AFTER ALL\n- Nothing\n\n" + generic("SELECT 1;"),
            "tests/c.stt": GENERIC + generic("SELECT 1;"),
        }
    )
    assert [case.mark for case in ran.outcome.cases] == [Mark.FAILED, Mark.FAILED, Mark.PASSED]
    assert "nobody" in ran.messages
    assert "Unable to find fixture 'Nothing'" in ran.messages
    assert (ran.outcome.counts.total, ran.outcome.counts.failed) == (3, 2)


def test_a_source_that_fails_stops_everything_whatever_the_error(run: Run) -> None:
    """A unique violation is as good as a syntax error; what was loaded before stays."""
    ran = run(
        {
            "schema.sql": "CREATE TABLE t (a integer PRIMARY KEY);\nINSERT INTO t VALUES (1);",
            "src/a.sql": "-- a comment\nINSERT INTO t VALUES (2);\nINSERT INTO t\nVALUES (1);",
            "tests/a.stt": GENERIC + generic("SELECT 1;"),
        }
    )
    stopped = ran.outcome.stopped
    assert stopped is not None
    assert stopped.why is Stop.SCRIPT_FAILED
    assert stopped.message.startswith("Unable to load script 'src/a.sql':\n    ERROR: duplicate key value")
    assert str(stopped.place) == "src/a.sql:3"
    assert ran.query("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    assert ran.outcome.counts.not_run == 1


def test_a_fixture_that_fails_keeps_what_was_done(run: Run) -> None:
    """The outcomes before it are not lost."""
    ran = run(
        {
            "tests/fixtures/setup/broken.sql": "SELECT 1;\nSELECT * FROM nowhere;",
            "tests/a.stt": GENERIC + generic("SELECT 1;"),
            "tests/b.stt": GENERIC + "## BEFORE ALL\n- Broken\n\n" + generic("SELECT 1;"),
            "tests/c.stt": GENERIC + generic("SELECT 1;"),
        }
    )
    assert [case.mark for case in ran.outcome.cases] == [Mark.PASSED, Mark.FAILED, Mark.NOT_RUN]
    assert "Unable to load the 'Broken' setup fixture:\n    ERROR: relation \"nowhere\" does not exist" in ran.messages
    assert "tests/fixtures/setup/broken.sql:2: SELECT * FROM nowhere" in ran.messages


def test_a_table_that_cannot_be_loaded_is_a_fixture_that_fails(run: Run) -> None:
    """The database converts its values; the line is that of the file, as far as the database says it."""
    ran = run(
        {
            "schema.sql": "CREATE TABLE city (name text, population integer);",
            "tests/fixtures/setup/city.csv": "name,population\nBern,134000\nUr,many\n",
            "tests/a.stt": GENERIC + "## BEFORE ALL\n- City\n\n" + generic("SELECT 1;"),
        }
    )
    assert "Unable to load the 'City' setup fixture" in ran.messages
    assert "invalid input syntax for type integer" in ran.messages


def test_files_and_bytes_are_given_and_expected(run: Run) -> None:
    """A picture as it is, a text with its line breaks."""
    picture = bytes(range(256))
    source = (
        "CREATE FUNCTION echo(data bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT data $$;\n"
        "CREATE FUNCTION shout(data text) RETURNS text LANGUAGE sql AS $$ SELECT upper(data) $$;"
    )
    ran = run(
        {
            "src/a.sql": source,
            "tests/data/picture.bin": picture,
            "tests/data/long.txt": "grüße\n" * 100,
            "tests/data/loud.txt": "GRÜSSE\n" * 100,
            "tests/data/wrong.txt": "GRÜßE\n" * 100,
            "tests/a.stt": "# TEST CASE echo\nA.\n## TEST\nA.\n### DATA\n|data|RETURN$|\n|-|-|\n"
            "|=FILE:data/picture.bin=|=FILE:data/picture.bin=|\n|\\x00ff|\\x00FF|\n",
            "tests/b.stt": "# TEST CASE shout\nB.\n## TEST\nB.\n### DATA\n|data|RETURN$|\n|-|-|\n"
            "|=FILE:data/long.txt=|=FILE:data/wrong.txt=|\n",
        }
    )
    echo, shout = ran.outcome.cases
    assert echo.mark is Mark.PASSED, ran.messages
    message = shout.tests[0].message
    assert "Expected value (600 characters, SHA-256 " in message or "characters, SHA-256" in message
    assert "they differ first at character" in message
    assert len(message) < 500
