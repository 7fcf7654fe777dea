"""``testrun cases``: what a run would execute, without a cluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table

from testrun_operator.api.base import format_duration
from testrun_operator.cli.documents import Files, Found, read_files
from testrun_operator.cli.validating import read_suite, suite_of
from testrun_operator.engine.selection import PlannedCase, select_cases
from testrun_operator.engine.validation import check_run, check_suite
from testrun_operator.errors import InvalidSpec
from testrun_operator.resources.parsing import parse_run
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import TestSuiteSpec
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import Column, make_console, make_table, show


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for in place of a run's own ``select``; empty for what the run says."""

    names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def show_cases(paths: Sequence[str], run_name: str | None, selection: Selection) -> Exit:
    """List the cases of an execution, in the order in which they may start.

    Raises:
        TestrunError: a file cannot be read, holds no such run or suite, or breaks a rule.
    """
    run, suite = _choose(read_files(paths), run_name)
    if selection != Selection():
        select = {"names": selection.names, "categories": selection.categories, "tags": selection.tags}
        asked = run.model_dump(mode="json", exclude_defaults=True) | {"select": select}
        run = parse_run(asked)
    if problems := check_run(run, suite):
        raise InvalidSpec(problems)
    cases = select_cases(suite, run)
    console = make_console()
    show(console, _table(cases))
    skipped = sum(case.skip is not None for case in cases)
    show(console, f"\n{len(cases)} cases, {skipped} of them skipped")
    return Exit.PASSED


def _choose(files: Files, run_name: str | None) -> tuple[TestRunSpec, TestSuiteSpec]:
    if files.problems:
        raise CannotDo(files.problems[0])
    suites = [(found, *read_suite(found)) for found in files.suites()]
    runs = [found for found in files.runs() if run_name in {None, found.name}]
    if len(runs) > 1:
        raise CannotDo(f"there are several TestRuns: {_names(runs)}; choose one with --run")
    if runs:
        return _of_run(runs[0], [(found, suite) for found, suite, _ in suites])
    if run_name is not None:
        raise CannotDo(f"there is no TestRun {run_name!r} in these files")
    if len(suites) != 1:
        found_names = _names(found for found, _, _ in suites) or "none"
        raise CannotDo(
            f"name files with one TestRun or one TestSuite; there is no TestRun, and of TestSuites: {found_names}"
        )
    found, suite, problems = suites[0]
    if suite is None:
        raise InvalidSpec(problems)
    return parse_run({"suiteRef": {"name": found.name or "suite"}}), suite


def _of_run(found: Found, suites: list[tuple[Found, TestSuiteSpec | None]]) -> tuple[TestRunSpec, TestSuiteSpec]:
    run = parse_run(found.spec)
    if run.suite is not None:
        if problems := check_suite(run.suite, "spec.suite"):
            raise InvalidSpec(problems)
        return run, run.suite
    named = suite_of(found, run, suites)
    if named is None:
        name = run.suite_ref.name if run.suite_ref is not None else ""
        raise CannotDo(f"{found} names TestSuite/{name}, which is not in these files; name its file, too")
    if named[1] is None:
        raise CannotDo(f"{named[0]} is invalid; 'testrun validate' says why")
    return run, named[1]


def _names(found: Iterable[Found]) -> str:
    return ", ".join(item.name for item in found)


def _table(cases: Sequence[PlannedCase]) -> Table:
    return make_table(
        (
            Column("CASE"),
            Column("KIND"),
            Column("CATEGORY"),
            Column("TIMEOUT"),
            Column("RETRIES", is_number=True),
            Column("NEEDS", is_text=True),
            Column("SKIPPED", is_text=True),
        ),
        [
            (
                case.name,
                case.case.kind.name,
                case.case.category or "",
                format_duration(case.timeout),
                case.retries,
                ", ".join(case.needs),
                f"{case.skip.reason}: {case.skip.message}" if case.skip else "",
            )
            for case in cases
        ],
    )
