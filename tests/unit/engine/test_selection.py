"""From a suite and a run to the cases of an execution."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import container_case, http_case, names_of, planned, run_of, suite_of
from testrun_operator.api.reason import Reason
from testrun_operator.engine.selection import expand_matrix, holds, select_cases
from testrun_operator.resources.suite import WhenOperator, WhenRequirement


def selected(*cases: Mapping[str, Any], **run: Any) -> list[str]:
    """Return the names of the cases of an execution, in their order."""
    return names_of(planned(*cases, run=run_of(**run)))


def skipped(*cases: Mapping[str, Any], **run: Any) -> dict[str, Reason]:
    """Return the cases that are skipped from the beginning, and why."""
    return {case.name: case.skip.reason for case in planned(*cases, run=run_of(**run)) if case.skip}


HEALTH = http_case("health", tags=["smoke"])
LISTING = http_case("listing", category="catalogue", tags=["smoke", "slow"], needs=["health"])
EXPORT = container_case("export", category="catalogue", needs=["listing"])
ORDERS = container_case("orders", category="shop")
SHOP = (HEALTH, LISTING, EXPORT, ORDERS)


# -- which cases --------------------------------------------------------------------------------------------------


def test_without_a_selection_every_case_is_run() -> None:
    """In the order of the suite."""
    assert ["health", "listing", "export", "orders"] == selected(*SHOP)


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ({"names": ["health"]}, ["health"]),
        ({"categories": ["shop"]}, ["orders"]),
        ({"tags": ["smoke"]}, ["health", "listing"]),
        ({"names": ["orders"], "tags": ["slow"]}, ["health", "listing", "orders"]),
        ({"names": ["orders", "health"]}, ["health", "orders"]),
    ],
)
def test_a_case_is_selected_by_any_of_the_lists(select: dict[str, Any], names: list[str]) -> None:
    """Names, categories and tags add up, and what is selected brings along what it needs."""
    assert names == selected(*SHOP, select=select)


def test_what_a_selected_case_needs_is_part_of_the_execution() -> None:
    """Directly and by way of others."""
    assert ["health", "listing", "export"] == selected(*SHOP, select={"names": ["export"]})


def test_a_case_that_is_not_selected_is_no_part_of_the_execution() -> None:
    """It has no verdict, not even Skipped."""
    assert "orders" not in selected(*SHOP, select={"tags": ["smoke"]})


@pytest.mark.parametrize("skip", [{"names": ["listing"]}, {"categories": ["catalogue"]}, {"tags": ["slow"]}])
def test_a_case_that_is_skipped_is_part_of_the_execution(skip: dict[str, Any]) -> None:
    """So that somebody sees that it is missing; skip wins over select."""
    run = {"select": {"names": ["listing"]}, "skip": skip}
    assert ["health", "listing"] == selected(*SHOP, **run)
    assert {"listing": Reason.SKIPPED_BY_RUN} == skipped(*SHOP, **run)


def test_a_case_that_a_selected_one_needs_can_be_skipped() -> None:
    """What needs it is then skipped by the plan, not here."""
    assert {"health": Reason.SKIPPED_BY_RUN} == skipped(
        *SHOP, select={"names": ["listing"]}, skip={"names": ["health"]}
    )


def test_an_execution_can_be_restricted_to_cases() -> None:
    """`rerun: Failed` repeats those that did not pass, and what they need."""
    suite = suite_of(*SHOP)
    assert ["health", "listing", "orders"] == names_of(select_cases(suite, run_of(), only={"listing", "orders"}))
    run = run_of(select={"tags": ["smoke"]})
    assert ["health", "listing"] == names_of(select_cases(suite, run, only={"listing", "orders"}))


def test_cases_come_after_those_that_they_need() -> None:
    """Whatever the order in which they are written."""
    cases = [
        container_case("last", needs=["middle", "first"]),
        container_case("middle", needs=["first"]),
        container_case("first"),
    ]
    assert ["first", "middle", "last"] == selected(*cases)


@given(st.lists(st.lists(st.integers(0, 20), max_size=5), min_size=1, max_size=20), st.randoms())
def test_the_order_respects_all_needs(needs: list[list[int]], random: Any) -> None:
    """In any suite without a cycle, every case is there once, and after everything that it needs."""
    cases = [
        container_case(f"case-{index}", needs=sorted({f"case-{need}" for need in wanted if need < index})[:16])
        for index, wanted in enumerate(needs)
    ]
    random.shuffle(cases)
    done: set[str] = set()
    for case in planned(*cases):
        assert set(case.needs) <= done
        done.add(case.name)
    assert {case["name"] for case in cases} == done


def test_a_long_chain_of_needs_is_no_problem() -> None:
    """It may be longer than Python's stack is deep, and written the wrong way round."""
    cases = [container_case("case-0")]
    cases += [container_case(f"case-{index}", needs=[f"case-{index - 1}"]) for index in range(1, 500)]
    assert [f"case-{index}" for index in range(500)] == selected(*reversed(cases))


