"""Keeps the database's password out of what is told, also where a database repeats it."""

from dataclasses import replace

from testrun_operator.databases.dsn import Dsn
from testrun_operator.kinds.sql.document import Problem
from testrun_operator.kinds.sql.outcome import ProjectOutcome, Step, TestCaseOutcome, TestOutcome
from testrun_operator.masking import Masker


def make_masker(dsn: Dsn) -> Masker:
    """Make the masker of an address's secrets.

    A password that is also the name of the user or of the database is no secret, and masking it would make most
    messages of a developer's database unreadable.
    """
    return Masker(secret for secret in dsn.secrets if secret not in {dsn.user, dsn.database})


def mask_outcome(outcome: ProjectOutcome, masker: Masker) -> ProjectOutcome:
    """Mask all messages and values of an outcome; names and places are those of the files."""
    stopped = outcome.stopped
    return ProjectOutcome(
        cases=tuple(_mask_case(case, masker) for case in outcome.cases),
        stopped=replace(stopped, message=masker.text(stopped.message)) if stopped is not None else None,
        problems=_mask_problems(outcome.problems, masker),
        seconds=outcome.seconds,
    )


def _mask_case(case: TestCaseOutcome, masker: Masker) -> TestCaseOutcome:
    return replace(
        case,
        message=masker.text(case.message),
        problems=_mask_problems(case.problems, masker),
        tests=tuple(_mask_test(test, masker) for test in case.tests),
    )


def _mask_test(test: TestOutcome, masker: Masker) -> TestOutcome:
    steps = tuple(_mask_step(step, masker) for step in test.steps)
    return replace(test, message=masker.text(test.message), steps=steps)


def _mask_step(step: Step, masker: Masker) -> Step:
    return replace(
        step,
        message=masker.text(step.message),
        expected=masker.text(step.expected),
        actual=masker.text(step.actual),
    )


def _mask_problems(problems: tuple[Problem, ...], masker: Masker) -> tuple[Problem, ...]:
    return tuple(replace(problem, message=masker.text(problem.message)) for problem in problems)
