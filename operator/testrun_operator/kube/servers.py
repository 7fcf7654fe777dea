"""The pagination test server in the cluster: its Deployment and Service, and whether they are ready."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testrun_operator.api.base import Document
from testrun_operator.engine.execution import name_for
from testrun_operator.kube import labels
from testrun_operator.kube.platform import ServerPods, merged
from testrun_operator.kube.pods import PodSettings, restricted_container, restricted_pod
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.suite import TestServer, TestServerScope

PORT = 5555
DEFAULT_SERVER = "paginated-api"
"""The one whose NodePort is the configured one; a port can be had only once in a cluster."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the operator's settings say of test servers."""

    namespace: str
    """Where shared servers are."""
    node_port: int
    """NodePort of the shared server ``paginated-api``; 0 for none."""
    cluster_domain: str
    pods: PodSettings
    """What holds for all pods of the operator's image."""
    servers: ServerPods = field(default_factory=ServerPods)
    ip_family_policy: str = ""
    """As in the spec of a Service; empty for the cluster's default."""
    ip_families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """A test server, and where in the cluster it belongs."""

    name: str
    """The name that cases know it by."""
    object_name: str
    """Name of its Deployment and its Service."""
    namespace: str
    owner: RunReference | None
    """The run that it belongs to; None for a shared one."""
    run_id: str | None
    cluster_domain: str
    node_port: int = 0

    @property
    def url(self) -> str:
        """Its address inside the cluster."""
        return f"http://{self.object_name}.{self.namespace}.svc.{self.cluster_domain}:{PORT}"


def place_server(server: TestServer, run: RunReference | None, run_id: str, settings: ServerSettings) -> PlacedServer:
    """Work out where a server of a suite belongs.

    Args:
        server: the server.
        run: the run that needs it; may be None for a shared one.
        run_id: the execution that needs it.
        settings: what the operator's settings say of test servers.
    """
    if server.scope is TestServerScope.SHARED or run is None:
        node_port = settings.node_port if server.name == DEFAULT_SERVER else 0
        return PlacedServer(
            server.name, server.name, settings.namespace, None, None, settings.cluster_domain, node_port
        )
    object_name = name_for(run.name, run.uid, run_id, server.name)
    return PlacedServer(server.name, object_name, run.namespace, run, run_id, settings.cluster_domain)


def deployment_manifest(server: PlacedServer, settings: ServerSettings) -> Document:
    """Make the Deployment of a test server; its template carries the digest of itself."""
    template = _template(server, settings)
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]
    template["metadata"]["annotations"][labels.TEMPLATE] = digest
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(server, settings.pods.common_labels),
        "spec": {
            "replicas": 1,  # attempt counters are in its memory
            "selector": {"matchLabels": _selector(server)},
            "strategy": {"type": "Recreate"},
            "template": template,
        },
    }


def _template(server: PlacedServer, settings: ServerSettings) -> Document:
    pods, servers = settings.pods, settings.servers
    probe = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 2, "timeoutSeconds": 2}
    return {
        "metadata": {
            "labels": merged(pods.common_labels, servers.pod_labels, _labels(server)),
            "annotations": dict(servers.pod_annotations),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": restricted_pod(pods.own_user),
            "imagePullSecrets": [{"name": name} for name in pods.image_pull_secrets],
            "containers": [
                {
                    "name": "server",
                    "image": pods.image,
                    "imagePullPolicy": pods.image_pull_policy,
                    # No host: all addresses of the pod, of both families where it has both.
                    "command": ["testrun", "testserver", "--host", "", "--port", str(PORT)],
                    "ports": [{"name": "http", "containerPort": PORT}],
                    "startupProbe": probe | {"periodSeconds": 1, "failureThreshold": 60},
                    "readinessProbe": probe,
                    "livenessProbe": probe | {"periodSeconds": 10, "failureThreshold": 3},
                    "resources": dict(servers.resources),
                    "securityContext": restricted_container() | {"readOnlyRootFilesystem": True},
                    "volumeMounts": [{"name": "temporary", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
                }
            ],
            "volumes": [{"name": "temporary", "emptyDir": {}}],
        }
        | servers.as_spec(),
    }


def service_manifest(server: PlacedServer, settings: ServerSettings) -> Document:
    """Make the Service of a test server."""
    port: Document = {"name": "http", "port": PORT, "targetPort": "http"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(server, settings.pods.common_labels),
        "spec": {
            **({"ipFamilyPolicy": settings.ip_family_policy} if settings.ip_family_policy else {}),
            **({"ipFamilies": [*settings.ip_families]} if settings.ip_families else {}),
            "type": "NodePort" if server.node_port else "ClusterIP",
            "selector": _selector(server),
            "ports": [port | ({"nodePort": server.node_port} if server.node_port else {})],
        },
    }


def is_ready(deployment: Mapping[str, Any] | None) -> bool:
    """Whether a Deployment of a test server has a pod that answers, of its newest generation."""
    if deployment is None or deployment["metadata"].get("deletionTimestamp"):
        return False
    status = deployment.get("status") or {}
    newest = deployment["metadata"].get("generation", 0)
    return bool(status.get("readyReplicas")) and int(status.get("observedGeneration") or 0) >= newest


def template_of(deployment: Mapping[str, Any]) -> str:
    """Return the digest of what a Deployment of a test server was made to run; empty for one of an older release."""
    annotations = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    return str(annotations.get(labels.TEMPLATE, ""))


def _selector(server: PlacedServer) -> Document:
    return {labels.COMPONENT: labels.SERVER_COMPONENT, labels.SERVER: server.object_name}


def _labels(server: PlacedServer) -> Document:
    own = {labels.MANAGED_BY: labels.MANAGER, "app.kubernetes.io/name": "pagination-test-server", **_selector(server)}
    if server.owner is not None and server.run_id is not None:
        own |= {
            labels.RUN: labels.label_value(server.owner.name),
            labels.RUN_UID: server.owner.uid,
            labels.RUN_ID: server.run_id,
        }
    return own


def _metadata(server: PlacedServer, common_labels: Mapping[str, str]) -> Document:
    own_labels = merged(common_labels, _labels(server))
    metadata: Document = {"name": server.object_name, "namespace": server.namespace, "labels": own_labels}
    return metadata | ({"ownerReferences": [server.owner.as_owner()]} if server.owner else {})
