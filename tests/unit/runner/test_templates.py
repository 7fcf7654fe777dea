"""Templates are rendered in a sandbox, and mistakes in them name the field."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.runner.templates import MAX_OUTPUT_CHARACTERS, Templates

MakeDocument = Callable[..., CaseDocument]


@pytest.fixture
def templates(document: MakeDocument) -> Templates:
    """Return templates with a bit of everything."""
    return Templates(
        document(
            {},
            variables={"page_size": "10", "items": "odd", "empty": ""},
            servers={"paginated-api": {"url": "http://server:5555"}},
            cases={"other-case": {"outputs": {"token": "abc", "count": 35, "list": [1, 2]}}},
            attempt=2,
        )
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{ vars.page_size }}", "10"),
        ("{{ vars['page_size'] }}0", "100"),
        ("{{ vars.items }}", "odd"),
        ("{{ run.id }}/{{ run.revision }}", "508709863430554191/4f2c1d"),
        ("{{ run.startTime }}", "2025-01-01T00:00:00Z"),
        ("{{ servers['paginated-api'].url }}", "http://server:5555"),
        ("{{ cases['other-case'].outputs.token }}", "abc"),
        ("{{ attempt }}", "2"),
        ("{{ vars.missing | default('x') }}", "x"),
        ("{{ 'yes' if vars.missing is defined else 'no' }}", "no"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("line\n", "line\n"),
        ("{{ vars.page_size }}\n", "10\n"),
        ("{{ '<b>' }}", "<b>"),
    ],
)
def test_a_text_is_rendered(templates: Templates, source: str, expected: str) -> None:
    """Variables, run, servers, needed cases and the attempt are known; nothing is escaped."""
    assert expected == templates.text(source, "field")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ vars.missing }}", r"field: .* vars has no 'missing'; it has empty, items, page_size"),
        ("{{ vars['missing'] }}", r"vars has no 'missing'"),
        ("{{ cases['none'].outputs.x }}", r"cases has no 'none'; it has other-case"),
        ("{{ cases['other-case'].outputs.x }}", r"cases\['other-case'\].outputs has no 'x'"),
        ("{{ nothing }}", r"'nothing' is undefined"),
        ("{{ vars.page_size", r"field: the template cannot be rendered"),
        ("a\n{% if %}", r"\(line 2\)"),
        ("{{ 1 / 0 }}", r"division by zero"),
        ("{{ 'a' + 1 }}", r"can only concatenate|must be str"),
        ("{{ vars | nofilter }}", r"No filter named 'nofilter'"),
        ("{% include 'x' %}", r"no loader"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", r"recursion"),
    ],
)
def test_a_mistake_names_the_field_and_the_reason(templates: Templates, source: str, problem: str) -> None:
    """A mistake is a matter of configuration, and says what would be right where that is known."""
    with pytest.raises(InvalidCase, match=problem):
        templates.text(source, "field")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ vars.__class__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ (1).__class__.__base__.__subclasses__() }}",
        "{{ vars.update({'page_size': '1'}) }}",
        "{{ cases['other-case'].outputs.list.append(3) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ namespace.__init__.__globals__ }}",
    ],
)
def test_the_sandbox_cannot_be_left(templates: Templates, source: str) -> None:
    """No template reaches Python's internals, or changes what others see."""
    with pytest.raises(InvalidCase):
        templates.text(source, "field")


@pytest.mark.parametrize("source", ["{{ 'x' * 2000000 }}", "{% for i in range(90000) %}{{ 'x' * 100 }}{% endfor %}"])
def test_the_output_of_a_template_is_bounded(templates: Templates, source: str) -> None:
    """A template yields 1 MiB at most."""
    with pytest.raises(InvalidCase, match=str(MAX_OUTPUT_CHARACTERS)):
        templates.text(source, "field")
    with pytest.raises(InvalidCase, match=str(MAX_OUTPUT_CHARACTERS)):
        templates.value([source], "field")


def test_a_huge_range_is_refused(templates: Templates) -> None:
    """The sandbox bounds ranges, so that the commonest endless template ends at once."""
    with pytest.raises(InvalidCase, match="Range too big"):
        templates.text("{% for i in range(10**9) %}{% endfor %}", "field")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ cases['other-case'].outputs.count }}", 35),
        ("{{ cases['other-case'].outputs.list }}", [1, 2]),
        ("{{ vars.page_size }}", "10"),
        ("{{ vars.page_size | int }}", 10),
        ("  {{- vars.page_size | int -}}  \n", 10),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("{{ 1 }}2", "12"),
        ("{{ none }}", None),
        ("{{ '}}' }}", "}}"),
        (
            {"a": ["{{ attempt }}", {"b": "x{{ attempt }}"}], "{{ key }}": True},
            {"a": [2, {"b": "x2"}], "{{ key }}": True},
        ),
        (7, 7),
        (None, None),
    ],
)
def test_values_are_rendered_through_lists_and_objects(templates: Templates, source: Any, expected: Any) -> None:
    """A text that is nothing but one expression keeps the expression's type; keys are left alone."""
    assert expected == templates.value(source, "field")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"a": [1, "{{ vars.missing }}"]}, r"field\.a\[1\]: .* vars has no 'missing'"),
        ("{{ range }}", "no JSON value"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ (vars.page_size | float) * 1e308 }}", "JSON compliant"),
    ],
)
def test_a_mistake_in_a_value_names_the_path_to_it(templates: Templates, source: Any, problem: str) -> None:
    """The path leads into the value."""
    with pytest.raises(InvalidCase, match=problem):
        templates.value(source, "field")


@pytest.mark.parametrize(("source", "expected"), [(0, 0), (35, 35), ("35", 35), (" {{ vars.page_size }} ", 10)])
def test_a_count_is_a_number_or_renders_to_one(templates: Templates, source: int | str, expected: int) -> None:
    """Counts may be templates."""
    assert expected == templates.count(source, "field")


@pytest.mark.parametrize(
    "source", ["{{ vars.items }}", "{{ vars.empty }}", "{{ -1 }}", "{{ 1.5 }}", "{{ '9' * 30 }}", "٣"]
)
def test_a_count_that_is_no_number_is_refused(templates: Templates, source: str) -> None:
    """The message shows what it rendered to."""
    with pytest.raises(InvalidCase, match="field: must render to a whole number"):
        templates.count(source, "field")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="{"), max_size=100))
def test_a_text_without_braces_is_left_as_it_is(text: str) -> None:
    """What is no template is not touched, and does not load the template engine."""
    from testrun_operator.runner import templates  # noqa: PLC0415 - hypothesis and fixtures do not mix

    assert text == templates.Templates.text(None, text, "field")  # type: ignore[arg-type]  # needs nothing of it
