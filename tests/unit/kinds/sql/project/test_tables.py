"""A CSV fixture is a table, or is refused with the line at fault."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.project.model import File
from testrun_operator.kinds.sql.project.tables import TableMalformed, is_table, read_csv

PATH = "tests/fixtures/setup/users.csv"


def test_a_file_is_a_table_of_its_name() -> None:
    """The first line names the columns, with blanks around them or not; values keep theirs."""
    table = read_csv(File(PATH, 'id, name ,note\n1,Ann,"a ""b"",\nc"\n2, Bob ,\n3,__NULL__,"__NULL__"\n'))
    assert (table.table, table.columns) == ("users", ("id", "name", "note"))
    assert table.rows == (("1", "Ann", 'a "b",\nc'), ("2", " Bob ", ""), ("3", None, None))
    assert table.lines == (2, 4, 5)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tests/fixtures/setup/billing.users.csv", "billing.users"),
        ("tests/fixtures/setup/billing/Users.CSV", "Users"),
        ("users__.csv", "users__"),
    ],
)
def test_the_table_is_called_as_the_file(path: str, name: str) -> None:
    """Without its folders and its ending, in the author's spelling."""
    assert (read_csv(File(path, "a\n")).table, is_table(File(path, ""))) == (name, True)
    assert not is_table(File("tests/fixtures/setup/users.sql", ""))


@pytest.mark.parametrize("text", ["a,b\n1,2", "a,b\r\n1,2\r\n", "a,b\r1,2\r", "a,b\n1,2\n\n\n"])
def test_lines_end_as_they_like(text: str) -> None:
    """Of all systems, with a last one or without it, with empty lines at the end."""
    assert read_csv(File(PATH, text)).rows == (("1", "2"),)


def test_a_header_alone_is_a_table_without_rows() -> None:
    """Nothing is loaded then."""
    assert read_csv(File(PATH, "id\n")).rows == ()


def test_an_empty_text_can_be_the_only_value() -> None:
    """In quotes, so that it is not an empty line."""
    assert read_csv(File(PATH, 'id\n""\n')).rows == (("",),)


def test_a_value_may_be_large() -> None:
    """Larger than the limit that Python's reader has by itself."""
    assert read_csv(File(PATH, f"id\n{'x' * 1_000_000}\n")).rows == (("x" * 1_000_000,),)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is empty; the first line names the columns of the table"),
        ("\n1\n", 1, "is empty; the first line names the columns of the table"),
        ("a,,b\n", 1, "column 2 of the header has no name"),
        ("a,b,A\n", 1, "the header has the column 'A' twice"),
        ("a;b\n1;2\n", 1, "the header is one column, 'a;b'; columns are separated by commas"),
        ("a,b\n1,2\n3\n", 3, "has 1 value, and the header has 2 columns"),
        ("a,b\n1,2,3\n", 2, "has 3 values, and the header has 2 columns"),
        ('a,b\n"x\ny",2\n3\n', 4, "has 1 value, and the header has 2 columns"),
        ("a\n1\n\n2\n", 3, 'is empty; write "" for a row of one empty text, or remove the line'),
        ("a\n\n\n2\n", 2, 'is empty; write "" for a row of one empty text, or remove the line'),
        ('a,b\n1,2\n3,"x\ny\n', 3, "the row that begins here is not CSV: unexpected end of data"),
        ('a,b\n1,"x"y\n', 2, "the row that begins here is not CSV: ',' expected after '\"'"),
    ],
)
def test_what_is_no_table_is_refused(text: str, line: int, message: str) -> None:
    """With the line on which the row begins."""
    with pytest.raises(TableMalformed) as refused:
        read_csv(File(PATH, text))
    assert str(refused.value.problem) == f"{PATH}:{line}: {message}"


def test_a_file_that_could_not_be_read_is_no_table() -> None:
    """Its problem is handed on."""
    problem = Problem(Place(PATH, 2), "is not UTF-8")
    with pytest.raises(TableMalformed, match=r"users\.csv:2: is not UTF-8"):
        read_csv(File(PATH, "", problem))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=6), end=st.sampled_from(["\n", "\r\n"]))
def test_what_a_program_wrote_is_read_as_it_was(rows: list[tuple[str, str]], end: str) -> None:
    """Quotes, commas and ends of lines inside of values, too."""
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([("id", "name"), *rows])
    assert read_csv(File(PATH, stream.getvalue())).rows == tuple(rows)


@given(st.text(st.sampled_from('a,"\n\r 1'), max_size=30))
def test_any_text_is_a_table_or_is_refused(text: str) -> None:
    """And each row of a table fits its header."""
    try:
        table = read_csv(File(PATH, text))
    except TableMalformed:
        return
    assert {len(row) for row in table.rows} <= {len(table.columns)}
    assert len(table.lines) == len(table.rows)
