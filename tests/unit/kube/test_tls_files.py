"""The certificates of connections, in the pods of the cases that use them."""

from typing import Any

import pytest
from tests.unit.kube.manifests import container_of, document_of, parts_of, pod_of

from support.builders import http_case, playbook_case, sql_case, suite_of
from testrun_operator.engine.validation import check_suite
from testrun_operator.errors import InvalidSpec

NAME = http_case("one")["http"]["connection"]
TLS = {
    "caFrom": {"configMapKeyRef": {"name": "company-ca", "key": "root.pem"}},
    "clientCertificateFrom": {"secretRef": {"name": "tests"}},
    "serverName": "api.example",
}


def test_the_kubelet_mounts_what_a_connection_names() -> None:
    """Where the document says that it is; the operator names the objects, and has read none."""
    connections = {
        NAME: {"url": "https://api.example", "tls": TLS},
        "unused": {"url": "https://x", "tls": TLS},
    }
    parts = parts_of(http_case("one"), connections=connections)
    tls = document_of(parts).connections[NAME].tls
    assert tls is not None
    folder = f"/etc/testrun-tls/{NAME}"
    assert (f"{folder}/ca/ca.crt", "api.example") == (tls.ca, tls.server_name)
    assert (f"{folder}/client/tls.crt", f"{folder}/client/tls.key") == (tls.certificate, tls.key)
    mounted = {mount["name"]: mount["mountPath"] for mount in container_of(parts.job)["volumeMounts"]}
    assert {"tls-ca-0": f"{folder}/ca", "tls-client-0": f"{folder}/client"}.items() <= mounted.items()
    volumes = {volume.pop("name"): volume for volume in pod_of(parts.job)["volumes"]}
    assert volumes["tls-ca-0"] == {
        "configMap": {"name": "company-ca", "optional": True, "items": [{"key": "root.pem", "path": "ca.crt"}]}
    }
    assert volumes["tls-client-0"]["secret"]["secretName"] == "tests"
    assert [name for name in volumes if name.startswith("tls")] == ["tls-ca-0", "tls-client-0"]


@pytest.mark.parametrize("case", [playbook_case("one"), sql_case("one")], ids=["playbook", "sql"])
def test_other_kinds_get_the_files_of_their_connections(case: dict[str, Any]) -> None:
    """NoETL's server is asked with them, and a database's connection string may name them."""
    kind = "playbook" if "playbook" in case else "sql"
    name = case[kind]["connection"]
    reference = {"secretKeyRef": {"name": "authority", "key": "ca"}}
    connection = {"dsnFrom": {"secretKeyRef": {"name": "s", "key": "dsn"}}, "tls": {"caFrom": reference}}
    parts = parts_of(case, connections={name: connection | ({"url": "https://noetl"} if kind == "playbook" else {})})
    [volume] = [volume for volume in pod_of(parts.job)["volumes"] if volume["name"].startswith("tls")]
    assert volume["secret"]["secretName"] == "authority"


def test_an_address_without_https_needs_no_certificates() -> None:
    """It is told with the suite, before anything runs."""
    connections = {NAME: {"url": "http://api", "tls": TLS}}
    [problem] = check_suite(suite_of(http_case("one"), connections=connections))
    assert problem == f"spec.connections.{NAME}.tls: needs a url that begins with https://; found 'http://api'"


@pytest.mark.parametrize(
    "given", [{}, {"secretKeyRef": {"name": "a", "key": "b"}, "configMapKeyRef": {"name": "a", "key": "b"}}]
)
def test_an_authority_comes_from_one_place(given: dict[str, Any]) -> None:
    """From a Secret or from a ConfigMap."""
    with pytest.raises(InvalidSpec, match="exactly one of secretKeyRef and configMapKeyRef"):
        suite_of(http_case("one"), connections={NAME: {"url": "https://api", "tls": {"caFrom": given}}})
