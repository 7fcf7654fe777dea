"""What is shown while tests run: a line that changes on a terminal, a line for each test case file in a pipe."""

import time
from collections import Counter
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.execution.request import Observer
from testrun_operator.kinds.sql.outcome import Mark, TestCaseOutcome, TestOutcome
from testrun_operator.kinds.sql.reports.summary import count_marks, describe_counts, format_time
from testrun_operator.terminal.printing import clean, show

STYLES = {Mark.PASSED: "green", Mark.FAILED: "red", Mark.SKIPPED: "dim", Mark.NOT_RUN: "yellow"}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 8
_WIDEST_MARK = max(len(mark) for mark in Mark)


class Progress(Observer, Protocol):
    """Shows how far an execution is, for the length of a block."""

    marks: Counter[Mark]
    """Of the tests that have ended."""

    def __enter__(self) -> Self:
        """Begin to show it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""


def make_progress(console: Console) -> Progress:
    """Make what fits the console."""
    return LiveProgress(console) if console.is_terminal else LineProgress(console)


class LiveProgress:
    """A line that changes, and is gone at the end.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.marks: Counter[Mark] = Counter()
        self._begin = time.monotonic()
        self._tests: int | None = None
        self._doing = ""
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=_FRAMES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def planned(self, cases: int, tests: int) -> None:  # noqa: ARG002 - of an observer
        """Take how many tests there are."""
        self._tests = tests

    def doing(self, what: str) -> None:
        """Take what is about to be done."""
        self._doing = what

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:  # noqa: ARG002 - of an observer
        """Count a test."""
        self.marks[outcome.mark] += 1

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Count a test case that failed as a whole."""
        self.marks[outcome.mark] += bool(outcome.problems)

    def render(self) -> Text:
        """Render the line as it is now."""
        seconds = time.monotonic() - self._begin
        line = Text(_FRAMES[int(seconds * _FRAMES_PER_SECOND) % len(_FRAMES)], no_wrap=True, overflow="ellipsis")
        if self._tests is not None:
            line.append(f" {self.marks.total()} of {self._tests} tests")
        for mark in (Mark.FAILED, Mark.SKIPPED):
            if self.marks[mark]:
                line.append(f", {self.marks[mark]} {mark}", STYLES[mark])
        minutes, rest = divmod(int(seconds), 60)
        line.append(f"  {minutes}:{rest:02}")
        line.append(f"  {clean(self._doing)}", "dim")
        return line


class LineProgress:
    """A line for each test case file, for logs and other programs.

    Args:
        console: a pipe or a file.
    """

    def __init__(self, console: Console) -> None:
        self.marks: Counter[Mark] = Counter()
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the lines where they are."""

    def planned(self, cases: int, tests: int) -> None:
        """Say how many there are."""
        files = "1 file" if cases == 1 else f"{cases} files"
        show(self._console, Text(f"{tests} {'test' if tests == 1 else 'tests'} in {files}"))

    def doing(self, what: str) -> None:
        """Keep quiet about it: a log would be full of it."""

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:  # noqa: ARG002 - of an observer
        """Count a test."""
        self.marks[outcome.mark] += 1

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Say how a test case file ended."""
        self.marks[outcome.mark] += bool(outcome.problems)
        line = f"{outcome.mark:<{_WIDEST_MARK}}  {clean(outcome.file)}"
        if outcome.tests:
            line += f"  {describe_counts(count_marks([test.mark for test in outcome.tests]))}"
        show(self._console, Text(f"{line} in {format_time(outcome.seconds)}" if outcome.seconds else line))
