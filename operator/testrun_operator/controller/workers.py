"""One worker per key: what happened marks a key, and its worker looks at everything there is about it.

Marks that come while the worker is busy, or within a moment, become one further look. An error is retried with a
growing delay; it ends neither the worker nor the process. Every wait ends early when the key is marked: what happens is
never left for the end of a delay.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from testrun_operator.controller import metrics
from testrun_operator.errors import ClusterUnavailable, FatalError, TransientError

_K = TypeVar("_K")

GATHER_SECONDS = 0.02
"""How long a worker waits for more marks before it looks: a Job's end makes several events within milliseconds."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
WOKEN_DELAY_SECONDS = 2.0
"""How long a mark does not end the wait after an error: a storm of events must not make a hot loop of the retries."""
_CANCEL_SECONDS = 1.0
_logger = logging.getLogger(__name__)

Look = Callable[[_K], Awaitable[datetime | None]]
"""Looks at a key; returns when to look again though nothing happened, or None."""


def earliest(wakes: Iterable[datetime | None]) -> datetime | None:
    """Return the first of several times to look again; None if there is none."""
    return min((wake for wake in wakes if wake is not None), default=None)


class Workers(Generic[_K]):
    """The workers of one kind of keys.

    Args:
        name: what the keys are, for logs.
        look: what a worker does.
        now: the clock.
        on_fatal: called with an error after which the process must not go on.
    """

    def __init__(
        self, name: str, look: Look[_K], now: Callable[[], datetime], on_fatal: Callable[[BaseException], None]
    ) -> None:
        self._name = name
        self._look = look
        self._now = now
        self._on_fatal = on_fatal
        self._marks: dict[_K, asyncio.Event] = {}
        self._tasks: dict[_K, asyncio.Task[None]] = {}
        self._closed = False
        # A task keeps the context of who makes it: in a handler of kopf's, that has the object with all its fields.
        self._context = contextvars.copy_context()

    def mark(self, key: _K) -> None:
        """Have a key looked at soon."""
        if self._closed:
            return
        self._marks.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            task = asyncio.create_task(self._work(key), name=f"{self._name} {key}", context=self._context.copy())
            self._tasks[key] = task

    async def close(self) -> None:
        """End all workers, wherever they are: nothing of value lives in them."""
        self._closed = True
        tasks = set(self._tasks.values())
        while tasks:
            for task in tasks:
                task.cancel()
            # Again until it is heard: a library may swallow a cancellation that comes together with what it waits for.
            _, tasks = await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)

    async def _work(self, key: _K) -> None:
        mark = self._marks[key]
        delay = FIRST_DELAY_SECONDS
        try:
            while mark.is_set():
                await asyncio.sleep(GATHER_SECONDS)
                mark.clear()
                try:
                    look_again_at = await self._look_once(key)
                    delay = FIRST_DELAY_SECONDS
                except TransientError as error:
                    metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
                    asked = error.retry_after or 0.0 if isinstance(error, ClusterUnavailable) else 0.0
                    seconds = max(delay, asked)
                    _logger.warning("%s %s is tried again in %.1f s: %s", self._name, key, seconds, error)
                    look_again_at, delay = await self._back_off(mark, delay, asked)
                except FatalError as error:
                    self._on_fatal(error)
                    return
                except Exception as error:
                    # A defect of ours, or an answer that nobody expected. Other runs must not suffer by it.
                    metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
                    _logger.exception("%s %s is tried again in %.1f s", self._name, key, delay)
                    look_again_at, delay = await self._back_off(mark, delay)
                if look_again_at is not None:
                    await self._wait(mark, (look_again_at - self._now()).total_seconds())
        finally:
            del self._tasks[key]
            if mark.is_set() and not self._closed:
                self.mark(key)  # marked between the last look and now
            else:
                self._marks.pop(key, None)

    async def _look_once(self, key: _K) -> datetime | None:
        with metrics.RECONCILE_SECONDS.time():
            return await self._look(key)

    async def _back_off(self, mark: asyncio.Event, delay: float, asked: float = 0.0) -> tuple[None, float]:
        """Wait after an error, until the delay is over or something happens.

        Args:
            mark: the key's.
            delay: seconds.
            asked: seconds for which the server wants to be left alone; no mark ends the wait before.

        Returns:
            Nothing, and the next delay.
        """
        deaf = max(asked, min(delay, WOKEN_DELAY_SECONDS))
        await asyncio.sleep(deaf)
        await self._wait(mark, delay - deaf)
        mark.set()
        return None, min(2 * delay, LONGEST_DELAY_SECONDS)

    async def _wait(self, mark: asyncio.Event, seconds: float) -> None:
        try:
            # Not asyncio.wait_for: until Python 3.12 it swallows a cancellation that comes together with the mark.
            async with asyncio.timeout(max(0.0, seconds)):
                await mark.wait()
        except TimeoutError:
            mark.set()
