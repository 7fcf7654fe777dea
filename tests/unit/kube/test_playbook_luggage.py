"""What a case of kind playbook takes along: its server, databases, credentials and playbooks."""

import json
from typing import Any

from tests.unit.kube.manifests import container_of, document_of, environment_of, parts_of, pod_of

from support.builders import http_case, playbook_case
from testrun_operator.api.environment import DOCUMENT_VARIABLE, FILES_PATH, credential_prefix

CONNECTIONS = {
    "noetl": {
        "url": "http://noetl:8082",
        "headers": {"X-Team": "a"},
        "headersFrom": [{"name": "Authorization", "secretKeyRef": {"name": "the-token", "key": "token"}}],
        "dsnFrom": {"secretKeyRef": {"name": "the-events", "key": "dsn"}},
    },
    "warehouse": {"url": "http://other", "dsnFrom": {"secretKeyRef": {"name": "the-warehouse", "key": "dsn"}}},
    "ledger": {"dsnFrom": {"secretKeyRef": {"name": "the-ledger", "key": "dsn"}}},
    "unused": {"dsnFrom": {"secretKeyRef": {"name": "unused", "key": "dsn"}}},
}


def query(connection: str | None) -> dict[str, Any]:
    """Return a query against a connection."""
    return {"name": "rows", "query": "SELECT true"} | ({"connection": connection} if connection else {})


def secrets_of(job: dict[str, Any]) -> dict[str, str]:
    """Return from which Secret each variable comes."""
    return {
        found["name"]: found["valueFrom"]["secretKeyRef"]["name"]
        for found in container_of(job)["env"]
        if "valueFrom" in found
    }


def test_the_server_and_the_database_of_its_events_come_with_a_case() -> None:
    """One connection has both: an address with its headers, and a variable that the kubelet fills."""
    parts = parts_of(playbook_case("one"), connections=CONNECTIONS)
    document = document_of(parts)
    assert document.connections.keys() == {"noetl"}
    endpoint = document.connections["noetl"]
    assert (endpoint.url, endpoint.headers) == ("http://noetl:8082", {"X-Team": "a"})
    (header,) = endpoint.secret_headers
    assert secrets_of(parts.job) == {endpoint.dsn_variable: "the-events", header.variable: "the-token"}


def test_a_server_may_have_no_database() -> None:
    """Then the events are read through the server."""
    parts = parts_of(playbook_case("one"), connections={"noetl": {"url": "http://noetl:8082"}})
    endpoint = document_of(parts).connections["noetl"]
    assert (endpoint.url, endpoint.dsn_variable) == ("http://noetl:8082", None)
    assert secrets_of(parts.job) == {}


def test_databases_that_are_queried_come_along_each_once() -> None:
    """Only as databases: what else a connection has, its address among it, does not travel."""
    asked = [query("warehouse"), query(None), query("ledger"), query("warehouse"), query("noetl")]
    parts = parts_of(playbook_case("one", own={"expect": {"sql": asked}}), connections=CONNECTIONS)
    endpoints = document_of(parts).connections
    assert endpoints.keys() == {"noetl", "warehouse", "ledger"}
    assert endpoints["noetl"].url == "http://noetl:8082"
    assert (endpoints["warehouse"].url, endpoints["ledger"].url) == (None, None)
    secrets = secrets_of(parts.job)
    databases = {name: secrets[str(endpoint.dsn_variable)] for name, endpoint in endpoints.items()}
    assert databases == {"noetl": "the-events", "warehouse": "the-warehouse", "ledger": "the-ledger"}
    assert "unused" not in json.dumps(parts.job)


def test_every_key_of_a_credential_is_a_variable_that_the_kubelet_fills() -> None:
    """The operator does not know which keys a Secret has, and need not: it must not read it."""
    credentials = [
        {"name": "pg", "type": "postgres", "secretRef": {"name": "the-postgres"}},
        {"name": "gcs", "type": "gcs", "secretRef": {"name": "the-bucket"}},
    ]
    parts = parts_of(playbook_case("one", own={"credentials": credentials}), connections=CONNECTIONS)
    assert container_of(parts.job)["envFrom"] == [
        {"prefix": credential_prefix(0), "secretRef": {"name": "the-postgres"}},
        {"prefix": credential_prefix(1), "secretRef": {"name": "the-bucket"}},
    ]


def test_no_credential_can_be_taken_for_another() -> None:
    """The tenth begins as the first does, up to the mark behind the number."""
    assert not credential_prefix(10).startswith(credential_prefix(1))


def test_a_case_without_credentials_has_none() -> None:
    """An empty list would be no harm, and is not there."""
    for case in (playbook_case("one"), http_case("one", http={"connection": "noetl"})):
        assert "envFrom" not in container_of(parts_of(case, connections=CONNECTIONS).job)


def test_the_document_of_a_case_has_no_secret() -> None:
    """It names variables; the connection strings and tokens are in Secrets."""
    text = environment_of(parts_of(playbook_case("one"), connections=CONNECTIONS).job)[DOCUMENT_VARIABLE]
    assert "the-events" not in text
    assert "the-token" not in text


def test_playbooks_that_are_registered_come_as_the_files_of_database_tests_do() -> None:
    """From a ConfigMap as files, from Git with its credentials, from the suite in the document."""
    items = [{"key": "hello", "path": "hello.yaml"}]
    mapped = playbook_case("one", own={"register": {"configMap": {"name": "playbooks", "items": items}}})
    job = parts_of(mapped, connections=CONNECTIONS).job
    (volume,) = (found for found in pod_of(job)["volumes"] if found["name"] == "files")
    assert volume["configMap"] == {"name": "playbooks", "items": items, "optional": True}
    assert {"name": "files", "mountPath": FILES_PATH, "readOnly": True} in container_of(job)["volumeMounts"]

    git = {"git": {"url": "https://git.example.com/a.git", "secretRef": {"name": "forge"}}}
    job = parts_of(playbook_case("one", own={"register": git}), connections=CONNECTIONS).job
    assert secrets_of(job)["TESTRUN_GIT_PASSWORD"] == "forge"

    inline = "apiVersion: noetl.io/v2\nworkload: {price: $$5 $(HOME)}\n"
    playbook = document_of(
        parts_of(playbook_case("one", own={"register": {"inline": inline}}), connections=CONNECTIONS)
    ).case.playbook
    assert playbook is not None
    assert playbook.register is not None
    assert playbook.register.inline == inline


def test_a_payload_arrives_as_it_was_written() -> None:
    """Numbers of 64 bits, null and templates; nothing is rendered before the pod."""
    payload = {"big": 2**63 - 1, "none": None, "text": "{{ vars.a }} $(B)", "list": [1.5, True]}
    parts = parts_of(playbook_case("one", own={"payload": payload}), connections=CONNECTIONS)
    playbook = document_of(parts).case.playbook
    assert playbook is not None
    assert playbook.payload == payload


def test_a_stopped_case_has_the_time_to_cancel_its_execution() -> None:
    """The runner's child tidies up for six seconds at most; the kubelet waits for longer."""
    assert pod_of(parts_of(playbook_case("one"), connections=CONNECTIONS).job)["terminationGracePeriodSeconds"] == 10
