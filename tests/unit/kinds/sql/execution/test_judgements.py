"""How bodies, rows, assertions and expected results are judged, and what is said."""

import pytest

from support.recording_database import RecordingDatabase
from testrun_operator.databases.base import CallResult, Kind, Mode, Parameter, Routine, Value
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.outcome import Mark, StepKind

from .conftest import GENERIC, PROCEDURAL, Run, data, generic


def test_a_body_that_is_refused_fails_with_the_error_and_its_line(run: Run) -> None:
    """The assertions below it are not looked at; the next test is run."""
    text = (
        GENERIC
        + generic("fine\nFAIL 42P01 no such table", "### ASSERTION", "A.", "```", "x", "```")
        + generic(name="Next.")
    )
    executed = run(text)
    first, second = executed.tests
    (step,) = first.steps
    assert step.kind is StepKind.BODY
    assert step.place == Place("tests/a.stt", 8)
    assert step.message == "no such table\ntests/a.stt:8: FAIL 42P01 no such table"
    assert first.message == step.message
    assert second.mark is Mark.PASSED
    assert executed.log == ["fine", "FAIL 42P01 no such table", "fine"]


def test_all_assertions_are_looked_at(run: Run) -> None:
    """Each that fails says which it is."""
    sections = ["### ASSERTIONS"]
    for name, sql in (("One.", "FAIL P0004 first"), ("Two.", "fine"), ("Three.", "FAIL P0004 third")):
        sections += ["#### SQL", name, "```", sql, "```"]
    executed = run(GENERIC + generic("fine", *sections))
    (outcome,) = executed.tests
    assert [step.passed for step in outcome.steps] == [True, False, True, False]
    assert outcome.message.splitlines()[0] == "Assertion failure: One."
    assert executed.messages[0] == "Assertion failure: One.\n    first\n    tests/a.stt:13: FAIL P0004 first"


@pytest.mark.parametrize(
    ("title", "sql", "message"),
    [
        ("### ASSERTION [rows: 3]", "COUNT 3", None),
        ("### ASSERTION [rows: 3]", "COUNT 2", "Expected 3 rows to be returned or changed, but received 2"),
        ("### ASSERTION [rows: 1]", "COUNT 0", "Expected 1 row to be returned or changed, but received 0"),
        ("### ASSERTION [rows: 3]", "quiet", "an unknown number"),
        ("### ASSERTION [true]", "RETURN a:b|true|true", None),
        ("### ASSERTION [true]", "RETURN a:n|1", None),
        ("### ASSERTION [true]", "RETURN a:b|true|false", "true in the column a of row 2, but received 'false'"),
        ("### ASSERTION [true]", "RETURN a:b,c:b|true,NULL", "in the column c of row 1, but received '__NULL__'"),
        ("### ASSERTION [true]", "RETURN a|true", "but received 'true'"),
        ("### ASSERTION [true]", "RETURN a:b", "Expected true, but no row was returned"),
        ("### ASSERTION [true]", "fine", "it returns no rows"),
        ("### ASSERTION [true]", "FAIL 42601 syntax", "syntax"),
    ],
)
def test_marks_of_assertions(run: Run, title: str, sql: str, message: str | None) -> None:
    """``[rows: N]`` counts, ``[true]`` wants nothing but true."""
    executed = run(GENERIC + generic("fine", title, "A.", "```", sql, "```"))
    assert executed.outcome.passed is (message is None)
    assert all(message is not None and message in one for one in executed.messages)


def test_rows_of_a_body_are_counted(run: Run) -> None:
    """By its last statement; assertions are looked at in any case."""
    text = (
        "# TEST CASE\nG.\n## TEST\nT.\n### SQL [rows: 2]\n```\nCOUNT 7\nCOUNT {}\n```\n### ASSERTION\nA.\n```\nx\n```\n"
    )
    assert run(text.format(2)).outcome.passed
    executed = run(text.format(3))
    assert executed.messages == ["Expected 2 rows to be returned or changed, but received 3"]
    assert executed.log[-1] == "x"


