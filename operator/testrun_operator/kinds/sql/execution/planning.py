"""What is to be run, and everything that can be said of it without a database.

Malformed files and tests, missing fixtures, cells that name no file: all of it is found before the first statement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from testrun_operator.kinds.sql.document import (
    FixturePoint,
    FixtureReference,
    Place,
    Problem,
    Test,
    TestCase,
)
from testrun_operator.kinds.sql.execution.cells import Cells, CellUnreadable
from testrun_operator.kinds.sql.execution.columns import Column, Target, read_columns
from testrun_operator.kinds.sql.execution.library import Fixture, FixtureUnusable, Library
from testrun_operator.kinds.sql.execution.request import Selection
from testrun_operator.kinds.sql.execution.selection import Selected, select_tests
from testrun_operator.kinds.sql.execution.texts import bounded
from testrun_operator.kinds.sql.outcome import Mark, Step, StepKind, TestCaseOutcome, TestOutcome
from testrun_operator.kinds.sql.parsing.parser import parse_test_case
from testrun_operator.kinds.sql.project.model import File, Project

MAX_PROBLEMS: Final = 50
"""Of a test or a test case; more of them help nobody."""
_ORDER: Final = (
    FixturePoint.BEFORE_ALL,
    FixturePoint.BEFORE_EACH_TEST,
    FixturePoint.BEFORE_EACH_ROW,
    FixturePoint.AFTER_ALL,
    FixturePoint.AFTER_EACH_TEST,
    FixturePoint.AFTER_EACH_ROW,
)
"""In which fixtures are looked for."""


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """A test that is selected."""

    test: Test
    outcome: TestOutcome | None = None
    """How it ended, where that is known without running it: it is left out, or malformed."""
    columns: tuple[Column, ...] = ()
    """Of its data."""
    before: tuple[Fixture, ...] = ()
    after: tuple[Fixture, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A test case of which something is selected."""

    case: TestCase
    tests: tuple[PlannedTest, ...] = ()
    outcome: TestCaseOutcome | None = None
    """How it ended, where that is known without running it."""
    fixtures: Mapping[FixturePoint, tuple[Fixture, ...]] = field(default_factory=dict)

    @property
    def test_count(self) -> int:
        """How many tests it counts as."""
        if self.outcome is not None and not self.outcome.tests:
            return 1
        return len(self.tests)


def make_plan(project: Project, selection: Selection) -> tuple[PlannedCase, ...]:
    """Read all test case files of a project, select tests, and check them.

    Raises:
        NothingSelected: the selection matches nothing.
        InvalidExpression: its expression cannot be understood.
    """
    library = Library(project)
    cases = [_parse(file) for file in project.tests]
    return tuple(_plan_case(selected, project, library) for selected in select_tests(cases, selection))


def _parse(file: File) -> TestCase:
    if file.problem is None:
        return parse_test_case(file.text, file.path)
    return TestCase(file.path, file.path, Place(file.path, 1), problems=(file.problem,))


def failed_case(case: TestCase, problems: Iterable[Problem]) -> TestCaseOutcome:
    """Return the outcome of a test case that cannot be run; it counts as one failed test."""
    shown = tuple(replace(one, message=bounded(one.message)) for one in problems)[:MAX_PROBLEMS]
    return TestCaseOutcome(case.name, case.file, case.place, Mark.FAILED, shown)


def _plan_case(selected: Selected, project: Project, library: Library) -> PlannedCase:
    case = selected.case
    if selected.skipped is not None:
        left_out = tuple(
            _left_out(test, reason or "") for test, reason in zip(case.tests, selected.skipped_tests, strict=True)
        )
        outcome = TestCaseOutcome(
            case.name,
            case.file,
            case.place,
            Mark.SKIPPED,
            message=bounded(selected.skipped),
            tests=tuple(planned.outcome for planned in left_out if planned.outcome is not None),
        )
        return PlannedCase(case, left_out, outcome)
    fixtures: dict[FixturePoint, tuple[Fixture, ...]] = {}
    problems = list(case.problems)
    for point in _ORDER:
        found, missing = _find_all(case.fixtures_at(point), library, is_setup=point.is_setup)
        fixtures[point] = found
        problems += missing
    if problems:
        return PlannedCase(case, outcome=failed_case(case, problems))
    cells = Cells(project, case.file)
    tests = tuple(
        _left_out(test, reason) if reason is not None else _plan_test(test, cells, library)
        for test, reason in zip(case.tests, selected.skipped_tests, strict=True)
    )
    return PlannedCase(case, tests, fixtures=fixtures)


def _left_out(test: Test, reason: str) -> PlannedTest:
    return PlannedTest(test, TestOutcome(test.name, test.place, Mark.SKIPPED, bounded(reason)))


def _plan_test(test: Test, cells: Cells, library: Library) -> PlannedTest:
    problems = list(test.problems)
    before, missing_before = _find_all(test.before, library, is_setup=True)
    after, missing_after = _find_all(test.after, library, is_setup=False)
    columns = read_columns(test.data.columns) if test.data is not None else ()
    problems += [*missing_before, *missing_after, *_check_cells(test, columns, cells)]
    if problems:
        return PlannedTest(test, _malformed(test, problems[:MAX_PROBLEMS]))
    return PlannedTest(test, None, columns, before, after)


def _malformed(test: Test, problems: list[Problem]) -> TestOutcome:
    steps = tuple(
        Step(StepKind.FORM, "how it is written", problem.place, passed=False, message=bounded(problem.message))
        for problem in problems
    )
    message = bounded("\n".join(step.message for step in steps))
    return TestOutcome(test.name, test.place, Mark.FAILED, message, steps)


def _find_all(
    references: Iterable[FixtureReference], library: Library, *, is_setup: bool
) -> tuple[tuple[Fixture, ...], list[Problem]]:
    found: list[Fixture] = []
    missing: list[Problem] = []
    for reference in references:
        try:
            found.append(library.find(reference, is_setup=is_setup))
        except FixtureUnusable as error:
            missing.append(error.problem)
    return tuple(found), missing


def _check_cells(test: Test, columns: tuple[Column, ...], cells: Cells) -> Iterable[Problem]:
    """Look for the files that cells name; the parser has checked everything else about cells."""
    rows = test.data.rows if test.data is not None else ()
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column.target in _VALUES:
                yield from _check_cell(row.cells[column.index], row.place, cells, f"Row {number} of {len(rows)}: ")
    for result in test.results:
        for row in result.table.rows:
            for cell in row.cells:
                yield from _check_cell(cell, row.place, cells, "")


_VALUES: Final = (Target.INPUT, Target.OUTPUT, Target.RETURNED)


def _check_cell(cell: str, place: Place, cells: Cells, where: str) -> Iterable[Problem]:
    if not cell.startswith("="):
        return
    try:
        cells.check(cell)
    except CellUnreadable as error:
        yield Problem(place, f"{where}{error}")
