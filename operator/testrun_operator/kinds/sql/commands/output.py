"""What is told after an execution: what failed and why, what was left out, and one line that sums it up."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from testrun_operator.kinds.sql.commands.progress import STYLES
from testrun_operator.kinds.sql.commands.rows import Tables, render_row
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    StepKind,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.kinds.sql.reports.excerpts import Texts
from testrun_operator.kinds.sql.reports.summary import (
    could_not_run,
    describe_verdict,
    has_values_to_show,
    summarize,
)
from testrun_operator.terminal.printing import clean, clean_lines, show

_INDENT = 4
_MOST_STEPS = 20
"""Of one test that are told; a table may have thousands of rows."""
_AROUND = 2
"""Lines of a script before and after the one at which it failed."""


class Teller:
    """Writes outcomes on a console.

    Args:
        console: where to.
        project: whose outcome it is.
        root: the folder that places are relative to, as the user wrote it, so that editors find them.
    """

    def __init__(self, console: Console, project: Project, root: Path) -> None:
        self._console = console
        self._root = root
        self._texts = Texts(project)
        self._tables = Tables(project)
        self._notices = project.notices

    def tell(self, outcome: ProjectOutcome) -> None:
        """Write all of it, the line that sums it up last."""
        for case in outcome.cases:
            self._tell_case(case)
        for problem in outcome.problems:
            self._tell_head(problem.place, "")
            self._tell_lines(clean_lines(problem.message))
            self._space()
        if outcome.stopped is not None:
            self._tell_stopped(outcome.stopped)
        self._tell_left_out(outcome)
        self._tell_notices(self._notices)
        style = STYLES[Mark.NOT_RUN if could_not_run(outcome) else Mark.PASSED if outcome.passed else Mark.FAILED]
        summary = summarize(outcome)
        if not outcome.passed and not outcome.counts.failed:
            summary = f"{describe_verdict(outcome).lower()}: {summary}"
        show(self._console, Text(summary, f"bold {style}"))

    def place(self, place: Place) -> str:
        """Render a place as a path that can be opened from here."""
        return clean(str(Place((self._root / place.file).as_posix(), place.line)))

    def _tell_notices(self, notices: Iterable[str]) -> None:
        for notice in notices:
            show(self._console, Text(f"Notice: {clean(notice)}", STYLES[Mark.NOT_RUN]))
        if notices:
            self._space()

    def _tell_case(self, case: TestCaseOutcome) -> None:
        if case.mark is Mark.FAILED and (case.problems or not case.tests):
            self._tell_head(case.place, case.name)
            self._tell_lines(clean_lines(case.message))
            for problem in case.problems:
                self._tell_problem(problem)
            self._space()
        for test in case.tests:
            if test.mark is Mark.FAILED:
                self._tell_test(test)

    def _tell_test(self, test: TestOutcome) -> None:
        self._tell_head(test.place, test.name)
        failures = list(test.failures())
        if not failures:
            self._tell_lines(clean_lines(test.message))
        for step in failures[:_MOST_STEPS]:
            self._tell_step(step)
        if len(failures) > _MOST_STEPS:
            self._tell_lines([f"and {len(failures) - _MOST_STEPS} more; --html and --junit have all of them"])
        self._space()

    def _tell_step(self, step: Step) -> None:
        self._tell_place(step.place, step.name)
        row = self._tables.find(step.place)
        if row is not None:
            self._tell_lines(render_row(*row, self._console.width - 2 * _INDENT), 2 * _INDENT, "bold")
        elif step.kind is StepKind.FORM or not self._tables.knows(step.place.file):
            self._tell_excerpt(step.place, 0 if step.kind is StepKind.FORM else _AROUND)
        self._tell_lines(clean_lines(step.message))
        if has_values_to_show(step):
            self._tell_value("expected", step.expected)
            self._tell_value("received", step.actual)

    def _tell_problem(self, problem: Problem) -> None:
        self._tell_place(problem.place, "")
        self._tell_lines(clean_lines(problem.message))

    def _tell_stopped(self, stopped: Stopped) -> None:
        show(self._console, Text(f"Ended before the last test: {stopped.why}", "bold red"))
        if stopped.place is not None:
            self._tell_place(stopped.place, "")
        self._tell_lines(clean_lines(stopped.message))
        if stopped.place is not None:
            self._tell_excerpt(stopped.place, _AROUND)
        self._space()

    def _tell_left_out(self, outcome: ProjectOutcome) -> None:
        """Say why tests were skipped or not run, each reason once; what ended the execution has been told already."""
        reasons = Counter(
            (mark, clean(message))
            for mark, message in _left_out(outcome.cases)
            if mark is Mark.SKIPPED or outcome.stopped is None
        )
        for (mark, reason), number in reasons.items():
            show(self._console, Text(f"{number} {mark}: {reason or 'no reason given'}", STYLES[mark]))
        if reasons:
            self._space()

    def _tell_head(self, place: Place, name: str) -> None:
        line = Text("✘ ", STYLES[Mark.FAILED])
        line.append(self.place(place), "bold")
        line.append(f"  {clean(name)}")
        show(self._console, line)

    def _tell_place(self, place: Place, what: str) -> None:
        line = Text(" " * _INDENT + self.place(place), "cyan")
        line.append(f"  {clean(what)}", "default")
        show(self._console, line)

    def _tell_excerpt(self, place: Place, around: int) -> None:
        for line in self._texts.around(place, around):
            text = f"{line.number:>5} {'>' if line.is_meant else ' '} {' '.join(clean_lines(line.text))}"
            self._tell_lines([text], style="" if line.is_meant else "dim")

    def _tell_value(self, name: str, value: str) -> None:
        lines = clean_lines(value) or ["(nothing)"]
        self._tell_lines([f"{name}  {lines[0]}", *(f"{'':<{len(name)}}  {line}" for line in lines[1:])], 2 * _INDENT)

    def _tell_lines(self, lines: Iterable[str], indent: int = 2 * _INDENT, style: str = "") -> None:
        text = "\n".join(lines)
        if text:
            left = min(indent, self._console.width // 4)
            show(self._console, Padding(Text(text, style), (0, 0, 0, left), expand=False))

    def _space(self) -> None:
        show(self._console, "")


def _left_out(cases: Iterable[TestCaseOutcome]) -> Iterator[tuple[Mark, str]]:
    for case in cases:
        outcomes: Iterable[TestOutcome | TestCaseOutcome] = case.tests or (case,)
        for outcome in outcomes:
            if outcome.mark in {Mark.SKIPPED, Mark.NOT_RUN}:
                yield outcome.mark, outcome.message or case.message
