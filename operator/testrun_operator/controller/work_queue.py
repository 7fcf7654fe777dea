"""A work queue: whatever happens enqueues a key, and the worker of that key reconciles it with all that there is.

A key that is enqueued again while its worker is busy, or within a moment, is reconciled once more and not twice. An
error is retried with a growing delay; it ends neither the worker nor the process. Every wait ends early when the key is
enqueued: what happens is never left for the end of a delay.
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
"""How long a worker waits for more events before it reconciles: a Job's end makes several within milliseconds."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
WOKEN_DELAY_SECONDS = 2.0
"""How long no event ends the wait after an error: a storm of events must not make a hot loop of the retries."""
_CANCEL_SECONDS = 1.0
_logger = logging.getLogger(__name__)

Reconcile = Callable[[_K], Awaitable[datetime | None]]
"""Reconciles a key; returns when it is to be enqueued again though nothing happened, or None."""


def earliest(wakes: Iterable[datetime | None]) -> datetime | None:
    """Return the first of several times at which a key is to be enqueued again; None if there is none."""
    return min((wake for wake in wakes if wake is not None), default=None)


class WorkQueue(Generic[_K]):
    """The queue of one kind of keys, with a worker for each key that is in it.

    Args:
        name: what the keys are, for logs.
        reconcile: what a worker does.
        now: the clock.
        on_fatal: called with an error after which the process must not go on.
    """

    def __init__(
        self,
        name: str,
        reconcile: Reconcile[_K],
        now: Callable[[], datetime],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._reconcile = reconcile
        self._now = now
        self._on_fatal = on_fatal
        self._events: dict[_K, asyncio.Event] = {}
        self._tasks: dict[_K, asyncio.Task[None]] = {}
        self._closed = False
        # A task keeps the context of who makes it: in a handler of kopf's, that has the object with all its fields.
        self._context = contextvars.copy_context()

    def enqueue(self, key: _K) -> None:
        """Have a key reconciled soon."""
        if self._closed:
            return
        self._events.setdefault(key, asyncio.Event()).set()
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
        event = self._events[key]
        delay = FIRST_DELAY_SECONDS
        try:
            while event.is_set():
                await asyncio.sleep(GATHER_SECONDS)
                event.clear()
                try:
                    requeue_at = await self._reconcile_once(key)
                    delay = FIRST_DELAY_SECONDS
                except TransientError as error:
                    metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
                    asked = error.retry_after or 0.0 if isinstance(error, ClusterUnavailable) else 0.0
                    seconds = max(delay, asked)
                    _logger.warning("%s %s is tried again in %.1f s: %s", self._name, key, seconds, error)
                    requeue_at, delay = await self._back_off(event, delay, asked)
                except FatalError as error:
                    self._on_fatal(error)
                    return
                except Exception as error:
                    # A defect of ours, or an answer that nobody expected. Other runs must not suffer by it.
                    metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
                    _logger.exception("%s %s is tried again in %.1f s", self._name, key, delay)
                    requeue_at, delay = await self._back_off(event, delay)
                if requeue_at is not None:
                    await self._wait(event, (requeue_at - self._now()).total_seconds())
        finally:
            del self._tasks[key]
            if event.is_set() and not self._closed:
                self.enqueue(key)  # something happened since it was reconciled
            else:
                self._events.pop(key, None)

    async def _reconcile_once(self, key: _K) -> datetime | None:
        with metrics.RECONCILE_SECONDS.time():
            return await self._reconcile(key)

    async def _back_off(self, event: asyncio.Event, delay: float, asked: float = 0.0) -> tuple[None, float]:
        """Wait after an error, until the delay is over or something happens.

        Args:
            event: set when the key is enqueued.
            delay: seconds.
            asked: seconds for which the server wants to be left alone; no event ends the wait before.

        Returns:
            Nothing, and the next delay.
        """
        deaf = max(asked, min(delay, WOKEN_DELAY_SECONDS))
        await asyncio.sleep(deaf)
        await self._wait(event, delay - deaf)
        event.set()
        return None, min(2 * delay, LONGEST_DELAY_SECONDS)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        try:
            # Not asyncio.wait_for: until Python 3.12 it swallows a cancellation that comes together with the event.
            async with asyncio.timeout(max(0.0, seconds)):
                await event.wait()
        except TimeoutError:
            event.set()
