"""kopf's handlers: each says what happened to whom it concerns, and decides nothing.

Only ``on.event`` and ``index`` are used. They write nothing: the other kinds of handlers put annotations and finalizers
on the objects that they handle, which GitOps tools would show as drift, and which would hold up a deletion while the
operator is down (https://docs.kopf.dev/en/stable/continuity/).
"""

from typing import Any

import kopf

from testrun_operator.api.crds import GROUP
from testrun_operator.controller import watching
from testrun_operator.controller.inventory import OwnerKey
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.watches import WatchSupervisor
from testrun_operator.kube import labels
from testrun_operator.kube.belonging import job_of
from testrun_operator.kube.observe import read_pod

_RUNS = (GROUP, "testruns")
_SUITES = (GROUP, "testsuites")
_JOBS = ("batch", "jobs")
_PODS = ("", "pods")
_CONFIGMAPS = ("", "configmaps")
_SERVICES = ("", "services")
_DEPLOYMENTS = ("apps", "deployments")


def register(registry: kopf.OperatorRegistry, watches: WatchSupervisor) -> None:  # noqa: C901 - a list of handlers, a few lines each
    """Register all handlers.

    Args:
        registry: kopf's registry.
        watches: makes the session by which kopf talks to the API server.
    """

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        return await watches.log_in(kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs))

    @kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT, registry=registry)
    async def start(memo: Operator, **indices: Any) -> None:
        memo.connect_indices(indices)

    @kopf.index(*_RUNS, id="runs", registry=registry)
    def runs(body: kopf.Body, **_: Any) -> Any:
        return watching.index_run(body)

    @kopf.index(*_SUITES, id="suites", registry=registry)
    def suites(body: kopf.Body, **_: Any) -> Any:
        return watching.index_suite(body)

    @kopf.index(*_CONFIGMAPS, labels={labels.COMPONENT: labels.EXECUTION_COMPONENT}, id="records", registry=registry)
    def records(body: kopf.Body, **_: Any) -> Any:
        return watching.index_record(body)

    @kopf.index(*_JOBS, id="jobs", registry=registry)
    def jobs(body: kopf.Body, **_: Any) -> Any:
        return watching.index_job(body)

    @kopf.index(*_PODS, labels={labels.COMPONENT: labels.CASE_COMPONENT}, id="pods", registry=registry)
    def pods(body: kopf.Body, **_: Any) -> Any:
        return watching.index_pod(body)

    @kopf.index(*_DEPLOYMENTS, id="deployments", registry=registry)
    def deployments(body: kopf.Body, **_: Any) -> Any:
        return watching.index_deployment(body)

    @kopf.index(*_SERVICES, id="services", registry=registry)
    def services(body: kopf.Body, **_: Any) -> Any:
        return watching.index_service(body)

    @kopf.on.event(*_RUNS, registry=registry)
    async def run_changed(body: kopf.Body, memo: Operator, **_: Any) -> None:
        memo.run_changed(body["metadata"]["namespace"], body["metadata"]["name"])

    @kopf.on.event(*_SUITES, registry=registry)
    async def suite_changed(body: kopf.Body, memo: Operator, **_: Any) -> None:
        memo.suite_changed(body["metadata"]["namespace"], body["metadata"]["name"])

    @kopf.on.event(*_JOBS, registry=registry)
    async def job_changed(type: str | None, body: kopf.Body, memo: Operator, **_: Any) -> None:  # noqa: A002 - kopf's name
        job = watching.read_indexed_job(body)
        if job is not None:
            memo.job_changed(job, deleted=type == "DELETED")

    @kopf.on.event(*_PODS, labels={labels.COMPONENT: labels.CASE_COMPONENT}, registry=registry)
    async def pod_changed(type: str | None, body: kopf.Body, memo: Operator, **_: Any) -> None:  # noqa: A002 - kopf's name
        job = job_of(body)
        if job is not None:
            own_labels, lost = body["metadata"]["labels"], read_pod(body) if type == "DELETED" else None
            memo.pod_changed(_owner(body), str(own_labels.get(labels.RUN_ID)), job[0], lost)

    @kopf.on.event(*_CONFIGMAPS, labels={labels.COMPONENT: labels.EXECUTION_COMPONENT}, registry=registry)
    async def record_changed(body: kopf.Body, memo: Operator, **_: Any) -> None:
        memo.owned_changed(_owner(body))

    @kopf.on.event(*_DEPLOYMENTS, registry=registry)
    @kopf.on.event(*_SERVICES, registry=registry)
    async def server_changed(memo: Operator, **_: Any) -> None:
        memo.servers_changed()


def _owner(body: kopf.Body) -> OwnerKey:
    """Return namespace and uid of the run that an object names: enough to look at it, and believed for nothing else."""
    metadata = body["metadata"]
    return str(metadata["namespace"]), str((metadata.get("labels") or {}).get(labels.RUN_UID, ""))
