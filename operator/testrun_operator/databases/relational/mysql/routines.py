"""Finds procedures and functions of MariaDB and MySQL, and calls them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    Mode,
    Parameter,
    Routine,
    RoutineNotFound,
    StatementFailed,
    Value,
)
from testrun_operator.databases.relational.mysql.names import quote
from testrun_operator.databases.relational.mysql.values import input_of, read_variable
from testrun_operator.databases.relational.names import Reference, read_reference

Rows = Callable[..., list[dict[str, Any]]]
"""Runs a query with parameters and gives its rows by the columns' names in lower case."""

_ROUTINES: Final = (
    "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER FROM information_schema.ROUTINES"
    " WHERE ROUTINE_SCHEMA = COALESCE(%s, DATABASE()) AND ROUTINE_NAME = %s"
    " AND ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION') ORDER BY ROUTINE_TYPE DESC"
)
_OTHERS: Final = (
    "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = COALESCE(%s, DATABASE())"
    " ORDER BY ROUTINE_NAME LIMIT 21"
)
_PARAMETERS: Final = (
    "SELECT * FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = %s AND SPECIFIC_NAME = %s"
    " AND ROUTINE_TYPE = %s AND ORDINAL_POSITION > 0 ORDER BY ORDINAL_POSITION"
)
_SHOWN: Final = 20
_RESULT: Final = "@testrun_result"
_WRONG_NUMBER_OF_ARGUMENTS: Final = "42000"
"""The SQLSTATE with which the server refuses such a call."""
_SYNONYMS: Final = {"integer": "int", "dec": "decimal", "numeric": "decimal", "bool": "tinyint", "boolean": "tinyint"}


def find_routines(rows: Rows, name: str) -> tuple[Routine, ...]:
    """Find a procedure, a function, or one of each; there are no overloads.

    Args:
        rows: runs a query.
        name: as an author writes it. The server folds the names of routines; those of databases as it is set up to.

    Raises:
        RoutineNotFound: there is none.
    """
    reference = read_reference(name)
    schema = reference.schema.text if reference.schema else None
    found = [_routine(row, rows) for row in rows(_ROUTINES, schema, reference.name.text)]
    fitting = tuple(routine for routine in found if _has_types(routine, reference))
    if fitting:
        return fitting
    if found:
        raise RoutineNotFound(f"there is {found[0].signature}, but not {name}")
    others = [str(row["routine_name"]) for row in rows(_OTHERS, schema)]
    shown = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
    what = f"there is no procedure or function {name}"
    raise RoutineNotFound(f"{what}; there are: {shown}" if others else f"{what}, and no other one either")


def _routine(row: Mapping[str, Any], rows: Rows) -> Routine:
    schema, name, kind = str(row["routine_schema"]), str(row["routine_name"]), str(row["routine_type"])
    parameters = tuple(_parameter(found) for found in rows(_PARAMETERS, schema, name, kind))
    types = ", ".join(
        parameter.type_name if parameter.mode is Mode.IN else f"{parameter.mode} {parameter.type_name}"
        for parameter in parameters
    )
    return Routine(
        name=f"{quote(schema)}.{quote(name)}",
        signature=f"{schema}.{name}({types})",
        parameters=parameters,
        is_function=kind == "FUNCTION",
        returns=str(row["dtd_identifier"]) if kind == "FUNCTION" else None,
    )


def _parameter(row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=str(row["parameter_name"]),
        mode=Mode(str(row["parameter_mode"] or "IN")),
        type_name=str(row["dtd_identifier"]),
        has_default=row.get("parameter_default") is not None,  # MariaDB 11.8 and later
    )


def _has_types(routine: Routine, reference: Reference) -> bool:
    if reference.types is None:
        return True
    wanted = [_plain_type(text) for text in reference.types]
    return wanted in (
        [_plain_type(parameter.type_name) for parameter in routine.parameters],
        [_plain_type(parameter.type_name) for parameter in routine.parameters if parameter.mode is not Mode.OUT],
    )


def _plain_type(text: str) -> str:
    """Give a type without its length: ``int`` for ``int(11) unsigned`` and ``INTEGER``."""
    word = re.split(r"[\s(]", text.strip().lower(), maxsplit=1)[0]
    return _SYNONYMS.get(word, word)


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The statements that make up a call."""

    before: tuple[str, ...]
    """What is sent first."""
    statement: str
    """The call itself."""
    returns_by_query: bool
    """Whether the call is a query whose only value is what a function returned."""
    variables: tuple[tuple[str, str, str], ...]
    """User variables that have the results afterwards: the variable, the parameter's name, and its type."""
    row_count: int | None
    """What the result says of it."""

    @property
    def variables_query(self) -> str:
        """The query for the results."""
        return "SELECT " + ", ".join(f"{variable} AS {variable[1:]}" for variable, _, _ in self.variables)


def plan_call(routine: Routine, arguments: Sequence[Argument], escape: Callable[[object], str]) -> CallPlan:
    """Write the statements that call a routine.

    Args:
        routine: what is called.
        arguments: values for parameters.
        escape: writes a value as a literal.

    Raises:
        StatementFailed: a parameter has no value, and only the last ones can be left to their defaults.
    """
    given = {argument.name: argument.value for argument in arguments}
    before: list[str] = []
    actual: list[str] = []
    variables: list[tuple[str, str, str]] = []
    missing = ""
    for number, parameter in enumerate(routine.parameters):
        if parameter.mode is not Mode.OUT and parameter.name not in given:
            missing = missing or parameter.name
            continue
        if missing:
            why = "arguments are passed by position, so that only the last ones can be left to their defaults"
            message = f"Parameter {missing} of {routine.signature} has no value; {why}."
            raise StatementFailed(message, sqlstate=_WRONG_NUMBER_OF_ARGUMENTS)
        if parameter.mode is Mode.IN:
            actual.append(escape(input_of(given[parameter.name], parameter.type_name)))
            continue
        variable = f"@testrun_{number}"
        actual.append(variable)
        variables.append((variable, parameter.name, parameter.type_name))
        if parameter.mode is Mode.INOUT:
            before.append(f"SET {variable} = {escape(input_of(given[parameter.name], parameter.type_name))}")
    called = f"{routine.name}({', '.join(actual)})"
    if not routine.is_function:
        return CallPlan(tuple(before), f"CALL {called}", False, tuple(variables), None)
    if not variables:
        return CallPlan((), f"SELECT {called}", True, (), 1)
    # MariaDB has functions with OUT parameters, and does not call them in a query.
    result = (_RESULT, "", routine.returns or "")
    return CallPlan(tuple(before), f"SET {_RESULT} = {called}", False, (result, *variables), 1)


def read_variables(plan: CallPlan, values: Sequence[str | bytes | None], returned: Value | None) -> CallResult:
    """Make the result of a call.

    Args:
        plan: how it was called.
        values: of the variables, in the plan's order.
        returned: what a function returned, where no variable has it.
    """
    outputs: list[tuple[str, Value]] = []
    for (variable, name, type_name), value in zip(plan.variables, values, strict=True):
        read = read_variable(value, type_name)
        if variable == _RESULT:
            returned = read
        else:
            outputs.append((name, read))
    return CallResult(tuple(outputs), returned, plan.row_count)
