# ruff: noqa: PLC0415 - a command imports what it needs when it is called, so that none pays for another's imports
"""The table of commands: names, arguments and help texts. What a command does is in the module of its group.

Three are for pods (``operator``, ``runner``, ``testserver``), the others are for people.
"""

from collections.abc import Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import typer

from testrun_operator.kinds import FOLDERS
from testrun_operator.terminal.errors import PlainErrors
from testrun_operator.terminal.extras import EXTRA_OF_COMMAND
from testrun_operator.terminal.options import read_duration

_FOR_PODS = ("operator", "runner", "testserver")


class _Commands(PlainErrors):
    """Lists the commands for people first, also those that have commands below them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands."""
        return sorted(super().list_commands(ctx), key=_FOR_PODS.__contains__)


application = typer.Typer(
    name="testrun",
    cls=_Commands,
    help="Regression testing as Kubernetes resources: look at runs and results, check files, start the parts.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain help and errors: they can be read in logs and searched, and cost no import of Rich.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _folder in FOLDERS:
    _package = f"testrun_operator.kinds.{_folder}"
    if find_spec(f"{_package}.commands") is not None:
        _group = import_module(f"{_package}.commands")
        application.add_typer(_group.commands)
        EXTRA_OF_COMMAND[_group.commands.info.name] = _group.EXTRA


RunName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the TestRun.")]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace of the TestRun. Default: that of the kubeconfig's context."),
]
OfNamespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Only of TestRuns in this namespace.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it until it is over.")]
Timeout = Annotated[str, typer.Option(help="Longest time to wait, for instance 90s, 10m or 1h30m.")]
What = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN_ID|NAME", help="Id of an execution, or name of a TestRun, whose last ended one is meant."
    ),
]
Details = Annotated[str | None, typer.Option(metavar="CASE", help="Show the attempts and checks of this case.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many executions to list.")]
Output = Annotated[
    Literal["table", "json", "junit"],
    typer.Option("--output", "-o", help="How to print; junit is JUnit XML of one execution, for CI."),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        envvar="TESTRUN_OPERATOR_DSN",
        show_default=False,
        help="Connection string of Postgres. Prefer the environment variable: command lines are seen by other users.",
    ),
]
Schema = Annotated[str, typer.Option(envvar="TESTRUN_OPERATOR_STORE_SCHEMA", help="Schema of the tables.")]
FilesToRead = Annotated[
    list[str], typer.Argument(metavar="FILE", help="YAML files, folders of them, or - for standard input.")
]
RunInFiles = Annotated[str | None, typer.Option("--run", help="Name of the TestRun, if there are several.")]
CaseNames = Annotated[list[str] | None, typer.Option(help="Select cases by name, in place of the run's own select.")]
Categories = Annotated[list[str] | None, typer.Option(help="Select cases by category; may be given several times.")]
Tags = Annotated[list[str] | None, typer.Option(help="Select cases by tag; may be given several times.")]
SkipNames = Annotated[list[str] | None, typer.Option(help="Skip a case; may be given several times.")]
SkipCategories = Annotated[list[str] | None, typer.Option(help="Skip a category; may be given several times.")]
SkipTags = Annotated[list[str] | None, typer.Option(help="Skip cases by tag; may be given several times.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the suite; may be given several times."),
]


def _run(command: Coroutine[Any, Any, int]) -> int:
    import asyncio

    from testrun_operator.terminal.exits import Exit

    try:
        return asyncio.run(command)
    except KeyboardInterrupt:
        # Typer would make 1 of it, which says that something failed.
        return Exit.INTERRUPTED


@application.command()
def status(name: RunName, namespace: Namespace = None, watch: Watch = False) -> None:  # noqa: FBT002 - typer
    """Show a TestRun: counts, conditions, and what did not pass.

    Exit code: 0 passed, 1 failed, 2 errored, cancelled, invalid or not found, 3 not over, 130 ended by Ctrl-C.
    """
    from testrun_operator.cli.status import show_status

    raise typer.Exit(_run(show_status(name, namespace, watch=watch)))


@application.command()
def wait(name: RunName, namespace: Namespace = None, timeout: Timeout = "10m") -> None:
    """Wait until a TestRun is over, and print one line about it.

    Exit code: 0 passed, 1 failed, 2 errored, cancelled, invalid or not found, 3 not over in time,
    130 ended by Ctrl-C.
    """
    from testrun_operator.cli.waiting import wait_for

    raise typer.Exit(_run(wait_for(name, namespace, read_duration(timeout))))


