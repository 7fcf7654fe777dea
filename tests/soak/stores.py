"""Postgres in memory, which notices when something that was stored is stored with another verdict."""

from collections.abc import Iterable, Mapping

from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import Baseline, CaseOutcome, CaseRecord, RunRecord
from testrun_operator.errors import StoreUnavailable
from testrun_operator.store.results import CaseKey, Written


class SoakStore:
    """What :class:`testrun_operator.store.writer.ResultWriter` and the controller need of Postgres."""

    def __init__(self) -> None:
        self.cases: dict[CaseKey, CaseRecord] = {}
        self.runs: dict[int, RunRecord] = {}
        self.is_down = False
        self.unread: set[int] = set()
        """Executions of which an operator that began could not read what is stored."""
        self.changed: dict[CaseKey, tuple[CaseOutcome, CaseOutcome]] = {}
        """Where a row got another verdict than it had: before, and then."""
        self.final: set[CaseKey] = set()
        """Cases of which nobody can find out any more than what is stored: their Jobs were removed."""
        self.overwritten: set[CaseKey] = set()
        """Those of them that were stored again as something else."""

    def _answer(self) -> None:
        if self.is_down:
            raise StoreUnavailable("no route to host")

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def migrate(self) -> tuple[int, ...]:
        """There is no schema."""
        self._answer()
        return ()

    async def write_cases(self, records: list[CaseRecord], /) -> Written:
        """Store cases."""
        self._answer()
        for record in records:
            key = record.run_id, record.outcome.case
            before = self.cases.get(key)
            if before is not None and before.outcome.verdict is not record.outcome.verdict:
                self.changed[key] = before.outcome, record.outcome
            if key in self.final and before is not None and before.outcome != record.outcome:
                self.overwritten.add(key)
            self.cases[key] = record
        return Written()

    async def write_run(self, record: RunRecord, /) -> str | None:
        """Store the summary of an execution."""
        self._answer()
        self.runs[record.run_id] = record
        return None

    async def passed_cases(self, run_id: int) -> frozenset[str]:
        """Return the cases that passed in an earlier execution."""
        known = await self.verdicts(run_id)
        return frozenset(case for case, verdict in known.items() if verdict is Verdict.PASSED)

    async def verdicts(self, run_id: int) -> dict[str, Verdict]:
        """Return the verdicts of an execution that are stored."""
        if self.is_down:
            self.unread.add(run_id)
        self._answer()
        return {case: record.outcome.verdict for (run, case), record in self.cases.items() if run == run_id}

    async def baselines(self, names: Iterable[str]) -> Mapping[str, Baseline]:
        """There are none."""
        del names
        self._answer()
        return {}
