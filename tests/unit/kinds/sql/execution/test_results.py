"""Rows of a query against those of a table."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.base import Kind, Rows, Value
from testrun_operator.kinds.sql.document import ExpectedResult, Place, Row, Sql, Table
from testrun_operator.kinds.sql.execution.cells import Cells
from testrun_operator.kinds.sql.execution.comparing import digest_of
from testrun_operator.kinds.sql.execution.judging import Fault
from testrun_operator.kinds.sql.execution.results import judge_result
from testrun_operator.kinds.sql.project.model import Project

CELLS = Cells(Project("project", (), data={"tests/long.txt": b"long"}), "tests/a.stt")
PLACE = Place("tests/a.stt", 10)


def judge(
    columns: Sequence[str],
    wanted: Sequence[Sequence[str]],
    names: Sequence[str],
    received: Sequence[Sequence[Value | str | int | None]],
    *,
    ordered: bool = True,
) -> Fault | None:
    """Compare rows; numbers are numbers."""
    table = Table(
        tuple(columns), tuple(Row(tuple(row), Place("tests/a.stt", 20 + at)) for at, row in enumerate(wanted)), PLACE
    )
    rows = tuple(tuple(as_value(value) for value in row) for row in received)
    return judge_result(ExpectedResult("d", Sql("q", PLACE), table, PLACE, ordered), Rows(tuple(names), rows), CELLS)


def as_value(value: Value | str | int | None) -> Value:
    """Make a value."""
    if isinstance(value, Value):
        return value
    return Value(str(value), Kind.NUMBER) if isinstance(value, int) else Value(value)


def message(fault: Fault | None) -> str:
    """Return what is wrong."""
    assert fault is not None
    return fault.message


def test_the_same_rows_are_the_same() -> None:
    """Numbers as numbers, NULL as NULL, columns by name whatever their case and order."""
    assert judge(["A", "b"], [["1.0", "x"], ["__NULL__", ""]], ["b", "a"], [["x", 1], ["", None]]) is None
    assert judge(["a"], [], ["a"], []) is None


def test_a_row_that_differs_is_named_with_its_column() -> None:
    """And its line in the file is the place."""
    fault = judge(["a", "b"], [["1", "x"], ["2", "y"]], ["a", "b"], [[1, "x"], [2, "z"]])
    assert message(fault) == "Row 2: expected value 'y' in the column b, but received 'z'"
    assert fault is not None
    assert fault.place == Place("tests/a.stt", 21)


def test_rows_that_are_missing_or_too_many_are_shown() -> None:
    """After the numbers of both."""
    assert message(judge(["a"], [["1"], ["2"]], ["a"], [[1]])) == (
        "Expected 2 rows, but received 1\nRow 2: expected ('2'), but there was none"
    )
    assert message(judge(["a"], [], ["a"], [[1]])) == (
        "Expected 0 rows, but received 1\nRow 1: expected none, but received ('1')"
    )


def test_only_the_first_differences_are_shown() -> None:
    """A query may return a million rows."""
    received = [[number] for number in range(100_000)]
    text = message(judge(["a"], [["x"]] * 50, ["a"], received))
    assert text.startswith("Expected 50 rows, but received 100000\nRow 1: ")
    assert text.endswith("\nand more")
    assert text.count("\n") == 6


@pytest.mark.parametrize(
    ("columns", "names", "parts"),
    [
        (["a", "b"], ["a"], ("Expected the columns a, b, but received a", "the query returns no column b")),
        (["a"], ["a", "b"], ("the table has no column b",)),
        (["a", "c"], ["a", "b"], ("the query returns no column c", "the table has no column b")),
        (["a"], ["a", "A"], ("more than one column a", "AS")),
    ],
)
def test_columns_must_be_the_same(columns: list[str], names: list[str], parts: tuple[str, ...]) -> None:
    """No column of the query is left out without a word."""
    text = message(judge(columns, [], names, []))
    assert all(part in text for part in parts)


def test_in_any_order_rows_are_counted() -> None:
    """Twice is not once."""
    wanted, names = [["1", "x"], ["2", "y"], ["1", "x"]], ["a", "b"]
    assert judge(names, wanted, names, [[2, "y"], [1, "x"], [1, "x"]], ordered=False) is None
    text = message(judge(names, wanted, names, [[2, "y"], [1, "x"], [2, "y"]], ordered=False))
    assert text == "Expected the row ('1', 'x'), but there was none\nExpected no row ('2', 'y'), but there was one"


def test_in_any_order_a_row_may_have_a_digest_or_a_file() -> None:
    """They are looked for among the rows that are left."""
    digest = digest_of(Value("secret"))
    wanted = [[f"=SHA256:{digest}="], ["=FILE:long.txt="], ["x"]]
    assert judge(["a"], wanted, ["a"], [["x"], ["long"], ["secret"]], ordered=False) is None
    text = message(judge(["a"], wanted, ["a"], [["x"], ["long"], ["public"]], ordered=False))
    assert text.endswith("Expected no row ('public'), but there was one")


values = st.none() | st.integers(min_value=0, max_value=3) | st.sampled_from(["x", "y", ""])


def as_cell(value: str | int | None) -> str:
    """Write a value as an author does."""
    return "__NULL__" if value is None else f"{value}.0" if isinstance(value, int) else value


@given(st.lists(st.tuples(values, values), max_size=8), st.randoms())
def test_any_order_means_any_order(rows: list[tuple[str | int | None, ...]], random: object) -> None:
    """Also where a column has values of several kinds."""
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    wanted = [[as_cell(value) for value in row] for row in rows]
    assert judge(["a", "b"], wanted, ["a", "b"], shuffled, ordered=False) is None
    assert judge(["a", "b"], wanted, ["a", "b"], rows) is None


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_other_rows_are_another_result(wanted: list[int], received: list[int]) -> None:
    """In their order if it counts, by their number in any case."""
    cells = [[f"{number}"] for number in wanted]
    rows = [[number] for number in received]
    assert (judge(["a"], cells, ["a"], rows) is None) is (wanted == received)
    assert (judge(["a"], cells, ["a"], rows, ordered=False) is None) is (sorted(wanted) == sorted(received))


def test_many_rows_in_any_order_take_time_in_proportion_to_their_number() -> None:
    """Pairs are found by keys, not by trying all of them: 40,000 rows would take hours."""
    numbers = list(range(40_000))
    assert judge(["a"], [[str(n)] for n in reversed(numbers)], ["a"], [[n] for n in numbers], ordered=False) is None
