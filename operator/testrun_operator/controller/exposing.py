"""What metrics say of the objects in the cluster, worked out from these whenever somebody asks.

So it is the same after a restart, and gone with the objects.
"""

from collections.abc import Iterator

from testrun_operator.api.phase import Phase
from testrun_operator.controller.cache import ClusterCache, RunView, SuiteView
from testrun_operator.controller.metrics import Ended
from testrun_operator.controller.suites import read_status


def suites_in(cache: ClusterCache) -> set[tuple[str, str]]:
    """Return namespace and suite label of everything that is executed, or may be."""
    of_runs = {(run.reference.namespace, _suite_label(run)) for run in cache.runs()}
    return of_runs | {suite.key for suite in cache.suites()}


def last_runs(cache: ClusterCache) -> Iterator[Ended]:
    """Yield the last execution of each TestSuite, by its status, and of each TestRun with a suite of its own."""
    for suite in cache.suites():
        yield from _of_suite(suite)
    for run in cache.runs():
        if run.suite_name is None:
            yield from _of_run(run)


def _of_suite(suite: SuiteView) -> Iterator[Ended]:
    last = read_status(suite).last_run
    if last is not None and last.completion_time is not None:
        yield Ended(suite.namespace, suite.name, last.phase is Phase.PASSED, last.completion_time)


def _of_run(run: RunView) -> Iterator[Ended]:
    ended = (
        (run.status.phase, run.status.completion_time),
        *((e.phase, e.completion_time) for e in run.status.history),
    )
    for phase, completed_at in ended:
        if completed_at is not None and phase is not None and phase.is_final:
            yield Ended(run.reference.namespace, _suite_label(run), phase is Phase.PASSED, completed_at)
            return  # the others ended earlier


def _suite_label(run: RunView) -> str:
    return run.suite_name or run.reference.name
