"""Database tests as JUnit XML: one ``testsuite`` for each test case file, one ``testcase`` for each test."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from testrun_operator.junit import JUnitResult, JUnitSuite, JUnitTest, first_line, write_suites
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.kinds.sql.reports.summary import has_values_to_show

_STOPS_THAT_FAIL = {Stop.SCRIPT_FAILED, Stop.TIMED_OUT}


def write_junit(
    outcome: ProjectOutcome, stream: BinaryIO, *, started: datetime | None = None, name: str = "database tests"
) -> None:
    """Write an outcome as JUnit XML.

    What is wrong with the project as a whole, and what ended the execution, are test cases of their own, so that a
    reader who counts failures finds them.

    Args:
        outcome: what is told.
        stream: where to.
        started: when the execution began; now, if not given.
        name: what was executed, for the root element.
    """
    suites = [*_whole(outcome, name), *(_suite(case) for case in outcome.cases)]
    write_suites(suites, stream, name=name, seconds=outcome.seconds, started=started or datetime.now(UTC))


def _whole(outcome: ProjectOutcome, name: str) -> Iterator[JUnitSuite]:
    entries = [
        JUnitTest(
            f"project, {problem.place}", 0.0, JUnitResult.FAILURE, "form", first_line(problem.message), str(problem)
        )
        for problem in outcome.problems
    ]
    if outcome.stopped is not None:
        entries.append(_stopped(outcome.stopped))
    if entries:
        yield JUnitSuite(name, _class_name(name), 0.0, tuple(entries))


def _stopped(stopped: Stopped) -> JUnitTest:
    result = JUnitResult.FAILURE if stopped.why in _STOPS_THAT_FAIL else JUnitResult.ERROR
    text = f"{stopped.place}: {stopped.message}" if stopped.place else stopped.message
    return JUnitTest("execution", 0.0, result, stopped.why, first_line(stopped.message), text)


def _suite(case: TestCaseOutcome) -> JUnitSuite:
    entries = [_test(test) for test in case.tests]
    if case.problems:
        lines = [str(problem) for problem in case.problems]
        message = first_line(case.problems[0].message)
        entries.append(JUnitTest(case.name, 0.0, JUnitResult.FAILURE, "test case", message, "\n".join(lines)))
    elif not case.tests:
        # As in the counts: a test case without tests that passed is none.
        entries += [_unrun(case.name, case)] if case.mark is not Mark.PASSED else []
    return JUnitSuite(case.file, _class_name(case.file), case.seconds, tuple(entries), file=case.file)


def _test(test: TestOutcome) -> JUnitTest:
    if test.mark is Mark.PASSED:
        return JUnitTest(test.name, test.seconds)
    if test.mark is not Mark.FAILED:
        return _unrun(test.name, test)
    failures = list(test.failures())
    if not failures:
        return JUnitTest(test.name, test.seconds, JUnitResult.FAILURE, "test", first_line(test.message), test.message)
    text = f"{test.place}: {test.name}\n\n" + "\n\n".join(_describe(step) for step in failures)
    first = failures[0]
    message = first_line(first.message) or first.name
    return JUnitTest(test.name, test.seconds, JUnitResult.FAILURE, first.kind, message, text)


def _unrun(name: str, outcome: TestOutcome | TestCaseOutcome) -> JUnitTest:
    if outcome.mark is Mark.FAILED:
        result, kind = JUnitResult.FAILURE, "test case"
    else:
        result, kind = (
            (JUnitResult.SKIPPED, "skipped") if outcome.mark is Mark.SKIPPED else (JUnitResult.ERROR, "not run")
        )
    text = f"{outcome.place}: {outcome.message}" if outcome.message else str(outcome.place)
    return JUnitTest(name, outcome.seconds, result, kind, first_line(outcome.message), text)


def _describe(step: Step) -> str:
    lines = [f"{step.place}: {step.name}", step.message]
    if has_values_to_show(step):
        lines += [f"expected: {step.expected}", f"received: {step.actual}"]
    return "\n".join(line for line in lines if line)


def _class_name(file: str) -> str:
    """Give a path the form of a class, since CI servers make a tree of what stands between the dots."""
    return re.sub(r"\.stt$", "", file, flags=re.IGNORECASE).replace(".", "_").replace("/", ".")
