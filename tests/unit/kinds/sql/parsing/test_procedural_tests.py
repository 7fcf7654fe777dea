"""Tests that call a routine with the rows of a table."""

import pytest

from testrun_operator.kinds.sql.document import Check, Place, Row, Sql, Table
from testrun_operator.kinds.sql.document import Test as ParsedTest
from testrun_operator.kinds.sql.parsing.parser import parse_test_case

FILE = "tests/divide.stt"
DIGEST = "0123456789abcdefABCDEF" + "0" * 42


def at(line: int) -> Place:
    """Return a place in the file."""
    return Place(FILE, line)


def only_test(text: str) -> ParsedTest:
    """Return the test of a file that has one; what stands below ``### DATA`` begins in line 6."""
    case = parse_test_case(f"# TEST CASE DIVIDE\nDivision.\n## TEST\nIt divides.\n### DATA\n{text}", FILE)
    assert (case.problems, len(case.tests), case.routine) == ((), 1, "DIVIDE")
    return case.tests[0]


def problems_of(text: str) -> list[str]:
    """Return the problems of the only test, as ``line: message``."""
    test = only_test(text)
    assert (test.data is None) == bool(test.problems)
    return [f"{problem.place.line}: {problem.message}" for problem in test.problems]


TWO_ROWS = Table(("A", "B$"), (Row(("1", "x"), at(8)), Row(("", "y z"), at(9))), at(6))


@pytest.mark.parametrize(
    "table",
    [
        "|A|B$|\n|-|-|\n|1|x|\n||y z|\n",
        "| A | B$ |\n|--:|:--|\n| 1 | x |\n|  |  y z  |\n",
        "| A | B$ |\n| --- | :---: |\n| 1 | x |\n|   | y z |\n",
        "| A | B$\n| - | -\n| 1 | x\n| | y z\n",
        "|A|B$|\n|-|\n|1|x|\n||y z|\n",
        "|A|B$|\n|:-|-:|-|-|\n|1|x|\n||y z|\n",
        "|A|B$|\n|::|-|\n|1|x|\n||y z|\n",
        "    |A|B$|\n    |-|-|\n    |1|x|\n\t||y z|  ",
        "|A|B$|<!-- a -->\n|-|-|\n|1|x|<!-- b --> <!-- c -->\n||y z|\n",
    ],
)
def test_a_table_may_be_written_in_many_ways(table: str) -> None:
    """Aligned or not, indented, with blanks in the separator, without pipes at the end."""
    test = only_test(table)
    assert (test.data, test.problems, test.body) == (TWO_ROWS, (), None)


def test_pipes_at_both_ends_may_be_left_out() -> None:
    """As in other Markdown; a cell at the beginning of such a row cannot be empty."""
    assert only_test("A | B$\n--|--\n1 | x\n2 | y z\n").data == Table(
        ("A", "B$"), (Row(("1", "x"), at(8)), Row(("2", "y z"), at(9))), at(6)
    )


@pytest.mark.parametrize("between", ["\n", "\n\n", "<!-- two\nrows -->\n", "---\n", "\n \t\n<!-- a -->\n"])
def test_blank_lines_comments_and_rules_may_stand_above_and_below_a_table(between: str) -> None:
    """They mean nothing there."""
    test = only_test(f"{between}|A|\n|-|\n|1|\n{between}")
    assert test.problems == ()
    assert test.data is not None
    assert [row.cells for row in test.data.rows] == [("1",)]


