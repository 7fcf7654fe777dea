"""Bringing a TestSuite's status up to date: whether its spec is valid, and its last run."""

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from testrun_operator.api.phase import ConditionStatus, ConditionType
from testrun_operator.api.reason import ConditionReason
from testrun_operator.controller.cache import ClusterCache, Key, SuiteView
from testrun_operator.controller.servers import ServerKeeper
from testrun_operator.controller.statuses import render
from testrun_operator.engine.selection import expand_matrix
from testrun_operator.engine.status import shorten
from testrun_operator.engine.validation import check_suite
from testrun_operator.errors import InvalidSpec
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import TESTSUITES, KubernetesClient
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.status import Condition, LastRun, TestSuiteStatus
from testrun_operator.resources.suite import TestSuiteSpec

_MAX_MESSAGE = 1024


class SuiteReconciler:
    """Brings the statuses of TestSuites, and the shared test servers that they name, up to date.

    Args:
        client: the API server.
        cache: what is in the cluster.
        servers: the test servers.
        now: the clock.
    """

    def __init__(
        self, client: KubernetesClient, cache: ClusterCache, servers: ServerKeeper, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._cache = cache
        self._servers = servers
        self._now = now

    async def reconcile(self, key: Key) -> datetime | None:
        """Look at a suite once; called whenever it, a run of it, or a shared test server changed."""
        view = self._cache.suite(key)
        if view is None:
            return None
        suite, problems = _read(view)
        if suite is not None:
            await self._servers.ensure_shared(suite.test_servers)
        before = read_status(view)
        status = TestSuiteStatus(
            observed_generation=view.generation,
            cases=None if suite is None else sum(1 for case in suite.cases for _ in expand_matrix(case)),
            last_run=_newer(before.last_run, self._last_run(key)),
            conditions=self._conditions(view, before, problems),
        )
        wanted, current = render(status), dict(view.status)
        if wanted != current:
            try:
                await self._client.write_status(TESTSUITES, *key, view.uid, wanted)
            except Refused as error:
                if not error.is_not_found:
                    raise
        return None

    def _last_run(self, key: Key) -> LastRun | None:
        ended = [
            (run.status.completion_time, run)
            for run in self._cache.runs_of_suite(key)
            if run.status.completion_time is not None and run.status.run_id is not None
        ]
        if not ended:
            return None
        completed_at, newest = max(ended, key=lambda item: item[0])
        assert newest.status.run_id is not None and newest.status.phase is not None  # noqa: S101, PT018 - for mypy
        return LastRun(
            name=newest.reference.name,
            run_id=newest.status.run_id,
            phase=newest.status.phase,
            completion_time=completed_at,
        )

    def _conditions(self, view: SuiteView, before: TestSuiteStatus, problems: tuple[str, ...]) -> tuple[Condition, ...]:
        reason = ConditionReason.INVALID_SPEC if problems else ConditionReason.VALID
        message = shorten("; ".join(problems) or "the spec is valid", _MAX_MESSAGE)
        invalid, valid = (
            (ConditionStatus.TRUE, ConditionStatus.FALSE) if problems else (ConditionStatus.FALSE, ConditionStatus.TRUE)
        )
        since = {condition.type: condition for condition in before.conditions}
        return tuple(
            Condition(
                type=kind,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=since[kind].last_transition_time
                if kind in since and since[kind].status is status
                else self._now(),
                observed_generation=view.generation,
            )
            for kind, status in ((ConditionType.READY, valid), (ConditionType.STALLED, invalid))
        )


def _newer(known: LastRun | None, found: LastRun | None) -> LastRun | None:
    """Return which of two ended later: one that is gone, or executed anew, may have ended after all that are there."""
    if known is None or found is None or known.completion_time is None or found.completion_time is None:
        return found or known
    return known if known.completion_time > found.completion_time else found


def _read(view: SuiteView) -> tuple[TestSuiteSpec | None, tuple[str, ...]]:
    try:
        suite = parse_suite(view.spec)
    except InvalidSpec as error:
        return None, error.problems
    problems = check_suite(suite)
    return (None if problems else suite), problems


def read_status(view: SuiteView) -> TestSuiteStatus:
    """Return the status of a suite as it is; an empty one where it cannot be read."""
    try:
        return TestSuiteStatus.model_validate(dict(view.status))
    except ValidationError:
        return TestSuiteStatus()
