"""Simulated time: an event loop in which waiting takes no time."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from support.builders import NOON


class _NothingLeft(RuntimeError):
    """Everything waits for something that nobody will do."""


class _Selector(selectors.SelectSelector):
    """Nothing outside the process is ever waited for: the time passes instead."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise _NothingLeft("nothing will ever happen again")
        if timeout > 0:
            self.elapsed += timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which jumps to the next moment in which something is to be done."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        """Return the seconds since the simulation began."""
        return self._simulated.elapsed

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]  # noqa: ARG002 - as asyncio's
        """Do at once what would be done in another thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it gets it, as from a thread
            future.set_exception(error)
        return future

    def now(self) -> datetime:
        """Return the time by the API server's clock."""
        return NOON + timedelta(seconds=self.time())
