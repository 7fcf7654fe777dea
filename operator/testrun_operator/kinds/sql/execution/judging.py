"""Judges a call or a body: the error that was expected against the one that came, and the values of a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from testrun_operator.databases.base import CallResult, StatementFailed, Value
from testrun_operator.kinds.sql.document import ExpectedError, Place, Row
from testrun_operator.kinds.sql.execution.cells import Cells
from testrun_operator.kinds.sql.execution.columns import Column, Target
from testrun_operator.kinds.sql.execution.comparing import find_difference, show
from testrun_operator.kinds.sql.execution.overloads import Call
from testrun_operator.kinds.sql.execution.statements import NOT_IN_TRANSACTION

_ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Announced:
    """Which error is expected."""

    expects: bool
    """Whether one is."""
    text: str = ""
    """What it must contain, case ignored; empty for any text."""
    sqlstate: str = ""
    """Its SQLSTATE; empty for any."""
    has_column: bool = True
    """Whether the author said anything about errors at all."""

    @property
    def accepts_anything(self) -> bool:
        """Whether any error will do."""
        return self.expects and not self.text and not self.sqlstate


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as expected."""

    message: str
    expected: str = ""
    actual: str = ""
    place: Place | None = None
    """Where, if that is known better than by what was looked at: a row of an expected result."""


def announced_by(error: ExpectedError | None) -> Announced:
    """Return which error a section ``### ERROR`` expects; none where there is no such section."""
    if error is None:
        return Announced(expects=False, has_column=False)
    return Announced(expects=True, text=_text_of(error.text), sqlstate=_text_of(error.sqlstate or ""))


def announced_in(row: Row, columns: Sequence[Column]) -> Announced:
    """Return which error a row expects."""
    cells = {column.target: row.cells[column.index] for column in columns if column.target in _ABOUT_ERRORS}
    text, sqlstate = cells.get(Target.ERROR, ""), cells.get(Target.SQLSTATE, "")
    return Announced(bool(text or sqlstate), _text_of(text), _text_of(sqlstate), has_column=bool(cells))


_ABOUT_ERRORS: Final = (Target.ERROR, Target.SQLSTATE)


def _text_of(cell: str) -> str:
    return "" if cell.strip().lower() == _ANY else cell.strip()


def judge_error(announced: Announced, error: StatementFailed | None, message: str = "") -> Fault | None:
    """Judge what was raised.

    Args:
        announced: which error is expected.
        error: what was raised; None where nothing was.
        message: the error, for people.

    Returns:
        None if it is as expected.
    """
    if not announced.expects:
        if error is None:
            return None
        lead = "Expected no error to occur" if announced.has_column else "No error was announced"
        return Fault(f"{lead}, but the error was:\n{message}", "no error", error.message)
    what = _describe(announced)
    if error is None:
        return Fault(f"Expected {what} to occur, but no errors were triggered", what, "no error")
    if _is_expected(announced, error):
        return None
    state = f" (SQLSTATE {error.sqlstate or 'unknown'})" if announced.sqlstate else ""
    return Fault(f"Expected {what} to occur, but the error was{state}:\n{message}", what, error.message)


def needs_no_transaction(announced: Announced, error: StatementFailed) -> bool:
    """Whether an error comes of the transaction around the test, and the author did not ask for just that error."""
    if error.sqlstate not in NOT_IN_TRANSACTION:
        return False
    return announced.accepts_anything or not (announced.expects and _is_expected(announced, error))


def _is_expected(announced: Announced, error: StatementFailed) -> bool:
    if announced.sqlstate and announced.sqlstate != error.sqlstate:
        return False
    return _folded(announced.text) in _folded(error.message)


def _folded(text: str) -> str:
    # Messages are broken into lines by those who raise them, and texts by those who write Markdown.
    return " ".join(text.split()).casefold()


def _describe(announced: Announced) -> str:
    if announced.accepts_anything:
        return "any error"
    parts = []
    if announced.sqlstate:
        parts.append(f"SQLSTATE '{announced.sqlstate}'")
    if announced.text:
        parts.append(f"text '{announced.text}'")
    return f"an error with {' and '.join(parts)}"


def judge_values(call: Call, row: Row, result: CallResult, cells: Cells) -> list[Fault]:
    """Judge the values that a call gave back.

    Args:
        call: which column is about what.
        row: what is expected.
        result: what came.
        cells: reads the row's cells.

    Raises:
        CellUnreadable: the file of a cell cannot be used.
    """
    outputs = dict(result.outputs)
    faults = [
        _judge_value(row.cells[column.index], outputs.get(parameter.name), f"in the {column.name} out parameter", cells)
        for column, parameter in call.outputs
    ]
    faults += [
        _judge_value(row.cells[column.index], result.returned, "as the return value", cells) for column in call.returned
    ]
    if call.rows is not None:
        faults.append(_judge_rows(row.cells[call.rows.index], result.row_count))
    return [fault for fault in faults if fault is not None]


def _judge_value(cell: str, value: Value | None, where: str, cells: Cells) -> Fault | None:
    expected = cells.read_expected(cell)
    if value is None:  # a function that returns rows, and returned none
        wanted = show(expected.text)
        return Fault(f"Expected value {wanted} {where}, but no row was returned", wanted, "no row")
    difference = find_difference(expected, value)
    if difference is None:
        return None
    message = f"Expected value {difference.expected} {where}, but received {difference.actual}{difference.where}"
    return Fault(message, difference.expected, difference.actual)


def _judge_rows(cell: str, count: int | None) -> Fault | None:
    if not cell or (count is not None and int(cell) == count):
        return None
    actual = "an unknown number" if count is None else str(count)
    return Fault(f"Expected {rows(int(cell))} to be returned, but received {actual}", cell, actual)


def rows(count: int) -> str:
    """Say how many rows: ``1 row``, ``3 rows``."""
    return f"{count} row" if count == 1 else f"{count} rows"
