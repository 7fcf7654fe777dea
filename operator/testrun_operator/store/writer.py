"""When results are written: in the background, in batches, in order, and for as long as it takes Postgres to be there.

The controller submits a record as soon as it has one and goes on. It keeps what the record was made from (the Jobs)
until ``on_stored`` says that the record is in Postgres; so what waits here may be lost with the process.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from testrun_operator.engine.outcome import CaseRecord, RunRecord
from testrun_operator.errors import SchemaTooNew, StoreUnavailable
from testrun_operator.store.results import CaseKey, Written

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_SECONDS: Final = 0.05
"""How long the first record of a batch waits for others. Small against the budget of 1 s for a row's lag."""

BATCH_SIZE: Final = 200
"""Cases per transaction: enough to make its costs disappear, few enough to be written in a fraction of a second."""

_CANCEL_SECONDS: Final = 1.0
FIRST_RETRY_DELAY_SECONDS: Final = 0.5
LONGEST_RETRY_DELAY_SECONDS: Final = 15.0
"""An outage of any length ends for the operator at most this long (and one connection's timeout) after it is over."""


class Store(Protocol):
    """What the writer needs of :class:`testrun_operator.store.results.ResultStore`."""

    async def migrate(self) -> tuple[int, ...]:
        """Bring the schema up to date."""

    async def write_cases(self, records: list[CaseRecord], /) -> Written:
        """Store cases."""

    async def write_run(self, record: RunRecord, /) -> str | None:
        """Store the summary of an execution."""


OnStored = Callable[[int, frozenset[str], bool], None]
"""Called with a run id, the names of the cases that are stored now, and whether its summary is."""

OnState = Callable[[bool, str | None], None]
"""Called when Postgres becomes available, or unavailable (with the cause), and when the cause changes."""

OnRefused = Callable[[int, str | None, str], None]
"""Called with a run id, a case (None for the summary) and the cause, for what Postgres will never accept."""


OnReduced = Callable[[int, str], None]
"""Called with a run id and a case that is stored without its details, before :data:`OnStored` is."""


