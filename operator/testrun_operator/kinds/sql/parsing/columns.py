"""What the columns and the cells of a table must be, as far as that is known without a database."""

import re

from testrun_operator.kinds.sql.document import (
    ERROR_COLUMN,
    RETURN_COLUMNS,
    ROWS_COLUMN,
    SQLSTATE_COLUMN,
    Row,
    Table,
)
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.texts import excerpt

_RESERVED = (ERROR_COLUMN, SQLSTATE_COLUMN, *(name for name in RETURN_COLUMNS if name.startswith("=")), ROWS_COLUMN)
_NOT_COMPARED = (ERROR_COLUMN, SQLSTATE_COLUMN, ROWS_COLUMN)
_OUTPUT = "$"
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,12}")
_SPECIAL = re.compile(r"=(FILE|SHA-?256):", re.IGNORECASE)
_DIGEST = re.compile(r"=SHA256:[0-9A-Fa-f]{64}=")
_FILE_START = "=FILE:"


def check_data(table: Table, problems: Problems) -> None:
    """Complain about columns and cells of a DATA table.

    Args:
        table: the table; its columns are unique already.
        problems: where to complain.
    """
    line = table.place.line
    for column in table.columns:
        name = column.removesuffix(_OUTPUT)
        if not name:
            problems.add(line, f"the column '{_OUTPUT}' has no name in front of the '{_OUTPUT}'")
        elif column.upper() not in _RESERVED and (name.startswith("=") or name.endswith("=")):
            known = ", ".join(_RESERVED)
            problems.add(line, f"the column {excerpt(column)} is not known: known with '=' are {known}")
    upper = [column.upper() for column in table.columns]
    if all(name in upper for name in RETURN_COLUMNS):
        problems.add(line, f"{' and '.join(RETURN_COLUMNS)} are the same: leave one of the columns out")
    checks = list(zip(table.columns, upper, strict=True))
    for number, row in enumerate(table.rows, 1):
        for (column, folded), cell in zip(checks, row.cells, strict=True):
            if cell and (fault := _check_data_cell(column, folded, cell)):
                _report(problems, number, row, fault)


def check_result(table: Table, problems: Problems) -> None:
    """Complain about cells of a RESULT table.

    Args:
        table: the table.
        problems: where to complain.
    """
    for number, row in enumerate(table.rows, 1):
        for cell in row.cells:
            if cell.startswith("=") and (fault := _check_special(cell)):
                _report(problems, number, row, fault)


def _report(problems: Problems, number: int, row: Row, fault: str) -> None:
    problems.add(row.place.line, f"row {number} of the table: {fault}")


def _check_data_cell(column: str, folded: str, cell: str) -> str:
    """Return what is wrong with a cell that is not blank."""
    if folded == SQLSTATE_COLUMN and cell.lower() != "any" and not _SQLSTATE.fullmatch(cell):
        return f"{excerpt(cell)} is no SQLSTATE: expected five digits or capital letters, 'any', or nothing"
    if folded == ROWS_COLUMN and not _WHOLE_NUMBER.fullmatch(cell):
        return f"{excerpt(cell)} is no number of rows: expected a whole number, or nothing"
    if folded in _NOT_COMPARED or not cell.startswith("="):
        return ""
    is_input = not column.endswith(_OUTPUT) and folded not in RETURN_COLUMNS
    if is_input and _DIGEST.fullmatch(cell):
        return f"a digest can be expected, but not passed as {excerpt(column)}: write the value, or =FILE:path="
    return _check_special(cell)


def _check_special(cell: str) -> str:
    """Return what is wrong with a cell that may mean something else than it says."""
    special = _SPECIAL.match(cell)
    if special is None:
        return ""
    if special[1].upper() != "FILE":
        return (
            "" if _DIGEST.fullmatch(cell) else f"{excerpt(cell)} is no digest: expected =SHA256: and 64 digits, then ="
        )
    path = cell.removeprefix(_FILE_START).removesuffix("=").strip()
    if cell.startswith(_FILE_START) and cell.endswith("=") and path:
        return ""
    return f"{excerpt(cell)} names no file: expected =FILE:path=, with the path from the test case file's folder"
