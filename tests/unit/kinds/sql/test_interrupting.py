"""Ctrl-C while database tests run."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    Copies,
    Database,
    NotPossible,
    Routine,
    Rows,
    Session,
    Statement,
    StatementCancelled,
)
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.interrupting import (
    Interrupted,
    InterruptibleDatabase,
    Interruption,
    collecting_signals,
    run_interruptibly,
)

pytestmark = pytest.mark.usefixtures("foreground")

ROUTINE = Routine("divide", "divide()", (), is_function=False)


class SlowSession:
    """A session whose statements run until they are cancelled."""

    def __init__(self, *, obeys: bool = True) -> None:
        self.began = threading.Event()
        self.cancelled = threading.Event()
        self.closed = False
        self._obeys = obeys

    def _wait(self) -> None:
        self.began.set()
        assert self.cancelled.wait(20)
        if self._obeys:
            raise StatementCancelled

    def split(self, script: str) -> Sequence[Statement]:
        """Give one statement."""
        return [Statement(script, 1)]

    def execute(self, statement: str) -> int | None:
        """Wait."""
        self._wait()
        return len(statement)

    def query(self, statement: str) -> Rows:
        """Wait."""
        self._wait()
        return Rows((statement,), ())

    def find_routines(self, name: str) -> Sequence[Routine]:
        """Wait."""
        self._wait()
        return [Routine(name, name, (), is_function=False)]

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """Wait."""
        self._wait()
        return CallResult(tuple((routine.name, argument.value) for argument in arguments))  # type: ignore[misc]

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """Wait."""
        self._wait()
        return len([table, *columns, *rows])

    def transaction(self) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def transaction_is_whole(self) -> bool:
        """Wait."""
        self._wait()
        return True

    def reset(self) -> None:
        """Wait."""
        self._wait()

    def cancel(self) -> None:
        """End the wait."""
        if self.began.is_set():
            self.cancelled.set()

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class OneSession:
    """A database, or copies of it, with this session."""

    label = "slow"

    def __init__(self, session: SlowSession) -> None:
        self.session = session
        self.dropped = False

    @property
    def template(self) -> Database:
        """Give itself."""
        return self

    def connect(self) -> Session:
        """Give the session."""
        return self.session

    @contextmanager
    def copies(self, prefix: str) -> Iterator[Copies]:
        """Give itself, and remember the end."""
        assert prefix
        try:
            yield self
        finally:
            self.dropped = True

    @contextmanager
    def copy(self) -> Iterator[Database]:
        """Give itself."""
        yield self

    def close(self) -> None:
        """Do nothing."""


def send(number: signal.Signals, when: threading.Event, after: float = 0.0) -> None:
    """Send a signal to this process once something has happened, and some seconds after that."""

    def wait_and_send() -> None:
        assert when.wait(20)
        time.sleep(after)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait_and_send, daemon=True).start()


def interrupt(
    work: Callable[[Session], object], session: SlowSession, number: signal.Signals = signal.SIGINT
) -> Interrupted:
    """Do something with a session, and interrupt it once its statement runs."""
    interruption = Interruption()
    database = InterruptibleDatabase(OneSession(session), interruption)
    send(number, session.began)
    with pytest.raises(Interrupted) as caught:
        run_interruptibly(lambda: work(database.connect()), interruption)
    return caught.value


@pytest.mark.parametrize(
    "work",
    [
        lambda session: session.execute("SELECT 1"),
        lambda session: session.query("SELECT 1"),
        lambda session: session.find_routines("divide"),
        lambda session: session.call(ROUTINE, []),
        lambda session: session.load_rows("users", ["id"], []),
        lambda session: session.transaction_is_whole(),
        lambda session: session.reset(),
    ],
)
@pytest.mark.parametrize("obeys", [True, False])
def test_whatever_runs_is_cancelled_on_the_server(work: Callable[[Session], object], obeys: bool) -> None:
    """Also where the subject catches that as it catches every error, and goes on."""
    session = SlowSession(obeys=obeys)
    interrupt(work, session)
    assert session.cancelled.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt_and_their_handlers_are_put_back(number: signal.Signals) -> None:
    """CI servers send the second one."""
    before = signal.getsignal(number)
    assert interrupt(lambda session: session.execute("SELECT 1"), SlowSession(), number).number == number
    assert signal.getsignal(number) is before


def test_nothing_takes_it_for_the_outcome_of_a_test() -> None:
    """The execution catches what databases raise; this is not from a database."""

    def work(session: Session) -> str:
        try:
            session.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - as an execution might
            return "caught"
        return "done"

    interrupt(work, SlowSession())


def test_no_statement_begins_afterwards_and_the_session_can_be_closed() -> None:
    """AFTER fixtures would be statements, too."""
    session = SlowSession()

    def work(wrapped: Session) -> None:
        with pytest.raises(Interrupted):
            wrapped.execute("SELECT 1")
        session.began.clear()
        try:
            wrapped.execute("DELETE FROM users")
        finally:
            wrapped.close()

    interrupt(work, session)
    assert session.closed
    assert not session.began.is_set()


def test_copies_are_dropped() -> None:
    """Nothing is left on the server."""
    session = SlowSession()
    database = OneSession(session)
    interruption = Interruption()

    def work() -> None:
        with InterruptibleDatabase(database, interruption).copies("x") as copies, copies.copy() as copy:
            copies.template.connect().close()
            copy.connect().execute("SELECT 1")

    send(signal.SIGINT, session.began)
    with pytest.raises(Interrupted):
        run_interruptibly(work, interruption)
    assert database.dropped


def test_a_second_signal_does_not_wait() -> None:
    """For a server that does not answer any more."""
    began = threading.Event()
    received = threading.Event()

    class Impatient(Interruption):
        """Says when the first signal was noticed."""

        def happen(self, why: Interrupted) -> None:
            """Note it."""
            super().happen(why)
            received.set()

    def work() -> None:
        began.set()
        time.sleep(60)

    send(signal.SIGINT, began)
    send(signal.SIGINT, received, after=0.6)
    with pytest.raises(Interrupted):
        run_interruptibly(work, Impatient())


def test_a_signal_that_comes_twice_at_once_is_one() -> None:
    """Ctrl-C reaches all programs of a terminal, and some pass it on to those that they started."""
    with collecting_signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
    assert received == [signal.SIGINT, signal.SIGTERM]


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """A script has put the command in the background, so that Ctrl-C does not end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with collecting_signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_without_a_signal_the_result_and_the_errors_come_through() -> None:
    """As if it had been called directly."""
    session = SlowSession()
    database = InterruptibleDatabase(OneSession(session), Interruption())
    assert run_interruptibly(lambda: 7, Interruption()) == 7
    assert database.label == "slow"
    wrapped = database.connect()
    assert [statement.text for statement in wrapped.split("SELECT 1")] == ["SELECT 1"]
    with wrapped.transaction():
        session.began.set()
        wrapped.cancel()
        with pytest.raises(StatementCancelled):
            wrapped.execute("SELECT 1")

    def fail() -> None:
        raise NotPossible("no")

    with pytest.raises(CaseError, match="no"):
        run_interruptibly(fail, Interruption())
