# ruff: noqa: PLC0415 - a command imports what it needs when it is called, so that none pays for another's imports
"""The table of commands: names, arguments and help texts. What a command does is in the module of its group.

Three are for pods (``operator``, ``runner``, ``testserver``), the others are for people.
"""

from typing import Annotated

import typer

from testrun_operator.cli.errors import PlainErrors

application = typer.Typer(
    name="testrun",
    cls=PlainErrors,
    help="Regression testing as Kubernetes resources: look at runs and results, check files, start the parts.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain help and errors: they can be read in logs and searched, and cost no import of Rich.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@application.command()
def version() -> None:
    """Print the version of this command line and of the image that it is part of."""
    from testrun_operator import __version__

    typer.echo(f"testrun-operator {__version__}")


@application.command()
def operator() -> None:
    """Run the operator; for its pod. Settings are environment variables that begin with TESTRUN_OPERATOR_."""
    from testrun_operator.controller.main import main

    raise typer.Exit(main())


@application.command()
def runner() -> None:
    """Run one case and report; for its pod. The case is in the environment variable TESTRUN_CASE, or in a file."""
    from testrun_operator.runner.main import main

    raise typer.Exit(main())


@application.command("testserver")
def serve_pages(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 - it is a server
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5555,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Serve the pagination test server; for its pod, and for trying out on your own machine."""
    from testrun_operator.testserver.server import serve

    serve(host, port, access_log=access_log)
