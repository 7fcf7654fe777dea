"""Comparing what is expected with what came: by the kind of value, and told so that the difference is seen."""

import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.base import Kind, Value
from testrun_operator.kinds.sql.execution.comparing import (
    Difference,
    Expected,
    digest_of,
    find_difference,
    key_of,
    matches,
)

texts = st.text(max_size=30)
kinds = st.sampled_from(Kind)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12)


@pytest.mark.parametrize(
    ("expected", "text", "kind", "same"),
    [
        ("29", "29.0000000000000000", Kind.NUMBER, True),
        ("29.00", "29", Kind.NUMBER, True),
        (".5", "0.5", Kind.NUMBER, True),
        ("+1", "1", Kind.NUMBER, True),
        ("-0", "0", Kind.NUMBER, True),
        ("1e3", "1000", Kind.NUMBER, True),
        ("29", "29.0001", Kind.NUMBER, False),
        ("NaN", "NaN", Kind.NUMBER, True),
        ("Infinity", "Infinity", Kind.NUMBER, True),
        ("Infinity", "-Infinity", Kind.NUMBER, False),
        ("", "0", Kind.NUMBER, False),
        ("1_000", "1000", Kind.NUMBER, False),
        ("1,5", "1.5", Kind.NUMBER, False),
        ("٣", "3", Kind.NUMBER, False),
        ("29", "29.0", Kind.TEXT, False),
        ("true", "true", Kind.BOOLEAN, True),
        ("T", "true", Kind.BOOLEAN, True),
        ("yes", "true", Kind.BOOLEAN, True),
        ("1", "true", Kind.BOOLEAN, True),
        ("No", "false", Kind.BOOLEAN, True),
        ("0", "false", Kind.BOOLEAN, True),
        ("false", "true", Kind.BOOLEAN, False),
        ("ja", "true", Kind.BOOLEAN, False),
        ("true", "t", Kind.TEXT, False),
        ("\\xDEADBEEF", "\\xdeadbeef", Kind.BINARY, True),
        ("\\xdead", "\\xdeae", Kind.BINARY, False),
        ("dead", "\\xdead", Kind.BINARY, False),
        ("\\xDEAD", "\\xdead", Kind.TEXT, False),
        ("Ada", "Ada", Kind.TEXT, True),
        ("Ada", "ada", Kind.TEXT, False),
        ("Ada", "Ada ", Kind.TEXT, False),
        ("", "", Kind.TEXT, True),
        ("2020-01-02 03:04:05.6", "2020-01-02 03:04:05.6", Kind.TEXT, True),
        (None, None, Kind.TEXT, True),
        (None, None, Kind.NUMBER, True),
        ("", None, Kind.TEXT, False),
        (None, "", Kind.TEXT, False),
        ("__NULL__", None, Kind.TEXT, False),
        (None, "__NULL__", Kind.TEXT, False),
    ],
)
def test_values_are_compared_as_what_they_are(expected: str | None, text: str | None, kind: Kind, same: bool) -> None:
    """Numbers by their value, truth values by their meaning, bytes by their digits, all else character by character."""
    found = find_difference(Expected(expected), Value(text, kind))
    assert (found is None) is same


@given(numbers, st.integers(min_value=0, max_value=6))
def test_how_many_zeros_a_number_ends_with_does_not_matter(number: Decimal, zeros: int) -> None:
    """PostgreSQL writes the scale of a numeric, an author does not."""
    written = f"{number:f}"
    assert matches(Expected(written), Value(written + "0" * zeros, Kind.NUMBER))


@given(numbers, numbers)
def test_two_numbers_are_the_same_just_if_they_are_equal(one: Decimal, other: Decimal) -> None:
    """However they are written."""
    assert matches(Expected(str(one)), Value(f"{other:f}", Kind.NUMBER)) is (one == other)


@given(texts, texts, kinds)
def test_a_difference_is_found_just_where_values_differ(expected: str, actual: str, kind: Kind) -> None:
    """And a value is never different from itself."""
    value = Value(actual, kind)
    assert (find_difference(Expected(expected), value) is None) is matches(Expected(expected), value)
    assert find_difference(Expected(actual), value) is None
    if kind is Kind.TEXT:
        assert matches(Expected(expected), value) is (expected == actual)


