"""Tests that run SQL: body, assertions, expected errors and results, fixtures of their own."""

import pytest

from testrun_operator.kinds.sql.document import (
    Check,
    ExpectedError,
    ExpectedResult,
    FixtureReference,
    Marking,
    Place,
    Row,
    Sql,
    Table,
)
from testrun_operator.kinds.sql.document import Test as ParsedTest
from testrun_operator.kinds.sql.parsing.parser import parse_test_case

FILE = "tests/ledger.stt"
HEADER = "# TEST CASE\nThe ledger.\n"
BODY = "```\nSELECT 1;\n```\n"


def at(line: int) -> Place:
    """Return a place in the file."""
    return Place(FILE, line)


def only_test(text: str) -> ParsedTest:
    """Return the test of a file that has one; lines count from the first of ``text``, which is line 3."""
    case = parse_test_case(HEADER + text, FILE)
    assert (case.problems, len(case.tests)) == ((), 1)
    return case.tests[0]


def problems_of(text: str) -> list[str]:
    """Return the problems of the only test, as ``line: message``."""
    test = only_test(text)
    assert (test.body is None) == bool(test.problems)
    return [f"{problem.place.line}: {problem.message}" for problem in test.problems]


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("```\nSELECT 1;\n```", Sql("SELECT 1;", at(6))),
        ("```sql\nSELECT 1;\n```  ", Sql("SELECT 1;", at(6))),
        ('``` sql {title="a"}\nSELECT 1;\n```', Sql("SELECT 1;", at(6))),
        ("### SQL\n```\nSELECT 1;\n```", Sql("SELECT 1;", at(7))),
        ("\n### sql:\n\n<!-- now -->\n```\nSELECT 1;\n```", Sql("SELECT 1;", at(10))),
        ("~~~\nSELECT '```';\n```\n~~~~", Sql("SELECT '```';\n```", at(6))),
        ("```\nSELECT 'a ``` b';\n```", Sql("SELECT 'a ``` b';", at(6))),
        ("~~~\nSELECT a ~~~\n~~~", Sql("SELECT a ~~~", at(6))),
        ("````plpgsql\nSELECT 1;\n```\n````", Sql("SELECT 1;\n```", at(6))),
        ("```\n\nSELECT 1;\n\n```", Sql("\nSELECT 1;\n", at(6))),
        ("```SELECT 1;```", Sql("SELECT 1;", at(5))),
        ("``` SELECT `a` FROM `b` ```", Sql("SELECT `a` FROM `b` ", at(5))),
        ("  ```\n  SELECT\n    1;\n ```", Sql("SELECT\n  1;", at(6))),
        ("    ```\n    SELECT 1;\n    ```", Sql("SELECT 1;", at(6))),
        ("\t```\n\tSELECT 1;\n\t```", Sql("SELECT 1;", at(6))),
        ("```\n-- ## TEST here\n## TEST\n# TEST CASE\n<!-- no comment\n```", None),
    ],
)
def test_a_body_is_a_fenced_block_in_any_form(text: str, sql: Sql | None) -> None:
    """Nothing in it is a title or a comment; its place is that of its first line."""
    test = only_test(f"## TEST\nIt answers.\n{text}\n")
    assert test.problems == ()
    assert test.body == (sql or Sql("-- ## TEST here\n## TEST\n# TEST CASE\n<!-- no comment", at(6)))
    assert (test.name, test.place, test.marking) == ("It answers.", at(3), Marking())


def test_a_body_may_stand_behind_the_description() -> None:
    """As the original allowed."""
    test = only_test("## TEST\nIt\nanswers. ```SELECT 1;```\n")
    assert (test.name, test.body, test.problems) == ("It answers.", Sql("SELECT 1;", at(5)), ())


