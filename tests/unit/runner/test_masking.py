"""Secrets are masked wherever they appear, in whatever form."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.runner.masking import MIN_SECRET_LENGTH, Masker

SECRETS = st.text(min_size=MIN_SECRET_LENGTH, max_size=30).filter(
    lambda secret: len(secret.strip()) >= MIN_SECRET_LENGTH and "*" not in secret
)


@given(secret=SECRETS, around=st.tuples(st.text(max_size=20), st.text(max_size=20)))
def test_a_secret_never_remains_in_a_text(secret: str, around: tuple[str, str]) -> None:
    """Whatever stands around it."""
    assert secret not in Masker([secret]).text(f"{around[0]}{secret}{around[1]}")


@given(secret=SECRETS.filter(lambda secret: secret.isprintable()))
def test_a_secret_is_found_as_json_and_in_an_address(secret: str) -> None:
    """An API that echoes a secret in its own notation does not get it into the report."""
    for form in (json.dumps({"echo": secret}), f"http://api/?q={quote(secret, safe='')}", repr([secret])):
        masked = Masker([secret]).text(form)
        assert "***" in masked
        assert secret.strip() not in masked


def test_a_value_is_masked_in_its_keys_and_texts() -> None:
    """Outputs are JSON values."""
    masked = Masker(["s3cret"]).value({"a s3cret": ["x", {"y": "s3cret!"}, 1, None]})
    assert masked == {"a ***": ["x", {"y": "***!"}, 1, None]}


def test_an_excerpt_is_masked_before_it_is_cut() -> None:
    """No half of a secret remains at the end of an excerpt."""
    assert Masker(["abcdefgh"]).excerpt("12345abcdefgh", limit=8) == "12345***"


def test_a_longer_secret_is_masked_before_one_that_it_contains() -> None:
    """Otherwise its rest would remain."""
    assert Masker(["pass", "password"]).text("my password") == "my ***"


def test_a_secret_with_a_line_break_at_its_end_is_masked_without_it() -> None:
    """Secrets that were made from files often end with a line break, which is not sent."""
    assert Masker(["s3cret\n"]).text("Bearer s3cret;") == "Bearer ***;"


@pytest.mark.parametrize("secret", ["", "abc"])
def test_a_value_that_is_too_short_is_not_masked(secret: str) -> None:
    """It would be found everywhere."""
    assert Masker([secret]).text("abc abcabc") == "abc abcabc"


def test_an_excerpt_is_one_line_of_printable_characters() -> None:
    """An API cannot write to the terminal or to the log what it likes, nor what PostgreSQL refuses to store."""
    assert Masker([]).excerpt("a\r\n\tb\x1b[2J\x00\ud800") == r"a b\x1b[2J\x00\ud800"
