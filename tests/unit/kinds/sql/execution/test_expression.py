"""Expressions over the names of tests: what pytest's ``-k`` means, read without evaluating anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.execution.expression import MAX_DEPTH, InvalidExpression, parse_expression

TEXT = "tests/billing/refund.stt/Refunds are paid once/A refund is never slow"

words = st.sampled_from(
    ["refund", "slow", "BILLING", "absent", '"paid once"', "'paid twice'", "tests/billing", "or-not"]
)


def render(node: "tuple[object, ...] | str") -> str:
    """Write an expression."""
    if isinstance(node, str):
        return node
    operator, *parts = node
    if operator == "not":
        return f"not {render(parts[0])}"  # type: ignore[arg-type]
    return "(" + f" {operator} ".join(render(part) for part in parts) + ")"  # type: ignore[arg-type]


def holds(node: "tuple[object, ...] | str") -> bool:
    """Evaluate an expression by its structure."""
    if isinstance(node, str):
        return node.strip("\"'").lower() in TEXT.lower()
    operator, *parts = node
    results = [holds(part) for part in parts]  # type: ignore[arg-type]
    return not results[0] if operator == "not" else all(results) if operator == "and" else any(results)


nodes = st.recursive(
    words,
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), inner, inner)
        | st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner)
    ),
    max_leaves=12,
)


@given(nodes)
def test_an_expression_means_what_its_structure_says(node: "tuple[object, ...] | str") -> None:
    """Whatever words, operators and parentheses are in it."""
    assert parse_expression(render(node)).matches(TEXT) is holds(node)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("refund", True),
        ("REFUND", True),
        ("fund", True),
        ("absent", False),
        ("not absent", True),
        ("not not refund", True),
        ("refund and slow", True),
        ("refund and absent", False),
        ("absent or slow", True),
        ("absent and slow or refund", True),
        ("absent and (slow or refund)", False),
        ("not absent and absent", False),
        ("not (absent and slow)", True),
        ('"paid once"', True),
        ("'and'", False),
        ('"never slow" and not "or"', True),
        ("(refund)and(slow)", True),
        ("nothing", False),
        ("  refund  ", True),
    ],
)
def test_not_binds_closest_and_or_least(expression: str, expected: bool) -> None:
    """As in pytest, and as in Python."""
    assert parse_expression(expression).matches(TEXT) is expected


@pytest.mark.parametrize(
    ("expression", "position", "problem"),
    [
        ("", 1, "not the end"),
        ("refund and", 11, "not the end"),
        ("and refund", 1, "not 'and'"),
        ("refund slow", 8, "must stand in quotes"),
        ("(refund", 1, "no ')'"),
        ("refund)", 7, "no '('"),
        ("()", 2, "not ')'"),
        ('refund or "slow', 11, "not closed"),
        ("don't", 4, "not closed"),
        ('a and ""', 7, "empty"),
        ("not", 4, "not the end"),
        ("a or or b", 6, "not 'or'"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(expression: str, position: int, problem: str) -> None:
    """A wrong expression must not select something else than was meant."""
    with pytest.raises(InvalidExpression, match=f"at character {position}: ") as refused:
        parse_expression(expression)
    assert problem in str(refused.value)


@given(st.text(alphabet="ab ()\"'nodtr", max_size=60) | st.text(max_size=60))
def test_no_text_does_anything_but_be_refused_or_understood(text: str) -> None:
    """It comes from a command line, which may have been put together by a program."""
    try:
        expression = parse_expression(text)
    except InvalidExpression:
        return
    assert expression.matches(TEXT) in (True, False)


@pytest.mark.parametrize("opening", ["(", "not "])
def test_nesting_is_bounded(opening: str) -> None:
    """Deep nesting is refused; it does not exhaust the stack."""
    closing = ")" if opening == "(" else ""
    parse_expression(opening * MAX_DEPTH + "a" + closing * MAX_DEPTH)
    with pytest.raises(InvalidExpression, match="nested more than"):
        parse_expression(opening * 2000 + "a" + closing * 2000)


def test_length_is_bounded() -> None:
    """More than a person would write is refused at once."""
    with pytest.raises(InvalidExpression, match="at most"):
        parse_expression("a or " * 3000 + "a")


def test_many_words_are_no_nesting() -> None:
    """A long list joined by one operator needs no stack."""
    assert parse_expression(" or ".join(["absent"] * 800 + ["refund"])).matches(TEXT)
