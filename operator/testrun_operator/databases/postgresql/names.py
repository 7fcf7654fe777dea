"""Names of tables, columns and routines as authors write them: folded as PostgreSQL folds them."""

import re
import string
from typing import Final

_PART: Final = re.compile(r'\s*+(?:"((?:[^"]|"")++)"|([^\W\d][\w$]*+))\s*+')
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_MAX_BYTES: Final = 63


def parse_name(text: str) -> tuple[str, ...] | None:
    """Read a name of one or more parts: ``charge``, ``billing.Charge``, ``"Mixed"."Case"``.

    Returns:
        Its parts as the catalogue has them; None where it is no name.
    """
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(_shortened(match[1].replace('""', '"') if match[1] else fold(match[2])))
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            return None
        position += 1
    return None


def fold(text: str) -> str:
    """Fold a name without quotes: PostgreSQL changes the letters A to Z only."""
    return text.translate(_LOWER)


def quote(name: str) -> str:
    """Write a name so that it is itself, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def split_signature(text: str) -> tuple[str, tuple[str, ...] | None]:
    """Split ``charge(integer, numeric(10, 2))`` into the name and the types, None where there are no parentheses."""
    opening = _first_outside_quotes(text, "(")
    if opening is None or not text.rstrip().endswith(")"):
        return text, None
    inner = text[opening + 1 : text.rindex(")")]
    types: list[str] = []
    depth = 0
    quoted = False
    begin = 0
    for index, character in enumerate(inner):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and not depth:
            types.append(inner[begin:index].strip())
            begin = index + 1
    types.append(inner[begin:].strip())
    return text[:opening], () if types == [""] else tuple(types)


def _first_outside_quotes(text: str, wanted: str) -> int | None:
    quoted = False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == wanted and not quoted:
            return index
    return None


def _shortened(name: str) -> str:
    """Cut a name as the server cuts it, at 63 bytes."""
    return name.encode(errors="replace")[:_MAX_BYTES].decode(errors="ignore")
