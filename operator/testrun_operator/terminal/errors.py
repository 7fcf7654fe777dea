"""What goes wrong is said in one line and with an exit code, never with a traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

from testrun_operator.errors import TestrunError
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.extras import describe_missing


class CannotDo(TestrunError):
    """What was asked for cannot be done. The message says what to do instead."""


class PlainErrors(TyperGroup):
    """Prints our own exceptions as one line, and so what is not installed.

    Anything else is a defect of ours, and is shown as it is.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TestrunError as error:
            typer.echo(f"Error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(Exit.UNKNOWN) from None
        except ModuleNotFoundError as error:
            missing = describe_missing(ctx.invoked_subcommand, error.name)
            if missing is None:
                raise
            typer.echo(f"Error: {missing}", err=True)
            raise typer.Exit(Exit.UNKNOWN) from None
