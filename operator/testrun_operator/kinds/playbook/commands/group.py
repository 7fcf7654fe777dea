# ruff: noqa: PLC0415 - a command imports what it needs when it is called, so that none pays for another's imports
"""The table of the commands below ``testrun noetl``."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

commands = typer.Typer(
    name="noetl",
    help="Suites of what people have in NoETL.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_SECRET = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-._a-zA-Z0-9]+")


@commands.callback()
def _keep_the_name() -> None:
    """Suites of what people have in NoETL."""


@commands.command()
def suite(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A folder of playbooks, with the folders below it.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A NoETL server: its catalog if there is no DIR, its credentials and executions."
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With an https --server: PEM certificates to trust, not the usual ones."),
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With an https --server: PEM certificate to show it.")
    ] = None,
    client_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The private key of --client-certificate, without a password.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it. Default: standard output.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the TestSuite. Default: noetl, or the folder's.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the TestSuite.")] = None,
    connection: Annotated[str, typer.Option(help="Name of the connection.")] = "noetl",
    url: Annotated[
        str | None, typer.Option(help="Address of the server as pods see it. Default: that of --server.")
    ] = None,
    dsn_secret: Annotated[
        str | None, typer.Option(metavar="NAME/KEY", help="Secret with the DSN of NoETL's Postgres, for the suite.")
    ] = None,
    register: Annotated[
        Literal["none", "configMap"],
        typer.Option(help="How cases register the playbooks of DIR; configMap writes ConfigMaps, too."),
    ] = "none",
    from_run: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--from-run", help="Take expectations from the newest good run of each playbook.")
    ] = False,
    no_duration: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--no-duration", help="With --from-run: expect nothing of the time it takes.")
    ] = False,
    expect_failures: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--expect-failures", help="With --from-run: what always failed is expected to fail.")
    ] = False,
    dsn: Annotated[
        str | None,
        typer.Option(
            envvar="TESTRUN_NOETL_DSN",
            show_default=False,
            help="With --from-run: DSN of NoETL's Postgres, to read event logs there. Prefer the environment variable: "
            "command lines are seen by other users.",
        ),
    ] = None,
    include_unsafe: Annotated[  # noqa: FBT002 - typer
        bool,
        typer.Option("--include-unsafe", help="Also playbooks that use shells, containers, Kubernetes or programs."),
    ] = False,
    assume_credentials: Annotated[  # noqa: FBT002 - typer
        bool, typer.Option("--assume-credentials", help="Take all credentials for present.")
    ] = False,
    match: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only paths like this; may be given several times.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category and those below it; may be given several times.")
    ] = None,
    strip: Annotated[
        str, typer.Option(metavar="PREFIX", help="What paths begin with, and names and categories should not.")
    ] = "",
) -> None:
    """Write a TestSuite with a case for each playbook of a NoETL server, or of a folder.

    Playbooks that run shells, containers, Kubernetes or programs are left out; cases whose credentials are not there
    are written so that they are skipped.

    Exit code: 0 written, 1 written without what could not be read, 2 not written.
    """
    if folder is None and server is None:
        raise typer.BadParameter("give --server URL, a folder, or both")
    if folder is None and register != "none":
        raise typer.BadParameter(
            "needs a folder: the playbooks of a server are in its catalog", param_hint="--register"
        )
    if from_run and server is None:
        raise typer.BadParameter("needs --server: its executions are looked at", param_hint="--from-run")
    for option, given in (("--no-duration", no_duration), ("--expect-failures", expect_failures)):
        if given and not from_run:
            raise typer.BadParameter("needs --from-run", param_hint=option)
    if (client_certificate is None) != (client_key is None):
        raise typer.BadParameter("goes with --client-key, and that with it", param_hint="--client-certificate")
    if dsn_secret is not None and not _SECRET.fullmatch(dsn_secret):
        raise typer.BadParameter("write NAME/KEY, as in noetl-events/dsn", param_hint="--dsn-secret")

    from testrun_operator.kinds.playbook.commands.selection import Criteria
    from testrun_operator.kinds.playbook.commands.suite import SuiteRequest, make_suite
    from testrun_operator.terminal.printing import write_anything

    write_anything()
    secret_name, _, secret_key = (dsn_secret or "").partition("/")
    request = SuiteRequest(
        folder=folder,
        server=server,
        tls=(ca_file, client_certificate, client_key),
        name=name,
        namespace=namespace,
        connection=connection,
        url=url,
        dsn_secret=(secret_name, secret_key) if dsn_secret is not None else None,
        register=register == "configMap",
        from_run=from_run,
        duration=not no_duration,
        expect_failures=expect_failures,
        dsn=dsn,
        criteria=Criteria(tuple(match or ()), tuple(category or ()), include_unsafe, assume_credentials, strip),
        output=output,
    )
    raise typer.Exit(make_suite(request))
