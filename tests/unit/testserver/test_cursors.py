"""Cursors are opaque, and an altered one is refused."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.testserver.cursor import decode_cursor, encode_cursor


@given(st.integers(min_value=0, max_value=10**12))
def test_a_cursor_leads_back_to_its_offset(offset: int) -> None:
    """What encode_cursor makes, decode_cursor reads."""
    assert offset == decode_cursor(encode_cursor(offset))


@given(st.text(max_size=200))
def test_any_other_text_is_refused_with_a_reason(text: str) -> None:
    """Whatever a client sends, the answer is a ValueError with a reason and never another exception."""
    with pytest.raises(ValueError, match=r"is no cursor of this server|was altered"):
        decode_cursor(text)


@given(st.integers(min_value=0, max_value=100), st.data())
def test_a_cursor_with_one_character_changed_is_refused(offset: int, data: st.DataObject) -> None:
    """A changed cursor never leads to another page in silence."""
    cursor = encode_cursor(offset)
    position = data.draw(st.integers(min_value=0, max_value=len(cursor) - 1))
    character = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda other: other != cursor[position]))
    with pytest.raises(ValueError, match=r"is no cursor of this server|was altered"):
        decode_cursor(cursor[:position] + character + cursor[position + 1 :])


@pytest.mark.parametrize("document", [[], 7, {}, {"offset": True}, {"offset": -1}, {"offset": "10"}])
def test_a_document_without_an_offset_is_refused(document: object) -> None:
    """JSON in base64url alone does not make a cursor."""
    cursor = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(ValueError, match="it has no offset"):
        decode_cursor(cursor)
