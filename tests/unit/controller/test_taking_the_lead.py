"""From a process that waits to one that acts: what its pod's readiness says meanwhile."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from testrun_operator.controller.main import take_the_lead
from testrun_operator.kube.lease import Lease


class HeldLease:
    """A Lease that is somebody else's until it is given back."""

    def __init__(self) -> None:
        self.given_back = asyncio.Event()

    async def acquire(self, on_standby: Callable[[], None] | None) -> None:
        """Wait until it is given back."""
        if on_standby is not None:
            on_standby()
        await self.given_back.wait()


@pytest.mark.parametrize("standby_is_ready", [True, False])
async def test_a_standby_is_ready_where_the_settings_say_so(*, standby_is_ready: bool) -> None:
    """A PodDisruptionBudget over two replicas lets nothing be drained if one of them is never ready."""
    lease, ready, stop = HeldLease(), asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(take_the_lead(cast("Lease", lease), ready, stop, standby_is_ready=standby_is_ready))
    await asyncio.sleep(0.01)
    assert ready.is_set() is standby_is_ready
    lease.given_back.set()
    await waiting
    assert not ready.is_set(), "who leads is ready when it has seen what there is"


async def test_a_standby_that_is_told_to_stop_stops() -> None:
    """A node is drained though the Lease is never given back."""
    lease, ready, stop = HeldLease(), asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(take_the_lead(cast("Lease", lease), ready, stop, standby_is_ready=True))
    await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(waiting, 5)
    assert not ready.is_set()
