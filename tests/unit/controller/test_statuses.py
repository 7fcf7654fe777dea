"""Writes of statuses: as few as possible."""

from datetime import timedelta

import pytest

from support.builders import NOON
from support.memory_cluster import MemoryCluster
from testrun_operator.api.phase import Phase
from testrun_operator.controller.cache import RunView
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import TESTRUNS
from testrun_operator.resources.status import TestRunStatus

STATUS = f"{TESTRUNS}/status"
RUNNING = TestRunStatus(observed_generation=1, phase=Phase.RUNNING, run_id="7", success_rate="50.00")
PASSED = TestRunStatus(observed_generation=1, phase=Phase.PASSED, run_id="7")


@pytest.fixture
def statuses(cluster: MemoryCluster) -> StatusWriter:
    """Return a writer, and make a run."""
    cluster.apply_run("nightly", {})
    return StatusWriter(cluster.client, timedelta(milliseconds=800), cluster.clock)


def view(cluster: MemoryCluster) -> RunView:
    """Return the run as the watch shows it."""
    found = cluster.cache.run(("team", "nightly"))
    assert found is not None
    return found


async def test_a_status_that_is_the_same_is_not_written(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """Neither compared with the watch nor with what was written last."""
    assert await statuses.write(view(cluster), TestRunStatus()) is None
    assert cluster.client.calls == {}
    run = view(cluster)
    await statuses.write(run, RUNNING)
    cluster.pass_time(10)
    await statuses.write(run, RUNNING)
    assert cluster.client.calls == {("patch", STATUS): 1}


async def test_one_status_is_written_an_interval(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """A status that comes sooner gets the time at which to come back."""
    await statuses.write(view(cluster), RUNNING)
    cluster.pass_time(0.5)
    assert await statuses.write(view(cluster), PASSED) == NOON + timedelta(milliseconds=800)
    assert cluster.status("nightly")["phase"] == "Running"
    cluster.now = NOON + timedelta(milliseconds=800)
    assert await statuses.write(view(cluster), PASSED) is None
    assert cluster.status("nightly")["phase"] == "Passed"


async def test_a_status_may_be_written_at_once(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """The end of a run does not wait for the interval."""
    await statuses.write(view(cluster), RUNNING)
    assert await statuses.write(view(cluster), PASSED, at_once=True) is None
    assert cluster.status("nightly")["phase"] == "Passed"


async def test_a_run_that_is_gone_is_fine(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """It was deleted in the meantime; nobody reads its status."""
    run = view(cluster)
    cluster.delete(TESTRUNS, "nightly")
    assert await statuses.write(run, RUNNING) is None


async def test_another_refusal_is_an_error(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """A status that is not accepted is a defect or a missing right, which must show."""
    cluster.refuse_next("patch", STATUS, 403)
    with pytest.raises(Refused):
        await statuses.write(view(cluster), RUNNING)


async def test_a_status_that_was_not_answered_is_written_again(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """Only what is known to be written counts as written."""
    cluster.fail_next("patch", STATUS)
    with pytest.raises(ClusterUnavailable):
        await statuses.write(view(cluster), RUNNING)
    await statuses.write(view(cluster), RUNNING)
    assert cluster.status("nightly")["phase"] == "Running"


async def test_our_last_write_counts_before_the_watch_shows_it(cluster: MemoryCluster, statuses: StatusWriter) -> None:
    """A watch that lags behind must not take a run back in time; a forgotten run is read anew."""
    cluster.lag_behind()
    await statuses.write(view(cluster), RUNNING)
    assert statuses.newest(view(cluster)) == RUNNING
    assert statuses.subject(view(cluster)).previous == RUNNING
    statuses.forget(view(cluster).reference.uid)
    assert statuses.newest(view(cluster)) == TestRunStatus()
