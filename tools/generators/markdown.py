"""Small parts of the reference pages."""

import textwrap
from collections.abc import Iterable, Sequence

_WIDTH = 120


def page(title: str, introduction: str, source: str, body: Iterable[str]) -> str:
    """Put a page together.

    Args:
        title: its heading.
        introduction: what the page is about; its paragraphs are wrapped, its lists are not.
        source: what it is generated from.
        body: the lines below.
    """
    paragraphs = [text if text.startswith("- ") else textwrap.fill(text, _WIDTH) for text in introduction.split("\n\n")]
    lines = [
        f"# {title}",
        "",
        "\n\n".join(paragraphs),
        "",
        f"Generated from {source} by `make generate`; do not edit.",
        "",
    ]
    return "\n".join([*lines, *body]).rstrip() + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Render a table."""
    return [
        row_of(headings),
        row_of(["---"] * len(headings)),
        *(row_of([cell(text) for text in row]) for row in rows),
    ]


def row_of(cells: Sequence[str]) -> str:
    """Render a row of a table."""
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """Make a text fit for a cell of a table: one line, and no end of a cell in it."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Render a text as code, or nothing for an empty one."""
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
