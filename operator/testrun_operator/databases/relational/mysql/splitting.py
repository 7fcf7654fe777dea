"""Splits scripts of MariaDB and MySQL into statements, as their own client does.

sqlglot's tokenizer, and every other one that was looked at, knows no ``DELIMITER``, which is a command of the client;
it takes ``/*!50003 … */``, which the server runs, for a comment; and it gives up a whole script for one text that is
not closed. So the scanning is done here, for nothing more than where statements end.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from testrun_operator.databases.base import Statement
from testrun_operator.databases.relational.mysql.blocks import Blocks, begins_routine
from testrun_operator.databases.relational.scanning import (
    LineCounter,
    end_of_comment,
    end_of_line,
    end_of_quoted,
)

_DASHES: Final = r"--(?=[\s\x00-\x1f]|\Z)"  # `5--2` is a number less another one
_BLANK: Final = re.compile(rf"\s+|\#|{_DASHES}|/\*(?!M?!)")
_DELIMITER: Final = re.compile(r"delimiter[ \t]+([^\s]+)[^\n]*", re.IGNORECASE)
_DELIMITER_INSIDE: Final = re.compile(r"[ \t]*delimiter[ \t]+[^\w\s'\"`(),=.]+[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
"""Behind a statement whose own delimiter was forgotten; a column may be called delimiter, too."""
_WORD: Final = re.compile(r"[A-Za-z_$\x80-\U0010ffff][\w$]*")


def split_script(script: str, *, backslash_escapes: bool = True) -> tuple[Statement, ...]:
    """Split a script.

    Args:
        script: the script, with ``DELIMITER`` lines or without.
        backslash_escapes: whether a backslash in a text takes the meaning from the next character, as it does unless
            the server's mode is ``NO_BACKSLASH_ESCAPES``.

    Returns:
        The statements. What cannot be split is one statement, which the server will refuse.
    """
    return tuple(_Splitter(script, backslash_escapes=backslash_escapes).statements())


@lru_cache(maxsize=16)
def _special(delimiter: str) -> re.Pattern[str]:
    """Give the pattern of all that matters inside of a statement."""
    edges = (r"(?<!\w)" if delimiter[0].isalnum() else "", r"(?!\w)" if delimiter[-1].isalnum() else "")
    return re.compile(
        rf"(?P<delimiter>{edges[0]}{re.escape(delimiter)}{edges[1]})|(?P<quote>['\"`])|(?P<line>\#|{_DASHES})"
        r"|(?P<conditional>/\*M?!)|(?P<comment>/\*)|(?P<close>\*/)|(?P<break>\n)"
    )


_SPECIAL_IN_ROUTINE: Final = re.compile(
    rf"(?P<quote>['\"`])|(?P<line>\#|{_DASHES})|(?P<conditional>/\*M?!)|(?P<comment>/\*)|(?P<close>\*/)"
    rf"|(?P<word>{_WORD.pattern})|(?P<mark>[^\s\w$])"
)


class _Splitter:
    def __init__(self, script: str, *, backslash_escapes: bool) -> None:
        self._script = script
        self._backslash = backslash_escapes
        self._delimiter = ";"
        self._follows_blocks = True

    def statements(self) -> Iterator[Statement]:
        """Give the statements in their order."""
        lines = LineCounter(self._script)
        position = 0
        while (start := self._skip_blank(position)) < len(self._script):
            command = _DELIMITER.match(self._script, start)
            if command:
                self._delimiter = command[1].strip("'\"`") or ";"
                position = command.end()
                continue
            end, position = self._end_of_statement(start)
            if text := self._script[start:end].rstrip():
                yield Statement(text, lines.line_of(start))

    def _skip_blank(self, position: int) -> int:
        """Give the place of the first character that is neither blank nor part of a comment."""
        while match := _BLANK.match(self._script, position):
            mark = match.group()
            if mark == "/*":
                position = end_of_comment(self._script, match.end())
            elif mark in {"#", "--"}:
                position = end_of_line(self._script, match.end())
            else:
                position = match.end()
        return position

    def _end_of_statement(self, start: int) -> tuple[int, int]:
        """Give the place where a statement ends, and the one behind its delimiter."""
        if self._follows_blocks and self._delimiter == ";" and begins_routine(self._script, start):
            end = self._end_of_routine(start)
            if end is not None:
                return end, end + 1
            # Once is enough: to look again from every statement on would take the square of the time.
            self._follows_blocks = False
        special = _special(self._delimiter)
        conditional = False
        position = start
        while match := special.search(self._script, position):
            if match["delimiter"] and not conditional:
                return match.start(), match.end()
            if match["break"] and not conditional and _DELIMITER_INSIDE.match(self._script, match.end()):
                return match.start(), match.end()
            conditional = (conditional or bool(match["conditional"])) and not match["close"]
            position = self._skip(match)
        return len(self._script), len(self._script)

    def _end_of_routine(self, start: int) -> int | None:
        """Give the place of the semicolon behind a routine; None where its blocks do not end."""
        blocks = Blocks()
        conditional = False
        position = start
        while match := _SPECIAL_IN_ROUTINE.search(self._script, position):
            if match["word"]:
                position = blocks.word(self._script, match)
                continue
            if match["mark"]:
                if match["mark"] == ";" and not blocks.is_inside and not conditional:
                    return match.start()
                blocks.punctuation(match["mark"])
            conditional = (conditional or bool(match["conditional"])) and not match["close"]
            position = self._skip(match)
        return None if blocks.is_inside else len(self._script)

    def _skip(self, match: re.Match[str]) -> int:
        """Give the place behind a text, a name or a comment that begins here; else behind the match."""
        if quote := match["quote"]:
            backslash = self._backslash and quote != "`"
            return end_of_quoted(self._script, match.end(), quote, backslash=backslash)
        if match["line"]:
            return end_of_line(self._script, match.end())
        if match["comment"]:
            return end_of_comment(self._script, match.end())
        return match.end()
