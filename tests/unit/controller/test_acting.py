"""Creating and stopping the Jobs of attempts."""

from datetime import timedelta

import pytest

from support.builders import NOON, attempt_of, container_case, http_case, job, record_of, running_pod, suite_of
from support.memory_cluster import MemoryCluster
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.controller.acting import Actor
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import AskWhy, StartAttempt, StopAttempt
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, EVENTS, JOBS, Refused
from testrun_operator.kube.client import PODS as POD_RESOURCE
from testrun_operator.kube.outcomes import decode_outcome
from testrun_operator.kube.references import RunReference
from unit.controller.process import JUDGING, PODS

RUN = RunReference("team", "nightly", "uid-1")
LOG = "get", "v1/pods/log"


@pytest.fixture
def state() -> ExecutionState:
    """Return an execution that has just begun."""
    huge = http_case("huge", http={"connection": "api", "request": {"method": "POST", "body": {"text": "x" * 100_000}}})
    return ExecutionState.begin(RUN, record_of(suite_of(container_case("one"), container_case("two"), huge)))


@pytest.fixture
def actor(cluster: MemoryCluster) -> Actor:
    """Return what does as plans say."""
    return Actor(cluster.client, cluster.inventory, PODS, JUDGING)


def start(state: ExecutionState, case: str = "one") -> StartAttempt:
    """Return the first attempt of a case."""
    return StartAttempt(state.planned(case), 1, 0, 0)


def stop(seen: JobObservation, reason: Reason = Reason.CASE_TIMEOUT) -> StopAttempt:
    """Return the stop of an attempt that takes too long."""
    return StopAttempt(seen, attempt_of(verdict=Verdict.TIMED_OUT, reason=reason, message="too long", job=seen.name))


