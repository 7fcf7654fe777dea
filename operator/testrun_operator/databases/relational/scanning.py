"""Where texts, names and comments end: what the splitting of scripts has in common.

All of it takes time linear in the script's length, whatever is in there: what is not closed ends with the script.
"""

import re
from typing import Final

_BACKSLASH_OR: Final = {quote: re.compile(rf"[\\{quote}]") for quote in ("'", '"')}


def end_of_quoted(script: str, start: int, closing: str, *, backslash: bool = False) -> int:
    """Find where a text or a quoted name ends.

    A doubled quotation mark ends it and begins another one, which comes to the same.

    Args:
        script: all of it.
        start: the first character behind the opening mark.
        closing: the closing mark, one character or more.
        backslash: whether a backslash takes the meaning from the character behind it.

    Returns:
        The place behind the closing mark, or the end of the script.
    """
    if not backslash:
        found = script.find(closing, start)
        return len(script) if found < 0 else found + len(closing)
    pattern = _BACKSLASH_OR[closing]
    while match := pattern.search(script, start):
        if match.group() == closing:
            return match.end()
        start = match.end() + 1
    return len(script)


def end_of_comment(script: str, start: int) -> int:
    """Find where a comment ``/* … */`` ends.

    Args:
        script: all of it.
        start: the first character behind the ``/*``.

    Returns:
        The place behind the ``*/``, or the end of the script.
    """
    return end_of_quoted(script, start, "*/")


def end_of_line(script: str, start: int) -> int:
    """Find the end of the line, where the line break is, or the end of the script."""
    found = script.find("\n", start)
    return len(script) if found < 0 else found


class LineCounter:
    """Tells on which line a place of a script is; asked in the order of the script, it takes linear time.

    Args:
        script: the script.
    """

    def __init__(self, script: str) -> None:
        self._script = script
        self._position = 0
        self._line = 1

    def line_of(self, position: int) -> int:
        """Give the line, from 1; the places must not go back."""
        self._line += self._script.count("\n", self._position, position)
        self._position = position
        return self._line
