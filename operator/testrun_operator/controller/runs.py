"""Bringing a TestRun forward: observe → plan → act → status, as often as anything changes.

:meth:`RunReconciler.reconcile` is level-triggered. It may be called at any time and any number of times; what it does
follows from what there is. ``docs/architecture.md`` has the states of a run as a picture.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.action_executor import ActionExecutor
from testrun_operator.controller.activity import CANCELLED, SUPERSEDED
from testrun_operator.controller.cache import ClusterCache, Key, RunView
from testrun_operator.controller.execution_register import CannotAdopt, ExecutionRegister
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.noting import RecordKeeper
from testrun_operator.controller.places import Places
from testrun_operator.controller.progress import ProgressWriter
from testrun_operator.controller.readiness import bring_up
from testrun_operator.controller.recording import Recorder
from testrun_operator.controller.removal import LONGEST_WAIT, JobRemover
from testrun_operator.controller.results import Results
from testrun_operator.controller.servers import ServerKeeper
from testrun_operator.controller.starting import Started, Starter, Waiting
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.controller.work_queue import earliest
from testrun_operator.engine.execution import digest_of
from testrun_operator.engine.judgement import JudgingSettings
from testrun_operator.engine.observation import JobState
from testrun_operator.engine.planning import Controls, Ending, Plan, plan
from testrun_operator.engine.status import describe_invalid, describe_waiting
from testrun_operator.errors import InvalidSpec
from testrun_operator.kube.client import KubernetesClient
from testrun_operator.kube.records import Notes
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.parsing import parse_run
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.status import MAX_RECORDS, TestRunStatus

_logger = logging.getLogger(__name__)

_STORE_DELAY = timedelta(seconds=15)
"""How long a run that needs Postgres, or a quota, to start waits until it asks again."""
_ENDING_DELAY = timedelta(seconds=2)
"""How long the last Jobs of a run take to be over, about; a watch tells of it, as a rule."""
_ASKED_FOR_AGAIN = frozenset({ConditionReason.WAITING_FOR_STORE, ConditionReason.WAITING_FOR_QUOTA})


class RunReconciler:
    """Brings TestRuns forward.

    Args:
        client: the API server.
        cache: what is in the cluster.
        results: the way to Postgres.
        servers: the test servers.
        executor: does what plans say.
        starter: starts executions.
        statuses: writes statuses.
        recorder: tells Events, metrics and Postgres what happened.
        judging: how patient the judge is.
        now: the clock.
        max_active_jobs: how many Jobs all runs together may have that are not over; None for no limit.
        on_place: called with the uid of a TestRun for which a place may have become free.
    """

    def __init__(
        self,
        *,
        client: KubernetesClient,
        cache: ClusterCache,
        results: Results,
        servers: ServerKeeper,
        executor: ActionExecutor,
        starter: Starter,
        statuses: StatusWriter,
        recorder: Recorder,
        judging: JudgingSettings,
        now: Callable[[], datetime],
        max_active_jobs: int | None = None,
        on_place: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._places = Places(max_active_jobs, on_place)
        self._cache = cache
        self._results = results
        self._servers = servers
        self._executor = executor
        self._starter = starter
        self._statuses = statuses
        self._recorder = recorder
        self._judging = judging
        self._now = now
        self._records = RecordKeeper(client, cache)
        self._register = ExecutionRegister(
            cache=cache,
            keeper=self._records,
            statuses=statuses,
            results=results,
            places=self._places,
            now=now,
        )
        self._progress = ProgressWriter(
            statuses=statuses,
            register=self._register,
            keeper=self._records,
            results=results,
            recorder=recorder,
            now=now,
        )
        self._remover = JobRemover(
            client=client, cache=cache, statuses=statuses, results=results, gates=executor.gates, now=now
        )
        self._uid_of: dict[Key, str] = {}

    def state_of(self, run: RunReference, run_id: str) -> ExecutionState | None:
        """Return what is known of an execution, for the handlers that take note of what was deleted."""
        return self._register.find(run, run_id)

    def active(self) -> tuple[ExecutionState, ...]:
        """Return the executions that this process knows, for metrics."""
        return self._register.all()

    async def reconcile(self, key: Key) -> datetime | None:
        """Bring a run forward by one step.

        Returns:
            When to requeue the run though nothing happens; None if only an event can change anything.

        Raises:
            TransientError: something outside did not answer; to be tried again.
        """
        view = self._cache.run(key)
        uid = view.reference.uid if view is not None and not view.deleting else None
        if self._uid_of.get(key, uid) != uid:
            self._forget(key)  # deleted; perhaps there is another one of the same name already
        if view is None or uid is None:
            return None
        self._uid_of[key] = uid
        if view.status_problem and not self._statuses.has_written(view):
            await self._progress.wait_for_person(view, ConditionReason.STATUS_UNREADABLE, view.status_problem)
            return None
        try:
            spec = parse_run(view.spec)
            return await self._bring_forward(view, spec)
        except InvalidSpec as error:
            return await self._refuse(view, error)
        except CannotAdopt as error:
            await self._progress.wait_for_person(view, error.reason, str(error))
            return None

    async def _bring_forward(self, view: RunView, spec: TestRunSpec) -> datetime | None:
        """Bring the execution that a spec is to have forward, or start it, once those before it have ended."""
        digest = digest_of(spec)
        states = self._register.adopt(view)
        for state in states:
            state.queue = view.queue
            if not state.has_recalled:
                state.recall(self._statuses.newest(view), await self._results.verdicts(int(state.run_id)))
        expires_at = await self._register.remove_finished(view, spec.ttl_after_finished)
        current = states[-1] if states and self._answers_for(view, states[-1], digest) else None
        wakes, are_over = await self._end_all(view, states if current is None else states[:-1])
        wakes.append(expires_at)
        if not are_over:
            return earliest(wakes)
        status = self._statuses.newest(view)
        if current is None and _is_finished_with(status, digest):
            stored = self._register.is_stored(view, status.run_id)
            wakes.append(await self._progress.note_generation(view, status, stored=stored))
        elif current is None:
            return earliest([*wakes, await self._start(view, spec, status)])
        else:
            wakes.append(await self._advance(view, spec, current))
        self._register.tell_foreign(view)
        return earliest(wakes)

    async def _refuse(self, view: RunView, error: InvalidSpec) -> datetime | None:
        """Say what is wrong with a spec, once what still ran of the one before it has ended."""
        wakes, are_over = await self._end_all(view, self._register.adopt(view))
        wakes.append(await self._register.remove_finished(view, None))
        if not are_over:
            return earliest(wakes)
        message = "; ".join(error.problems)
        await self._recorder.waiting(view, ConditionReason.INVALID_SPEC, message)
        status = describe_invalid(self._statuses.subject(view), message, self._now())
        return earliest([*wakes, await self._statuses.write(view, status)])

    def _answers_for(self, view: RunView, newest: ExecutionState, digest: str) -> bool:
        """Whether the newest execution is the one that the spec is to have, and none has to be started."""
        # One that is in the history ended before a spec that was invalid, or whose execution had to wait.
        is_left = any(entry.run_id == newest.run_id for entry in self._statuses.newest(view).history)
        return newest.record.spec_digest == digest and not is_left and not self._records.notes(newest).replaced

    async def _end_all(self, view: RunView, states: Sequence[ExecutionState]) -> tuple[list[datetime | None], bool]:
        """End executions that no spec wants any more, one after the other.

        Returns:
            When to requeue, and whether all of them are over.
        """
        wakes: list[datetime | None] = []
        for state in states:
            wake, is_over = await self._end(view, state)
            wakes.append(wake)
            if not is_over:
                return wakes, False
        return wakes, True

    async def _start(self, view: RunView, spec: TestRunSpec, status: TestRunStatus) -> datetime | None:
        if self._register.is_full(view.reference):
            message = f"{MAX_RECORDS} executions of this run wait to be stored; the next one starts when they are"
            started: Started | Waiting = Waiting(ConditionReason.TOO_MANY_RECORDS, message)
        else:
            started = await self._starter.start(view, spec, status)
        if isinstance(started, Waiting):
            subject = self._statuses.subject(view)
            waiting = describe_waiting(subject, started.reason, started.message, self._now())
            await self._recorder.waiting(view, started.reason, started.message)
            # The writer tells that Postgres is back only if it had something to write in the meantime; of a quota
            # nobody tells.
            ask_again_at = self._now() + _STORE_DELAY if started.reason in _ASKED_FOR_AGAIN else None
            return earliest([await self._statuses.write(view, waiting), ask_again_at])
        state = ExecutionState.begin(view.reference, started.record, started.digest)
        state.queue = view.queue
        state.has_recalled = True  # there is nothing yet
        self._register.add(state)
        self._register.tell_foreign(view)
        await self._recorder.started(view, state)
        return await self._advance(view, spec, state)

    async def _advance(self, view: RunView, spec: TestRunSpec, state: ExecutionState) -> datetime | None:
        """Bring the current execution forward."""
        await self._progress.bind(view, state)
        status = self._statuses.newest(view)
        over_since = _told_end(status, state.run_id)
        is_cancelled = spec.cancel
        if over_since is not None:
            # What was told counts: it may have to be found out anew, to be stored.
            is_cancelled = status.cases is not None and status.cases.cancelled > 0
        ending = CANCELLED if is_cancelled else None
        stored = self._records.notes(state).stored
        result, error = await self._step(state, spec, ending, over_since=over_since, stored=stored)
        wakes = [result.requeue_at]
        if over_since is not None:
            wakes.append(await self._progress.note_storing(view, state))
        else:
            wakes.append(await self._progress.write(view, spec, state, result, replaced=False))
        wakes.append(await self._remover.remove(view, state, spec))
        over_since = _told_end(self._statuses.newest(view), state.run_id)
        if result.is_over and over_since is not None:
            wakes.append(await self._finish(view, spec, state, over_since, is_current=True))
        if error is not None:
            raise error
        return earliest(wakes)

    async def _end(self, view: RunView, state: ExecutionState) -> tuple[datetime | None, bool]:
        """End an execution that no spec wants any more, and do what remains to be done of one that has ended.

        Returns:
            When to requeue, and whether the execution is over: one that is holds up no other, also where not all is
            found out yet of what is to be stored of it.
        """
        status = self._statuses.newest(view)
        notes = self._records.notes(state)
        over_since = notes.completed_at or _told_end(status, state.run_id)
        if over_since is None and not notes.replaced:
            # Before anything of it is ended: the spec may be put back, and the operator be killed, in any moment.
            await self._records.note(state, Notes(replaced=True))
        ending = SUPERSEDED if notes.replaced or over_since is None else None
        spec = state.record.run
        result, error = await self._step(state, spec, ending, over_since=over_since, stored=notes.stored)
        if error is not None:
            raise error
        wakes = [result.requeue_at]
        if over_since is None and all(entry.run_id != state.run_id for entry in status.history):
            wakes.append(await self._progress.write(view, spec, state, result, replaced=True))
            over_since = _told_end(self._statuses.newest(view), state.run_id)
        if result.is_over:
            wakes.append(await self._finish(view, spec, state, over_since or self._now(), is_current=False))
        is_over = result.is_over or (over_since is not None and not _occupies_places(result))
        return earliest(wakes), is_over

    async def _step(
        self,
        state: ExecutionState,
        spec: TestRunSpec,
        ending: Ending | None,
        *,
        over_since: datetime | None,
        stored: bool,
    ) -> tuple[Plan, Exception | None]:
        """Observe, plan and act once.

        Returns:
            The plan that was carried out, and an error after which it has to be tried again.
        """
        now = self._now()
        placed = self._servers.place(state.record.suite.test_servers, state.run, state.run_id)
        problem = None
        ready = True
        if ending is None and over_since is None and not self._is_over(state):
            ready, problem = await bring_up(self._servers, state, placed, now, self._judging.start_timeout)
        controls = Controls(
            spec=spec,
            suspended=spec.suspend or not ready,
            server_problem=problem,
            ending=ending,
            over_since=over_since,
            places=self._open_places(state, spec),
            refused=state.holds.tried,
        )
        jobs = state.observe(self._cache, now)
        result = plan(state.execution, controls, jobs, state.plan_state, now, self._judging)
        self._places.note(state.claimant, result.occupied, result.waiting)
        if problem is None and not ready and state.waiting_for_servers_since is not None:
            # No event may come of a server that never gets ready.
            given_up_at = state.waiting_for_servers_since + self._judging.start_timeout
            result = replace(result, requeue_at=earliest([result.requeue_at, given_up_at]))
        state.plan_state = result.plan_state
        acted = await self._executor.act(state, result.actions, {server.name: server.url for server in placed}, now)
        if not result.is_over:
            # A Job that the API server does not take has no place: others may have it meanwhile.
            self._places.note(state.claimant, result.occupied - state.refused_starts, result.waiting)
            result = replace(result, requeue_at=earliest([result.requeue_at, acted.again_at]))
        if state.has_news:
            result = replace(result, requeue_at=now)
        await self._recorder.cases(state, over=over_since is not None, stored=stored)
        self._remover.choose(state, spec, jobs)
        return result, acted.error

    def _open_places(self, state: ExecutionState, spec: TestRunSpec) -> int | None:
        if not self._places.is_counted:
            self._places.count(self._cache.occupied_places())
        return self._places.open_to(state.claimant, min(spec.parallelism, len(state.execution.cases)))

    @staticmethod
    def _is_over(state: ExecutionState) -> bool:
        return len(state.plan_state.cases) == len(state.execution.cases)

    async def _finish(
        self, view: RunView, spec: TestRunSpec, state: ExecutionState, completed_at: datetime, *, is_current: bool
    ) -> datetime | None:
        """Do what remains once every case has its verdict: note it, store it, and clean up when the time has come."""
        noted = self._records.notes(state)
        is_fresh = noted.completed_at is None
        if not state.cleaned:
            placed = self._servers.place(state.record.suite.test_servers, state.run, state.run_id)
            if is_fresh:
                await self._servers.remove(placed)
            state.cleaned = True
        if not noted.stored:
            await self._recorder.finished(view, state, self._statuses.newest(view), completed_at, fresh=is_fresh)
        stored = noted.stored or self._results.is_stored(int(state.run_id))
        is_kept = stored or not self._results.is_configured
        if is_kept and self._remover.choose_last(state, spec, completed_at):
            return self._now() + _ENDING_DELAY
        if is_kept and state.naming.cases:
            # Before it is noted that nothing remains to be done: of what is named none must be left until the ttl.
            await self._progress.name_removable(view, state)
            again_at = await self._remover.remove(view, state, spec)
            if again_at is not None and self._now() < completed_at + LONGEST_WAIT:
                return again_at
        if is_fresh or stored != noted.stored:
            await self._records.note(state, Notes(completed_at=completed_at, stored=stored))
        if is_current and stored:
            await self._progress.note_storing(view, state)
        if not stored and not self._results.is_done(int(state.run_id)):
            return None
        due = completed_at + spec.ttl_after_finished
        if is_kept:
            self._register.release(state, completed_at, spec.ttl_after_finished)
        if self._now() < due:
            return due
        await self._register.remove(state.run, state.run_id)
        return None

    def _forget(self, key: Key) -> None:
        uid = self._uid_of.pop(key)
        self._register.forget(uid)
        self._places.forget(uid)
        self._statuses.forget(uid)
        self._recorder.forget(uid)
        self._starter.forget(uid)


def _is_finished_with(status: TestRunStatus, digest: str) -> bool:
    return status.spec_digest == digest and status.phase is not None and status.phase.is_final


def _told_end(status: TestRunStatus, run_id: str) -> datetime | None:
    """Return when an execution ended by the status of its run; None if the status does not say that it has."""
    if status.run_id == run_id and status.phase is not None and status.phase.is_final:
        return status.completion_time
    return next((entry.completion_time for entry in status.history if entry.run_id == run_id), None)


def _occupies_places(result: Plan) -> bool:
    return any(job.state is JobState.ACTIVE for job in result.plan_state.underway.values())