@given(st.none() | texts, st.none() | texts, kinds)
def test_equal_keys_are_equal_values(one: str | None, other: str | None, kind: Kind) -> None:
    """Rows in any order are found by their keys."""
    assert (key_of(one, kind) == key_of(other, kind)) is matches(Expected(one), Value(other, kind))


@given(texts)
def test_a_digest_stands_for_its_text(text: str) -> None:
    """It is that of the text as UTF-8."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest_of(Value(text)) == digest
    assert matches(Expected("", sha256=digest), Value(text))
    assert not matches(Expected("", sha256=digest), Value(text + "."))
    assert not matches(Expected("", sha256=digest), Value(None))


@given(st.binary(max_size=40))
def test_a_digest_of_a_binary_value_is_that_of_its_bytes(data: bytes) -> None:
    """And a file is compared with the bytes, too."""
    value = Value(f"\\x{data.hex()}", Kind.BINARY)
    assert matches(Expected("", sha256=hashlib.sha256(data).hexdigest()), value)
    assert matches(Expected(data.decode(errors="surrogateescape"), data=data), value)
    assert not matches(Expected("", data=data + b"."), value)


def test_a_short_difference_is_told_in_full() -> None:
    """That is the message which people look for."""
    assert find_difference(Expected("5"), Value("6")) == Difference("'5'", "'6'")
    assert find_difference(Expected(None), Value("6")) == Difference("'__NULL__'", "'6'")


def test_a_large_value_is_told_by_its_length_its_digest_and_its_first_difference() -> None:
    """Never in full."""
    lines = [f"this is line {number} of a letter" for number in range(1, 101)]
    other = [*lines[:49], "this is LINE 50 of a letter", *lines[50:]]
    found = find_difference(Expected("\n".join(lines)), Value("\n".join(other)))
    assert found is not None
    whole = "\n".join(lines)
    assert found.expected == f"({len(whole)} characters, SHA-256 {hashlib.sha256(whole.encode()).hexdigest()[:12]}…)"
    at = whole.index("line 50") + 1
    assert f"they differ first at character {at}, line 50, column 9" in found.where
    assert "line 50 of a let" in found.where
    assert "LINE 50 of a let" in found.where
    assert len(found.expected + found.actual + found.where) < 400


def test_a_large_binary_value_is_told_by_its_bytes() -> None:
    """A place among hexadecimal digits would help nobody."""
    data = bytes(range(256))
    other = data[:200] + b"\xff" + data[201:]
    found = find_difference(Expected("", data=data), Value(f"\\x{other.hex()}", Kind.BINARY))
    assert found is not None
    assert "256 bytes" in found.expected
    assert "256 bytes" in found.actual
    assert "byte 201" in found.where


def test_a_text_that_ends_too_early_is_told_so() -> None:
    """The usual mistake with files: a line break at the end."""
    text = "x" * 300
    found = find_difference(Expected(f"{text}\n"), Value(text))
    assert found is not None
    assert "character 301" in found.where
    assert "and then the end" in found.where


def test_values_that_look_the_same_are_told_apart() -> None:
    """A line break and the two characters that stand for it are shown alike."""
    found = find_difference(Expected("a\\n"), Value("a\n"))
    assert found is not None
    assert found.expected == found.actual
    assert "character 2" in found.where
    null = find_difference(Expected(None), Value("__NULL__"))
    assert null is not None
    assert "NULL" in null.where


@given(st.text(min_size=150, max_size=600), st.text(min_size=150, max_size=600), st.sampled_from(Kind))
def test_no_difference_is_longer_than_a_few_lines(expected: str, actual: str, kind: Kind) -> None:
    """Whatever is in the values, control characters included."""
    found = find_difference(Expected(expected), Value(actual, kind))
    if found is not None:
        shown = found.expected + found.actual + found.where
        assert "\n" not in shown
        assert len(shown) < 5000


@given(st.text(alphabet="ab\n", max_size=400), st.text(alphabet="ab\n", max_size=400))
def test_the_first_differing_place_is_right(common: str, rest: str) -> None:
    """Line and column are those that an editor shows."""
    prefix = "y" * 250 + "\n" + common
    found = find_difference(Expected(f"{prefix}c{rest}"), Value(f"{prefix}d{rest}"))
    assert found is not None
    line = prefix.count("\n") + 1
    column = len(prefix.rpartition("\n")[2]) + 1
    assert f"character {len(prefix) + 1}, line {line}, column {column}:" in found.where