def test_line_ends_of_windows_do_not_get_into_sql() -> None:
    """A text over several lines is the same on each machine."""
    text = f"{HEADER}## TEST\nIt answers.\n```\nSELECT 'a\nb';\n```\n".replace("\n", "\r\n")
    assert parse_test_case(text, FILE).tests[0].body == Sql("SELECT 'a\nb';", at(6))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("## TEST\nIt answers.\n", "It answers."),
        ("## TEST\n\nIt   answers\n\n\tat once.\n\n", "It answers at once."),
        ("## TEST It answers\nat once.\n", "It answers at once."),
        ("## TEST: It answers.\n", "It answers."),
        ("## TEST [only] It answers.\n", "It answers."),
        ("## TEST [a]b is text\n", "[a]b is text"),
        ("## TEST value[1]\n", "value[1]"),
        ("## TEST sets [true] where nothing is\n", "sets [true] where nothing is"),
        ("## TEST\nIt is\n---\n- quick <!-- very -->\n- | and | true |\n", "It is - quick - | and | true |"),
        ("## TEST\n<!--\n## TEST\n```\n-->It answers.\n", "It answers."),
        ("## TEST\n<!-- a --> <!-- b\n--> It <!--> answers.\n", "It answers."),
        ("## TEST\n```x``` is a code span.\n", "```x``` is a code span."),
        ("## TEST\n`x` and ``y`` are, too,\n~~but this is not\n", "`x` and ``y`` are, too, ~~but this is not"),
        ("## TEST\n<!-->It answers.\n", "It answers."),
        ("## TEST\nTest of underlines\n---\nand ends\n", "Test of underlines and ends"),
        ("## TEST\n<!--->It answers.\n", "It answers."),
    ],
)
def test_the_description_is_the_name(text: str, name: str) -> None:
    """On one line, whatever stands in it, and also where it begins in the title."""
    assert only_test(text + BODY).name == name


def test_a_malformed_test_has_its_name_all_the_same() -> None:
    """The original called some of them untitled."""
    assert only_test("## TEST\nIt answers.\n").name == "It answers."
    assert only_test("## TEST\n" + BODY).name == "Untitled test"