def test_a_row_may_be_turned_into_a_comment() -> None:
    """Then it is not there."""
    test = only_test("|A|\n|-|\n|1|\n<!-- |2| -->\n<!--\n|3|\n\n|4|\n-->\n|5|\n")
    assert test.data == Table(("A",), (Row(("1",), at(8)), Row(("5",), at(15))), at(6))


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("a \\| b", "a | b"),
        ("\\|", "|"),
        ("\\|\\|", "||"),
        ("C:\\temp\\", "C:\\temp\\"),
        ("<!-- kept -->", "<!-- kept -->"),
        ("a ```b``` c", "a ```b``` c"),
        ("```", "```"),
        ("a ```b", "a ```b"),
        ("*a* `b` [c](d) &amp;", "*a* `b` [c](d) &amp;"),
        ("# TEST CASE", "# TEST CASE"),
        ("__NULL__", "__NULL__"),
        ("__null__", "__null__"),
        ("=1+1", "=1+1"),
        ("=A:B=", "=A:B="),
        ("any", "any"),
        ("=FILE:notes/long text.txt=", "=FILE:notes/long text.txt="),
        ("\N{NO-BREAK SPACE}a\N{NO-BREAK SPACE}b ", "a\N{NO-BREAK SPACE}b"),
    ],
)
def test_a_cell_is_taken_as_it_is(written: str, cell: str) -> None:
    """Except for the blanks around it and the backslash in front of a pipe; Markdown in it means nothing."""
    test = only_test(f"| A | B |\n|---|---|\n| {written} | 2 |\n")
    assert test.problems == ()
    assert test.data is not None
    assert test.data.rows[0].cells == (cell, "2")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "5: expected a table below '### DATA', but nothing stands there"),
        ("\n<!-- |A| -->\n---\n", "5: expected a table below '### DATA', but nothing stands there"),
        (
            "Some numbers\n|A|\n|-|\n|1|\n",
            "6: expected a table, whose cells are separated by '|', but found 'Some numbers'",
        ),
        ("|A|B|\n|1|2|\n", "6: the table has no line '|---|---|' below its header row"),
        ("|A|B|\n", "6: the table has no line '|---|---|' below its header row"),
        ("|A|B|\n\n|-|-|\n|1|2|\n", "6: the table has no line '|---|---|' below its header row"),
        ("|A|B|\n|---+---|\n|1|2|\n", "6: the table has no line '|---|---|' below its header row"),
        ("|A|B|\n|-|-|\n", "6: the table below '### DATA' has no rows: each row is one call, write at least one"),
        ("|A|B|\n|-|-|\n|1|\n|1|2|\n", "8: row 1 of the table has 1 cell, but its header has 2: an empty cell needs"),
        ("|A|B|\n|-|-|\n|1|2|\n|1|2|3|\n", "9: row 2 of the table has 3 cells, but its header has 2: a pipe in a cell"),
        ("|A|B|\n|-|-|\n|\n", "8: row 1 of the table has 0 cells, but its header has 2"),
        ("|A|B|\n|-|-|\n|1|2|\n\n|3|4|\n", "10: row 2 of the table is cut off from it: no blank line, and nothing"),
        ("|A|B|\n|-|-|\n\n|3|4|\n", "9: row 1 of the table is cut off from it"),
        ("|A|B|\n|-|-|\n|1|2|\n---\n|3|4|\n", "10: row 3 of the table is cut off from it"),
        ("|A|B|\n|-|-|\n|1|2|\nAnd so on.\nAnd on.\n", "9: 'And so on.' stands below the table and belongs to nothing"),
        ("|A|B|\n|-|-|\n|1|2|\n\nAnd so on.\n", "10: 'And so on.' stands below the table and belongs to nothing"),
        ("|A||\n|-|-|\n|1|2|\n", "6: column 2 of the table has no name"),
        ("|\n|-|\n|1|\n", "6: the table's header row has no column"),
        ("|A|a|\n|-|-|\n|1|2|\n", "6: the column 'a' is given twice: case does not count"),
        ("|A|$|\n|-|-|\n|1|2|\n", "6: the column '$' has no name in front of the '$'"),
        (
            "|A|=SPEED=|\n|-|-|\n|1|2|\n",
            "6: the column '=SPEED=' is not known: known with '=' are =ERROR=, =SQLSTATE=,",
        ),
        ("|A|=ERROR|\n|-|-|\n|1|2|\n", "6: the column '=ERROR' is not known"),
        ("|A|= ERROR =|\n|-|-|\n|1|2|\n", "6: the column '= ERROR =' is not known"),
        ("|A|=ERROR=$|\n|-|-|\n|1|2|\n", "6: the column '=ERROR=$' is not known"),
        ("|A|==|\n|-|-|\n|1|2|\n", "6: the column '==' is not known"),
        ("|return$|=Return=|\n|-|-|\n|1|2|\n", "6: =RETURN= and RETURN$ are the same: leave one of the columns out"),
        ("|A|=SQLSTATE=|\n|-|-|\n|1|2200|\n", "8: row 1 of the table: '2200' is no SQLSTATE: expected five digits or"),
        ("|A|=sqlstate=|\n|-|-|\n|1|p0001|\n", "8: row 1 of the table: 'p0001' is no SQLSTATE"),
        ("|A|=SQLSTATE=|\n|-|-|\n|1|__NULL__|\n", "8: row 1 of the table: '__NULL__' is no SQLSTATE"),
        ("|A|=ROWS=|\n|-|-|\n|1|2|\n|1|few|\n", "9: row 2 of the table: 'few' is no number of rows: expected a whole"),
        ("|A|=ROWS=|\n|-|-|\n|1|-1|\n", "8: row 1 of the table: '-1' is no number of rows"),
        ("|A|B$|\n|-|-|\n|1|=SHA256:abc=|\n", "8: row 1 of the table: '=SHA256:abc=' is no digest: expected =SHA256:"),
        (f"|A|B$|\n|-|-|\n|1|=sha256:{DIGEST}=|\n", "8: row 1 of the table: '=sha256:0123456789abcdef"),
        (f"|A|B$|\n|-|-|\n|=SHA256:{DIGEST}=|1|\n", "8: row 1 of the table: a digest can be expected, but not passed"),
        ("|A|B$|\n|-|-|\n|=FILE:=|1|\n", "8: row 1 of the table: '=FILE:=' names no file: expected =FILE:path=, with"),
        ("|A|B$|\n|-|-|\n|1|=FILE:notes.txt|\n", "8: row 1 of the table: '=FILE:notes.txt' names no file"),
        (
            "|A|\n|-|\n|1|\n```1```\n",
            "9: a block cannot stand below '### DATA': write '### ASSERTION' and a description",
        ),
        ("|A|\n|-|\n|1|\n### DATA\n|A|\n|-|\n|1|\n", "9: '### DATA' is given twice: the first is in line 5"),
        (
            "|A|\n|-|\n|1|\n### SQL\n```1```\n",
            "9: '### SQL' cannot stand in a test that calls a routine with the rows of",
        ),
        (
            "|A|\n|-|\n|1|\n### ERROR\nany\n",
            "9: '### ERROR' belongs to tests with a block of SQL: here, DATA has a column",
        ),
        (
            "|A|\n|-|\n|1|\n### NOTES\nany\n",
            "9: '### NOTES' is not known inside a test: known are ### DATA, ### ASSERTION",
        ),
        ("|A|\n|-|\n|1|\n### ASSERTIONS\n```1```\n", "10: the assertion '### ASSERTIONS' has no description"),
    ],
)
def test_a_malformed_table_is_reported_with_its_line(table: str, problem: str) -> None:
    """Where a row is wrong, with its number; the original died of most of these."""
    found = problems_of(table)
    assert [line for line in found if line.startswith(problem)], found


