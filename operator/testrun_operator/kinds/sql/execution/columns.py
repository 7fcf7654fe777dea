"""What the columns of a data table are about."""

from dataclasses import dataclass
from enum import StrEnum

from testrun_operator.kinds.sql.document import ERROR_COLUMN, RETURN_COLUMNS, ROWS_COLUMN, SQLSTATE_COLUMN

_MARK = "$"
_SPECIAL_RETURN, _PLAIN_RETURN = RETURN_COLUMNS


class Target(StrEnum):
    """What a column is about."""

    INPUT = "input"
    """The value that a parameter gets."""
    OUTPUT = "output"
    """The value that a parameter must have afterwards."""
    RETURNED = "returned"
    """The value that a function must return."""
    ROWS = "rows"
    """The number of rows that a function must return."""
    ERROR = "error"
    """The text of the error that must be raised."""
    SQLSTATE = "sqlstate"
    """The SQLSTATE of the error that must be raised."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data table."""

    index: int
    """Its place among the cells of a row."""
    header: str
    """As written."""
    target: Target
    name: str = ""
    """Of the parameter, for inputs and outputs; of ``RETURN$`` too, in case that there is one of this name."""


_RESERVED = {
    ERROR_COLUMN.casefold(): Target.ERROR,
    SQLSTATE_COLUMN.casefold(): Target.SQLSTATE,
    ROWS_COLUMN.casefold(): Target.ROWS,
    _SPECIAL_RETURN.casefold(): Target.RETURNED,
}


def read_columns(headers: tuple[str, ...]) -> tuple[Column, ...]:
    """Return what the columns of a data table are about, in their order."""
    return tuple(_read(index, header) for index, header in enumerate(headers))


def _read(index: int, header: str) -> Column:
    reserved = _RESERVED.get(header.casefold())
    if reserved is not None:
        return Column(index, header, reserved)
    if header.casefold() == _PLAIN_RETURN.casefold():
        return Column(index, header, Target.RETURNED, header.removesuffix(_MARK))
    if header.endswith(_MARK) and len(header) > 1:
        return Column(index, header, Target.OUTPUT, header.removesuffix(_MARK))
    return Column(index, header, Target.INPUT, header)
