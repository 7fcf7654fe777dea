"""The rules that tie one field to another: each message says where, what is wrong, and what would be right."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import container_case, http_case, run_of, suite_of
from testrun_operator.engine.selection import expand_matrix
from testrun_operator.engine.validation import check_run, check_suite

ONE = "spec.cases[0]"
LONG = "x" * 60
LINES = {"style": "page", "items": "data"}


def problems_of(*cases: Mapping[str, Any], **fields: Any) -> tuple[str, ...]:
    """Return what is wrong with a suite."""
    return check_suite(suite_of(*cases, **fields))


def test_a_right_suite_has_no_problems() -> None:
    """Needs in any order, combinations by name, servers as connections."""
    assert () == problems_of(
        container_case("all", needs=["list-5", "one"]),
        http_case("one", http={"connection": "server", "paginate": LINES, "expect": {"items": 3}}),
        container_case("list", matrix={"size": ["5", "10"]}),
        testServers=[{"name": "server", "pagination": {}}],
    )


def test_the_largest_suite_that_is_allowed_has_no_problems() -> None:
    """Ten thousand cases, each of which needs as many combinations as it may, and the whole chain before it."""
    values = [str(value) for value in range(20)]
    cases = [container_case("case-0", matrix={"n": values})]
    cases += [
        container_case(
            f"case-{index}", matrix={"n": values}, needs=[f"case-{index - 1}-{value}" for value in values[:16]]
        )
        for index in range(1, 500)
    ]
    assert () == problems_of(*cases)


def test_a_name_may_have_the_length_of_a_dns_label() -> None:
    """63 characters, the values of the matrix included."""
    assert () == problems_of(container_case("one", matrix={"a": ["x" * 59]}))


PROBLEMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = {
    "a name twice": (
        [container_case("one"), container_case("two"), container_case("one")],
        {},
        ["spec.cases[2].name: 'one' is used before; names of cases must be unique"],
    ),
    "a server twice": (
        [container_case("one")],
        {"testServers": [{"name": "a", "pagination": {}}, {"name": "a", "pagination": {}}]},
        [
            "spec.testServers[0].name: 'a' is used twice; names must be unique",
            "spec.testServers[1].name: 'a' is used twice; names must be unique",
        ],
    ),
    "a server and a connection of one name": (
        [container_case("one")],
        {"testServers": [{"name": "api", "pagination": {}}]},
        ["spec.connections.api: a test server has this name too; give one of them another"],
    ),
    "too many combinations": (
        [container_case("one"), container_case("two", matrix={"a": list("abcdefg"), "b": [str(n) for n in range(37)]})],
        {},
        ["spec.cases[1].matrix: has 259 combinations; at most 256 are allowed for a case"],
    ),
    "too many cases": (
        [container_case(f"case-{index}", matrix={"n": [str(n) for n in range(256)]}) for index in range(40)],
        {},
        ["spec.cases: 10240 cases with all matrices expanded; at most 10000 are allowed"],
    ),
    "two combinations of one name": (
        [container_case("one", matrix={"a": ["X", "x"]})],
        {},
        ["spec.cases[0].matrix: expands to 'one-x', as cases[0] does; names must be unique"],
    ),
    "a combination named as another case": (
        [container_case("one-x"), container_case("one", matrix={"a": ["x"]})],
        {},
        ["spec.cases[1].matrix: expands to 'one-x', as cases[0] does; names must be unique"],
    ),
    "a name that is too long": (
        [container_case("one", matrix={"a": [LONG]})],
        {},
        [f"{ONE}.matrix: the name 'one-{LONG}' is longer than 63 characters; shorten the case's name or the values"],
    ),
    "a need that does not exist": (
        [container_case("one", needs=["two", "tow"]), container_case("two")],
        {},
        ["spec.cases[0].needs[1]: there is no case 'tow' in this suite"],
    ),
    "a case that needs itself": (
        [container_case("one", needs=["one"])],
        {},
        ["spec.cases[0].needs: 'one' needs itself, directly or by way of other cases"],
    ),
    "a combination that needs another of its own case": (
        [container_case("one", matrix={"a": ["x", "y"]}, needs=["one-x"])],
        {},
        ["spec.cases[0].needs: 'one' needs itself, directly or by way of other cases"],
    ),
}


@pytest.mark.parametrize(("cases", "fields", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_is_told_with_its_place(
    cases: list[dict[str, Any]], fields: dict[str, Any], expected: list[str]
) -> None:
    """One message for each problem: the field, what is wrong, and what would be right."""
    assert tuple(expected) == problems_of(*cases, **fields)


def test_a_cycle_of_needs_is_told_once() -> None:
    """At one of its members, not at cases that merely need one of them."""
    problems = problems_of(
        container_case("outside", needs=["b"]),
        container_case("a", needs=["c"]),
        container_case("b", needs=["a"]),
        container_case("c", needs=["b"]),
    )
    assert 1 == len(problems)
    assert "spec.cases[0]" not in problems[0]
    assert problems[0].endswith("needs itself, directly or by way of other cases")


def test_problems_of_an_inline_suite_have_their_own_path() -> None:
    """They stand below spec.suite of the run."""
    suite = suite_of(container_case("one", needs=["two"]))
    assert ("spec.suite.cases[0].needs[0]: there is no case 'two' in this suite",) == check_suite(suite, "spec.suite")


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 6), max_size=4), st.lists(st.sampled_from("abc"), max_size=2, unique=True)),
        min_size=1,
        max_size=7,
    )
)
def test_a_suite_without_problems_can_be_executed(drawn: list[tuple[list[int], list[str]]]) -> None:
    """Whatever is accepted is expanded and ordered without an error, under unique names that are DNS labels."""
    cases = [
        container_case(f"case-{index}", needs=[f"case-{need}" for need in dict.fromkeys(needs)])
        | ({"matrix": {"m": values}} if values else {})
        for index, (needs, values) in enumerate(drawn)
    ]
    suite = suite_of(*cases)
    cyclic = _has_cycle(
        {index: [need for need in needs if need < len(drawn)] for index, (needs, _) in enumerate(drawn)}
    )
    unknown = any(need >= len(drawn) for needs, _ in drawn for need in needs)
    assert (cyclic or unknown) == bool(check_suite(suite))


def _has_cycle(needs: dict[int, list[int]]) -> bool:
    reached = {start: set(found) for start, found in needs.items()}
    for _ in needs:
        for found in reached.values():
            found |= {further for need in found for further in needs[need]}
    return any(start in found for start, found in reached.items())


# -- the run ------------------------------------------------------------------------------------------------------

SUITE = suite_of(
    container_case("one", category="shop", tags=["smoke"]), container_case("list", matrix={"size": ["5", "10"]})
)


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"select": {"names": ["one", "list", "list-5"]}},
        {"select": {"categories": ["shop"]}},
        {"select": {"tags": ["smoke"], "categories": ["elsewhere"]}},
        {"skip": {"names": ["list-10"], "tags": ["nowhere"]}},
    ],
)
def test_a_run_that_fits_its_suite_has_no_problems(run: dict[str, Any]) -> None:
    """Names of cases and of combinations; a skip that matches nothing does no harm."""
    assert () == check_run(run_of(**run), SUITE)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"select": {"names": ["one", "tow"]}}, ["spec.select.names[1]: the suite has no case 'tow'"]),
        ({"skip": {"names": ["list-7"]}}, ["spec.skip.names[0]: the suite has no case 'list-7'"]),
        (
            {"select": {"names": ["a"]}, "skip": {"names": ["b"]}},
            ["spec.select.names[0]: the suite has no case 'a'", "spec.skip.names[0]: the suite has no case 'b'"],
        ),
        (
            {"select": {"tags": ["slow"], "categories": ["none"]}},
            ["spec.select: matches no case of the suite; its categories and tags are those of the cases"],
        ),
    ],
)
def test_a_slip_in_a_selection_is_told(run: dict[str, Any], expected: list[str]) -> None:
    """A name that does not exist, or a selection that matches nothing, must not look like success."""
    assert tuple(expected) == check_run(run_of(**run), SUITE)


def test_names_of_combinations_are_those_that_the_suite_expands_to() -> None:
    """The names that a run may select are the names that the cases get."""
    names = [variant.name for case in SUITE.cases for variant in expand_matrix(case)]
    assert () == check_run(run_of(select={"names": names}), SUITE)
