"""Values of MariaDB and MySQL, where no server is needed for them."""

import pytest
from pymysql.constants import FIELD_TYPE

from testrun_operator.databases.base import Kind, Value
from testrun_operator.databases.relational.mysql.values import input_of, read_variable, reader_of


@pytest.mark.parametrize(
    ("type_code", "value", "expected"),
    [
        (FIELD_TYPE.NEWDECIMAL, "1.50", Value("1.50", Kind.NUMBER)),
        (FIELD_TYPE.TINY, "1", Value("1", Kind.NUMBER)),
        (FIELD_TYPE.LONGLONG, b"7", Value("7", Kind.NUMBER)),
        (FIELD_TYPE.DATETIME, "2020-01-02 03:04:05.600000", Value("2020-01-02 03:04:05.6")),
        (FIELD_TYPE.DATETIME, "2020-01-02 03:04:00.000", Value("2020-01-02 03:04:00")),
        (FIELD_TYPE.TIMESTAMP, "2020-01-02 03:04:00", Value("2020-01-02 03:04:00")),
        (FIELD_TYPE.TIME, "-03:04:05.600", Value("-03:04:05.6")),
        (FIELD_TYPE.DATE, "2020-01-10", Value("2020-01-10")),
        (FIELD_TYPE.VAR_STRING, "1.50", Value("1.50")),
        (FIELD_TYPE.BLOB, b"\x00\xff", Value("\\x00ff", Kind.BINARY)),
        (FIELD_TYPE.BIT, b"\x05", Value("\\x05", Kind.BINARY)),
        (FIELD_TYPE.LONG, None, Value(None)),
        (FIELD_TYPE.DATETIME, None, Value(None)),
    ],
)
def test_columns(type_code: int, value: str | bytes | None, expected: Value) -> None:
    """As the server writes them, but for the zeros behind a fraction of a second."""
    assert expected == reader_of(type_code)(value)


@pytest.mark.parametrize(
    ("value", "type_name", "expected"),
    [
        ("29.0000", "decimal(20,4)", Value("29.0000", Kind.NUMBER)),
        ("1.100000023841858", "float", Value("1.1", Kind.NUMBER)),
        ("257", "bit(9)", Value("\\x0101", Kind.BINARY)),
        ("1", "bit", Value("\\x01", Kind.BINARY)),
        ("2020-01-02 03:04:05.600000", "datetime(6)", Value("2020-01-02 03:04:05.6")),
        ("10", "varchar(10)", Value("10")),
        ("10", "int(10) unsigned", Value("10", Kind.NUMBER)),
        (b"ab\0\0", "binary(4)", Value("\\x61620000", Kind.BINARY)),
        (None, "int(11)", Value(None)),
    ],
)
def test_user_variables_are_read_by_the_type_of_their_parameter(
    value: str | bytes | None, type_name: str, expected: Value
) -> None:
    """A variable has forgotten most of it."""
    assert expected == read_variable(value, type_name)


@pytest.mark.parametrize(
    ("text", "type_name", "expected"),
    [
        ("\\x00FF", "blob", b"\x00\xff"),
        ("\\x", "varbinary(5)", b""),
        ("\\x0", "blob", "\\x0"),
        ("plain", "blob", "plain"),
        ("\\x05", "bit(3)", b"\x05"),
        ("5", "bit(3)", 5),
        ("true", "bit(1)", 1),
        ("FALSE", "tinyint(1)", 0),
        ("true", "tinyint(4)", "true"),
        ("\\x00", "varchar(10)", "\\x00"),
        ("5", "int(11)", "5"),
        (None, "blob", None),
        (b"\x80", "varchar(10)", b"\x80"),
    ],
)
def test_inputs_are_texts_unless_the_server_would_take_them_for_something_else(
    text: str | bytes | None, type_name: str, expected: object
) -> None:
    """Binary values are written as they are read, and bits and truth values as people write them."""
    assert expected == input_of(text, type_name)
