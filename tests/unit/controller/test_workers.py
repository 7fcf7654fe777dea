"""Workers: what a mark leads to, and what an error does."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from testrun_operator.controller import workers
from testrun_operator.controller.workers import Workers
from testrun_operator.errors import ClusterUnavailable, LeadershipLost

Look = Callable[[str], Awaitable[datetime | None]]


class Looks:
    """Notes which keys were looked at, and does what a test says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.answers: dict[str, list[datetime | Exception | None]] = {}
        self.fatal: list[BaseException] = []
        self._looked = asyncio.Event()
        self.workers = Workers("key", self.look, lambda: datetime.now(UTC), self.fatal.append)

    async def look(self, key: str) -> datetime | None:
        """Look at a key."""
        self.seen.append(key)
        self._looked.set()
        answer = self.answers[key].pop(0) if self.answers.get(key) else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait_for(self, count: int) -> None:
        """Wait until so many looks were made."""
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self._looked.clear()
                await self._looked.wait()

    async def rest(self) -> None:
        """Wait for longer than marks are gathered."""
        for _ in range(10):
            await asyncio.sleep(workers.GATHER_SECONDS)


@pytest_asyncio.fixture
async def looks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Looks]:
    """Return workers with short delays, and close them at the end."""
    monkeypatch.setattr(workers, "GATHER_SECONDS", 0.005)
    monkeypatch.setattr(workers, "FIRST_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(workers, "LONGEST_DELAY_SECONDS", 0.04)
    made = Looks()
    yield made
    await made.workers.close()


async def test_marks_of_a_moment_become_one_look(looks: Looks) -> None:
    """A Job's end makes several events within milliseconds."""
    for _ in range(5):
        looks.workers.mark("a")
    await looks.rest()
    assert looks.seen == ["a"]


async def test_a_mark_during_a_look_becomes_one_further_look(looks: Looks) -> None:
    """What happened after the look had begun may not be missed."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    seen = []

    async def look(key: str) -> None:
        seen.append(key)
        begun.set()
        await go_on.wait()

    busy = Workers("key", look, lambda: datetime.now(UTC), looks.fatal.append)
    busy.mark("a")
    await begun.wait()
    busy.mark("a")
    busy.mark("a")
    go_on.set()
    await looks.rest()
    assert seen == ["a", "a"]
    await busy.close()


async def test_keys_are_looked_at_side_by_side(looks: Looks) -> None:
    """A look that takes long holds up no other key."""
    done = []

    async def look(key: str) -> None:
        await asyncio.sleep(60 if key == "slow" else 0)
        done.append(key)

    side_by_side = Workers("key", look, lambda: datetime.now(UTC), looks.fatal.append)
    side_by_side.mark("slow")
    side_by_side.mark("quick")
    await looks.rest()
    assert done == ["quick"]
    await side_by_side.close()


async def test_the_time_to_look_again_is_kept(looks: Looks) -> None:
    """A key is looked at again at its time, though nothing happened."""
    due = datetime.now(UTC) + timedelta(seconds=0.1)
    looks.answers["a"] = [due]
    looks.workers.mark("a")
    await looks.rest()
    assert looks.seen == ["a"]
    await looks.wait_for(2)
    assert datetime.now(UTC) >= due


async def test_a_mark_comes_before_the_time_to_look_again(looks: Looks) -> None:
    """What happens is not left until the time that was named."""
    looks.answers["a"] = [datetime.now(UTC) + timedelta(hours=1)]
    looks.workers.mark("a")
    await looks.rest()
    looks.workers.mark("a")
    await looks.wait_for(2)
    assert looks.seen == ["a", "a"]


async def test_a_time_to_look_again_that_has_passed_is_now(looks: Looks) -> None:
    """Nothing waits for a moment in the past."""
    looks.answers["a"] = [datetime.now(UTC) - timedelta(hours=1)]
    looks.workers.mark("a")
    await looks.wait_for(2)


async def test_a_transient_error_is_tried_again_with_a_growing_delay(
    looks: Looks, caplog: pytest.LogCaptureFixture
) -> None:
    """The delay doubles up to its longest."""
    looks.answers["a"] = [ClusterUnavailable("no answer")] * 3
    looks.workers.mark("a")
    await looks.wait_for(4)
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == [0.02, 0.04, 0.04]
    assert all("no answer" in record.getMessage() for record in caplog.records)


async def test_a_success_makes_the_delay_short_again(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    """An outage an hour ago says nothing of the next one."""
    error = ClusterUnavailable("no answer")
    looks.answers["a"] = [error, error, datetime.now(UTC), error]
    looks.workers.mark("a")
    await looks.wait_for(5)
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == [0.02, 0.04, 0.02]


async def test_a_defect_in_one_key_stops_no_other(looks: Looks) -> None:
    """An error that nobody expected is tried again, and harms nobody else."""
    looks.answers["bad"] = [ValueError("defect")] * 100
    looks.workers.mark("bad")
    looks.workers.mark("good")
    await looks.wait_for(4)
    looks.workers.mark("good")
    await looks.rest()
    assert looks.seen.count("good") == 2
    assert looks.fatal == []


async def test_a_fatal_error_is_reported(looks: Looks) -> None:
    """It ends the process, so its key is not looked at again."""
    error = LeadershipLost("another operator holds the Lease")
    looks.answers["a"] = [error]
    looks.workers.mark("a")
    await looks.rest()
    assert (looks.fatal, looks.seen) == ([error], ["a"])


async def test_close_cancels_what_is_under_way(looks: Looks) -> None:
    """Nothing of value lives in a worker; later marks do nothing."""
    cancelled = []

    async def look(key: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    closing = Workers("key", look, lambda: datetime.now(UTC), looks.fatal.append)
    closing.mark("a")
    closing.mark("b")
    await looks.rest()
    async with asyncio.timeout(1):
        await closing.close()
    closing.mark("c")
    await looks.rest()
    assert sorted(cancelled) == ["a", "b"]
    assert closing._tasks == {}


async def test_a_key_at_rest_keeps_nothing(looks: Looks) -> None:
    """Runs come and go; a worker without work is gone."""
    looks.workers.mark("a")
    await looks.rest()
    assert (looks.workers._tasks, looks.workers._marks) == ({}, {})


async def test_a_wait_after_an_error_ends_when_something_happens(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation, or a verdict, does not wait until half a minute is over."""
    monkeypatch.setattr(workers, "FIRST_DELAY_SECONDS", 60)
    monkeypatch.setattr(workers, "WOKEN_DELAY_SECONDS", 0.02)
    looks.answers["a"] = [ClusterUnavailable("no answer")]
    looks.workers.mark("a")
    await looks.wait_for(1)
    looks.workers.mark("a")
    await looks.wait_for(2)


async def test_a_storm_of_events_makes_no_hot_loop_of_the_retries(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mark ends the wait no sooner than after the shortest one."""
    monkeypatch.setattr(workers, "FIRST_DELAY_SECONDS", 60)
    monkeypatch.setattr(workers, "LONGEST_DELAY_SECONDS", 60)
    monkeypatch.setattr(workers, "WOKEN_DELAY_SECONDS", 0.1)
    looks.answers["a"] = [ClusterUnavailable("no answer")] * 1000
    looks.workers.mark("a")
    for _ in range(50):
        looks.workers.mark("a")
        await asyncio.sleep(0.01)
    assert 2 <= len(looks.seen) <= 6


async def test_a_server_that_asks_to_be_left_alone_is(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    """Its Retry-After is waited for, whatever happens meanwhile."""
    looks.answers["a"] = [ClusterUnavailable("too many", 0.3)]
    looks.workers.mark("a")
    await looks.wait_for(1)
    began = asyncio.get_running_loop().time()
    looks.workers.mark("a")
    await looks.wait_for(2)
    assert asyncio.get_running_loop().time() - began > 0.25
    assert "is tried again in 0.3 s" in caplog.text


async def test_workers_end_though_a_mark_comes_at_the_same_moment(looks: Looks) -> None:
    """When everything is read anew, events come while the old workers are ended; they must not go on waiting."""
    looks.answers["a"] = [datetime.now(UTC) + timedelta(hours=1)]
    looks.workers.mark("a")
    await looks.wait_for(1)
    await looks.rest()
    looks.workers.mark("a")
    async with asyncio.timeout(0.9):
        await looks.workers.close()
    assert looks.seen == ["a"]


async def test_a_worker_keeps_nothing_of_the_context_in_which_its_key_was_marked() -> None:
    """Kopf's handlers run in one that has the whole object; the worker of a run lives as long as the run."""
    variable = contextvars.ContextVar[str]("variable", default="")
    seen: list[str] = []

    async def look(_: str) -> datetime | None:
        seen.append(variable.get())
        return None

    workers = Workers("key", look, lambda: datetime.now(UTC), lambda _: None)
    variable.set("the object of a handler")
    workers.mark("one")
    async with asyncio.timeout(5):
        while not seen:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    await workers.close()
    assert seen == [""]
