"""What the controller knows of the storing of results."""

import asyncio
from collections.abc import Callable

import pytest

from support.builders import NOON, RUN_ID, outcome_of
from testrun_operator.api.phase import ConditionStatus, Phase
from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller import results as module
from testrun_operator.controller.results import ALL_STORED, Results
from testrun_operator.engine.outcome import Baseline, CaseRecord, RunRecord
from testrun_operator.errors import SchemaTooNew, StoreUnavailable
from testrun_operator.store.settings import StoreSettings
from unit.controller.process import MemoryStore

ID = int(RUN_ID)
SUMMARY = RunRecord(ID, "team", "nightly", "regression", None, Phase.PASSED, NOON, NOON, 1, 1, 0, 0, 0, 0, 0, 0, ())


def case(name: str) -> CaseRecord:
    """Return the record of a case that passed."""
    return CaseRecord(ID, "http", "GET /", None, outcome_of(name))


class Watched:
    """Results with Postgres in memory, and what they told."""

    def __init__(self, *, configured: bool = True) -> None:
        self.changes: list[int | None] = []
        self.fatal: list[BaseException] = []
        self._changed = asyncio.Event()
        settings = StoreSettings("postgresql://db/testrun") if configured else None
        self.results = Results(settings, self._note_change, self._note_fatal)

    def _note_change(self, run_id: int | None) -> None:
        self.changes.append(run_id)
        self._changed.set()

    def _note_fatal(self, error: BaseException) -> None:
        self.fatal.append(error)
        self._changed.set()

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a change makes something true."""
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def reason(self, *, over: bool) -> tuple[ConditionStatus, ConditionReason]:
        """Return status and reason of the condition."""
        storing = self.results.storing(ID, over=over)
        return storing.status, storing.reason


@pytest.fixture
def connected(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Let the results use Postgres in memory."""
    monkeypatch.setattr(module, "ResultStore", lambda _: store)
    return store


async def test_results_that_are_stored_are_told(connected: MemoryStore) -> None:
    """Unknown while cases run, False while the last ones are on their way, True with the summary."""
    watched = Watched()
    await watched.results.open()
    watched.results.submit_case(case("one"))
    assert watched.results.is_submitted(ID, "one")
    assert watched.reason(over=False) == (ConditionStatus.UNKNOWN, ConditionReason.STORING)
    assert watched.reason(over=True) == (ConditionStatus.FALSE, ConditionReason.STORING)
    assert not watched.results.is_done(ID)
    watched.results.submit_run(SUMMARY)
    await watched.wait_for(lambda: watched.results.is_stored(ID))
    assert watched.results.storing(ID, over=True) == ALL_STORED
    assert watched.results.is_done(ID)
    assert watched.changes[-1] == ID
    assert connected.runs == {ID: SUMMARY}
    await watched.results.close()
    assert not connected.is_open


async def test_what_is_handed_over_twice_is_written_once(connected: MemoryStore) -> None:
    """Every look hands everything over again."""
    watched = Watched()
    await watched.results.open()
    for _ in range(2):
        watched.results.submit_case(case("one"))
        watched.results.submit_run(SUMMARY)
    assert watched.results._writer is not None
    assert watched.results._writer.pending == 2
    await watched.results.close()
    assert (len(connected.cases), len(connected.runs)) == (1, 1)


async def test_an_outage_is_told_with_its_cause_and_its_end(connected: MemoryStore) -> None:
    """The condition says that outcomes wait; all runs are looked at when that changes."""
    connected.problem = "connection refused"
    watched = Watched()
    await watched.results.open()
    watched.results.submit_case(case("one"))
    watched.results.submit_run(SUMMARY)
    await watched.wait_for(lambda: watched.changes == [None])
    storing = watched.results.storing(ID, over=False)
    assert (storing.status, storing.reason) == (ConditionStatus.FALSE, ConditionReason.STORE_UNAVAILABLE)
    assert "connection refused" in storing.message
    assert not watched.results.is_done(ID)
    connected.problem = None
    await watched.wait_for(lambda: watched.results.is_stored(ID))
    assert watched.reason(over=True) == (ConditionStatus.TRUE, ConditionReason.STORED)
    await watched.results.close()


async def test_what_postgres_never_accepts_is_told_with_the_case(connected: MemoryStore) -> None:
    """Nothing waits for it: the rest is stored, and the Jobs may go."""
    connected.refused = {"odd"}
    watched = Watched()
    await watched.results.open()
    for name in ("odd", "one"):
        watched.results.submit_case(case(name))
    watched.results.submit_run(SUMMARY)
    await watched.wait_for(lambda: watched.results.is_done(ID) and connected.runs)
    storing = watched.results.storing(ID, over=True)
    assert (storing.status, storing.reason) == (ConditionStatus.FALSE, ConditionReason.STORE_REFUSED)
    assert storing.message == "Postgres does not accept case odd: too odd"
    assert not watched.results.is_stored(ID)
    await watched.results.close()


async def test_without_postgres_the_condition_says_so_and_nothing_waits() -> None:
    """The status is all there is then."""
    watched = Watched(configured=False)
    await watched.results.open()
    watched.results.submit_case(case("one"))
    watched.results.submit_run(SUMMARY)
    assert watched.reason(over=True) == (ConditionStatus.FALSE, ConditionReason.STORE_NOT_CONFIGURED)
    assert (watched.results.is_configured, watched.results.is_done(ID), watched.results.is_stored(ID)) == (
        False,
        True,
        False,
    )
    assert await watched.results.baselines(["one"]) == {}
    with pytest.raises(StoreUnavailable, match="without Postgres"):
        await watched.results.passed_cases(ID)
    await watched.results.close()


async def test_a_schema_that_is_too_new_is_fatal(connected: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that cannot store anything any more must not go on as if it could."""
    error = SchemaTooNew("the schema is of version 9")

    async def migrate() -> tuple[int, ...]:
        raise error

    monkeypatch.setattr(connected, "migrate", migrate)
    watched = Watched()
    await watched.results.open()
    await watched.wait_for(lambda: watched.fatal)
    assert watched.fatal == [error]
    await watched.results.close()


async def test_what_is_forgotten_can_be_handed_over_again(connected: MemoryStore) -> None:
    """A run that is gone leaves nothing behind in memory."""
    watched = Watched()
    await watched.results.open()
    watched.results.submit_case(case("one"))
    watched.results.forget(ID)
    assert not watched.results.is_submitted(ID, "one")
    await watched.results.close()
    assert len(connected.cases) == 1


async def test_earlier_verdicts_and_baselines_come_from_postgres(connected: MemoryStore) -> None:
    """They are what a new execution asks for."""
    connected.passed = frozenset({"one"})
    connected.rows = {"one": Baseline("one", min_events=3)}
    watched = Watched()
    assert await watched.results.passed_cases(ID) == {"one"}
    assert await watched.results.baselines(["one", "two"]) == connected.rows
