"""When results are written, in which order, and what happens while Postgres is away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.store.records import RUN_ID, case_record, run_record

from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import CaseRecord, RunRecord
from testrun_operator.errors import SchemaTooNew, StoreUnavailable
from testrun_operator.store import writer as module
from testrun_operator.store.results import CaseKey, Written
from testrun_operator.store.writer import ResultWriter

DOWN = StoreUnavailable("connection refused")


@dataclass
class FakeStore:
    """A store that keeps what is written, and fails as often as it is told to."""

    faults: list[Exception] = field(default_factory=list)
    poison: frozenset[str] = frozenset()
    """Cases with which a batch takes longer than Postgres allows."""
    refused: frozenset[str] = frozenset()
    cases: dict[CaseKey, CaseRecord] = field(default_factory=dict)
    runs: dict[int, RunRecord] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    before_write: Callable[[], Awaitable[None]] | None = None

    async def migrate(self) -> tuple[int, ...]:
        """Note the call."""
        self.log.append("migrate")
        self._fail()
        return ()

    async def write_cases(self, records: list[CaseRecord], /) -> Written:
        """Keep the cases."""
        names = [record.outcome.case for record in records]
        self.log.append(f"cases {' '.join(names)}" if len(names) < 10 else f"{len(names)} cases")
        if self.before_write is not None:
            await self.before_write()
        self._fail()
        if self.poison.intersection(names):
            raise StoreUnavailable("canceling statement due to statement timeout")
        accepted = {(record.run_id, record.outcome.case): record for record in records}
        refused = {key: "no" for key in list(accepted) if key[1] in self.refused and accepted.pop(key)}
        self.cases.update(accepted)
        return Written(refused=refused)

    async def write_run(self, record: RunRecord, /) -> str | None:
        """Keep the summary."""
        self.log.append(f"run {record.run_id}")
        self._fail()
        self.runs[record.run_id] = record
        return None

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)


@dataclass
class Observer:
    """What the controller was told."""

    stored: list[tuple[int, frozenset[str], bool]] = field(default_factory=list)
    states: list[tuple[bool, str | None]] = field(default_factory=list)
    refused: list[tuple[int, str | None, str]] = field(default_factory=list)
    leads: bool = True

    def writer(self, store: FakeStore) -> ResultWriter:
        """Make a writer that tells this observer."""
        return ResultWriter(
            store,
            on_stored=lambda run_id, cases, run: self.stored.append((run_id, cases, run)),
            on_state=lambda available, message: self.states.append((available, message)),
            on_refused=lambda run_id, case, message: self.refused.append((run_id, case, message)),
            may_write=lambda: self.leads,
        )

    def stored_cases(self) -> list[str]:
        """Name the cases that were reported as stored, as often as they were."""
        return sorted(name for _, names, _ in self.stored for name in names)


@pytest.fixture
def observer() -> Observer:
    """Make the controller's ear."""
    return Observer()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once, so that outages in these tests are short."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_SECONDS", 0.005)
    monkeypatch.setattr(module, "FIRST_RETRY_DELAY_SECONDS", 0.001)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens inside the writer
            await asyncio.sleep(0.001)


async def test_a_submitted_case_is_stored_and_reported(observer: Observer) -> None:
    """Given a case, when it is submitted, then it is written and the controller is told once."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.start()
    writer.submit(case_record("a"))
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert observer.stored == [(RUN_ID, frozenset({"a"}), False)]
    assert observer.states == [(True, None)]
    assert (writer.written_total, writer.failures_total) == (1, 0)
    assert writer.last_success is not None


async def test_nothing_is_written_while_somebody_else_may_lead(observer: Observer) -> None:
    """Whoever was cut off knows less than its successor, and must not write over what that has stored."""
    store = FakeStore()
    writer = observer.writer(store)
    observer.leads = False
    writer.submit(case_record("a"))
    writer.submit_run(run_record(RUN_ID))
    writer.submit_run(run_record(RUN_ID + 1))
    writer.start()
    await _until(lambda: writer.failures_total > 1)
    assert (store.cases, store.runs, writer.pending) == ({}, {}, 3)
    assert observer.states == [(False, "nothing is written until the Lease is renewed")]
    observer.leads = True
    await _until(lambda: writer.pending == 0)
    assert observer.states[-1] == (True, None)
    observer.leads = False
    writer.submit(case_record("b"))
    assert await writer.close(0.01) == 1


async def test_cases_that_come_together_are_one_batch(observer: Observer) -> None:
    """Given a thousand cases at once, then they take five transactions and not a thousand."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.start()
    for number in range(1000):
        writer.submit(case_record(f"case-{number}"))
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert store.log == ["migrate", *["200 cases"] * 5]
    assert len(observer.stored_cases()) == 1000


