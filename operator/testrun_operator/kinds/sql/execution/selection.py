"""Which tests of a project are run, and which of them are left out because of a mark."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Marking, TestCase
from testrun_operator.kinds.sql.execution.expression import parse_expression
from testrun_operator.kinds.sql.execution.request import Selection
from testrun_operator.kinds.sql.execution.texts import listed

_ROOT: Final = "tests/"
_ANY_FOLDERS: Final = "**"
NO_REASON: Final = "it is marked [skip]"
NOT_ONLY: Final = "another test is marked [only]"


class NothingSelected(CaseError):
    """A selection, or a part of it, matches nothing; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A test case file of which something is selected."""

    case: TestCase
    """With the selected tests alone."""
    skipped: str | None = None
    """Why all of it is left out; None where at least one test is run, or none can be because it is malformed."""
    skipped_tests: tuple[str | None, ...] = ()
    """For each test, why it is left out; None for those that are run."""


def select_tests(cases: Sequence[TestCase], selection: Selection) -> tuple[Selected, ...]:
    """Select tests, and look at the marks of those that are selected.

    A mark behind the title of a file holds for all of its tests. A file that cannot be read is selected by its path
    alone: nobody knows which tests it would have.

    Args:
        cases: all test cases of the project, in their order.
        selection: what is selected.

    Raises:
        NothingSelected: a glob matches nothing, or all of them and the expression together do.
        InvalidExpression: the expression cannot be understood.
    """
    chosen = _by_tests(_by_paths(cases, selection.paths), selection.tests)
    if selection.expression.strip():
        expression = parse_expression(selection.expression)
        chosen = _filter(chosen, lambda case, name: expression.matches(f"{case.file}/{case.name}/{name}"))
    if not chosen and cases:
        expression_note = f" and the expression '{selection.expression}'" if selection.expression.strip() else ""
        raise NothingSelected(f"no test is selected by the globs{expression_note}; there are: {_names(cases)}")
    focused = any(_is_focused(case) for case in chosen)
    return tuple(_mark(case, focused=focused) for case in chosen)


def path_matches(path: str, pattern: str) -> bool:
    """Whether a glob matches a path: ``*`` stays inside of a folder, ``**`` stands for any number of folders."""
    parts, patterns = path.split("/"), pattern.split("/")
    # Which numbers of parts can have been matched by the patterns so far: time is bounded by parts times patterns.
    reached = {0}
    for one in patterns:
        if one == _ANY_FOLDERS:
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatch.fnmatchcase(parts[at], one)}
    return len(parts) in reached


def _by_paths(cases: Sequence[TestCase], patterns: tuple[str, ...]) -> list[TestCase]:
    if not patterns:
        return list(cases)

    def matches(case: TestCase, pattern: str) -> bool:
        return path_matches(case.file, pattern) or path_matches(case.file.removeprefix(_ROOT), pattern)

    for pattern in patterns:
        if not any(matches(case, pattern) for case in cases):
            files = listed([case.file for case in cases]) or "none"
            raise NothingSelected(f"no test case file matches '{pattern}'; there are: {files}")
    return [case for case in cases if any(matches(case, pattern) for pattern in patterns)]


def _by_tests(cases: list[TestCase], patterns: tuple[str, ...]) -> list[TestCase]:
    if not patterns:
        return cases
    folded = [pattern.casefold() for pattern in patterns]
    names = {test.name.casefold() for case in cases for test in case.tests}
    matching = {name: any(fnmatch.fnmatchcase(name, pattern) for pattern in folded) for name in names}
    for pattern, original in zip(folded, patterns, strict=True):
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise NothingSelected(f"no test has a name that matches '{original}'; there are: {_names(cases)}")
    return _filter(cases, lambda _, name: matching[name.casefold()])


def _filter(cases: Sequence[TestCase], keeps: Callable[[TestCase, str], bool]) -> list[TestCase]:
    chosen = []
    for case in cases:
        if _is_unread(case):
            chosen.append(case)
            continue
        tests = tuple(test for test in case.tests if keeps(case, test.name))
        if tests:
            chosen.append(replace(case, tests=tests))
    return chosen


def _is_unread(case: TestCase) -> bool:
    return bool(case.problems) and not case.tests


def _names(cases: Sequence[TestCase]) -> str:
    return listed([f"'{test.name}' ({case.file})" for case in cases for test in case.tests]) or "none"


def _is_focused(case: TestCase) -> bool:
    if case.marking.skip is not None:
        return False
    return any(
        (case.marking.only or marking.only) and marking.skip is None
        for marking in ([test.marking for test in case.tests] or [case.marking])
    )


def _mark(case: TestCase, *, focused: bool) -> Selected:
    tests = tuple(_reason(case.marking, test.marking, focused=focused) for test in case.tests)
    if case.marking.skip is not None:
        return Selected(case, case.marking.skip or NO_REASON, tests)
    if tests and None not in tests:
        return Selected(case, NOT_ONLY if set(tests) == {NOT_ONLY} else "all of its tests are left out", tests)
    if not tests and focused and not case.marking.only:
        return Selected(case, NOT_ONLY)
    return Selected(case, None, tests)


def _reason(case: Marking, test: Marking, *, focused: bool) -> str | None:
    skip = case.skip if case.skip is not None else test.skip
    if skip is not None:
        return skip or NO_REASON
    return NOT_ONLY if focused and not (case.only or test.only) else None
