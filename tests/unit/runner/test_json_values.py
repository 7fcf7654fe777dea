"""Expressions over JSON, equality, schemas, and items that are judged against each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.httpclient.exchange import Request, Response
from testrun_operator.kinds.http.execution.order import find_disorder, find_duplicates
from testrun_operator.kinds.http.execution.pagination import Page
from testrun_operator.kinds.http.execution.schema import Schema
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable, json_equal
from testrun_operator.runner.problem import InvalidCase

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
MASKER = Masker([])


def key(source: str) -> Expression:
    """Compile an expression."""
    return Expression.compile(source, "field")


def pages_of(*pages: list[Any]) -> list[Page]:
    """Return pages with these items."""
    response = Response(Request("GET", "http://api/"), 200, {}, b"", 0.0)
    return [Page(number, response, items) for number, items in enumerate(pages, start=1)]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        (True, True, True),
        ([1, {"a": 2}], [1.0, {"a": 2.0}], True),
        ([1, True], [1, 1], False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1], [1, 2], False),
        ("1", 1, False),
        (None, False, False),
        ([], {}, False),
    ],
)
def test_equality_is_that_of_json(left: Any, right: Any, equal: bool) -> None:
    """1 equals 1.0, and true does not equal 1."""
    assert equal == json_equal(left, right)
    assert equal == json_equal(right, left)


@given(JSON)
def test_every_value_equals_itself(value: Any) -> None:
    """Equality is reflexive."""
    assert json_equal(value, value)


@pytest.mark.parametrize("source", ["a[", "'", "a ==", "&"])
def test_what_is_no_expression_is_a_mistake_in_the_case(source: str) -> None:
    """It names the field and the expression."""
    with pytest.raises(InvalidCase, match=r"field: .* is no JMESPath"):
        key(source)


@pytest.mark.parametrize("source", ["nofunction(@)", "length()", "length(@, @)"])
def test_a_call_that_can_never_work_is_a_mistake_in_the_case(source: str) -> None:
    """Unknown functions and wrong numbers of arguments do not depend on the answer."""
    with pytest.raises(InvalidCase, match="field"):
        key(source).search([1])


@pytest.mark.parametrize(
    ("source", "value"), [("length(@)", 1), ("sum(@)", ["a"]), ("sort_by(@, &a)", [{"a": 1}, {"a": "x"}])]
)
def test_a_call_that_does_not_fit_the_answer_is_not_a_mistake_in_the_case(source: str, value: Any) -> None:
    """The answer is not what the case expects."""
    with pytest.raises(NotApplicable):
        key(source).search(value)


def test_a_document_is_checked_against_draft_2020_12_by_default() -> None:
    """PrefixItems is new in that draft."""
    schema = Schema({"prefixItems": [{"type": "string"}]}, "field")
    assert schema.errors(["a", 1]) == []
    assert schema.errors([1]) == ["$[0]: 1 is not of type 'string'"]


def test_another_draft_is_used_where_the_schema_names_it() -> None:
    """In draft 7 a list of items means what prefixItems means later."""
    schema = Schema({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, "field")
    assert schema.errors([1]) == ["$[0]: 1 is not of type 'string'"]


def test_the_first_five_errors_are_reported_with_their_paths() -> None:
    """A page with a thousand wrong items does not flood the report."""
    schema = Schema({"properties": {"data": {"items": {"required": ["id"]}}}}, "field")
    errors = schema.errors({"data": [{} for _ in range(1000)]})
    assert errors[0] == "$.data[0]: 'id' is a required property"
    assert len(errors) == 6
    assert errors[-1] == "and more"


def test_a_long_value_is_cut_in_the_middle_of_an_error() -> None:
    """What is wrong stands at the end of the message, behind the value."""
    (error,) = Schema({"type": "string"}, "field").errors(list(range(1000)))
    assert len(error) < 200
    assert error.endswith("is not of type 'string'")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "strin"}, r"field\.type: 'strin' is not valid"),
        ({"properties": {"a": {"minimum": "1"}}}, r"field\.properties\.a\.minimum"),
        ({"$schema": "http://example.com/draft"}, r"field\.\$schema: 'http://example.com/draft' is no draft"),
        ({"pattern": "("}, "field"),
    ],
)
def test_a_wrong_schema_is_a_mistake_in_the_case(schema: dict[str, Any], problem: str) -> None:
    """It is found before the first request, and names the place."""
    with pytest.raises(InvalidCase, match=problem):
        Schema(schema, "field")


@pytest.mark.parametrize(
    "reference",
    ["http://127.0.0.1:9/schema.json", "https://example.com/x", "file:///etc/passwd", "other.json", "#/$defs/none"],
)
def test_references_to_other_documents_are_refused(reference: str) -> None:
    """The runner fetches nothing for a schema, neither from the network nor from disk."""
    with pytest.raises(InvalidCase, match="cannot be resolved"):
        Schema({"$ref": reference}, "field").errors({})


def test_references_within_the_schema_and_to_the_metaschema_work() -> None:
    """They need nothing from elsewhere."""
    schema = Schema({"$defs": {"id": {"type": "integer"}}, "properties": {"id": {"$ref": "#/$defs/id"}}}, "field")
    assert schema.errors({"id": "x"}) == ["$.id: 'x' is not of type 'integer'"]
    assert Schema({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "field").errors({"type": "object"}) == []


def test_a_schema_that_refers_to_itself_without_end_is_a_mistake_in_the_case() -> None:
    """It ends, with a message."""
    with pytest.raises(InvalidCase, match="without end"):
        Schema({"$ref": "#"}, "field").errors({})


def test_duplicates_are_named_with_their_pages() -> None:
    """Both places are told."""
    pages = pages_of([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 3}])
    assert find_duplicates(pages, key("id"), MASKER) == ["2 is item 2 on page 1 and again item 1 on page 2"]


def test_keys_are_compared_as_json() -> None:
    """1 and 1.0 are the same key, true and "1" are others; a missing key is a problem of its own."""
    pages = pages_of([{"id": 1}, {"id": 1.0}, {"id": True}, {"id": "1"}, {"id": [1]}, {"id": [1.0]}, {}])
    assert find_duplicates(pages, key("id"), MASKER) == [
        "1.0 is item 1 on page 1 and again item 2 on page 1",
        "[1.0] is item 5 on page 1 and again item 6 on page 1",
        "item 7 on page 1 has no id",
    ]


def test_only_the_first_problems_are_named() -> None:
    """The others are counted."""
    problems = find_duplicates(pages_of([{"id": 1}] * 10), key("id"), MASKER)
    assert len(problems) == 6
    assert problems[-1] == "and 4 more"


@given(st.lists(st.integers() | st.floats(allow_nan=False), max_size=20), st.integers(min_value=1, max_value=5))
def test_sorted_numbers_are_in_order_whatever_the_pages(numbers: list[float], size: int) -> None:
    """Equal neighbours are in order in both directions."""
    ordered = sorted(numbers)
    for values, descending in ((ordered, False), (ordered[::-1], True)):
        pages = pages_of(*(values[start : start + size] for start in range(0, len(values), size)))
        assert find_disorder(pages, key("@"), MASKER, descending=descending) == []


def test_items_out_of_order_are_named_also_across_pages() -> None:
    """The last item of a page is compared with the first of the next."""
    pages = pages_of([{"id": 1}, {"id": 5}], [{"id": 4}, {"id": 6}])
    assert find_disorder(pages, key("id"), MASKER, descending=False) == ["item 1 on page 2 has 4 after 5"]
    assert find_disorder(pages, key("id"), MASKER, descending=True) == [
        "item 2 on page 1 has 5 after 1",
        "item 2 on page 2 has 6 after 4",
    ]


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([1, "a"], "numbers and texts have no order"),
        ([1, None, 2], "item 2 on page 1 has null at @, which is neither a number nor a text"),
        ([True], "which is neither"),
        ([{}], "which is neither"),
    ],
)
def test_keys_without_an_order_are_problems(items: list[Any], problem: str) -> None:
    """Mixed types, null, booleans and objects cannot be ordered."""
    (found,) = find_disorder(pages_of(items), key("@"), MASKER, descending=False)
    assert problem in found
