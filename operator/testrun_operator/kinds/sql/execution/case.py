"""Runs a case of the kind ``sql`` from its files to its conclusion."""

import tempfile
from pathlib import Path

from pydantic import JsonValue

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.databases.base import Database, DatabaseUnreachable, Isolation
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.execution.details import (
    detail_of_problem,
    detail_of_stop,
    details_of_case,
    details_of_test,
    sentences_of,
)
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request, Selection
from testrun_operator.kinds.sql.interrupting import (
    Interrupted,
    InterruptibleDatabase,
    Interruption,
    run_interruptibly,
)
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    StepKind,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.kinds.sql.project.discovery import NothingToRun, load_path
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.kinds.sql.spec import SqlCase, SqlSelection
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.failures import join_failures
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase
from testrun_operator.runner.supervisor import EXIT_TERMINATED
from testrun_operator.sources.fetched import Fetched
from testrun_operator.sources.fetching import fetch_files, render_source

_MARGIN_SECONDS = 1.0
_MARGIN_PART = 0.1
"""So long before the case is killed, but at most this part of its time, the statement that runs is cancelled."""
_SENTENCE_LENGTH = 300
_SIGNS = {Mark.PASSED: "✔", Mark.FAILED: "✘", Mark.SKIPPED: "-", Mark.NOT_RUN: "-"}


def run_case(context: Context) -> Conclusion:
    """Run the case.

    Raises:
        CannotJudge: something stands in the way of a judgement.
    """
    case = context.document.case.spec_as(SqlCase)
    request = _request(case, context)
    source = render_source(case.source, context.templates, "sql.source")
    database = _open_database(case, context)
    try:
        # The files stay until the end: those that cells name are read when they are needed.
        with tempfile.TemporaryDirectory(prefix="testrun-", ignore_cleanup_errors=True) as folder:
            context.journal.progress("fetching the test files")
            fetched = fetch_files(source, context.environment, Path(folder), deadline=context.deadline)
            _tell_source(fetched, context)
            project = _load(fetched, context)
            outcome = _execute(project, database, request, context)
    finally:
        database.close()
    return _conclude(outcome, fetched, context)


def _request(case: SqlCase, context: Context) -> Request:
    return Request(
        _render_selection(case.select, context),
        Isolation(case.isolation.value),
        case.parallel,
        case.skip_schema_load,
    )


def _render_selection(select: SqlSelection, context: Context) -> Selection:
    def render(texts: tuple[str, ...], field: str) -> tuple[str, ...]:
        return tuple(context.templates.text(text, f"sql.select.{field}[{index}]") for index, text in enumerate(texts))

    return Selection(render(select.paths, "paths"), render(select.tests, "tests"))


def _open_database(case: SqlCase, context: Context) -> Database:
    connections = context.document.connections
    endpoint = connections.get(case.connection)
    if endpoint is None:
        known = ", ".join(sorted(connections)) or "none"
        raise InvalidCase("sql.connection", f"{case.connection!r} is no connection; there are: {known}")
    path = f"connections.{case.connection}.dsnFrom"
    if endpoint.dsn_variable is None:
        raise InvalidCase(path, "is needed by sql cases")
    text = context.environment.get(endpoint.dsn_variable)
    if text is None:
        raise InvalidCase(path, f"the secret is not in the environment variable {endpoint.dsn_variable}")
    try:
        return open_database(read_dsn(text), context.remaining_seconds())
    except DatabaseUnreachable as error:
        raise ConnectionFailed(str(error)) from None
    except CaseError as error:
        raise InvalidCase(path, str(error)) from None


def _tell_source(fetched: Fetched, context: Context) -> None:
    context.journal.log(f"Files from {fetched.label}" + (f", commit {fetched.commit}" if fetched.commit else ""))
    for notice in fetched.notices:
        context.journal.log(f"Note: {notice}")
    if fetched.commit is not None:
        context.journal.detail(
            Detail(kind=DetailKind.SOURCE, name="commit", passed=True, actual=fetched.commit, location=fetched.label)
        )


def _load(fetched: Fetched, context: Context) -> Project:
    context.journal.progress("reading the test files")
    try:
        project = load_path(fetched.path)
    except NothingToRun as error:
        raise InvalidCase("sql.source", str(error)) from None
    for notice in project.notices:
        context.journal.log(f"Note: {notice}")
    for problem in project.problems:
        context.journal.log(f"✘ {problem}")
        context.journal.detail(detail_of_problem(problem, problem.place.file))
    return project


