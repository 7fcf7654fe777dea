"""Splits a script for PostgreSQL into its statements, as psql would.

The tokens are sqlglot's; which ``;`` ends a statement is decided by psql's own rules. Commands of psql itself, and data
below ``COPY … FROM STDIN``, are no SQL: they end up in statements that the database refuses.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from testrun_operator.databases.base import Statement

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token
    from sqlglot.tokens import Tokenizer

_BLANKS: Final = " \t\n\r\f\v"
_SIMPLE: Final = re.compile(
    r"""
    (?:[ \t\n\r\f\v;]|--[^\n]*+\n)*+                     # blanks and lines of comments before it
    ([^;'"$\\/-](?:[^;'"$\\/-]|'[^'\\]*+'|"[^"]*+"|-(?!-)|/(?!\*))*+)  # itself: no comments, only plain quotes
    (?:;|\Z)
    """,
    re.VERBOSE,
)
_BLOCK: Final = re.compile(
    r"""
    (?:[ \t\n\r\f\v;]|--[^\n]*+\n)*+
    ([Dd][Oo][ \t\n\r\f\v]+(\$(?:[A-Za-z_][A-Za-z_0-9]*+)?\$).*?\2)[ \t\n\r\f\v]*+(?:;|\Z)  # as assertions are written
    """,
    re.VERBOSE | re.DOTALL,  # case counts in the tags
)
_PARENTHESIS_OR_QUOTED: Final = re.compile(r"""[()]|'[^']*+'|"[^"]*+\"""")
_MAY_HAVE_DELIMITERS: Final = re.compile(r"create\b.*\b(?:function|procedure|rule)\b", re.IGNORECASE | re.DOTALL)
_NOTHING: Final = re.compile(r"(?:[ \t\n\r\f\v;]|--[^\n]*+(?:\n|\Z))*+\Z")
_REMEMBERED: Final = 64
"""How many scripts are remembered: fixtures are loaded before each test, or each row."""
_ROUTINES: Final = ("function", "procedure")
_OR_REPLACE: Final = ["create", "or", "replace"]
_FIRST_WORDS: Final = 4


@lru_cache(maxsize=_REMEMBERED)
def split_statements(script: str) -> tuple[Statement, ...]:
    """Split a script into its statements; what cannot be split is one statement, which the database will refuse.

    Args:
        script: SQL for PostgreSQL. The last statement needs no ``;``.

    Returns:
        The statements, without comments before and behind them. None of them is empty.
    """
    statements: list[Statement] = []
    position = 0
    line = 1
    while not _NOTHING.match(script, position):
        match = _SIMPLE.match(script, position)
        if match is None or not _is_simple(match[1]):
            match = _BLOCK.match(script, position)
        if match is None:
            return (*statements, *_split(script[position:], line))
        line += script.count("\n", position, match.start(1))
        statements.append(Statement(match[1].rstrip(_BLANKS), line))
        line += script.count("\n", match.start(1), match.end())
        position = match.end()
    return tuple(statements)


def _is_simple(text: str) -> bool:
    """Tell whether a statement that has no ``;`` in quotes and comments has none elsewhere."""
    return _is_closed(text) and not _MAY_HAVE_DELIMITERS.match(text)


def _is_closed(text: str) -> bool:
    """Tell whether every parenthesis outside quotes has its other one, in the right order."""
    if "(" not in text and ")" not in text:
        return True
    depth = 0
    for found in _PARENTHESIS_OR_QUOTED.finditer(text):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
            if depth < 0:
                return False  # psql takes one that closes nothing for none, and counts on from there
    return depth == 0


def _split(script: str, line: int) -> tuple[Statement, ...]:
    """Split what has comments, dollar quotes, bodies of routines and the like, from a line on."""
    from sqlglot.errors import TokenError  # noqa: PLC0415 - see _tokenizer

    whole = script.strip(_BLANKS)
    unsplit = (Statement(whole, line + script.count("\n", 0, script.index(whole))),)
    if "/*/*" in script:
        return unsplit  # sqlglot takes that for one comment, not for one in another
    try:
        tokens = _tokenizer().tokenize(f"{script}\n;")
    except TokenError:
        return unsplit
    if not tokens or tokens[-1].start != len(script) + 1:
        return unsplit  # a comment without an end has swallowed our last delimiter; sqlglot does not mind
    return tuple(_statements(script, tokens, line))


def _statements(script: str, tokens: "list[Token]", line: int) -> Iterator[Statement]:
    state = _State()
    first: Token | None = None
    last: Token | None = None
    counted = 0
    for token in tokens:
        if state.ends_with(token) or token.start > len(script):
            if first is not None and last is not None:
                line += script.count("\n", counted, first.start)
                counted = first.start
                yield Statement(script[first.start : last.end + 1], line)
            first = last = None
            state = _State()
        else:
            first = first or token
            last = token


class _State:
    """Where in a statement the tokens read so far lead; by the rules of psql."""

    __slots__ = ("_blocks", "_parentheses", "_words")

    def __init__(self) -> None:
        self._parentheses = 0
        self._blocks = 0
        """How many BEGIN and CASE of a routine's body wait for their END."""
        self._words: list[str] = []

    def ends_with(self, token: "Token") -> bool:
        """Take a token; tell whether it is the delimiter that ends the statement."""
        kind = token.token_type.name
        if kind == "SEMICOLON":
            return not self._parentheses and not self._blocks
        if kind == "L_PAREN":
            self._parentheses += 1
        elif kind == "R_PAREN":
            self._parentheses = max(0, self._parentheses - 1)
        elif kind == "VAR":
            self._take_word(token.text.lower())
        return False

    def _take_word(self, word: str) -> None:
        words = self._words
        if len(words) < _FIRST_WORDS:
            words.append(word)
        if self._parentheses or not self._is_routine():
            return
        if word == "begin" or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end":
            self._blocks = max(0, self._blocks - 1)

    def _is_routine(self) -> bool:
        words = self._words
        name = 3 if words[:3] == _OR_REPLACE else 1
        return words[0] == "create" and len(words) > name and words[name] in _ROUTINES


@cache
def _tokenizer() -> "Tokenizer":
    # Loaded when the first script needs it: the package takes 150 ms, most of it for what is not used here.
    from sqlglot.dialects.postgres import Postgres  # noqa: PLC0415

    class Words(Postgres.Tokenizer):
        """Knows quotes, comments and words, and nothing of what words mean."""

        KEYWORDS = {}  # noqa: RUF012 - as its base class has it
        COMMANDS = set()  # noqa: RUF012
        HEX_STRINGS = []  # noqa: RUF012 - they are checked, and that is the server's business
        BIT_STRINGS = []  # noqa: RUF012

    return Words(dialect="postgres")
