"""JUnit XML, as Jenkins, GitLab and most other CI servers read it.

The shape is that of Maven's Surefire and of the schema of Jenkins' xUnit plugin. That schema has no line numbers, so
they stand in the texts of the failures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO
from xml.etree import ElementTree as ET

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""
_MOST_OF_A_LINE = 300


class JUnitResult(StrEnum):
    """What became of a test that did not pass."""

    FAILURE = "failure"
    """What is tested is wrong."""
    ERROR = "error"
    """It could not be tested."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class JUnitTest:
    """A ``testcase``."""

    name: str
    seconds: float
    result: JUnitResult | None = None
    """None for one that passed."""
    type: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class JUnitSuite:
    """A ``testsuite``."""

    name: str
    class_name: str
    """Of all of its tests; CI servers make a tree of what stands between its dots."""
    seconds: float
    tests: tuple[JUnitTest, ...]
    file: str | None = None

    def count(self, result: JUnitResult) -> int:
        """Count the tests with a result."""
        return sum(test.result is result for test in self.tests)


def write_suites(
    suites: Sequence[JUnitSuite], stream: BinaryIO, *, name: str, seconds: float, started: datetime
) -> None:
    """Write suites as a document.

    Args:
        suites: what is told.
        stream: where to.
        name: what was executed, for the root element.
        seconds: how long all of it took.
        started: when it began.
    """
    moment = started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    root = ET.Element("testsuites", {"name": _clean(name), "time": _seconds(seconds)})
    root.set("tests", str(sum(len(suite.tests) for suite in suites)))
    root.set("failures", str(sum(suite.count(JUnitResult.FAILURE) for suite in suites)))
    root.set("errors", str(sum(suite.count(JUnitResult.ERROR) for suite in suites)))
    for suite in suites:
        _add_suite(root, suite, moment)
    ET.indent(root)
    ET.ElementTree(root).write(stream, encoding="utf-8", xml_declaration=True)
    stream.write(b"\n")


def first_line(text: str) -> str:
    """Return the first line of a text that is not empty, shortened: what CI servers show in lists."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _MOST_OF_A_LINE else line[: _MOST_OF_A_LINE - 1] + "…"


def _add_suite(root: ET.Element, suite: JUnitSuite, moment: str) -> None:
    element = ET.SubElement(root, "testsuite", {"name": _clean(suite.name), "timestamp": moment})
    if suite.file is not None:
        element.set("file", _clean(suite.file))
    element.set("time", _seconds(suite.seconds))
    element.set("tests", str(len(suite.tests)))
    element.set("failures", str(suite.count(JUnitResult.FAILURE)))
    element.set("errors", str(suite.count(JUnitResult.ERROR)))
    element.set("skipped", str(suite.count(JUnitResult.SKIPPED)))
    for test in suite.tests:
        case = ET.SubElement(element, "testcase", {"classname": _clean(suite.class_name), "name": _clean(test.name)})
        case.set("time", _seconds(test.seconds))
        if test.result is not None:
            result = ET.SubElement(case, test.result, {"type": _clean(test.type), "message": _clean(test.message)})
            result.text = _clean(test.text)


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0.0):.3f}"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
