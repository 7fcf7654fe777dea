"""etcd, the API server, the controller manager and the scheduler: their arguments."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from native.api_client import ApiClient
from native.instance import API_SERVER_PORT, Instance
from native.processes import Daemon, write_atomically

# Kubernetes' defaults are for large clusters with many clients; here they would only make Jobs start one by one.
CLIENT_RATE = ("--kube-api-qps=200", "--kube-api-burst=400")


def etcd(instance: Instance, programs: Path) -> Daemon:
    """Keep the store from waiting for the disk: a throw-away cluster loses nothing by it."""
    client = f"http://127.0.0.1:{instance.etcd_client_port}"
    peer = f"http://127.0.0.1:{instance.etcd_peer_port}"
    return Daemon(
        name="etcd",
        arguments=(
            str(programs / "etcd"),
            f"--name={instance.name}",
            f"--data-dir={instance.state / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={instance.name}={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            "--logger=zap",
        ),
    )


def etcd_is_healthy(instance: Instance) -> bool:
    """Whether etcd answers and says that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{instance.etcd_client_port}/health", timeout=2) as answer:
            return b'"true"' in answer.read()
    except (OSError, urllib.error.URLError):
        return False


def audit_policy() -> str:
    """What the API server's audit log keeps (JSON is YAML too): who wrote what, with which user agent and manager.

    Of writes the line without bodies, since the address of the request names the field manager; of the cluster's own
    components nothing, since they write more than everybody else together. Reads are kept of service accounts: what
    a pod asks for is what its Role must allow.
    """
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "users": ["system:apiserver", "system:kube-scheduler", "system:kube-proxy"]},
            {"level": "None", "users": ["system:kube-controller-manager"]},
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            {"level": "None"},
        ],
    }
    return json.dumps(policy, indent=2)


def write_configuration(instance: Instance) -> None:
    """Write the control plane's configuration files."""
    write_atomically(instance.configuration / "audit-policy.json", audit_policy())


def api_server(instance: Instance, binaries: Path) -> Daemon:
    """The API server, on the node's own address only."""
    certificates = instance.certificates
    return Daemon(
        name="kube-apiserver",
        arguments=(
            str(binaries / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{instance.etcd_client_port}",
            f"--bind-address={instance.node_address}",
            f"--advertise-address={instance.node_address}",
            f"--secure-port={API_SERVER_PORT}",
            f"--service-cluster-ip-range={instance.service_network}",
            f"--client-ca-file={certificates / 'ca.crt'}",
            f"--tls-cert-file={certificates / 'apiserver.crt'}",
            f"--tls-private-key-file={certificates / 'apiserver.key'}",
            f"--kubelet-client-certificate={certificates / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={certificates / 'apiserver-kubelet-client.key'}",
            # The node's name cannot be resolved; without this `kubectl logs` would try to.
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={certificates / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={certificates / 'service-accounts.key'}",
            # As kubeadm and kind have it: what keeps privileged pods away is Pod Security, by namespace.
            "--allow-privileged=true",
            "--profiling=false",
            f"--audit-policy-file={instance.configuration / 'audit-policy.json'}",
            f"--audit-log-path={instance.audit_log}",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=1",
        ),
        content=(audit_policy(),),
    )


def api_server_is_ready(client: ApiClient) -> bool:
    """Whether the API server has finished its start, the default roles included."""
    return client.answers("/readyz")


def controller_manager(instance: Instance, binaries: Path) -> Daemon:
    """All controllers."""
    certificates = instance.certificates
    kubeconfig = instance.configuration / "controller-manager.kubeconfig"
    return Daemon(
        name="kube-controller-manager",
        arguments=(
            str(binaries / "kube-controller-manager"),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={instance.node_address}",
            "--leader-elect=false",
            f"--root-ca-file={certificates / 'ca.crt'}",
            f"--service-account-private-key-file={certificates / 'service-accounts.key'}",
            f"--cluster-signing-cert-file={certificates / 'ca.crt'}",
            f"--cluster-signing-key-file={certificates / 'ca.key'}",
            "--use-service-account-credentials=true",
            *CLIENT_RATE,
        ),
    )


def scheduler(instance: Instance, binaries: Path) -> Daemon:
    """The scheduler with its default profile."""
    kubeconfig = instance.configuration / "scheduler.kubeconfig"
    return Daemon(
        name="kube-scheduler",
        arguments=(
            str(binaries / "kube-scheduler"),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={instance.node_address}",
            "--leader-elect=false",
            *CLIENT_RATE,
        ),
    )
