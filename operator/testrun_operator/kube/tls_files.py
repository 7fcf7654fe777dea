"""The certificates of connections as files in the runner's pod: mounted by the kubelet, never read by the operator."""

from collections.abc import Mapping

from testrun_operator.api.base import Document
from testrun_operator.api.environment import TLS_PATH
from testrun_operator.api.tls import AuthoritySource, Tls
from testrun_operator.resources.document import EndpointTls

_CA_FILE = "ca.crt"
_READABLE_BY_GROUP = 0o440  # with the pod's fsGroup; libpq accepts no private key that all may read


def endpoint_tls(name: str, tls: Tls) -> EndpointTls:
    """Return what the case document says of the TLS of a connection.

    Args:
        name: of the connection.
        tls: as the suite has it.
    """
    folder = f"{TLS_PATH}/{name}"
    has_certificate = tls.client_certificate_from is not None
    return EndpointTls(
        ca=f"{folder}/ca/{_CA_FILE}" if tls.ca_from is not None else None,
        certificate=f"{folder}/client/tls.crt" if has_certificate else None,
        key=f"{folder}/client/tls.key" if has_certificate else None,
        server_name=tls.server_name,
    )


def mount_tls(connections: Mapping[str, Tls]) -> tuple[list[Document], list[Document]]:
    """Return the volumes and mounts of the certificates of the connections that a case uses, by name.

    All are optional, though they are not: a pod whose volume is missing waits for it without saying so in its status,
    and would end as an infrastructure fault after minutes. So it starts, and the runner says at once what is missing.
    """
    volumes: list[Document] = []
    mounts: list[Document] = []

    def add(kind: str, number: int, name: str, source: Document) -> None:
        volume = f"tls-{kind}-{number}"
        volumes.append({"name": volume} | source)
        mounts.append({"name": volume, "mountPath": f"{TLS_PATH}/{name}/{kind}", "readOnly": True})

    for number, (name, tls) in enumerate(connections.items()):
        if tls.ca_from is not None:
            add("ca", number, name, _authority(tls.ca_from))
        if tls.client_certificate_from is not None:
            add("client", number, name, _certificate(tls.client_certificate_from.secret_ref.name))
    return volumes, mounts


def _authority(source: AuthoritySource) -> Document:
    if source.secret_key_ref is not None:
        items = [{"key": source.secret_key_ref.key, "path": _CA_FILE}]
        return {"secret": {"secretName": source.secret_key_ref.name, "optional": True, "items": items}}
    assert source.config_map_key_ref is not None  # noqa: S101 - one of the two, as the model demands
    items = [{"key": source.config_map_key_ref.key, "path": _CA_FILE}]
    return {"configMap": {"name": source.config_map_key_ref.name, "optional": True, "items": items}}


def _certificate(secret: str) -> Document:
    items = [{"key": key, "path": key} for key in ("tls.crt", "tls.key")]
    return {"secret": {"secretName": secret, "optional": True, "items": items, "defaultMode": _READABLE_BY_GROUP}}
