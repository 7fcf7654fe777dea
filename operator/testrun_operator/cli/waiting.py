"""Waiting for a TestRun: a line that changes on a terminal, a few lines in the log of a build."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Console

from testrun_operator.api.base import format_duration
from testrun_operator.cli.cluster import Run, open_run
from testrun_operator.cli.rendering import present_failures, present_progress
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean, make_console, show

LOG_SECONDS = 10.0
"""Shortest time between two lines about the progress in a log, unless the phase, or what is waited for, changes."""


class _Teller(Protocol):
    def __call__(self, run: Run) -> None: ...


async def wait_for(name: str, namespace: str | None, limit: timedelta) -> Exit:
    """Wait until a TestRun is over, and say how it ended in one line; in a log nothing else is said.

    Raises:
        TestrunError: there is no such TestRun, or no cluster.
    """
    errors = make_console(to_error=True)
    with _spinner(errors) as tell:
        run = await _wait(name, namespace, limit, tell)
    return _say_how_it_ended(run, limit, errors)


async def wait_and_tell(name: str, namespace: str | None, limit: timedelta) -> Exit:
    """Wait until a TestRun is over, and say how it ended; on standard error, say how it goes and what did not pass.

    Raises:
        TestrunError: there is no such TestRun, or no cluster.
    """
    errors = make_console(to_error=True)
    with _spinner(errors) if errors.is_terminal else _log(errors) as tell:
        run = await _wait(name, namespace, limit, tell)
    code = _say_how_it_ended(run, limit, errors)
    if run is not None and run.status.failures:
        show(errors, present_failures(run))
    return code


async def _wait(name: str, namespace: str | None, limit: timedelta, tell: _Teller) -> Run | None:
    run: Run | None = None
    async with open_run(name, namespace) as reader:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                async for run in reader.changes():
                    tell(run)
        except TimeoutError:
            pass
    return run


def _say_how_it_ended(run: Run | None, limit: timedelta, errors: Console) -> Exit:
    if run is None or not run.is_over:
        errors.print(f"not over after {format_duration(limit)}")
    if run is None:
        return Exit.NOT_FINISHED
    show(make_console(), clean(present_progress(run)))
    return run.exit_code


@contextmanager
def _spinner(console: Console) -> Iterator[_Teller]:
    with console.status("") as spinner:

        def tell(run: Run) -> None:
            spinner.update(clean(present_progress(run)))

        yield tell


@contextmanager
def _log(console: Console) -> Iterator[_Teller]:
    last = -LOG_SECONDS
    about: tuple[object, ...] = ()

    def tell(run: Run) -> None:
        nonlocal last, about
        was, about = about, (run.phase_text, run.waits_for)
        if run.is_over or (about == was and time.monotonic() < last + LOG_SECONDS):
            return
        last = time.monotonic()
        show(console, clean(present_progress(run)))

    yield tell
