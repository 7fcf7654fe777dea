"""The operator: its parts put together, and its life from the Lease to the end."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from testrun_operator.controller import metrics
from testrun_operator.controller.action_executor import ActionExecutor
from testrun_operator.controller.cache import ClusterCache, IndexedJob, Key, OwnerKey
from testrun_operator.controller.dependents import Dependents
from testrun_operator.controller.exposing import last_runs, suites_in
from testrun_operator.controller.recording import Recorder
from testrun_operator.controller.reports import ReportReader
from testrun_operator.controller.results import Results
from testrun_operator.controller.runs import RunReconciler
from testrun_operator.controller.servers import ServerKeeper
from testrun_operator.controller.settings import Settings
from testrun_operator.controller.starting import Starter
from testrun_operator.controller.statuses import StatusWriter
from testrun_operator.controller.suites import SuiteReconciler
from testrun_operator.controller.work_queue import WorkQueue
from testrun_operator.engine.observation import PodObservation
from testrun_operator.kube.client import KubernetesClient
from testrun_operator.kube.events import EventRecorder
from testrun_operator.kube.pods import PodSettings
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.servers import ServerSettings
from testrun_operator.store.settings import StoreSettings

_logger = logging.getLogger(__name__)


class Operator:
    """Everything that one process of the operator consists of; kopf's memo, and so known to every handler.

    Args:
        settings: the settings.
        client: the API server.
    """

    def __init__(self, settings: Settings, client: KubernetesClient) -> None:
        self._settings = settings
        self._client = client
        self._cache: ClusterCache | None = None
        self._key_of: dict[OwnerKey, Key] = {}
        self._absence = metrics.Absence()
        self.has_listed = False
        """Whether everything there is was listed, so that what is not in the cache does not exist."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the error after which the process must not go on."""
        store = None
        if settings.dsn is not None:
            store = StoreSettings(dsn=settings.dsn.get_secret_value(), schema=settings.store_schema)
        self._results = Results(store, self._results_changed, self._fail, client.may_write)
        self.dependents = Dependents(self, has_store=self._results.is_configured)
        """What runs own, as it is watched."""

    async def open(self) -> None:
        """Start what runs beside kopf."""
        await self._results.open()

    async def close(self) -> None:
        """Stop everything; what is left half done is found again by the next process."""
        if self._cache is not None:
            await self._runs.close()
            await self._suites.close()
            await self._recorder.close()
        await self._results.close()

    def connect_indices(self, indices: Mapping[str, Any]) -> None:
        """Put the parts together, now that kopf has made its indices of runs and suites."""
        settings, client = self._settings, self._client
        indices = {**self.dependents.indices(), **indices}
        cache = ClusterCache(
            runs_index=indices["runs"],
            suites_index=indices["suites"],
            records_index=indices["records"],
            jobs_index=indices["jobs"],
            pods_index=indices["pods"],
            deployments_index=indices["deployments"],
            services_index=indices["services"],
            release=self.dependents.release,
            is_released=self.dependents.is_released,
        )
        pods = PodSettings(
            image=settings.image,
            image_pull_policy=settings.image_pull_policy,
            image_pull_secrets=settings.image_pull_secrets,
            runner_resources=settings.runner_resources,
            safety_margin=settings.start_timeout + settings.runner_grace + timedelta(minutes=1),
            common_labels=settings.common_labels,
            random_user_ids=settings.random_user_ids,
            cases=settings.cases,
            runner=settings.runner,
        )
        servers = ServerKeeper(
            client,
            cache,
            ServerSettings(
                namespace=settings.test_server_namespace,
                node_port=settings.test_server_node_port,
                cluster_domain=settings.cluster_domain,
                pods=pods,
                servers=settings.test_servers,
                ip_family_policy=settings.ip_family_policy,
                ip_families=settings.ip_families,
            ),
        )
        self._cache = cache
        self._recorder = Recorder(
            results=self._results,
            reports=ReportReader(client),
            events=EventRecorder(client, settings.pod_name),
            on_suite=self._suite_ended,
            on_reports_read=self._run_changed,
            now=client.now,
        )
        self._executor = ActionExecutor(client, cache, pods, settings.judging)
        self._reconciler = RunReconciler(
            client=client,
            cache=cache,
            results=self._results,
            servers=servers,
            executor=self._executor,
            starter=Starter(client, cache, self._results, client.now, settings.common_labels),
            statuses=StatusWriter(client, settings.status_interval, client.now),
            recorder=self._recorder,
            judging=settings.judging,
            now=client.now,
            max_active_jobs=settings.max_active_jobs or None,
            on_place=self._run_of_uid_changed,
        )
        self._runs: WorkQueue[Key] = WorkQueue("run", self._reconciler.reconcile, client.now, self._fail)
        suite_reconciler = SuiteReconciler(client, cache, servers, client.now)
        self._suites: WorkQueue[Key] = WorkQueue("suite", suite_reconciler.reconcile, client.now, self._fail)

    # -- what happened: called by the handlers --------------------------------------------------------------------

    def run_changed(self, namespace: str, name: str) -> None:
        """A TestRun was created, changed or deleted."""
        if not self._executes_in(namespace):
            return
        key = namespace, name
        self._runs.enqueue(key)
        view = self._cache.run(key) if self._cache is not None else None
        uid = view.reference.uid if view is not None else None
        for gone in [owner for owner, known in self._key_of.items() if known == key and owner[1] != uid]:
            del self._key_of[gone]  # deleted, perhaps with another one of the same name in its place
        if view is not None:
            self._key_of[namespace, view.reference.uid] = key
            if view.suite_name is not None and view.status.completion_time is not None:
                self._suites.enqueue((namespace, view.suite_name))

    def suite_changed(self, namespace: str, name: str) -> None:
        """A TestSuite was created, changed or deleted."""
        if not self._executes_in(namespace):
            return
        self._suites.enqueue((namespace, name))
        for run in self._cache.runs_of_suite((namespace, name)) if self._cache is not None else ():
            self._runs.enqueue(run.key)

    def job_changed(self, job: IndexedJob, *, deleted: bool) -> None:
        """A Job of ours was created, changed or deleted."""
        if self._cache is None:
            return  # each run is reconciled once everything is listed
        if deleted:
            self._executor.gates.freed(job.run.namespace, self._client.now())
        if deleted and (state := self._reconciler.state_of(job.run, job.run_id)) is not None:
            state.lose_job(job.observation, self._client.now())
        self._run_of_owner_changed((job.run.namespace, job.run.uid))

    def pod_changed(self, owner: OwnerKey, run_id: str, job: str, lost: PodObservation | None) -> None:
        """A pod of ours was created, changed or, if its last observation is given, deleted."""
        key = self._key_of.get(owner)
        run = RunReference(*key, owner[1]) if key is not None else None
        if run is not None and lost is not None and (state := self._reconciler.state_of(run, run_id)) is not None:
            state.lose_pod(job, lost)
        self._run_of_owner_changed(owner)

    def owned_changed(self, owner: OwnerKey) -> None:
        """Something else that belongs to a TestRun changed."""
        self._run_of_owner_changed(owner)

    def servers_changed(self) -> None:
        """A test server was created, changed or deleted: runs may wait for it, and shared ones are to be mended."""
        if self._cache is None:
            return
        for state in self._reconciler.active():
            self._run_changed(state.run)
        for suite in self._cache.suites():
            self.suite_changed(*suite.key)

    def _executes_in(self, namespace: str) -> bool:
        # The namespace of the shared test servers is watched too, and there we may not do more than look.
        return not self._settings.watch_namespaces or namespace in self._settings.watch_namespaces

    def _suite_ended(self, key: Key) -> None:
        self._suites.enqueue(key)

    def _run_of_owner_changed(self, owner: OwnerKey) -> None:
        if owner in self._key_of:
            self._runs.enqueue(self._key_of[owner])

    def _run_of_uid_changed(self, uid: str) -> None:
        for owner in [owner for owner in self._key_of if owner[1] == uid]:
            self._run_of_owner_changed(owner)

    def _run_changed(self, run: RunReference) -> None:
        self._run_of_owner_changed((run.namespace, run.uid))

    def _results_changed(self, run_id: int | None) -> None:
        if self._cache is None:
            return
        for state in self._reconciler.active():
            if run_id is None or state.run_id == str(run_id):
                self._run_changed(state.run)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def refresh_metrics(self) -> None:
        """Bring the gauges up to date that show what runs."""
        states = self._reconciler.active() if self._cache is not None else ()
        if self._cache is not None and self.has_listed:
            metrics.show_last_runs(last_runs(self._cache))
            self._absence.forget_absent(suites_in(self._cache))
        unfinished = [state for state in states if len(state.plan_state.cases) < len(state.execution.cases)]
        metrics.ACTIVE_RUNS.set(len(unfinished))
        metrics.RUNNING.set(sum(len(state.plan_state.underway) for state in unfinished))
