"""What ends a case wherever it is: the end of the pod, and the end of its time where somebody does not answer."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_LEAST_SECONDS = 0.001
"""A timer of no seconds never rings."""


class Interrupted(BaseException):
    """The pod is being deleted.

    Not an Exception: nothing may take it for the outcome of a case.
    """


class TimeOver(BaseException):
    """The case's time is over, and something is still waited for that was to answer earlier.

    Not an Exception, as :class:`Interrupted`.
    """


class Interruption:
    """Raises :class:`Interrupted` at SIGTERM, wherever the case is, unless that is put off. Must be in the main thread.

    A second signal changes nothing: the supervisor kills what takes too long to tidy up.
    """

    def __init__(self) -> None:
        self._is_put_off = False
        self._happened = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Heed the signal in the block."""
        before = signal.signal(signal.SIGTERM, self._receive)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextmanager
    def limited(self, until: float) -> Iterator[None]:
        """Raise :class:`TimeOver` in the block, once, wherever it is when its time is over.

        Servers and databases are given limits of their own where they are asked; there are always some that are not
        kept, as where a server sends one byte a second, or a database is stopped and its connections stay open.

        Args:
            until: when, by the clock ``time.monotonic``.
        """
        before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, max(_LEAST_SECONDS, until - time.monotonic()))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Raise it only after the block: an execution whose id is not known yet could not be cancelled."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False
        if self._happened:
            raise Interrupted

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if not self._happened:  # what is tidied up is not disturbed
            raise TimeOver

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self._happened:
            return
        self._happened = True
        if not self._is_put_off:
            raise Interrupted