@pytest.mark.parametrize(
    ("marks", "marking"),
    [
        ("[skip: waits for the new index]", Marking(skip="waits for the new index")),
        ("[skip:]", Marking(skip="")),
        ("[SKIP]", Marking(skip="")),
        ("[only]", Marking(only=True)),
        ("[only][skip: a: b]", Marking(skip="a: b", only=True)),
        ("It answers [only]", Marking(only=True)),
        ("It answers   [only]   [skip: a]  ", Marking(skip="a", only=True)),
        ("[only]   [skip: a]   It answers", Marking(skip="a", only=True)),
    ],
)
def test_a_test_may_be_skipped_or_focused(marks: str, marking: Marking) -> None:
    """By marks at either end of its title."""
    test = only_test(f"## TEST {marks}\nIt answers.\n{BODY}")
    assert (test.marking, test.problems) == (marking, ())


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        ("## TEST [slow]", "the mark '[slow]' is not known in this title: known are [skip: reason] and [only]"),
        ("## TEST [true]", "the mark '[true]' is not known in this title: known are [skip: reason] and [only]"),
        ("## TEST []", "the mark '[]' is not known in this title: known are [skip: reason] and [only]"),
        ("## TEST [only: now]", "the mark '[only: now]' takes no value: write [only]"),
        ("## TEST [skip] [skip: twice]", "the mark '[skip]' is given twice"),
        ("## TEST [skip: why", "the mark '[skip' must be closed with ']' and stand at the end of the title"),
        ("## TEST it [only] answers", "the mark '[only' must be closed with ']' and stand at the end of the title"),
        ("# TEST", "a test begins with '## TEST', with two '#', and not with '# TEST'"),
        ("### TEST", "a test begins with '## TEST', with two '#', and not with '### TEST'"),
        ("####### TEST", "a test begins with '## TEST', with two '#', and not with '####### TEST'"),
        ("##TEST", "'##TEST' is no title in Markdown: write a blank behind '##'"),
        ("## TEST <!-- a", "a comment of several lines must begin a line of its own"),
    ],
)
def test_a_title_that_is_not_quite_right_is_reported(title: str, problem: str) -> None:
    """And not taken for the end of the test above it."""
    assert problems_of(f"{title}\nIt answers.\n{BODY}") == [f"3: {problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"## TEST\n{BODY}", "3: the test has no description: write what it tests below its title"),
        ("## TEST\nIt answers.\n", "3: the test has no body: write its SQL below the description, between two lines"),
        ("## TEST\nIt answers.\n\n    SELECT 1;\n", "3: the test has no body"),
        ("## TEST\nIt answers.\n```\n```\n", "5: the test's block holds no SQL: the test body is empty"),
        ("## TEST\nIt answers.\n``` sql\n \n\t\n```\n", "5: the test's block holds no SQL"),
        (f"## TEST\nIt answers.\n{BODY}{BODY}", "8: this block is a second one of SQL, the first is in line 5"),
        (f"## TEST\nIt answers.\n### SQL\n{BODY}### SQL\n{BODY}", "10: this block is a second one of SQL, the first"),
        (f"## TEST\nIt answers.\n{BODY}And more.\n", "8: 'And more.' stands below the test's block and belongs to"),
        (f"## TEST\nIt answers.\n### SQL\nNow:\n{BODY}", "6: 'Now:' stands between '### SQL' and its block and belong"),
        ("## TEST\nIt answers.\n### SQL\n", "5: no block stands below '### SQL': write the SQL between two '```'"),
        (f"## TEST\nIt answers.\n### SQL now\n{BODY}", "5: 'now' cannot stand behind '### SQL': remove it, or write"),
        (f"## TEST\nIt answers.\n### SQL [skip]\n{BODY}", "5: the mark '[skip]' is not known in this title: known are"),
        (f"## TEST\nIt answers.\n### SQL [rows: few]\n{BODY}", "5: the mark '[rows: few]' needs a whole number, as in"),
        (f"## TEST\nIt answers.\n## SQL\n{BODY}", "5: '## SQL' needs three '#' inside a test: write '### SQL'"),
        (f"## TEST\nIt answers.\n#### SQL\n{BODY}", "5: '#### SQL' needs three '#' inside a test: write '### SQL'"),
        (f"## TEST\nIt answers.\n{BODY}#### SQL\nIt did.\n{BODY}", "8: '#### SQL' begins an assertion, and must stand"),
        (f"## TEST\nIt answers.\n{BODY}### NOTES\nSome.\n", "8: '### NOTES' is not known inside a test: known are"),
        (f"## TEST\nIt answers.\n#### Why\n{BODY}", "5: '#### Why' is not known inside a test: known are ### SQL"),
        (f"## TEST\nIt answers.\n{BODY}### ASSERTIONS\n#### COMPARE QUERIES\n", "9: '#### COMPARE QUERIES' is not kno"),
        (f"## TEST\nIt answers.\n{BODY}### DATA\n|A|\n|-|\n|1|\n", "8: '### DATA' belongs to tests of a routine, whos"),
        (f"## TEST\nIt answers.\n{BODY}### TEST CASE\n", "8: '### TEST CASE' is not known inside a test"),
        (f"## TEST\nIt answers.\n{BODY}ERROR\n-----\n", "8: 'ERROR' stands below the test's block"),
        (f"## TEST\nERROR\n--\n{BODY}", "4: titles cannot be underlined here: write '### ERROR'"),
        (f"## TEST\nERROR\n-----\n{BODY}", "4: titles cannot be underlined here: write '### ERROR'"),
        ("## TEST\nIt answers.\n```\nSELECT 1;\n", "5: this block is never closed: write '```' on a line of its own"),
        ("## TEST\nIt answers.\n~~~~\nSELECT 1;\n~~~\n", "5: this block is never closed: write '~~~~' on a line of it"),
        ("## TEST\nIt answers.\n```SELECT 1;\n```\n", "5: 'SELECT 1;' stands behind the fence, where editors expect"),
        ("## TEST\nIt answers.\n```BEGIN\nNULL; END;\n```\n", "5: 'BEGIN' stands behind the fence, where editors"),
        ("## TEST\nIt answers.\n```f(1)\nNULL; END;\n```\n", "5: 'f(1)' stands behind the fence, where editors"),
        ("## TEST\nIt answers.\n```SELECT 1;\nSELECT 2;```\n", "6: the closing fence '```' must stand on a line of it"),
        ("## TEST\nIt answers.\n```SELECT `a`\nFROM b;\n```\n", "5: 'SELECT `a`' stands behind the fence"),
        (f"## TEST\nIt answers. ```\n{BODY}", "4: the fence '```' must begin a line of its own"),
        ("## TEST\nIt answers.\n```\nSELECT 1;\n### ASSERTION\nAnd\n```sql\n1\n```\n", "9: a fence begins here, but"),
        (f"## TEST\nIt answers.\n{BODY}<!-- never\n### ERROR\n", "8: this comment is never closed: write '-->' where"),
        ("## TEST\nIt answers.\n```\nSELECT '\0';\n```\n", "6: U+0000 is no character that a database takes: remove i"),
    ],
)  # fmt: skip
def test_a_malformed_test_is_reported_with_its_line(text: str, problem: str) -> None:
    """Each time with what would be right."""
    found = problems_of(text)
    assert [line for line in found if line.startswith(problem)], found


