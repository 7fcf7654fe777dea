"""The inputs of a case's pod: its document, the secrets of its connections, and its files.

Nothing secret is in the document. A connection's secrets become environment variables that the kubelet fills; the
document only names them. Only the connections that a case uses travel with it.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from testrun_operator.api.base import Document
from testrun_operator.api.connection import Connection
from testrun_operator.api.environment import (
    FILES_PATH,
    GIT_CA_VARIABLE,
    GIT_PASSWORD_VARIABLE,
    GIT_USERNAME_VARIABLE,
    credential_prefix,
)
from testrun_operator.api.files import ConfigMapFiles, FileSource
from testrun_operator.api.pod import KeySelector
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.kube.pods import PodInputs
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.tls_files import endpoint_tls, mount_tls
from testrun_operator.resources.document import (
    CaseDocument,
    Endpoint,
    NeededCase,
    RunInfo,
    SecretHeader,
    ServerInfo,
)
from testrun_operator.resources.suite import Case

_DSN_VARIABLE = "TESTRUN_DSN"
_FILES_VOLUME = "files"


def collect_inputs(
    run: RunReference,
    record: ExecutionRecord,
    start: StartAttempt,
    servers: Mapping[str, str],
    outputs: Mapping[str, Mapping[str, JsonValue]],
) -> PodInputs:
    """Collect what an attempt needs in the runner's pod.

    Args:
        run: the TestRun.
        record: the execution.
        start: the attempt, at a case that the runner runs.
        servers: addresses of the deployed test servers, by name.
        outputs: outputs of the cases that this one needs, by name.
    """
    case = start.case.case
    endpoints, environment = _endpoints(case, record.suite.connections)
    source = case.kind.files(case.spec)
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
        case=case,
        variables=dict(start.case.variables),
        connections=endpoints,
        servers={server: ServerInfo(url=url) for server, url in servers.items()},
        cases={needed: NeededCase(outputs=dict(values)) for needed, values in outputs.items()},
    )
    config_map = source.config_map if source is not None else None
    secured = {name: found.tls for name, found in record.suite.connections.items() if name in endpoints and found.tls}
    tls_volumes, tls_mounts = mount_tls(secured)
    return PodInputs(
        document.model_dump_json(exclude_defaults=True),
        environment=[*environment, *_git_credentials(source)],
        environment_sources=_credentials(case),
        volumes=[*([_files_volume(config_map)] if config_map is not None else []), *tls_volumes],
        mounts=[*([_FILES_MOUNT] if config_map is not None else []), *tls_mounts],
    )


def _endpoints(case: Case, connections: Mapping[str, Connection]) -> tuple[dict[str, Endpoint], list[Document]]:
    """Give what a case uses of the suite's connections, by name, and the variables for their secrets.

    A connection of which there is none is the name of a test server, or was refused with the suite.
    """
    endpoints: dict[str, Endpoint] = {}
    databases: list[Document] = []
    headers: list[Document] = []
    index = 0
    for use in case.kind.connections(case.spec):
        connection = connections.get(use.name)
        variable = f"{_DSN_VARIABLE}_{index}" if index else _DSN_VARIABLE
        index += use.database
        if connection is None:
            continue
        endpoint = _address_of(use.name, connection, headers) if use.address else Endpoint()
        if use.database and connection.dsn_from is not None:
            databases.append(_from_secret(variable, connection.dsn_from.secret_key_ref))
            endpoint = endpoint.model_copy(update={"dsn_variable": variable})
        if use.address or endpoint.dsn_variable:
            endpoints[use.name] = endpoint
    return endpoints, [*databases, *headers]


def _address_of(name: str, connection: Connection, environment: list[Document]) -> Endpoint:
    secret_headers = []
    for header in connection.headers_from:
        variable = f"TESTRUN_SECRET_HEADER_{len(environment)}"
        secret_headers.append(SecretHeader(name=header.name, prefix=header.prefix, variable=variable))
        environment.append(_from_secret(variable, header.secret_key_ref))
    return Endpoint(
        url=connection.url,
        headers=connection.headers,
        secret_headers=tuple(secret_headers),
        tls=endpoint_tls(name, connection.tls) if connection.tls is not None else None,
    )


def _credentials(case: Case) -> list[Document]:
    """Give the Secrets of which every key becomes an environment variable."""
    return [
        {"prefix": credential_prefix(index), "secretRef": {"name": name}}
        for index, name in enumerate(case.kind.credentials(case.spec))
    ]


def _git_credentials(source: FileSource | None) -> list[Document]:
    if source is None or source.git is None or source.git.secret_ref is None:
        return []
    name = source.git.secret_ref.name
    return [
        _from_secret(GIT_USERNAME_VARIABLE, KeySelector(name=name, key="username"), optional=True),
        _from_secret(GIT_PASSWORD_VARIABLE, KeySelector(name=name, key="password")),
        _from_secret(GIT_CA_VARIABLE, KeySelector(name=name, key="ca.crt"), optional=True),
    ]


def _from_secret(variable: str, reference: KeySelector, *, optional: bool = False) -> Document:
    source: Document = reference.model_dump() | ({"optional": True} if optional else {})
    return {"name": variable, "valueFrom": {"secretKeyRef": source}}


_FILES_MOUNT: Document = {"name": _FILES_VOLUME, "mountPath": FILES_PATH, "readOnly": True}


def _files_volume(files: ConfigMapFiles) -> Document:
    # Optional, though they are not: a pod of which a volume is missing waits for it without saying so in its status,
    # and would end as an infrastructure fault after minutes. So it starts, and the runner says at once what is missing.
    source: Document = {"name": files.name, "optional": True}
    if files.items:
        source["items"] = [item.model_dump() for item in files.items]
    return {"name": _FILES_VOLUME, "configMap": source}
