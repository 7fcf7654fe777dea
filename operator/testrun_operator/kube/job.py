"""The Job of an attempt: everything that the case's pod needs travels in it.

One API write starts a case. Only where the case document is too large for an environment variable does a ConfigMap
go before it. Every pod is made to satisfy the Pod Security Standard "restricted"
(https://kubernetes.io/docs/concepts/security/pod-security-standards/), and has no service account token.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from testrun_operator.api.base import Document
from testrun_operator.api.container import ContainerCase, Volume
from testrun_operator.api.document import (
    DOCUMENT_PATH,
    DOCUMENT_VARIABLE,
    CaseDocument,
    Endpoint,
    NeededCase,
    RunInfo,
    SecretHeader,
    ServerInfo,
)
from testrun_operator.api.http import HttpCase
from testrun_operator.engine.execution import ExecutionRecord, name_for
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.kube import labels
from testrun_operator.kube.observe import CONTAINER
from testrun_operator.kube.references import RunReference

_MAX_VARIABLE_BYTES = 96 * 1024
"""Linux refuses a single environment string of 128 KiB or more; a margin is left for the name and for growth."""

_TERMINATION_GRACE_SECONDS = 10
"""A stopped case has nothing to save; waiting the usual 30 s would only keep its place occupied."""

RUNNER_USER = 65532
"""The image's user id; numeric, so that the kubelet can check that it is not root."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the operator's settings say of the pods."""

    image: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    runner_resources: Mapping[str, JsonValue]
    safety_margin: timedelta
    """Added to a case's timeout for the pod's own deadline, which ends it if no operator is there to do so."""


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
) -> JobParts:
    """Make what an attempt needs.

    Args:
        run: the TestRun.
        record: the execution.
        start: the attempt.
        servers: addresses of the deployed test servers, by name.
        outputs: outputs of the cases that this one needs, by name.
        settings: what the operator's settings say of the pods.
    """
    name = job_name(run, record.run_id, start.case.name, start.attempt)
    metadata = _metadata(run, record, start, name)
    document = None
    if start.case.case.http is not None:
        text, environment = _document(run, record, start, start.case.case.http, servers, outputs)
        pod, document = _runner_pod(text, environment, metadata, settings)
    else:
        container = start.case.case.container
        assert container is not None  # noqa: S101 - a case has exactly one kind, which its model checks
        pod = _container_pod(container, _variables(run, record, start, servers))
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata
        | {
            "annotations": {
                labels.TEST_FAILURES: str(start.test_failures),
                labels.INFRASTRUCTURE_FAULTS: str(start.infrastructure_faults),
            }
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": pod | _pod_defaults(start.case.timeout + settings.safety_margin),
            },
        },
    }
    return JobParts(document, job)


def _metadata(run: RunReference, record: ExecutionRecord, start: StartAttempt, name: str) -> Document:
    return {
        "name": name,
        "namespace": run.namespace,
        "labels": {
            labels.MANAGED_BY: labels.MANAGER,
            labels.COMPONENT: labels.CASE_COMPONENT,
            labels.RUN: labels.label_value(run.name),
            labels.RUN_UID: run.uid,
            labels.RUN_ID: record.run_id,
            labels.CASE: start.case.name,
            labels.ATTEMPT: str(start.attempt),
        },
        "ownerReferences": [run.as_owner()],
    }


def _pod_defaults(deadline: timedelta) -> Document:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _TERMINATION_GRACE_SECONDS,
        "activeDeadlineSeconds": math.ceil(deadline.total_seconds()),
    }


def restricted_container() -> Document:
    """Return the security context that the Pod Security Standard "restricted" asks of a container."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def restricted_pod(user: int | None) -> Document:
    """Return the security context that the Pod Security Standard "restricted" asks of a pod.

    Args:
        user: user and group id to run as; None for the image's own user, which must not be root.
    """
    context: Document = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return context | ({"runAsUser": user, "runAsGroup": user, "fsGroup": user} if user is not None else {})