def test_a_title_without_its_block_is_one_problem() -> None:
    """And not a second one that there is no body."""
    assert len(problems_of("## TEST\nIt answers.\n### SQL\n")) == 1


def test_lines_of_one_text_are_reported_once() -> None:
    """At the first of them; a block between them begins another."""
    found = problems_of(f"## TEST\nIt answers.\n{BODY}More.\nAnd more.\n\n```2```\nEven more.\nStill.\n")
    assert [int(line.partition(":")[0]) for line in found] == [8, 11, 12]


def test_a_section_ends_the_assertions_above_it() -> None:
    """A title with four hashes does not reach over it."""
    found = problems_of(
        f"## TEST\nIt answers.\n{BODY}### ASSERTIONS\na\n```1```\n### BEFORE\n- b\n#### SQL\nc\n```2```\n"
    )
    assert len(found) == 1
    assert found[0].startswith("13: '#### SQL' begins an assertion, and must stand below '### ASSERTIONS'")


def test_a_closing_fence_at_the_end_of_a_line_closes_the_block() -> None:
    """It is reported, and what stands below it is read as what it is."""
    test = only_test(
        f"## TEST\nIt answers.\n{BODY}### ASSERTION\nIt did.\n```\nSELECT 2;\nSELECT 3;```\n"
        f"### ASSERTION\nAgain.\n{BODY}"
    )
    assert [str(problem) for problem in test.problems] == [
        f"{FILE}:12: the closing fence '```' must stand on a line of its own"
    ]
    assert [check.sql.text for check in test.checks] == ["SELECT 2;\nSELECT 3;", "SELECT 1;"]


def test_a_block_that_is_not_closed_is_reported_once() -> None:
    """However many fences it swallows; what is in it stays in it."""
    text = "```\n1\n### ASSERTION\nIt did.\n```sql\n2\n### ASSERTION\nAgain.\n```sql\n3\n```\n"
    found = problems_of(f"## TEST\nIt answers.\n{text}")
    assert len(found) == 1
    assert found[0].startswith("9: a fence begins here, but the block of line 5 is still open: write '```' on a line")


def test_a_malformed_test_does_not_spoil_the_others() -> None:
    """They are found, in the order of the file, with the lines that are theirs."""
    text = f"## TEST\nFirst.\n{BODY}\n## TEST\n## TEST\nLast.\n{BODY}"
    case = parse_test_case(HEADER + text, FILE)
    assert [(test.name, test.place.line, test.end_line, bool(test.problems)) for test in case.tests] == [
        ("First.", 3, 8, False),
        ("Untitled test", 9, 9, True),
        ("Last.", 10, 14, False),
    ]


@pytest.mark.parametrize("title", ["### ASSERTION", "### assertion:", "### ASSERTIONS", "### ASSERTIONS\n#### SQL"])
def test_both_forms_of_assertions_are_understood(title: str) -> None:
    """The singular of the announcement, and the plural of the manual, with its first inner title or without."""
    test = only_test(f"## TEST\nIt answers.\n{BODY}{title}\nIt\ndid.\n```sql\nSELECT 2;\n```\n")
    assert test.problems == ()
    assert [(check.description, check.sql.text) for check in test.checks] == [("It did.", "SELECT 2;")]


