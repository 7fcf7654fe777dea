"""From a suite to the cases of an execution: matrices expanded, cases selected, skips decided, needs resolved.

The rules are those of ``docs/suites.md``: a case that is not selected is not part of the execution, unless a selected
case needs it; a case that is to be skipped is part of it, with the verdict Skipped and the reason.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from testrun_operator.api.reason import Reason
from testrun_operator.resources.run import CaseSelector, TestRunSpec
from testrun_operator.resources.suite import Case, TestSuiteSpec, WhenOperator, WhenRequirement

_NOT_ALLOWED_IN_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a case is not to be executed."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case of an execution: one combination of its matrix, with everything resolved but its templates."""

    name: str
    """Its name, unique in the execution: the case's own, followed by its matrix values."""
    case: Case
    """What to do, under its name here and without its matrix."""
    variables: Mapping[str, str]
    """The suite's variables, overridden by the run's, overridden by the matrix."""
    needs: tuple[str, ...]
    """Names of the planned cases that must have passed first."""
    timeout: timedelta
    retries: int
    skip: Skip | None = None
    """Why it is not to be executed; None if it is."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination of a case's matrix."""

    name: str
    values: Mapping[str, str]


def expand_matrix(case: Case) -> Iterator[Variant]:
    """Yield every combination of a case's matrix, in the order in which it is written; the case itself without one."""
    if not case.matrix:
        yield Variant(case.name, {})
        return
    keys = tuple(case.matrix)
    for combination in itertools.product(*case.matrix.values()):
        suffix = "-".join(_NOT_ALLOWED_IN_NAME.sub("-", value.lower()).strip("-") for value in combination)
        yield Variant(f"{case.name}-{suffix}".rstrip("-"), dict(zip(keys, combination, strict=True)))


def select_cases(
    suite: TestSuiteSpec, run: TestRunSpec, only: Collection[str] | None = None
) -> tuple[PlannedCase, ...]:
    """Work out the cases of an execution, in an order in which every case comes after those that it needs.

    Args:
        suite: a suite without the problems that :func:`testrun_operator.engine.validation.check_suite` finds.
        run: what of it is asked for.
        only: names of planned cases to which the execution is restricted (``rerun: Failed``); what they need is added.
    """
    variants = {case.name: tuple(expand_matrix(case)) for case in suite.cases}
    named = name_needs(variants)
    planned = {}
    for case in suite.cases:
        # Once for all variants, which share it: together they may need millions.
        needs = tuple(dict.fromkeys(name for need in case.needs for name in named[need]))
        for variant in variants[case.name]:
            planned[variant.name] = _plan_case(case, variant, suite=suite, run=run, needs=needs)
    base_names = {variant.name: base for base, expanded in variants.items() for variant in expanded}
    chosen = {
        name
        for name, case in planned.items()
        if (run.select.is_empty or _matches(run.select, name, case.case, base_names[name]))
        and (only is None or name in only)
    }
    return tuple(_in_order_of_needs(planned, chosen))


def _plan_case(
    case: Case,
    variant: Variant,
    *,
    suite: TestSuiteSpec,
    run: TestRunSpec,
    needs: tuple[str, ...],
) -> PlannedCase:
    variables = {**suite.variables, **run.variables, **variant.values}
    return PlannedCase(
        name=variant.name,
        case=case.model_copy(update={"name": variant.name, "matrix": {}}),
        variables=variables,
        needs=needs,
        timeout=suite.defaults.timeout if case.timeout is None else case.timeout,
        retries=suite.defaults.retries if case.retries is None else case.retries,
        skip=_find_skip(case, variant, variables, run),
    )


def name_needs(variants: Mapping[str, tuple[Variant, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Return what a need may say, and the planned cases that it means: all variants of a case, or one by its own name.

    A name that is both a case's and a variant's means the case.
    """
    single = {variant.name: (variant.name,) for expanded in variants.values() for variant in expanded}
    every = {base: tuple(variant.name for variant in expanded) for base, expanded in variants.items()}
    return single | every


def _find_skip(case: Case, variant: Variant, variables: Mapping[str, str], run: TestRunSpec) -> Skip | None:
    if _matches(run.skip, variant.name, case, case.name):
        return Skip(Reason.SKIPPED_BY_RUN, "the run's skip names the case, its category or one of its tags")
    for requirement in case.when:
        if not holds(requirement, variables):
            values = f" {list(requirement.values)}" if requirement.values else ""
            actual = repr(variables[requirement.key]) if requirement.key in variables else "not set"
            return Skip(
                Reason.CONDITION_NOT_MET,
                f"when: {requirement.key} {requirement.operator}{values} does not hold; {requirement.key} is {actual}",
            )
    return None


def holds(requirement: WhenRequirement, variables: Mapping[str, str]) -> bool:
    """Whether a condition on a variable holds, by the rules of a label selector requirement.

    As with labels, ``NotIn`` holds for a variable that is not set.
    """
    value = variables.get(requirement.key)
    match requirement.operator:
        case WhenOperator.IN:
            return value in requirement.values
        case WhenOperator.NOT_IN:
            return value not in requirement.values
        case WhenOperator.EXISTS:
            return value is not None
        case WhenOperator.DOES_NOT_EXIST:
            return value is None


def _matches(selector: CaseSelector, name: str, case: Case, base_name: str) -> bool:
    return (
        name in selector.names
        or base_name in selector.names
        or (case.category is not None and case.category in selector.categories)
        or any(tag in selector.tags for tag in case.tags)
    )


def _in_order_of_needs(planned: Mapping[str, PlannedCase], chosen: Iterable[str]) -> Iterator[PlannedCase]:
    wanted = set(chosen)
    pending = list(wanted)
    while pending:
        for need in planned[pending.pop()].needs:
            if need not in wanted:
                wanted.add(need)
                pending.append(need)
    done: set[str] = set()
    # Depth first without recursion: a chain of needs may be longer than Python's stack.
    for root in planned:
        if root not in wanted:
            continue
        stack = [root]
        while stack:
            name = stack[-1]
            missing = [need for need in planned[name].needs if need not in done]
            if name in done or not missing:
                stack.pop()
                if name not in done:
                    done.add(name)
                    yield planned[name]
            else:
                stack.extend(reversed(missing))
