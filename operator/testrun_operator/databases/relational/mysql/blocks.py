"""Where the body of a routine ends that is written without ``DELIMITER``.

MySQL's own client needs ``DELIMITER``, and tears ``BEGIN … END`` apart at the first semicolon without it. Where the
blocks of a body can be followed to the end of the last one, it is kept whole here.
"""

import re
from typing import Final

_USER: Final = r"(?:'[^']*'|\"[^\"]*\"|`[^`]*`|[\w.%]+(?:\(\))?)"
_ROUTINE: Final = re.compile(
    rf"""
    create\s+(?:or\s+replace\s+)?(?:definer\s*=\s*{_USER}(?:\s*@\s*{_USER})?\s+)?(?:aggregate\s+)?
    (?:procedure|function|trigger|event|package)\b
    | begin\s+not\s+atomic\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECOND_WORD: Final = re.compile(r"\s+(if|while|loop|repeat|for|case)\b", re.IGNORECASE)

_BLOCKS: Final = frozenset({"begin", "if", "while", "loop", "repeat", "for", "case"})
_BEFORE_STATEMENT: Final = frozenset({";", ":", "begin", "then", "else", "do", "loop", "repeat"})
_BEFORE_BODY: Final = frozenset({")", "row", "sql", "data", "deterministic", "definer", "invoker", "do", ":"})
"""What may stand before a body that is a single ``IF``, ``WHILE`` and so on."""
_EXPRESSION: Final = "case as an expression"


def begins_routine(script: str, position: int) -> bool:
    """Whether the statement that begins here may have a body with semicolons in it."""
    return _ROUTINE.match(script, position) is not None


class Blocks:
    """Follows the blocks of one body, word by word."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._previous = ""
        self._in_handler = False

    @property
    def is_inside(self) -> bool:
        """Whether a semicolon here belongs to the body."""
        return bool(self._open)

    def punctuation(self, mark: str) -> None:
        """Take note of a character that is no part of a word."""
        self._previous = mark
        self._in_handler = self._in_handler and mark != ";"

    def word(self, script: str, match: re.Match[str]) -> int:
        """Take note of a word.

        Args:
            script: all of it.
            match: the word.

        Returns:
            The place behind it, and behind the second word of an ``END IF``.
        """
        word, previous = match.group().lower(), self._previous
        self._previous = word
        if word == "end":
            return self._end(script, match.end(), previous)
        self._in_handler = self._in_handler or word == "handler"
        top = self._open[-1] if self._open else None
        if word in _BLOCKS and previous != ".":
            at_statement = previous in (_BEFORE_STATEMENT if top else _BEFORE_BODY) and top != _EXPRESSION
            # DECLARE … HANDLER FOR SQLEXCEPTION BEGIN; and the body itself, whatever stands before it.
            at_block = word == "begin" and (
                top is None or (self._in_handler and (previous.isalnum() or previous == ","))
            )
            if at_statement or at_block:
                self._open.append(word)
                self._in_handler = False
            elif word == "case":
                self._open.append(_EXPRESSION)
        return match.end()

    def _end(self, script: str, position: int, previous: str) -> int:
        top = self._open[-1] if self._open else None
        if top == _EXPRESSION:
            self._open.pop()
            return position
        second = _SECOND_WORD.match(script, position)
        if second is not None:
            if second[1].lower() == top:
                self._open.pop()
            return second.end()
        # A column may be called end, too.
        if top == "begin" and previous in {";", "begin"}:
            self._open.pop()
        return position
