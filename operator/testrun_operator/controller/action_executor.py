"""Doing what a plan says: creating the Jobs of attempts and stopping them.

What the API server does not take now is tried again by itself, later: everything else of the plan is done all the same,
and so is the rest of the reconciliation.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.controller import metrics
from testrun_operator.controller.cache import ClusterCache
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.holding import QuotaGates
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop, Underway
from testrun_operator.engine.judging import judge
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.planning import Action, AskWhy, StartAttempt, StopAttempt, StopCause
from testrun_operator.engine.quota import waits_for_quota
from testrun_operator.engine.starting import cause_of
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.belonging import run_of
from testrun_operator.kube.client import CONFIGMAPS, EVENTS, JOBS, PODS, KubernetesClient
from testrun_operator.kube.job import build_job, job_name
from testrun_operator.kube.observe import JOB_NAME_LABEL, read_job, read_pod
from testrun_operator.kube.outcomes import stop_patch
from testrun_operator.kube.pods import PodSettings
from testrun_operator.resources.status import format_time

_MAX_PARALLEL = 16
"""Calls at a time. More would only make the API server's own queues longer."""
_UNANSWERED = 2
"""So many calls of a plan without an answer, and the rest of it is left for later."""
_MOST_READS = 3
"""How often a Job that changes while it is stopped is read within one reconciliation."""
_NOT_OURS = "NotControlledByRun"
_UNPROCESSABLE = 422
_TAIL_LINES = 20
_TAIL_TIMEOUT_SECONDS = 2.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acted:
    """How the carrying out of a plan went."""

    again_at: datetime | None = None
    """When something is to be tried again that was refused for now; None if nothing was."""
    error: Exception | None = None
    """The first error that nobody expected, after which the reconciliation has to be repeated."""


@dataclass(slots=True)
class _Outage:
    """Whether several calls of this plan went unanswered: then those that have not begun need not wait for theirs."""

    errors: list[ClusterUnavailable] = field(default_factory=list)

    def mind(self) -> None:
        """Raise the error of the calls before."""
        if len(self.errors) >= _UNANSWERED:
            raise self.errors[0]


