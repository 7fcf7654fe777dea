"""Keeps the time: ends running statements on the server when the deadline comes, and says what takes long.

One thread looks after all sessions. Those who run statements only note what they are doing, which costs next to
nothing; where a statement takes longer than a moment the observer is told of it, so that even a process that is
killed in the middle has said what it was doing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

from testrun_operator.databases.base import Session
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.execution.notifier import Voice
from testrun_operator.kinds.sql.execution.texts import excerpt

_LOOK_SECONDS: Final = 0.2
"""How often is looked at what is being done."""
_CANCEL_SECONDS: Final = 0.3
"""A cancel may come between two statements, where it does nothing; so it is repeated."""


class OutOfTime(CaseError):
    """The deadline has come. Whatever a statement says from then on is no result of a test.

    Args:
        doing: what was being done, or was about to be.
        begun: whether it had begun.
    """

    def __init__(self, doing: "Doing", *, begun: bool) -> None:
        super().__init__(f"the time was over: {doing}")
        self.doing = doing
        self.begun = begun


@dataclass(frozen=True, slots=True)
class Doing:
    """What is being done."""

    text: str
    """The statement; or what else it is, for people."""
    place: Place | None = None
    since: float = 0.0
    """By the clock ``time.perf_counter``."""

    def __str__(self) -> str:
        return f"{self.place}: {excerpt(self.text)}" if self.place else excerpt(self.text)


class Watch:
    """What one thread is doing, and the session that it does it with."""

    __slots__ = ("_lock", "_session", "_watchdog", "doing")

    def __init__(self, watchdog: "Watchdog") -> None:
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._session: Session | None = None
        self.doing = Doing("nothing")

    @property
    def is_over(self) -> bool:
        """Whether the deadline has come."""
        return self._watchdog.is_over

    def begin(self, text: str, place: Place | None = None) -> None:
        """Note what is done from now on.

        Raises:
            OutOfTime: the deadline has come.
        """
        self.doing = Doing(text, place, time.perf_counter())
        if self._watchdog.is_over:
            raise self.out_of_time(begun=False)

    def check(self) -> None:
        """Look at the time after a statement.

        A statement that was cancelled may have handled that as any other error, and have ended as if nothing was.

        Raises:
            OutOfTime: the deadline has come.
        """
        if self._watchdog.is_over:
            raise self.out_of_time()

    def out_of_time(self, *, begun: bool = True) -> OutOfTime:
        """Return the exception for a statement that was ended, or was not begun, because the time was over."""
        self.release()
        return OutOfTime(self.doing, begun=begun)

    @contextmanager
    def guarding(self, session: Session) -> Iterator[None]:
        """Have the session's statement cancelled when the deadline comes in this block."""
        with self._lock:
            self._session = session
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Have nothing more cancelled: what comes now is clean-up."""
        with self._lock:
            self._session = None

    def cancel(self) -> None:
        """End the statement that runs; for the watchdog, which tries again if it cannot be ended."""
        with self._lock, suppress(CaseError):
            if self._session is not None:
                self._session.cancel()


class Watchdog:
    """Looks after all watches until the end of its block.

    Args:
        deadline: when the time is over, by the clock ``time.monotonic``; None for never.
        voice: is told of what takes long.
    """

    def __init__(self, deadline: float | None, voice: Voice) -> None:
        self._deadline = deadline
        self._voice = voice
        self._watches: list[Watch] = []
        self._told: dict[Watch, Doing] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="sql-watchdog", daemon=True)
        self.is_over = False
        """Whether the deadline has come."""

    def __enter__(self) -> Self:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.is_over = True
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def watch(self) -> Watch:
        """Return a watch for a thread."""
        watch = Watch(self)
        self._watches.append(watch)
        return watch

    def _look_after(self) -> None:
        while not self._ended.wait(self._pause()):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self.is_over = True
            for watch in tuple(self._watches):
                if self.is_over:
                    watch.cancel()
                self._tell(watch)

    def _pause(self) -> float:
        if self.is_over:
            return _CANCEL_SECONDS
        if self._deadline is None:
            return _LOOK_SECONDS
        return min(_LOOK_SECONDS, max(self._deadline - time.monotonic(), 0.0))

    def _tell(self, watch: Watch) -> None:
        doing = watch.doing
        if doing is not self._told.get(watch) and doing.since:
            self._told[watch] = doing
            self._voice.doing(str(doing))
