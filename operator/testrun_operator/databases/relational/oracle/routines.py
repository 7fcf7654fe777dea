"""Finds procedures and functions of Oracle, also those in packages, and writes the blocks that call them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from testrun_operator.databases.base import Argument, Mode, Parameter, Routine, RoutineNotFound
from testrun_operator.databases.relational.names import Name, Reference, read_reference

Rows = Callable[..., list[dict[str, Any]]]
"""Runs a query with parameters and gives its rows by the columns' names in lower case."""

RESULT: Final = "testrun_result"
"""The bind variable for what a function returns."""

_ROUTINES: Final = """
    SELECT owner, object_name, procedure_name, object_id, subprogram_id FROM all_procedures
    WHERE (object_type IN ('PROCEDURE', 'FUNCTION') AND object_name = :1
           AND owner = COALESCE(:2, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')))
       OR (object_type = 'PACKAGE' AND procedure_name = :3 AND object_name = :4
           AND owner = COALESCE(:5, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')))
    ORDER BY owner, object_name, subprogram_id
"""
_ARGUMENTS: Final = """
    SELECT argument_name, position, data_type, in_out, defaulted FROM all_arguments
    WHERE object_id = :1 AND subprogram_id = :2 AND data_level = 0 ORDER BY position
"""
_MODES: Final = {"IN": Mode.IN, "OUT": Mode.OUT, "IN/OUT": Mode.INOUT}


def find_routines(rows: Rows, name: str) -> tuple[Routine, ...]:
    """Find a routine and its overloads.

    Args:
        rows: runs a query.
        name: ``proc``, ``package.proc``, ``schema.proc``, ``schema.package.proc``; what is not quoted is in capitals.

    Raises:
        RoutineNotFound: there is none.
    """
    reference = read_reference(name)
    parts = [_folded(part) for part in reference.parts]
    schema = parts[-2] if len(parts) > 1 else None
    owner = parts[-3] if len(parts) > 2 else None  # noqa: PLR2004 - schema, package, name
    found = [_routine(row, rows) for row in rows(_ROUTINES, parts[-1], schema, parts[-1], schema, owner)]
    fitting = tuple(routine for routine in found if _has_types(routine, reference))
    if not fitting:
        others = "; there are: " + ", ".join(routine.signature for routine in found) if found else ""
        raise RoutineNotFound(f"there is no procedure or function {name}{others}")
    return fitting


def write_call(routine: Routine, arguments: Sequence[Argument]) -> tuple[str, tuple[Parameter, ...]]:
    """Write the block that calls a routine, by named notation, so that any parameter may be left to its default.

    Args:
        routine: what is called.
        arguments: values for parameters.

    Returns:
        The block, and the parameters that it binds: as ``p0``, ``p1`` and so on, and the result as :data:`RESULT`.
    """
    given = {argument.name for argument in arguments}
    bound = tuple(
        parameter for parameter in routine.parameters if parameter.mode is Mode.OUT or parameter.name in given
    )
    listed = ", ".join(f"{_quoted(parameter.name)} => :p{number}" for number, parameter in enumerate(bound))
    result = f":{RESULT} := " if routine.is_function else ""
    return f"BEGIN {result}{routine.name}{f'({listed})' if listed else ''}; END;", bound


def _routine(row: Mapping[str, Any], rows: Rows) -> Routine:
    found = rows(_ARGUMENTS, row["object_id"], row["subprogram_id"])
    returned = next((str(argument["data_type"]) for argument in found if argument["position"] == 0), None)
    parameters = tuple(
        Parameter(
            name=str(argument["argument_name"]),
            mode=_MODES[str(argument["in_out"])],
            type_name=str(argument["data_type"]),
            has_default=argument["defaulted"] == "Y",
        )
        for argument in found
        if argument["position"] and argument["argument_name"] and argument["data_type"]
    )
    parts = [str(part) for part in (row["owner"], row["object_name"], row["procedure_name"]) if part]
    types = ", ".join(parameter.type_name for parameter in parameters)
    return Routine(
        name=".".join(map(_quoted, parts)),
        signature=f"{'.'.join(parts)}({types})",
        parameters=parameters,
        is_function=returned is not None,
        returns=returned,
    )


def _has_types(routine: Routine, reference: Reference) -> bool:
    return reference.types is None or [text.upper() for text in reference.types] == [
        parameter.type_name for parameter in routine.parameters
    ]


def _folded(name: Name) -> str:
    return name.text if name.quoted else name.text.upper()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "") + '"'
