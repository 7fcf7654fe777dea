"""What is written on standard error beside a suite: the progress meanwhile, and afterwards what is not in it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import typer
from rich.status import Status

from testrun_operator.kinds.playbook.commands.case_builder import say_memory
from testrun_operator.kinds.playbook.commands.history import Memory
from testrun_operator.kinds.playbook.commands.playbooks import Found
from testrun_operator.kinds.playbook.commands.selection import Choice
from testrun_operator.terminal.printing import clean, make_console


def say(line: str) -> None:
    """Write a line on standard error."""
    typer.echo(clean(line), err=True)


def tell(choice: Choice, found: Found, memories: Mapping[str, Memory] | None, *, expect_failures: bool) -> None:
    """Tell what became of playbooks, the line that sums it up last.

    Args:
        choice: what became of them.
        found: all that there were.
        memories: what is known of earlier executions, by path; None where nobody asked.
        expect_failures: whether what always failed is expected to fail.
    """
    for broken in found.broken:
        say(f"cannot be read: {broken}")
    for one in choice.left_out:
        say(f"left out: {one.path}: {one.reason}")
    for candidate in choice.candidates:
        for reason in candidate.missing:
            say(f"skipped without credentials: {candidate.playbook.path}: {reason}")
    for path, memory in (memories or {}).items():
        if memory.good is None:
            say(f"no good run: {path}: {say_memory(memory, expect_failures=expect_failures)}")
    say(_sum_up(choice, found, memories))


def _sum_up(choice: Choice, found: Found, memories: Mapping[str, Memory] | None) -> str:
    counts = {
        "without their credentials": sum(bool(candidate.missing) for candidate in choice.candidates),
        "with the expectations of a good run": sum(one.good is not None for one in (memories or {}).values()),
        "left out": len(choice.left_out),
        "not asked for": choice.others,
        "unreadable": len(found.broken),
        "other files": found.others,
    }
    cases = _count(len(choice.candidates), "case")
    parts = [cases, *(f"{count} {what}" for what, count in counts.items() if count)]
    return f"{_count(len(found.playbooks), 'playbook')}: {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class Progress:
    """Shows what is being done, for the length of a block. On a terminal alone: in a pipe the summary says it all."""

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

    def say(self, doing: str) -> None:
        """Show what is being done."""
        if self._status is not None:
            self._status.update(clean(doing))

    def expect(self, total: int) -> None:
        """Show how many there are."""
        self._total, self._done = total, 0

    def count(self, name: str) -> None:
        """Show the one that comes now."""
        self._done += 1
        self.say(f"{self._done}/{self._total} {name}")
