"""What other releases of the operator leave behind: stored documents with more fields than this one knows, or fewer."""

import json
from datetime import timedelta
from typing import Any

from soak.apiserver import ApiServer, Body, copied
from soak.people import age
from soak.records import Truth
from soak.scenario import RunScript
from testrun_operator.engine.execution import ExecutionRecord, digest_of, make_run_id
from testrun_operator.kube import labels, records
from testrun_operator.kube.client import CONFIGMAPS, TESTRUNS
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.resources.parsing import parse_run, parse_suite
from testrun_operator.resources.run import SuiteReference
from testrun_operator.resources.status import format_time

_RECORD = "execution.json"
_NEW: Body = {"fieldOfANewerRelease": {"some": ["thing"]}}


def be_newer(server: ApiServer, truth: Truth) -> None:
    """Do what a newer release does: write everything with fields of its own, and bind records to their runs.

    Args:
        server: the API server.
        truth: knows which records are forged.
    """
    age(server, _leave_fields)
    digests = {
        body["metadata"]["labels"].get(labels.RUN_ID): records.digest_of_record(body)
        for body in server.all(CONFIGMAPS)
        if (CONFIGMAPS, (body["metadata"]["namespace"], body["metadata"]["name"])) not in truth.foreign
    }

    def bind(body: Body) -> None:
        for bound in body.get("status", {}).get("records", ()):
            bound["digest"] = digests.get(bound["runId"], bound["digest"])

    for run in server.all(TESTRUNS):
        server.change(TESTRUNS, (run["metadata"]["namespace"], run["metadata"]["name"]), bind)


def _leave_fields(resource: str, body: Body) -> None:
    """Add to a stored document what this release does not know."""
    status = body.get("status") or {}
    if resource == TESTRUNS and status:
        status |= _NEW
        for entries in ("failures", "history", "records", "conditions"):
            if entries in status:
                status[entries] = [entry | _NEW for entry in status[entries] or ()]
        if "cases" in status:
            status["cases"] |= {"quarantined": 0}
        status["conditions"] += [
            {
                "type": "OfANewerRelease",
                "status": "True",
                "reason": "Newer",
                "message": "",
                "lastTransitionTime": body["metadata"]["creationTimestamp"],
            }
        ]
    annotations = body["metadata"].get("annotations") or {}
    for name in (labels.OUTCOME, labels.ASKED_TO_END):
        if name in annotations:
            annotations[name] = json.dumps(json.loads(annotations[name]) | {"field_of_a_newer_release": 1})
    if resource == CONFIGMAPS and _RECORD in body.get("data", {}):
        record = json.loads(body["data"][_RECORD])
        body["data"][_RECORD] = json.dumps(record | {"field_of_a_newer_release": 1})


def be_older(server: ApiServer) -> None:
    """Do what the release before the records were bound does: write statuses as it knows them, without the rest."""

    def forget(resource: str, body: Body) -> None:
        status = body.get("status") or {}
        if resource == TESTRUNS and status:
            status.pop("records", None)
            for failure in status.get("failures") or ():
                failure.pop("failureClass", None)

    age(server, forget)


def put_finished_run(server: ApiServer, script: RunScript, number: int) -> None:
    """Put a run there that ended an hour ago; every other one is of a release whose statuses named no records.

    Args:
        server: the API server.
        script: the run whose suite it has.
        number: which of them.
    """
    name, spec = f"finished-{number}", script.fields | {"suite": script.suite}
    body: dict[str, Any] = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TestRun",
        "metadata": {"name": name, "namespace": script.namespace},
        "spec": copied(spec),
    }
    created = server.create(TESTRUNS, body)
    reference = RunReference(script.namespace, name, created["metadata"]["uid"])
    now = server.loop.now()
    began, ended = now - timedelta(hours=2), now - timedelta(hours=1)
    parsed, total = parse_run(spec), len(script.suite["cases"])
    record = ExecutionRecord(
        run_id=make_run_id(began, number),
        spec_digest=digest_of(parsed),
        suite_name=name,
        started_at=began,
        run=parsed.model_copy(update={"suite": None, "suite_ref": SuiteReference(name=name)}),
        suite=parse_suite(script.suite),
    )
    manifest = records.record_manifest(reference, record)
    notes = records.notes_patch(records.Notes(completed_at=ended, stored=True))
    manifest["metadata"]["annotations"] = notes["metadata"]["annotations"]
    status: Body = {
        "observedGeneration": 1,
        "phase": "Passed",
        "runId": record.run_id,
        "specDigest": record.spec_digest,
        "startTime": format_time(began),
        "completionTime": format_time(ended),
        "cases": {"total": total, "passed": total},
        "conditions": [],
    }
    if number % 2:
        status["records"] = [{"runId": record.run_id, "digest": records.digest_of_record(manifest)}]
    server.create(CONFIGMAPS, manifest)
    server.change(TESTRUNS, (script.namespace, name), lambda found: found.update(status=status))