def test_assertions_may_be_repeated_in_all_forms() -> None:
    """Their order stays, and names and marks may stand in their titles."""
    test = only_test(
        f"## TEST\nIt answers.\n{BODY}"
        "### ASSERTION One [true]\n```\n1\n```\n"
        "### ASSERTION [rows: 0]\nTwo\n#### SQL [true]\n```\n2\n```\n"
        "### ASSERTIONS\nThree\n```\n3\n```\n#### SQL Four [rows: 2]\n```\n4\n```\n#### SQL\nFive\n```5```\n"
        "### ASSERTION\nSix\n```\n6\n```\n#### SQL Seven\n```\n7\n```\n"
    )
    assert test.problems == ()
    assert list(test.checks) == [
        Check("One", Sql("1", at(10)), at(8), is_true=True),
        Check("Two", Sql("2", at(16)), at(12), rows=0, is_true=True),
        Check("Three", Sql("3", at(21)), at(19)),
        Check("Four", Sql("4", at(25)), at(23), rows=2),
        Check("Five", Sql("5", at(29)), at(27)),
        Check("Six", Sql("6", at(33)), at(30)),
        Check("Seven", Sql("7", at(37)), at(35)),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"### ASSERTION\n{BODY}", "8: the assertion '### ASSERTION' has no description: write what it asserts"),
        (f"### ASSERTIONS\n#### SQL\n{BODY}", "9: the assertion '#### SQL' has no description"),
        ("### ASSERTION\nIt did.\n", "8: the assertion '### ASSERTION' has no SQL: write it in a block between"),
        ("### ASSERTIONS\n#### SQL\nIt did.\n    SELECT 1\n", "9: the assertion '#### SQL' has no SQL"),
        ("### ASSERTIONS\nAll of them:\n#### SQL\nIt did.\n```1```\n", "9: the assertion '### ASSERTIONS' has no SQL"),
        ("### ASSERTIONS\n#### SQL\nOne.\n#### SQL\nTwo.\n```1```\n", "9: the assertion '#### SQL' has no SQL"),
        ("### ASSERTION\nIt did.\n```\n\n```\n", "10: the assertion is blank: its block holds no SQL"),
        (
            f"### ASSERTION\nIt did.\n{BODY}{BODY}",
            "13: this block is a second one of the assertion of line 8: each has",
        ),
        (f"### ASSERTION\nIt did.\n{BODY}So.\n", "13: 'So.' stands below the block of the assertion of line 8 and"),
        ("### ASSERTIONS\n", "8: no assertion stands below '### ASSERTIONS': write '#### SQL', a description and one"),
        ("### ASSERTIONS\n### BEFORE\n- One\n", "8: no assertion stands below '### ASSERTIONS'"),
        (f"### ASSERTIONS It did\n#### SQL b\n{BODY}", "8: 'It did' cannot stand behind '### ASSERTIONS': write it"),
        (
            f"### ASSERTIONS [true]\n#### SQL b\n{BODY}",
            "8: the mark '[true]' is not known in this title: there are none",
        ),
        (
            f"### ASSERTION [skip]\nIt did.\n{BODY}",
            "8: the mark '[skip]' is not known in this title: known are [rows: 3]",
        ),
        (f"## ASSERTION\nIt did.\n{BODY}", "8: '## ASSERTION' needs three '#' inside a test: write '### ASSERTION'"),
        (f"### ASSERTIONS\n##### SQL\nIt did.\n{BODY}", "9: '##### SQL' needs four '#': write '#### SQL'"),
        (f"### ASSERTIONS\n### SQL\nIt did.\n{BODY}", "11: this block is a second one of SQL, the first is in line 5"),
    ],
)
def test_a_malformed_assertion_is_reported_with_its_line(text: str, problem: str) -> None:
    """The test fails then, and is not run."""
    found = problems_of(f"## TEST\nIt answers.\n{BODY}{text}")
    assert [line for line in found if line.startswith(problem)], found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("### ERROR\n", ExpectedError("", None, at(8))),
        ("### ERROR\nany\n", ExpectedError("any", None, at(8))),
        ("### Error [sqlstate: 23505]\n", ExpectedError("", "23505", at(8))),
        (
            "### ERROR[SQLSTATE:P0001]\n\nduplicate  key\nin |it|\n",
            ExpectedError("duplicate key in |it|", "P0001", at(8)),
        ),
    ],
)
def test_a_body_may_be_expected_to_raise_an_error(text: str, error: ExpectedError) -> None:
    """By a text, a state, both or any."""
    test = only_test(f"## TEST\nIt answers.\n{BODY}{text}")
    assert (test.expected_error, test.problems) == (error, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("### ERROR\n### ERROR\n", "9: '### ERROR' is given twice: the first is in line 8"),
        (
            "### ERROR duplicate key\n",
            "8: 'duplicate key' cannot stand behind '### ERROR': remove it, or write it below",
        ),
        ("### ERROR [sqlstate: 2350]\n", "8: the mark '[sqlstate: 2350]' needs five digits or capital letters"),
        ("### ERROR [sqlstate]\n", "8: the mark '[sqlstate]' needs five digits or capital letters"),
        ("### ERROR [skip]\n", "8: the mark '[skip]' is not known in this title: known are [sqlstate: 23505]"),
        ("### ERROR\n```\nduplicate\n```\n", "9: only the text of the error stands below '### ERROR', without a block"),
        ("#### ERROR\nany\n", "8: '#### ERROR' needs three '#' inside a test: write '### ERROR'"),
    ],
)
def test_a_malformed_expected_error_is_reported_with_its_line(text: str, problem: str) -> None:
    """Rather than taken for any error."""
    found = problems_of(f"## TEST\nIt answers.\n{BODY}{text}")
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_a_body_that_raises_an_error_has_no_rows() -> None:
    """One of the two expectations would never be looked at."""
    found = problems_of(f"## TEST\nIt fails.\n### SQL [rows: 1]\n{BODY}### ERROR\nany\n")
    assert found == ["9: a body that must raise an error has no rows: remove '### ERROR' or '[rows: …]'"]