@pytest.mark.parametrize(
    ("section", "body", "message"),
    [
        ("### ERROR", "FAIL 22012 division by zero", None),
        ("### ERROR\nANY", "FAIL 22012 division by zero", None),
        ("### ERROR\nDivision", "FAIL 22012 division by zero", None),
        ("### ERROR\ndivision\nby zero", "FAIL 22012 division by zero", None),
        ("### ERROR [sqlstate: 22012]", "FAIL 22012 division by zero", None),
        ("### ERROR [sqlstate: 22012]\nzero", "FAIL 22012 division by zero", None),
        ("### ERROR", "fine", "Expected any error to occur, but no errors were triggered"),
        ("### ERROR\nzero", "fine", "Expected an error with text 'zero' to occur, but no errors were triggered"),
        (
            "### ERROR\noverflow",
            "FAIL 22012 division by zero",
            "Expected an error with text 'overflow' to occur, but the error was:\ndivision by zero",
        ),
        (
            "### ERROR [sqlstate: 22003]\nzero",
            "FAIL 22012 division by zero",
            "Expected an error with SQLSTATE '22003' and text 'zero' to occur, but the error was (SQLSTATE 22012):\n",
        ),
    ],
)
def test_an_expected_error_of_a_body(run: Run, section: str, body: str, message: str | None) -> None:
    """The assertions are looked at just if the body did what is expected."""
    executed = run(GENERIC + generic(body, section, "### ASSERTION", "A.", "```", "x", "```"))
    assert executed.outcome.passed is (message is None)
    assert [one.startswith(message or "") for one in executed.messages] == [True] * (message is not None)
    assert ("x" in executed.log) is (message is None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("| five | 5 | |", None),
        ("| five | 05.0 | |", None),
        ("| null | __NULL__ | |", None),
        ("| five | 6 | |", "Expected value '6' in the V out parameter, but received '5.000'"),
        ("| five | __NULL__ | |", "Expected value '__NULL__' in the V out parameter, but received '5.000'"),
        ("| five | | |", "Expected value '' in the V out parameter, but received '5.000'"),
        ("| null | 5 | |", "Expected value '5' in the V out parameter, but received '__NULL__'"),
        ("| FAIL 22012 by zero | 5 | |", "Expected no error to occur, but the error was:\nby zero"),
        ("| FAIL 22012 by zero | 5 | Any |", None),
        ("| FAIL 22012 by zero | 5 | ZERO |", None),
        (
            "| FAIL 22012 by zero | 5 | any zero |",
            "Expected an error with text 'any zero' to occur, but the error was:",
        ),
        ("| five | 5 | ANY |", "Expected any error to occur, but no errors were triggered"),
        ("| five | 5 | zero |", "Expected an error with text 'zero' to occur, but no errors were triggered"),
        ("| five | 5 | __NULL__ |", "Expected an error with text '__NULL__' to occur"),
    ],
)
def test_rows(run: Run, divide: RecordingDatabase, row: str, message: str | None) -> None:
    """What a row expects, and what is said where it does not come."""
    header = "| WHAT | V$ | =ERROR= |".replace("V$", "quotient$")
    executed = run(PROCEDURAL + data(header, row), divide)
    assert executed.outcome.passed is (message is None)
    if message is not None:
        expected = f"Row 1 of 1: {message}".replace("the V out", "the quotient out")
        assert executed.messages[0].startswith(expected)


@pytest.mark.parametrize(
    ("row", "passes"),
    [
        ("| FAIL 22012 zero | 22012 | |", True),
        ("| FAIL 22012 zero | 22012 | ZERO |", True),
        ("| FAIL 22012 zero | 22012 | any |", True),
        ("| FAIL 22012 zero | any | |", True),
        ("| FAIL 22012 zero | 22012 | overflow |", False),
        ("| FAIL 22012 zero | 22003 | zero |", False),
        ("| FAIL 22012 zero | 22003 | |", False),
        ("| FAIL 22012 zero | | |", False),
        ("| five | 22012 | |", False),
        ("| five | | |", True),
    ],
)
def test_sqlstates_of_rows(run: Run, divide: RecordingDatabase, row: str, passes: bool) -> None:
    """Where text and SQLSTATE are given, both must hold."""
    executed = run(PROCEDURAL + data("| what | =SQLSTATE= | =ERROR= |", row), divide)
    assert executed.outcome.passed is passes


