"""``testrun sql check``: what is malformed in a project, without a database."""

from collections.abc import Iterator
from pathlib import Path

import typer

from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.execution.planning import make_plan
from testrun_operator.kinds.sql.execution.request import Selection
from testrun_operator.kinds.sql.outcome import StepKind
from testrun_operator.kinds.sql.parsing.parser import parse_test_case
from testrun_operator.kinds.sql.project.discovery import load_path
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean


def check_files(path: Path) -> Exit:
    """Print one line for each problem, as compilers do, and sum up.

    Args:
        path: a project's folder, or a test case file.

    Returns:
        Whether there is no problem.

    Raises:
        NothingToRun: there is nothing to check.
    """
    project = load_path(path)
    root = path if path.is_dir() else path.parent
    problems = sorted(set(find_problems(project)), key=lambda problem: (problem.place, problem.message))
    for problem in problems:
        place = Place((root / problem.place.file).as_posix(), problem.place.line)
        typer.echo(f"{clean(str(place))}: {clean(problem.message)}")
    for notice in project.notices:
        typer.echo(f"notice: {clean(notice)}")
    tests = sum(len(parse_test_case(file.text, file.path).tests) for file in project.tests)
    found = "no problem" if not problems else "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    typer.echo(f"{found} in {_count(tests, 'test')} in {_count(len(project.tests), 'file')}")
    return Exit.FAILED if problems else Exit.PASSED


def find_problems(project: Project) -> Iterator[Problem]:
    """Find all that can be known to be wrong without a database, some of it twice."""
    yield from project.problems
    for file in project.tests:
        if file.problem is None:
            case = parse_test_case(file.text, file.path)
            yield from case.problems
            # Also those of tests that are skipped: they will not be for ever.
            for test in case.tests:
                yield from test.problems
    for planned in make_plan(project, Selection()):
        if planned.outcome is not None:
            yield from planned.outcome.problems
        for planned_test in planned.tests:
            steps = planned_test.outcome.steps if planned_test.outcome is not None else ()
            yield from (Problem(step.place, step.message) for step in steps if step.kind is StepKind.FORM)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
