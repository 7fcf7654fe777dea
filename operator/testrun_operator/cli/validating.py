"""``testrun validate``: the rules that the operator checks, without a cluster."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from testrun_operator.cli.documents import Files, Found, check_object
from testrun_operator.engine.selection import select_cases
from testrun_operator.engine.validation import check_run, check_suite
from testrun_operator.errors import InvalidSpec
from testrun_operator.resources.parsing import parse_run, parse_suite
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import TestSuiteSpec


@dataclass(slots=True)
class Validation:
    """What came of checking files."""

    valid: int = 0
    invalid: int = 0
    problems: list[str] = field(default_factory=list)
    """``file: kind/name: path: what is wrong and what would be right``."""
    notes: list[str] = field(default_factory=list)
    """What could not be checked."""


def validate(files: Files) -> Validation:
    """Check every TestSuite and TestRun, and every run against its suite if that is in the same files."""
    result = Validation(invalid=len(files.problems), problems=list(files.problems))
    suites: list[tuple[Found, TestSuiteSpec | None]] = []
    for found in files.suites():
        suite, problems = read_suite(found)
        suites.append((found, suite))
        _count(result, found, problems)
    for found in files.runs():
        _count(result, found, tuple(_check_run(found, suites, result)))
    return result


def _count(result: Validation, found: Found, problems: tuple[str, ...]) -> None:
    result.problems += [f"{found}: {problem}" for problem in problems]
    if problems:
        result.invalid += 1
    else:
        result.valid += 1


def read_suite(found: Found) -> tuple[TestSuiteSpec | None, tuple[str, ...]]:
    """Read a TestSuite.

    Returns:
        Its spec, None if it cannot be used; and what is wrong with it.
    """
    outside = tuple(check_object(found))
    try:
        suite = parse_suite(found.spec)
    except InvalidSpec as error:
        return None, (*outside, *error.problems)
    inside = check_suite(suite)
    return (None if inside else suite), (*outside, *inside)


def suite_of(
    found: Found, run: TestRunSpec, suites: list[tuple[Found, TestSuiteSpec | None]]
) -> tuple[Found, TestSuiteSpec | None] | None:
    """Find the suite that a run names; one in a file without a namespace goes with any."""
    name = run.suite_ref.name if run.suite_ref is not None else None
    fitting = [item for item in suites if item[0].name == name]
    same = [item for item in fitting if item[0].namespace == found.namespace]
    open_to_all = [item for item in fitting if item[0].namespace is None or found.namespace is None]
    return next(iter([*same, *open_to_all]), None)


def _check_run(found: Found, suites: list[tuple[Found, TestSuiteSpec | None]], result: Validation) -> Iterator[str]:
    yield from check_object(found)
    try:
        run = parse_run(found.spec)
    except InvalidSpec as error:
        yield from error.problems
        return
    if run.suite is not None:
        problems = check_suite(run.suite, "spec.suite")
        yield from problems
        suite = None if problems else run.suite
    else:
        named = suite_of(found, run, suites)
        if named is None:
            name = run.suite_ref.name if run.suite_ref is not None else ""
            result.notes.append(f"{found}: TestSuite/{name} is not in these files; what depends on it was not checked")
            return
        suite = named[1]
        if suite is None:
            result.notes.append(f"{found}: {named[0]} is invalid; what depends on it was not checked")
    if suite is None:
        return
    if problems := check_run(run, suite):
        yield from problems
    elif not select_cases(suite, run):
        yield "spec.select: matches no case of the suite"
