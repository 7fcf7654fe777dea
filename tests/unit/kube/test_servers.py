"""The pagination test server: where it belongs, what it may do, and when it is ready."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.kube.manifests import SETTINGS, container_of, pod_of, violations_of

from support.builders import RUN, RUN_ID
from testrun_operator.kube import labels
from testrun_operator.kube.platform import ServerPods
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.servers import (
    PlacedServer,
    ServerSettings,
    deployment_manifest,
    is_ready,
    place_server,
    service_manifest,
    template_of,
)
from testrun_operator.resources.suite import TestServer
from testrun_operator.resources.suite import TestServerScope as Scope

SERVERS = ServerSettings("test-server", 30555, "cluster.local", SETTINGS)
OF_RUN = pytest.param(Scope.RUN, id="of one run")
SHARED = pytest.param(Scope.SHARED, id="shared")


def placed(
    scope: Scope = Scope.SHARED,
    name: str = "paginated-api",
    run: RunReference | None = RUN,
    run_id: str = RUN_ID,
    settings: ServerSettings = SERVERS,
) -> PlacedServer:
    """Return a server of a suite in its place."""
    server = TestServer.model_validate({"name": name, "pagination": {}, "scope": scope})
    return place_server(server, run, run_id, settings)


def manifests(server: PlacedServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the Deployment and the Service of a server."""
    return deployment_manifest(server, SERVERS), service_manifest(server, SERVERS)


def test_a_shared_server_has_the_documented_address() -> None:
    """Suites and people use it by this name."""
    server = placed()
    assert server.url == "http://paginated-api.test-server.svc.cluster.local:5555"
    assert (server.namespace, server.object_name, server.owner, server.run_id) == (
        "test-server",
        "paginated-api",
        None,
        None,
    )


def test_a_shared_server_belongs_to_no_run() -> None:
    """It outlives runs: it has no owner, and no label of the run that happened to be the first."""
    for manifest in manifests(placed()):
        assert "ownerReferences" not in manifest["metadata"]
        assert not {labels.RUN, labels.RUN_UID, labels.RUN_ID} & manifest["metadata"]["labels"].keys()


def test_a_shared_server_is_the_same_for_all_runs() -> None:
    """Two runs that need it do not fight over it."""
    other = RunReference("other", "weekly", "another")
    assert placed() == placed(run=other, run_id="1") == placed(run=None)
    assert manifests(placed()) == manifests(placed(run=other, run_id="1"))


def test_a_server_of_a_run_goes_with_it() -> None:
    """It is in the run's namespace and owned by it."""
    server = placed(Scope.RUN)
    assert server.url == f"http://{server.object_name}.team.svc.cluster.local:5555"
    for manifest in manifests(server):
        metadata = manifest["metadata"]
        assert (metadata["name"], metadata["namespace"]) == (server.object_name, "team")
        assert metadata["ownerReferences"] == [RUN.as_owner()]
        assert metadata["labels"][labels.RUN_UID] == RUN.uid
        assert metadata["labels"][labels.RUN_ID] == RUN_ID


def test_each_execution_has_a_server_of_its_own() -> None:
    """Attempt counters are in the server's memory; another execution must not see them."""
    names = {
        placed(Scope.RUN).object_name,
        placed(Scope.RUN, run_id="1").object_name,
        placed(Scope.RUN, name="second").object_name,
        placed(Scope.RUN, run=RunReference("team", "nightly", "another")).object_name,
    }
    assert len(names) == 4
    assert placed(Scope.RUN) == placed(Scope.RUN)


