"""``testrun sql pack`` and ``testrun sql script``: a project as a ConfigMap, and as one script."""

from pathlib import Path
from textwrap import indent

import typer

from testrun_operator.kinds.sql.project.dba_script import Dialect, write_script
from testrun_operator.kinds.sql.project.discovery import load_project
from testrun_operator.kinds.sql.project.packing import pack, render
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.output import write_output
from testrun_operator.terminal.printing import clean

_LONGEST_NAME = 63
"""Of a case."""


def write_config_map(path: Path, name: str, namespace: str | None, connection: str | None, output: Path | None) -> Exit:
    """Write a project's ConfigMap, and the lines of the case that uses it.

    The ConfigMap goes into the file and the lines to standard output; without a file, the ConfigMap goes to standard
    output and the lines to standard error, so that what is piped to kubectl is the ConfigMap alone.

    Args:
        path: the project's folder, or a test case file.
        name: of the ConfigMap.
        namespace: of the ConfigMap; None leaves it out.
        connection: of the suite; None if only the lines from ``source`` on are wanted.
        output: the file.

    Raises:
        TestrunError: it cannot be packed; the message says what to do instead.
    """
    packed = pack(path, name, namespace=namespace)
    text = render(packed)
    for notice in packed.notices:
        typer.echo(f"notice: {clean(notice)}", err=True)
    write_output(text.config_map, output)
    typer.echo(
        text.source if connection is None else _case(name, connection, text.source), err=output is None, nl=False
    )
    return Exit.PASSED


def write_dba_script(path: Path, dialect: Dialect, output: Path | None) -> Exit:
    """Write the schema and the sources of a project as one script.

    Args:
        path: the project's folder.
        dialect: whose client it is for.
        output: the file; None for standard output.

    Raises:
        TestrunError: there is nothing to write, or it cannot be written.
    """
    write_output(write_script(load_project(path, tests_required=False), dialect), output)
    return Exit.PASSED


def _case(name: str, connection: str, source: str) -> str:
    label = name.replace(".", "-")[:_LONGEST_NAME].rstrip("-")
    return f"- name: {label}\n  sql:\n    connection: {connection}\n{indent(source, '    ')}"
