"""The executions of which anything remains to be done, and of the others when they ended.

What this process knows of an execution it can find out again: from its record, if the status of its run names that, and
from its Jobs. Of one that is over and stored only the time of its end is kept.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.cache import ClusterCache, RunView
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.foreign import FOREIGN_OBJECTS, Mismatch
from testrun_operator.controller.noting import RecordKeeper
from testrun_operator.controller.places import Places
from testrun_operator.controller.results import Results
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.engine.removal import read_cases
from testrun_operator.errors import SubjectError
from testrun_operator.kube.records import StoredRecord, UnreadableRecord, record_name
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.status import MAX_RECORDS, RecordDigest, TestRunStatus

_logger = logging.getLogger(__name__)


class CannotAdopt(SubjectError):
    """The record of an execution, or what the status says of its Jobs, cannot be read.

    Args:
        reason: which of the two.
        message: why, for people.
    """

    def __init__(self, reason: ConditionReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Finished:
    """All that is kept of an execution of which nothing remains to be done but to remove it."""

    completed_at: datetime | None
    """When it ended; None if it is removed, and a watch may still show its record."""
    ttl: timedelta | None = None


class ExecutionRegister:
    """What this process knows of executions.

    Args:
        cache: what is in the cluster.
        keeper: notes on records, and their removal.
        statuses: the statuses of runs, which name their records.
        results: the way to Postgres.
        places: the operator's places.
        now: the clock.
    """

    def __init__(
        self,
        *,
        cache: ClusterCache,
        keeper: RecordKeeper,
        statuses: StatusWriter,
        results: Results,
        places: Places,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._keeper = keeper
        self._statuses = statuses
        self._results = results
        self._places = places
        self._now = now
        self._states: dict[str, dict[str, ExecutionState]] = {}
        self._finished: dict[str, dict[str, _Finished]] = {}
        self._unbound: dict[str, dict[str, StoredRecord]] = {}

    def find(self, run: RunReference, run_id: str) -> ExecutionState | None:
        """Return what is known of an execution of a run."""
        state = self._states.get(run.uid, {}).get(run_id)
        return state if state is not None and state.run == run else None

    def all(self) -> tuple[ExecutionState, ...]:
        """Return all executions of which anything remains to be done."""
        return tuple(state for states in self._states.values() for state in states.values())

    def add(self, state: ExecutionState) -> None:
        """Take note of an execution that was just recorded."""
        self._states.setdefault(state.run.uid, {})[state.run_id] = state

    def is_full(self, run: RunReference) -> bool:
        """Whether so many executions of a run wait to be stored that no status can name a further one."""
        return len(self._states.get(run.uid, {})) >= MAX_RECORDS

    def digests(self, run: RunReference) -> tuple[RecordDigest, ...]:
        """Return what the status of a run is to have of its records."""
        known = sorted(self._states.get(run.uid, {}).values(), key=lambda state: int(state.run_id))
        return tuple(
            RecordDigest(run_id=state.run_id, digest=state.digest, without_jobs=state.naming.text)
            for state in known[-MAX_RECORDS:]
        )

    def forget(self, uid: str) -> None:
        """Drop what is known of the executions of a run that is gone."""
        for state in self._states.pop(uid, {}).values():
            self._results.forget(int(state.run_id))
        self._finished.pop(uid, None)
        self._unbound.pop(uid, None)

    def adopt(self, view: RunView) -> tuple[ExecutionState, ...]:
        """Return the executions of a run of which anything remains to be done, the oldest first.

        Raises:
            CannotAdopt: the record of one cannot be read.
        """
        known = self._states.setdefault(view.reference.uid, {})
        finished = self._finished.setdefault(view.reference.uid, {})
        for stored in self._cache.records(view.reference):
            if stored.run_id in known or stored.run_id in finished:
                continue
            is_finished = self._is_finished(view, stored)
            # One that is over starts nothing, and is removed in its time: the status need not name it any more.
            is_left_over = is_finished and stored.run_id != self._statuses.newest(view).run_id
            if not is_left_over and not self._is_bound(view, stored):
                self._unbound.setdefault(view.reference.uid, {})[stored.run_id] = stored
            elif is_finished:
                finished[stored.run_id] = _Finished(stored.notes.completed_at)
            else:
                known[stored.run_id] = self._adopt_one(view, stored)
        return tuple(known[run_id] for run_id in sorted(known, key=int))

    def tell_foreign(self, view: RunView) -> None:
        """Tell of the records that the status does not name, once it is known that none of them is to be adopted.

        One may be ours: of a process that was killed before it could write the status. See
        :class:`testrun_operator.controller.starting.Starter`.
        """
        known = self._states.get(view.reference.uid, {})
        for run_id, stored in self._unbound.pop(view.reference.uid, {}).items():
            if run_id not in known:
                FOREIGN_OBJECTS.note("configmaps", _metadata_of(view.reference, stored), Mismatch.CONTENT)

    def _adopt_one(self, view: RunView, stored: StoredRecord) -> ExecutionState:
        try:
            record = stored.read()
        except UnreadableRecord as error:
            name = record_name(view.reference, stored.run_id)
            message = f"ConfigMap {name}, the record of execution {stored.run_id}: {error}"
            raise CannotAdopt(ConditionReason.RECORD_UNREADABLE, message) from None
        state = ExecutionState.begin(view.reference, record, stored.digest)
        entry = entry_of(self._statuses.newest(view), stored.run_id, stored.digest)
        try:
            state.take_over(read_cases(entry.without_jobs if entry is not None else None, state.cases_by_name))
        except ValueError as error:
            message = f"status.records, withoutJobs of execution {stored.run_id}: {error}"
            raise CannotAdopt(ConditionReason.STATUS_UNREADABLE, message) from None
        _logger.info("adopted an execution", extra={"run": str(view.reference), "runId": stored.run_id})
        return state

    def _is_bound(self, view: RunView, stored: StoredRecord) -> bool:
        """Whether the run's status, which nobody else may write, names a record."""
        status = self._statuses.newest(view)
        if status.records is None:  # of a release that did not write it
            return stored.run_id in {status.run_id, *(entry.run_id for entry in status.history)}
        return is_named(status, stored.run_id, stored.digest)

    def is_stored(self, view: RunView, run_id: str | None) -> bool:
        """Whether the record of an execution says that everything of it is stored."""
        records = self._cache.records(view.reference)
        return any(stored.run_id == run_id and stored.notes.stored for stored in records)

    def _is_finished(self, view: RunView, stored: StoredRecord) -> bool:
        # One whose Jobs are forgotten must never be adopted: all of it would be executed again.
        is_released = self._cache.is_released(view.reference.namespace, stored.run_id)
        return is_released or stored.is_over(has_store=self._results.is_configured)

    async def remove_finished(self, view: RunView, ttl: timedelta | None) -> datetime | None:
        """Remove the Jobs and records of executions of which nothing remains to be done, when their time has come.

        Args:
            view: the run.
            ttl: its ``ttlAfterFinished``; None if its spec is invalid. Then each goes by the one that it ended with.

        Returns:
            When the next one is due.
        """
        finished = self._finished[view.reference.uid]
        shown = {stored.run_id for stored in self._cache.records(view.reference)}
        due: list[datetime] = []
        for run_id, known in list(finished.items()):
            self._cache.release(view.reference.namespace, run_id)
            kept_for = ttl if ttl is not None else known.ttl
            if known.completed_at is None:
                if run_id not in shown:
                    del finished[run_id]
            elif kept_for is None:
                continue
            elif self._now() < known.completed_at + kept_for:
                due.append(known.completed_at + kept_for)
            else:
                await self.remove(view.reference, run_id)
        return min(due, default=None)

    def release(self, state: ExecutionState, completed_at: datetime, ttl: timedelta) -> None:
        """Forget all of an execution but when it ended: what is worth keeping is in the status and in Postgres.

        Args:
            state: the execution.
            completed_at: when it ended.
            ttl: the run's ``ttlAfterFinished``, in case that its spec becomes invalid.
        """
        self._places.note(state.claimant, 0, 0)
        self._finished.setdefault(state.run.uid, {})[state.run_id] = _Finished(completed_at, ttl)
        self._cache.release(state.run.namespace, state.run_id)
        self._states[state.run.uid].pop(state.run_id, None)
        self._results.forget(int(state.run_id))

    async def remove(self, run: RunReference, run_id: str) -> None:
        """Remove the Jobs and the record of an execution."""
        await self._keeper.remove(run, run_id)
        self._finished.setdefault(run.uid, {})[run_id] = _Finished(None)  # until no watch shows its record any more
        self._states[run.uid].pop(run_id, None)
        self._results.forget(int(run_id))


def _metadata_of(run: RunReference, stored: StoredRecord) -> dict[str, dict[str, str]]:
    return {"metadata": {"namespace": run.namespace, "name": record_name(run, stored.run_id), "uid": stored.digest}}


def is_named(status: TestRunStatus, run_id: str, digest: str) -> bool:
    """Whether the status of a run names the record of an execution by its digest."""
    return entry_of(status, run_id, digest) is not None


def entry_of(status: TestRunStatus, run_id: str, digest: str) -> RecordDigest | None:
    """Return what the status of a run says of the record of an execution, if it names that."""
    entries = status.records or ()
    return next((entry for entry in entries if (entry.run_id, entry.digest) == (run_id, digest)), None)
