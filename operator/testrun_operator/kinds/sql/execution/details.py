"""Outcomes as lines of the report."""

from collections.abc import Iterator

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.kinds.sql.document import Problem
from testrun_operator.kinds.sql.outcome import Mark, Step, StepKind, Stopped, TestCaseOutcome, TestOutcome

_KINDS = {
    StepKind.ROW: DetailKind.ROW,
    StepKind.ASSERTION: DetailKind.ASSERTION,
    StepKind.RESULT: DetailKind.RESULT,
    StepKind.FIXTURE: DetailKind.FIXTURE,
}
"""The others are no lines of their own: what they say is the message of their test."""


def details_of_test(outcome: TestOutcome) -> Iterator[Detail]:
    """Yield the details of a test: itself, and its rows, assertions and expected results.

    A test that was not run because the execution ended before is not passed, unlike one that was left out on purpose.
    """
    yield Detail(
        kind=DetailKind.TEST,
        name=outcome.name,
        passed=outcome.mark in (Mark.PASSED, Mark.SKIPPED),
        skipped=outcome.mark in (Mark.SKIPPED, Mark.NOT_RUN),
        message=outcome.message,
        location=str(outcome.place),
        duration_milliseconds=round(outcome.seconds * 1000),
    )
    for step in outcome.steps:
        if step.kind in _KINDS:
            yield _detail_of_step(outcome, step)


def _detail_of_step(outcome: TestOutcome, step: Step) -> Detail:
    row = f"row {step.row}: " if step.row is not None and step.kind is not StepKind.ROW else ""
    return Detail(
        kind=_KINDS[step.kind],
        name=f"{outcome.name}: {row}{step.name}",
        passed=step.passed,
        expected=step.expected,
        actual=step.actual,
        message=step.message,
        location=str(step.place),
        duration_milliseconds=round(step.seconds * 1000),
    )


def details_of_case(outcome: TestCaseOutcome) -> Iterator[Detail]:
    """Yield the details of a test case as a whole; its tests have their own."""
    for problem in outcome.problems:
        yield detail_of_problem(problem, outcome.file)
    if not outcome.tests and not outcome.problems and outcome.mark is not Mark.PASSED:
        yield Detail(
            kind=DetailKind.FILE,
            name=outcome.file,
            passed=outcome.mark is Mark.SKIPPED,
            skipped=True,
            message=outcome.message,
            location=str(outcome.place),
        )


def detail_of_problem(problem: Problem, file: str) -> Detail:
    """Return the detail of a file that cannot be used."""
    return Detail(kind=DetailKind.FILE, name=file, passed=False, message=problem.message, location=str(problem.place))


def detail_of_stop(stopped: Stopped) -> Detail:
    """Return the detail of a schema or a source that could not be loaded."""
    place = stopped.place
    return Detail(
        kind=DetailKind.FILE,
        name=place.file if place else "schema",
        passed=False,
        message=stopped.message,
        location=str(place or ""),
    )


def sentences_of(cases: tuple[TestCaseOutcome, ...]) -> Iterator[str]:
    """Yield a sentence for everything that failed, in its order."""
    for case in cases:
        for problem in case.problems:
            yield str(problem)
        for test in case.tests:
            if test.mark is Mark.FAILED:
                step = next(test.failures(), None)
                yield f"{step.place if step else test.place}: {test.name}: {step.message if step else test.message}"
