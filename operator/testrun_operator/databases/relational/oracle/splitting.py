"""Splits scripts of Oracle into statements, as SQL*Plus does.

A semicolon ends a statement of SQL. PL/SQL has semicolons inside, and ends at a ``/`` alone on a line, or with the
script. Commands of SQL*Plus itself (``SET``, ``PROMPT`` and so on) are not understood.
"""

import re
from collections.abc import Iterator
from typing import Final

from testrun_operator.databases.base import Statement
from testrun_operator.databases.relational.scanning import (
    LineCounter,
    end_of_comment,
    end_of_line,
    end_of_quoted,
)

_BLANK: Final = re.compile(r"^[ \t]*/[ \t\r]*$|[^\S\n]+|\n|--|/\*", re.MULTILINE)
_SPECIAL: Final = re.compile(
    r"(?P<end>;)|(?P<slash>^[ \t]*/[ \t\r]*$)|(?<!\w)n?q'(?P<own>.)|(?P<quote>['\"])|(?P<line>--)|(?P<comment>/\*)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_CLOSING: Final = {"[": "]", "{": "}", "(": ")", "<": ">"}
_PLSQL: Final = re.compile(
    r"""
    (?:begin|declare|<<)
    | create\s+(?:or\s+replace\s+)?(?:(?:non)?editionable\s+)?
      (?:procedure|function|package|trigger|type|library|(?:and\s+(?:resolve|compile)\s+)?java)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def split_script(script: str) -> tuple[Statement, ...]:
    """Split a script.

    Args:
        script: the script.

    Returns:
        The statements; blocks of PL/SQL with their last semicolon, others without. What cannot be split is one
        statement, which Oracle will refuse.
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
    """Give the place where a statement ends, and the one behind what ends it."""
    is_plsql = _PLSQL.match(script, start) is not None
    position = start
    while match := _SPECIAL.search(script, position):
        if match["slash"] or (match["end"] and not is_plsql):
            return match.start(), match.end()
        position = _skip(script, match)
    return len(script), len(script)


def _skip_blank(script: str, position: int) -> int:
    """Give the place of the first character that is neither blank, nor in a comment, nor a ``/`` of its own."""
    while match := _BLANK.match(script, position):
        mark = match.group()
        if mark == "--":
            position = end_of_line(script, match.end())
        else:
            position = end_of_comment(script, match.end()) if mark == "/*" else match.end()
    return position


def _skip(script: str, match: re.Match[str]) -> int:
    """Give the place behind a text, a name or a comment that begins here; else behind the match."""
    if own := match["own"]:
        return end_of_quoted(script, match.end(), _CLOSING.get(own, own) + "'")
    if quote := match["quote"]:
        return end_of_quoted(script, match.end(), quote)
    if match["line"]:
        return end_of_line(script, match.end())
    return end_of_comment(script, match.end()) if match["comment"] else match.end()
