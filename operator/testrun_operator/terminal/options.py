"""Options that several commands read in the same way."""

from datetime import timedelta

import typer


def read_duration(text: str) -> timedelta:
    """Read the value of ``--timeout``: ``90s``, ``10m``, ``1h30m``.

    Raises:
        typer.BadParameter: it is none.
    """
    from testrun_operator.api.base import parse_duration  # noqa: PLC0415 - pydantic, which the help need not pay for

    try:
        value = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from None
    assert isinstance(value, timedelta)  # noqa: S101 - a text becomes one
    return value
