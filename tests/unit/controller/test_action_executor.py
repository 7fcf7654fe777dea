"""Creating and stopping the Jobs of attempts."""

import asyncio
from datetime import timedelta

import pytest

from support.builders import NOON, attempt_of, container_case, http_case, job, record_of, running_pod, suite_of
from support.memory_cluster import MemoryCluster
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.controller.action_executor import Acted, ActionExecutor
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import AskWhy, StartAttempt, StopAttempt
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, EVENTS, JOBS
from testrun_operator.kube.client import PODS as POD_RESOURCE
from testrun_operator.kube.outcomes import decode_outcome
from testrun_operator.kube.references import RunReference
from unit.controller.process import JUDGING, PODS

RUN = RunReference("team", "nightly", "uid-1")
SOON = NOON + timedelta(seconds=1)
LOG = "get", "v1/pods/log"


@pytest.fixture
def state() -> ExecutionState:
    """Return an execution that has just begun."""
    huge = http_case("huge", http={"connection": "api", "request": {"method": "POST", "body": {"text": "x" * 100_000}}})
    return ExecutionState.begin(RUN, record_of(suite_of(container_case("one"), container_case("two"), huge)))


@pytest.fixture
def executor(cluster: MemoryCluster) -> ActionExecutor:
    """Return what does as plans say."""
    return ActionExecutor(cluster.client, cluster.cache, PODS, JUDGING)


def start(state: ExecutionState, case: str = "one") -> StartAttempt:
    """Return the first attempt of a case."""
    return StartAttempt(state.planned(case), 1, 0, 0)


def stop(seen: JobObservation, reason: Reason = Reason.CASE_TIMEOUT) -> StopAttempt:
    """Return the stop of an attempt that takes too long."""
    return StopAttempt(seen, attempt_of(verdict=Verdict.TIMED_OUT, reason=reason, message="too long", job=seen.name))


