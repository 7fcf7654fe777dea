"""The operator's Prometheus metrics, and alerts on them. ``docs/reference/metrics.md`` is generated from here.

Labels are the namespace, the suite and words from our vocabularies: never a run or a case, whose number is not bounded.
An inline suite has the name of its TestRun, and namespaces come and go as well: so what is labelled with one that is
gone goes, too (:class:`Absence`).
"""

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from testrun_operator.store.faults import Loss, Refusal

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_CASE_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_RUN_BUCKETS = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

RUNS = Counter("testrun_runs_total", "Executions that ended.", ("namespace", "suite", "phase"), registry=REGISTRY)
CASES = Counter(
    "testrun_cases_total",
    "Cases that got their verdict.",
    ("namespace", "suite", "verdict", "failure_class"),
    registry=REGISTRY,
)
FLAKY = Counter(
    "testrun_flaky_cases_total", "Cases that passed after a retry.", ("namespace", "suite"), registry=REGISTRY
)
FAULTS = Counter(
    "testrun_infrastructure_faults_total",
    "Attempts that the infrastructure spoiled.",
    ("namespace", "reason"),
    registry=REGISTRY,
)
FOREIGN = Counter(
    "testrun_foreign_objects_total",
    "Objects that say they belong to a run and do not, and were ignored.",
    ("resource", "mismatch"),
    registry=REGISTRY,
)
RUN_DURATION = Histogram(
    "testrun_run_duration_seconds",
    "How long executions took.",
    ("namespace", "suite"),
    buckets=_RUN_BUCKETS,
    registry=REGISTRY,
)
CASE_DURATION = Histogram(
    "testrun_case_duration_seconds",
    "How long the deciding attempt of a case took.",
    ("namespace", "suite", "verdict"),
    buckets=_CASE_BUCKETS,
    registry=REGISTRY,
)
RUNNING = Gauge("testrun_running_cases", "Cases that are running.", registry=REGISTRY)
ACTIVE_RUNS = Gauge("testrun_active_runs", "Executions that are not over.", registry=REGISTRY)
LAST_PHASE = Gauge(
    "testrun_last_run_passed",
    "1 if the last execution of the suite passed, else 0.",
    ("namespace", "suite"),
    registry=REGISTRY,
)
LAST_COMPLETION = Gauge(
    "testrun_last_run_completion_timestamp_seconds",
    "When the last execution of the suite ended.",
    ("namespace", "suite"),
    registry=REGISTRY,
)
VERDICT_LAG = Histogram(
    "testrun_verdict_lag_seconds",
    "From the end of a case's container to its verdict in the plan.",
    buckets=_LAG_BUCKETS,
    registry=REGISTRY,
)
WATCH_SILENCE = Gauge(
    "testrun_watch_silent_seconds",
    "How long nothing was heard of the watch of a resource, of several the most silent one.",
    ("resource",),
    registry=REGISTRY,
)
WATCH_FAILURES = Counter(
    "testrun_watch_failures_total",
    "Lists and watches that the API server refused or could not serve.",
    ("resource", "status"),
    registry=REGISTRY,
)
WATCH_REFUSED = Gauge(
    "testrun_watch_refused",
    "1 for what the operator lacks the right to list and watch; the namespace is empty for all of them.",
    ("namespace", "resource"),
    registry=REGISTRY,
)
STORE_UP = Gauge("testrun_store_up", "1 if the last write to Postgres succeeded, else 0.", registry=REGISTRY)
STORE_PENDING = Gauge("testrun_store_pending_records", "Outcomes that wait for Postgres.", registry=REGISTRY)
STORED = Counter("testrun_store_written_records_total", "Outcomes written to Postgres.", registry=REGISTRY)
RECONCILE_ERRORS = Counter(
    "testrun_reconcile_errors_total",
    "Attempts to bring a run forward that ended with an error.",
    ("error",),
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "testrun_reconcile_duration_seconds",
    "How long bringing a run forward once took.",
    buckets=_LAG_BUCKETS,
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert for administrators to begin with, as a rule of Prometheus."""

    name: str
    expression: str
    """In PromQL: when to alert."""
    summary: str
    """What is the matter; may have templates of Prometheus: ``{{ $labels.suite }}``, ``{{ $value }}``."""
    lasting: str | None = None
    """How long that must have been so, as in ``15m``; None for at once."""


ALERTS: Final = (
    Alert(
        "SuiteNotPassed",
        "testrun_last_run_passed == 0",
        "The last execution of {{ $labels.namespace }}/{{ $labels.suite }} did not pass",
    ),
    Alert(
        "SuiteNotRun",
        "time() - testrun_last_run_completion_timestamp_seconds > 36 * 3600",
        "{{ $labels.namespace }}/{{ $labels.suite }} was not executed for 36 hours",
    ),
    Alert(
        "InfrastructureFaults",
        "sum by (reason) (increase(testrun_infrastructure_faults_total[1h])) > 10",
        "{{ $value }} attempts were spoiled within an hour: {{ $labels.reason }}",
    ),
    Alert(
        "ResultsNotStored",
        "testrun_store_pending_records > 0",
        "{{ $value }} outcomes wait for Postgres",
        lasting="15m",
    ),
    Alert(
        "ResultsRefused",
        "sum by (outcome, reason) (increase(testrun_store_refused_records_total[1h])) > 0",
        "Postgres did not accept outcomes as they were: {{ $labels.outcome }}, {{ $labels.reason }}",
    ),
    Alert(
        "OperatorErrors",
        "sum by (error) (increase(testrun_reconcile_errors_total[15m])) > 20",
        "The operator keeps failing: {{ $labels.error }}",
    ),
)
"""That the operator is gone altogether, it cannot say: ``docs/operations.md`` tells how that is noticed."""

_OF_SUITES = (RUNS, CASES, FLAKY, RUN_DURATION, CASE_DURATION)
_OF_NAMESPACES = (FAULTS,)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last execution of a suite, or of a run with a suite of its own."""

    namespace: str
    suite: str
    passed: bool
    completed_at: datetime


def show_last_runs(ended: Iterable[Ended]) -> None:
    """Show the last execution of each suite, and of no other.

    Args:
        ended: all that are to be shown; where several have the same labels, the one that ended last counts.
    """
    newest: dict[tuple[str, str], Ended] = {}
    for item in sorted(ended, key=lambda item: item.completed_at):
        newest[item.namespace, item.suite] = item
    LAST_PHASE.clear()
    LAST_COMPLETION.clear()
    for labels, item in newest.items():
        LAST_PHASE.labels(*labels).set(1 if item.passed else 0)
        LAST_COMPLETION.labels(*labels).set(item.completed_at.timestamp())


class Absence:
    """Removes the series of suites and namespaces that are gone, once they were seen to be so at two scrapes.

    So the last that was counted is scraped at least once after the suite is gone.
    """

    def __init__(self) -> None:
        self._gone: set[tuple[str, ...]] = set()

    def forget_absent(self, suites: Collection[tuple[str, str]]) -> None:
        """Remove what is absent for the second time.

        Args:
            suites: namespace and suite label of everything that is there.
        """
        present: set[tuple[str, ...]] = {*suites} | {(namespace,) for namespace, _ in suites}
        gone: set[tuple[str, ...]] = set()
        for collectors, length in ((_OF_SUITES, 2), (_OF_NAMESPACES, 1)):
            for collector in collectors:
                for labels in list(collector._metrics):  # noqa: SLF001 - there is no public way to list them
                    owner = tuple(labels[:length])
                    if owner in present:
                        continue
                    if owner in self._gone:
                        collector.remove(*labels)
                    else:
                        gone.add(owner)
        self._gone = gone


class Counted(Collector):
    """Shows what is counted elsewhere, by whoever knows of it first.

    Args:
        name: name of the metric, without ``_total``.
        documentation: what it counts.
        labelnames: names of the labels.
        counts: the numbers, by the values of the labels; looked at whenever metrics are asked for.
    """

    def __init__(self, name: str, documentation: str, labelnames: tuple[str, ...], counts: Mapping[Any, int]) -> None:
        self.name = name + "_total"
        self.labelnames = labelnames
        self.documentation = documentation
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the family with its current values."""
        family = CounterMetricFamily(self.name.removesuffix("_total"), self.documentation, labels=self.labelnames)
        for labels, count in Tally(dict(self._counts)).items():
            family.add_metric(labels, count)
        yield family


def api_calls(calls: Mapping[tuple[str, str], int]) -> Counted:
    """Return what shows how often the operator called the API server, by verb and resource."""
    return Counted(
        "testrun_api_calls", "Calls to the API server, lists and watches aside.", ("verb", "resource"), calls
    )


def refused_records(refusals: Mapping[tuple[Loss, Refusal], int]) -> Counted:
    """Return what shows how many records Postgres did not accept, by what became of them and why."""
    return Counted(
        "testrun_store_refused_records",
        "Outcomes that Postgres did not accept as they were: Dropped, or Reduced to the verdict.",
        ("outcome", "reason"),
        refusals,
    )


REFUSALS: Tally[tuple[Loss, Refusal]] = Tally()
"""Where the store counts what Postgres did not accept."""
REGISTRY.register(refused_records(REFUSALS))


def describe() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield name, type, labels and help of every metric, for the reference page."""
    calls = api_calls({})
    registered = (
        collector
        for collector in REGISTRY._collector_to_names  # noqa: SLF001 - there is no public way to list them
        if not isinstance(collector, Counted) or collector.name != calls.name  # a process registers those of its own
    )
    for collector in (*registered, calls):
        if isinstance(collector, Counted):
            yield collector.name, "counter", collector.labelnames, collector.documentation
        elif isinstance(collector, Counter | Gauge | Histogram):
            metric = next(iter(collector.describe()))
            suffix = "_total" if metric.type == "counter" else ""
            yield metric.name + suffix, metric.type, collector._labelnames, metric.documentation  # noqa: SLF001 - as above