def test_ten_thousand_cases_can_be_selected() -> None:
    """As many as a suite may have, by the names of their cases."""
    values = [str(value) for value in range(200)]
    suite = suite_of(*(container_case(f"case-{index}", matrix={"n": values}) for index in range(50)))
    run = run_of(select={"names": [f"case-{index}" for index in range(50)]})
    assert 10_000 == len(select_cases(suite, run))


def test_a_need_is_looked_up_once_for_all_combinations() -> None:
    """They share it: ten thousand cases that need single combinations neither take minutes nor fill the memory."""
    values = [str(value) for value in range(200)]
    cases = [container_case("case-0", matrix={"n": values})]
    cases += [
        container_case(
            f"case-{index}", matrix={"n": values}, needs=[f"case-{index - 1}-{value}" for value in values[:16]]
        )
        for index in range(1, 50)
    ]
    result = planned(*cases)
    assert 10_000 == len(result)
    assert tuple(f"case-48-{value}" for value in values[:16]) == result[-1].needs
    assert result[-1].needs is result[-2].needs


def test_a_need_that_is_the_name_of_a_case_and_of_a_combination_means_the_case() -> None:
    """As with selections, a case's own name stands for all of its combinations."""
    cases = planned(
        container_case("list", matrix={"size": ["all"]}),
        container_case("list-all", matrix={"size": ["5", "10"]}),
        container_case("last", needs=["list-all"]),
    )
    assert ("list-all-5", "list-all-10") == cases[-1].needs


# -- matrix -------------------------------------------------------------------------------------------------------


def test_a_matrix_makes_a_case_of_each_combination() -> None:
    """Under its name followed by the values, in the order in which they are written."""
    case = container_case("list", matrix={"size": ["5", "10"], "mode": ["fast", "slow"]})
    cases = planned(case)
    assert ["list-5-fast", "list-5-slow", "list-10-fast", "list-10-slow"] == names_of(cases)
    assert {"size": "10", "mode": "fast"} == cases[2].variables
    assert ("list-10-fast", {}) == (cases[2].case.name, cases[2].case.matrix)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("5", "list-5"),
        ("Über Größe", "list-ber-gr-e"),
        ("a/b_c.d", "list-a-b-c-d"),
        ("--x--", "list-x"),
        ("", "list"),
        ("!!!", "list"),
        ("{{ vars.x }}", "list-vars-x"),
    ],
)
def test_values_become_part_of_a_name(value: str, name: str) -> None:
    """In lower case; what is no letter or digit becomes one dash."""
    assert [name] == [
        variant.name for variant in expand_matrix(suite_of(container_case("list", matrix={"v": [value]})).cases[0])
    ]


def test_a_need_means_all_combinations_or_one() -> None:
    """By the case's own name all of them, by a combination's name that one."""
    listing = container_case("list", matrix={"size": ["5", "10"]})
    cases = planned(listing, container_case("all", needs=["list"]), container_case("some", needs=["list-10"]))
    needs = {case.name: case.needs for case in cases}
    assert ("list-5", "list-10") == needs["all"]
    assert ("list-10",) == needs["some"]


