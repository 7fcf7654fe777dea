"""Doing what a plan says: creating the Jobs of attempts and stopping them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.inventory import Inventory
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop, Underway
from testrun_operator.engine.judging import judge
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import Action, AskWhy, StartAttempt, StopAttempt, StopCause
from testrun_operator.engine.starting import cause_of
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.client import CONFIGMAPS, EVENTS, JOBS, PODS, KubernetesClient, Refused
from testrun_operator.kube.job import build_job, job_name
from testrun_operator.kube.observe import JOB_NAME_LABEL, read_job, read_pod
from testrun_operator.kube.outcomes import stop_patch
from testrun_operator.kube.pods import PodSettings

_MAX_PARALLEL = 16
"""Calls at a time. More would only make the API server's own queues longer."""
_MOST_READS = 3
"""How often a Job that changes while it is stopped is read within one look."""
_TAIL_LINES = 20
_TAIL_TIMEOUT_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Actor:
    """Does what plans say.

    Args:
        client: the API server.
        inventory: what is in the cluster.
        pods: what the operator's settings say of the pods.
        judging: how long a refusal for want of quota is borne.
    """

    def __init__(
        self, client: KubernetesClient, inventory: Inventory, pods: PodSettings, judging: JudgingSettings
    ) -> None:
        self._client = client
        self._inventory = inventory
        self._pods = pods
        self._judging = judging
        self._places = asyncio.Semaphore(_MAX_PARALLEL)
        self._refused_since: dict[str, datetime] = {}

    async def act(
        self, state: ExecutionState, actions: Iterable[Action], servers: Mapping[str, str], now: datetime
    ) -> Exception | None:
        """Do everything that a plan says.

        Returns:
            The first error after which it has to be tried again; the other actions were done all the same.
        """
        results = await asyncio.gather(
            *(self._do(state, action, servers, now) for action in actions), return_exceptions=True
        )
        for result in results:
            if isinstance(result, Exception):
                return result
            if isinstance(result, BaseException):
                raise result
        return None

    async def _do(self, state: ExecutionState, action: Action, servers: Mapping[str, str], now: datetime) -> None:
        async with self._places:
            match action:
                case StartAttempt():
                    await self._start(state, action, servers, now)
                case StopAttempt():
                    await self._stop(state, action, now)
                case AskWhy():
                    await self._ask_why(state, action.job, now)

    async def _start(
        self, state: ExecutionState, start: StartAttempt, servers: Mapping[str, str], now: datetime
    ) -> None:
        parts = build_job(state.run, state.record, start, servers, _outputs(state, start), self._pods)
        name = job_name(state.run, state.run_id, start.case.name, start.attempt)
        observation = JobObservation(
            name=name,
            case=start.case.name,
            attempt=start.attempt,
            created_at=now,
            test_failures=start.test_failures,
            infrastructure_faults=start.infrastructure_faults,
        )
        try:
            if parts.document is not None:
                await self._create(CONFIGMAPS, state, parts.document)
            await self._create(JOBS, state, parts.job)
        except Refused as error:
            observation = self._judge_refusal(state, observation, error, now)
        else:
            self._refused_since.pop(name, None)
            state.refusals.pop(name, None)
            _logger.info("started an attempt", extra=_context(state, start.case.name, start.attempt) | {"job": name})
        state.created[name] = observation

    async def _create(self, resource: str, state: ExecutionState, manifest: dict[str, object]) -> None:
        try:
            await self._client.create(resource, state.run.namespace, manifest)
        except Refused as error:
            if not error.is_conflict:  # created before a restart, or by a call whose answer was lost
                raise

    def _judge_refusal(
        self, state: ExecutionState, observation: JobObservation, error: Refused, now: datetime
    ) -> JobObservation:
        failure_class = FailureClass.CONFIGURATION
        if error.is_quota:
            first = self._refused_since.setdefault(observation.name, now)
            if now < first + self._judging.start_timeout:
                state.refusals[observation.name] = str(error)
                raise ClusterUnavailable(f"the Job of {observation.case} has to wait: {error}")
            failure_class = FailureClass.INFRASTRUCTURE
        self._refused_since.pop(observation.name, None)
        state.refusals.pop(observation.name, None)
        outcome = AttemptOutcome(
            case=observation.case,
            attempt=observation.attempt,
            job=observation.name,
            verdict=Verdict.ERRORED,
            failure_class=failure_class,
            reason=Reason.JOB_REJECTED,
            message=f"the API server refused the Job: {cause_of(str(error))}",
            finished_at=now,
        )
        return replace(observation, decided=outcome)

    async def _stop(self, state: ExecutionState, stop: StopAttempt, now: datetime) -> None:
        """Stop an attempt, unless its Job or its pod have something newer to say than what the watches showed.

        Raises:
            ClusterUnavailable: the API server does not answer, or the Job changes again and again.
        """
        if stop.cause is StopCause.LINGERING and stop.job.case in state.reading_reports:
            return  # its log would go with the pod; whoever reads it tells when that is done
        current: StopAttempt | None = stop
        must_read = stop.cause in {StopCause.JUDGED, StopCause.RUN_TIMEOUT}
        for _ in range(_MOST_READS):
            if must_read:
                current = await self._check(state, stop, now)
            if current is None:
                return
            if await self._write_stop(state, current, now):
                return
            must_read = True
        raise ClusterUnavailable(f"the Job {stop.job.name} changes all the time")

    async def _check(self, state: ExecutionState, stop: StopAttempt, now: datetime) -> StopAttempt | None:
        """Read a Job and its pods, and judge them again.

        Returns:
            The stop by what was read; None if there is nothing to be stopped any more, or not yet.
        """
        namespace, name = state.run.namespace, stop.job.name
        body = await self._client.get(JOBS, namespace, name)
        job = read_job(body) if body is not None else None
        if job is None:
            state.lose_job(stop.job, now)
            return None
        selector = f"{JOB_NAME_LABEL}={name}"
        pods = tuple(read_pod(pod) for pod in await self._client.list(PODS, namespace, labelSelector=selector))
        fresh = state.take_note(self._inventory, job, pods, now)
        judgement = judge(fresh, state.planned(job.case), now, self._judging)
        match judgement:
            case MustStop(outcome, confirm) if stop.cause is StopCause.JUDGED:
                return replace(stop, job=fresh, outcome=outcome, confirm=confirm)
            case Ended() if stop.cause is not StopCause.LINGERING:
                return None
            case Underway() if stop.cause is StopCause.JUDGED:
                return None
        return replace(stop, job=fresh)

    async def _write_stop(self, state: ExecutionState, stop: StopAttempt, now: datetime) -> bool:
        """Write a stop on a Job as it was seen.

        Returns:
            Whether that is done; False if the Job has changed meanwhile.
        """
        outcome, name = await self._with_evidence(state, stop), stop.job.name
        patch = stop_patch(outcome, stop.job.resource_version, confirm=stop.confirm)
        try:
            await self._client.patch(JOBS, state.run.namespace, name, patch)
        except Refused as error:
            if error.is_conflict:
                return False
            if not error.is_not_found:
                raise
            state.lose_job(stop.job, now)
            return True
        known = state.asked_to_end if stop.confirm else state.decided
        known[name] = outcome
        _logger.info(
            "asked an attempt to end: %s" if stop.confirm else "stopped an attempt: %s",
            outcome.reason,
            extra=_context(state, outcome.case, outcome.attempt) | {"job": name},
        )
        return True

    async def _with_evidence(self, state: ExecutionState, stop: StopAttempt) -> AttemptOutcome:
        """Add the end of the log, if it can be had quickly."""
        outcome, pod = stop.outcome, stop.job.pod
        try:
            async with asyncio.timeout(_TAIL_TIMEOUT_SECONDS):
                if pod is not None and pod.running_since is not None:
                    tail = await self._client.read_log(state.run.namespace, pod.name, tail_lines=_TAIL_LINES)
                    return replace(outcome, evidence=replace(outcome.evidence, log_tail=tail or None))
        except (ClusterUnavailable, Refused, TimeoutError) as error:
            _logger.debug("no evidence could be had: %s", error)
        return outcome

    async def _ask_why(self, state: ExecutionState, job: JobObservation, now: datetime) -> None:
        """Find out why a Job has no pod; nothing says so but the Events of the Job controller."""
        state.asked[job.name] = now
        selector = f"involvedObject.kind=Job,involvedObject.name={job.name},reason=FailedCreate"
        try:
            events = await self._client.list(EVENTS, state.run.namespace, fieldSelector=selector)
        except (ClusterUnavailable, Refused) as error:
            _logger.debug("why a Job has no pod could not be found out: %s", error)
            return
        said = max(
            ((_last_seen(event), str(event.get("message") or "").removeprefix("Error creating: ")) for event in events),
            default=("", ""),
        )[1]
        if not said:
            return
        if job.name not in state.refusals:
            _logger.warning("a pod is refused: %s", said, extra=_context(state, job.case, job.attempt))
        state.refusals[job.name] = said


def _outputs(state: ExecutionState, start: StartAttempt) -> dict[str, Mapping[str, JsonValue]]:
    outputs: dict[str, Mapping[str, JsonValue]] = {}
    for need in start.case.needs:
        needed = state.memory.cases.get(need)
        if needed is not None and needed.last_attempt is not None:
            outputs[need] = needed.last_attempt.outputs
    return outputs


def _last_seen(event: Mapping[str, Any]) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _context(state: ExecutionState, case: str, attempt: int) -> dict[str, object]:
    return {"run": str(state.run), "runId": state.run_id, "case": case, "attempt": attempt}
