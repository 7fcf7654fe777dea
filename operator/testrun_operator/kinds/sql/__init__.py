# ruff: noqa: PLC0415 - the operator imports this package for the kind's definition, and nothing that runs tests
"""The case kind ``sql``: database tests in the Trilogy format (``docs/cases/sql.md``).

They need neither a cluster nor Kubernetes. From Python (``docs/cases/sql-python.md``) it is :func:`parse`,
:func:`load`, :func:`run` and :func:`report`; from a terminal ``testrun sql``; in a case's pod ``execution/case.py``.

Data flows one way::

    sources     where the files come from: inline text, a mounted ConfigMap, Git
    project/    files → Project: schema, sources, fixtures and test case files, in their order
    parsing/    the text of a file → document.TestCase
    execution/  Project + databases.Database → outcome.ProjectOutcome
    reports/    outcome → JUnit XML, a page of HTML
"""

from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from testrun_operator.kinds.sql.document import TestCase
    from testrun_operator.kinds.sql.outcome import ProjectOutcome
    from testrun_operator.kinds.sql.project.model import Project

__all__ = ["load", "parse", "report", "run"]


def parse(text: str, file: str = "inline.stt") -> "TestCase":
    """Read the text of a test case file.

    Args:
        text: Markdown in the format of ``docs/cases/trilogy-format.md``.
        file: what messages call it.

    Returns:
        The test case; what cannot be done is in its ``problems``, and in those of its tests, with line numbers.
    """
    from testrun_operator.kinds.sql.parsing.parser import parse_test_case

    return parse_test_case(text, file)


def load(path: Path | str) -> "Project":
    """Load a project's folder, or a test case file.

    Raises:
        NothingToRun: there is no test case; says where one was looked for.
    """
    from testrun_operator.kinds.sql.project.discovery import load_path

    return load_path(Path(path))


def run(
    project: "Project",
    dsn: str,
    *,
    isolation: Literal["none", "rollback", "database"] = "none",
    tests: tuple[str, ...] = (),
    seconds: float | None = None,
) -> "ProjectOutcome":
    """Run a project's tests in a database.

    Args:
        project: from :func:`load`.
        dsn: connection string, as ``sqlite:///:memory:`` or ``postgresql://user:password@host/database``.
        isolation: what becomes of changes: see ``docs/cases/sql.md``.
        tests: patterns over the names of tests, as ``divides*``; empty for all.
        seconds: after which the execution is ended.

    Returns:
        The outcome, also where it could not be run to its end: ``passed``, ``counts``, ``cases``; without the password.

    Raises:
        CaseError: the connection string is none, the database cannot be reached, or nothing was selected. Its message
            has no password.
    """
    import time

    from testrun_operator.databases.base import Isolation
    from testrun_operator.databases.dsn import read_dsn
    from testrun_operator.databases.opening import open_database
    from testrun_operator.kinds.sql.execution.executor import execute
    from testrun_operator.kinds.sql.execution.request import Request, Selection, SilentObserver
    from testrun_operator.kinds.sql.masking import make_masker, mask_outcome

    address = read_dsn(dsn)
    deadline = None if seconds is None else time.monotonic() + seconds
    request = Request(Selection(tests=tests), Isolation(isolation))
    with closing(open_database(address, seconds)) as database:
        outcome = execute(project, database, request, SilentObserver(), deadline)
    return mask_outcome(outcome, make_masker(address))


def report(project: "Project", outcome: "ProjectOutcome", *, output: Literal["junit", "html"] = "junit") -> str:
    """Write the report of an outcome.

    Args:
        project: what was run.
        outcome: from :func:`run`.
        output: JUnit XML, or a page of HTML that needs nothing else.
    """
    from datetime import UTC, datetime, timedelta

    from testrun_operator.kinds.sql.reports.html import render_page
    from testrun_operator.kinds.sql.reports.junit import write_junit

    started = datetime.now(UTC) - timedelta(seconds=outcome.seconds)
    if output == "html":
        return render_page(project, outcome, database="", started=started)
    stream = BytesIO()
    write_junit(outcome, stream, started=started, name=project.name)
    return stream.getvalue().decode()
