"""WorkQueue: what an event leads to, and what an error does."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from testrun_operator.controller import work_queue
from testrun_operator.controller.work_queue import WorkQueue
from testrun_operator.errors import ClusterUnavailable, LeadershipLost

Reconcile = Callable[[str], Awaitable[datetime | None]]


class Reconciliations:
    """Notes which keys were reconciled, and does what a test says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.answers: dict[str, list[datetime | Exception | None]] = {}
        self.fatal: list[BaseException] = []
        self._event = asyncio.Event()
        self.workers = WorkQueue("key", self.reconcile, lambda: datetime.now(UTC), self.fatal.append)

    async def reconcile(self, key: str) -> datetime | None:
        """Look at a key."""
        self.seen.append(key)
        self._event.set()
        answer = self.answers[key].pop(0) if self.answers.get(key) else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait_for(self, count: int) -> None:
        """Wait until so many reconciled were made."""
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self._event.clear()
                await self._event.wait()

    async def rest(self) -> None:
        """Wait for longer than events are gathered."""
        for _ in range(10):
            await asyncio.sleep(work_queue.GATHER_SECONDS)


@pytest_asyncio.fixture
async def reconciled(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reconciliations]:
    """Return a work queue with short delays, and close them at the end."""
    monkeypatch.setattr(work_queue, "GATHER_SECONDS", 0.005)
    monkeypatch.setattr(work_queue, "FIRST_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(work_queue, "LONGEST_DELAY_SECONDS", 0.04)
    made = Reconciliations()
    yield made
    await made.workers.close()


async def test_events_of_a_moment_become_one_reconciliation(reconciled: Reconciliations) -> None:
    """A Job's end makes several events within milliseconds."""
    for _ in range(5):
        reconciled.workers.enqueue("a")
    await reconciled.rest()
    assert reconciled.seen == ["a"]


async def test_an_event_during_a_reconciliation_becomes_one_further_one(reconciled: Reconciliations) -> None:
    """What happened after it had begun may not be missed."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    seen = []

    async def reconcile(key: str) -> None:
        seen.append(key)
        begun.set()
        await go_on.wait()

    busy = WorkQueue("key", reconcile, lambda: datetime.now(UTC), reconciled.fatal.append)
    busy.enqueue("a")
    await begun.wait()
    busy.enqueue("a")
    busy.enqueue("a")
    go_on.set()
    await reconciled.rest()
    assert seen == ["a", "a"]
    await busy.close()


async def test_keys_are_reconciled_side_by_side(reconciled: Reconciliations) -> None:
    """A reconciliation that takes long holds up no other key."""
    done = []

    async def reconcile(key: str) -> None:
        await asyncio.sleep(60 if key == "slow" else 0)
        done.append(key)

    side_by_side = WorkQueue("key", reconcile, lambda: datetime.now(UTC), reconciled.fatal.append)
    side_by_side.enqueue("slow")
    side_by_side.enqueue("quick")
    await reconciled.rest()
    assert done == ["quick"]
    await side_by_side.close()


async def test_the_time_to_be_enqueued_again_is_kept(reconciled: Reconciliations) -> None:
    """A key is reconciled again at its time, though nothing happened."""
    due = datetime.now(UTC) + timedelta(seconds=1)  # longer than to come to rest, also on a busy machine
    reconciled.answers["a"] = [due]
    reconciled.workers.enqueue("a")
    await reconciled.rest()
    assert reconciled.seen == ["a"]
    await reconciled.wait_for(2)
    assert datetime.now(UTC) >= due


async def test_an_event_comes_before_the_time_to_be_enqueued_again(reconciled: Reconciliations) -> None:
    """What happens is not left until the time that was named."""
    reconciled.answers["a"] = [datetime.now(UTC) + timedelta(hours=1)]
    reconciled.workers.enqueue("a")
    await reconciled.rest()
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(2)
    assert reconciled.seen == ["a", "a"]


async def test_a_time_to_be_enqueued_again_that_has_passed_is_now(reconciled: Reconciliations) -> None:
    """Nothing waits for a moment in the past."""
    reconciled.answers["a"] = [datetime.now(UTC) - timedelta(hours=1)]
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(2)


async def test_a_transient_error_is_tried_again_with_a_growing_delay(
    reconciled: Reconciliations, caplog: pytest.LogCaptureFixture
) -> None:
    """The delay doubles up to its longest."""
    reconciled.answers["a"] = [ClusterUnavailable("no answer")] * 3
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(4)
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == [0.02, 0.04, 0.04]
    assert all("no answer" in record.getMessage() for record in caplog.records)


async def test_a_success_makes_the_delay_short_again(
    reconciled: Reconciliations, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage an hour ago says nothing of the next one."""
    error = ClusterUnavailable("no answer")
    reconciled.answers["a"] = [error, error, datetime.now(UTC), error]
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(5)
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == [0.02, 0.04, 0.02]


async def test_a_defect_in_one_key_stops_no_other(reconciled: Reconciliations) -> None:
    """An error that nobody expected is tried again, and harms nobody else."""
    reconciled.answers["bad"] = [ValueError("defect")] * 100
    reconciled.workers.enqueue("bad")
    reconciled.workers.enqueue("good")
    await reconciled.wait_for(4)
    reconciled.workers.enqueue("good")
    await reconciled.rest()
    assert reconciled.seen.count("good") == 2
    assert reconciled.fatal == []


async def test_a_fatal_error_is_reported(reconciled: Reconciliations) -> None:
    """It ends the process, so its key is not reconciled again."""
    error = LeadershipLost("another operator holds the Lease")
    reconciled.answers["a"] = [error]
    reconciled.workers.enqueue("a")
    await reconciled.rest()
    assert (reconciled.fatal, reconciled.seen) == ([error], ["a"])


async def test_close_cancels_what_is_under_way(reconciled: Reconciliations) -> None:
    """Nothing of value lives in a worker; later events do nothing."""
    cancelled = []

    async def reconcile(key: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    closing = WorkQueue("key", reconcile, lambda: datetime.now(UTC), reconciled.fatal.append)
    closing.enqueue("a")
    closing.enqueue("b")
    await reconciled.rest()
    async with asyncio.timeout(1):
        await closing.close()
    closing.enqueue("c")
    await reconciled.rest()
    assert sorted(cancelled) == ["a", "b"]
    assert closing._tasks == {}


async def test_a_key_at_rest_keeps_nothing(reconciled: Reconciliations) -> None:
    """Runs come and go; a worker without work is gone."""
    reconciled.workers.enqueue("a")
    await reconciled.rest()
    assert (reconciled.workers._tasks, reconciled.workers._events) == ({}, {})


async def test_a_wait_after_an_error_ends_when_something_happens(
    reconciled: Reconciliations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancellation, or a verdict, does not wait until half a minute is over."""
    monkeypatch.setattr(work_queue, "FIRST_DELAY_SECONDS", 60)
    monkeypatch.setattr(work_queue, "WOKEN_DELAY_SECONDS", 0.02)
    reconciled.answers["a"] = [ClusterUnavailable("no answer")]
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(1)
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(2)


async def test_a_storm_of_events_makes_no_hot_loop_of_the_retries(
    reconciled: Reconciliations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event ends the wait no sooner than after the shortest one."""
    monkeypatch.setattr(work_queue, "FIRST_DELAY_SECONDS", 60)
    monkeypatch.setattr(work_queue, "LONGEST_DELAY_SECONDS", 60)
    monkeypatch.setattr(work_queue, "WOKEN_DELAY_SECONDS", 0.1)
    reconciled.answers["a"] = [ClusterUnavailable("no answer")] * 1000
    reconciled.workers.enqueue("a")
    for _ in range(50):
        reconciled.workers.enqueue("a")
        await asyncio.sleep(0.01)
    assert 2 <= len(reconciled.seen) <= 6


async def test_a_server_that_asks_to_be_left_alone_is(
    reconciled: Reconciliations, caplog: pytest.LogCaptureFixture
) -> None:
    """Its Retry-After is waited for, whatever happens meanwhile."""
    reconciled.answers["a"] = [ClusterUnavailable("too many", 0.3)]
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(1)
    began = asyncio.get_running_loop().time()
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(2)
    assert asyncio.get_running_loop().time() - began > 0.25
    assert "is tried again in 0.3 s" in caplog.text


async def test_workers_end_though_a_mark_comes_at_the_same_moment(reconciled: Reconciliations) -> None:
    """When everything is read anew, events come while the old workers are ended; they must not go on waiting."""
    reconciled.answers["a"] = [datetime.now(UTC) + timedelta(hours=1)]
    reconciled.workers.enqueue("a")
    await reconciled.wait_for(1)
    await reconciled.rest()
    reconciled.workers.enqueue("a")
    async with asyncio.timeout(0.9):
        await reconciled.workers.close()
    assert reconciled.seen == ["a"]


async def test_a_worker_keeps_nothing_of_the_context_in_which_its_key_was_marked() -> None:
    """Kopf's handlers run in one that has the whole object; the worker of a run lives as long as the run."""
    variable = contextvars.ContextVar[str]("variable", default="")
    seen: list[str] = []

    async def reconcile(_: str) -> datetime | None:
        seen.append(variable.get())
        return None

    workers = WorkQueue("key", reconcile, lambda: datetime.now(UTC), lambda _: None)
    variable.set("the object of a handler")
    workers.enqueue("one")
    async with asyncio.timeout(5):
        while not seen:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    await workers.close()
    assert seen == [""]