def test_each_row_that_is_wrong_is_reported_and_each_text_once() -> None:
    """With the numbers that people count."""
    found = problems_of("|A|B|\n|-|-|\n|1|\n|1|2|\n|1|2|3|\nAnd so on.\nAnd on.\n|5|6|\n\n|7|8|\n")
    assert [line[:11] for line in found] == ["8: row 1 of", "10: row 3 o", "11: 'And so", "13: row 6 o", "15: row 7 o"]


def test_a_wide_table_gets_a_short_hint() -> None:
    """The separator that it lacks is not written out."""
    assert problems_of("|1|2|3|4|5|6|\n|1|2|3|4|5|6|\n") == [
        "6: the table has no line '|---|---|---|---|---|…' below its header row"
    ]
    assert problems_of("|1|2|3|4|5|\n") == ["6: the table has no line '|---|---|---|---|---|' below its header row"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## TEST\n### DATA\n|A|\n|-|\n|1|\n", "3: the test has no description"),
        ("## TEST\nIt divides.\n", "3: the test has no DATA section: write '### DATA' and a table whose rows call"),
        ("## TEST\nIt divides.\n|A|\n|-|\n|1|\n", "3: the test has no DATA section"),
        ("## TEST\nIt divides.\n```\n1\n```\n### DATA\n|A|\n|-|\n|1|\n", "5: a block of SQL cannot stand here, since"),
        ("## TEST\nIt divides.\n## DATA\n|A|\n|-|\n|1|\n", "5: '## DATA' needs three '#' inside a test"),
        ("## TEST\nIt divides.\n### DATA of mine\n|A|\n|-|\n|1|\n", "5: 'of mine' cannot stand behind '### DATA'"),
        (
            "## TEST\nIt divides.\n### DATA [any order]\n|A|\n|-|\n|1|\n",
            "5: the mark '[any order]' is not known in this",
        ),
        ("## TEST\nIt divides.\n###DATA\n|A|\n|-|\n|1|\n", "5: '###DATA' is no title in Markdown: write a blank"),
    ],
)
def test_a_malformed_procedural_test_is_reported_with_its_line(text: str, problem: str) -> None:
    """And has its name all the same."""
    (test,) = parse_test_case(f"# TEST CASE DIVIDE\nDivision.\n{text}", FILE).tests
    found = [f"{problem.place.line}: {problem.message}" for problem in test.problems]
    assert len(found) == 1, found
    assert found[0].startswith(problem)
    assert test.name == "Untitled test" if "description" in problem else test.name.startswith("It divides.")


