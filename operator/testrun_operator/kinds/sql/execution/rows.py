"""Runs the rows of a procedural test: each is one call."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testrun_operator.databases.base import (
    Argument,
    NotPossible,
    RoutineNotFound,
    StatementFailed,
)
from testrun_operator.kinds.sql.document import FixturePoint, Row
from testrun_operator.kinds.sql.execution.cells import CellUnreadable
from testrun_operator.kinds.sql.execution.checks import Checks
from testrun_operator.kinds.sql.execution.columns import Column
from testrun_operator.kinds.sql.execution.isolation import refused_by_transaction
from testrun_operator.kinds.sql.execution.judging import (
    Fault,
    announced_in,
    judge_error,
    judge_values,
    needs_no_transaction,
)
from testrun_operator.kinds.sql.execution.overloads import Call, CallRefused, choose_call
from testrun_operator.kinds.sql.execution.planning import PlannedTest
from testrun_operator.kinds.sql.execution.statements import Refused
from testrun_operator.kinds.sql.execution.test_case_context import Surroundings
from testrun_operator.kinds.sql.execution.texts import bounded
from testrun_operator.kinds.sql.outcome import Step, StepKind


@dataclass(frozen=True, slots=True)
class _Called:
    """How a call of a row went."""

    faults: Sequence[Fault] = ()
    was_refused: bool = False
    """Whether there was no call at all, because the table is wrong."""
    error: StatementFailed | None = None
    """What the database raised."""


class RowRunner:
    """Runs the rows of one test.

    Args:
        planned: the test, which has data.
        surroundings: what it shares with the other tests.
        checks: its assertions and expected results, which are looked at after each row.
    """

    def __init__(self, planned: PlannedTest, surroundings: Surroundings, checks: Checks) -> None:
        self._columns: Sequence[Column] = planned.columns
        self._rows: Sequence[Row] = planned.test.data.rows if planned.test.data is not None else ()
        self._surroundings = surroundings
        self._checks = checks
        self._call: Call | None = None

    def run(self) -> Iterator[Step]:
        """Run all rows, whatever comes of each.

        Raises:
            LoadFailed: a fixture could not be loaded.
            IsolationBroken, OutOfTime, DatabaseUnreachable: as their names say.
        """
        count = len(self._rows)
        for number, row in enumerate(self._rows, 1):
            self._surroundings.load(FixturePoint.BEFORE_EACH_ROW)
            begun = time.perf_counter()
            called = self._run_call(row)
            seconds = time.perf_counter() - begun
            lead = f"Row {number} of {count}: "
            yield _step(row, f"row {number} of {count}", lead, called, seconds, number)
            if called.error is not None and self._is_refused_by_transaction(row, called.error):
                yield refused_by_transaction(f"row {number} of {count}", row.place)
            if not called.was_refused:
                yield from self._checks.look(number, lead)
            self._surroundings.load(FixturePoint.AFTER_EACH_ROW)

    def _run_call(self, row: Row) -> _Called:
        statements, cells = self._surroundings.statements, self._surroundings.cells
        try:
            call = self._choose()
            arguments = [
                Argument(parameter.name, cells.read_input(row.cells[column.index], parameter.type_name))
                for column, parameter in call.inputs
            ]
        except (RoutineNotFound, NotPossible, CallRefused, CellUnreadable) as error:
            return _Called([Fault(str(error))], was_refused=True)
        announced = announced_in(row, self._columns)
        try:
            result = statements.call(call.routine, arguments, row.place)
        except Refused as refused:
            fault = judge_error(announced, refused.error, refused.error.message.rstrip())
            return _Called([fault] if fault else [], error=refused.error)
        fault = judge_error(announced, None)
        if announced.expects:
            return _Called([fault] if fault else [])
        try:
            return _Called(judge_values(call, row, result, cells))
        except CellUnreadable as error:
            return _Called([Fault(str(error))])

    def _choose(self) -> Call:
        if self._call is None:
            self._call = choose_call(self._surroundings.routines(), self._columns)
        return self._call

    def _is_refused_by_transaction(self, row: Row, error: StatementFailed) -> bool:
        in_transaction = self._surroundings.statements.in_transaction
        return in_transaction and needs_no_transaction(announced_in(row, self._columns), error)


def _step(row: Row, name: str, lead: str, called: _Called, seconds: float, number: int) -> Step:
    if not called.faults:
        return Step(StepKind.ROW, name, row.place, passed=True, seconds=seconds, row=number)
    return Step(
        StepKind.ROW,
        name,
        row.place,
        passed=False,
        expected=bounded("\n".join(fault.expected for fault in called.faults).strip()),
        actual=bounded("\n".join(fault.actual for fault in called.faults).strip()),
        message=bounded(lead + "\n".join(fault.message for fault in called.faults)),
        seconds=seconds,
        row=number,
    )
