"""From what kopf hands over to values: the indexing functions, one for each kind that is watched.

They are called for every event and for every object of the first lists, so they only read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from testrun_operator.api.base import Model
from testrun_operator.controller.cache import IndexedJob, Key, RunView, ServerObject, SuiteView
from testrun_operator.controller.foreign import FOREIGN_OBJECTS, Mismatch
from testrun_operator.engine.observation import JobObservation, PodObservation
from testrun_operator.kube import labels
from testrun_operator.kube.belonging import claims_run, job_of, run_of
from testrun_operator.kube.job import job_name
from testrun_operator.kube.observe import read_job, read_pod
from testrun_operator.kube.records import StoredRecord, read_record, record_name
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.servers import is_ready, template_of
from testrun_operator.resources.status import Condition, Failure, TestRunStatus

_Body = Mapping[str, Any]


def index_run(body: _Body) -> dict[Key, RunView]:
    """Index a TestRun by namespace and name."""
    metadata = body["metadata"]
    spec = body.get("spec")
    reference = RunReference(metadata["namespace"], metadata["name"], metadata["uid"])
    status, problem = _read_status(body.get("status") or {})
    view = RunView(
        reference=reference,
        generation=int(metadata.get("generation", 0)),
        spec=spec,
        status=status,
        suite_name=((spec or {}).get("suiteRef") or {}).get("name"),
        deleting=metadata.get("deletionTimestamp") is not None,
        queue={name: value for name, value in (metadata.get("labels") or {}).items() if name in labels.QUEUES},
        status_problem=problem,
        stalled_for=_stalled_for(body.get("status") or {}),
    )
    return {view.key: view}


def _read_status(status: _Body) -> tuple[TestRunStatus, str]:
    """Read the status of a run, which another release may have written.

    Returns:
        The status, without what is for people only and cannot be read; and why nothing of it can be read, or nothing.
    """
    known = dict(status)
    for field, model in (("failures", Failure), ("conditions", Condition)):
        entries = known.get(field)
        if isinstance(entries, Sequence) and not isinstance(entries, str):
            known[field] = [entry for entry in entries if _is_readable(model, entry)]
    try:
        return TestRunStatus.model_validate(known, extra="ignore"), ""
    except ValidationError as error:
        return TestRunStatus(), "; ".join(
            f"status.{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors(include_input=False)
        )


def _is_readable(model: type[Model], entry: object) -> bool:
    try:
        model.model_validate(entry, extra="ignore")
    except ValidationError:
        return False
    return True


def _stalled_for(status: _Body) -> str:
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, Sequence) else ():
        if isinstance(condition, Mapping) and (condition.get("type"), condition.get("status")) == ("Stalled", "True"):
            return str(condition.get("reason") or "")
    return ""


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


def index_record(body: _Body) -> dict[Key, StoredRecord]:
    """Index the record of an execution by namespace and uid of its TestRun."""
    stored, run = read_record(body), run_of(body)
    if run is None or stored is None:
        _tell("configmaps", body, Mismatch.OWNER)
        return {}
    if body["metadata"]["name"] != record_name(run, stored.run_id):
        _tell("configmaps", body, Mismatch.NAME)
        return {}
    return {(run.namespace, run.uid): stored}


def index_job(body: _Body) -> dict[Key, JobObservation]:
    """Index a Job by namespace and id of its execution."""
    job = read_indexed_job(body)
    return {(job.run.namespace, job.run_id): job.observation} if job is not None else {}


def read_indexed_job(body: _Body) -> IndexedJob | None:
    """Read a Job and the execution that it belongs to; None if it is not one of ours."""
    run_id = (body["metadata"].get("labels") or {}).get(labels.RUN_ID)
    observation, run = read_job(body), run_of(body)
    if not run_id or observation is None or run is None:
        _tell("jobs", body, Mismatch.OWNER)
        return None
    if observation.name != job_name(run, run_id, observation.case, observation.attempt):
        _tell("jobs", body, Mismatch.NAME)
        return None
    return IndexedJob(run, run_id, observation)


def index_pod(body: _Body) -> dict[Key, PodObservation]:
    """Index a pod by namespace and name of the Job that controls it."""
    job = job_of(body)
    if job is None:
        _tell("pods", body, Mismatch.OWNER)
        return {}
    return {(body["metadata"]["namespace"], job[0]): read_pod(body)}


def _tell(resource: str, body: _Body, mismatch: Mismatch) -> None:
    if claims_run(body):
        FOREIGN_OBJECTS.note(resource, body, mismatch)


def _is_ours(resource: str, body: _Body) -> bool:
    """Whether a test server is a shared one, or the run that it names controls it."""
    if not claims_run(body) or run_of(body) is not None:
        return True
    _tell(resource, body, Mismatch.OWNER)
    return False


def index_deployment(body: _Body) -> dict[Key, ServerObject]:
    """Index the Deployment of a test server by namespace and name."""
    metadata = body["metadata"]
    if not _is_ours("deployments", body):
        return {}
    owner = run_of(body)
    server = ServerObject(template_of(body), is_ready(body), owner.uid if owner is not None else "")
    return {(metadata["namespace"], metadata["name"]): server}


def index_service(body: _Body) -> dict[Key, ServerObject]:
    """Index the Service of a test server by namespace and name."""
    metadata = body["metadata"]
    if not _is_ours("services", body):
        return {}
    owner = run_of(body)
    exists = metadata.get("deletionTimestamp") is None
    server = ServerObject("", exists, owner.uid if owner is not None else "")
    return {(metadata["namespace"], metadata["name"]): server}
