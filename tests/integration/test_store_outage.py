"""What becomes of results while Postgres is down, read-only, full, stuck, or does not know the password."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres
from tests.unit.store.records import case_record, detail, run_record

from testrun_operator.api.verdict import Verdict
from testrun_operator.errors import StoreUnavailable
from testrun_operator.store import queries, writer
from testrun_operator.store.results import ResultStore
from testrun_operator.store.settings import StoreSettings
from testrun_operator.store.writer import ResultWriter

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def _running() -> Iterator[PostgresServer]:
    with running_postgres(durable=True) as running:
        yield running


@pytest.fixture
def server(_running: PostgresServer) -> Iterator[PostgresServer]:
    """Give a server that a test may stop."""
    yield _running
    if not _running.is_running():
        _running.start()


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LONGEST_RETRY_DELAY_SECONDS", 1.0)


def _settings(server: PostgresServer, database: str, **others: float) -> StoreSettings:
    statement = others.pop("statement_timeout_seconds", 2)
    assert not others
    return StoreSettings(server.dsn(database), connect_timeout_seconds=1, statement_timeout_seconds=statement)


def _sessions(server: PostgresServer, database: str) -> list[int]:
    """Name the server's processes that work for the operator."""
    find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'testrun-operator' AND datname = "
    return [int(str(pid)) for (pid,) in server.execute(f"{find} '{database}'")]


def _end_sessions(server: PostgresServer, database: str) -> None:
    for pid in _sessions(server, database):
        server.execute(f"SELECT pg_terminate_backend({pid})")


