"""Runs one test case on one session."""

import time
from dataclasses import dataclass
from enum import Enum, auto

from testrun_operator.databases.base import DatabaseUnreachable, Isolation, NotPossible, RoutineNotFound
from testrun_operator.kinds.sql.document import FixturePoint, Problem
from testrun_operator.kinds.sql.execution.cells import Cells
from testrun_operator.kinds.sql.execution.loading import LoadFailed
from testrun_operator.kinds.sql.execution.notifier import Voice
from testrun_operator.kinds.sql.execution.outcomes import (
    CaseEnd,
    end_of_case,
    interruption,
    not_run_test,
    reason_of,
)
from testrun_operator.kinds.sql.execution.planning import PlannedCase, failed_case
from testrun_operator.kinds.sql.execution.statements import Statements
from testrun_operator.kinds.sql.execution.test_case_context import Surroundings
from testrun_operator.kinds.sql.execution.testing import run_test
from testrun_operator.kinds.sql.execution.texts import bounded
from testrun_operator.kinds.sql.execution.watchdog import OutOfTime
from testrun_operator.kinds.sql.outcome import Stop, Stopped, TestOutcome
from testrun_operator.kinds.sql.project.model import Project

_BEFORE_TESTS = (FixturePoint.BEFORE_ALL, FixturePoint.BEFORE_EACH_TEST, FixturePoint.BEFORE_EACH_ROW)


class _Scope(Enum):
    """Around what a fixture is loaded."""

    TEST = auto()
    TEST_CASE = auto()


@dataclass(frozen=True, slots=True)
class CaseRunner:
    """Runs test cases, each on the session that it is given.

    Args:
        project: the project.
        isolation: what keeps tests apart.
        voice: is told of each test.
    """

    project: Project
    isolation: Isolation
    voice: Voice

    def run(self, planned: PlannedCase, statements: Statements) -> CaseEnd:
        """Run a test case.

        Args:
            planned: the test case, whose outcome is not known yet.
            statements: runs statements on its session.

        Returns:
            Its outcome, also where it could not be run to its end.
        """
        return _Run(self, planned, statements).run()


class _Run:
    """One test case while it runs."""

    def __init__(self, runner: CaseRunner, planned: PlannedCase, statements: Statements) -> None:
        self._runner = runner
        self._planned = planned
        self._statements = statements
        self._surroundings = Surroundings(
            planned, statements, Cells(runner.project, planned.case.file), runner.isolation
        )
        self._outcomes: list[TestOutcome] = []
        self._problems: list[Problem] = []
        self._stopped: Stopped | None = None
        self._not_run = ""
        """Why the tests from here on are not run."""

    def run(self) -> CaseEnd:
        begun = time.perf_counter()
        try:
            missing = self._missing_routine(_BEFORE_TESTS)
            if missing is not None:
                return CaseEnd(failed_case(self._planned.case, [missing]))
            self._load(FixturePoint.BEFORE_ALL)
            if self._planned.fixtures.get(FixturePoint.BEFORE_ALL) and not self._not_run:
                self._surroundings.forget_routines()
                missing = self._missing_routine(_BEFORE_TESTS[1:])
            if missing is None:
                self._run_tests()
            else:
                self._problems.append(missing)
            self._load(FixturePoint.AFTER_ALL)
        except (OutOfTime, DatabaseUnreachable) as error:
            self._stop(interruption(error, self._statements.watch))
        if missing is None:
            for planned in self._planned.tests[len(self._outcomes) :]:
                self._add(not_run_test(planned, self._not_run))
        seconds = time.perf_counter() - begun
        return CaseEnd(end_of_case(self._planned, self._outcomes, self._problems, seconds), self._stopped)

    def _missing_routine(self, makers: tuple[FixturePoint, ...]) -> Problem | None:
        """Look for the routine of the test case, unless a fixture that is yet to be loaded may make it.

        Args:
            makers: the sections of these fixtures.
        """
        case = self._planned.case
        if case.routine is None:
            return None
        try:
            self._surroundings.routines()
        except NotPossible as error:
            return Problem(case.place, bounded(str(error)))
        except RoutineNotFound as error:
            made = any(self._planned.fixtures.get(point) for point in makers)
            if made or any(planned.before for planned in self._planned.tests):
                return None
            return Problem(case.place, bounded(str(error)))
        return None

    def _run_tests(self) -> None:
        for planned in self._planned.tests:
            if planned.outcome is not None or self._not_run:
                self._add(not_run_test(planned, self._not_run))
                continue
            end = run_test(planned, self._surroundings)
            if end.stopped is not None:
                self._stop(end.stopped)
            elif end.failed_load is not None:
                self._take_failed_load(end.failed_load, _Scope.TEST)
            self._add(end.outcome)

    def _load(self, point: FixturePoint) -> None:
        if self._not_run:
            return
        try:
            self._surroundings.load(point)
        except LoadFailed as failure:
            self._problems.append(Problem(failure.place, failure.message))
            self._take_failed_load(failure, _Scope.TEST_CASE)

    def _take_failed_load(self, failure: LoadFailed, scope: _Scope) -> None:
        """Decide what is still run after a fixture failed: what is in the database is not known any more."""
        isolation = self._runner.isolation
        if isolation is Isolation.ROLLBACK and scope is _Scope.TEST:
            return  # all of it is rolled back
        if isolation is Isolation.DATABASE:
            self._not_run = f"not run: {failure.message.splitlines()[0].rstrip(':')}"
            return
        self._stop(Stopped(Stop.SCRIPT_FAILED, failure.message, failure.place))

    def _stop(self, stopped: Stopped) -> None:
        self._stopped = stopped
        self._not_run = reason_of(stopped)

    def _add(self, outcome: TestOutcome) -> None:
        self._outcomes.append(outcome)
        self._runner.voice.test_ended(self._planned.case, outcome)
