"""What a case takes along into the runner's pod: its document, the secrets of its connections, and its files.

Nothing secret is in the document. A connection's secrets become environment variables that the kubelet fills; the
document only names them. Only the connections that a case uses travel with it.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from testrun_operator.api.base import Document
from testrun_operator.api.container import KeySelector
from testrun_operator.api.document import (
    FILES_PATH,
    GIT_CA_VARIABLE,
    GIT_PASSWORD_VARIABLE,
    GIT_USERNAME_VARIABLE,
    CaseDocument,
    Endpoint,
    NeededCase,
    RunInfo,
    SecretHeader,
    ServerInfo,
    credential_prefix,
)
from testrun_operator.api.files import ConfigMapFiles, FileSource
from testrun_operator.api.playbook import PlaybookCase
from testrun_operator.api.suite import Case, Connection
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.kube.pods import Luggage
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.tls_files import endpoint_tls, mount_tls

_DSN_VARIABLE = "TESTRUN_DSN"
_FILES_VOLUME = "files"


def pack(
    run: RunReference,
    record: ExecutionRecord,
    start: StartAttempt,
    servers: Mapping[str, str],
    outputs: Mapping[str, Mapping[str, JsonValue]],
) -> Luggage:
    """Put together what an attempt needs in the runner's pod.

    Args:
        run: the TestRun.
        record: the execution.
        start: the attempt, at a case that the runner runs.
        servers: addresses of the deployed test servers, by name.
        outputs: outputs of the cases that this one needs, by name.
    """
    case = start.case.case
    endpoints, environment = _endpoints(case, record.suite.connections)
    source = _source(case)
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
    return Luggage(
        document.model_dump_json(exclude_defaults=True),
        environment=[*environment, *_git_credentials(source)],
        environment_sources=_registered_credentials(case.playbook),
        volumes=[*([_files_volume(config_map)] if config_map is not None else []), *tls_volumes],
        mounts=[*([_FILES_MOUNT] if config_map is not None else []), *tls_mounts],
    )


def _source(case: Case) -> FileSource | None:
    if case.playbook is not None:
        return case.playbook.register
    return case.sql.source if case.sql is not None else None


def _endpoints(case: Case, connections: Mapping[str, Connection]) -> tuple[dict[str, Endpoint], list[Document]]:
    """Give what a case of this kind uses of its connections, by name, and the variables for their secrets.

    A connection of which there is none is the name of a test server, or was refused with the suite.
    """
    if case.http is not None:
        connection = connections.get(case.http.connection)
        return _over_http(case.http.connection, connection) if connection is not None else ({}, [])
    if case.sql is not None:
        return _databases([case.sql.connection], connections)
    assert case.playbook is not None  # noqa: S101 - the caller has cases of the other kinds run without the runner
    own = case.playbook.connection
    queried = [query.connection for query in case.playbook.expect.sql if query.connection is not None]
    endpoints, environment = _databases(list(dict.fromkeys([own, *queried])), connections)
    servers, headers = _over_http(own, connections[own]) if own in connections else ({}, [])
    for name, server in servers.items():
        database = endpoints.get(name, Endpoint())
        endpoints[name] = server.model_copy(update={"dsn_variable": database.dsn_variable})
    return endpoints, [*environment, *headers]


def _over_http(name: str, connection: Connection) -> tuple[dict[str, Endpoint], list[Document]]:
    environment: list[Document] = []
    secret_headers = []
    for index, header in enumerate(connection.headers_from):
        variable = f"TESTRUN_SECRET_HEADER_{index}"
        secret_headers.append(SecretHeader(name=header.name, prefix=header.prefix, variable=variable))
        environment.append(_from_secret(variable, header.secret_key_ref))
    endpoint = Endpoint(
        url=connection.url,
        headers=connection.headers,
        secret_headers=tuple(secret_headers),
        tls=endpoint_tls(name, connection.tls) if connection.tls is not None else None,
    )
    return {name: endpoint}, environment


def _databases(
    names: Sequence[str], connections: Mapping[str, Connection]
) -> tuple[dict[str, Endpoint], list[Document]]:
    endpoints: dict[str, Endpoint] = {}
    environment = []
    for index, name in enumerate(names):
        connection = connections.get(name)
        if connection is not None and connection.dsn_from is not None:
            variable = f"{_DSN_VARIABLE}_{index}" if index else _DSN_VARIABLE
            endpoints[name] = Endpoint(dsn_variable=variable)
            environment.append(_from_secret(variable, connection.dsn_from.secret_key_ref))
    return endpoints, environment


def _registered_credentials(playbook: PlaybookCase | None) -> list[Document]:
    """Give where the variables come from that hold the credentials of a playbook: all keys of their Secrets."""
    return [
        {"prefix": credential_prefix(index), "secretRef": {"name": credential.secret_ref.name}}
        for index, credential in enumerate(playbook.credentials if playbook is not None else ())
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
