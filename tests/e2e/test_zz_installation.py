"""Upgrade, uninstall and install again; last of all, since the operator is away in between."""

import pytest
import yaml

from support.cluster import (
    RELEASE,
    ROOT,
    SYSTEM_NAMESPACE,
    Namespace,
    container,
    helm,
    install_anew,
    installed_image,
    kubectl,
    query,
    wait_for_storing,
)

pytestmark = pytest.mark.alone


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
    image = installed_image()
    helm("uninstall", RELEASE, "-n", SYSTEM_NAMESPACE, "--wait", "--timeout", "3m")
    assert namespace.status(run) == before | {"conditions": namespace.status(run)["conditions"]}
    late = namespace.run("late", container("a", "true"))
    assert namespace.status(late) == {"observedGeneration": -1}
    install_anew(image)
    assert namespace.wait_for_end(late)["phase"] == "Passed"
    assert namespace.status(run)["runId"] == before["runId"]
    rows = query(f"SELECT verdict FROM noetl_test.regression_results WHERE test_run_id = {before['runId']}")
    assert rows == [["Passed"]]