@dataclass
class Writing:
    """A writer on a real store, and what it told."""

    store: ResultStore
    writer: ResultWriter = field(init=False)
    stored: list[tuple[int, str]] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    states: list[tuple[bool, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the writer tell this object."""
        self.writer = ResultWriter(
            self.store,
            on_stored=self.note,
            on_state=lambda available, message: self.states.append((available, message)),
        )

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something that the writer does."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for happens inside the writer
                await asyncio.sleep(0.005)

    def note(self, run_id: int, cases: frozenset[str], run: bool) -> None:
        """Remember what was stored."""
        self.stored += [(run_id, case) for case in cases]
        self.runs += [run_id] if run else []


@asynccontextmanager
async def _writing(settings: StoreSettings) -> AsyncIterator[Writing]:
    async with ResultStore(settings) as store:
        writing = Writing(store)
        writing.writer.start()
        yield writing
        await writing.writer.close(1)


async def test_the_operator_starts_while_postgres_is_down(server: PostgresServer) -> None:
    """Given no server, when results come, then they wait; given the server, then tables and rows are there."""
    database = server.new_database()
    server.stop()
    async with _writing(_settings(server, database)) as writing:
        writing.writer.submit(case_record("a", run_id=1))
        writing.writer.submit_run(run_record(1))
        await writing.until(lambda: bool(writing.states))
        assert writing.states[0][0] is False
        assert "connection refused" in str(writing.states[0][1]).lower()
        assert writing.writer.pending == 2
        server.start()
        await writing.until(lambda: writing.writer.pending == 0)
        assert await writing.store.passed_cases(1) == {"a"}
        assert writing.states[-1] == (True, None)
        assert writing.runs == [1]


async def test_a_server_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(server: PostgresServer) -> None:
    """Given 600 cases of three runs, when the server is killed and started twice meanwhile, then each is there once."""
    database = server.new_database()
    expected = {(run_id, f"case-{number}") for run_id in (1, 2, 3) for number in range(200)}
    async with _writing(_settings(server, database)) as writing:

        async def submit() -> None:
            for run_id in (1, 2, 3):
                for number in range(200):
                    details = tuple(detail(f"row {k}") for k in range(10))
                    writing.writer.submit(case_record(f"case-{number}", run_id=run_id, details=details))
                    await asyncio.sleep(0.005)
                writing.writer.submit_run(run_record(run_id))

        submitting = asyncio.create_task(submit())
        for outage in (1, 2):
            await writing.until(lambda outage=outage: len(writing.stored) >= 150 * outage)  # type: ignore[misc]
            await asyncio.to_thread(server.stop, "immediate")
            await writing.until(lambda outage=outage: writing.writer.failures_total >= outage)  # type: ignore[misc]
            await asyncio.to_thread(server.start)
        await submitting
        await writing.until(lambda: writing.writer.pending == 0)
        assert set(writing.stored) == expected
        assert writing.runs == [1, 2, 3]
    rows = server.execute("SELECT test_run_id, playbook_name FROM noetl_test.regression_results", database)
    assert len(rows) == 600
    assert set(rows) == expected
    assert server.execute("SELECT count(*) FROM noetl_test.regression_details", database) == [(6000,)]
    assert server.execute("SELECT count(*) FROM noetl_test.regression_summary", database) == [(3,)]


async def test_what_was_reported_as_stored_survives_the_death_of_the_server(server: PostgresServer) -> None:
    """The Jobs are given up when a case is reported as stored, so it has to be on the disk by then."""
    database = server.new_database()
    async with _writing(_settings(server, database)) as writing:
        for number in range(400):
            writing.writer.submit(case_record(f"case-{number}", run_id=1))
        await writing.until(lambda: len(writing.stored) > 0)
        reported = set(writing.stored)
        await asyncio.to_thread(server.stop, "immediate")
        await writing.writer.close(0)
    server.start()
    rows = server.execute("SELECT test_run_id, playbook_name FROM noetl_test.regression_results", database)
    assert reported <= set(rows)


async def test_a_restart_between_two_writes_is_not_noticed(server: PostgresServer) -> None:
    """A connection of the pool that died in the meantime is replaced before it is used."""
    database = server.new_database()
    async with ResultStore(_settings(server, database)) as store:
        await store.migrate()
        await store.write_cases([case_record("a")])
        server.stop("fast")
        server.start()
        await store.write_cases([case_record("b")])


async def test_a_read_only_database_is_waited_for(server: PostgresServer) -> None:
    """For instance a standby that is about to be promoted, or a full disk that an administrator looks after."""
    database = server.new_database()
    async with _writing(_settings(server, database)) as writing:
        await writing.until(lambda: bool(writing.states))
        server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        _end_sessions(server, database)
        writing.writer.submit(case_record("a", run_id=1))
        await writing.until(lambda: writing.states[-1][0] is False)
        assert "read-only" in str(writing.states[-1][1])
        server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        _end_sessions(server, database)
        await writing.until(lambda: writing.writer.pending == 0)
        assert await writing.store.passed_cases(1) == {"a"}


async def test_a_locked_table_is_waited_for(server: PostgresServer) -> None:
    """Somebody runs VACUUM FULL: the write gives up after its time, and another one succeeds."""
    database = server.new_database()
    async with _writing(_settings(server, database, statement_timeout_seconds=0.2)) as writing:
        await writing.until(lambda: bool(writing.states))
        async with await psycopg.AsyncConnection.connect(server.dsn(database)) as locking:
            await locking.execute("LOCK TABLE noetl_test.regression_results")
            writing.writer.submit(case_record("a", run_id=1))
            await writing.until(lambda: writing.states[-1][0] is False)
            assert "timeout" in str(writing.states[-1][1])
        await writing.until(lambda: writing.writer.pending == 0)


async def test_a_server_that_says_nothing_is_given_up(server: PostgresServer) -> None:
    """Given a server process that is stopped in the middle, then the client's own limit ends the wait."""
    database = server.new_database()
    async with ResultStore(_settings(server, database, statement_timeout_seconds=0.1)) as store:
        await store.migrate()
        find = (
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'testrun-operator'"
        )
        pids = [int(str(pid)) for (pid,) in server.execute(find)]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                with pytest.raises(StoreUnavailable):
                    await store.write_cases([case_record("a")])
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await store.write_cases([case_record("a")])


async def test_a_dropped_schema_is_made_again(server: PostgresServer) -> None:
    """A Postgres for trying out may come back empty; the operator need not be restarted for it."""
    database = server.new_database()
    async with _writing(_settings(server, database)) as writing:
        await writing.until(lambda: bool(writing.states))
        server.execute("DROP SCHEMA noetl_test CASCADE", database)
        writing.writer.submit(case_record("a", run_id=1))
        await writing.until(lambda: writing.writer.pending == 0)
        assert await writing.store.passed_cases(1) == {"a"}


async def test_too_many_connections_are_waited_for(server: PostgresServer) -> None:
    """Given a limit that others have used up, then results wait until one of them leaves."""
    database, user = server.new_database(), server.new_user()
    server.execute(f"ALTER DATABASE {database} OWNER TO {user}; ALTER ROLE {user} CONNECTION LIMIT 1")
    settings = StoreSettings(server.dsn(database, user), connect_timeout_seconds=1)
    other = await psycopg.AsyncConnection.connect(server.dsn(database, user))
    async with _writing(settings) as writing:
        writing.writer.submit(case_record("a", run_id=1))
        await writing.until(lambda: bool(writing.states))
        assert "too many connections" in str(writing.states[-1][1])
        await other.close()
        await writing.until(lambda: writing.writer.pending == 0)


async def test_the_password_is_never_shown(server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    """Given a wrong password, an unknown host, a dead server and a refused row, then no log, message or repr has it."""
    caplog.set_level(logging.DEBUG)
    database = server.new_database()
    wrong = "Wr0ng-pa55word"
    shown = []
    unreachable = (server.dsn(database, password=wrong), f"postgresql://user:{wrong}@host.invalid/db")
    for dsn in unreachable:
        settings = StoreSettings(dsn, connect_timeout_seconds=1)
        async with _writing(settings) as writing:
            writing.writer.submit(case_record("a", Verdict.FAILED))
            await writing.until(lambda: bool(writing.states))
            with pytest.raises(StoreUnavailable) as caught:
                await writing.store.ping()
        shown += [str(writing.states), repr(caught.value), repr(settings), repr(writing.store.database)]
        shown += [repr(caught.value.__cause__), repr(writing.store), repr(writing.writer)]
    async with ResultStore(_settings(server, database)) as store:
        await store.migrate()
        server.execute("ALTER TABLE noetl_test.regression_results ADD CHECK (NOT flaky AND false)", database)
        shown.append(repr(await store.write_cases([case_record("a")])))
        server.stop()
        with pytest.raises(StoreUnavailable) as gone:
            await store.ping()
        shown += [str(gone.value), caplog.text, *(str(vars(record)) for record in caplog.records)]
    everything = "\n".join(shown)
    assert "password authentication failed" in everything
    assert wrong not in everything
    assert PASSWORD not in everything


async def test_reading_without_tables_says_what_is_the_matter(server: PostgresServer) -> None:
    """The command line may ask before the operator was ever connected."""
    async with ResultStore(_settings(server, server.new_database())) as store:
        with pytest.raises(StoreUnavailable, match="the operator creates what is missing"):
            await queries.latest_runs(store.database)


async def test_opening_does_not_wait_for_a_server(server: PostgresServer) -> None:
    """The operator's start takes no time whether or not Postgres is there."""
    server.stop()
    started = time.monotonic()
    async with ResultStore(_settings(server, "postgres")):
        assert time.monotonic() - started < 0.5
