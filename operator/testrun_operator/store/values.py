"""Making any value fit into a column: nothing that a test printed may keep its verdict out of Postgres."""

import math
import re
from datetime import UTC, datetime

from pydantic import JsonValue

MAX_INTEGER = 2**31 - 1
"""The greatest INTEGER of Postgres."""

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_CUT = "..."


def clean(text: str) -> str:
    r"""Remove what no text of Postgres can hold: NUL characters; lone surrogates become U+FFFD."""
    return _LONE_SURROGATES.sub("\ufffd", text.replace("\0", ""))


def fit(text: str, length: int) -> str:
    """Clean a text and cut it to a column's length in characters; three dots show that it was cut."""
    text = clean(text)
    return text if len(text) <= length else text[: length - len(_CUT)] + _CUT


def to_integer(number: int | None) -> int | None:
    """Keep a number inside the bounds of INTEGER."""
    return None if number is None else max(-MAX_INTEGER - 1, min(number, MAX_INTEGER))


def to_utc(time: datetime | None) -> datetime | None:
    """Make a time one with a zone; one without is taken for UTC."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def to_utc_without_zone(time: datetime | None) -> datetime | None:
    """Give the UTC time for a column of type TIMESTAMP, which knows no zones."""
    time = to_utc(time)
    return None if time is None else time.replace(tzinfo=None)


def clean_json(value: JsonValue) -> JsonValue:
    """Clean every text and key of a JSON value, and write the numbers that JSONB cannot hold as texts."""
    match value:
        case str():
            return clean(value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {clean(key): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
        case _:
            return value
