"""Values of Oracle: from the driver's to ours."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from testrun_operator.databases.base import Kind, Value

_NUMBER_TYPES: Final = frozenset(
    {"NUMBER", "FLOAT", "INTEGER", "BINARY_INTEGER", "PLS_INTEGER", "BINARY_FLOAT", "BINARY_DOUBLE"}
)


def read_value(value: Any) -> Value:
    """Make a value of what a query returned."""
    if value is None:
        return Value(None)
    if isinstance(value, bool):
        return Value(str(value).lower(), Kind.BOOLEAN)
    if isinstance(value, int | float | Decimal):
        return Value(str(value), Kind.NUMBER)
    if isinstance(value, bytes):
        return Value("\\x" + value.hex(), Kind.BINARY)
    if isinstance(value, datetime):
        return Value(_without_zeros(value.isoformat(sep=" ")))
    if isinstance(value, dict | list):
        return Value(json.dumps(value, ensure_ascii=False, default=str))
    return Value(str(value) if isinstance(value, str | date | timedelta) else repr(value))


def read_output(value: Any, type_name: str) -> Value:
    """Make a value of what a parameter had after a call, which came as a text if the type allows it.

    Args:
        value: what the driver has.
        type_name: the type of the parameter, as the catalogue has it.
    """
    if isinstance(value, str):
        if type_name in _NUMBER_TYPES:
            return Value(value, Kind.NUMBER)
        if type_name == "RAW":
            return Value("\\x" + value.lower(), Kind.BINARY)
        return Value(_without_zeros(value) if type_name.startswith("TIMESTAMP") else value)
    return read_value(value.read() if hasattr(value, "read") else value)


def _without_zeros(text: str) -> str:
    """Write a time without the zeros behind a fraction of a second."""
    moment, dot, fraction = text.partition(".")
    digits, blank, zone = fraction.partition(" ")
    kept = digits.rstrip("0")
    return moment + (dot + kept if kept else "") + blank + zone