class ActionExecutor:
    """Does what plans say.

    Args:
        client: the API server.
        cache: what is in the cluster.
        pods: what the operator's settings say of the pods.
        judging: how patient the judge is.
    """

    def __init__(
        self, client: KubernetesClient, cache: ClusterCache, pods: PodSettings, judging: JudgingSettings
    ) -> None:
        self._client = client
        self._cache = cache
        self._pods = pods
        self._places = asyncio.Semaphore(_MAX_PARALLEL)
        self._judging = judging
        self.gates = QuotaGates()

    async def act(
        self, state: ExecutionState, actions: Iterable[Action], servers: Mapping[str, str], now: datetime
    ) -> Acted:
        """Do everything that a plan says and that may be tried now.

        Returns:
            When to try again what was refused for now, and an error that nobody expected. Everything else was done.
        """
        wanted = {_name(state, action): action for action in actions}
        state.holds.keep(wanted, settled=state.plan_state.cases)
        outage = _Outage()
        tried = self._may_be_tried(state, wanted, now)
        results = await asyncio.gather(
            *(self._do(state, name, wanted[name], servers, now, outage) for name in tried),
            return_exceptions=True,
        )
        refused = [name for name in wanted if name in state.holds.by_action]
        again = [self._again_at(state, name, now) for name in refused]
        starts = [(name, action) for name, action in wanted.items() if isinstance(action, StartAttempt)]
        left = [name for name, start in starts if not _exists(state, start)]
        if any(name not in refused for name in left):  # those that were not let through
            again.append(self.gates.again_at(state.run.namespace, now) or now)
        state.refused_starts = len(left)
        error = None
        for result in results:
            if isinstance(result, Exception):
                error = error or result
            elif isinstance(result, BaseException):
                raise result
        return Acted(min(again, default=None), error)

    def _may_be_tried(self, state: ExecutionState, wanted: Mapping[str, Action], now: datetime) -> list[str]:
        """Leave out what was refused for now and has to wait, and of what a quota refuses all but those it may take."""
        ready = [name for name in wanted if (state.holds.again_at(name) or now) <= now]
        starts = [name for name in ready if isinstance(wanted[name], StartAttempt)]
        let_through = set(starts[: self.gates.take(state.run.namespace, len(starts), now)])
        return [name for name in ready if name in let_through or not isinstance(wanted[name], StartAttempt)]

    def _again_at(self, state: ExecutionState, name: str, now: datetime) -> datetime:
        hold = state.holds.by_action[name]
        due = self.gates.again_at(state.run.namespace, now) if hold.for_quota else None
        return max(hold.again_at, due or hold.again_at)

    async def _do(
        self,
        state: ExecutionState,
        name: str,
        action: Action,
        servers: Mapping[str, str],
        now: datetime,
        outage: "_Outage",
    ) -> None:
        try:
            async with self._places:
                outage.mind()
                await self._carry_out(state, action, servers, now)
        except ClusterUnavailable as error:
            outage.errors.append(error)
            self._hold(state, name, action, error, now)
        except Refused as error:
            self._hold(state, name, action, error, now)
        else:
            state.holds.drop(name)
        finally:
            if isinstance(action, StartAttempt):
                self.gates.returned(state.run.namespace)

    async def _carry_out(
        self, state: ExecutionState, action: Action, servers: Mapping[str, str], now: datetime
    ) -> None:
        match action:
            case StartAttempt():
                await self._start(state, action, servers, now)
            case StopAttempt():
                await self._stop(state, action, now)
            case AskWhy():
                await self._ask_why(state, action.job, now)

    def _hold(
        self, state: ExecutionState, name: str, action: Action, error: ClusterUnavailable | Refused, now: datetime
    ) -> None:
        """Have an action tried again later, alone."""
        metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
        for_quota = isinstance(error, Refused) and error.is_quota
        asked = error.retry_after if isinstance(error, ClusterUnavailable) else None
        hold = state.holds.add(name, action, error, now, for_quota=for_quota, asked=asked)
        if for_quota:
            self.gates.refused(state.run.namespace, now)
        due = self._again_at(state, name, now)
        level = logging.WARNING if hold.tries == 1 else logging.DEBUG
        _logger.log(
            level,
            "%s is tried again in %.0f s: %s",
            name,
            (due - now).total_seconds(),
            error,
            extra={"run": str(state.run), "runId": state.run_id},
        )

    async def _start(
        self, state: ExecutionState, start: StartAttempt, servers: Mapping[str, str], now: datetime
    ) -> None:
        parts = build_job(state.run, state.record, start, servers, _outputs(state, start), self._pods, state.queue)
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
            if error.may_pass:
                raise
            observation = self._judge_refusal(observation, error, now)
        else:
            self.gates.accepted(state.run.namespace, now)
            _logger.info("started an attempt", extra=_context(state, start.case.name, start.attempt) | {"job": name})
        state.created[name] = observation

    async def _create(self, resource: str, state: ExecutionState, manifest: dict[str, object]) -> None:
        try:
            await self._client.create(resource, state.run.namespace, manifest)
        except Refused as error:
            if not error.already_exists:
                raise
            if resource != JOBS:
                return  # the runner checks that its document is the one that was written
            # Created before a restart, or by a call whose answer was lost; or by somebody else, who wants to be judged.
            body = await self._client.get(resource, state.run.namespace, _name_of(manifest))
            if body is not None and run_of(body) != state.run:
                raise Refused(_UNPROCESSABLE, _NOT_OURS, f"{error}, and the run does not control it") from None

    @staticmethod
    def _judge_refusal(observation: JobObservation, error: Refused, now: datetime) -> JobObservation:
        """End an attempt whose Job breaks a rule: trying again would not help."""
        outcome = AttemptOutcome(
            case=observation.case,
            attempt=observation.attempt,
            job=observation.name,
            verdict=Verdict.ERRORED,
            failure_class=FailureClass.CONFIGURATION,
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
        if stop.cause is StopCause.LINGERING and not state.reading_reports.isdisjoint({stop.job.case, stop.job.name}):
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
        fresh = state.take_note(self._cache, job, pods, now)
        judgement = judge(fresh, state.planned(job.case), now, self._judging)
        match judgement:
            case MustStop(outcome, confirm) if stop.cause is StopCause.JUDGED:
                return replace(stop, job=fresh, outcome=outcome, confirm=confirm)
            case Ended() if stop.cause is not StopCause.LINGERING:
                return None
            case Underway(has_ended=has_ended) if stop.cause is StopCause.JUDGED or has_ended:
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
        if waits_for_quota(said) and self.gates.may_nudge(state.run.namespace, now):
            # The Job controller tries again after up to a minute; a change of the Job has it try within a second.
            patch = {"metadata": {"annotations": {labels.NUDGED_AT: format_time(now)}}}
            await self._client.patch(JOBS, state.run.namespace, job.name, patch)


def _name(state: ExecutionState, action: Action) -> str:
    match action:
        case StartAttempt(case, attempt):
            return f"start {job_name(state.run, state.run_id, case.name, attempt)}"
        case StopAttempt(job):
            return f"stop {job.name}"
        case AskWhy(job):
            return f"ask {job.name}"


def _exists(state: ExecutionState, start: StartAttempt) -> bool:
    return job_name(state.run, state.run_id, start.case.name, start.attempt) in state.created


def _outputs(state: ExecutionState, start: StartAttempt) -> dict[str, Mapping[str, JsonValue]]:
    outputs: dict[str, Mapping[str, JsonValue]] = {}
    for need in start.case.needs:
        needed = state.plan_state.cases.get(need)
        if needed is not None and needed.last_attempt is not None:
            outputs[need] = needed.last_attempt.outputs
    return outputs


def _name_of(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


def _last_seen(event: Mapping[str, Any]) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _context(state: ExecutionState, case: str, attempt: int) -> dict[str, object]:
    return {"run": str(state.run), "runId": state.run_id, "case": case, "attempt": attempt}
