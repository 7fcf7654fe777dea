"""Upgrade, uninstall and install again; last of all, since the operator is away in between."""

import json
import subprocess
import sys

import pytest
import yaml

from support.cluster import RELEASE, ROOT, SYSTEM_NAMESPACE, Namespace, container, kubectl, query, wait_for_storing

pytestmark = pytest.mark.alone


def helm(*words: str) -> str:
    """Run the project's Helm."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "helm.py", *words], capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_releases_own_test_passes() -> None:
    """`helm test` runs a TestRun from its creation to its verdict."""
    helm("test", RELEASE, "-n", SYSTEM_NAMESPACE, "--timeout", "3m")


def test_the_plain_manifests_are_accepted() -> None:
    """`kubectl apply -f manifests/install.yaml` is what the API server takes."""
    for document in yaml.safe_load_all((ROOT / "manifests" / "install.yaml").read_text()):
        if document and document["kind"] not in {"Namespace", "CustomResourceDefinition"}:
            namespaced = "namespace" in document["metadata"]
            if namespaced:
                document["metadata"]["namespace"] = "default"
            kubectl("apply", "--dry-run=server", "-f", "-", text=yaml.safe_dump(document))


def test_runs_and_results_survive_a_reinstallation(namespace: Namespace) -> None:
    """CustomResourceDefinitions, TestRuns, the password and the database's volume stay when the chart goes."""
    run = namespace.run("kept", container("a", "true"))
    before = namespace.wait_for_end(run)
    wait_for_storing(namespace, run)
    pod = json.loads(kubectl("-n", SYSTEM_NAMESPACE, "get", "deployment", f"{RELEASE}-testrun-operator", "-o", "json"))[
        "spec"
    ]["template"]["spec"]
    image = pod["containers"][0]["image"]
    helm("uninstall", RELEASE, "-n", SYSTEM_NAMESPACE, "--wait", "--timeout", "3m")
    assert namespace.status(run) == before | {"conditions": namespace.status(run)["conditions"]}
    late = namespace.run("late", container("a", "true"))
    assert namespace.status(late) == {"observedGeneration": -1}
    subprocess.run([ROOT / "ci" / "install", "--image", image], check=True, timeout=400, capture_output=True)
    assert namespace.wait_for_end(late)["phase"] == "Passed"
    assert namespace.status(run)["runId"] == before["runId"]
    rows = query(f"SELECT verdict FROM noetl_test.regression_results WHERE test_run_id = {before['runId']}")
    assert rows == [["Passed"]]
