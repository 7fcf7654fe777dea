"""The Lease: one operator acts, and the next one takes over when the first has gone silent, by its own clock."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from testrun_operator.errors import ClusterUnavailable, LeadershipLost
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import KubernetesClient
from testrun_operator.kube.lease import Lease

CONFLICT = Refused(409, "Conflict", "the object has been modified")
DURATION = 15
"""Seconds for which a Lease is its holder's."""


@dataclass
class Cluster:
    """An API server with one Lease, which keeps versions apart as the real one does."""

    lease: dict[str, Any] | None = None
    writes: int = 0

    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a new version."""
        self.writes += 1
        metadata = body["metadata"] | {"resourceVersion": str(self.writes)}
        self.lease = copy.deepcopy(body | {"metadata": metadata})
        return copy.deepcopy(self.lease)

    @property
    def spec(self) -> dict[str, Any]:
        """What the Lease says."""
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec


@dataclass
class Connection:
    """One operator's connection to it, which may fail on its own."""

    cluster: Cluster
    fault: Exception | None = None
    hangs: bool = False
    before_write: Callable[[], object] | None = None
    log: list[str] = field(default_factory=list)

    async def get(self, _resource: str, _namespace: str, _name: str) -> dict[str, Any] | None:
        """Read the Lease."""
        await self._reach("get")
        return copy.deepcopy(self.cluster.lease)

    async def create(self, _resource: str, _namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create the Lease, unless somebody was faster."""
        await self._reach("create")
        if self.cluster.lease is not None:
            raise Refused(409, "AlreadyExists", "already exists")
        return self.cluster.put(body)

    async def update(self, _resource: str, _namespace: str, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace the Lease, unless it was changed since it was read."""
        await self._reach("update")
        current = self.cluster.lease
        if current is None or current["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise CONFLICT
        return self.cluster.put(body)

    async def patch(self, _resource: str, _namespace: str, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Merge a patch into the Lease."""
        await self._reach("patch")
        assert self.cluster.lease is not None
        return self.cluster.put(self.cluster.lease | {"spec": self.cluster.spec | body["spec"]})

    async def _reach(self, verb: str) -> None:
        self.log.append(verb)
        if self.hangs:
            await asyncio.sleep(30)
            raise ClusterUnavailable("no answer within 30 s")
        await asyncio.sleep(0)
        if verb != "get" and self.before_write is not None:
            self.before_write()
        if self.fault is not None:
            raise self.fault


def lease_of(connection: Connection, holder: str) -> Lease:
    """Return the Lease as an operator sees it."""
    return Lease(cast("KubernetesClient", connection), "testrun-system", "testrun-operator", holder)


@pytest.fixture
def cluster() -> Cluster:
    """A cluster in which no operator ever was."""
    return Cluster()


@pytest.fixture
async def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loop's clock jump to the next thing that is due, so that a minute takes no time."""
    loop = asyncio.get_running_loop()
    selector = cast("Any", loop)._selector
    now, select = [loop.time()], selector.select

    def jump(timeout: float | None) -> list[Any]:
        if timeout is not None and timeout > 0:
            now[0] += timeout
            timeout = 0
        return cast("list[Any]", select(timeout))

    monkeypatch.setattr(selector, "select", jump)
    monkeypatch.setattr(loop, "time", lambda: now[0])


pytestmark = pytest.mark.usefixtures("_no_waiting")


async def seconds_of(waiting: Awaitable[object]) -> float:
    """Return how long something took by the loop's clock."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    await waiting
    return loop.time() - start


async def test_the_first_operator_gets_the_lease_at_once(cluster: Cluster) -> None:
    """It creates it, with everything that a Lease says."""
    took = await seconds_of(lease_of(Connection(cluster), "first").acquire())
    assert took < 1
    assert cluster.spec["holderIdentity"] == "first"
    assert cluster.spec["leaseDurationSeconds"] == DURATION
    assert cluster.spec["leaseTransitions"] == 0
    for moment in ("acquireTime", "renewTime"):
        assert abs(datetime.now(UTC) - datetime.fromisoformat(cluster.spec[moment])).total_seconds() < 60


async def test_a_second_operator_waits_while_the_first_renews(cluster: Cluster) -> None:
    """Two operators never act at the same time."""
    first, second = lease_of(Connection(cluster), "first"), lease_of(Connection(cluster), "second")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 300)
    assert cluster.spec["holderIdentity"] == "first"
    holding.cancel()


async def test_a_second_operator_takes_over_when_the_first_has_gone_silent(cluster: Cluster) -> None:
    """After the whole duration, and not much later."""
    await lease_of(Connection(cluster), "first").acquire()
    took = await seconds_of(lease_of(Connection(cluster), "second").acquire())
    assert DURATION < took < DURATION + 3
    assert cluster.spec["holderIdentity"] == "second"
    assert cluster.spec["leaseTransitions"] == 1


@pytest.mark.parametrize("renewed", ["1970-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z", None])
async def test_only_the_own_clock_counts(cluster: Cluster, renewed: str | None) -> None:
    """The clock of the holder's node may be wrong: what counts is how long the Lease was seen unchanged."""
    await lease_of(Connection(cluster), "first").acquire()
    cluster.spec["renewTime"] = renewed
    took = await seconds_of(lease_of(Connection(cluster), "second").acquire())
    assert DURATION < took < DURATION + 3


async def test_each_renewal_begins_the_waiting_anew(cluster: Cluster) -> None:
    """A holder that renews late is still the holder."""
    first, second = lease_of(Connection(cluster), "first"), lease_of(Connection(cluster), "second")
    await first.acquire()
    waiting = asyncio.create_task(seconds_of(second.acquire()))
    await asyncio.sleep(DURATION - 2)
    await first.acquire()
    took = await waiting
    assert 2 * DURATION - 3 < took < 2 * DURATION + 3


async def test_the_duration_is_that_of_the_holder(cluster: Cluster) -> None:
    """An operator of another release may ask for more time."""
    await lease_of(Connection(cluster), "first").acquire()
    cluster.spec["leaseDurationSeconds"] = 60
    assert 60 < await seconds_of(lease_of(Connection(cluster), "second").acquire()) < 63


async def test_a_restarted_operator_goes_on_at_once(cluster: Cluster) -> None:
    """The holder is the pod: its restarted container need not wait for the old one's lease to run out."""
    await lease_of(Connection(cluster), "first").acquire()
    acquired = cluster.spec["acquireTime"]
    assert await seconds_of(lease_of(Connection(cluster), "first").acquire()) < 1
    assert (cluster.spec["leaseTransitions"], cluster.spec["acquireTime"]) == (0, acquired)


async def test_a_lease_that_is_given_back_is_free_at_once(cluster: Cluster) -> None:
    """A rolling update does not stand still for the whole duration."""
    first = lease_of(Connection(cluster), "first")
    await first.acquire()
    await first.release()
    assert cluster.spec["holderIdentity"] == ""
    assert await seconds_of(lease_of(Connection(cluster), "second").acquire()) < 1
    assert cluster.spec["holderIdentity"] == "second"


async def test_only_the_own_lease_is_given_back(cluster: Cluster) -> None:
    """An operator that lost it and is stopped must not take it from the next one."""
    await lease_of(Connection(cluster), "second").acquire()
    connection = Connection(cluster)
    await lease_of(connection, "first").release()
    assert cluster.spec["holderIdentity"] == "second"
    assert connection.log == ["get"]


@pytest.mark.parametrize("fault", [ClusterUnavailable("no answer"), Refused(403, "Forbidden", "no"), None])
async def test_giving_back_never_fails(cluster: Cluster, fault: Exception | None) -> None:
    """The process is ending anyway; without a Lease there is nothing to give back."""
    await lease_of(Connection(cluster, fault=fault), "first").release()


async def test_of_two_that_are_equally_fast_one_gets_the_lease(cluster: Cluster) -> None:
    """The API server takes one of two creations or updates."""
    tasks = [asyncio.create_task(lease_of(Connection(cluster), name).acquire()) for name in ("first", "second")]
    done, waiting = await asyncio.wait(tasks, timeout=5)
    assert (len(done), len(waiting)) == (1, 1)
    for task in waiting:
        task.cancel()
    await asyncio.sleep(3 * DURATION)
    tasks = [asyncio.create_task(lease_of(Connection(cluster), name).acquire()) for name in ("third", "fourth")]
    done, waiting = await asyncio.wait(tasks, timeout=DURATION + 5)
    assert (len(done), len(waiting)) == (1, 1)
    for task in waiting:
        task.cancel()


async def test_a_server_that_does_not_answer_is_waited_for(cluster: Cluster) -> None:
    """An operator that starts during an outage begins when it is over."""
    connection = Connection(cluster, fault=ClusterUnavailable("no answer"))
    waiting = asyncio.create_task(lease_of(connection, "first").acquire())
    await asyncio.sleep(60)
    assert not waiting.done()
    connection.fault = None
    assert await seconds_of(waiting) < 3


async def test_a_missing_right_ends_the_waiting(cluster: Cluster) -> None:
    """Waiting does not help; the log says which right it is."""
    connection = Connection(cluster, fault=Refused(403, "Forbidden", 'cannot get resource "leases"'))
    with pytest.raises(Refused, match="leases"):
        await lease_of(connection, "first").acquire()


async def test_a_lease_that_says_nothing_is_free(cluster: Cluster) -> None:
    """Somebody made it by hand; every field of a Lease may be missing."""
    cluster.put({"metadata": {"name": "testrun-operator"}})
    assert await seconds_of(lease_of(Connection(cluster), "first").acquire()) < 1
    assert cluster.spec["holderIdentity"] == "first"


# -- holding ------------------------------------------------------------------------------------------------------


async def lost_after(lease: Lease, *, at_most: float = 600) -> float:
    """Hold a Lease until it is lost; return how long that took."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(lease.hold(), at_most)
    return loop.time() - start


async def test_a_lease_is_held_for_as_long_as_it_is_renewed(cluster: Cluster) -> None:
    """Every few seconds, and no oftener: renewals are most of what an idle operator asks of the API server."""
    lease = lease_of(Connection(cluster), "first")
    await lease.acquire()
    before = cluster.writes
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.hold(), 100)
    assert 15 <= cluster.writes - before <= 20


async def test_a_lease_that_another_one_has_is_lost(cluster: Cluster) -> None:
    """The operator stops before it acts again."""
    lease = lease_of(Connection(cluster), "first")
    await lease.acquire()
    cluster.spec["holderIdentity"] = "second"
    assert await lost_after(lease) < 6


async def test_a_lease_that_is_changed_while_it_is_renewed_is_lost(cluster: Cluster) -> None:
    """Between reading and writing somebody else was faster."""
    connection = Connection(cluster)
    lease = lease_of(connection, "first")
    await lease.acquire()
    connection.before_write = lambda: cluster.put(cluster.lease or {})
    assert await lost_after(lease) < 6


async def test_a_lease_that_is_deleted_is_created_anew(cluster: Cluster) -> None:
    """Somebody cleaned up; nobody else holds it."""
    lease = lease_of(Connection(cluster), "first")
    await lease.acquire()
    cluster.lease = None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease.hold(), 30)
    assert cluster.spec["holderIdentity"] == "first"


async def test_a_short_outage_does_not_cost_the_lease(cluster: Cluster) -> None:
    """One renewal may fail."""
    connection = Connection(cluster)
    lease = lease_of(connection, "first")
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    await asyncio.sleep(4)
    connection.fault = ClusterUnavailable("no answer")
    await asyncio.sleep(4)
    connection.fault = None
    await asyncio.sleep(60)
    assert not holding.done()
    holding.cancel()


@pytest.mark.parametrize("hangs", [False, True])
async def test_who_cannot_renew_may_not_write_before_another_one_may_begin(cluster: Cluster, *, hangs: bool) -> None:
    """Also where the API server does not refuse the connection but never answers."""
    connection = Connection(cluster)
    lease = lease_of(connection, "first")
    await lease.acquire()
    connection.hangs = hangs
    connection.fault = ClusterUnavailable("no answer")
    holding = asyncio.create_task(lease.hold())
    second = asyncio.create_task(seconds_of(lease_of(Connection(cluster), "second").acquire()))
    assert 0 < lease.seconds_left() < DURATION
    while lease.seconds_left() > 0:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.1)
    assert not second.done()
    await second
    assert not holding.done()
    holding.cancel()


async def test_an_outage_of_any_length_costs_no_lease_that_nobody_took(cluster: Cluster) -> None:
    """Nobody else can reach the API server either; when it is back, the operator may write again."""
    connection = Connection(cluster)
    lease = lease_of(connection, "first")
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    connection.fault = ClusterUnavailable("no answer")
    await asyncio.sleep(600)
    assert lease.seconds_left() < 0
    connection.fault = None
    await asyncio.sleep(10)
    assert lease.seconds_left() > 0
    assert not holding.done()
    holding.cancel()


async def test_a_lease_that_another_one_took_during_an_outage_is_lost(cluster: Cluster) -> None:
    """The first one notices as soon as it can reach the API server."""
    connection = Connection(cluster)
    lease = lease_of(connection, "first")
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    connection.fault = ClusterUnavailable("no answer")
    await lease_of(Connection(cluster), "second").acquire()
    connection.fault = None
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(holding, 30)


async def test_a_standby_is_told_that_it_is_one(cluster: Cluster) -> None:
    """By it the process counts as ready to take over; whoever gets the Lease at once was never a standby."""
    told: list[str] = []
    await lease_of(Connection(cluster), "first").acquire(lambda: told.append("first"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease_of(Connection(cluster), "second").acquire(lambda: told.append("second")), 5)
    assert set(told) == {"second"}


async def test_who_cannot_read_the_lease_is_no_standby(cluster: Cluster) -> None:
    """An operator that is cut off could not take over, and must not count as one that can."""
    told: list[str] = []
    cut_off = Connection(cluster, fault=ClusterUnavailable("no answer"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lease_of(cut_off, "first").acquire(lambda: told.append("first")), 5)
    assert told == []