async def test_a_started_attempt_is_a_job_and_known_at_once(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """No watch has to show it before it counts."""
    assert await actor.act(state, [start(state)], {}, NOON) is None
    [body] = cluster.all(JOBS)
    [seen] = state.created.values()
    assert (seen.name, seen.created_at, seen.decided) == (body["metadata"]["name"], NOON, None)
    assert cluster.client.writes == {("create", JOBS): 1}


async def test_a_job_that_exists_already_is_adopted(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """409 says that the attempt was started before: by the last process, or by a call without an answer."""
    cluster.fail_next("create", JOBS, is_done=True)
    assert isinstance(await actor.act(state, [start(state)], {}, NOON), ClusterUnavailable)
    assert state.created == {}
    assert await actor.act(state, [start(state)], {}, NOON) is None
    assert (len(cluster.all(JOBS)), len(state.created)) == (1, 1)


async def test_a_large_case_gets_a_configmap_before_its_job(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """The pod could not start without it; one that exists already is fine."""
    cluster.fail_next("create", JOBS)
    await actor.act(state, [start(state, "huge")], {}, NOON)
    assert (len(cluster.all(CONFIGMAPS)), len(cluster.all(JOBS))) == (1, 0)
    assert await actor.act(state, [start(state, "huge")], {}, NOON) is None
    assert (len(cluster.all(CONFIGMAPS)), len(cluster.all(JOBS))) == (1, 1)


async def test_an_error_of_one_action_does_not_keep_the_others_from_being_done(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """The first error is handed back, so that the rest is tried again."""
    cluster.fail_next("create", JOBS)
    error = await actor.act(state, [start(state, "one"), start(state, "two")], {}, NOON)
    assert isinstance(error, ClusterUnavailable)
    assert [body["metadata"]["labels"][labels.CASE] for body in cluster.all(JOBS)] == ["two"]


async def test_a_job_that_is_refused_ends_its_attempt_as_configuration(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """Trying again would not help; the message is the API server's."""
    cluster.refuse_next("create", JOBS, 422, 'Job "one" is invalid: spec.x')
    assert await actor.act(state, [start(state)], {}, NOON) is None
    [seen] = state.created.values()
    assert seen.decided is not None
    assert (seen.decided.verdict, seen.decided.failure_class, seen.decided.reason) == (
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
        Reason.JOB_REJECTED,
    )
    assert seen.decided.message == 'the API server refused the Job: Job "one" is invalid: spec.x'


async def test_a_policy_that_refuses_a_job_is_told_by_its_name_and_message(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """What comes before them in the API server's answer would push the message out of the status."""
    name = "no-latest-images"
    said = (
        f"jobs.batch \"one\" is forbidden: ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: no"
    )
    cluster.refuse_next("create", JOBS, 403, said)
    await actor.act(state, [start(state)], {}, NOON)
    (seen,) = state.created.values()
    assert seen.decided is not None
    assert seen.decided.message == f"the API server refused the Job: ValidatingAdmissionPolicy '{name}': no"


async def test_a_quota_is_waited_for_and_then_an_infrastructure_fault(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """Others may give back what they use, up to the start timeout."""
    for moment in (NOON, NOON + timedelta(minutes=4, seconds=59)):
        cluster.refuse_next("create", JOBS, 403, "exceeded quota: pods=10")
        assert isinstance(await actor.act(state, [start(state)], {}, moment), ClusterUnavailable)
        assert state.created == {}
    cluster.refuse_next("create", JOBS, 403, "exceeded quota: pods=10")
    assert await actor.act(state, [start(state)], {}, NOON + timedelta(minutes=5)) is None
    [seen] = state.created.values()
    assert seen.decided is not None
    assert seen.decided.failure_class is FailureClass.INFRASTRUCTURE


async def test_a_quota_that_has_room_again_is_forgotten(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """The attempt starts as if nothing had been."""
    cluster.refuse_next("create", JOBS, 403, "exceeded quota: pods=10")
    await actor.act(state, [start(state)], {}, NOON)
    assert await actor.act(state, [start(state)], {}, NOON + timedelta(minutes=1)) is None
    assert [seen.decided for seen in state.created.values()] == [None]
    assert actor._refused_since == {}


async def test_a_stop_writes_the_outcome_and_ends_the_pod_in_one_patch(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """The outcome survives the operator; the end of the log is its evidence."""
    await actor.act(state, [start(state)], {}, NOON)
    body = cluster.job("one")
    pod = cluster.run_pod(body)["metadata"]["name"]
    cluster.logs[pod] = "\n".join(f"line {number}" for number in range(30))
    seen = job(name=body["metadata"]["name"], pod=running_pod(name=pod))
    cluster.client.calls.clear()
    assert await actor.act(state, [stop(seen)], {}, NOON) is None
    assert cluster.client.calls == {LOG: 1, ("patch", JOBS): 1}
    assert body["spec"]["activeDeadlineSeconds"] == 1
    outcome = decode_outcome(body["metadata"]["annotations"][labels.OUTCOME])
    assert outcome == state.decided[seen.name]
    assert (outcome.verdict, outcome.message) == (Verdict.TIMED_OUT, "too long")
    assert (outcome.evidence.log_tail or "").splitlines() == [f"line {number}" for number in range(10, 30)]


async def test_a_stop_does_without_a_log_that_cannot_be_had(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """Evidence is the best that can be had, never a reason not to stop."""
    await actor.act(state, [start(state)], {}, NOON)
    seen = job(name=cluster.job("one")["metadata"]["name"], pod=running_pod(name="gone"))
    assert await actor.act(state, [stop(seen)], {}, NOON) is None
    assert state.decided[seen.name].evidence.log_tail is None


def put_event(cluster: MemoryCluster, about: str, message: str, *, at: str, reason: str = "FailedCreate") -> None:
    """Let the Job controller write an Event."""
    cluster.put(
        EVENTS,
        {
            "metadata": {"name": f"event-{at}-{about}-{reason}", "namespace": "team"},
            "involvedObject": {"kind": "Job", "name": about},
            "type": "Warning",
            "reason": reason,
            "lastTimestamp": at,
            "message": message,
        },
    )


async def test_why_a_job_has_no_pod_is_found_in_its_events(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """Nothing else says it; the newest one counts, and those of other Jobs do not."""
    seen = job(name="mine")
    put_event(cluster, "mine", "Error creating: exceeded quota", at="2026-03-01T12:00:09Z")
    put_event(cluster, "mine", "Error creating: violates PodSecurity", at="2026-03-01T12:00:12Z")
    put_event(cluster, "mine", "Error creating: exceeded quota", at="2026-03-01T12:00:01Z")
    put_event(cluster, "mine", "too many pods", at="2026-03-01T12:00:30Z", reason="TooManySucceededPods")
    put_event(cluster, "other", "Error creating: of another", at="2026-03-01T12:00:30Z")
    assert await actor.act(state, [AskWhy(seen)], {}, NOON) is None
    assert state.refusals == {"mine": "violates PodSecurity"}
    assert state.asked == {"mine": NOON}


async def test_events_that_cannot_be_read_stop_nothing(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """It is asked again later; the start timeout ends the attempt in any case."""
    cluster.refuse_next("list", EVENTS, 403)
    assert await actor.act(state, [AskWhy(job(name="mine"))], {}, NOON) is None
    assert state.refusals == {}
    assert state.asked == {"mine": NOON}


async def test_a_job_that_is_gone_when_it_is_to_be_stopped_is_lost(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """404 says that somebody deleted it: an infrastructure fault, not what it was to be stopped with."""
    seen = job(name="gone")
    assert await actor.act(state, [stop(seen)], {}, NOON) is None
    lost = state.lost_jobs["gone"].decided
    assert isinstance(lost, AttemptOutcome)
    assert lost.reason is Reason.JOB_DELETED
    assert state.decided == {}
    assert cluster.all(POD_RESOURCE) == []


async def test_a_stop_that_fails_is_not_taken_for_done(
    cluster: MemoryCluster, state: ExecutionState, actor: Actor
) -> None:
    """An outcome counts only once it is written on the Job."""
    await actor.act(state, [start(state)], {}, NOON)
    seen = job(name=cluster.job("one")["metadata"]["name"])
    cluster.fail_next("patch", JOBS)
    assert isinstance(await actor.act(state, [stop(seen)], {}, NOON), ClusterUnavailable)
    cluster.refuse_next("patch", JOBS, 403)
    assert isinstance(await actor.act(state, [stop(seen)], {}, NOON), Refused)
    assert state.decided == {}
