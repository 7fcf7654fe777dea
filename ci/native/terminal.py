"""What the person at the terminal sees: progress on standard error, results on standard output, faults as sentences."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path


class Fault(Exception):
    """Something went wrong that a person can act on; its text is the whole message, no traceback is shown."""


def say(text: str) -> None:
    """Print a line of progress to standard error, so that standard output carries only results."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Say that a step begins and, when it took a noticeable time, how long it took."""
    say(f"==> {title}")
    started = time.monotonic()
    yield
    elapsed_seconds = time.monotonic() - started
    if elapsed_seconds >= 1:
        say(f"    done in {elapsed_seconds:.1f} s")


def report_faults(command: Callable[[], int | None]) -> int:
    """Run a command; the result is its exit code, and a fault is told in words, without a traceback."""
    try:
        return command() or 0
    except Fault as fault:
        say(f"Error: {fault}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    except BrokenPipeError:
        # The reader of `ci/cluster logs | head` has seen enough; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def last_lines(path: Path, *, count: int = 20) -> str:
    """Return the end of a log for an error message; a log that is missing or empty says so instead."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return f"    (no log at {path})"
    if not lines:
        return f"    (the log {path} is empty)"
    return "\n".join(f"    {line}" for line in lines[-count:])