class ResultWriter:
    """Writes what is submitted, once Postgres is there, and tells when it is stored.

    Everything is called from one event loop. The callbacks are called from the background task, must not block, and
    must not raise.

    Args:
        store: where to write; open.
        on_stored: see :data:`OnStored`. Names a case once for each time that it was written.
        on_state: see :data:`OnState`.
        on_refused: see :data:`OnRefused`; such records are dropped here, so that they do not hold up the others.
        on_reduced: see :data:`OnReduced`.
        may_write: says whether nobody else writes; asked before each transaction.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_stored: OnStored,
        on_state: OnState,
        on_refused: OnRefused = lambda _run_id, _case, _message: None,
        on_reduced: OnReduced = lambda _run_id, _case: None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.written_total = 0
        """Records that were written."""
        self.failures_total = 0
        """Attempts to write, or to bring up to date the schema, that found Postgres unavailable."""
        self.refused_total = 0
        """Records that Postgres refused altogether."""
        self.last_success: datetime | None = None
        """When Postgres last answered as it should."""

        self._store = store
        self._on_stored = on_stored
        self._on_state = on_state
        self._on_refused = on_refused
        self._on_reduced = on_reduced
        self._may_write = may_write
        self._cases: dict[CaseKey, CaseRecord] = {}
        self._runs: dict[int, RunRecord] = {}
        self._waiting_of_run: Counter[int] = Counter()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._migrated = False
        self._state: tuple[bool, str | None] | None = None
        self._batch_size = BATCH_SIZE

    @property
    def pending(self) -> int:
        """How many records wait to be stored, those included that are being written."""
        return len(self._cases) + len(self._runs)

    def start(self) -> asyncio.Task[None]:
        """Start the background task.

        Returns:
            The task. It ends before :meth:`close` only with SchemaTooNew, or with a defect of the operator; whoever
            started it has to watch it.
        """
        self._task = asyncio.create_task(self._work(), name="result-writer")
        return self._task

    def submit(self, record: CaseRecord) -> None:
        """Have a case stored. Does nothing if the same record waits already; a newer one for the case replaces it."""
        key = (record.run_id, record.outcome.case)
        if key not in self._cases:
            self._waiting_of_run[record.run_id] += 1
        elif self._cases[key] is record or self._cases[key] == record:
            return
        self._cases[key] = record
        self._wake.set()

    def submit_run(self, record: RunRecord) -> None:
        """Have the summary of an execution stored, after all cases of it that wait at that time."""
        if self._runs.get(record.run_id) != record:
            self._runs[record.run_id] = record
            self._wake.set()

    async def close(self, timeout_seconds: float) -> int:
        """Write what waits, for so long, and stop.

        Args:
            timeout_seconds: how long to try.

        Returns:
            How many records are left; they are written by the next process, which gets them from the Jobs.
        """
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_seconds)
            # Again until it is heard: asyncio.wait_for, which the driver uses, may swallow a cancellation that comes
            # together with what it waits for (Python 3.11).
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=_CANCEL_SECONDS)
            self._task = None
        return self.pending

    async def _work(self) -> None:
        delay = FIRST_RETRY_DELAY_SECONDS
        while True:
            written_before = self.written_total
            try:
                self._check_lease()
                await self._ensure_schema()
                await self._flush()
            except StoreUnavailable as error:
                self.failures_total += 1
                self._migrated = False  # Postgres may come back empty, or with the tables dropped
                # One record that takes Postgres too long must not hold up the others: whatever was in the batch with
                # it is tried alone next time. After an outage a few doublings make up for it.
                self._batch_size = 1
                if self.written_total > written_before:
                    delay = FIRST_RETRY_DELAY_SECONDS
                self._report_state(available=False, message=str(error))
                await self._pause(delay)
                delay = min(2 * delay, LONGEST_RETRY_DELAY_SECONDS)
                continue
            except SchemaTooNew as error:
                self._report_state(available=False, message=str(error))
                raise
            delay = FIRST_RETRY_DELAY_SECONDS
            if self._closing.is_set() and not self.pending:
                return
            await self._wake.wait()
            self._wake.clear()
            await self._pause(FLUSH_INTERVAL_SECONDS)

    async def _ensure_schema(self) -> None:
        if not self._migrated:
            await self._store.migrate()
            self._migrated = True
            self._succeeded()

    async def _flush(self) -> None:
        """Write everything that waits; a summary only when no case of its execution waits any more."""
        while self._cases or self._runs:
            ready = [record for run_id, record in self._runs.items() if not self._waiting_of_run[run_id]]
            for record in ready:
                await self._write_run(record)
            if self._cases:
                await self._write_batch()

    def _check_lease(self) -> None:
        if not self._may_write():
            raise StoreUnavailable("nothing is written until the Lease is renewed")

    async def _write_batch(self) -> None:
        self._check_lease()
        keys = list(self._cases)[: self._batch_size]
        batch = {key: self._cases[key] for key in keys}
        try:
            written = await self._store.write_cases(list(batch.values()))
        except StoreUnavailable:
            # To the end, so that the next try is with others.
            for key in keys:
                self._cases[key] = self._cases.pop(key)
            raise
        self._succeeded()
        self._batch_size = min(2 * self._batch_size, BATCH_SIZE)
        stored: dict[int, set[str]] = {}
        for (run_id, case), record in batch.items():
            if self._cases[run_id, case] is record:  # otherwise a newer one came in the meantime, and is still to do
                del self._cases[run_id, case]
                self._waiting_of_run[run_id] -= 1
            if (run_id, case) not in written.refused:
                stored.setdefault(run_id, set()).add(case)
        self.written_total += len(batch) - len(written.refused)
        self._waiting_of_run = +self._waiting_of_run  # forget the runs that wait for nothing
        for run_id, case in written.reduced:
            self._on_reduced(run_id, case)
        for run_id, names in stored.items():
            self._on_stored(run_id, frozenset(names), False)
        self._report_refused(written.refused)

    async def _write_run(self, record: RunRecord) -> None:
        self._check_lease()
        refused = await self._store.write_run(record)
        self._succeeded()
        if self._runs[record.run_id] is record:
            del self._runs[record.run_id]
        if refused is None:
            self.written_total += 1
            self._on_stored(record.run_id, frozenset(), True)
        else:
            self.refused_total += 1
            self._on_refused(record.run_id, None, refused)

    def _report_refused(self, refused: Mapping[CaseKey, str]) -> None:
        self.refused_total += len(refused)
        for (run_id, case), message in refused.items():
            self._on_refused(run_id, case, message)

    def _succeeded(self) -> None:
        self.last_success = datetime.now(UTC)
        self._report_state(available=True, message=None)

    def _report_state(self, *, available: bool, message: str | None) -> None:
        if self._state == (available, message):
            return
        was_available = self._state is None or self._state[0]
        self._state = (available, message)
        if not available:
            logger.warning("results cannot be stored", extra={"problem": message, "pending": self.pending})
        elif not was_available:
            logger.info("results can be stored again", extra={"pending": self.pending})
        self._on_state(available, message)

    async def _pause(self, seconds: float) -> None:
        """Wait, but after :meth:`close` only as long as it takes not to be a nuisance."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, FIRST_RETRY_DELAY_SECONDS))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
