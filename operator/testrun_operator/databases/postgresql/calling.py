"""Calls of procedures and functions: their text, and what they give back."""

import re
from collections.abc import Sequence
from typing import Final

from testrun_operator.databases.base import Argument, CallResult, Rows, StatementFailed
from testrun_operator.databases.postgresql.names import quote
from testrun_operator.databases.postgresql.routines import PostgresRoutine, Slot

_NO_SUCH_ROUTINE: Final = "42883"
"""What the server says where an argument is missing, though less plainly."""

_PLACEHOLDER: Final = re.compile(r"^CONTEXT: unnamed portal parameter \$([0-9]{1,4})\b", re.MULTILINE)

Values = list[str | bytes | None]


def write_call(routine: PostgresRoutine, arguments: Sequence[Argument]) -> tuple[str, Values]:
    """Write the statement of a call, and give the values for its placeholders.

    Raises:
        StatementFailed: a parameter that has no default has no value.
    """
    given = {argument.name: argument.value for argument in arguments}
    missing = [slot.parameter for slot in routine.slots if _is_missing(slot, given)]
    if missing:
        raise StatementFailed(
            f"{routine.signature} needs a value for {', '.join(missing)}, which has no default",
            sqlstate=_NO_SUCH_ROUTINE,
        )
    last_unnamed = max(
        (place for place, slot in enumerate(routine.slots) if slot.name is None and _is_written(slot, given)),
        default=-1,
    )
    values: Values = []
    written: list[str] = []
    for place, slot in enumerate(routine.slots):
        if not _is_written(slot, given):
            if place < last_unnamed:
                raise StatementFailed(
                    f"{routine.signature} needs a value for {slot.parameter}, because parameters without a name follow",
                    sqlstate=_NO_SUCH_ROUTINE,
                )
            continue
        variadic = "VARIADIC " if slot.is_variadic else ""
        name = f"{quote(slot.name)} => " if slot.name is not None and place > last_unnamed else ""
        if slot.is_input:
            values.append(given[slot.parameter])
            value = f"${len(values)}" + (f"::{slot.cast}" if slot.cast else "")
        else:
            value = "NULL"
        written.append(f"{variadic}{name}{value}")
    call = f"{routine.name}({', '.join(written)})"
    if not routine.is_function:
        return f"CALL {call}", values
    if routine.outputs:
        # The last column is the row as a whole, or the value itself where a function has but one.
        return f"SELECT testrun.*, testrun FROM {call} AS testrun", values  # noqa: S608 - names come quoted
    return f"SELECT {call}", values


def read_call(routine: PostgresRoutine, rows: Rows | None) -> CallResult:
    """Read what a call gave back; None where it gave no rows, as procedures without OUT parameters do."""
    if not routine.is_function:
        first = rows.rows[0] if rows is not None and rows.rows else ()
        return CallResult(tuple(zip(routine.outputs, first, strict=False)))
    if rows is None or not rows.rows:
        return CallResult((), row_count=0)
    first = rows.rows[0]
    return CallResult(
        outputs=tuple(zip(routine.outputs, first, strict=False)),
        returned=first[-1] if routine.returns is not None else None,
        row_count=len(rows.rows),
    )


def name_parameter(routine: PostgresRoutine, arguments: Sequence[Argument], error: StatementFailed) -> StatementFailed:
    """Say which parameter the server means by ``$2`` when it says what is wrong with a value."""
    match = _PLACEHOLDER.search(error.message)
    given = {argument.name for argument in arguments}
    names = [slot.parameter for slot in routine.slots if slot.is_input and slot.parameter in given]
    if match is None or not 0 < int(match[1]) <= len(names):
        return error
    message = f"{error.message}\n(it is about the parameter {names[int(match[1]) - 1]})"
    return StatementFailed(message, sqlstate=error.sqlstate, line=error.line)


def _is_written(slot: Slot, given: dict[str, str | bytes | None]) -> bool:
    return not slot.is_input or slot.parameter in given


def _is_missing(slot: Slot, given: dict[str, str | bytes | None]) -> bool:
    return not _is_written(slot, given) and not slot.has_default
