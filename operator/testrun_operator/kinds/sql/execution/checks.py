"""Looks at the assertions and the expected results of a test, after its body or after each of its rows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from testrun_operator.databases.base import Kind, Rows, Value
from testrun_operator.kinds.sql.document import Check, ExpectedResult, Test
from testrun_operator.kinds.sql.execution.cells import Cells, CellUnreadable
from testrun_operator.kinds.sql.execution.comparing import show
from testrun_operator.kinds.sql.execution.judging import Fault, rows
from testrun_operator.kinds.sql.execution.results import judge_result
from testrun_operator.kinds.sql.execution.statements import Refused, Script, Statements
from testrun_operator.kinds.sql.execution.texts import bounded, indented
from testrun_operator.kinds.sql.outcome import Step, StepKind

NO_STATEMENT = "There is no statement in it"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found where."""

    fault: Fault | None
    refused: Refused | None = None
    """The database's refusal, where that is the fault."""


class Checks:
    """The assertions and expected results of one test. Their SQL is split once, however many rows the test has.

    Args:
        test: the test.
        statements: runs them.
        cells: reads the cells of the expected results.
    """

    def __init__(self, test: Test, statements: Statements, cells: Cells) -> None:
        self._statements = statements
        self._cells = cells
        self._checks = [(check, statements.split(check.sql)) for check in test.checks]
        self._results = [(result, statements.split(result.sql)) for result in test.results]

    def look(self, row: int | None = None, lead: str = "") -> Iterator[Step]:
        """Run all of them, whatever comes of each.

        Args:
            row: the row after which they are run, from 1.
            lead: what messages begin with: ``Row 2 of 3: ``.

        Raises:
            IsolationBroken, OutOfTime, DatabaseUnreachable: as their names say.
        """
        for check, script in self._checks:
            begun = time.perf_counter()
            yield _step(
                StepKind.ASSERTION, check, self._assert(check, script), begun, row, f"{lead}Assertion failure: "
            )
        for result, script in self._results:
            begun = time.perf_counter()
            yield _step(
                StepKind.RESULT, result, self._compare(result, script), begun, row, f"{lead}Unexpected result: "
            )

    def _assert(self, check: Check, script: Script) -> Looked:
        if not script.statements:
            return Looked(Fault(NO_STATEMENT))
        try:
            if not check.is_true:
                return Looked(judge_count(check.rows, self._statements.run(script)))
            found = self._statements.query(script)
        except Refused as refused:
            return Looked(Fault(refused.message), refused)
        return Looked(judge_count(check.rows, len(found.rows)) or _judge_truth(found))

    def _compare(self, result: ExpectedResult, script: Script) -> Looked:
        if not script.statements:
            return Looked(Fault(NO_STATEMENT))
        try:
            return Looked(judge_result(result, self._statements.query(script), self._cells))
        except Refused as refused:
            return Looked(Fault(refused.message), refused)
        except CellUnreadable as error:
            return Looked(Fault(str(error)))


def judge_count(expected: int | None, actual: int | None) -> Fault | None:
    """Judge how many rows a statement returned or changed.

    Args:
        expected: how many it must; None for any number.
        actual: how many it did; None where the database does not say it.
    """
    if expected is None or expected == actual:
        return None
    received = "an unknown number: the database does not say it for this statement" if actual is None else str(actual)
    message = f"Expected {rows(expected)} to be returned or changed, but received {received}"
    return Fault(message, str(expected), "unknown" if actual is None else str(actual))


def _judge_truth(found: Rows) -> Fault | None:
    if not found.rows:
        return Fault("Expected true, but no row was returned", "true", "no row")
    for number, row in enumerate(found.rows, 1):
        for name, value in zip(found.columns, row, strict=True):
            if not _is_true(value):
                message = f"Expected true in the column {name} of row {number}, but received {show(value.text)}"
                return Fault(message, "true", show(value.text))
    return None


def _is_true(value: Value) -> bool:
    # Where a database has no truth values, 1 is what a comparison returns.
    return (value.kind is Kind.BOOLEAN and value.text == "true") or (value.kind is Kind.NUMBER and value.text == "1")


def _step(
    kind: StepKind, check: Check | ExpectedResult, looked: Looked, begun: float, row: int | None, lead: str
) -> Step:
    seconds = time.perf_counter() - begun
    fault = looked.fault
    if fault is None:
        return Step(kind, check.description, check.place, passed=True, seconds=seconds, row=row)
    return Step(
        kind,
        check.description,
        looked.refused.place if looked.refused is not None else fault.place or check.place,
        passed=False,
        expected=bounded(fault.expected),
        actual=bounded(fault.actual),
        message=bounded(f"{lead}{check.description}\n{indented(fault.message)}"),
        seconds=seconds,
        row=row,
    )