def test_a_need_that_is_named_twice_is_one_need() -> None:
    """By the case's name and by a combination's."""
    listing = container_case("list", matrix={"size": ["5", "10"]})
    cases = planned(listing, container_case("all", needs=["list", "list-10"]))
    assert ("list-5", "list-10") == cases[-1].needs


@pytest.mark.parametrize(("name", "names"), [("list", ["list-5", "list-10"]), ("list-5", ["list-5"])])
def test_combinations_are_selected_together_or_one_by_one(name: str, names: list[str]) -> None:
    """The case's own name means all of them."""
    listing = container_case("list", matrix={"size": ["5", "10"]})
    assert names == selected(listing, select={"names": [name]})
    assert set(names) == set(skipped(listing, skip={"names": [name]}))


# -- variables and limits -----------------------------------------------------------------------------------------


def test_variables_of_the_matrix_win_over_those_of_the_run_and_of_the_suite() -> None:
    """Later ones win."""
    case = container_case("one", matrix={"c": ["matrix"]})
    (only,) = planned(
        case, variables={"a": "suite", "b": "suite", "c": "suite"}, run=run_of(variables={"b": "run", "c": "run"})
    )
    assert {"a": "suite", "b": "run", "c": "matrix"} == only.variables


def test_a_case_has_the_limits_of_the_suite_unless_it_has_its_own() -> None:
    """Zero is a value of its own, not an absent one."""
    defaults = {"timeout": "2m", "retries": 3}
    first, second = planned(container_case("one"), container_case("two", timeout="10s", retries=0), defaults=defaults)
    assert (timedelta(minutes=2), 3) == (first.timeout, first.retries)
    assert (timedelta(seconds=10), 0) == (second.timeout, second.retries)


# -- when ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "values", "variables", "expected"),
    [
        (WhenOperator.IN, ("a", "b"), {"key": "a"}, True),
        (WhenOperator.IN, ("a", "b"), {"key": "c"}, False),
        (WhenOperator.IN, ("a", "b"), {}, False),
        (WhenOperator.NOT_IN, ("a",), {"key": "a"}, False),
        (WhenOperator.NOT_IN, ("a",), {"key": "b"}, True),
        (WhenOperator.NOT_IN, ("a",), {}, True),
        (WhenOperator.EXISTS, (), {"key": ""}, True),
        (WhenOperator.EXISTS, (), {}, False),
        (WhenOperator.DOES_NOT_EXIST, (), {"key": ""}, False),
        (WhenOperator.DOES_NOT_EXIST, (), {}, True),
    ],
)
def test_a_condition_holds_by_the_rules_of_a_label_selector(
    operator: WhenOperator, values: tuple[str, ...], variables: dict[str, str], expected: bool
) -> None:
    """As with labels, NotIn holds for a variable that is not set."""
    assert expected == holds(WhenRequirement(key="key", operator=operator, values=values), variables)


def test_all_conditions_must_hold() -> None:
    """The message says which one does not, and what the variable is."""
    case = container_case(
        "one", when=[{"key": "a", "operator": "Exists"}, {"key": "mode", "operator": "In", "values": ["fast"]}]
    )
    (planned_case,) = planned(case, run=run_of(variables={"a": "1", "mode": "slow"}))
    assert planned_case.skip is not None
    assert Reason.CONDITION_NOT_MET is planned_case.skip.reason
    assert "when: mode In ['fast'] does not hold; mode is 'slow'" == planned_case.skip.message


def test_a_condition_is_judged_for_each_combination() -> None:
    """By its own values of the matrix."""
    case = container_case(
        "one", matrix={"mode": ["fast", "slow"]}, when=[{"key": "mode", "operator": "In", "values": ["fast"]}]
    )
    assert {"one-slow": Reason.CONDITION_NOT_MET} == skipped(case)
