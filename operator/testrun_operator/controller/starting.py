"""Starting an execution: everything that has to be there before its first Job, and why it is still waited for."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.cache import ClusterCache, RunView
from testrun_operator.controller.results import Results
from testrun_operator.engine.execution import ExecutionRecord, Restriction, digest_of, made_at, make_run_id
from testrun_operator.engine.outcome import Baseline
from testrun_operator.engine.selection import select_cases
from testrun_operator.engine.validation import check_run, check_suite
from testrun_operator.errors import ClusterUnavailable, InvalidSpec, StoreUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, KubernetesClient
from testrun_operator.kube.records import Notes, UnreadableRecord, digest_of_record, record_manifest
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.run import Rerun, SuiteReference, TestRunSpec
from testrun_operator.resources.status import TestRunStatus
from testrun_operator.resources.suite import TestSuiteSpec

_MOMENT = timedelta(seconds=2)
_LONGEST_UNBOUND = timedelta(minutes=10)
"""How old a record may be that no status names yet: the run's timeout counts from its start."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """The record of an execution is written; the execution begins when the run's status names it."""

    record: ExecutionRecord
    digest: str
    """Of the record's content."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The execution cannot start yet."""

    reason: ConditionReason
    message: str


def _without_inline_suite(spec: TestRunSpec, name: str) -> TestRunSpec:
    # The record has the suite beside the run; a second copy would halve the size that a suite may have.
    reference = spec.suite_ref or SuiteReference(name=name)
    return spec.model_copy(update={"suite": None, "suite_ref": reference})


