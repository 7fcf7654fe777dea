"""``testrun validate``: what it prints."""

from collections.abc import Sequence

import typer

from testrun_operator.cli.documents import read_files
from testrun_operator.cli.validating import validate
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean


def show_validation(paths: Sequence[str]) -> Exit:
    """Check files, print one line per problem, and sum up.

    Raises:
        CannotDo: a file cannot be read, or there is nothing to check.
    """
    files = read_files(paths)
    result = validate(files)
    if not result.valid and not result.invalid:
        raise CannotDo(f"there is no TestSuite or TestRun in {', '.join(paths)}")
    for problem in result.problems:
        typer.echo(clean(problem))
    for note in result.notes:
        typer.echo(f"note: {clean(note)}")
    checked = result.valid + result.invalid
    others = f"; {files.others} of other kinds passed over" if files.others else ""
    typer.echo(f"{result.valid} of {checked} valid{others}")
    return Exit.FAILED if result.problems else Exit.PASSED
