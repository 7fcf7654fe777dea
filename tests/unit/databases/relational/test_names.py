"""How names are read that authors write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.relational.names import Name, Reference, read_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("divide", Reference((Name("divide"),))),
        (" billing . charge ", Reference((Name("billing"), Name("charge")))),
        ('"Mixed"."Ca""se"', Reference((Name("Mixed", quoted=True), Name('Ca"se', quoted=True)))),
        ("`my``proc`", Reference((Name("my`proc", quoted=True),))),
        ("[my table]", Reference((Name("my table", quoted=True),))),
        ("a.b.c", Reference((Name("a"), Name("b"), Name("c")))),
        ("f()", Reference((Name("f"),), ())),
        ("a.f( integer , decimal(10, 2))", Reference((Name("a"), Name("f")), ("integer", "decimal(10, 2)"))),
        ("two words", Reference((Name("two words", quoted=True),))),
        ('"open', Reference((Name('"open', quoted=True),))),
        ("", Reference((Name("", quoted=True),))),
    ],
)
def test_parts_quotes_and_types(text: str, expected: Reference) -> None:
    """What cannot be read is one name, which will not be found."""
    assert expected == read_reference(text)


def test_the_last_part_is_the_name_and_the_one_before_it_the_schema() -> None:
    """Without a dot there is no schema."""
    assert (Name("charge"), Name("billing")) == (
        read_reference("billing.charge").name,
        read_reference("billing.charge").schema,
    )
    assert read_reference("charge").schema is None


@given(st.text(alphabet='ab."`[](), \n', max_size=60))
def test_any_text_is_read(text: str) -> None:
    """A title is written by anybody."""
    assert read_reference(text).parts
