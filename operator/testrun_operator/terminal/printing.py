"""Output: tables that fit a terminal, plain columns in a pipe, and never a control character of somebody else's."""

import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 100_000
"""Wide enough that no line of a pipe is ever wrapped: the reader is a program."""

_STYLES = {
    "Passed": "green",
    "Failed": "red",
    "TimedOut": "red",
    "Errored": "yellow",
    "Cancelled": "yellow",
    "Skipped": "dim",
    "Running": "cyan",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    is_number: bool = False
    is_text: bool = False
    """Whether it may be wrapped on a terminal."""


def make_console(*, to_error: bool = False) -> Console:
    """Make a console on standard output or error; with NO_COLOR, or in a pipe, it writes no escape sequence at all."""
    return Console(
        stderr=to_error,
        # Rich itself would still write bold and dim with NO_COLOR.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        highlight=False,
        emoji=False,
        width=None if (sys.stderr if to_error else sys.stdout).isatty() else _PIPE_WIDTH,
    )


def write_anything() -> None:
    """Have characters that standard output and error cannot encode written as ``?``, in place of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def clean(text: str) -> str:
    """Bring a text on one line, and make control characters visible: messages contain what test subjects said."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))


def clean_lines(text: str) -> list[str]:
    """Make control characters visible, line by line: of messages whose lines and indentation mean something."""
    return [
        "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line.expandtabs()).rstrip()
        for line in text.splitlines()
    ]


def cell(value: object) -> Text:
    """Render a value; known words get their colour."""
    text = "" if value is None else clean(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def make_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, gap: int = 2) -> Table:
    """Make a table without lines.

    Args:
        columns: its columns.
        rows: a value for each column.
        gap: blanks between two columns.
    """
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            overflow="fold",
            no_wrap=not column.is_text,
        )
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    return table


def make_fields(fields: Iterable[tuple[str, object]]) -> Table:
    """Make a list of names and values; those without a value are left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in fields:
        if value is not None:
            table.add_row(name, cell(value))
    return table


def stack(parts: Iterable[RenderableType]) -> Group:
    """Put parts below each other, with an empty line between them."""
    rendered: list[RenderableType] = []
    for part in parts:
        if rendered:
            rendered.append("")
        rendered.append(part)
    return Group(*rendered)


def show(console: Console, part: RenderableType) -> None:
    """Write something, without the blanks at the ends of lines with which tables are filled up."""
    with console.capture() as capture:
        console.print(part)
    console.file.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    console.file.flush()


def format_seconds(seconds: float | None) -> str | None:
    """Render a duration for people: ``0.35s``, ``12s``, ``3m05s``, ``1h02m``."""
    if seconds is None:
        return None
    if seconds < 10:  # noqa: PLR2004 - with so few seconds their fractions matter
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