def test_the_rows_of_a_body_may_be_expected() -> None:
    """By a mark of its title."""
    test = only_test(f"## TEST\nIt answers.\n### SQL [Rows: 12]\n{BODY}")
    assert (test.body_rows, test.problems) == (12, ())


def test_an_expected_result_is_a_query_and_a_table() -> None:
    """With a description or without, ordered or not, with rows or none; repeated."""
    test = only_test(
        f"## TEST\nIt answers.\n{BODY}"
        "### RESULT\nBoth\nare there.\n```sql\nSELECT 1\n```\n\n| a | b |\n|---|:-:|\n| 1 | x\\|y |\n| __NULL__ | |\n"
        "### RESULT None [ANY  ORDER]\n```\nSELECT 2\n```\na | b\n--- | ---\n"
    )
    assert test.problems == ()
    both = Table(("a", "b"), (Row(("1", "x|y"), at(17)), Row(("__NULL__", ""), at(18))), at(15))
    assert list(test.results) == [
        ExpectedResult("Both are there.", Sql("SELECT 1", at(12)), both, at(8)),
        ExpectedResult("None", Sql("SELECT 2", at(21)), Table(("a", "b"), (), at(23)), at(19), ordered=False),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "### RESULT\n|a|\n|-|\n",
            "8: no query stands below '### RESULT': write it between two '```', above the table",
        ),
        ("### RESULT\n|a|\n|-|\n```1```\n", "8: no table stands below the block of '### RESULT': write the columns"),
        ("### RESULT\n```\n```\n|a|\n|-|\n", "9: the block below '### RESULT' holds no query"),
        ("### RESULT\n```1```\n---\n", "8: no table stands below the block of '### RESULT'"),
        (
            "### RESULT\n```1```\nNothing\n",
            "10: expected a table, whose cells are separated by '|', but found 'Nothing'",
        ),
        (
            "### RESULT\n```1```\n```2```\n|a|\n|-|\n",
            "10: this is a second block below '### RESULT': write '### RESULT'",
        ),
        ("### RESULT\n```1```\n|a|\n|-|\n```2```\n", "12: this is a second block below '### RESULT'"),
        ("### RESULT\n```1```\n|a|A|\n|-|-|\n", "10: the column 'A' is given twice: case does not count"),
        ("### RESULT\n```1```\n|a|\n|-|\n|1|2|\n", "12: row 1 of the table has 2 cells, but its header has 1: a pipe"),
        ("### RESULT\n```1```\n|a|\n|-|\n|=SHA256:12=|\n", "12: row 1 of the table: '=SHA256:12=' is no digest"),
        ("### RESULT\n```1```\n|a|\n|-|\n|=file:x=|\n", "12: row 1 of the table: '=file:x=' names no file: expected"),
        (
            "### RESULT [unordered]\n```1```\n|a|\n|-|\n",
            "8: the mark '[unordered]' is not known in this title: known are",
        ),
        ("## RESULT\n```1```\n|a|\n|-|\n", "8: '## RESULT' needs three '#' inside a test: write '### RESULT'"),
        ("### RESULTS\n```1```\n|a|\n|-|\n", "8: '### RESULTS' is not known inside a test"),
    ],
)
def test_a_malformed_expected_result_is_reported_with_its_line(text: str, problem: str) -> None:
    """With the row, where it is one."""
    found = problems_of(f"## TEST\nIt answers.\n{BODY}{text}")
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_a_test_may_have_fixtures_of_its_own() -> None:
    """Before and after it, anywhere among its sections."""
    test = only_test(f"## TEST\nIt answers.\n### Before\n- One\n* Two\n### SQL\n{BODY}### AFTER\n\n- Three\n")
    assert test.problems == ()
    assert test.before == (FixtureReference("One", at(6)), FixtureReference("Two", at(7)))
    assert test.after == (FixtureReference("Three", at(14)),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("### BEFORE\nOne\n", "9: 'One' is no item of a list: below '### BEFORE' write '- name' for each fixture"),
        ("### BEFORE\n- One\n### BEFORE\n- Two\n", "10: '### BEFORE' is given twice: the first is in line 8"),
        ("## BEFORE\n- One\n", "8: '## BEFORE' needs three '#' inside a test: write '### BEFORE'"),
        ("### BEFORE THIS\n- One\n", "8: '### BEFORE THIS' is not known inside a test: known are"),
        (
            "### BEFORE EACH TEST\n- One\n",
            "8: '### BEFORE EACH TEST' is about all tests and must stand above the first",
        ),
    ],
)
def test_malformed_fixtures_of_a_test_are_reported_with_their_line(text: str, problem: str) -> None:
    """As those of the whole test case are."""
    found = problems_of(f"## TEST\nIt answers.\n{BODY}{text}")
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_the_announced_generic_example_is_understood() -> None:
    """A body and assertions in the singular, each a block of PL/pgSQL with dollar quotes; no blank line anywhere."""
    text = """# TEST CASE
Paying from a balance
## TEST
Pays from a balance that is high enough
```
DO $$
BEGIN
  DELETE FROM payments;
  UPDATE balances SET amount = 70 WHERE customer = 9;
  PERFORM pay(9, 70);
END
$$;
```
### ASSERTION
Nothing should be left
```
DO $$
BEGIN
  IF (SELECT amount FROM balances WHERE customer = 9) <> 0 THEN
    RAISE EXCEPTION 'something is left';
  END IF;
END
$$;
```
### ASSERTION
The payment should be written down
```
DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM payments WHERE amount = -70) THEN
    RAISE EXCEPTION 'no such payment';
  END IF;
END
$$ LANGUAGE plpgsql;
```
"""
    case = parse_test_case(text, FILE)
    assert (case.name, case.routine, case.problems) == ("Paying from a balance", None, ())
    (test,) = case.tests
    assert (test.name, test.problems) == ("Pays from a balance that is high enough", ())
    assert test.body is not None
    assert test.body.text.startswith("DO $$\nBEGIN\n  DELETE FROM payments;")
    assert test.body.text.endswith("END\n$$;")
    assert [check.description for check in test.checks] == [
        "Nothing should be left",
        "The payment should be written down",
    ]
    assert [check.sql.text.splitlines()[-1] for check in test.checks] == ["$$;", "$$ LANGUAGE plpgsql;"]
