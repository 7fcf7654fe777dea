"""What is written on a terminal, and what in a pipe."""

import io

import pytest

from testrun_operator.terminal.printing import (
    Column,
    clean,
    clean_lines,
    format_seconds,
    make_console,
    make_table,
    show,
    write_anything,
)


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def write_table(monkeypatch: pytest.MonkeyPatch, output: io.StringIO) -> str:
    """Write a table as if that were standard output, 40 columns wide."""
    monkeypatch.setattr("sys.stdout", output)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    table = make_table((Column("VERDICT"), Column("MESSAGE", is_text=True)), [("Failed", "word " * 30)])
    show(make_console(), table)
    return output.getvalue()


def test_a_terminal_gets_colours_and_wrapped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """For people."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    written = write_table(monkeypatch, Terminal())
    assert "\x1b[31mFailed" in written
    assert len(written.splitlines()) > 3


def test_no_color_means_no_escape_sequence_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither colours nor bold (https://no-color.org)."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in write_table(monkeypatch, Terminal())


def test_a_pipe_gets_one_line_for_each_row_without_blanks_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """For grep and awk."""
    message = ("word " * 30).strip()
    assert write_table(monkeypatch, io.StringIO()) == f"VERDICT  MESSAGE\nFailed   {message}\n"


def test_a_text_is_brought_on_one_line_and_its_control_characters_are_seen() -> None:
    """A row stays a row, and nobody else moves the cursor."""
    assert clean("one\n\ttwo \x1b[31mred") == "one two \N{REPLACEMENT CHARACTER}[31mred"


def test_lines_and_their_indentation_are_kept_where_they_mean_something() -> None:
    """Databases point with them at what they mean."""
    text = "LINE 1: SELECT\r\n\n\t^ \x1b[31mhere  \n"
    assert clean_lines(text) == ["LINE 1: SELECT", "", "        ^ \N{REPLACEMENT CHARACTER}[31mhere"]


def test_what_the_output_cannot_encode_is_written_as_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows Latin alone is no reason to end with an exception."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", output)
    write_anything()
    show(make_console(), "✘ Müller")
    assert output.buffer.getvalue() == b"? M\xfcller\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, None), (0, "0s"), (0.35, "0.35s"), (5, "5s"), (12.4, "12s"), (185, "3m05s"), (3720, "1h02m")],
)
def test_durations_are_short(seconds: float | None, text: str | None) -> None:
    """Two units at most."""
    assert format_seconds(seconds) == text
