"""Splits scripts of SQLite into statements.

Whether a statement is complete is SQLite's own decision, by ``sqlite3_complete``: it knows that the semicolons inside
of a trigger end nothing. It always looks at a statement from its first character, which for a trigger of many
statements would take the square of the time. So for every further part of one it is shown a trigger that is as far.
"""

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from testrun_operator.databases.base import Statement
from testrun_operator.databases.relational.scanning import (
    LineCounter,
    end_of_comment,
    end_of_line,
    end_of_quoted,
)

_BLANK: Final = re.compile(r"\s+|--|/\*")
_SPECIAL: Final = re.compile(r"""(?P<end>;)|(?P<quote>['"`\[])|(?P<line>--)|(?P<comment>/\*)""")
_CLOSING: Final = {"[": "]"}
_INSIDE_TRIGGER: Final = "CREATE TRIGGER x;"


def split_script(script: str) -> tuple[Statement, ...]:
    """Split a script.

    Args:
        script: the script.

    Returns:
        The statements. What cannot be split is one statement, which SQLite will refuse.
    """
    return tuple(_statements(script))


def _statements(script: str) -> Iterator[Statement]:
    lines = LineCounter(script)
    position = 0
    while (start := _skip_blank(script, position)) < len(script):
        end, position = _end_of_statement(script, start)
        if text := script[start:end].rstrip():
            yield Statement(text, lines.line_of(start))


def _end_of_statement(script: str, start: int) -> tuple[int, int]:
    """Give the place where a statement ends, and the one behind its semicolon."""
    part, before = start, ""
    position = start
    while match := _SPECIAL.search(script, position):
        position = _skip(script, match)
        if match["end"]:
            if _is_complete(before + script[part:position]):
                return match.start(), position
            part, before = position, _INSIDE_TRIGGER
    return len(script), len(script)


def _is_complete(text: str) -> bool:
    try:
        return sqlite3.complete_statement(text)
    except ValueError:  # a zero byte, which SQLite refuses later on
        return True


def _skip_blank(script: str, position: int) -> int:
    """Give the place of the first character that is neither blank nor part of a comment."""
    while match := _BLANK.match(script, position):
        mark = match.group()
        if mark == "--":
            position = end_of_line(script, match.end())
        else:
            position = end_of_comment(script, match.end()) if mark == "/*" else match.end()
    return position


def _skip(script: str, match: re.Match[str]) -> int:
    """Give the place behind a text, a name or a comment that begins here; else behind the match."""
    if quote := match["quote"]:
        return end_of_quoted(script, match.end(), _CLOSING.get(quote, quote))
    if match["line"]:
        return end_of_line(script, match.end())
    return end_of_comment(script, match.end()) if match["comment"] else match.end()
