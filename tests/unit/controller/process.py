"""One process of the operator over a cluster in memory, without kopf: a test says when a run is looked at."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from support.memory_cluster import NAMESPACE, Body, MemoryCluster
from testrun_operator.api.verdict import Verdict
from testrun_operator.controller import indexing
from testrun_operator.controller.action_executor import ActionExecutor
from testrun_operator.controller.cache import Key
from testrun_operator.controller.recording import Recorder
from testrun_operator.controller.reports import ReportReader
from testrun_operator.controller.results import Results
from testrun_operator.controller.runs import RunReconciler
from testrun_operator.controller.servers import ServerKeeper
from testrun_operator.controller.starting import Starter
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.controller.suites import SuiteReconciler
from testrun_operator.engine.judgement import JudgingSettings
from testrun_operator.engine.outcome import Baseline, CaseRecord, RunRecord
from testrun_operator.errors import StoreUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.client import JOBS
from testrun_operator.kube.events import EventRecorder
from testrun_operator.kube.observe import read_pod
from testrun_operator.kube.pods import PodSettings
from testrun_operator.kube.servers import ServerSettings
from testrun_operator.store.results import CaseKey, Written

PODS = PodSettings("operator:1", "IfNotPresent", (), {}, timedelta(minutes=6))
SERVERS = ServerSettings("test-server", 30555, "cluster.local", PODS)
JUDGING = JudgingSettings()
_MOMENT = timedelta(seconds=1)


class MemoryStore:
    """Postgres in memory: what was written, and whether it answers."""

    def __init__(self) -> None:
        self.cases: dict[CaseKey, CaseRecord] = {}
        self.runs: dict[int, RunRecord] = {}
        self.refused: set[str] = set()
        """Cases that are never accepted."""
        self.passed: frozenset[str] = frozenset()
        self.rows: dict[str, Baseline] = {}
        self.problem: str | None = None
        self.asked_for: list[int] = []
        self.is_open = False

    def _answer(self) -> None:
        if self.problem is not None:
            raise StoreUnavailable(self.problem)

    async def open(self) -> None:
        """Open it."""
        self.is_open = True

    async def close(self) -> None:
        """Close it."""
        self.is_open = False

    async def migrate(self) -> tuple[int, ...]:
        """There is no schema."""
        self._answer()
        return ()

    async def write_cases(self, records: list[CaseRecord], /) -> Written:
        """Store cases."""
        self._answer()
        refused = {_key(record): "too odd" for record in records if record.outcome.case in self.refused}
        self.cases |= {_key(record): record for record in records if _key(record) not in refused}
        return Written(refused=refused)

    async def write_run(self, record: RunRecord, /) -> str | None:
        """Store the summary of an execution."""
        self._answer()
        self.runs[record.run_id] = record
        return None

    async def passed_cases(self, run_id: int) -> frozenset[str]:
        """Return the cases that passed in an earlier execution."""
        self._answer()
        self.asked_for.append(run_id)
        return self.passed

    async def verdicts(self, run_id: int) -> dict[str, Verdict]:
        """Return the verdicts of an execution that are stored."""
        self._answer()
        return {case: record.outcome.verdict for (run, case), record in self.cases.items() if run == run_id}

    async def baselines(self, names: Iterable[str]) -> Mapping[str, Baseline]:
        """Return the rows of ``expected_results``."""
        self._answer()
        return {name: self.rows[name] for name in names if name in self.rows}


class MemoryWriter:
    """The writer, which writes when a test says so."""

    def __init__(self, results: Results, store: MemoryStore) -> None:
        self._results = results
        self._store = store
        self.cases: list[CaseRecord] = []
        self.runs: list[RunRecord] = []

    @property
    def pending(self) -> int:
        """How many records wait."""
        return len(self.cases) + len(self.runs)

    def submit(self, record: CaseRecord) -> None:
        """Have a case stored."""
        self.cases.append(record)

    def submit_run(self, record: RunRecord) -> None:
        """Have the summary of an execution stored."""
        self.runs.append(record)

    async def flush(self) -> None:
        """Write what waits, and tell."""
        try:
            written = await self._store.write_cases(self.cases)
            for record in self.cases:
                key = _key(record)
                if key in written.refused:
                    self._results._refused(key[0], key[1], written.refused[key])
                else:
                    self._results._stored(key[0], frozenset({key[1]}), False)
            for run in self.runs:
                await self._store.write_run(run)
                self._results._stored(run.run_id, frozenset(), True)
        except StoreUnavailable as error:
            self._results._state(False, str(error))
            return
        self.cases.clear()
        self.runs.clear()
        self._results._state(True, None)


class Process:
    """The parts of the operator, put together as :class:`testrun_operator.controller.operator.Operator` does.

    Args:
        cluster: the cluster, which outlives it.
        store: Postgres, which outlives it; None for an operator without.
    """

    def __init__(self, cluster: MemoryCluster, store: MemoryStore | None = None) -> None:
        client, cache, now = cluster.client, cluster.cache, cluster.clock
        self.cluster = cluster
        self.suites_to_look_at: set[Key] = set()
        self.fatal: list[BaseException] = []
        self.results = Results(None, lambda _: None, self.fatal.append)
        self.writer: MemoryWriter | None = None
        if store is not None:
            self.writer = MemoryWriter(self.results, store)
            self.results._store = store  # type: ignore[assignment]
            self.results._writer = self.writer  # type: ignore[assignment]
        self.servers = ServerKeeper(client, cache, SERVERS)
        self.recorder = Recorder(
            results=self.results,
            reports=ReportReader(client),
            events=EventRecorder(client, "operator-0"),
            on_suite=self.suites_to_look_at.add,
            on_reports_read=lambda _: None,
            now=now,
        )
        self.statuses = StatusWriter(client, timedelta(milliseconds=800), now)
        self.runs = RunReconciler(
            client=client,
            cache=cache,
            results=self.results,
            servers=self.servers,
            executor=ActionExecutor(client, cache, PODS, JUDGING),
            starter=Starter(client, cache, self.results, now, PODS.common_labels),
            statuses=self.statuses,
            recorder=self.recorder,
            judging=JUDGING,
            now=now,
        )
        self.suites = SuiteReconciler(client, cache, self.servers, now)

    async def reconcile(self, run: str = "nightly", namespace: str = NAMESPACE) -> datetime | None:
        """Look at a run once."""
        return await self.runs.reconcile((namespace, run))

    async def settle(self, run: str = "nightly") -> datetime | None:
        """Look at a run until nothing is done any more; a moment that it wants to wait for passes.

        Returns:
            When to look again.
        """
        for _ in range(30):
            before = self.cluster.client.calls.total()
            wake = await self.reconcile(run)
            while self.recorder._tasks:
                await asyncio.gather(*self.recorder._tasks)
            if wake is not None and wake - self.cluster.now <= _MOMENT:
                self.cluster.now = max(wake, self.cluster.now)
            elif before == self.cluster.client.calls.total():
                return wake
        raise AssertionError("the run does not come to rest")

    async def store(self, run: str = "nightly") -> datetime | None:
        """Let the writer write, and the run be looked at for it."""
        assert self.writer is not None
        await self.writer.flush()
        return await self.settle(run)

    def lose_job(self, job: Body) -> None:
        """Delete a Job, and tell of it as the handlers do."""
        metadata = job["metadata"]
        self.cluster.delete(JOBS, metadata["name"], metadata["namespace"])
        indexed = indexing.read_indexed_job(job)
        state = self.runs.state_of(indexed.run, indexed.run_id) if indexed is not None else None
        if state is not None and indexed is not None:
            state.lose_job(indexed.observation, self.cluster.now)

    def lose_pod(self, pod: Body) -> None:
        """Delete a pod, and tell of it as the handlers do."""
        metadata = pod["metadata"]
        self.cluster.delete("v1/pods", metadata["name"], metadata["namespace"])
        uid, run_id = metadata["labels"][labels.RUN_UID], metadata["labels"][labels.RUN_ID]
        active = (state for state in self.runs.active() if (state.run.uid, state.run_id) == (uid, run_id))
        if (state := next(active, None)) is not None:
            state.lose_pod(metadata["labels"]["job-name"], read_pod(pod))


def _key(record: CaseRecord) -> CaseKey:
    return record.run_id, record.outcome.case


def condition(status: Body, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    found = next(found for found in status["conditions"] if found["type"] == kind)
    return found["status"], found["reason"]
