"""From what kopf hands over to values: the indexing functions, one for each kind that is watched.

They are called for every event and for every object of the first lists, so they only read.
"""

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from testrun_operator.api.status import TestRunStatus
from testrun_operator.controller.inventory import IndexedJob, Key, RunView, ServerObject, SuiteView
from testrun_operator.engine.observation import JobObservation, PodObservation
from testrun_operator.kube import labels
from testrun_operator.kube.observe import job_name_of, read_job, read_pod
from testrun_operator.kube.records import StoredRecord, read_record
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.servers import is_ready, template_of

_Body = Mapping[str, Any]
_logger = logging.getLogger(__name__)


def index_run(body: _Body) -> dict[Key, RunView]:
    """Index a TestRun by namespace and name."""
    metadata = body["metadata"]
    spec = body.get("spec")
    reference = RunReference(metadata["namespace"], metadata["name"], metadata["uid"])
    view = RunView(
        reference=reference,
        generation=int(metadata.get("generation", 0)),
        spec=spec,
        status=_read_status(body.get("status") or {}, reference),
        suite_name=((spec or {}).get("suiteRef") or {}).get("name"),
        deleting=metadata.get("deletionTimestamp") is not None,
        queue={name: value for name, value in (metadata.get("labels") or {}).items() if name in labels.QUEUES},
    )
    return {view.key: view}


def _read_status(status: _Body, run: RunReference) -> TestRunStatus:
    try:
        return TestRunStatus.model_validate(dict(status))
    except ValidationError:
        # Of a newer release, or edited by hand. What matters is found again from the execution's record.
        _logger.warning("the status cannot be read and is written anew", extra={"run": str(run)})
        return TestRunStatus()


def index_suite(body: _Body) -> dict[Key, SuiteView]:
    """Index a TestSuite by namespace and name."""
    metadata = body["metadata"]
    view = SuiteView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=int(metadata.get("generation", 0)),
        spec=body.get("spec"),
        status=dict(body.get("status") or {}),
    )
    return {view.key: view}


def index_record(body: _Body) -> dict[str, StoredRecord]:
    """Index the record of an execution by the uid of its TestRun."""
    stored = read_record(body)
    uid = (body["metadata"].get("labels") or {}).get(labels.RUN_UID)
    return {uid: stored} if stored is not None and uid else {}


def index_job(body: _Body) -> dict[str, JobObservation]:
    """Index a Job by the id of its execution."""
    job = read_indexed_job(body)
    return {job.run_id: job.observation} if job is not None else {}


def read_indexed_job(body: _Body) -> IndexedJob | None:
    """Read a Job and the execution that it belongs to; None if it is not one of ours."""
    run_id = (body["metadata"].get("labels") or {}).get(labels.RUN_ID)
    observation = read_job(body)
    return IndexedJob(run_id, observation) if run_id and observation is not None else None


def index_pod(body: _Body) -> dict[Key, PodObservation]:
    """Index a pod by namespace and name of its Job."""
    job = job_name_of(body)
    return {(body["metadata"]["namespace"], job): read_pod(body)} if job else {}


def index_deployment(body: _Body) -> dict[Key, ServerObject]:
    """Index the Deployment of a test server by namespace and name."""
    metadata = body["metadata"]
    return {(metadata["namespace"], metadata["name"]): ServerObject(template_of(body), is_ready(body))}


def index_service(body: _Body) -> dict[Key, ServerObject]:
    """Index the Service of a test server by namespace and name."""
    metadata = body["metadata"]
    return {(metadata["namespace"], metadata["name"]): ServerObject("", metadata.get("deletionTimestamp") is None)}
