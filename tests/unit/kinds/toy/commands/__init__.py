"""``testrun parrot``: the same from a terminal."""

from typing import Final

import typer

EXTRA: Final = "runner"
commands = typer.Typer(name="parrot", help="Say something.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def _group() -> None:
    """Say something."""


@commands.command()
def say(what: str) -> None:
    """Say it."""
    typer.echo(what)
