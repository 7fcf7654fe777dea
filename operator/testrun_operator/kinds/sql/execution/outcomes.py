"""How something ended: the outcomes of tests and test cases, also of those that could not be run to their end."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testrun_operator.databases.base import StatementCancelled
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Problem
from testrun_operator.kinds.sql.execution.loading import LoadFailed
from testrun_operator.kinds.sql.execution.planning import PlannedCase, PlannedTest
from testrun_operator.kinds.sql.execution.texts import bounded, excerpt
from testrun_operator.kinds.sql.execution.watchdog import OutOfTime, Watch
from testrun_operator.kinds.sql.outcome import (
    Mark,
    Step,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)


@dataclass(frozen=True, slots=True)
class TestEnd:
    """How a test ended, and what that means for those after it."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    outcome: TestOutcome
    failed_load: LoadFailed | None = None
    """The fixture that could not be loaded."""
    stopped: Stopped | None = None
    """Why no other test can be run."""


@dataclass(frozen=True, slots=True)
class CaseEnd:
    """How a test case ended, and what that means for those after it."""

    outcome: TestCaseOutcome
    stopped: Stopped | None = None
    """Why no other test case can be run."""


def interruption(error: CaseError, watch: Watch) -> Stopped:
    """Say why an execution ends: its time is over, or the database went away.

    Args:
        error: ``OutOfTime``, ``DatabaseUnreachable`` or ``StatementCancelled``. Whatever is said after the time is
            over is a consequence of that.
        watch: what was being done.
    """
    doing = error.doing if isinstance(error, OutOfTime) else watch.doing
    if isinstance(error, OutOfTime | StatementCancelled) or watch.is_over:
        begun = not isinstance(error, OutOfTime) or error.begun
        seconds = time.perf_counter() - doing.since
        when = f"after this had run for {seconds:.1f} s" if begun else "before this"
        return Stopped(Stop.TIMED_OUT, f"the time was over {when}: {excerpt(doing.text)}", doing.place)
    lines = [f"the database does not answer: {error}", excerpt(doing.text) if doing.since else ""]
    return Stopped(Stop.CONNECTION_LOST, bounded("\n".join(filter(None, lines))), doing.place)


def end_of_test(
    planned: PlannedTest,
    steps: Sequence[Step],
    seconds: float,
    stopped: Stopped | None = None,
    *,
    is_cause: bool = False,
) -> TestOutcome:
    """Make the outcome of a test.

    Args:
        planned: the test.
        steps: what was looked at.
        seconds: how long it took.
        stopped: why it was not run to its end, if it was not.
        is_cause: whether that was the test's own doing, as for one whose statement took too long.
    """
    test = planned.test
    messages = [step.message for step in steps if not step.passed]
    mark = Mark.FAILED if messages or is_cause else Mark.PASSED if stopped is None else Mark.NOT_RUN
    if stopped is not None:
        place = f" ({stopped.place})" if stopped.place else ""
        messages.append(f"not run to its end{place}: {stopped.message}")
    return TestOutcome(test.name, test.place, mark, bounded("\n".join(messages)), tuple(steps), seconds)


def not_run_test(planned: PlannedTest, reason: str) -> TestOutcome:
    """Make the outcome of a test that could not be run, unless it is known to be malformed or left out."""
    test = planned.test
    return planned.outcome or TestOutcome(test.name, test.place, Mark.NOT_RUN, bounded(reason))


def not_run_case(planned: PlannedCase, reason: str) -> TestCaseOutcome:
    """Make the outcome of a test case that could not be run; what is known of it and its tests stays."""
    if planned.outcome is not None:
        return planned.outcome
    tests = [not_run_test(test, reason) for test in planned.tests]
    mark = Mark.FAILED if any(test.mark is Mark.FAILED for test in tests) else Mark.NOT_RUN
    case = planned.case
    return TestCaseOutcome(case.name, case.file, case.place, mark, message=bounded(reason), tests=tuple(tests))


def end_of_case(
    planned: PlannedCase, tests: Iterable[TestOutcome], problems: Iterable[Problem], seconds: float
) -> TestCaseOutcome:
    """Make the outcome of a test case from those of its tests."""
    case = planned.case
    outcomes = tuple(tests)
    found = tuple(problems)
    marks = {outcome.mark for outcome in outcomes}
    if found or Mark.FAILED in marks:
        mark = Mark.FAILED
    elif Mark.NOT_RUN in marks:
        mark = Mark.NOT_RUN
    else:
        mark = Mark.SKIPPED if marks == {Mark.SKIPPED} else Mark.PASSED
    return TestCaseOutcome(case.name, case.file, case.place, mark, found, "", outcomes, seconds)


def reason_of(stopped: Stopped) -> str:
    """Say why something was not run after an execution had stopped."""
    return f"not run, because the execution ended before: {stopped.message.splitlines()[0].rstrip(':')}"
