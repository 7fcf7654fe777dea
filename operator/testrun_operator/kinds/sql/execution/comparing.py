"""Compares what an author expects with what came from the database.

An author writes texts, and the database writes texts; how they are compared depends on the kind of value that it says
it is. Large values are told by their length, their digest and the first place at which they differ, never in full.
"""

import hashlib
import re
from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from testrun_operator.databases.base import Kind, Value
from testrun_operator.kinds.sql.document import NULL
from testrun_operator.kinds.sql.execution.texts import visible

MAX_SHOWN: Final = 200
"""A longer value is not shown in full."""
_AROUND: Final = 20
_DIGITS: Final = 12
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_TRUE: Final = frozenset({"true", "t", "yes", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "0"})


@dataclass(frozen=True, slots=True)
class Expected:
    """What a cell expects."""

    text: str | None
    """None for NULL; for a file its content, for a digest the cell as it is written."""
    sha256: str | None = None
    """In lower case, where the value is expected by its digest."""
    data: bytes | None = None
    """Where the value is expected by a file: its content."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a value is another than the one that is expected."""

    expected: str
    """For people: ``'5'``, or for a large value its length and digest."""
    actual: str
    """Likewise."""
    where: str = ""
    """``; they differ first at …`` where the two texts do not show it; empty otherwise."""


def find_difference(expected: Expected, value: Value) -> Difference | None:
    """Compare.

    Args:
        expected: what the author wrote.
        value: what came.

    Returns:
        None if the value is the expected one.
    """
    return None if matches(expected, value) else _describe(expected, value)


def matches(expected: Expected, value: Value) -> bool:
    """Whether a value is the expected one."""
    if expected.text is None or value.text is None:
        return expected.text is None and value.text is None
    if expected.sha256 is not None:
        return digest_of(value) == expected.sha256
    if expected.data is not None and value.kind is Kind.BINARY:
        return bytes_of(value) == expected.data
    if expected.text == value.text:
        return True
    return _canonical(expected.text, value.kind) == _canonical(value.text, value.kind)


def key_of(text: str | None, kind: Kind) -> Hashable:
    """Return something that is equal for two texts just if they are the same value of this kind."""
    return None if text is None else _canonical(text, kind)


def _canonical(text: str, kind: Kind) -> Hashable:
    if kind is Kind.NUMBER and _NUMBER.fullmatch(text):
        return Decimal(text)
    if kind is Kind.BOOLEAN:
        folded = text.lower()
        return True if folded in _TRUE else False if folded in _FALSE else text
    if kind is Kind.BINARY:
        return text.lower() if text.startswith(("\\x", "\\X")) else text
    return text


def bytes_of(value: Value) -> bytes:
    """Return the bytes of a value: of a binary one itself, of others of their text as UTF-8."""
    text = value.text or ""
    if value.kind is Kind.BINARY and text.startswith("\\x"):
        return bytes.fromhex(text[2:])
    return text.encode(errors="surrogatepass")


def digest_of(value: Value) -> str:
    """Return the SHA-256 of a value, in hexadecimal digits."""
    return hashlib.sha256(bytes_of(value)).hexdigest()


def show(text: str | None) -> str:
    """Show a value of any length: ``'5'``, or ``(12000 characters, SHA-256 0123456789ab…)``."""
    if text is None:
        return f"'{NULL}'"
    if len(text) <= MAX_SHOWN:
        return f"'{visible(text)}'"
    return _summary(text, text.encode(errors="surrogatepass"))


def _describe(expected: Expected, value: Value) -> Difference:
    received = show(value.text)
    if expected.sha256 is not None:
        if value.text is not None:
            received = _summary(value.text, bytes_of(value), binary=value.kind is Kind.BINARY)
            if len(value.text) <= MAX_SHOWN:
                received = f"'{visible(value.text)}' {received}"
        return Difference(f"with the SHA-256 {_shortened(expected.sha256)}", received)
    text = expected.text
    binary = value.kind is Kind.BINARY
    if binary and expected.data is not None:
        text = f"\\x{expected.data.hex()}"
    if value.text is not None and binary and len(value.text) > MAX_SHOWN:
        received = _summary(value.text, bytes_of(value), binary=True)
    wanted = show(text)
    if text is None or value.text is None:
        note = "; one is NULL, the other a text" if wanted == received else ""
        return Difference(wanted, received, note)
    if binary and expected.data is not None and len(text) > MAX_SHOWN:
        wanted = _summary(text, expected.data, binary=True)
    where = ""
    if max(len(text), len(value.text)) > MAX_SHOWN or wanted == received:
        where = _first_difference(text, value.text, binary=binary)
    return Difference(wanted, received, where)


def _summary(text: str, data: bytes, *, binary: bool = False) -> str:
    length = f"{len(data)} bytes" if binary else f"{len(text)} characters"
    return f"({length}, SHA-256 {_shortened(hashlib.sha256(data).hexdigest())})"


def _shortened(digest: str) -> str:
    return f"{digest[:_DIGITS]}…"


def _first_difference(expected: str, actual: str, *, binary: bool) -> str:
    if binary:
        expected, actual = expected.lower(), actual.lower()
    at = _common_length(expected, actual)
    if at == len(expected) == len(actual):
        return ""  # as texts they are the same
    if binary:
        place = f"byte {max(at - 2, 0) // 2 + 1}"
    else:
        line = expected.count("\n", 0, at) + 1
        column = at - expected.rfind("\n", 0, at)
        place = f"character {at + 1}, line {line}, column {column}"
    return f"; they differ first at {place}: {_around(expected, at)} was expected, {_around(actual, at)} was received"


def _common_length(first: str, second: str) -> int:
    """Return how many characters at their beginnings are the same, by halving: each step compares in C."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _around(text: str, at: int) -> str:
    if at >= len(text) and not text:
        return "nothing"
    begin, end = max(at - _AROUND, 0), at + _AROUND
    shown = visible(text[begin:end])
    finished = "" if end < len(text) else " and then the end" if at >= len(text) else ""
    return f"'{'…' if begin else ''}{shown}{'…' if end < len(text) else ''}'{finished}"
