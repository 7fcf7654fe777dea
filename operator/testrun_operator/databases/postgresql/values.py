"""Values as the server writes them, with a word on what they are."""

from typing import Final

from psycopg.pq.abc import PGresult

from testrun_operator.databases.base import Kind, Rows, Value

_BOOLEAN: Final = 16
_KINDS: Final = {
    _BOOLEAN: Kind.BOOLEAN,
    17: Kind.BINARY,
    20: Kind.NUMBER,  # bigint
    21: Kind.NUMBER,  # smallint
    23: Kind.NUMBER,  # integer
    26: Kind.NUMBER,  # oid
    700: Kind.NUMBER,  # real
    701: Kind.NUMBER,  # double precision
    1700: Kind.NUMBER,  # numeric
}
"""By the type's number, which never changes; of a domain it is that of its base. Not money: it has a sign before it."""


def read_rows(result: PGresult, encoding: str) -> Rows:
    """Read all rows of a result, which must be one that has rows, in the server's text format."""
    fields = range(result.nfields)
    kinds = [_KINDS.get(result.ftype(field), Kind.TEXT) for field in fields]
    columns = tuple(_text(result.fname(field) or b"", encoding) for field in fields)
    rows = tuple(
        tuple(_value(result.get_value(row, field), kind, encoding) for field, kind in zip(fields, kinds, strict=True))
        for row in range(result.ntuples)
    )
    return Rows(columns, rows)


def _value(raw: bytes | None, kind: Kind, encoding: str) -> Value:
    if raw is None:
        return Value(None, kind)
    if kind is Kind.BOOLEAN:
        return Value("true" if raw == b"t" else "false", kind)
    return Value(_text(raw, encoding), kind)


def _text(raw: bytes, encoding: str) -> str:
    # Databases of the encoding SQL_ASCII hold whatever bytes they were given.
    return raw.decode(encoding, errors="backslashreplace")
