"""Texts of messages are bounded, and stay readable."""

from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.execution.texts import MAX_MESSAGE, bounded, excerpt, listed, visible


@given(st.text(max_size=50), st.integers(min_value=0, max_value=200))
def test_a_text_is_as_long_as_a_message_may_be_at_most(text: str, times: int) -> None:
    """A short one stays as it is."""
    whole = text * times
    assert len(bounded(whole)) <= MAX_MESSAGE
    assert (bounded(whole) == whole) is (len(whole) <= MAX_MESSAGE)


def test_what_is_cut_off_is_counted() -> None:
    """So that nobody takes the beginning for the whole."""
    assert bounded("x" * 5000).endswith("… (3040 more characters)")
    assert bounded("x" * 5000).count("x") == 1960


@given(st.text(max_size=5000))
def test_an_excerpt_is_a_short_line(text: str) -> None:
    """Whatever the statement is."""
    assert len(excerpt(text)) <= 201
    assert "\n" not in excerpt(text)


def test_an_excerpt_begins_where_the_statement_does() -> None:
    """With blanks folded."""
    assert excerpt("  SELECT\n  1") == "SELECT 1"
    assert excerpt("x" * 300) == "x" * 200 + "…"


def test_control_characters_are_shown_and_others_stay() -> None:
    """A terminal must not obey them."""
    assert visible("a\n\x1b[1mß") == "a\\n\\x1b[1mß"


def test_a_long_list_says_how_much_is_left_out() -> None:
    """The first ones are enough."""
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a"] * 25).endswith("a and 5 more")
