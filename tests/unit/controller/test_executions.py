"""What is laid over what the watches say, until they say it too."""

from dataclasses import replace

import pytest

from support.builders import (
    NOON,
    RUN,
    RUN_ID,
    attempt_of,
    container_case,
    ended_pod,
    job,
    record_of,
    running_pod,
    seconds,
    suite_of,
)
from testrun_operator.api.reason import Reason
from testrun_operator.controller.cache import ClusterCache
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.engine.observation import JobObservation, PodObservation


@pytest.fixture
def state() -> ExecutionState:
    """Return an execution of one case of which nothing is known."""
    return ExecutionState.begin(RUN, record_of(suite_of(container_case("one"))))


def showing(*jobs: JobObservation, pods: tuple[PodObservation, ...] = ()) -> ClusterCache:
    """Return what the watches say: some Jobs, and pods of the first one's name."""
    return ClusterCache(
        runs_index={},
        suites_index={},
        records_index={},
        jobs_index={(RUN.namespace, RUN_ID): jobs},
        pods_index={(RUN.namespace, "job-one-1"): pods},
        deployments_index={},
        services_index={},
    )


def test_a_created_job_counts_until_it_is_shown(state: ExecutionState) -> None:
    """Afterwards what the watch says counts alone."""
    state.created["job-one-1"] = job()
    assert state.observe(showing(), NOON) == (job(),)
    seen = job(test_failures=1)
    assert state.observe(showing(seen), NOON) == (seen,)
    assert state.created == {}


def test_a_decided_outcome_counts_until_it_is_shown(state: ExecutionState) -> None:
    """A Job that was stopped is not judged again in between."""
    outcome = attempt_of()
    state.decided["job-one-1"] = outcome
    assert state.observe(showing(job()), NOON)[0].decided == outcome
    assert state.observe(showing(job(decided=outcome)), NOON)[0].decided == outcome
    assert state.decided == {}


def test_a_job_is_seen_with_its_pod(state: ExecutionState) -> None:
    """Jobs and pods are watched apart and judged together."""
    assert state.observe(showing(job(), pods=(running_pod(),)), NOON)[0].pod == running_pod()


def test_a_lost_job_stays_seen_with_its_end(state: ExecutionState) -> None:
    """Whether or not a watch still shows it, its attempt is not started again."""
    state.lose_job(job(), NOON)
    for cache in (showing(), showing(job())):
        [seen] = state.observe(cache, NOON)
        assert seen.decided is not None
        assert seen.decided.reason is Reason.JOB_DELETED


def test_a_lost_job_keeps_the_outcome_that_it_had(state: ExecutionState) -> None:
    """A Job that was stopped and then deleted ended as it was stopped."""
    outcome = attempt_of()
    state.decided["job-one-1"] = outcome
    state.lose_job(job(), NOON)
    assert state.observe(showing(), NOON)[0].decided == outcome


def test_a_job_that_is_lost_twice_is_lost_once(state: ExecutionState) -> None:
    """The first thing that was known of its end stays."""
    outcome = attempt_of()
    state.lose_job(job(decided=outcome), NOON)
    state.lose_job(job(), NOON)
    assert state.observe(showing(), NOON)[0].decided == outcome


def test_a_job_that_is_deleted_after_its_pod_had_ended_counts_by_its_pod(state: ExecutionState) -> None:
    """A policy has put ttlSecondsAfterFinished on it: both may be seen in the same moment."""
    state.lose_job(job(), NOON + seconds(12))
    assert state.observe(showing(), NOON)[0].decided is not None
    state.lose_pod("job-one-1", ended_pod(deleted=True, disturbed_at=NOON + seconds(11)))
    [seen] = state.observe(showing(), NOON)
    assert (seen.decided, seen.pod is not None) == (None, True)


def test_a_job_that_is_deleted_while_its_pod_runs_is_lost(state: ExecutionState) -> None:
    """How the container ends then says nothing."""
    state.lose_job(job(), NOON + seconds(9))
    state.lose_pod("job-one-1", ended_pod(143, deleted=True, disturbed_at=NOON + seconds(9)))
    [seen] = state.observe(showing(), NOON)
    assert seen.decided is not None
    assert seen.decided.reason is Reason.JOB_DELETED


def test_a_lost_pod_is_seen_as_deleted(state: ExecutionState) -> None:
    """Its attempt is over, also where the Job controller makes another pod."""
    state.lose_pod("job-one-1", running_pod())
    assert state.observe(showing(job()), NOON)[0].pod == running_pod(deleted=True, gone=True)
    second = running_pod(name="second")
    assert state.observe(showing(job(), pods=(second,)), NOON)[0].pod == running_pod(deleted=True, gone=True)


def test_a_lost_pod_that_had_ended_counts_by_its_end(state: ExecutionState) -> None:
    """A pod that reported and was then removed has reported."""
    state.lose_pod("job-one-1", ended_pod())
    state.lose_pod("job-one-1", replace(ended_pod(), terminated=None))
    assert state.observe(showing(job()), NOON)[0].pod == ended_pod(gone=True)
