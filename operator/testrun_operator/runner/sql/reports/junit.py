"""JUnit XML, as Jenkins, GitLab and most other CI servers read it.

The shape is that of Maven's Surefire and of the schema of Jenkins' xUnit plugin: one ``testsuite`` for each test case
file, one ``testcase`` for each test. That schema has no line numbers, so they stand in the texts of the failures.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO
from xml.etree import ElementTree as ET

from testrun_operator.runner.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.runner.sql.reports.summary import has_values_to_show

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""
_MOST_OF_A_LINE = 300
_STOPS_THAT_FAIL = {Stop.SCRIPT_FAILED, Stop.TIMED_OUT}


class _Result(StrEnum):
    FAILURE = "failure"
    """What is tested is wrong."""
    ERROR = "error"
    """It could not be tested."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A ``testcase``."""

    name: str
    seconds: float
    result: _Result | None = None
    type: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Suite:
    """A ``testsuite``."""

    name: str
    file: str | None
    seconds: float
    entries: tuple[_Entry, ...]

    def count(self, result: _Result) -> int:
        return sum(entry.result is result for entry in self.entries)


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
    moment = (started or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suites = [*_whole(outcome, name), *(_suite(case) for case in outcome.cases)]
    root = ET.Element("testsuites", {"name": _clean(name), "time": _seconds(outcome.seconds)})
    root.set("tests", str(sum(len(suite.entries) for suite in suites)))
    root.set("failures", str(sum(suite.count(_Result.FAILURE) for suite in suites)))
    root.set("errors", str(sum(suite.count(_Result.ERROR) for suite in suites)))
    for suite in suites:
        _add_suite(root, suite, moment)
    ET.indent(root)
    ET.ElementTree(root).write(stream, encoding="utf-8", xml_declaration=True)
    stream.write(b"\n")


def _whole(outcome: ProjectOutcome, name: str) -> Iterator[_Suite]:
    entries = [
        _Entry(f"project, {problem.place}", 0.0, _Result.FAILURE, "form", _first_line(problem.message), str(problem))
        for problem in outcome.problems
    ]
    if outcome.stopped is not None:
        entries.append(_stopped(outcome.stopped))
    if entries:
        yield _Suite(name, None, 0.0, tuple(entries))


def _stopped(stopped: Stopped) -> _Entry:
    result = _Result.FAILURE if stopped.why in _STOPS_THAT_FAIL else _Result.ERROR
    text = f"{stopped.place}: {stopped.message}" if stopped.place else stopped.message
    return _Entry("execution", 0.0, result, stopped.why, _first_line(stopped.message), text)


def _suite(case: TestCaseOutcome) -> _Suite:
    entries = [_test(test) for test in case.tests]
    if case.problems:
        lines = [str(problem) for problem in case.problems]
        message = _first_line(case.problems[0].message)
        entries.append(_Entry(case.name, 0.0, _Result.FAILURE, "test case", message, "\n".join(lines)))
    elif not case.tests:
        # As in the counts: a test case without tests that passed is none.
        entries += [_unrun(case.name, case)] if case.mark is not Mark.PASSED else []
    return _Suite(case.file, case.file, case.seconds, tuple(entries))


def _test(test: TestOutcome) -> _Entry:
    if test.mark is Mark.PASSED:
        return _Entry(test.name, test.seconds)
    if test.mark is not Mark.FAILED:
        return _unrun(test.name, test)
    failures = list(test.failures())
    if not failures:
        return _Entry(test.name, test.seconds, _Result.FAILURE, "test", _first_line(test.message), test.message)
    text = f"{test.place}: {test.name}\n\n" + "\n\n".join(_describe(step) for step in failures)
    first = failures[0]
    message = _first_line(first.message) or first.name
    return _Entry(test.name, test.seconds, _Result.FAILURE, first.kind, message, text)


def _unrun(name: str, outcome: TestOutcome | TestCaseOutcome) -> _Entry:
    if outcome.mark is Mark.FAILED:
        result, kind = _Result.FAILURE, "test case"
    else:
        result, kind = (_Result.SKIPPED, "skipped") if outcome.mark is Mark.SKIPPED else (_Result.ERROR, "not run")
    text = f"{outcome.place}: {outcome.message}" if outcome.message else str(outcome.place)
    return _Entry(name, outcome.seconds, result, kind, _first_line(outcome.message), text)


def _describe(step: Step) -> str:
    lines = [f"{step.place}: {step.name}", step.message]
    if has_values_to_show(step):
        lines += [f"expected: {step.expected}", f"received: {step.actual}"]
    return "\n".join(line for line in lines if line)


def _add_suite(root: ET.Element, suite: _Suite, moment: str) -> None:
    element = ET.SubElement(root, "testsuite", {"name": _clean(suite.name), "timestamp": moment})
    if suite.file is not None:
        element.set("file", _clean(suite.file))
    element.set("time", _seconds(suite.seconds))
    element.set("tests", str(len(suite.entries)))
    element.set("failures", str(suite.count(_Result.FAILURE)))
    element.set("errors", str(suite.count(_Result.ERROR)))
    element.set("skipped", str(suite.count(_Result.SKIPPED)))
    class_name = _class_name(suite.file or suite.name)
    for entry in suite.entries:
        test = ET.SubElement(element, "testcase", {"classname": class_name, "name": _clean(entry.name)})
        test.set("time", _seconds(entry.seconds))
        if entry.result is not None:
            result = ET.SubElement(test, entry.result, {"type": entry.type, "message": _clean(entry.message)})
            result.text = _clean(entry.text)


def _class_name(file: str) -> str:
    """Give a path the form of a class, since CI servers make a tree of what stands between the dots."""
    return _clean(re.sub(r"\.stt$", "", file, flags=re.IGNORECASE).replace(".", "_").replace("/", "."))


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _MOST_OF_A_LINE else line[: _MOST_OF_A_LINE - 1] + "…"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0.0):.3f}"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
