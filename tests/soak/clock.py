"""Simulated time: an event loop in which waiting takes no time, and in which a process can be made to stand still."""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
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


class Stoppable:
    """A process that can be stopped and continued, as SIGSTOP and SIGCONT do it."""

    def __init__(self) -> None:
        self.is_stopped = False
        self.waiting: list[tuple[asyncio.Handle, Callable[..., object], tuple[Any, ...], Context]] = []
        """What became due meanwhile."""


CURRENT: ContextVar[Stoppable | None] = ContextVar("current", default=None)
"""Whose code runs."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which jumps to the next moment in which something is to be done."""

    def __init__(self) -> None:
        self._simulated = _Selector()
        self.can_stop = False
        """Whether processes are ever stopped; minding that takes time."""
        super().__init__(self._simulated)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Call something soon; what belongs to a process that is stopped is called when that goes on."""
        if not self.can_stop:
            return super().call_soon(callback, *args, context=context)
        context = context if context is not None else copy_context()
        act, known = self._minded(callback, args, context)
        handle = super().call_soon(act, context=context)
        known.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """Call something at a time; what belongs to a process that is stopped is called when that goes on."""
        if not self.can_stop:
            return super().call_at(when, callback, *args, context=context)
        context = context if context is not None else copy_context()
        act, known = self._minded(callback, args, context)
        handle = super().call_at(when, act, context=context)
        known.append(handle)
        return handle

    @staticmethod
    def _minded(
        callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> tuple[Callable[[], None], list[asyncio.Handle]]:
        process, known = context.get(CURRENT), list[asyncio.Handle]()

        def act() -> None:
            if process is not None and process.is_stopped:
                process.waiting.append((known[0], callback, args, context))
            else:
                callback(*args)

        return act, known

    def go_on(self, process: Stoppable) -> None:
        """Let a process go on that was stopped."""
        process.is_stopped = False
        waiting, process.waiting = process.waiting, []
        for handle, callback, args, context in waiting:
            self.call_soon(self._call, handle, callback, *args, context=context)

    @staticmethod
    def _call(handle: asyncio.Handle, callback: Callable[..., object], *args: Any) -> None:
        """Call something that was due while its process was stopped, unless what was due before it has cancelled it."""
        if not handle.cancelled():
            callback(*args)

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
