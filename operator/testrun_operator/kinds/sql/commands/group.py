# ruff: noqa: PLC0415 - a command imports what it needs when it is called, so that none pays for another's imports
"""The table of the commands below ``testrun sql``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from testrun_operator.terminal.options import read_duration

commands = typer.Typer(
    name="sql",
    help="Database tests in the Trilogy format: run, check and pack them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ProjectOrFile = Annotated[Path, typer.Argument(metavar="PATH", help="A project's folder, or a test case file (.stt).")]

OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it. Default: standard output.")
]


@commands.command()
def run(
    path: ProjectOrFile,
    dsn: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Connection string of the database. Default: the environment variable DB_URL.",
        ),
    ] = None,
    db_user: Annotated[
        str | None, typer.Option(help="User, in place of the connection string's. Default: DB_USER.")
    ] = None,
    skip_schema_load: Annotated[bool, typer.Option("--skip-schema-load", help="Leave schema.sql out.")] = False,  # noqa: FBT002 - typer
    expression: Annotated[
        str,
        typer.Option(
            "-k",
            metavar="EXPRESSION",
            show_default=False,
            help="Only tests whose path, test case or name has these words; with and, or, not, ( ).",
        ),
    ] = "",
    isolation: Annotated[
        Literal["none", "rollback", "database"], typer.Option(help="What keeps tests apart.")
    ] = "none",
    parallel: Annotated[
        int, typer.Option(min=1, max=64, help="How many test case files run at once; needs --isolation database.")
    ] = 1,
    timeout: Annotated[
        str | None, typer.Option(show_default=False, help="Longest time for all of it, for instance 90s or 5m.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results as JUnit XML.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the test files, marked, as a page.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Run again at every change of a file.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Run the tests of a project, or of a single file, against a database.

    The password comes from the connection string or from the environment variable DB_PASSWORD.

    Exit code: 0 passed, 1 failed, 2 could not be run, 130 ended by Ctrl-C.
    """
    if parallel > 1 and isolation != "database":
        raise typer.BadParameter("needs --isolation database", param_hint="--parallel")
    seconds = read_duration(timeout).total_seconds() if timeout is not None else None

    import os

    from testrun_operator.databases.base import Isolation
    from testrun_operator.kinds.sql.commands.addresses import find_database
    from testrun_operator.kinds.sql.commands.running import Wanted, exit_code_of, run_tests
    from testrun_operator.kinds.sql.commands.watching import watch as run_and_watch
    from testrun_operator.kinds.sql.execution.request import Request, Selection
    from testrun_operator.kinds.sql.interrupting import Interrupted
    from testrun_operator.terminal.printing import make_console, write_anything

    write_anything()
    wanted = Wanted(
        path,
        find_database(dsn, db_user, os.environ),
        Request(Selection(expression=expression), Isolation(isolation), parallel, skip_schema_load),
        seconds,
        junit,
        html,
    )
    try:
        code = (run_and_watch if watch else run_tests)(wanted, make_console())
    except Interrupted as interrupted:
        raise typer.Exit(exit_code_of(interrupted)) from None
    raise typer.Exit(code)


@commands.command()
def check(path: ProjectOrFile) -> None:
    """List what is malformed or missing in test case files, without a database.

    One line for each problem: file, line, and what would be right.

    Exit code: 0 nothing, 1 something, 2 there is nothing to check.
    """
    from testrun_operator.kinds.sql.commands.checking import check_files
    from testrun_operator.terminal.printing import write_anything

    write_anything()
    raise typer.Exit(check_files(path))


@commands.command()
def pack(
    path: ProjectOrFile,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the ConfigMap.")],
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the ConfigMap.")] = None,
    connection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Connection of the suite; writes the whole case.")
    ] = None,
    output: OutputFile = None,
) -> None:
    """Pack a project into a ConfigMap, for cases in a cluster.

    Also writes the lines of the case that restore the folders: to standard output with --output, else to standard
    error.
    """
    from testrun_operator.kinds.sql.commands.writing import write_config_map

    raise typer.Exit(write_config_map(path, name, namespace, connection, output))


@commands.command()
def script(
    path: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project's folder.")],
    dialect: Annotated[
        Literal["postgresql", "mysql", "oracle", "sqlite"], typer.Option(help="Whose client the script is for.")
    ] = "postgresql",
    output: OutputFile = None,
) -> None:
    """Write the schema and the sources of a project, in their order, as one script for a DBA to apply."""
    from testrun_operator.kinds.sql.commands.writing import write_dba_script
    from testrun_operator.kinds.sql.project.dba_script import Dialect

    raise typer.Exit(write_dba_script(path, Dialect(dialect), output))
