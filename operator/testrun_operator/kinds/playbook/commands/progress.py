"""What is shown on standard error while a suite is made: a line that changes, and nothing in a pipe."""

from types import TracebackType
from typing import Self

from rich.status import Status

from testrun_operator.terminal.printing import clean, make_console


class Progress:
    """Shows what is being done, for the length of a block. On a terminal alone: in a pipe the summary says it all."""

    def __init__(self) -> None:
        console = make_console(to_error=True)
        self._status = Status("", console=console) if console.is_terminal else None
        self._total = 0
        self._done = 0

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, doing: str) -> None:
        """Show what is being done."""
        if self._status is not None:
            self._status.update(clean(doing))

    def expect(self, total: int) -> None:
        """Show how many there are."""
        self._total, self._done = total, 0

    def count(self, name: str) -> None:
        """Show the one that comes now."""
        self._done += 1
        self.say(f"{self._done}/{self._total} {name}")
