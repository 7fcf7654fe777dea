"""Executes a project: all of its tests, or a selection, against one database."""

import secrets
import time
from collections.abc import Iterable
from contextlib import closing

from testrun_operator.databases.base import (
    Copies,
    Database,
    DatabaseUnreachable,
    Isolation,
    NotPossible,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.execution.loading import LoadFailed, load_project
from testrun_operator.kinds.sql.execution.notifier import Voice
from testrun_operator.kinds.sql.execution.outcomes import CaseEnd, interruption, not_run_case, reason_of
from testrun_operator.kinds.sql.execution.parallel import do_all
from testrun_operator.kinds.sql.execution.planning import PlannedCase, make_plan
from testrun_operator.kinds.sql.execution.request import Observer, Request
from testrun_operator.kinds.sql.execution.statements import Splits, Statements
from testrun_operator.kinds.sql.execution.test_case_runner import CaseRunner
from testrun_operator.kinds.sql.execution.texts import bounded
from testrun_operator.kinds.sql.execution.watchdog import OutOfTime, Watch, Watchdog
from testrun_operator.kinds.sql.outcome import ProjectOutcome, Stop, Stopped, TestCaseOutcome
from testrun_operator.kinds.sql.project.model import Project


def execute(
    project: Project, database: Database, request: Request, observer: Observer, deadline: float | None = None
) -> ProjectOutcome:
    """Execute a project.

    Args:
        project: the project, or a single file.
        database: where it is executed.
        request: which tests, and how.
        observer: is told what happens.
        deadline: when to end it, by the clock ``time.monotonic``; the statement that runs then is cancelled.

    Returns:
        Its outcome, also where it could not be run to its end.

    Raises:
        NothingSelected: the selection matches nothing.
        InvalidExpression: the selection's expression cannot be understood.
    """
    begun = time.perf_counter()
    plan = make_plan(project, request.selection)
    voice = Voice(observer)
    voice.planned(len(plan), sum(planned.test_count for planned in plan))
    with Watchdog(deadline, voice) as watchdog:
        execution = _Execution(project, database, request, voice, watchdog, plan)
        execution.run()
    return ProjectOutcome(execution.outcomes(), execution.stopped, project.problems, time.perf_counter() - begun)


class _Execution:
    """One execution, while it runs."""

    def __init__(
        self,
        project: Project,
        database: Database,
        request: Request,
        voice: Voice,
        watchdog: Watchdog,
        plan: tuple[PlannedCase, ...],
    ) -> None:
        self._project = project
        self._database = database
        self._request = request
        self._voice = voice
        self._watchdog = watchdog
        self._plan = plan
        self._watch = watchdog.watch()
        self._splits = Splits()
        self._runner = CaseRunner(project, request.isolation, voice)
        self._outcomes: dict[int, TestCaseOutcome] = {}
        self.stopped: Stopped | None = None
        """Why it ended before its last test case."""

    def outcomes(self) -> tuple[TestCaseOutcome, ...]:
        """Return the outcomes of all test cases, in their order."""
        return tuple(self._outcomes[number] for number in range(len(self._plan)))

    def run(self) -> None:
        """Run everything that can be run; a database is connected to only if there is something to run in it."""
        if any(planned.outcome is None for planned in self._plan):
            try:
                if self._request.isolation is Isolation.DATABASE:
                    self._run_in_copies()
                else:
                    self._run_in_one_session()
            except CaseError as error:
                self._stop(_stop_of(error, self._watch))
        for number, planned in enumerate(self._plan):
            if number not in self._outcomes:
                self._end(number, planned, self._not_run(planned))

    def _run_in_one_session(self) -> None:
        self._watch.begin(f"connecting to {self._database.label}")
        with closing(self._database.connect()) as session, self._watch.guarding(session):
            statements = Statements(session, self._watch, self._splits)
            if self._request.isolation is Isolation.ROLLBACK:
                with session.transaction():
                    pass  # a database that has none is told of before anything is changed
            self._load_project(statements)
            for number, planned in enumerate(self._plan):
                if planned.outcome is None:
                    self._watch.begin("resetting the session", planned.case.place)
                    session.reset()
                    self._take(number, self._runner.run(planned, statements))
                else:
                    self._end(number, planned, planned.outcome)
                if self.stopped is not None:
                    return

    def _run_in_copies(self) -> None:
        self._watch.begin(f"preparing copies of {self._database.label}")
        with self._database.copies(f"testrun_{secrets.token_hex(6)}") as copies:
            with closing(copies.template.connect()) as session, self._watch.guarding(session):
                self._load_project(Statements(session, self._watch, self._splits))
            do_all(
                enumerate(self._plan),
                lambda items: self._run_each_in_copy(items, copies),
                self._request.parallel,
            )

    def _run_each_in_copy(self, items: Iterable[tuple[int, PlannedCase]], copies: Copies) -> None:
        watch = self._watchdog.watch()
        for number, planned in items:
            if self.stopped is not None:
                return
            if planned.outcome is not None:
                self._end(number, planned, planned.outcome)
                continue
            try:
                self._run_in_copy(number, planned, copies, watch)
            except CaseError as error:
                self._stop(_stop_of(error, watch))

    def _run_in_copy(self, number: int, planned: PlannedCase, copies: Copies, watch: Watch) -> None:
        watch.begin("making a copy of the database", planned.case.place)
        with copies.copy() as database, closing(database.connect()) as session, watch.guarding(session):
            self._take(number, self._runner.run(planned, Statements(session, watch, self._splits)))

    def _load_project(self, statements: Statements) -> None:
        load_project(self._project, statements, skip_schema=self._request.skip_schema_load)

    def _take(self, number: int, end: CaseEnd) -> None:
        if end.stopped is not None:
            self._stop(end.stopped)
        self._outcomes[number] = end.outcome
        self._voice.case_ended(end.outcome)

    def _end(self, number: int, planned: PlannedCase, outcome: TestCaseOutcome) -> None:
        """Take the outcome of a test case that was not run."""
        for test in outcome.tests:
            self._voice.test_ended(planned.case, test)
        self._outcomes[number] = outcome
        self._voice.case_ended(outcome)

    def _not_run(self, planned: PlannedCase) -> TestCaseOutcome:
        reason = reason_of(self.stopped) if self.stopped is not None else ""
        return not_run_case(planned, reason)

    def _stop(self, stopped: Stopped) -> None:
        if self.stopped is None:  # what came first is the cause
            self.stopped = stopped


def _stop_of(error: CaseError, watch: Watch) -> Stopped:
    if isinstance(error, LoadFailed):
        return Stopped(Stop.SCRIPT_FAILED, error.message, error.place)
    if isinstance(error, OutOfTime | StatementCancelled | DatabaseUnreachable) or watch.is_over:
        return interruption(error, watch)
    if isinstance(error, NotPossible | StatementFailed):
        return Stopped(Stop.IMPOSSIBLE, bounded(str(error)))
    raise error
