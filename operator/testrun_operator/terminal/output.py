"""Documents that a command writes: on standard output, or into the file of ``--output``."""

from pathlib import Path

import typer

from testrun_operator.terminal.errors import CannotDo


def write_output(text: str, output: Path | None) -> None:
    """Write a document as UTF-8, with its line breaks as they are.

    Args:
        text: the document.
        output: the file; None for standard output.

    Raises:
        CannotDo: the file cannot be written.
    """
    if output is None:
        typer.echo(text.encode(), nl=False)
        return
    try:
        output.write_bytes(text.encode())
    except OSError as error:
        raise CannotDo(f"{output} cannot be written: {error.strerror}") from None
