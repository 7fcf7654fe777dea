"""How the pool is closed at the end of the process."""

import asyncio

import pytest

from testrun_operator.store.database import Database
from testrun_operator.store.settings import StoreSettings


def database() -> Database:
    """Return a database whose server nobody reaches."""
    return Database(StoreSettings("host=192.0.2.1 dbname=results", schema="noetl_test"))


async def test_a_pool_whose_workers_were_cancelled_is_closed_all_the_same() -> None:
    """At its end kopf cancels every task that was started after it; the Lease must be given back after that."""
    before = asyncio.all_tasks()
    opened = database()
    await opened.open()
    workers = asyncio.all_tasks() - before
    assert workers
    for worker in workers:
        worker.cancel()
    await asyncio.sleep(0)
    await opened.close()
    await opened.close()


async def test_who_closes_a_pool_can_be_cancelled() -> None:
    """A cancellation that is meant for the one that waits is not swallowed."""
    opened = database()
    await opened.open()
    closing = asyncio.create_task(opened.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
