"""What is written on standard error: the progress while a suite is made, and afterwards what is not in it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import typer
from rich.status import Status

from testrun_operator.kinds.playbook.commands.case_builder import describe_history
from testrun_operator.kinds.playbook.commands.history import ExecutionHistory
from testrun_operator.kinds.playbook.commands.playbooks import FoundPlaybooks
from testrun_operator.kinds.playbook.commands.selection import Selection
from testrun_operator.terminal.printing import clean, make_console


def notify(line: str) -> None:
    """Write a line on standard error; control characters in it are made visible."""
    typer.echo(clean(line), err=True)


def write_summary(
    selection: Selection,
    found: FoundPlaybooks,
    histories: Mapping[str, ExecutionHistory] | None,
    *,
    expect_failures: bool,
) -> None:
    """Write which playbooks are no cases, or cases of a special sort, and a line with the counts at the end.

    Args:
        selection: which playbooks became cases.
        found: all playbooks that there are.
        histories: earlier executions by path; None if they were not asked for.
        expect_failures: whether a playbook that always failed is expected to fail.
    """
    for broken in found.broken:
        notify(f"cannot be read: {broken}")
    for one in selection.left_out:
        notify(f"left out: {one.path}: {one.reason}")
    for candidate in selection.candidates:
        for reason in candidate.missing:
            notify(f"skipped without credentials: {candidate.playbook.path}: {reason}")
    for path, history in (histories or {}).items():
        if history.good is None:
            notify(f"no good run: {path}: {describe_history(history, expect_failures=expect_failures)}")
    notify(_counts_line(selection, found, histories))


def _counts_line(selection: Selection, found: FoundPlaybooks, histories: Mapping[str, ExecutionHistory] | None) -> str:
    counts = {
        "without their credentials": sum(bool(candidate.missing) for candidate in selection.candidates),
        "with the expectations of a good run": sum(one.good is not None for one in (histories or {}).values()),
        "left out": len(selection.left_out),
        "not asked for": selection.others,
        "unreadable": len(found.broken),
        "other files": found.others,
    }
    cases = _count(len(selection.candidates), "case")
    parts = [cases, *(f"{count} {what}" for what, count in counts.items() if count)]
    return f"{_count(len(found.playbooks), 'playbook')}: {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class Progress:
    """Shows on standard error what is being done, in a line that changes. A context manager.

    Nothing is shown unless standard error is a terminal; in a file or a pipe the summary at the end is enough.
    """

    def __init__(self) -> None:
        console = make_console(to_error=True)
        self._status = Status("", console=console) if console.is_terminal else None
        self._total = 0
        self._done = 0

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, doing: str) -> None:
        """Replace the line.

        Args:
            doing: what is being done now: ``reading the catalog``.
        """
        if self._status is not None:
            self._status.update(clean(doing))

    def expect(self, total: int) -> None:
        """Begin to count: so many things follow."""
        self._total, self._done = total, 0

    def count(self, name: str) -> None:
        """Show the next of the things that are counted, by its name."""
        self._done += 1
        self.show(f"{self._done}/{self._total} {name}")
