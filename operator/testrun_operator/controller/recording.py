"""Telling what happened: to Postgres, to Prometheus, to Kubernetes Events and to the log.

Nothing here decides anything. Everything may be called again with the same facts and tells them once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta

from testrun_operator.api.junit import READER
from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import ConditionReason
from testrun_operator.api.report import LogReference
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller import metrics
from testrun_operator.controller.cache import Key, RunView
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.reports import ReportReader
from testrun_operator.controller.results import Results
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome, CaseRecord, RunRecord
from testrun_operator.engine.status import count_cases, says, summarize_settings
from testrun_operator.engine.summary import explain_few, phase_of
from testrun_operator.kube.events import EventRecorder, EventType
from testrun_operator.kube.observe import CONTAINER
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.status import CaseCounts, TestRunStatus

_WAITS = frozenset({ConditionReason.WAITING_FOR_QUOTA, ConditionReason.WAITING_IN_QUEUE})
_MAX_FAULT_EVENTS = 5
"""Events about infrastructure faults per execution; where there are more, they are all of one cause."""
_logger = logging.getLogger(__name__)


class Recorder:
    """Tells what happened.

    Args:
        results: the way to Postgres.
        reports: reads details from logs.
        events: writes Events.
        on_suite: called with a TestSuite whose last run may have changed.
        on_reports_read: called with a TestRun of which details were read from logs.
        now: the clock.
    """

    def __init__(
        self,
        *,
        results: Results,
        reports: ReportReader,
        events: EventRecorder,
        on_suite: Callable[[Key], None],
        on_reports_read: Callable[[RunReference], None],
        now: Callable[[], datetime],
    ) -> None:
        self._results = results
        self._reports = reports
        self._events = events
        self._on_suite = on_suite
        self._on_reports_read = on_reports_read
        self._now = now
        self._began_at = now()
        self._told: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def waiting(self, view: RunView, reason: ConditionReason, message: str) -> None:
        """Tell why a run cannot start; once for each reason, whichever process says it first."""
        said = f"{reason}: {message}"
        if self._told.get(view.reference.uid) == said or reason is ConditionReason.SUSPENDED:
            return
        if view.reference.uid not in self._told and says(view.status, reason, message):
            self._told[view.reference.uid] = said  # by the process before this one
            return
        self._told[view.reference.uid] = said
        _logger.warning("the run cannot start: %s", said, extra={"run": str(view.reference)})
        await self._event(view, EventType.WARNING, reason, message)

    async def held_back(self, view: RunView, state: ExecutionState, reason: ConditionReason, message: str) -> None:
        """Tell that no case of an execution gets on for want of quota or for a queue; once for each of the two."""
        if reason not in _WAITS or reason in state.told_waits:
            return
        state.told_waits.add(reason)
        _logger.warning("%s: %s", reason, message, extra={"run": str(state.run), "runId": state.run_id})
        await self._event(view, EventType.WARNING, reason, message)

    async def started(self, view: RunView, state: ExecutionState) -> None:
        """Tell that an execution started."""
        self._told.pop(view.reference.uid, None)
        state.is_told = True
        total = len(state.execution.cases)
        _logger.info(
            "started an execution of %d cases", total, extra={"run": str(view.reference), "runId": state.run_id}
        )
        suite = state.record.suite_name
        await self._event(
            view, EventType.NORMAL, "Started", f"execution {state.run_id} of suite {suite}: {total} cases"
        )

    async def cases(self, state: ExecutionState, *, over: bool, stored: bool) -> None:
        """Tell which cases have got their verdicts, and hand them over to be stored.

        Args:
            state: the execution.
            over: whether its status says already how it ended. Then everything was told, by the process before this
                one if not by this one; and of cases without an attempt only those are stored of which the status
                tells how they ended, since others cannot be told from those whose Job is gone.
            stored: whether its record says that everything is in Postgres. Then nothing is stored again: its pods may
                be gone since, and what is found out without them is less than what is stored.
        """
        for name, outcome in state.plan_state.cases.items():
            if name not in state.counted:
                state.counted.add(name)
                if not over:
                    self._count(state, outcome)
                is_certain = outcome.attempts or not over or state.plan_state.told.is_whole
                if state.plan_state.told.is_stored(outcome):
                    continue
                if not stored and outcome.verdict is not Verdict.SKIPPED and is_certain:
                    self._store(state, outcome)
        if not over:
            await self._tell_faults(state)
        if not stored and self._results.is_configured:
            self._read_early(state)
        state.is_told = True

    async def finished(
        self, view: RunView, state: ExecutionState, status: TestRunStatus, completed_at: datetime, *, fresh: bool
    ) -> None:
        """Tell that an execution is over.

        Args:
            view: the run.
            state: the execution.
            status: the status of the run, which may be of a newer execution.
            completed_at: when it ended.
            fresh: whether it ended just now.
        """
        record = self._run_record(state, status, completed_at)
        if not state.reading_reports:
            self._results.submit_run(record)
        if not fresh or state.announced_end:
            return
        state.announced_end = True
        self._told.pop(view.reference.uid, None)
        labels = {"namespace": state.run.namespace, "suite": record.suite}
        metrics.RUNS.labels(phase=record.phase.value, **labels).inc()
        metrics.RUN_DURATION.labels(**labels).observe((completed_at - record.started_at).total_seconds())
        summary = f"execution {state.run_id}: {record.passed} of {record.total} cases passed"
        _logger.info("an execution ended: %s", record.phase, extra={"run": str(state.run), "runId": state.run_id})
        _, few = explain_few(state.record, record.phase, state.plan_state.cases.values())
        kind = EventType.NORMAL if record.phase is Phase.PASSED and not few else EventType.WARNING
        await self._event(view, kind, record.phase.value, few + summary)
        self._on_suite((state.run.namespace, record.suite))

    def forget(self, uid: str) -> None:
        """Drop what is known of a TestRun that is gone."""
        self._told.pop(uid, None)

    async def close(self) -> None:
        """End the reading of reports; what was not read is read again by the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _count(self, state: ExecutionState, outcome: CaseOutcome) -> None:
        last = outcome.last_attempt
        context = {"run": str(state.run), "runId": state.run_id, "case": outcome.case}
        if self._was_told(state, last):
            return
        _logger.info(
            "%s: %s%s",
            outcome.verdict,
            outcome.reason,
            f": {outcome.message}" if outcome.message else "",
            extra=context | {"attempt": last.attempt if last else 0, "verdict": outcome.verdict.value},
        )
        labels = {"namespace": state.run.namespace, "suite": state.record.suite_name}
        failure_class = outcome.failure_class.value if outcome.failure_class else ""
        metrics.CASES.labels(verdict=outcome.verdict.value, failure_class=failure_class, **labels).inc()
        if outcome.flaky:
            metrics.FLAKY.labels(**labels).inc()
        if last is not None and last.duration_milliseconds is not None:
            metrics.CASE_DURATION.labels(verdict=outcome.verdict.value, **labels).observe(
                last.duration_milliseconds / 1000
            )
        if last is not None and last.finished_at is not None:
            metrics.VERDICT_LAG.observe(max(0.0, (self._now() - last.finished_at).total_seconds()))

    def _was_told(self, state: ExecutionState, last: AttemptOutcome | None) -> bool:
        """Whether the process before this one told how an attempt, or a case without one, ended."""
        if last is not None and last.finished_at is not None:
            return last.finished_at < self._began_at - timedelta(seconds=1)
        return not state.is_told

    def _read_early(self, state: ExecutionState) -> None:
        """Read the reports of attempts that are to be repeated: their pods may be gone when the case is over."""
        for case, attempts in state.plan_state.attempts.items():
            for ended in attempts if case not in state.plan_state.cases else ():
                reference, outcome = ended.report_in_log, ended.outcome
                if reference is not None and outcome.job not in state.early_reports:
                    state.early_reports[outcome.job] = None
                    state.reading_reports.add(outcome.job)
                    self._start(self._read_one(state, outcome, reference), f"report of {outcome.job}")

    async def _read_one(self, state: ExecutionState, outcome: AttemptOutcome, reference: LogReference) -> None:
        try:
            state.early_reports[outcome.job] = await self._reports.complete_attempt(
                state.run.namespace, _reporter_of(state, outcome.case), outcome, reference
            )
        except Exception:
            # It is tried again when the case has its verdict.
            _logger.exception("details could not be read", extra={"run": str(state.run), "case": outcome.case})
        finally:
            state.reading_reports.discard(outcome.job)
            self._on_reports_read(state.run)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _store(self, state: ExecutionState, outcome: CaseOutcome) -> None:
        ended = state.plan_state.attempts.get(outcome.case, ())
        early = tuple(state.early_reports.pop(attempt.job, None) or attempt for attempt in outcome.attempts)
        unread = {attempt.attempt for attempt, known in zip(outcome.attempts, early, strict=True) if known is attempt}
        outcome = replace(outcome, attempts=early)
        references = {
            item.job.attempt: item.report_in_log
            for item in ended
            if item.report_in_log is not None and item.job.attempt in unread
        }
        if not references or not self._results.is_configured:
            self._results.submit_case(_case_record(state, outcome))
            return
        state.reading_reports.add(outcome.case)
        container = _reporter_of(state, outcome.case)

        async def read() -> None:
            complete = outcome
            try:
                complete = await self._reports.complete(state.run.namespace, outcome, references, container)
            except Exception:
                # The verdict is known without the details, and must not be lost with them.
                _logger.exception("details could not be read", extra={"run": str(state.run), "case": outcome.case})
            finally:
                self._results.submit_case(_case_record(state, complete))
                state.reading_reports.discard(outcome.case)
                self._on_reports_read(state.run)

        self._start(read(), f"reports of {outcome.case}")

    async def _tell_faults(self, state: ExecutionState) -> None:
        for attempts in state.plan_state.attempts.values():
            for ended in attempts:
                outcome = ended.outcome
                if not outcome.is_infrastructure_fault or outcome.job in state.reported_faults:
                    continue
                state.reported_faults.add(outcome.job)
                if self._was_told(state, outcome):
                    continue
                metrics.FAULTS.labels(namespace=state.run.namespace, reason=outcome.reason.value).inc()
                context = {
                    "run": str(state.run),
                    "runId": state.run_id,
                    "case": outcome.case,
                    "attempt": outcome.attempt,
                }
                _logger.warning("infrastructure fault: %s: %s", outcome.reason, outcome.message, extra=context)
                if len(state.reported_faults) <= _MAX_FAULT_EVENTS:
                    text = f"case {outcome.case}, attempt {outcome.attempt}: {outcome.message}"
                    run = state.run
                    await self._events.record(
                        "TestRun", run.namespace, run.name, run.uid, EventType.WARNING, outcome.reason, text
                    )

    async def _event(self, view: RunView, kind: EventType, reason: str, text: str) -> None:
        run = view.reference
        await self._events.record("TestRun", run.namespace, run.name, run.uid, kind, reason, text)

    @staticmethod
    def _run_record(state: ExecutionState, status: TestRunStatus, completed_at: datetime) -> RunRecord:
        outcomes = tuple(state.plan_state.cases.values())
        counts = count_cases(len(state.execution.cases), outcomes, 0)
        phase = phase_of(state.record, outcomes)
        if status.run_id == state.run_id and status.phase is not None and status.phase.is_final:
            # What the status says was said when everything was known; after a restart Jobs may be missing.
            counts, phase = status.cases or CaseCounts(), status.phase
        record = state.record
        skipped = {outcome.case for outcome in outcomes if outcome.verdict is Verdict.SKIPPED}
        executed = [case.case for case in state.execution.cases if case.name not in skipped]
        return RunRecord(
            run_id=int(state.run_id),
            namespace=state.run.namespace,
            name=state.run.name,
            suite=record.suite_name,
            revision=record.run.revision,
            phase=phase,
            started_at=record.started_at,
            finished_at=completed_at,
            total=counts.total,
            passed=counts.passed,
            failed=counts.failed,
            errored=counts.errored,
            timed_out=counts.timed_out,
            skipped=counts.skipped,
            cancelled=counts.cancelled,
            flaky=counts.flaky,
            categories=tuple(sorted({case.category for case in executed if case.category is not None})),
            settings=summarize_settings(record),
        )


def _reporter_of(state: ExecutionState, case: str) -> str:
    """Return the name of the container that has a case's report in its log."""
    return CONTAINER if state.planned(case).case.own_container is None else READER


def _case_record(state: ExecutionState, outcome: CaseOutcome) -> CaseRecord:
    case = state.planned(outcome.case).case
    baseline = state.execution.baselines.get(outcome.case)
    expected = baseline.expected_status if baseline is not None else None
    if expected is None:
        expected = case.kind.status_when_passed(case.spec)
    return CaseRecord(
        run_id=int(state.run_id),
        kind=case.kind.name,
        path=case.kind.subject(case.spec),
        category=case.category,
        outcome=outcome,
        expected_status=expected,
    )
