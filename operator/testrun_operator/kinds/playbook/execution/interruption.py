"""Interrupts a case at any point: when its pod is deleted, and when its time is over while it waits for an answer."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_LEAST_SECONDS = 0.001
"""The shortest time of a timer: one of 0 seconds is a timer that is switched off."""


class Interrupted(BaseException):
    """The pod is being deleted.

    It is no ``Exception``, so that no handler of errors takes it for the outcome of the case.
    """


class TimeOver(BaseException):
    """The case's time is over while it waits for an answer that should have come earlier.

    It is no ``Exception``, for the same reason as :class:`Interrupted`.
    """


class Interruption:
    """Raises :class:`Interrupted` at SIGTERM, whatever the case is doing, unless that is deferred.

    To be used in the main thread, the only one in which Python handles signals. A second signal changes nothing: the
    supervisor kills a process that takes too long to clean up.
    """

    def __init__(self) -> None:
        self._is_deferred = False
        self._happened = False

    @contextmanager
    def handling_sigterm(self) -> Iterator[None]:
        """Raise :class:`Interrupted` in the block when SIGTERM arrives."""
        before = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextmanager
    def time_limit(self, until: float) -> Iterator[None]:
        """Raise :class:`TimeOver` in the block, once, when its time is over, whatever it is doing then.

        Each request to a server or a database has a time limit of its own. This one is for cases in which such a limit
        has no effect: a server sends one byte a second, or a database is stopped while its connections stay open.

        Args:
            until: when the time is over, in seconds of the clock ``time.monotonic``.
        """
        before = signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, max(_LEAST_SECONDS, until - time.monotonic()))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise :class:`Interrupted` only after the block.

        It is used around the start of an execution, which could not be cancelled before its id is known.
        """
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        if self._happened:
            raise Interrupted

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if not self._happened:  # after SIGTERM the case only cleans up, which is not to be interrupted
            raise TimeOver

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        if self._happened:
            return
        self._happened = True
        if not self._is_deferred:
            raise Interrupted
