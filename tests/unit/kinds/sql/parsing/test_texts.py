"""Texts of a file in names and messages."""

import pytest

from testrun_operator.kinds.sql.parsing.texts import excerpt, fold, without_comments


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        (" a\n b\t", "'a b'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 59}…'"),
        ("x" * 1_000_000, f"'{'x' * 59}…'"),
        ("a" + " " * 1000 + "b", "'a…'"),
    ],
)
def test_an_excerpt_is_short_and_says_where_it_is_cut(text: str, shown: str) -> None:
    """A message stays readable, whatever an author wrote."""
    assert excerpt(text) == shown


@pytest.mark.parametrize("code", [*range(9), *range(14, 28), 0x7F, *range(0x80, 0x85), *range(0x86, 0xA0)])
def test_no_control_character_stays(code: int) -> None:
    """Those that are blanks become one."""
    assert fold(f"a{chr(code)}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("text", ["a b", "ä€😀", "a\N{ZERO WIDTH JOINER}b"])
def test_everything_else_stays(text: str) -> None:
    """Names need not be English."""
    assert fold(text) == text


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("a", ("a", False)),
        ("a <!-- b --> c", ("a  c", False)),
        ("<!-- b -->", ("", False)),
        ("a <!--> b <!--c--><!---->", ("a  b", False)),
        ("a <!-- b", ("a <!-- b", True)),
        ("<!-- a --> b <!-- c", ("b <!-- c", True)),
        ("a --> b", ("a --> b", False)),
    ],
)
def test_comments_in_a_line_are_left_out(line: str, rest: tuple[str, bool]) -> None:
    """One that does not end there stays, and is told."""
    assert without_comments(line) == rest
