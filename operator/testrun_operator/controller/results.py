"""What the controller knows of the storing of results: what was handed to the writer, and what is in Postgres."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from testrun_operator.api.phase import ConditionStatus
from testrun_operator.api.reason import ConditionReason
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller import metrics
from testrun_operator.engine.outcome import Baseline, CaseRecord, RunRecord
from testrun_operator.engine.status import Storing
from testrun_operator.errors import StoreUnavailable
from testrun_operator.store.results import ResultStore
from testrun_operator.store.settings import StoreSettings
from testrun_operator.store.writer import ResultWriter

_logger = logging.getLogger(__name__)
_CLOSE_SECONDS = 5.0
_READ_SECONDS = 5.0
"""How long an execution that is adopted waits for what is stored of it."""

ALL_STORED = Storing(ConditionStatus.TRUE, ConditionReason.STORED, "every outcome is in Postgres")


@dataclass(slots=True)
class _Progress:
    submitted: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    """Cases of which everything is in Postgres."""
    reduced: set[str] = field(default_factory=set)
    """Cases whose details Postgres did not accept."""
    is_followed: bool = False
    """Whether somebody wants to know of each case that is stored."""
    run_submitted: bool = False
    run_stored: bool = False
    run_refused: bool = False
    refused: str | None = None


class Results:
    """The results' way to Postgres.

    Args:
        settings: where Postgres is; None if the operator was installed without it.
        on_change: called with a run id when what :meth:`storing` says of it may have changed; None for all of them.
        on_fatal: called with an error after which nothing would be stored any more.
        may_write: says whether nobody else writes, of two operators that share a Lease.
    """

    def __init__(
        self,
        settings: StoreSettings | None,
        on_change: Callable[[int | None], None],
        on_fatal: Callable[[BaseException], None],
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_write = may_write
        self._store = ResultStore(settings) if settings is not None else None
        if self._store is not None:
            self._store.refusals = metrics.REFUSALS
        self._on_change = on_change
        self._on_fatal = on_fatal
        self._progress: dict[int, _Progress] = {}
        self._problem: str | None = None
        self._writer: ResultWriter | None = None

    @property
    def is_configured(self) -> bool:
        """Whether there is a Postgres to store results in."""
        return self._store is not None

    async def open(self) -> None:
        """Start to write in the background; succeeds whether or not Postgres is there."""
        if self._store is None:
            return
        await self._store.open()
        self._writer = ResultWriter(
            self._store,
            on_stored=self._stored,
            on_state=self._state,
            on_refused=self._refused,
            on_reduced=self._reduced,
            may_write=self._may_write,
        )
        self._writer.start().add_done_callback(self._ended)

    async def close(self) -> None:
        """Write what can be written within a few seconds, and stop."""
        if self._writer is not None:
            await self._writer.close(_CLOSE_SECONDS)
        if self._store is not None:
            await self._store.close()

    def submit_case(self, record: CaseRecord) -> None:
        """Have a case stored; once is enough."""
        progress = self._progress.setdefault(record.run_id, _Progress())
        if self._writer is not None and record.outcome.case not in progress.submitted:
            progress.submitted.add(record.outcome.case)
            self._writer.submit(record)
            metrics.STORE_PENDING.set(self._writer.pending)

    def submit_run(self, record: RunRecord) -> None:
        """Have the summary of an execution stored; once is enough."""
        progress = self._progress.setdefault(record.run_id, _Progress())
        if self._writer is not None and not progress.run_submitted:
            progress.run_submitted = True
            self._writer.submit_run(record)

    def is_submitted(self, run_id: int, case: str) -> bool:
        """Whether a case was handed over already."""
        return case in self._progress.get(run_id, _Progress()).submitted

    def stored_cases(self, run_id: int) -> Collection[str] | None:
        """Return the cases of an execution of which everything is in Postgres, and from now on tell of each more.

        Returns:
            Their names; None if there is no Postgres.
        """
        if self._store is None:
            return None
        progress = self._progress.setdefault(run_id, _Progress())
        progress.is_followed = True
        return progress.stored - progress.reduced

    def is_stored(self, run_id: int) -> bool:
        """Whether every outcome of an execution that is over is in Postgres."""
        progress = self._progress.get(run_id, _Progress())
        return progress.run_stored and progress.refused is None

    def is_done(self, run_id: int) -> bool:
        """Whether nothing more has to be kept for the storing of an execution that is over."""
        if self._store is None:
            return True
        progress = self._progress.get(run_id, _Progress())
        return progress.run_stored or progress.run_refused  # the summary goes last

    def forget(self, run_id: int) -> None:
        """Drop what is known of an execution that nobody asks for any more."""
        self._progress.pop(run_id, None)

    def storing(self, run_id: int, *, over: bool) -> Storing:
        """Say how far the storing of an execution is, for its condition ``ResultsStored``."""
        if self._store is None:
            return Storing(
                ConditionStatus.FALSE,
                ConditionReason.STORE_NOT_CONFIGURED,
                "the operator was installed without Postgres",
            )
        progress = self._progress.get(run_id, _Progress())
        if progress.refused is not None:
            return Storing(ConditionStatus.FALSE, ConditionReason.STORE_REFUSED, progress.refused)
        if progress.run_stored:
            return ALL_STORED
        if self._problem is not None:
            message = f"outcomes wait, and their Jobs are kept: {self._problem}"
            return Storing(ConditionStatus.FALSE, ConditionReason.STORE_UNAVAILABLE, message)
        status = ConditionStatus.FALSE if over else ConditionStatus.UNKNOWN
        return Storing(status, ConditionReason.STORING, "outcomes are stored as cases end")

    async def passed_cases(self, run_id: int) -> frozenset[str]:
        """Return the cases that passed in an earlier execution.

        Raises:
            StoreUnavailable: Postgres does not answer, or there is none.
        """
        if self._store is None:
            raise StoreUnavailable("the operator was installed without Postgres, which `rerun: Failed` needs")
        return await self._store.passed_cases(run_id)

    async def verdicts(self, run_id: int) -> Mapping[str, Verdict]:
        """Return the verdicts of an execution that are in Postgres; none if that does not answer."""
        if self._store is None:
            return {}
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._store.verdicts(run_id)
        except (StoreUnavailable, TimeoutError) as error:
            _logger.warning("what is stored of execution %d already could not be read: %s", run_id, error)
            return {}

    async def baselines(self, names: Iterable[str]) -> Mapping[str, Baseline]:
        """Return the rows of ``expected_results`` of cases.

        Raises:
            StoreUnavailable: Postgres does not answer.
        """
        return {} if self._store is None else await self._store.baselines(names)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_fatal(error)

    def _stored(self, run_id: int, cases: frozenset[str], run_stored: bool) -> None:  # noqa: FBT001 - the writer's callback
        progress = self._progress.setdefault(run_id, _Progress())
        progress.run_stored = progress.run_stored or run_stored
        progress.stored |= cases
        metrics.STORED.inc(len(cases) + run_stored)
        self._show_pending()
        if run_stored or progress.is_followed:
            self._on_change(run_id)

    def _reduced(self, run_id: int, case: str) -> None:
        self._progress.setdefault(run_id, _Progress()).reduced.add(case)

    def _state(self, available: bool, message: str | None) -> None:  # noqa: FBT001 - the writer's callback
        self._problem = None if available else message or "Postgres does not answer"
        metrics.STORE_UP.set(1 if available else 0)
        self._show_pending()
        self._on_change(None)

    def _refused(self, run_id: int, case: str | None, message: str) -> None:
        progress = self._progress.setdefault(run_id, _Progress())
        progress.refused = f"Postgres does not accept {'the summary' if case is None else f'case {case}'}: {message}"
        progress.run_refused = progress.run_refused or case is None
        self._on_change(run_id)

    def _show_pending(self) -> None:
        if self._writer is not None:
            metrics.STORE_PENDING.set(self._writer.pending)
