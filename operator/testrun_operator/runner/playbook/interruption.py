"""The end of the pod: a playbook that runs is cancelled on its server before the runner ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """The pod is being deleted.

    Not an Exception: nothing may take it for the outcome of a case.
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
    def put_off(self) -> Iterator[None]:
        """Raise it only after the block: an execution whose id is not known yet could not be cancelled."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False
        if self._happened:
            raise Interrupted

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self._happened:
            return
        self._happened = True
        if not self._is_put_off:
            raise Interrupted
