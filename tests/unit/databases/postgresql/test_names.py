"""Names as authors write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.postgresql.names import parse_name, quote, split_signature


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("charge", ("charge",)),
        (" CHARGE ", ("charge",)),
        ("Billing.Charge", ("billing", "charge")),
        ("billing . charge", ("billing", "charge")),
        ('"Mixed"."a ""b"".c"', ("Mixed", 'a "b".c')),
        ('billing."Charge"', ("billing", "Charge")),
        ("ÄRGER$1", ("Ärger$1",)),
        ("x" * 70, ("x" * 63,)),
        ("", None),
        ("a b", None),
        ("a..b", None),
        ("a.", None),
        ("1a", None),
        ("order-items", None),
        ('"a', None),
        ('""', None),
    ],
)
def test_names_are_folded_as_postgresql_folds_them(text: str, parts: tuple[str, ...] | None) -> None:
    """Without quotes the letters A to Z are made small; with quotes a name is what it is."""
    assert parse_name(text) == parts


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)))
def test_a_quoted_name_is_itself(names: list[str]) -> None:
    """Whatever characters it has."""
    assert parse_name(".".join(quote(name) for name in names)) == (tuple(names) if names else None)


@pytest.mark.parametrize(
    ("text", "name", "types"),
    [
        ("charge", "charge", None),
        ("charge()", "charge", ()),
        ("charge( )", "charge", ()),
        ("billing.charge(integer, text)", "billing.charge", ("integer", "text")),
        ("charge(numeric(10, 2), text[])", "charge", ("numeric(10, 2)", "text[]")),
        ('charge("a,b", "c)")', "charge", ('"a,b"', '"c)"')),
        ('"charge(integer)"', '"charge(integer)"', None),
        ('"a(b" (text) ', '"a(b" ', ("text",)),
        ("charge(integer", "charge(integer", None),
    ],
)
def test_types_in_parentheses_choose_an_overload(text: str, name: str, types: tuple[str, ...] | None) -> None:
    """The commas of numeric(10, 2) and of quoted names do not count."""
    assert split_signature(text) == (name, types)