@application.command()
def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Name of the TestSuite.")],
    set_: Variables = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the TestRun. Default: the suite's, with a random end.")
    ] = None,
    namespace: Namespace = None,
    revision: Annotated[str | None, typer.Option(help="What is under test, usually a commit.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="Select a case; may be given several times.")] = None,
    category: Categories = None,
    tag: Tags = None,
    skip_case: SkipNames = None,
    skip_category: SkipCategories = None,
    skip_tag: SkipTags = None,
    parallelism: Annotated[int | None, typer.Option(min=1, max=500, help="How many cases run side by side.")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Start no further case once one failed.")] = False,  # noqa: FBT002 - typer
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is over.")] = False,  # noqa: FBT002 - typer
    timeout: Timeout = "10m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the TestRun instead of creating it.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Run a TestSuite that is in the cluster: create a TestRun, and with --wait tell how it ended.

    Exit code: 0 created, or passed; 1 failed, 2 errored, cancelled, invalid or not found, 3 not over in time,
    130 ended by Ctrl-C; the TestRun goes on after 3 and 130.
    """
    from testrun_operator.cli.manifest import Cases, Wanted, show_manifest

    wanted = Wanted(
        suite=suite,
        name=name,
        namespace=namespace,
        variables=tuple(set_ or ()),
        revision=revision,
        select=Cases(case or (), category or (), tag or ()),
        skip=Cases(skip_case or (), skip_category or (), skip_tag or ()),
        parallelism=parallelism,
        fail_fast=fail_fast,
    )
    if dry_run:
        raise typer.Exit(show_manifest(wanted))
    from testrun_operator.cli.run import run_suite

    raise typer.Exit(_run(run_suite(wanted, wait=wait, limit=read_duration(timeout))))


@application.command()
def results(
    what: What = None,
    details: Details = None,
    namespace: OfNamespace = None,
    limit: Limit = 20,
    output: Output = "table",
    dsn: Dsn = None,
    schema: Schema = "noetl_test",
) -> None:
    """Show results from Postgres.

    The latest executions; the cases of one; or, with --details, the attempts and checks of one case.
    """
    from testrun_operator.cli.results import Asked, OutputFormat, show_results

    asked = Asked(what, details, namespace, limit, OutputFormat(output))
    raise typer.Exit(_run(show_results(asked, dsn, schema)))


@application.command()
def validate(file: FilesToRead) -> None:
    """Check TestSuites and TestRuns in files.

    Applies the rules that the operator applies, without a cluster; a run is checked against its suite if that is in
    the files, too.

    Exit code: 0 all are valid, 1 some are not, 2 a file cannot be read or holds neither.
    """
    from testrun_operator.cli.validate import show_validation

    raise typer.Exit(show_validation(file))


@application.command()
def cases(
    file: FilesToRead,
    run: RunInFiles = None,
    name: CaseNames = None,
    category: Categories = None,
    tag: Tags = None,
) -> None:
    """List the cases that a run would execute.

    With matrices expanded, and with what would be skipped and why; without a cluster.
    """
    from testrun_operator.cli.cases import Selection, show_cases

    selection = Selection(tuple(name or ()), tuple(category or ()), tuple(tag or ()))
    raise typer.Exit(show_cases(file, run, selection))


@application.command()
def version() -> None:
    """Print the version."""
    from testrun_operator import __version__

    typer.echo(f"testrun-operator {__version__}")


@application.command()
def operator() -> None:
    """Run the operator; for its pod.

    Settings are environment variables that begin with TESTRUN_OPERATOR_; docs/reference/settings.md lists them.
    """
    from testrun_operator.controller.main import main

    raise typer.Exit(main())


@application.command()
def runner() -> None:
    """Run one case and report; for its pod.

    The case is in the environment variable TESTRUN_CASE, or in a file.
    """
    from testrun_operator.runner.main import main
    from testrun_operator.terminal.extras import require

    require("jmespath")  # the process that runs the case imports it, and has nobody to tell
    raise typer.Exit(main())


@application.command("testserver")
def serve_pages(
    host: Annotated[str, typer.Option(help="Address to listen on; empty for all, of IPv4 and IPv6.")] = "0.0.0.0",  # noqa: S104 - it is a server
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5555,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Serve the pagination test server; for its pod.

    It may be started anywhere, for instance to write cases against it.
    """
    from testrun_operator.testserver.server import serve

    serve(host, port, access_log=access_log)
