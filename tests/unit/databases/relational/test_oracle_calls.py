"""How routines of Oracle are found, called and read, as far as no server is needed for it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from testrun_operator.databases.base import Argument, Kind, Mode, NotPossible, RoutineNotFound, Value
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.relational.oracle import OracleDatabase
from testrun_operator.databases.relational.oracle.routines import find_routines, write_call
from testrun_operator.databases.relational.oracle.values import read_output, read_value

ARGUMENTS = [
    {"argument_name": "DIVIDEND", "position": 1, "data_type": "NUMBER", "in_out": "IN", "defaulted": "N"},
    {"argument_name": "DIVISOR", "position": 2, "data_type": "NUMBER", "in_out": "IN", "defaulted": "Y"},
    {"argument_name": "QUOTIENT", "position": 3, "data_type": "NUMBER", "in_out": "OUT", "defaulted": "N"},
]
RESULT = {"argument_name": None, "position": 0, "data_type": "VARCHAR2", "in_out": "OUT", "defaulted": "N"}


class Catalogue:
    """Answers the two queries of the catalogue, and keeps what was asked."""

    def __init__(self, *arguments: dict[str, Any], found: bool = True) -> None:
        self.arguments = list(arguments)
        self.found = found
        self.asked: list[tuple[object, ...]] = []

    def __call__(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a query."""
        self.asked.append(parameters)
        if "all_arguments" in statement:
            return self.arguments
        names = {"owner": "APP", "object_name": "MATH", "procedure_name": "DIVIDE", "object_id": 7, "subprogram_id": 2}
        return [names] if self.found else []


def test_what_is_not_quoted_is_looked_for_in_capitals() -> None:
    """As Oracle folds it; a part before the name may be a schema or a package."""
    catalogue = Catalogue(*ARGUMENTS)
    find_routines(catalogue, 'math."Divide"')
    assert ("Divide", "MATH", "Divide", "MATH", None) == catalogue.asked[0]


def test_a_procedure_is_called_by_named_notation() -> None:
    """So that any parameter may be left to its default."""
    (routine,) = find_routines(Catalogue(*ARGUMENTS), "math.divide")
    assert "APP.MATH.DIVIDE(NUMBER, NUMBER, NUMBER)" == routine.signature
    assert [Mode.IN, Mode.IN, Mode.OUT] == [parameter.mode for parameter in routine.parameters]
    block, bound = write_call(routine, [Argument("DIVIDEND", "58")])
    assert 'BEGIN "APP"."MATH"."DIVIDE"("DIVIDEND" => :p0, "QUOTIENT" => :p1); END;' == block
    assert ["DIVIDEND", "QUOTIENT"] == [parameter.name for parameter in bound]


def test_a_function_gives_its_value_to_a_variable() -> None:
    """One without parameters has no parentheses."""
    (routine,) = find_routines(Catalogue(RESULT), "divide")
    assert (True, "VARCHAR2", ()) == (routine.is_function, routine.returns, routine.parameters)
    assert 'BEGIN :testrun_result := "APP"."MATH"."DIVIDE"; END;' == write_call(routine, [])[0]


def test_an_overload_is_named_by_its_types() -> None:
    """And what there is instead is told."""
    assert find_routines(Catalogue(*ARGUMENTS), "divide(number, number, NUMBER)")
    with pytest.raises(RoutineNotFound, match=r"there are: APP\.MATH\.DIVIDE\(NUMBER, NUMBER, NUMBER\)"):
        find_routines(Catalogue(*ARGUMENTS), "divide(date)")
    with pytest.raises(RoutineNotFound, match=r"there is no procedure or function divide$"):
        find_routines(Catalogue(found=False), "divide")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Value(None)),
        (Decimal("1.50"), Value("1.50", Kind.NUMBER)),
        (True, Value("true", Kind.BOOLEAN)),
        (b"\x00\xff", Value("\\x00ff", Kind.BINARY)),
        (datetime(2020, 1, 2, 3, 4, 5, 600000), Value("2020-01-02 03:04:05.6")),  # noqa: DTZ001 - Oracle's have none
        (datetime(2020, 1, 2), Value("2020-01-02 00:00:00")),  # noqa: DTZ001
        ("text", Value("text")),
        ({"a": 1}, Value('{"a": 1}')),
    ],
)
def test_values_of_queries(value: object, expected: Value) -> None:
    """In the forms that all databases share."""
    assert expected == read_value(value)


@pytest.mark.parametrize(
    ("value", "type_name", "expected"),
    [
        (".5", "NUMBER", Value(".5", Kind.NUMBER)),
        ("00FF", "RAW", Value("\\x00ff", Kind.BINARY)),
        ("2020-01-02 03:04:05.600000 +01:00", "TIMESTAMP WITH TIME ZONE", Value("2020-01-02 03:04:05.6 +01:00")),
        ("2020-01-02 03:04:05.000000", "TIMESTAMP", Value("2020-01-02 03:04:05")),
        ("10", "VARCHAR2", Value("10")),
        (False, "PL/SQL BOOLEAN", Value("false", Kind.BOOLEAN)),
        (None, "NUMBER", Value(None)),
    ],
)
def test_outputs_come_as_texts_and_are_read_by_their_type(value: object, type_name: str, expected: Value) -> None:
    """Oracle converts them by the formats of the session."""
    assert expected == read_output(value, type_name)


def test_copies_are_not_possible() -> None:
    """And what is possible instead is told."""
    database = OracleDatabase(read_dsn("oracle://user:secret-word@127.0.0.1:1/?service_name=app"), 5.0)
    assert "Oracle, database app on 127.0.0.1:1" == database.label
    with pytest.raises(NotPossible, match="isolation: rollback works"):
        database.copies("x")