async def test_a_started_attempt_is_a_job_and_known_at_once(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """No watch has to show it before it counts."""
    assert await executor.act(state, [start(state)], {}, NOON) == Acted()
    [body] = cluster.all(JOBS)
    [seen] = state.created.values()
    assert (seen.name, seen.created_at, seen.decided) == (body["metadata"]["name"], NOON, None)
    assert cluster.client.writes == {("create", JOBS): 1}


async def test_a_job_that_exists_already_is_adopted(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """409 says that the attempt was started before: by the last process, or by a call without an answer."""
    cluster.fail_next("create", JOBS, is_done=True)
    assert (await executor.act(state, [start(state)], {}, NOON)).again_at == SOON
    assert state.created == {}
    assert await executor.act(state, [start(state)], {}, SOON) == Acted()
    assert (len(cluster.all(JOBS)), len(state.created)) == (1, 1)


async def test_a_large_case_gets_a_configmap_before_its_job(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """The pod could not start without it; one that exists already is fine."""
    cluster.fail_next("create", JOBS)
    await executor.act(state, [start(state, "huge")], {}, NOON)
    assert (len(cluster.all(CONFIGMAPS)), len(cluster.all(JOBS))) == (1, 0)
    assert await executor.act(state, [start(state, "huge")], {}, SOON) == Acted()
    assert (len(cluster.all(CONFIGMAPS)), len(cluster.all(JOBS))) == (1, 1)


async def test_an_error_of_one_action_does_not_keep_the_others_from_being_done(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """What was refused is tried again by itself."""
    cluster.fail_next("create", JOBS)
    assert await executor.act(state, [start(state, "one"), start(state, "two")], {}, NOON) == Acted(SOON)
    assert [body["metadata"]["labels"][labels.CASE] for body in cluster.all(JOBS)] == ["two"]


async def test_a_job_that_is_refused_ends_its_attempt_as_configuration(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """Trying again would not help; the message is the API server's."""
    cluster.refuse_next("create", JOBS, 422, 'Job "one" is invalid: spec.x')
    assert await executor.act(state, [start(state)], {}, NOON) == Acted()
    [seen] = state.created.values()
    assert seen.decided is not None
    assert (seen.decided.verdict, seen.decided.failure_class, seen.decided.reason) == (
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
        Reason.JOB_REJECTED,
    )
    assert seen.decided.message == 'the API server refused the Job: Job "one" is invalid: spec.x'


async def test_a_policy_that_refuses_a_job_is_told_by_its_name_and_message(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """What comes before them in the API server's answer would push the message out of the status."""
    name = "no-latest-images"
    said = (
        f"jobs.batch \"one\" is forbidden: ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: no"
    )
    cluster.refuse_next("create", JOBS, 403, said)
    await executor.act(state, [start(state)], {}, NOON)
    (seen,) = state.created.values()
    assert seen.decided is not None
    assert seen.decided.message == f"the API server refused the Job: ValidatingAdmissionPolicy '{name}': no"


QUOTA = 'jobs.batch "one" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: 1, limited: 1'
CONTENTION = 'Operation cannot be fulfilled on resourcequotas "small": the object has been modified'
NO_RIGHT = 'jobs.batch is forbidden: User "operator" cannot create resource "jobs" in API group "batch"'
PASSING: dict[str, Exception] = {
    "401, as the client tells it": ClusterUnavailable("the API server does not accept the operator's credential (401)"),
    "403 of a quota": Refused(403, "Forbidden", QUOTA),
    "403 of a missing right": Refused(403, "Forbidden", NO_RIGHT),
    "403 of a namespace that ends": Refused(403, "Forbidden", "being terminated", ["NamespaceTerminating"]),
    "404 of the namespace": Refused(404, "NotFound", 'namespaces "team" not found'),
    "409 of a quota that others change": Refused(409, "Conflict", CONTENTION),
    "410": ClusterUnavailable("the API server answered 410"),
    "429": ClusterUnavailable("the API server answered 429"),
    "500": ClusterUnavailable("the API server answered 500"),
    "503": ClusterUnavailable("the API server answered 503"),
    "504": ClusterUnavailable("the API server answered 504"),
    "no answer": ClusterUnavailable("create: ServerDisconnectedError"),
}
LASTING = {
    "400": Refused(400, "BadRequest", "cannot be handled"),
    "403 of a policy": Refused(403, "Forbidden", "ValidatingAdmissionPolicy 'x' denied request: no"),
    "403 of what a quota demands": Refused(403, "Forbidden", "failed quota: small: must specify requests.cpu"),
    "413": Refused(413, "RequestEntityTooLarge", "limit is 3145728"),
    "422": Refused(422, "Invalid", "spec.template: Required value"),
}


@pytest.mark.parametrize("resource", [JOBS, CONFIGMAPS])
@pytest.mark.parametrize("what", PASSING)
async def test_an_answer_that_may_pass_decides_nothing_and_is_tried_again_alone(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor, what: str, resource: str
) -> None:
    """However often: only the run's timeout limits it. Nothing exists meanwhile, and no budget is touched."""
    moment = NOON
    for delay in (1, 2, 4, 8, 16, 30, 30):
        cluster.answer_next("create", resource, PASSING[what])
        acted = await executor.act(state, [start(state, "huge")], {}, moment)
        assert acted == Acted(moment + timedelta(seconds=delay))
        assert acted.again_at is not None
        assert (state.created, state.refused_starts) == ({}, 1)
        calls = cluster.client.calls.total()
        too_soon = acted.again_at - timedelta(milliseconds=1)
        assert (await executor.act(state, [start(state, "huge")], {}, too_soon)).again_at is not None
        assert cluster.client.calls.total() == calls
        moment = acted.again_at
    assert await executor.act(state, [start(state, "huge")], {}, moment) == Acted()
    assert [seen.decided for seen in state.created.values()] == [None]
    assert (state.holds.by_action, state.refused_starts) == ({}, 0)


@pytest.mark.parametrize("what", LASTING)
async def test_an_answer_to_what_was_asked_ends_the_attempt(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor, what: str
) -> None:
    """Trying again would not help: it is the case's configuration, or a rule that it breaks."""
    cluster.answer_next("create", JOBS, LASTING[what])
    assert await executor.act(state, [start(state)], {}, NOON) == Acted()
    [seen] = state.created.values()
    assert seen.decided is not None
    assert (seen.decided.failure_class, seen.decided.reason) == (FailureClass.CONFIGURATION, Reason.JOB_REJECTED)


@pytest.mark.parametrize("what", PASSING)
async def test_a_stop_that_is_refused_is_tried_again_and_holds_up_nothing(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor, what: str
) -> None:
    """Whatever the answer: an attempt has to be ended, and other cases go on."""
    await executor.act(state, [start(state)], {}, NOON)
    seen = job(name=cluster.job("one")["metadata"]["name"])
    error = PASSING[what]
    if isinstance(error, Refused) and (error.is_not_found or error.is_conflict):
        return  # of a patch, these are the Job's: see below
    cluster.answer_next("patch", JOBS, error)
    assert await executor.act(state, [stop(seen), start(state, "two")], {}, NOON) == Acted(SOON)
    assert len(cluster.all(JOBS)) == 2
    assert await executor.act(state, [stop(seen)], {}, SOON) == Acted()
    assert seen.name in state.decided


async def test_a_server_that_asks_for_time_gets_it(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """429 with Retry-After: 20."""
    cluster.answer_next("create", JOBS, ClusterUnavailable("too many requests", 20.0))
    assert await executor.act(state, [start(state)], {}, NOON) == Acted(NOON + timedelta(seconds=20))


async def test_a_quota_that_is_full_is_tried_by_one_job_at_a_time(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """The others wait with it: all of them together would only take its answers away from one another."""
    starts = [start(state, "one"), start(state, "two")]
    for _ in starts:
        cluster.answer_next("create", JOBS, Refused(403, "Forbidden", QUOTA))
    assert await executor.act(state, starts, {}, NOON) == Acted(SOON)
    cluster.answer_next("create", JOBS, Refused(403, "Forbidden", QUOTA))
    cluster.client.calls.clear()
    acted = await executor.act(state, starts, {}, SOON)
    assert cluster.client.calls == {("create", JOBS): 1}
    assert acted == Acted(SOON + timedelta(seconds=2))
    assert state.refused_starts == 2
    assert (await executor.act(state, starts, {}, SOON + timedelta(seconds=2))).again_at is not None
    assert len(cluster.all(JOBS)) == 1
    assert await executor.act(state, starts[1:], {}, SOON + timedelta(seconds=3)) == Acted()
    assert len(cluster.all(JOBS)) == 2


async def test_an_outage_is_waited_for_once_and_not_by_every_call(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """Calls that have not begun when one went unanswered would only have the look wait for each of them."""
    cluster.is_down = True
    executor._places = asyncio.Semaphore(1)
    await executor.act(state, [start(state, "one"), start(state, "two"), start(state, "huge")], {}, NOON)
    assert cluster.client.calls.total() == 2
    assert state.refused_starts == 3


async def test_a_pod_that_a_quota_refuses_is_shown_to_the_job_controller_again(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """It waits for up to a minute otherwise, and the place is empty; one Job of a namespace at a time."""
    await executor.act(state, [start(state, "one"), start(state, "two")], {}, NOON)
    names = [body["metadata"]["name"] for body in cluster.all(JOBS)]
    for name in names:
        put_event(cluster, name, 'pods "x" is forbidden: exceeded quota: a, used: pods=1', at="2026-03-01T12:00:09Z")
    cluster.client.calls.clear()
    assert await executor.act(state, [AskWhy(job(name=name)) for name in names], {}, NOON) == Acted()
    assert cluster.client.writes == {("patch", JOBS): 1}
    changed = [body for body in cluster.all(JOBS) if labels.NUDGED_AT in body["metadata"]["annotations"]]
    assert [body["metadata"]["name"] for body in changed] == names[:1]


async def test_a_stop_writes_the_outcome_and_ends_the_pod_in_one_patch(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """The outcome survives the operator; the end of the log is its evidence."""
    await executor.act(state, [start(state)], {}, NOON)
    body = cluster.job("one")
    pod = cluster.run_pod(body)["metadata"]["name"]
    cluster.logs[pod] = "\n".join(f"line {number}" for number in range(30))
    seen = job(name=body["metadata"]["name"], pod=running_pod(name=pod))
    cluster.client.calls.clear()
    assert await executor.act(state, [stop(seen)], {}, NOON) == Acted()
    assert cluster.client.calls == {LOG: 1, ("patch", JOBS): 1}
    assert body["spec"]["activeDeadlineSeconds"] == 1
    outcome = decode_outcome(body["metadata"]["annotations"][labels.OUTCOME])
    assert outcome == state.decided[seen.name]
    assert (outcome.verdict, outcome.message) == (Verdict.TIMED_OUT, "too long")
    assert (outcome.evidence.log_tail or "").splitlines() == [f"line {number}" for number in range(10, 30)]


async def test_a_stop_does_without_a_log_that_cannot_be_had(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """Evidence is the best that can be had, never a reason not to stop."""
    await executor.act(state, [start(state)], {}, NOON)
    seen = job(name=cluster.job("one")["metadata"]["name"], pod=running_pod(name="gone"))
    assert await executor.act(state, [stop(seen)], {}, NOON) == Acted()
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
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """Nothing else says it; the newest one counts, and those of other Jobs do not."""
    seen = job(name="mine")
    put_event(cluster, "mine", "Error creating: exceeded quota", at="2026-03-01T12:00:09Z")
    put_event(cluster, "mine", "Error creating: violates PodSecurity", at="2026-03-01T12:00:12Z")
    put_event(cluster, "mine", "Error creating: exceeded quota", at="2026-03-01T12:00:01Z")
    put_event(cluster, "mine", "too many pods", at="2026-03-01T12:00:30Z", reason="TooManySucceededPods")
    put_event(cluster, "other", "Error creating: of another", at="2026-03-01T12:00:30Z")
    assert await executor.act(state, [AskWhy(seen)], {}, NOON) == Acted()
    assert state.refusals == {"mine": "violates PodSecurity"}
    assert state.asked == {"mine": NOON}


async def test_events_that_cannot_be_read_stop_nothing(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """It is asked again later; the start timeout ends the attempt in any case."""
    cluster.refuse_next("list", EVENTS, 403)
    assert await executor.act(state, [AskWhy(job(name="mine"))], {}, NOON) == Acted()
    assert state.refusals == {}
    assert state.asked == {"mine": NOON}


async def test_a_job_that_is_gone_when_it_is_to_be_stopped_is_lost(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """404 says that somebody deleted it: an infrastructure fault, not what it was to be stopped with."""
    seen = job(name="gone")
    assert await executor.act(state, [stop(seen)], {}, NOON) == Acted()
    lost = state.lost_jobs["gone"].decided
    assert isinstance(lost, AttemptOutcome)
    assert lost.reason is Reason.JOB_DELETED
    assert state.decided == {}
    assert cluster.all(POD_RESOURCE) == []


async def test_a_stop_that_fails_is_not_taken_for_done(
    cluster: MemoryCluster, state: ExecutionState, executor: ActionExecutor
) -> None:
    """An outcome counts only once it is written on the Job."""
    await executor.act(state, [start(state)], {}, NOON)
    seen = job(name=cluster.job("one")["metadata"]["name"])
    cluster.fail_next("patch", JOBS)
    assert await executor.act(state, [stop(seen)], {}, NOON) == Acted(SOON)
    cluster.refuse_next("patch", JOBS, 403)
    assert await executor.act(state, [stop(seen)], {}, SOON) == Acted(SOON + timedelta(seconds=2))
    assert state.decided == {}