class Starter:
    """Starts executions.

    Args:
        client: the API server.
        cache: what is in the cluster.
        results: the results, for baselines and for ``rerun: Failed``.
        now: the clock.
        common_labels: labels of everything that the operator creates.
    """

    def __init__(
        self,
        client: KubernetesClient,
        cache: ClusterCache,
        results: Results,
        now: Callable[[], datetime],
        common_labels: Mapping[str, str],
    ) -> None:
        self._client = client
        self._cache = cache
        self._results = results
        self._now = now
        self._common_labels = common_labels
        self._unanswered: dict[str, ExecutionRecord] = {}

    async def start(self, view: RunView, spec: TestRunSpec, previous: TestRunStatus) -> Started | Waiting:
        """Write the record of a new execution, from which everything else follows.

        Args:
            view: the run.
            spec: its spec.
            previous: its status: names the execution before this one.

        Raises:
            InvalidSpec: the run does not fit its suite, or its inline suite is wrong.
            ClusterUnavailable: the API server does not answer.
        """
        if spec.suspend:
            return Waiting(ConditionReason.SUSPENDED, "spec.suspend is true; the run starts when it is false")
        suite = self._find_suite(view, spec)
        if isinstance(suite, Waiting):
            return suite
        digest = digest_of(spec)
        unanswered = self._unanswered.pop(view.reference.uid, None)
        if unanswered is not None and unanswered.spec_digest == digest:
            return await self._write(view, unanswered)
        if problems := check_run(spec, suite):
            raise InvalidSpec(problems)
        try:
            restriction = await self._restrict(spec, suite, previous)
        except StoreUnavailable as error:
            return Waiting(ConditionReason.WAITING_FOR_STORE, f"rerun: Failed needs the last verdicts: {error}")
        cases = select_cases(suite, spec, restriction.only if restriction else None)
        if not cases:
            raise InvalidSpec(("spec.select: matches no case of the suite",))
        now = self._now()
        record = ExecutionRecord(
            run_id=_next_run_id(previous, now),
            spec_digest=digest,
            suite_name=view.suite_name or view.reference.name,
            started_at=now.replace(microsecond=0),
            run=_without_inline_suite(spec, view.reference.name),
            suite=suite,
            restriction=restriction,
            baselines=await self._baselines(tuple(case.name for case in cases)),
        )
        unbound = self._find_unbound(view, record, known=_known_ids(previous), now=now)
        return unbound if unbound is not None else await self._write(view, record)

    def _find_unbound(
        self, view: RunView, record: ExecutionRecord, known: Iterable[int], now: datetime
    ) -> Started | None:
        """Find the record that a process has written which was killed before the status could name it.

        It says nothing that would not be written now in any case, but for its id and its time, which have to be those
        of a moment ago: somebody else who has made it has won nothing by that.
        """
        newest = max(known, default=0)
        for stored in self._cache.records(view.reference):
            try:
                found = stored.read()
            except UnreadableRecord:
                continue
            age = now - found.started_at
            same = record.model_copy(update={"run_id": found.run_id, "started_at": found.started_at})
            is_recent = -_MOMENT <= age < _LONGEST_UNBOUND and abs(made_at(found.run_id) - found.started_at) < _MOMENT
            if found == same and is_recent and int(found.run_id) > newest and stored.notes == Notes():
                return Started(found, stored.digest)
        return None

    async def _write(self, view: RunView, record: ExecutionRecord) -> Started | Waiting:
        manifest = record_manifest(view.reference, record, self._common_labels)
        try:
            await self._client.create(CONFIGMAPS, view.reference.namespace, manifest)
        except ClusterUnavailable:
            # It may have been written; the same one is tried again, so that none is left behind.
            self._unanswered[view.reference.uid] = record
            raise
        except Refused as error:
            if error.may_pass:
                return Waiting(ConditionReason.WAITING_FOR_QUOTA, f"the execution cannot be recorded yet: {error}")
            # What is there already has a name that nobody can guess: it is what was written without an answer.
            if not error.already_exists:
                raise InvalidSpec((f"spec: the execution cannot be recorded: {error}",)) from None
        return Started(record, digest_of_record(manifest))

    def forget(self, uid: str) -> None:
        """Drop what is known of a run that is gone."""
        self._unanswered.pop(uid, None)

    def _find_suite(self, view: RunView, spec: TestRunSpec) -> TestSuiteSpec | Waiting:
        if spec.suite is not None:
            if problems := check_suite(spec.suite, "spec.suite"):
                raise InvalidSpec(problems)
            return spec.suite
        name = view.suite_name or ""
        found = self._cache.suite((view.reference.namespace, name))
        if found is None:
            message = f"there is no TestSuite {name!r} in namespace {view.reference.namespace}; the run starts with it"
            return Waiting(ConditionReason.SUITE_NOT_FOUND, message)
        try:
            suite = parse_suite(found.spec)
            problems = check_suite(suite)
        except InvalidSpec as error:
            problems = error.problems
        if problems:
            return Waiting(ConditionReason.SUITE_INVALID, f"TestSuite {name!r}: " + "; ".join(problems))
        return suite

    async def _restrict(self, spec: TestRunSpec, suite: TestSuiteSpec, previous: TestRunStatus) -> Restriction | None:
        if spec.rerun is not Rerun.FAILED:
            return None
        before = previous.run_id or (previous.history[0].run_id if previous.history else None)
        if before is None:
            return None
        passed = await self._results.passed_cases(int(before))
        left = tuple(case.name for case in select_cases(suite, spec) if case.name not in passed)
        # With nothing left to repeat, everything is run: a run of no cases would pass without having shown anything.
        return Restriction(only=left, passed_before=tuple(sorted(passed))) if left else None

    async def _baselines(self, names: tuple[str, ...]) -> tuple[Baseline, ...]:
        try:
            return tuple((await self._results.baselines(names)).values())
        except StoreUnavailable as error:
            # A run does not wait for Postgres (docs/results.md); the log says that it went without.
            _logger.warning("the execution starts without the rows of expected_results: %s", error)
            return ()


def _known_ids(previous: TestRunStatus) -> list[int]:
    known = [previous.run_id, *(entry.run_id for entry in previous.history)]
    known += [entry.run_id for entry in previous.records or ()]
    return [int(run_id) for run_id in known if run_id is not None]


def _next_run_id(previous: TestRunStatus, now: datetime) -> str:
    # Greater than every id that the run had, also where the clock has gone back: the greatest is the current one.
    newest = max(_known_ids(previous), default=0)
    return str(max(int(make_run_id(now, secrets.randbits(32))), newest + 1))
