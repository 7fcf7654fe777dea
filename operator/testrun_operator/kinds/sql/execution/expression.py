"""Expressions that select tests, as pytest's ``-k`` has them: ``refund and not (slow or "by hand")``.

A word holds if it is contained in the text, case ignored. Words with blanks or parentheses stand in quotes. ``not``
binds closest, then ``and``, then ``or``. The expression is read by this module; nothing of it is ever evaluated.
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from testrun_operator.errors import CaseError

MAX_DEPTH: Final = 50
"""How deep parentheses and ``not`` may be nested."""
MAX_LENGTH: Final = 10_000
_TOKEN: Final = re.compile(r"""\s*(?:(?P<mark>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))""")
_OPERATORS: Final = frozenset({"and", "or", "not", "(", ")"})


class InvalidExpression(CaseError):
    """The expression cannot be understood. The message says where, and what was expected there."""


@dataclass(frozen=True, slots=True)
class Word:
    """Holds if the text contains it."""

    text: str
    """Folded."""

    def holds(self, text: str) -> bool:
        """Whether it is contained in a folded text."""
        return self.text in text


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if what it denies does not."""

    denied: "Node"

    def holds(self, text: str) -> bool:
        """Whether what it denies does not hold."""
        return not self.denied.holds(text)


@dataclass(frozen=True, slots=True)
class And:
    """Holds if all of its parts do."""

    parts: tuple["Node", ...]

    def holds(self, text: str) -> bool:
        """Whether all parts hold."""
        return all(part.holds(text) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Holds if one of its parts does."""

    parts: tuple["Node", ...]

    def holds(self, text: str) -> bool:
        """Whether one of the parts holds."""
        return any(part.holds(text) for part in self.parts)


Node = Word | Not | And | Or


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was understood."""

    node: Node

    def matches(self, text: str) -> bool:
        """Whether a text is selected."""
        return self.node.holds(text.casefold())


def parse_expression(source: str) -> Expression:
    """Read an expression.

    Raises:
        InvalidExpression: it cannot be understood, is longer than 10,000 characters, or is nested too deeply.
    """
    if len(source) > MAX_LENGTH:
        raise InvalidExpression(f"the expression is {len(source)} characters long; at most {MAX_LENGTH} are read")
    reader = _Reader(source)
    node = reader.read_or(0)
    reader.expect_end()
    return Expression(node)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    at: int
    """Where it begins, from 0."""
    quoted: bool = False

    def is_(self, operator: str) -> bool:
        return not self.quoted and self.text == operator

    @property
    def is_operator(self) -> bool:
        return not self.quoted and self.text in _OPERATORS


class _Reader:
    """Reads by descent: one method for each level of binding."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._split()
        self._next = 0

    def read_or(self, depth: int) -> Node:
        parts = [self._read_and(depth)]
        while self._take("or"):
            parts.append(self._read_and(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def expect_end(self) -> None:
        token = self._peek()
        if token is None:
            return
        if token.is_(")"):
            self._refuse(token.at, "there is no '(' for this ')'")
        self._refuse(
            token.at, f"expected 'and', 'or' or the end, not {token.text!r}; a text with blanks must stand in quotes"
        )

    def _read_and(self, depth: int) -> Node:
        parts = [self._read_not(depth)]
        while self._take("and"):
            parts.append(self._read_not(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _read_not(self, depth: int) -> Node:
        token = self._peek()
        if token is None:
            self._refuse(len(self._source), "expected a word, 'not' or '(', not the end")
        if depth > MAX_DEPTH:
            self._refuse(token.at, f"parentheses and 'not' are nested more than {MAX_DEPTH} deep")
        self._next += 1
        if token.is_("not"):
            return Not(self._read_not(depth + 1))
        if token.is_("("):
            node = self.read_or(depth + 1)
            if not self._take(")"):
                self._refuse(token.at, "there is no ')' for this '('")
            return node
        if token.is_operator:
            self._refuse(token.at, f"expected a word, 'not' or '(', not {token.text!r}")
        if not token.text:
            self._refuse(token.at, "the text in quotes is empty")
        return Word(token.text.casefold())

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, operator: str) -> bool:
        token = self._peek()
        if token is None or not token.is_(operator):
            return False
        self._next += 1
        return True

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        position = 0
        end = len(self._source.rstrip())
        while position < end:
            found = _TOKEN.match(self._source, position)
            if found is None:
                at = position + len(self._source[position:]) - len(self._source[position:].lstrip())
                self._refuse(at, "the quote is not closed")
            kind = found.lastgroup or ""
            quoted = kind in ("double", "single")
            tokens.append(_Token(found[kind], found.start(kind) - quoted, quoted))
            position = found.end()
        return tokens

    def _refuse(self, at: int, what: str) -> NoReturn:
        raise InvalidExpression(
            f"the expression cannot be understood at character {at + 1}: {what}\n  {self._source}\n  {' ' * at}^"
        )