def _document(
    run: RunReference,
    record: ExecutionRecord,
    start: StartAttempt,
    http: HttpCase,
    servers: Mapping[str, str],
    outputs: Mapping[str, Mapping[str, JsonValue]],
) -> tuple[str, list[Document]]:
    endpoint, environment = _endpoint(record, http.connection)
    document = CaseDocument(
        run=RunInfo(
            id=record.run_id,
            name=run.name,
            namespace=run.namespace,
            suite=record.suite_name,
            revision=record.run.revision or "",
            start_time=record.started_at,
        ),
        attempt=start.attempt,
        timeout=start.case.timeout,
        case=start.case.case,
        variables=dict(start.case.variables),
        connections={http.connection: endpoint} if endpoint else {},
        servers={name: ServerInfo(url=url) for name, url in servers.items()},
        cases={name: NeededCase(outputs=dict(values)) for name, values in outputs.items()},
    )
    return document.model_dump_json(exclude_defaults=True), environment


def _endpoint(record: ExecutionRecord, name: str) -> tuple[Endpoint | None, list[Document]]:
    connection = record.suite.connections.get(name)
    if connection is None:
        return None, []
    environment: list[Document] = []
    secret_headers = []
    for index, header in enumerate(connection.headers_from):
        variable = f"TESTRUN_SECRET_HEADER_{index}"
        secret_headers.append(SecretHeader(name=header.name, prefix=header.prefix, variable=variable))
        reference = header.secret_key_ref.model_dump()
        environment.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    endpoint = Endpoint(url=connection.url, headers=connection.headers, secret_headers=tuple(secret_headers))
    return endpoint, environment


def _runner_pod(
    text: str, environment: list[Document], metadata: Document, settings: PodSettings
) -> tuple[Document, Document | None]:
    volumes: list[Document] = [{"name": "temporary", "emptyDir": {}}]
    mounts: list[Document] = [{"name": "temporary", "mountPath": "/tmp"}]  # noqa: S108 - the pod's own emptyDir
    document = None
    if len(text.encode()) <= _MAX_VARIABLE_BYTES:
        environment = [{"name": DOCUMENT_VARIABLE, "value": _literal(text)}, *environment]
    else:
        folder, _, file = DOCUMENT_PATH.rpartition("/")
        own_labels = metadata["labels"] | {labels.COMPONENT: labels.DOCUMENT_COMPONENT}
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata | {"labels": own_labels},
            "immutable": True,
            "data": {file: text},
        }
        volumes.append({"name": "document", "configMap": {"name": metadata["name"]}})
        mounts.append({"name": "document", "mountPath": folder, "readOnly": True})
    pod: Document = {
        "securityContext": restricted_pod(RUNNER_USER),
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "containers": [
            {
                "name": CONTAINER,
                "image": settings.image,
                "imagePullPolicy": settings.image_pull_policy,
                # Not by way of the command line: its imports would double the time until the first request.
                "command": ["python3", "-m", "testrun_operator.runner"],
                "env": environment,
                "resources": dict(settings.runner_resources),
                "securityContext": restricted_container() | {"readOnlyRootFilesystem": True},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    return pod, document


def _variables(
    run: RunReference, record: ExecutionRecord, start: StartAttempt, servers: Mapping[str, str]
) -> list[Document]:
    values = {
        "TESTRUN_RUN_ID": record.run_id,
        "TESTRUN_RUN_NAME": run.name,
        "TESTRUN_CASE_NAME": start.case.name,
        "TESTRUN_REVISION": record.run.revision or "",
        "TESTRUN_ATTEMPT": str(start.attempt),
    }
    values |= {f"TESTRUN_SERVER_{name.upper().replace('-', '_')}_URL": url for name, url in servers.items()}
    values |= {f"TESTRUN_VAR_{name}": value for name, value in start.case.variables.items()}
    return [{"name": name, "value": _literal(value)} for name, value in values.items()]


def _literal(value: str) -> str:
    # The kubelet expands $(NAME) in a variable's value, and makes one dollar of two wherever they stand.
    return value.replace("$", "$$")


def _container_pod(container: ContainerCase, variables: list[Document]) -> Document:
    # The models use Kubernetes' own names and shapes here, so that what is given is what a container takes.
    given = container.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={"volumes", "image_pull_secrets", "run_as_user", "env"},
    )
    own = [variable.model_dump(mode="json", exclude_none=True) for variable in container.env]
    return {
        "securityContext": restricted_pod(container.run_as_user),
        "imagePullSecrets": [{"name": secret.name} for secret in container.image_pull_secrets],
        "containers": [
            given
            | {
                "name": CONTAINER,
                "env": [*variables, *own],
                "securityContext": restricted_container(),
                # The end of the log of a container that failed: evidence, without a further call.
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": [_volume(volume) for volume in container.volumes],
    }


def _volume(volume: Volume) -> Document:
    return volume.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
