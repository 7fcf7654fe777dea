"""``testrun sql run``: one execution of a project against a database, from its files to the exit code."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.text import Text

from testrun_operator.databases.dsn import Dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.errors import TestrunError
from testrun_operator.kinds.sql.commands.output import Teller
from testrun_operator.kinds.sql.commands.progress import Progress, make_progress
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.interrupting import Interrupted, InterruptibleDatabase, Interruption, run_interruptibly
from testrun_operator.kinds.sql.masking import make_masker, mask_outcome
from testrun_operator.kinds.sql.outcome import Mark, ProjectOutcome
from testrun_operator.kinds.sql.project.discovery import load_path
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.kinds.sql.reports.html import render_page
from testrun_operator.kinds.sql.reports.junit import write_junit
from testrun_operator.kinds.sql.reports.summary import could_not_run
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import show

_SIGNAL_EXIT = 128
"""What shells add to the number of the signal that ended a program."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An execution as the command line asks for it."""

    path: Path
    """A project's folder, or a test case file."""
    dsn: Dsn
    request: Request
    seconds: float | None = None
    """After how many the execution is ended."""
    junit: Path | None = None
    html: Path | None = None

    @property
    def root(self) -> Path:
        """The folder that places are relative to."""
        return self.path if self.path.is_dir() else self.path.parent


@dataclass(frozen=True, slots=True)
class Done:
    """An execution that came to its end."""

    outcome: ProjectOutcome
    label: str
    started: datetime


def run_tests(wanted: Wanted, console: Console, project: Project | None = None) -> Exit:
    """Run tests, tell what happens, and write the reports.

    Args:
        wanted: what is asked for.
        console: where to tell it.
        project: what was loaded from the path, if it was.

    Returns:
        Whether the tests passed, failed, or could not be run.

    Raises:
        Interrupted: a signal came; the counts so far are told.
        TestrunError: there is nothing to run, or no database to run it against.
    """
    for report in (wanted.junit, wanted.html):
        _prepare(report)
    project = project or load_path(wanted.path)
    progress = make_progress(console)
    try:
        with progress:
            done = _execute(wanted, project, progress)
    except Interrupted:
        _tell_interrupted(console, progress)
        raise
    Teller(console, project, wanted.root).tell(done.outcome)
    _report(wanted, project, done)
    if could_not_run(done.outcome):
        return Exit.UNKNOWN
    return Exit.PASSED if done.outcome.passed else Exit.FAILED


def exit_code_of(interrupted: Interrupted) -> int:
    """Give the exit code of a command that a signal ended: 130 for Ctrl-C."""
    return _SIGNAL_EXIT + interrupted.number


def _execute(wanted: Wanted, project: Project, progress: Progress) -> Done:
    started = datetime.now(UTC)
    deadline = time.monotonic() + wanted.seconds if wanted.seconds is not None else None
    interruption = Interruption()
    masker = make_masker(wanted.dsn)

    def work() -> Done:
        try:
            with closing(open_database(wanted.dsn, wanted.seconds)) as database:
                interruptible = InterruptibleDatabase(database, interruption)
                outcome = execute(project, interruptible, wanted.request, progress, deadline)
                return Done(mask_outcome(outcome, masker), database.label, started)
        except TestrunError as error:
            raise CannotDo(masker.text(str(error))) from None

    return run_interruptibly(work, interruption)


def _tell_interrupted(console: Console, progress: Progress) -> None:
    marks = list(progress.marks.elements())
    counts = ", ".join(f"{marks.count(mark)} {mark}" for mark in Mark if mark in marks) or "no test had ended"
    show(console, Text(f"interrupted: {counts}", "bold yellow"))


def _prepare(report: Path | None) -> None:
    """See that a report can be written, and remove the one of an earlier run: it must not be taken for this one's."""
    if report is None:
        return
    if report.is_dir() or not report.absolute().parent.is_dir():
        raise CannotDo(f"{report} cannot be written: it is a folder, or there is no such folder")
    try:
        if report.is_file():
            report.unlink()
    except OSError as error:
        raise CannotDo(f"{report} cannot be written: {error.strerror}") from None


def _report(wanted: Wanted, project: Project, done: Done) -> None:
    def junit(stream: BinaryIO) -> None:
        write_junit(done.outcome, stream, started=done.started, name=project.name)

    def html(stream: BinaryIO) -> None:
        page = render_page(project, done.outcome, database=done.label, started=done.started)
        stream.write(page.encode())

    _write(wanted.junit, junit)
    _write(wanted.html, html)


def _write(report: Path | None, write: Callable[[BinaryIO], None]) -> None:
    if report is None:
        return
    try:
        with report.open("wb") as stream:
            write(stream)
    except OSError as error:
        raise CannotDo(f"{report} cannot be written: {error.strerror}") from None
