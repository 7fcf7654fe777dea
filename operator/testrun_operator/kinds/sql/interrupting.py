"""Ctrl-C, or the end of the pod: the statement that runs is cancelled on the server, and everything is left tidy.

The execution runs in a thread of its own, so that a signal is noticed whatever a driver is waiting for. Once it was
interrupted, every use of the database raises :class:`Interrupted`, which nobody catches: transactions are rolled back
and copies are dropped on the way out.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import TypeVar

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    Copies,
    Database,
    Routine,
    Rows,
    Session,
    Statement,
)
from testrun_operator.errors import CaseError

_Result = TypeVar("_Result")
_ECHO_SECONDS = 0.5
"""What starts programs, as make does, passes a signal on that the terminal has sent to them already."""
_LOOK_SECONDS = 0.2
"""A cancel may come between two statements, where it does nothing; so it is repeated."""


class Interrupted(BaseException):
    """The user has had enough, or the pod is being deleted.

    Not an Exception: nothing may take it for the outcome of a test.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """Whether the execution was interrupted, and what has to be cancelled then. May be used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self._happened: Interrupted | None = None

    def happen(self, why: Interrupted) -> None:
        """End all statements that run, now and from now on."""
        self._happened = why
        with self._lock:
            sessions = tuple(self._sessions)
        for session in sessions:
            with suppress(CaseError):
                session.cancel()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise :class:`Interrupted` in place of the block, or of whatever comes of it."""
        self._raise()
        try:
            yield
        except CaseError:
            self._raise()
            raise
        # A statement that was cancelled may have handled that as any other error.
        self._raise()

    def add(self, session: Session) -> None:
        """Have a session cancelled when it happens."""
        with self._lock:
            self._sessions.append(session)

    def remove(self, session: Session) -> None:
        """Forget a session."""
        with self._lock:
            self._sessions.remove(session)

    def _raise(self) -> None:
        if self._happened is not None:
            raise self._happened


def run_interruptibly(work: Callable[[], _Result], interruption: Interruption) -> _Result:
    """Do something in another thread until it is done or a signal (SIGINT, SIGTERM) comes.

    A second signal ends the process without waiting for anything.

    Args:
        work: what is to be done; uses the database through :class:`InterruptibleDatabase` only.
        interruption: of that database.

    Raises:
        Interrupted: a signal came.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)
        finally:
            done.set()

    why: Interrupted | None = None
    with collecting_signals() as received:
        threading.Thread(target=run, name="sql-tests", daemon=True).start()
        while not done.wait(_LOOK_SECONDS):
            if received:
                why = why or Interrupted(received[0])
                interruption.happen(why)
    if received:
        raise why or Interrupted(received[0])
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def collecting_signals() -> Iterator[list[int]]:
    """Collect signals in place of ending the process by them; a second one ends it.

    A signal that is ignored stays ignored. Shells start what a script puts in the background with SIGINT ignored, so
    that Ctrl-C ends what is in the foreground and nothing else (POSIX, Shell Command Language, 2.11).
    """
    received: list[int] = []
    last = 0.0

    def receive(number: int, _: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if received and now - last > _ECHO_SECONDS:
            raise Interrupted(number)
        last = now
        received.append(number)

    heeded = (number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN)
    before = {number: signal.signal(number, receive) for number in heeded}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class InterruptibleDatabase:
    """A database whose sessions can be interrupted.

    Args:
        database: the database.
        interruption: whether and when.
    """

    def __init__(self, database: Database, interruption: Interruption) -> None:
        self._database = database
        self._interruption = interruption

    @property
    def label(self) -> str:
        """What it is."""
        return self._database.label

    def connect(self) -> Session:
        """Open a session."""
        with self._interruption.guard():
            return InterruptibleSession(self._database.connect(), self._interruption)

    @contextmanager
    def copies(self, prefix: str) -> Iterator[Copies]:
        """Prepare copies."""
        with self._database.copies(prefix) as copies:
            yield InterruptibleCopies(copies, self._interruption)

    def close(self) -> None:
        """Give back what it holds."""
        self._database.close()


class InterruptibleCopies:
    """Copies whose sessions can be interrupted.

    Args:
        copies: the copies.
        interruption: whether and when.
    """

    def __init__(self, copies: Copies, interruption: Interruption) -> None:
        self._copies = copies
        self._interruption = interruption

    @property
    def template(self) -> Database:
        """A copy of the database."""
        return InterruptibleDatabase(self._copies.template, self._interruption)

    @contextmanager
    def copy(self) -> Iterator[Database]:
        """Make a copy of the template."""
        with self._interruption.guard():
            made = self._copies.copy()
        with made as database:
            yield InterruptibleDatabase(database, self._interruption)


class InterruptibleSession:
    """A session that can be interrupted.

    Args:
        session: the session.
        interruption: whether and when.
    """

    def __init__(self, session: Session, interruption: Interruption) -> None:
        self._session = session
        self._interruption = interruption
        interruption.add(session)

    def split(self, script: str) -> Sequence[Statement]:
        """Split a script."""
        return self._session.split(script)

    def execute(self, statement: str) -> int | None:
        """Run a statement."""
        with self._interruption.guard():
            return self._session.execute(statement)

    def query(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        with self._interruption.guard():
            return self._session.query(statement)

    def find_routines(self, name: str) -> Sequence[Routine]:
        """Find procedures and functions."""
        with self._interruption.guard():
            return self._session.find_routines(name)

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """Call a routine."""
        with self._interruption.guard():
            return self._session.call(routine, arguments)

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """Put rows into a table."""
        with self._interruption.guard():
            return self._session.load_rows(table, columns, rows)

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction, and roll it back."""
        return self._session.transaction()

    def transaction_is_whole(self) -> bool:
        """Whether everything since its begin will be rolled back."""
        with self._interruption.guard():
            return self._session.transaction_is_whole()

    def reset(self) -> None:
        """Bring the session back to how it was opened."""
        with self._interruption.guard():
            self._session.reset()

    def cancel(self) -> None:
        """End the statement that runs."""
        self._session.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._interruption.remove(self._session)
        self._session.close()
