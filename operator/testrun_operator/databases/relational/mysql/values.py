"""Values of MariaDB and MySQL: from the server's texts to ours, and from an author's to the server's."""

import re
from collections.abc import Callable
from typing import Final

from pymysql.constants import FIELD_TYPE

from testrun_operator.databases.base import Kind, Value

NULL: Final = Value(None)

_NUMBERS: Final = frozenset(
    {
        *(FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24),
        *(FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE, FIELD_TYPE.YEAR),
    }
)
_TIMES: Final = frozenset({FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME})

_NUMBER_TYPES: Final = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "numeric", "float", "double", "real", "year"}
)
_BINARY_TYPES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TIME_TYPES: Final = frozenset({"datetime", "timestamp", "time"})
_FLOAT_DIGITS: Final = 6
"""As many digits of a FLOAT the server writes itself."""

_HEX: Final = re.compile(r"\\x((?:[0-9a-f]{2})*)", re.IGNORECASE)
_INTEGER: Final = re.compile(r"[0-9]{1,20}")
_WIDTH: Final = re.compile(r"\((\d{1,3})\)")
_TRUTH: Final = {"true": 1, "false": 0}


def reader_of(type_code: object) -> Callable[[str | bytes | None], Value]:
    """Give what makes a value from one that the driver left as it came.

    Args:
        type_code: the driver's word on the column.
    """
    if type_code in _NUMBERS:
        return _read_number
    return _read_time if type_code in _TIMES else _read_other


def read_variable(value: str | bytes | None, type_name: str) -> Value:
    """Make a value from a user variable, which does not keep all of the type that was assigned to it.

    Args:
        value: as the driver left it.
        type_name: the type of the parameter, as the catalogue has it: ``decimal(10,2)``.
    """
    base = _base_of(type_name)
    if isinstance(value, str):
        if base in _TIME_TYPES:
            return _read_time(value)
        if base == "float":
            return Value(f"{float(value):.{_FLOAT_DIGITS}g}", Kind.NUMBER)
        if base == "bit":
            width = _WIDTH.search(type_name)
            return _read_other(int(value).to_bytes((int(width[1]) + 7) // 8 if width else 1, "big"))
        if base in _NUMBER_TYPES:
            return Value(value, Kind.NUMBER)
    return _read_other(value)


def input_of(text: str | bytes | None, type_name: str) -> str | bytes | int | None:
    r"""Give what an author's text stands for, where the server would not take the text for it.

    Binary values are written as they are read, ``\x00ff``; bits also as a number, and truth values as words. The rest
    is left to the server.

    Args:
        text: what the author wrote; bytes are a value already.
        type_name: the type of the parameter or column, as the catalogue has it.
    """
    if not isinstance(text, str):
        return text
    base = _base_of(type_name)
    if base in _BINARY_TYPES or base == "bit":
        if match := _HEX.fullmatch(text):
            return bytes.fromhex(match[1])
        if base == "bit" and _INTEGER.fullmatch(text):
            return int(text)
    if base == "bit" or type_name.startswith("tinyint(1)"):
        return _TRUTH.get(text.lower(), text)
    return text


def _base_of(type_name: str) -> str:
    return re.split(r"[ (]", type_name.lower(), maxsplit=1)[0]


def _read_number(value: str | bytes | None) -> Value:
    return NULL if value is None else Value(_text(value), Kind.NUMBER)


def _read_time(value: str | bytes | None) -> Value:
    if value is None:
        return NULL
    text = _text(value)
    return Value(text.rstrip("0").rstrip(".") if "." in text else text)


def _read_other(value: str | bytes | None) -> Value:
    if isinstance(value, bytes):
        return Value("\\x" + value.hex(), Kind.BINARY)
    return Value(value)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
