"""What a TestRun's status says of its executions: written from plans, and for what no plan says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from testrun_operator.api.phase import ConditionStatus, ConditionType
from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.activity import describe_activity
from testrun_operator.controller.cache import RunView
from testrun_operator.controller.execution_register import ExecutionRegister, entry_of, is_named
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.noting import RecordKeeper
from testrun_operator.controller.recording import Recorder
from testrun_operator.controller.results import ALL_STORED, Results
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.engine.planning import NOTHING_PLANNED, Plan
from testrun_operator.engine.status import Subject, describe_execution, describe_stalled, with_storing
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.status import Condition, TestRunStatus


class ProgressWriter:
    """Writes what there is to say of executions into the statuses of their runs.

    Args:
        statuses: writes statuses.
        register: the executions.
        keeper: notes on records.
        results: how far the storing is.
        recorder: tells what a run waits for.
        now: the clock.
    """

    def __init__(
        self,
        *,
        statuses: StatusWriter,
        register: ExecutionRegister,
        keeper: RecordKeeper,
        results: Results,
        recorder: Recorder,
        now: Callable[[], datetime],
    ) -> None:
        self._statuses = statuses
        self._register = register
        self._keeper = keeper
        self._results = results
        self._recorder = recorder
        self._now = now

    async def bind(self, view: RunView, state: ExecutionState) -> None:
        """Name an execution in the run's status, with the digest of its record, before anything of it is started."""
        status = self._statuses.newest(view)
        if is_named(status, state.run_id, state.digest):
            return
        if status.run_id != state.run_id:
            status = describe_execution(
                self._statuses.subject(view),
                state.record,
                len(state.execution.cases),
                NOTHING_PLANNED,
                (ConditionReason.STARTING, "the execution is being prepared"),
                self._results.storing(int(state.run_id), over=False),
                self._now(),
            )
        await self._statuses.write(
            view, status.model_copy(update={"records": self._register.digests(view.reference)}), at_once=True
        )

    async def write(
        self, view: RunView, spec: TestRunSpec, state: ExecutionState, result: Plan, *, replaced: bool
    ) -> datetime | None:
        """Write how far an execution is by a plan.

        Args:
            view: the run.
            spec: its spec.
            state: the execution.
            result: its newest plan.
            replaced: whether the run's spec changed before the execution had ended.

        Returns:
            When to come back with it; None if it is written.
        """
        activity = describe_activity(spec, state, superseded=replaced)
        if not result.is_over:
            await self._recorder.held_back(view, state, *activity)
        status = describe_execution(
            self._subject(view, state),
            state.record,
            len(state.execution.cases),
            result,
            activity,
            self._results.storing(int(state.run_id), over=result.is_over),
            self._now(),
            replaced=replaced,
        )
        return await self._statuses.write(view, status, at_once=result.is_over)

    async def note_storing(self, view: RunView, state: ExecutionState) -> datetime | None:
        """Bring the condition ResultsStored of an execution that is over up to date."""
        stored = self._keeper.notes(state).stored
        storing = ALL_STORED if stored else self._results.storing(int(state.run_id), over=True)
        subject = self._subject(view, state)
        status = with_storing(subject.previous, subject, storing, self._now())
        return await self._statuses.write(view, status, at_once=stored)

    async def name_removable(self, view: RunView, state: ExecutionState) -> None:
        """Name the cases of an execution whose Jobs may go, and change nothing else."""
        await self._statuses.write(view, self._subject(view, state).previous, at_once=True)

    def _subject(self, view: RunView, state: ExecutionState) -> Subject:
        """Return a run with its status as it is, but for the cases of an execution whose Jobs may go."""
        subject = self._statuses.subject(view)
        status = subject.previous
        entry = entry_of(status, state.run_id, state.digest)
        if entry is None or entry.without_jobs == state.naming.text:
            return subject
        named = entry.model_copy(update={"without_jobs": state.naming.text})
        records = tuple(named if known is entry else known for known in status.records or ())
        return replace(subject, previous=status.model_copy(update={"records": records}))

    async def note_generation(self, view: RunView, status: TestRunStatus, *, stored: bool) -> datetime | None:
        """Say of an execution that is over that a change of the spec which starts no new one was seen.

        Args:
            view: the run.
            status: its status.
            stored: whether the execution's record says that all of it is stored. The process that has noted that may
                have been killed before it could write it into the status.
        """
        if stored and any(_says_not_stored(condition) for condition in status.conditions):
            status = with_storing(status, self._statuses.subject(view), ALL_STORED, self._now())
        return await self._statuses.write(view, status.model_copy(update={"observed_generation": view.generation}))

    async def wait_for_person(self, view: RunView, reason: ConditionReason, problem: str) -> None:
        """Start nothing and judge nothing, and say why: what another release wrote must not be executed twice."""
        await self._recorder.waiting(view, reason, problem)
        if view.stalled_for != reason:
            await self._statuses.write_stalled(view, describe_stalled(view.generation, reason, problem, self._now()))


def _says_not_stored(condition: Condition) -> bool:
    return condition.type == ConditionType.RESULTS_STORED and condition.status != ConditionStatus.TRUE
