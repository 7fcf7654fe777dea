"""The Job of an attempt: everything that the case's pod needs travels in it.

One API write starts a case. Only where the case document is too large for an environment variable does a ConfigMap
go before it. No pod has a service account token.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from testrun_operator.api.base import Document
from testrun_operator.api.environment import DOCUMENT_PATH
from testrun_operator.engine.execution import ExecutionRecord, name_for
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.kube import labels
from testrun_operator.kube.platform import CasePods, merged
from testrun_operator.kube.pod_inputs import collect_inputs
from testrun_operator.kube.pods import PodSettings, container_pod, fits_into_variable, runner_pod
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.suite import Case

_TERMINATION_GRACE_SECONDS = 10
"""A stopped case has nothing to save; waiting the usual 30 s would only keep its place occupied."""


@dataclass(frozen=True, slots=True)
class JobParts:
    """What has to be created for an attempt, in this order."""

    document: Document | None
    """A ConfigMap, where the case document does not fit into the Job."""
    job: Document


def job_name(run: RunReference, run_id: str, case: str, attempt: int) -> str:
    """Return the name of the Job of an attempt; the same each time, so that no attempt gets two Jobs."""
    return name_for(run.name, run.uid, run_id, str(attempt), case)


def build_job(
    run: RunReference,
    record: ExecutionRecord,
    start: StartAttempt,
    servers: Mapping[str, str],
    outputs: Mapping[str, Mapping[str, JsonValue]],
    settings: PodSettings,
    queue: Mapping[str, str] | None = None,
) -> JobParts:
    """Make what an attempt needs.

    Args:
        run: the TestRun.
        record: the execution.
        start: the attempt.
        servers: addresses of the deployed test servers, by name.
        outputs: outputs of the cases that this one needs, by name.
        settings: what the operator's settings say of the pods.
        queue: labels of the TestRun that take the Job into a queue; they win over those of the settings.
    """
    name = job_name(run, record.run_id, start.case.name, start.attempt)
    metadata = _metadata(run, record, start, name, settings.common_labels)
    cases = settings.cases
    document = None
    own = start.case.case.own_container
    if own is not None:
        pod = container_pod(own, _variables(run, record, start, servers), settings)
    else:
        inputs = collect_inputs(run, record, start, servers, outputs)
        if not fits_into_variable(inputs.document):
            document = _document_manifest(inputs.document, metadata)
        pod = runner_pod(inputs, None if document is None else name, settings)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata
        | {
            "labels": merged(cases.job_labels, queue or {}, metadata["labels"]),
            "annotations": merged(
                cases.job_annotations,
                {
                    labels.TEST_FAILURES: str(start.test_failures),
                    labels.INFRASTRUCTURE_FAULTS: str(start.infrastructure_faults),
                },
            ),
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "template": {
                "metadata": _pod_metadata(start.case.case, cases, metadata["labels"]),
                "spec": pod | cases.as_spec() | _pod_defaults(start.case.timeout + settings.safety_margin),
            },
        },
    }
    return JobParts(document, job)


def _metadata(
    run: RunReference, record: ExecutionRecord, start: StartAttempt, name: str, common_labels: Mapping[str, str]
) -> Document:
    own_labels = {
        labels.MANAGED_BY: labels.MANAGER,
        labels.COMPONENT: labels.CASE_COMPONENT,
        labels.RUN: labels.label_value(run.name),
        labels.RUN_UID: run.uid,
        labels.RUN_ID: record.run_id,
        labels.CASE: start.case.name,
        labels.ATTEMPT: str(start.attempt),
    }
    return {
        "name": name,
        "namespace": run.namespace,
        "labels": merged(common_labels, own_labels),
        "ownerReferences": [run.as_owner()],
    }


def _pod_metadata(case: Case, cases: CasePods, own_labels: Mapping[str, str]) -> Document:
    annotations = merged(cases.pod_annotations, case.pod_annotations)
    pod_labels = merged(cases.pod_labels, case.pod_labels, own_labels)
    return {"labels": pod_labels} | ({"annotations": annotations} if annotations else {})


def _pod_defaults(deadline: timedelta) -> Document:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _TERMINATION_GRACE_SECONDS,
        "activeDeadlineSeconds": math.ceil(deadline.total_seconds()),
    }


def _document_manifest(text: str, metadata: Document) -> Document:
    own_labels = metadata["labels"] | {labels.COMPONENT: labels.DOCUMENT_COMPONENT}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata | {"labels": own_labels},
        "immutable": True,
        "data": {DOCUMENT_PATH.rpartition("/")[2]: text},
    }


def _variables(
    run: RunReference, record: ExecutionRecord, start: StartAttempt, servers: Mapping[str, str]
) -> dict[str, str]:
    values = {
        "TESTRUN_RUN_ID": record.run_id,
        "TESTRUN_RUN_NAME": run.name,
        "TESTRUN_CASE_NAME": start.case.name,
        "TESTRUN_REVISION": record.run.revision or "",
        "TESTRUN_ATTEMPT": str(start.attempt),
    }
    values |= {f"TESTRUN_SERVER_{name.upper().replace('-', '_')}_URL": url for name, url in servers.items()}
    values |= {f"TESTRUN_VAR_{name}": value for name, value in start.case.variables.items()}
    return values
