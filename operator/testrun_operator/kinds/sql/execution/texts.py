"""Texts for people, of a length that fits into a report."""

import re
from collections.abc import Sequence
from typing import Final

MAX_MESSAGE: Final = 2000
"""Messages of steps, tests and problems are at most this long."""
_MAX_EXCERPT: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def bounded(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return the text, or its beginning with a word on how much is missing."""
    if len(text) <= limit:
        return text
    # The number is shorter than what is cut off to make room for it.
    note = f"… ({len(text) - limit + 40} more characters)"
    return text[: limit - 40] + note


def excerpt(statement: str) -> str:
    """Return the first 200 characters of a statement on one line."""
    line = " ".join(statement[: 10 * _MAX_EXCERPT].split())
    return line if len(line) <= _MAX_EXCERPT else line[:_MAX_EXCERPT] + "…"


def indented(text: str) -> str:
    """Return the text with four blanks before each line."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def visible(text: str) -> str:
    """Return the text with control characters escaped, so that it stays on one line."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Join names with commas; after some of them only say how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
