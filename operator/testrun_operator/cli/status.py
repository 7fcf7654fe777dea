"""``testrun status``: how a TestRun is doing."""

from rich.live import Live

from testrun_operator.cli.cluster import Run, RunReader, open_run
from testrun_operator.cli.rendering import present_progress, present_run
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean, make_console, show


async def show_status(name: str, namespace: str | None, *, watch: bool) -> Exit:
    """Show a TestRun, once or until it is over.

    Raises:
        TestrunError: there is no such TestRun, or no cluster.
    """
    async with open_run(name, namespace) as reader:
        run = await _watch(reader) if watch else await reader.read()
    show(make_console(), present_run(run))
    return run.exit_code


async def _watch(reader: RunReader) -> Run:
    console = make_console()
    if not console.is_terminal:
        return await _tell_changes(reader)
    run: Run | None = None
    with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        async for run in reader.changes():
            live.update(present_run(run), refresh=True)
    assert run is not None  # noqa: S101 - changes() yields at least once
    return run


async def _tell_changes(reader: RunReader) -> Run:
    console = make_console(to_error=True)
    run: Run | None = None
    said = ""
    async for run in reader.changes():
        line = clean(present_progress(run))
        if line != said and not run.is_over:
            show(console, line)
        said = line
    assert run is not None  # noqa: S101 - changes() yields at least once
    return run
