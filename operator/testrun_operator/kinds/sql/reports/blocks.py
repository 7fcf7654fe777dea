"""A test case file as Markdown has it: blocks with the lines on which they stand, and no HTML of its own in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a page cannot hold, and what would write a line from right to left that is not."""
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_BREAK = re.compile(r"\r\n?")
_INDENTED = 4
"""Blanks with which a line is code."""


class Shape(Enum):
    """What kind of block it is, as far as marking it goes."""

    HEADING = auto()
    CODE = auto()
    TABLE = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """A block that is not in another one."""

    shape: Shape
    tokens: list[Token]
    first_line: int
    """From 1."""
    level: int = 0
    """Of a heading."""


def clean(text: str) -> str:
    """Replace what a page cannot hold; the number of lines stays."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _BREAK.sub("\n", text))


def make_parser() -> MarkdownIt:
    """Make a parser that lets nothing of a file become anything but text.

    HTML is text, images are not known, links lead to other sites or nowhere, and no line vanishes: there are no
    definitions of links, and a comment is a block of its own, of the type ``comment``.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "reference", "html_block"])
    parser.block.ruler.before("fence", "comment", _read_comment, {"alt": ["paragraph", "blockquote", "list"]})
    parser.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    return parser


def read_blocks(parser: MarkdownIt, text: str) -> list[Block]:
    """Read a cleaned text, block by block.

    What stands in titles and in cells is text: ``__NULL__`` there is not a bold NULL.
    """
    tokens = parser.parse(text)
    _keep_plain(tokens)
    return [_block(group) for group in _groups(tokens)]


def _groups(tokens: list[Token]) -> Iterator[list[Token]]:
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _block(tokens: list[Token]) -> Block:
    first = tokens[0]
    line = first.map[0] + 1 if first.map else 1
    if first.type == "heading_open":
        return Block(Shape.HEADING, tokens, line, int(first.tag[1:]))
    shapes = {"fence": Shape.CODE, "code_block": Shape.CODE, "table_open": Shape.TABLE}
    return Block(shapes.get(first.type, Shape.OTHER), tokens, line)


def _keep_plain(tokens: list[Token]) -> None:
    plain = False
    for token in tokens:
        if token.type in {"heading_open", "table_open"}:
            plain = True
        elif token.type in {"heading_close", "table_close"}:
            plain = False
        elif token.type in {"th_open", "td_open"}:
            token.attrs.clear()  # how columns are aligned is an inline style, which the page forbids
        elif plain and token.type == "inline":
            token.children = [Token("text", "", 0, content=token.content)]


def _read_comment(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - as the library calls
    """Take ``<!-- … -->``, as long as it begins a line, as a block; without an end it goes to the last line."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.sCount[start] - state.blkIndent >= _INDENTED or not state.src.startswith("<!--", begin):
        return False
    if silent:
        return True
    found = state.src.find("-->", begin + len("<!--"), state.eMarks[end - 1])
    last = start
    while found >= 0 and last < end - 1 and state.eMarks[last] < found:
        last += 1
    after = last + 1 if found >= 0 else end
    state.line = after
    token = state.push("comment", "", 0)
    token.map = [start, after]
    token.content = state.getLines(start, after, state.blkIndent, True)
    return True
