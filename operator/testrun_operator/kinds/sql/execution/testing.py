"""Runs one test: its fixtures, its body or its rows, its assertions and expected results."""

import time
from collections.abc import Iterator

from testrun_operator.databases.base import (
    DatabaseUnreachable,
    NotPossible,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.kinds.sql.document import FixturePoint, Sql, Test
from testrun_operator.kinds.sql.execution.checks import NO_STATEMENT, Checks, judge_count
from testrun_operator.kinds.sql.execution.isolation import boundary, broken, refused_by_transaction
from testrun_operator.kinds.sql.execution.judging import Fault, announced_by, judge_error, needs_no_transaction
from testrun_operator.kinds.sql.execution.loading import LoadFailed, load_fixtures
from testrun_operator.kinds.sql.execution.outcomes import TestEnd, end_of_test, interruption
from testrun_operator.kinds.sql.execution.planning import PlannedTest
from testrun_operator.kinds.sql.execution.rows import RowRunner
from testrun_operator.kinds.sql.execution.statements import IsolationBroken, Refused
from testrun_operator.kinds.sql.execution.test_case_context import Surroundings
from testrun_operator.kinds.sql.execution.texts import bounded
from testrun_operator.kinds.sql.execution.watchdog import OutOfTime
from testrun_operator.kinds.sql.outcome import Step, StepKind, Stop, Stopped


def run_test(planned: PlannedTest, surroundings: Surroundings) -> TestEnd:
    """Run a test.

    Args:
        planned: the test, whose outcome is not known yet.
        surroundings: what it shares with the other tests of its test case.

    Returns:
        Its outcome, also where it could not be run to its end.
    """
    begun = time.perf_counter()
    steps: list[Step] = []
    failed_load: LoadFailed | None = None
    stopped: Stopped | None = None
    is_cause = False
    try:
        with boundary(surroundings.isolation, surroundings.statements):
            for step in _run(planned, surroundings):
                steps.append(step)  # noqa: PERF402 - what was yielded before an exception must be kept
    except LoadFailed as failure:
        failed_load = failure
        steps.append(_failed_fixture(failure))
    except IsolationBroken as error:
        steps.append(broken(error))
    except (StatementFailed, NotPossible) as error:
        # The database has transactions, as was tried at the beginning; so it is something that was done before.
        steps.append(_no_transaction(planned.test, error))
    except (OutOfTime, StatementCancelled, DatabaseUnreachable) as error:
        stopped = interruption(error, surroundings.statements.watch)
        is_cause = stopped.why is Stop.TIMED_OUT and not (isinstance(error, OutOfTime) and not error.begun)
    seconds = time.perf_counter() - begun
    return TestEnd(end_of_test(planned, steps, seconds, stopped, is_cause=is_cause), failed_load, stopped)


def _run(planned: PlannedTest, surroundings: Surroundings) -> Iterator[Step]:
    surroundings.load(FixturePoint.BEFORE_EACH_TEST)
    load_fixtures(planned.before, surroundings.statements)
    test = planned.test
    checks = Checks(test, surroundings.statements, surroundings.cells)
    if test.body is not None:
        yield from _run_body(test, test.body, surroundings, checks)
    else:
        yield from RowRunner(planned, surroundings, checks).run()
    load_fixtures(planned.after, surroundings.statements)
    surroundings.load(FixturePoint.AFTER_EACH_TEST)


def _run_body(test: Test, body: Sql, surroundings: Surroundings, checks: Checks) -> Iterator[Step]:
    statements = surroundings.statements
    begun = time.perf_counter()
    script = statements.split(body)
    announced = announced_by(test.expected_error)
    refused: Refused | None = None
    count: int | None = None
    try:
        count = statements.run(script)
    except Refused as error:
        refused = error
    if not script.statements:
        yield _body_step(body, Fault(NO_STATEMENT), None, begun)
        return
    if refused is None:
        unexpected = judge_error(announced, None)
        fault = unexpected or (None if announced.expects else judge_count(test.body_rows, count))
    else:
        fault = unexpected = judge_error(announced, refused.error, refused.message)
        if fault is not None and test.expected_error is None:
            fault = Fault(refused.message, fault.expected, fault.actual)
    yield _body_step(body, fault, refused, begun)
    if refused is not None and statements.in_transaction and needs_no_transaction(announced, refused.error):
        yield refused_by_transaction("the body", refused.place)
    if unexpected is None:
        yield from checks.look()


def _body_step(body: Sql, fault: Fault | None, refused: Refused | None, begun: float) -> Step:
    seconds = time.perf_counter() - begun
    if fault is None:
        return Step(StepKind.BODY, "body", body.place, passed=True, seconds=seconds)
    return Step(
        StepKind.BODY,
        "body",
        refused.place if refused is not None else body.place,
        passed=False,
        expected=bounded(fault.expected),
        actual=bounded(fault.actual),
        message=bounded(fault.message),
        seconds=seconds,
    )


def _failed_fixture(failure: LoadFailed) -> Step:
    name = failure.fixture.name if failure.fixture is not None else ""
    return Step(StepKind.FIXTURE, name, failure.place, passed=False, message=failure.message)


def _no_transaction(test: Test, error: StatementFailed | NotPossible) -> Step:
    message = bounded(f"The transaction of isolation: rollback cannot be begun or ended: {error}")
    return Step(StepKind.ISOLATION, "isolation: rollback", test.place, passed=False, message=message)
