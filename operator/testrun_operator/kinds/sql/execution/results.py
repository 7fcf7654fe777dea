"""Compares the rows of a query with a table."""

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from typing import Final

from testrun_operator.databases.base import Kind, Rows, Value
from testrun_operator.kinds.sql.document import ExpectedResult
from testrun_operator.kinds.sql.execution.cells import Cells
from testrun_operator.kinds.sql.execution.comparing import Expected, find_difference, key_of, matches, show
from testrun_operator.kinds.sql.execution.judging import Fault, rows
from testrun_operator.kinds.sql.execution.texts import listed

_MAX_SHOWN: Final = 5
"""So many differing rows are told of."""


def judge_result(expected: ExpectedResult, actual: Rows, cells: Cells) -> Fault | None:
    """Compare the rows of a query with those that it must return.

    Args:
        expected: the section of the test.
        actual: what came.
        cells: reads the table's cells.

    Returns:
        None if they are the same. Columns are compared by name, case ignored; all of the query's must be in the table.

    Raises:
        CellUnreadable: the file of a cell cannot be used.
    """
    columns = expected.table.columns
    order, problem = _match_columns(columns, actual.columns)
    if problem:
        return Fault(problem, ", ".join(columns), ", ".join(actual.columns))
    wanted = [tuple(cells.read_expected(cell) for cell in row.cells) for row in expected.table.rows]
    received = [tuple(row[index] for index in order) for row in actual.rows]
    faults = _in_order(columns, wanted, received) if expected.ordered else _in_any_order(wanted, received)
    shown = list(islice(faults, _MAX_SHOWN + 1))
    if not shown:
        return None
    lines = [message for _, message in shown[:_MAX_SHOWN]]
    if len(shown) > _MAX_SHOWN:
        lines.append("and more")
    if len(wanted) != len(received):
        lines.insert(0, f"Expected {rows(len(wanted))}, but received {len(received)}")
    first = next((row for row, _ in shown if row is not None), None)
    place = None if first is None else expected.table.rows[first].place
    return Fault("\n".join(lines), rows(len(wanted)), rows(len(received)), place)


def _match_columns(wanted: Sequence[str], received: Sequence[str]) -> tuple[list[int], str]:
    """Return for each column of the table where it is among the query's, or what stands in the way."""
    folded = [name.casefold() for name in received]
    twice = [name for name, count in Counter(folded).items() if count > 1]
    if twice:
        return [], f"The query returns more than one column {listed(twice)}: give them different names with AS"
    missing = [name for name in wanted if name.casefold() not in folded]
    known = {name.casefold() for name in wanted}
    further = [name for name in received if name.casefold() not in known]
    if missing or further:
        problems = []
        if missing:
            problems.append(f"the query returns no column {listed(missing)}")
        if further:
            problems.append(f"the table has no column {listed(further)}")
        return [], f"Expected the columns {listed(wanted)}, but received {listed(received)}: {'; '.join(problems)}"
    return [folded.index(name.casefold()) for name in wanted], ""


_Told = tuple[int | None, str]
"""A row of the table, from 0, and what is wrong with it; None for a row that is only among those received."""


def _in_order(
    columns: Sequence[str], wanted: Sequence[tuple[Expected, ...]], received: Sequence[tuple[Value, ...]]
) -> Iterator[_Told]:
    for number, (expected, values) in enumerate(zip(wanted, received, strict=False), 1):
        for name, one, value in zip(columns, expected, values, strict=True):
            difference = find_difference(one, value)
            if difference is not None:
                what = f"value {difference.expected} in the column {name}"
                yield number - 1, f"Row {number}: expected {what}, but received {difference.actual}{difference.where}"
    for number in range(len(received), len(wanted)):
        yield number, f"Row {number + 1}: expected {_show_expected(wanted[number])}, but there was none"
    for number in range(len(wanted), len(received)):
        yield None, f"Row {number + 1}: expected none, but received {_show_values(received[number])}"


def _in_any_order(wanted: Sequence[tuple[Expected, ...]], received: Sequence[tuple[Value, ...]]) -> Iterator[_Told]:
    missing, further = _pair(wanted, received)
    for number in missing:
        yield number, f"Expected the row {_show_expected(wanted[number])}, but there was none"
    for number in further:
        yield None, f"Expected no row {_show_values(received[number])}, but there was one"


def _pair(
    wanted: Sequence[tuple[Expected, ...]], received: Sequence[tuple[Value, ...]]
) -> tuple[list[int], Iterator[int]]:
    """Find a row for each expected one; return the numbers of those without, on both sides.

    Where a column has values of one kind, and no digests or files are expected, two rows are equal just if their keys
    are, and the time is proportional to their number. The others are compared one by one.
    """
    kinds = _kinds_of(received, len(wanted[0]) if wanted else 0)
    waiting: dict[Hashable, deque[int]] = {}
    for number, values in enumerate(received):
        waiting.setdefault(tuple(key_of(value.text, value.kind) for value in values), deque()).append(number)
    taken: set[int] = set()
    others: list[int] = []
    missing: list[int] = []
    for number, expected in enumerate(wanted):
        if kinds is None or any(one.sha256 is not None or one.data is not None for one in expected):
            others.append(number)
            continue
        key = tuple(key_of(one.text, kind) for one, kind in zip(expected, kinds, strict=True))
        if waiting.get(key):
            taken.add(waiting[key].popleft())
        else:
            missing.append(number)
    for number in others:
        free = (at for at in range(len(received)) if at not in taken and _row_matches(wanted[number], received[at]))
        found = next(free, None)
        if found is None:
            missing.append(number)
        else:
            taken.add(found)
    return sorted(missing), (at for at in range(len(received)) if at not in taken)


def _row_matches(expected: tuple[Expected, ...], values: tuple[Value, ...]) -> bool:
    return all(matches(one, value) for one, value in zip(expected, values, strict=True))


def _kinds_of(received: Sequence[tuple[Value, ...]], columns: int) -> list[Kind] | None:
    """Return the kind of each column; None where a column has values of several kinds."""
    kinds: list[Kind] = []
    for index in range(columns):
        found = {values[index].kind for values in received if values[index].text is not None}
        if len(found) > 1:
            return None
        kinds.append(found.pop() if found else Kind.TEXT)
    return kinds


def _show_expected(row: tuple[Expected, ...]) -> str:
    return f"({listed([show(one.text) for one in row])})"


def _show_values(row: tuple[Value, ...]) -> str:
    return f"({listed([show(value.text) for value in row])})"
