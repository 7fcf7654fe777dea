"""What is in the cluster, as values: the indices of all watches, behind names that say what they are.

They are filled from lists and watches, by kopf and by ``controller/dependents.py``, and nothing is reconciled before
each of them is complete. So no plan is ever made from half of what there is.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from testrun_operator.engine.observation import JobObservation, JobState, PodObservation
from testrun_operator.kube.records import StoredRecord
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.status import TestRunStatus

Key = tuple[str, str]
"""Namespace and name."""

OwnerKey = tuple[str, str]
"""Namespace and uid of a TestRun."""

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class RunView:
    """A TestRun as it is in the cluster."""

    reference: RunReference
    generation: int
    spec: object
    """As sent by the API server; parsed where it is used, since what is wrong with it belongs into the status."""
    status: TestRunStatus
    suite_name: str | None
    """The TestSuite that it names, if it names one."""
    deleting: bool
    queue: Mapping[str, str] = field(default_factory=dict)
    """Its labels for a queue, which its Jobs get as well."""
    status_problem: str = ""
    """Why its status cannot be read; empty if it can."""
    stalled_for: str = ""
    """Reason of its condition Stalled, if that is true."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.reference.namespace, self.reference.name


@dataclass(frozen=True, slots=True)
class SuiteView:
    """A TestSuite as it is in the cluster."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: object
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class IndexedJob:
    """A Job of ours."""

    run: RunReference
    run_id: str
    observation: JobObservation


@dataclass(frozen=True, slots=True)
class ServerObject:
    """A Deployment or a Service of a test server."""

    template: str
    """The digest of what its pods were made from; empty for a Service."""
    ready: bool
    """Of a Service, whether it exists."""
    owner_uid: str = ""
    """The uid of the run that controls it; empty for a shared one."""


class _Index(Protocol[_K, _V]):
    """The part of an index that is used: a read-only mapping from a key to a collection of values."""

    def get(self, key: _K, default: Collection[_V], /) -> Collection[_V]: ...
    def __iter__(self) -> Iterator[_K]: ...


@dataclass(frozen=True, slots=True)
class ClusterCache:
    """Everything that is watched. Reading it costs nothing and is always as new as the watches are."""

    runs_index: _Index[Key, RunView]
    suites_index: _Index[Key, SuiteView]
    records_index: _Index[Key, StoredRecord]
    jobs_index: _Index[Key, JobObservation]
    pods_index: _Index[Key, PodObservation]
    deployments_index: _Index[Key, ServerObject]
    services_index: _Index[Key, ServerObject]
    release: Callable[[str, str], None] = lambda _namespace, _run_id: None
    """Forgets the Jobs and pods of an execution of which nothing remains to be done; they may exist for long."""
    is_released: Callable[[str, str], bool] = lambda _namespace, _run_id: False
    """Whether the Jobs and pods of an execution are forgotten."""

    def run(self, key: Key) -> RunView | None:
        """Return a TestRun, if it exists."""
        return _first(self.runs_index.get(key, ()))

    def runs(self) -> Iterable[RunView]:
        """Return all TestRuns."""
        for key in list(self.runs_index):
            yield from self.runs_index.get(key, ())

    def runs_of_suite(self, suite: Key) -> Iterable[RunView]:
        """Return the TestRuns that name a TestSuite."""
        return (run for run in self.runs() if (run.reference.namespace, run.suite_name) == suite)

    def suite(self, key: Key) -> SuiteView | None:
        """Return a TestSuite, if it exists."""
        return _first(self.suites_index.get(key, ()))

    def suites(self) -> Iterable[SuiteView]:
        """Return all TestSuites."""
        for key in list(self.suites_index):
            yield from self.suites_index.get(key, ())

    def records(self, run: RunReference) -> tuple[StoredRecord, ...]:
        """Return the executions of a TestRun that are recorded, the oldest first."""
        found = self.records_index.get((run.namespace, run.uid), ())
        return tuple(sorted(found, key=lambda stored: int(stored.run_id)))

    def jobs(self, namespace: str, run_id: str) -> tuple[JobObservation, ...]:
        """Return the Jobs of an execution, without their pods."""
        return tuple(self.jobs_index.get((namespace, run_id), ()))

    def occupied_places(self) -> dict[tuple[str, str], int]:
        """Count the Jobs that are not over, by the uid of the TestRun and the id of the execution."""
        counts = {}
        for run in self.runs():
            for stored in self.records(run.reference):
                jobs = self.jobs(run.reference.namespace, stored.run_id)
                active = sum(job.state is JobState.ACTIVE and job.decided is None for job in jobs)
                if active:
                    counts[run.reference.uid, stored.run_id] = active
        return counts

    def pods(self, namespace: str, job: str) -> tuple[PodObservation, ...]:
        """Return the pods of a Job."""
        return tuple(self.pods_index.get((namespace, job), ()))

    def deployment(self, namespace: str, name: str) -> ServerObject | None:
        """Return the Deployment of a test server, if it exists."""
        return _first(self.deployments_index.get((namespace, name), ()))

    def service(self, namespace: str, name: str) -> ServerObject | None:
        """Return the Service of a test server, if it exists."""
        return _first(self.services_index.get((namespace, name), ()))


def _first(values: Iterable[_V]) -> _V | None:
    return next(iter(values), None)