def _execute(project: Project, database: Database, request: Request, context: Context) -> ProjectOutcome:
    margin = min(_MARGIN_SECONDS, _MARGIN_PART * context.document.timeout.total_seconds())
    context.journal.progress(f"connecting to {database.label}")
    interruption = Interruption()
    interruptible = InterruptibleDatabase(database, interruption)

    def work() -> ProjectOutcome:
        return execute(project, interruptible, request, _Teller(context), context.deadline - margin)

    try:
        outcome = run_interruptibly(work, interruption)
    except Interrupted:
        # The pod is being deleted. Nobody waits for a report; what counts is that nothing is left on the server.
        context.journal.log("Interrupted: the statement was cancelled, and copies of the database are dropped")
        raise SystemExit(EXIT_TERMINATED) from None
    except CaseError as error:  # the selection matches nothing
        raise InvalidCase("sql.select", str(error)) from None
    context.journal.progress("reporting")
    if outcome.stopped is not None and _is_new(outcome.stopped, outcome):
        context.journal.log(f"✘ {outcome.stopped.place or ''} {outcome.stopped.message}")
        context.journal.detail(detail_of_stop(outcome.stopped))
    return outcome


class _Teller:
    """Tells the journal what happens.

    Args:
        context: the case.
    """

    def __init__(self, context: Context) -> None:
        self._journal = context.journal

    def planned(self, cases: int, tests: int) -> None:
        """Log how much there is to do."""
        self._journal.log(f"{tests} {_plural('test', tests)} in {cases} {_plural('file', cases)}")

    def doing(self, what: str) -> None:
        """Say what is being done, so that it is known even if the case has to be killed."""
        self._journal.progress(what)

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:  # noqa: ARG002 - of an observer
        """Report a test."""
        if _was_run(outcome):
            self._journal.count_step()
        message = f": {outcome.message}" if outcome.message else f" ({outcome.seconds * 1000:.0f} ms)"
        self._journal.log(f"{_SIGNS[outcome.mark]} {outcome.place} {outcome.name}{message}")
        for detail in details_of_test(outcome):
            self._journal.detail(detail, is_logged=False)

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Report a test case that failed as a whole."""
        for detail in details_of_case(outcome):
            self._journal.log(f"{_SIGNS[outcome.mark]} {detail.location}: {detail.message}")
            self._journal.detail(detail, is_logged=False)


def _was_run(outcome: TestOutcome) -> bool:
    is_malformed = bool(outcome.steps) and all(step.kind is StepKind.FORM for step in outcome.steps)
    return outcome.mark in (Mark.PASSED, Mark.FAILED) and not is_malformed


def _is_new(stopped: Stopped, outcome: ProjectOutcome) -> bool:
    """Whether a script that failed is not told of by a test or a test case already."""
    if stopped.why is not Stop.SCRIPT_FAILED:
        return False
    told = {problem.message for case in outcome.cases for problem in case.problems}
    told |= {step.message for case in outcome.cases for test in case.tests for step in test.failures()}
    return stopped.message not in told


def _conclude(outcome: ProjectOutcome, fetched: Fetched, context: Context) -> Conclusion:
    counts = outcome.counts
    outputs: dict[str, JsonValue] = {
        "tests": counts.total,
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
    }
    if fetched.commit is not None:
        outputs["commit"] = fetched.commit
    if outcome.passed:
        return Conclusion.passed(Reason.EXPECTATIONS_MET, outputs)
    failures = _failures(outcome, context)
    stopped = outcome.stopped
    if stopped is not None and stopped.why is Stop.TIMED_OUT:
        message = join_failures([_describe_timeout(stopped, context), *failures], context.masker)
        return Conclusion(Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT, message, outputs)
    if stopped is not None and stopped.why is Stop.CONNECTION_LOST:
        raise ConnectionFailed(join_failures([_at(stopped), *failures], context.masker))
    if stopped is not None and stopped.why is Stop.IMPOSSIBLE:
        raise InvalidCase("sql.isolation", join_failures([_at(stopped), *failures], context.masker))
    if stopped is not None and _is_new(stopped, outcome):
        failures.insert(0, context.masker.excerpt(_at(stopped), _SENTENCE_LENGTH))
    return Conclusion.failed(Reason.EXPECTATION_NOT_MET, join_failures(failures, context.masker), outputs)


def _failures(outcome: ProjectOutcome, context: Context) -> list[str]:
    sentences = [*(str(problem) for problem in outcome.problems), *sentences_of(outcome.cases)]
    # What is wrong with a single file is among the problems of the project, too.
    return list(dict.fromkeys(context.masker.excerpt(sentence, _SENTENCE_LENGTH) for sentence in sentences))


def _describe_timeout(stopped: Stopped, context: Context) -> str:
    run = context.journal.step_count
    return (
        f"the case did not end within {format_duration(context.document.timeout)}: {_at(stopped)}, "
        f"with {run} {_plural('test', run)} run"
    )


def _at(stopped: Stopped) -> str:
    return f"{stopped.place}: {stopped.message}" if stopped.place else stopped.message


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
