"""What the operator writes, as the API server's audit log has it: under its own name, and where it may."""

import json
import subprocess
from typing import Any

import pytest

from support.cluster import OPERATOR, ROOT, SYSTEM_NAMESPACE, Namespace, container
from support.sql_cluster import is_native

ACCOUNT = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{OPERATOR}"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
ALLOWED = {
    ("create", "configmaps"): "the record",
    ("patch", "configmaps"): "when the execution ended and that its results are stored, as annotations of the record",
    ("create", "events"): "Events of the run",
    ("create", "jobs"): "an attempt",
    ("patch", "jobs"): "stopping one",
    ("patch", "testruns/status"): "the status, and nothing else of a TestRun",
}
"""Every kind of write that a run may cause in its namespace, each with its reason."""

Entry = dict[str, Any]


def writes_in(namespace: str) -> list[Entry]:
    """Return what the operator wrote in a namespace."""
    printed = subprocess.run(
        [ROOT / "ci" / "cluster", "logs", "audit"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    entries: list[Entry] = [json.loads(line) for line in printed.splitlines() if ACCOUNT in line]
    return [
        entry
        for entry in entries
        if entry["user"]["username"] == ACCOUNT
        and entry["verb"] in WRITES
        and entry.get("objectRef", {}).get("namespace") == namespace
    ]


def target(entry: Entry) -> tuple[str, str]:
    """Return verb and resource as RBAC names them."""
    reference = entry["objectRef"]
    parts = [reference["resource"], reference.get("subresource", "")]
    return entry["verb"], "/".join(part for part in parts if part)


@pytest.mark.skipif(not is_native(), reason="the audit log is that of the native cluster")
def test_every_write_bears_the_operators_name_and_is_of_a_kind_that_is_known(namespace: Namespace) -> None:
    """An administrator who reads the audit log or managedFields sees who wrote what."""
    cases = [container("good", "true"), container("bad", "false"), container("slow", "sleep 60", timeout="2s")]
    run = namespace.run("audited", *cases)
    namespace.wait_for_end(run)
    written = writes_in(namespace.name)
    assert {target(entry) for entry in written} - ALLOWED.keys() == set()
    assert ("create", "jobs") in {target(entry) for entry in written}
    agents = {entry["userAgent"].partition("/")[0] for entry in written}
    assert agents == {"testrun-operator"}
    managers = {
        (found["manager"], found.get("subresource", ""))
        for found in json.loads(namespace.kubectl("get", "testrun", run, "-o", "json", "--show-managed-fields"))[
            "metadata"
        ]["managedFields"]
        if found["manager"] != "kubectl"
    }
    assert managers == {("testrun-operator", "status")}
