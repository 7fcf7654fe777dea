"""What is told on standard error beside a suite: what is not in it, or not as one would expect."""

from collections.abc import Mapping

import typer

from testrun_operator.kinds.playbook.commands.case_builder import say_memory
from testrun_operator.kinds.playbook.commands.folder import Found
from testrun_operator.kinds.playbook.commands.history import Memory
from testrun_operator.kinds.playbook.commands.selection import Choice
from testrun_operator.terminal.printing import clean


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