def test_all_columns_that_are_known_may_stand_together() -> None:
    """In any case and any order; ERROR without the equals signs is an input."""
    table = (
        f"|return$|A|a$|=ERROR=|=sqlstate=|=Rows=|ERROR|\n|-|-|-|-|-|-|-|\n|1|2|3|zero|22012|0|x|\n"
        f"|=SHA256:{DIGEST}=|=FILE:a=|=FILE:b=|=SHA256:it=|any|||\n|__NULL__|__NULL__||ANY||17||\n"
    )
    test = only_test(table)
    assert test.problems == ()
    assert test.data is not None
    assert test.data.columns == ("return$", "A", "a$", "=ERROR=", "=sqlstate=", "=Rows=", "ERROR")
    assert [len(row.cells) for row in test.data.rows] == [7, 7, 7]


@pytest.mark.parametrize("column", ["B$", "RETURN$", "=RETURN=", "=return="])
def test_a_digest_may_be_expected(column: str) -> None:
    """Of each output, and of what a function returns."""
    test = only_test(f"|A|{column}|\n|-|-|\n|1|=SHA256:{DIGEST}=|\n")
    assert test.problems == ()


def test_assertions_results_and_fixtures_stand_below_the_table() -> None:
    """As in tests with SQL."""
    test = only_test(
        "|A|\n|-|\n|1|\n### ASSERTIONS\n#### SQL\nIt did.\n```\n1\n```\n### RESULT\n```2```\n|a|\n|-|\n"
        "### BEFORE\n- One\n### AFTER\n- Two\n"
    )
    assert test.problems == ()
    assert test.checks == (Check("It did.", Sql("1", at(13)), at(10)),)
    assert [result.sql.text for result in test.results] == ["2"]
    assert [fixture.name for fixture in (*test.before, *test.after)] == ["One", "Two"]


def test_the_announced_procedural_example_is_understood() -> None:
    """Division with whole results, and division by zero with an expected error."""
    text = """# TEST CASE DIVIDE
It divides one number by another
## TEST
Results are whole
### DATA
|A         |B         |RESULT$   |=ERROR=|
|---------:|---------:|---------:|-------|
| 1        | 1        | 1        |       |
| 58       | 2        | 29       |       |
## TEST
Zero divides nothing
### DATA
|A         |B         |RESULT$   |=ERROR=|
|---------:|---------:|---------:|-------|
| 1243     | 0        |          |  zero |
"""
    case = parse_test_case(text, FILE)
    assert (case.name, case.routine, case.problems) == ("It divides one number by another", "DIVIDE", ())
    assert [test.problems for test in case.tests] == [(), ()]
    whole, zero = case.tests
    columns = ("A", "B", "RESULT$", "=ERROR=")
    assert whole.data == Table(columns, (Row(("1", "1", "1", ""), at(8)), Row(("58", "2", "29", ""), at(9))), at(6))
    assert zero.data == Table(columns, (Row(("1243", "0", "", "zero"), at(15)),), at(13))
