"""Removing Jobs that nobody needs while their run still goes on: ``keepJobs: NotPassed``.

A case is named in the status of its run first, once it is stored, and its Job is deleted after that is written. So
whenever the process is killed, the next one knows that the case has passed: by its Job, or by the status.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from testrun_operator.controller import metrics
from testrun_operator.controller.cache import ClusterCache, RunView
from testrun_operator.controller.execution_register import entry_of
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.holding import QuotaGates
from testrun_operator.controller.results import Results
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.removal import find_removable, is_busy, name_cases, passed_at_once
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import JOBS, KubernetesClient
from testrun_operator.resources.run import KeepJobs, TestRunSpec

_MAX_PARALLEL = 16
_MOST_AT_ONCE = 200
"""Jobs deleted in one reconciliation: where a run of thousands gets the field late, its verdicts must not wait."""
LONGEST_WAIT = timedelta(seconds=30)
"""How long an execution that has ended waits for its last Jobs, which are over a moment after their containers."""
_QUOTA_DELAY = timedelta(seconds=1)
"""How long it may take until a quota counts a Job no more that was deleted."""
_logger = logging.getLogger(__name__)


class JobRemover:
    """Removes Jobs of cases that have passed.

    Args:
        client: the API server.
        cache: what is in the cluster.
        statuses: the statuses of runs, which name the cases first.
        results: the way to Postgres.
        gates: who waits for a quota.
        now: the clock.
    """

    def __init__(
        self,
        *,
        client: KubernetesClient,
        cache: ClusterCache,
        statuses: StatusWriter,
        results: Results,
        gates: QuotaGates,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._cache = cache
        self._statuses = statuses
        self._results = results
        self._gates = gates
        self._now = now

    def choose(self, state: ExecutionState, spec: TestRunSpec, jobs: Sequence[JobObservation]) -> None:
        """Choose the cases of an execution that its next status is to name.

        Args:
            state: the execution.
            spec: the spec that says which Jobs are kept.
            jobs: its Jobs, with their pods.
        """
        if spec.keep_jobs is not KeepJobs.NOT_PASSED:
            return
        stored = self._results.stored_cases(int(state.run_id))
        chosen = state.naming.cases | find_removable(state.execution, state.plan_state, jobs, stored)
        if chosen != state.naming.cases:
            state.naming = name_cases(chosen, state.cases_by_name)

    def choose_last(self, state: ExecutionState, spec: TestRunSpec, completed_at: datetime) -> bool:
        """Choose the last cases of an execution that is over: their Jobs are over a moment after their containers.

        Returns:
            Whether a Job of a case that has passed is not over yet, but will be.
        """
        if spec.keep_jobs is not KeepJobs.NOT_PASSED:
            return False
        now, cases = self._now(), state.plan_state.cases
        jobs = state.observe(self._cache, now)
        self.choose(state, spec, jobs)
        busy = (job for job in jobs if job.attempt == 1 and is_busy(job))
        return now < completed_at + LONGEST_WAIT and any(
            job.case in cases and passed_at_once(cases[job.case]) for job in busy
        )

    async def remove(self, view: RunView, state: ExecutionState, spec: TestRunSpec) -> datetime | None:
        """Delete the Jobs of cases that the status of the run, as it was written, names.

        Returns:
            When to requeue: some are left, or were refused.
        """
        entry = entry_of(self._statuses.newest(view), state.run_id, state.digest)
        if entry is not None and entry.without_jobs == state.naming.text:
            state.freed = state.naming.cases
        if spec.keep_jobs is not KeepJobs.NOT_PASSED or not state.freed:
            return None
        shown = self._cache.jobs(state.run.namespace, state.run_id)
        left = [job for job in shown if job.case in state.freed and job.uid and state.removed.get(job.name) != job.uid]
        now = self._now()
        if not left or (state.removal.again_at is not None and now < state.removal.again_at):
            return state.removal.again_at if left else None
        await self._delete(state, left[:_MOST_AT_ONCE], now)
        if state.removal.again_at is not None:
            return state.removal.again_at
        return now if len(left) > _MOST_AT_ONCE else now + _QUOTA_DELAY if state.holds.starts else None

    async def _delete(self, state: ExecutionState, jobs: Sequence[JobObservation], now: datetime) -> None:
        places = asyncio.Semaphore(_MAX_PARALLEL)
        refused: list[ClusterUnavailable | Refused] = []

        async def delete(job: JobObservation) -> None:
            async with places:
                if refused:
                    return  # what one is refused for, the others are refused for too
                try:
                    await self._client.delete(JOBS, state.run.namespace, job.name, uid=job.uid)
                except (ClusterUnavailable, Refused) as error:
                    refused.append(error)
                else:
                    state.removed[job.name] = job.uid

        await asyncio.gather(*map(delete, jobs))
        gone = sum(state.removed.get(job.name) == job.uid for job in jobs)
        context = {"run": str(state.run), "runId": state.run_id}
        if gone:
            self._gates.freed(state.run.namespace, now)
            _logger.info("removed the Jobs of %d cases that passed", gone, extra=context)
        if not refused:
            state.removal.done()
            return
        error = refused[0]
        metrics.RECONCILE_ERRORS.labels(error=type(error).__name__).inc()
        if state.removal.refused(now, error.retry_after if isinstance(error, ClusterUnavailable) else None):
            _logger.warning("Jobs of cases that passed cannot be removed yet: %s", error, extra=context)