@pytest.mark.parametrize("scope", [OF_RUN, SHARED])
def test_servers_satisfy_the_pod_security_standard_restricted(scope: Scope) -> None:
    """Their namespace enforces it."""
    deployment, _ = manifests(placed(scope))
    assert list(violations_of(pod_of(deployment))) == []
    assert container_of(deployment)["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod_of(deployment)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("scope", [OF_RUN, SHARED])
@pytest.mark.parametrize("name", ["paginated-api", "a" * 63, "second"])
def test_a_service_finds_the_pods_of_its_server_alone(scope: Scope, name: str) -> None:
    """The selectors of Deployment and Service match the pods, and no other server's."""
    server, other = placed(scope, name), placed(scope, "another")
    deployment, service = manifests(server)
    own = deployment["spec"]["template"]["metadata"]["labels"]
    foreign = manifests(other)[0]["spec"]["template"]["metadata"]["labels"]
    for selector in (service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= own.items()
        assert not selector.items() <= foreign.items()
    assert all(len(value) <= 63 for value in own.values())
    assert len(server.object_name) <= 63


def test_a_service_leads_to_the_port_of_the_server() -> None:
    """Port 5555 inside the cluster."""
    deployment, service = manifests(placed())
    (port,) = service["spec"]["ports"]
    (container_port,) = container_of(deployment)["ports"]
    assert (port["port"], port["targetPort"]) == (5555, "http")
    assert container_port == {"name": "http", "containerPort": 5555}
    command = container_of(deployment)["command"]
    assert command[command.index("--port") + 1] == "5555"


@pytest.mark.parametrize(
    ("scope", "name", "node_port", "expected"),
    [
        (Scope.SHARED, "paginated-api", 30555, 30555),
        (Scope.SHARED, "paginated-api", 0, 0),
        (Scope.SHARED, "second", 30555, 0),
        (Scope.RUN, "paginated-api", 30555, 0),
    ],
)
def test_only_the_shared_paginated_api_has_a_node_port(scope: Scope, name: str, node_port: int, expected: int) -> None:
    """A port of the nodes can be had only once in a cluster."""
    settings = ServerSettings("test-server", node_port, "cluster.local", SETTINGS)
    service = service_manifest(placed(scope, name, settings=settings), settings)
    (port,) = service["spec"]["ports"]
    assert port.get("nodePort", 0) == expected
    assert service["spec"]["type"] == ("NodePort" if expected else "ClusterIP")


def test_there_is_never_more_than_one_pod_of_a_server() -> None:
    """Two would count attempts each for itself, also while a new version takes the place of the old one."""
    deployment, _ = manifests(placed())
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


CHANGES = {
    "another image": replace(SERVERS, pods=replace(SETTINGS, image="registry.example.com/testrun:2")),
    "another label": replace(SERVERS, pods=replace(SETTINGS, common_labels={"team": "quality"})),
    "another user": replace(SERVERS, pods=replace(SETTINGS, random_user_ids=True)),
    "other resources": replace(SERVERS, servers=ServerPods(resources={"limits": {"memory": "1Gi"}})),
    "another node": replace(SERVERS, servers=ServerPods(node_selector={"disk": "fast"})),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_a_server_is_made_from_is_seen_on_its_deployment(what: str) -> None:
    """By the digest an operator of a newer release, or with other settings, sees that a server is to be renewed."""
    made = deployment_manifest(placed(), SERVERS)
    assert template_of(made) == template_of(deployment_manifest(placed(), SERVERS))
    assert template_of(made) != template_of(deployment_manifest(placed(), CHANGES[what]))


def test_a_server_of_a_release_without_digests_is_renewed() -> None:
    """What it was made from is not known; to renew it once costs a second."""
    made = deployment_manifest(placed(), SERVERS)
    del made["spec"]["template"]["metadata"]["annotations"]
    assert template_of(made) == ""


def test_the_image_of_a_server_is_the_operators_own() -> None:
    """There is one image to mirror, to scan and to pull."""
    assert container_of(manifests(placed())[0])["image"] == SETTINGS.image


def test_a_platform_says_what_servers_carry_and_where_they_run() -> None:
    """Labels, annotations, resources and place come from the settings; the labels that select the pods stay."""
    servers = ServerPods(
        pod_labels={"team": "quality", labels.SERVER: "mine"},
        pod_annotations={"example.com/mesh": "off"},
        resources={"limits": {"memory": "1Gi"}},
        node_selector={"disk": "fast"},
        tolerations=({"operator": "Exists"},),
        affinity={"nodeAffinity": {}},
        priority_class_name="low",
    )
    settings = replace(SERVERS, servers=servers, pods=replace(SETTINGS, common_labels={"cost-center": "42"}))
    deployment, service = deployment_manifest(placed(), settings), service_manifest(placed(), settings)
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"].items() >= {"team": "quality", "cost-center": "42"}.items()
    assert template["metadata"]["labels"][labels.SERVER] == "paginated-api"
    assert template["metadata"]["annotations"]["example.com/mesh"] == "off"
    assert container_of(deployment)["resources"] == {"limits": {"memory": "1Gi"}}
    assert template["spec"]["nodeSelector"] == {"disk": "fast"}
    assert template["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert template["spec"]["affinity"] == {"nodeAffinity": {}}
    assert template["spec"]["priorityClassName"] == "low"
    for manifest in (deployment, service):
        assert manifest["metadata"]["labels"]["cost-center"] == "42"
        assert "cost-center" not in json.dumps(manifest["spec"]["selector"])


def test_where_the_cluster_chooses_user_ids_a_server_names_none() -> None:
    """OpenShift refuses a pod that asks for a user outside its namespace's range."""
    settings = replace(SERVERS, pods=replace(SETTINGS, random_user_ids=True))
    pod = pod_of(deployment_manifest(placed(), settings))
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert list(violations_of(pod)) == []


def test_a_server_listens_to_both_families_of_addresses() -> None:
    """Where a cluster has IPv6 alone, or first, its pods and its probes come by IPv6."""
    command = container_of(manifests(placed())[0])["command"]
    assert command[command.index("--host") + 1] == ""


def test_a_service_has_the_families_that_the_settings_name() -> None:
    """Without them it is left to the cluster."""
    settings = replace(SERVERS, ip_family_policy="PreferDualStack", ip_families=("IPv6", "IPv4"))
    spec = service_manifest(placed(), settings)["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("PreferDualStack", ["IPv6", "IPv4"])
    assert not {"ipFamilyPolicy", "ipFamilies"} & service_manifest(placed(), SERVERS)["spec"].keys()


READINESS = {
    "nothing": (None, False),
    "just created": ({"metadata": {"generation": 1}}, False),
    "no pod ready": ({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "replicas": 1}}, False),
    "a pod ready": ({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "readyReplicas": 1}}, True),
    "a pod of the last generation": (
        {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "readyReplicas": 1}},
        False,
    ),
    "a status without a generation": ({"metadata": {"generation": 1}, "status": {"readyReplicas": 1}}, False),
    "a status that is null": ({"metadata": {"generation": 1}, "status": None}, False),
    "being deleted": (
        {
            "metadata": {"generation": 1, "deletionTimestamp": "2026-03-01T12:00:00Z"},
            "status": {"observedGeneration": 1, "readyReplicas": 1},
        },
        False,
    ),
}


@pytest.mark.parametrize("what", READINESS)
def test_a_server_is_ready_when_a_pod_of_its_newest_generation_is(what: str) -> None:
    """The first case starts only then."""
    deployment, ready = READINESS[what]
    assert is_ready(deployment) is ready