async def test_a_summary_is_written_after_all_cases_of_its_run(observer: Observer) -> None:
    """Whoever sees the summary must find every row; a summary does not wait for another run's cases."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.submit_run(run_record(1))
    writer.submit(case_record("a", run_id=1))
    writer.submit(case_record("b", run_id=2))
    writer.submit_run(run_record(3))
    writer.start()
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert store.log == ["migrate", "run 3", "cases a b", "run 1"]
    assert observer.stored[-1] == (1, frozenset(), True)


async def test_the_same_record_is_written_once(observer: Observer) -> None:
    """The controller plans again and again and submits what it sees; that costs nothing."""
    store = FakeStore()
    writer = observer.writer(store)
    for _ in range(3):
        writer.submit(case_record("a"))
        writer.submit_run(run_record())
    assert writer.pending == 2
    writer.start()
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert store.log == ["migrate", "cases a", f"run {RUN_ID}"]


async def test_a_newer_record_is_not_lost_while_the_older_one_is_written(observer: Observer) -> None:
    """Given a write under way, when the case is submitted anew, then the newer record is written after it."""
    store = FakeStore()
    writer = observer.writer(store)
    newer = case_record("a", Verdict.FAILED, message="the baseline was not met")

    async def submit_newer() -> None:
        store.before_write = None
        writer.submit(newer)

    store.before_write = submit_newer
    writer.submit(case_record("a"))
    writer.submit_run(run_record())
    writer.start()
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert store.cases[RUN_ID, "a"] is newer
    assert store.log == ["migrate", "cases a", "cases a", f"run {RUN_ID}"]


async def test_an_outage_delays_results_and_loses_none(observer: Observer) -> None:
    """Given Postgres away at the start and again later, then all is stored, and the controller hears of each change."""
    store = FakeStore(faults=[DOWN, DOWN])
    writer = observer.writer(store)
    writer.start()
    writer.submit(case_record("a"))
    await _until(lambda: writer.pending == 0)
    store.faults = [StoreUnavailable("terminating connection"), DOWN]
    writer.submit(case_record("b"))
    writer.submit_run(run_record())
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert observer.stored_cases() == ["a", "b"]
    assert list(store.runs) == [RUN_ID]
    assert observer.states == [
        (False, "connection refused"),
        (True, None),
        (False, "terminating connection"),
        (False, "connection refused"),
        (True, None),
    ]
    assert writer.failures_total == 4


async def test_the_schema_is_looked_at_again_after_an_outage(observer: Observer) -> None:
    """A Postgres for trying out may come back empty."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.start()
    await _until(lambda: writer.last_success is not None)
    store.faults = [StoreUnavailable('relation "regression_results" does not exist')]
    writer.submit(case_record("a"))
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert store.log == ["migrate", "cases a", "migrate", "cases a"]


async def test_one_case_that_takes_too_long_does_not_hold_up_the_others(observer: Observer) -> None:
    """Given a case whose details Postgres cannot write in time, then every other case is stored."""
    store = FakeStore(poison=frozenset({"case-0"}))
    writer = observer.writer(store)
    writer.start()
    for number in range(50):
        writer.submit(case_record(f"case-{number}"))
    await _until(lambda: writer.pending == 1)
    assert await writer.close(0.01) == 1
    assert "case-0" not in observer.stored_cases()
    assert len(observer.stored_cases()) == 49


async def test_a_refused_record_is_set_aside_and_reported(observer: Observer) -> None:
    """What Postgres never accepts neither blocks the others nor is taken for stored."""
    store = FakeStore(refused=frozenset({"b"}))
    writer = observer.writer(store)
    for name in "abc":
        writer.submit(case_record(name))
    writer.submit_run(run_record())
    writer.start()
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert observer.stored_cases() == ["a", "c"]
    assert observer.refused == [(RUN_ID, "b", "no")]
    assert (writer.written_total, writer.refused_total) == (3, 1)


async def test_closing_writes_what_waits(observer: Observer) -> None:
    """An operator that is told to stop first stores what it has."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.start()
    writer.submit(case_record("a"))
    writer.submit_run(run_record())
    assert await writer.close(1) == 0
    assert (list(store.cases), list(store.runs)) == ([(RUN_ID, "a")], [RUN_ID])


async def test_closing_gives_up_after_its_time(observer: Observer) -> None:
    """With Postgres away, stopping takes no longer than the caller allows, and says what is left."""
    store = FakeStore(faults=[DOWN] * 100_000)
    writer = observer.writer(store)
    writer.start()
    writer.submit(case_record("a"))
    assert await writer.close(0.05) == 1
    assert observer.stored == []


async def test_closing_is_heard_also_where_a_cancellation_is_swallowed(
    observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a driver that swallows a cancellation, as Python 3.11's wait_for may, then closing asks again."""
    monkeypatch.setattr(module, "_CANCEL_SECONDS", 0.01)
    store = FakeStore()
    swallowed = []

    async def be_stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if swallowed:
                raise
            swallowed.append(True)
            await asyncio.sleep(60)

    store.before_write = be_stubborn
    writer = observer.writer(store)
    writer.start()
    writer.submit(case_record("a"))
    await _until(lambda: len(store.log) == 2)
    async with asyncio.timeout(5):
        assert await writer.close(0.01) == 1
    assert swallowed == [True]


async def test_a_newer_schema_ends_the_writer(observer: Observer) -> None:
    """An old operator must not write into tables that it does not understand; its process has to stop."""
    store = FakeStore(faults=[SchemaTooNew("version 7")])
    task = observer.writer(store).start()
    with pytest.raises(SchemaTooNew):
        await task
    assert observer.states == [(False, "version 7")]


async def test_records_of_later_executions_are_independent(observer: Observer) -> None:
    """The same case of two executions is two records."""
    store = FakeStore()
    writer = observer.writer(store)
    writer.submit(case_record("a", run_id=1))
    writer.submit(replace(case_record("a"), run_id=2))
    writer.start()
    await _until(lambda: writer.pending == 0)
    await writer.close(1)
    assert sorted(store.cases) == [(1, "a"), (2, "a")]