def test_an_error_that_nobody_announced_fails_the_row(run: Run, divide: RecordingDatabase) -> None:
    """The original swallowed it."""
    executed = run(PROCEDURAL + data("| what |", "| FAIL 22012 zero |", "| five |"), divide)
    assert executed.messages == ["Row 1 of 2: No error was announced, but the error was:\nzero"]
    assert [step.passed for step in executed.tests[0].steps] == [False, True]


def test_assertions_are_looked_at_after_each_row_also_a_failed_one(run: Run, divide: RecordingDatabase) -> None:
    """With the row that they belong to."""
    check = "### ASSERTION\nA.\n```\nFAIL P0004 no\n```"
    executed = run(PROCEDURAL + data("| what | =ERROR= |", "| five | any |", "| five | |", sections=check), divide)
    steps = executed.tests[0].steps
    assert [(step.kind, step.row, step.passed) for step in steps] == [
        (StepKind.ROW, 1, False),
        (StepKind.ASSERTION, 1, False),
        (StepKind.ROW, 2, True),
        (StepKind.ASSERTION, 2, False),
    ]
    assert steps[3].message.startswith("Row 2 of 2: Assertion failure: A.\n    no\n")
    assert [step.place.line for step in steps[:3:2]] == [9, 10]


def test_a_row_that_does_not_fit_the_routine_is_refused(run: Run, divide: RecordingDatabase) -> None:
    """``any`` does not match that, and its assertions are not looked at; other tests run."""
    check = "### ASSERTION\nA.\n```\nx\n```"
    text = PROCEDURAL + data("| WHO | =ERROR= |", "| five | any |", "| five | |", sections=check)
    executed = run(text + data("| what |", "| five |"), divide)
    assert executed.messages[0].startswith("Row 1 of 2: Unexpected parameter(s) 'WHO'")
    assert executed.messages[1].startswith("Row 2 of 2: Unexpected parameter(s) 'WHO'")
    assert "x" not in executed.log
    assert executed.tests[1].mark is Mark.PASSED


def test_a_function_that_returns_no_row_has_no_values(run: Run) -> None:
    """That is not NULL."""
    function = Routine("f", "f(text)", (Parameter("v", Mode.IN, "text"),), is_function=True, returns="integer")
    database = RecordingDatabase(
        {"f": [function]},
        {"none": CallResult((), None, 0), "two": CallResult((), Value("7", Kind.NUMBER), 2)},
    )
    text = "# TEST CASE f\nF.\n" + data(
        "| v | RETURN$ | =ROWS= |", "| two | 7 | 2 |", "| none | __NULL__ | |", "| two | 8 | 3 |"
    )
    executed = run(text, database)
    assert executed.messages == [
        "Row 2 of 3: Expected value '__NULL__' as the return value, but no row was returned",
        (
            "Row 3 of 3: Expected value '8' as the return value, but received '7'\n"
            "Expected 3 rows to be returned, but received 2"
        ),
    ]


def test_a_result_that_differs_fails(run: Run) -> None:
    """Its place is the row of the table."""
    executed = run(
        GENERIC
        + generic("fine", "### RESULT", "R.", "```", "x", "RETURN a:n|1|2", "```", "| a |", "| - |", "| 1 |", "| 3 |")
    )
    assert executed.messages == [
        "Unexpected result: R.\n    Row 2: expected value '3' in the column a, but received '2'"
    ]
    assert executed.tests[0].steps[1].place == Place("tests/a.stt", 18)
    assert executed.log == ["fine", "x", "RETURN a:n|1|2"]


@pytest.mark.parametrize("section", ["### ASSERTION", "### RESULT"])
def test_sql_without_a_statement_says_nothing(run: Run, section: str) -> None:
    """A block of comments must not pass for a test."""
    table = "\n| a |\n| - |" if section == "### RESULT" else ""
    text = GENERIC + generic("fine", section, "A.", "```", " ", "", "```" + table)
    for executed in (run(text.replace("fine", "  ")), run(text)):
        assert not executed.outcome.passed
