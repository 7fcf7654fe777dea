"""``testrun sql run --watch``: runs the tests again whenever a file of the project changes."""

import signal
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from rich.console import Console
from rich.text import Text

from testrun_operator.errors import TestrunError
from testrun_operator.kinds.sql.commands.changes import Files, Snapshot
from testrun_operator.kinds.sql.commands.running import Wanted, run_tests
from testrun_operator.kinds.sql.project.discovery import load_path
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean, show

POLL_SECONDS = 0.5
"""How often is looked for changes."""
_SETTLE_SECONDS = 0.1
"""After a change, until nothing changes any more: editors and Git write several files."""


def watch(wanted: Wanted, console: Console) -> Exit:
    """Run the tests, and run them again at every change, until Ctrl-C; in the background of a script, until SIGTERM.

    Args:
        wanted: what is asked for.
        console: where to tell it.

    Returns:
        How the last execution ended, when Ctrl-C comes while nothing runs.

    Raises:
        Interrupted: a signal came while tests were running.
    """
    files = Files(wanted.path, [report for report in (wanted.junit, wanted.html) if report is not None])
    last = Exit.UNKNOWN
    only: Collection[str] | None = None
    try:
        while True:
            seen = files.look()
            _begin(console, only)
            last = _run(wanted, console, only)
            show(console, Text(f"waiting for changes; {_how_to_end()}", "dim"))
            only = seen.tests_to_run(_wait_for_change(files, seen))
    except KeyboardInterrupt:
        return last


def _how_to_end() -> str:
    # Where SIGINT was ignored when this process was started, it stays so, and Ctrl-C is meant for others.
    return "SIGTERM ends" if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else "Ctrl-C ends"


def _run(wanted: Wanted, console: Console, only: Collection[str] | None) -> Exit:
    try:
        return run_tests(wanted, console, _select(load_path(wanted.path), only))
    except TestrunError as error:
        # A file that is just being written is no reason to end.
        show(console, Text(f"Error: {clean(str(error))}", "bold red"))
        return Exit.UNKNOWN


def _select(project: Project, only: Collection[str] | None) -> Project:
    if only is None:
        return project
    return replace(project, tests=tuple(file for file in project.tests if file.path in only))


def _begin(console: Console, only: Collection[str] | None) -> None:
    if console.is_terminal:
        console.clear()
    what = "everything" if only is None else ", ".join(sorted(only))
    now = datetime.now().astimezone()
    show(console, Text(f"{now:%H:%M:%S}  {clean(what)}", "dim"))


def _wait_for_change(files: Files, seen: Snapshot) -> Snapshot:
    while (found := files.look()) == seen:
        time.sleep(POLL_SECONDS)
    while True:
        time.sleep(_SETTLE_SECONDS)
        again = files.look()
        if again == found:
            return found
        found = again
