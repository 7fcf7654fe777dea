"""The Kubernetes objects of one NoETL: server, worker, PostgreSQL and, where the release wants it, NATS.

It is for tests: the database is gone with its pod. No pod has a token of the API server, because a worker runs what
playbooks say.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any
from urllib.parse import quote

from native.noetl_images import NATS, NATS_USER_ID
from native.noetl_release import (
    ADMINISTRATOR,
    DATABASE,
    NATS_USER,
    OWNER,
    PREPARE_DATABASE,
    READER,
    Release,
    Surroundings,
    environment,
    nats_url_with_user,
)
from native.stock_images import POSTGRES, POSTGRES_USER

Body = dict[str, Any]

PORT = 8082
POSTGRES_PORT = 5432
NATS_PORT = 4222
NATS_MONITOR_PORT = 8222
USER_ID = 65532
PASSWORDS = "noetl-passwords"
PYTHON = "/opt/venv/bin/python"
COMPONENTS = ("postgres", "nats", "server", "worker")
# The worker's name for the server, and the DSN's for the database, must be good in every namespace.
DOMAIN = "svc.cluster.local"
WAIT_FOR_SERVER = f"""
import sys, time, urllib.request
for _ in range(600):
    try:
        sys.exit(urllib.request.urlopen("http://noetl:{PORT}/api/health", timeout=2).status != 200)
    except OSError:
        time.sleep(0.5)
sys.exit("the server does not answer")
"""


def namespace_of(release: Release) -> str:
    """The namespace that a release is deployed to if no other is named."""
    return f"noetl-{release.slug}"


def server_url(namespace: str) -> str:
    """The server's address inside the cluster."""
    return f"http://noetl.{namespace}.{DOMAIN}:{PORT}"


def new_passwords() -> dict[str, str]:
    """A password for each role; the releases put them into URLs as they are, so they are plain."""
    return {name: secrets.token_hex(16) for name in ("admin", "owner", "reader", "nats")}


def events_dsn(namespace: str, passwords: dict[str, str]) -> str:
    """The DSN of the role that may read the event log."""
    host = f"postgres.{namespace}.{DOMAIN}:{POSTGRES_PORT}"
    return f"postgresql://{READER}:{quote(passwords['reader'])}@{host}/{DATABASE}"


def objects(release: Release, *, namespace: str, passwords: dict[str, str], workers: int = 1) -> list[Body]:
    """Everything of one NoETL but its namespace."""
    found = [
        secret(PASSWORDS, passwords),
        {"apiVersion": "v1", "kind": "ConfigMap", **meta("prepare-database"), "data": {"prepare.py": script()}},
        *postgres(),
        *(nats_server() if release.needs_nats else []),
        *server(release, namespace),
        worker(release, namespace, workers),
    ]
    for body in found:
        body["metadata"]["namespace"] = namespace
        body["metadata"]["labels"] = {"app.kubernetes.io/part-of": "noetl", **body["metadata"].get("labels", {})}
    return found


def events_secret(name: str, *, target: str, namespace: str, passwords: dict[str, str]) -> Body:
    """The Secret that a suite's connection names in `dsnFrom`, in the namespace of the suite."""
    body = secret(name, {"dsn": events_dsn(namespace, passwords)})
    body["metadata"]["namespace"] = target
    return body


def script() -> str:
    """The program that makes roles, schema and tables."""
    return PREPARE_DATABASE.read_text()


def meta(name: str) -> Body:
    """The beginning of an object."""
    return {"metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}}}


def secret(name: str, values: dict[str, str]) -> Body:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", **meta(name), "stringData": values}


def from_secret(name: str, key: str) -> Body:
    """An environment variable of a pod's container."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": PASSWORDS, "key": key}}}


def service(name: str, port: int, component: str) -> Body:
    """A Service before the pods of a component."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        **meta(name),
        "spec": {
            "selector": {"app.kubernetes.io/component": component},
            # The protocol is part of a key: Kubernetes 1.20 wants it written down.
            "ports": [{"name": "main", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def deployment(name: str, pod: Body, *, replicas: int = 1, user: int = USER_ID) -> Body:
    """A Deployment whose old pods are gone before there are new ones."""
    labels = {"app.kubernetes.io/part-of": "noetl", "app.kubernetes.io/component": name}
    settings = {
        "automountServiceAccountToken": False,
        # A Service named noetl would set NOETL_PORT and others, which mean something else to the programs.
        "enableServiceLinks": False,
        # Releases before 2 ignore SIGTERM while they have work.
        "terminationGracePeriodSeconds": 3,
        "securityContext": {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user},
        **pod,
    }
    for container in (*settings.get("initContainers", []), *settings["containers"]):
        container |= {
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        **meta(name),
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": settings},
        },
    }


def mounts(**paths: str) -> list[Body]:
    """Volume mounts by the names of their volumes."""
    return [{"name": name, "mountPath": path} for name, path in paths.items()]


def postgres() -> list[Body]:
    """The database: of the same image as the chart's, and as quick as a database may be that nobody will miss."""
    container = {
        "name": "postgres",
        "image": POSTGRES,
        "args": [
            word
            for setting in ("max_connections=200", "fsync=off", "synchronous_commit=off", "timezone=UTC")
            for word in ("-c", setting)
        ],
        "env": [
            {"name": "POSTGRES_USER", "value": ADMINISTRATOR},
            {"name": "POSTGRES_DB", "value": DATABASE},
            from_secret("POSTGRES_PASSWORD", "admin"),
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/noetl"},
        ],
        "ports": [{"containerPort": POSTGRES_PORT, "protocol": "TCP"}],
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "--quiet", "--host=127.0.0.1", f"--username={ADMINISTRATOR}"]},
            "periodSeconds": 2,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": mounts(data="/var/lib/postgresql/data", run="/var/run/postgresql", tmp="/tmp"),  # noqa: S108
    }
    volumes: list[Body] = [{"name": name, "emptyDir": {}} for name in ("data", "run", "tmp")]
    pod = {"containers": [container], "volumes": volumes}
    return [service("postgres", POSTGRES_PORT, "postgres"), deployment("postgres", pod, user=POSTGRES_USER)]


def nats_server() -> list[Body]:
    """The message bus, with JetStream."""
    container = {
        "name": "nats",
        "image": NATS,
        "args": [
            *("--jetstream", "--store_dir=/data", f"--port={NATS_PORT}", f"--http_port={NATS_MONITOR_PORT}"),
            *(f"--user={NATS_USER}", "--pass=$(NATS_PASSWORD)"),
        ],
        "env": [from_secret("NATS_PASSWORD", "nats")],
        "ports": [{"containerPort": NATS_PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": NATS_MONITOR_PORT}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": mounts(data="/data"),
    }
    pod = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    return [service("nats", NATS_PORT, "nats"), deployment("nats", pod, user=NATS_USER_ID)]


def program_environment(release: Release, namespace: str, mode: str) -> list[Body]:
    """The variables of server and worker."""
    surroundings = Surroundings(
        server_url=server_url(namespace),
        port=PORT,
        postgres_host="postgres",
        postgres_port=POSTGRES_PORT,
        nats_url=nats_url_with_user(f"nats://nats:{NATS_PORT}", "$(NATS_PASSWORD)"),
        home="/tmp/home",  # noqa: S108 - a volume of the pod's own
    )
    plain = {**environment(release, surroundings), "NOETL_RUN_MODE": mode}
    return [
        # First, because others refer to it.
        from_secret("NATS_PASSWORD", "nats"),
        from_secret("POSTGRES_PASSWORD", "owner"),
        from_secret("NOETL_PASSWORD", "owner"),
        *({"name": name, "value": value} for name, value in plain.items()),
    ]


def noetl_container(release: Release, name: str, arguments: list[str], env: list[Body], **more: Any) -> Body:
    """A container with the release's image."""
    return {
        "name": name,
        "image": release.image,
        "command": [PYTHON, *arguments],
        "env": env,
        "workingDir": "/tmp/home",  # noqa: S108 - a volume of the pod's own
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": mounts(tmp="/tmp", home="/tmp/home", **more.pop("volumes", {})),  # noqa: S108
        **more,
    }


NOETL_VOLUMES = [{"name": "tmp", "emptyDir": {}}, {"name": "home", "emptyDir": {}}]


def server(release: Release, namespace: str) -> list[Body]:
    """The server, which makes its tables first."""
    administrator = [
        {"name": "PGHOST", "value": "postgres"},
        {"name": "PGPORT", "value": str(POSTGRES_PORT)},
        {"name": "PGUSER", "value": ADMINISTRATOR},
        {"name": "PGDATABASE", "value": DATABASE},
        from_secret("PGPASSWORD", "admin"),
        from_secret("NOETL_PASSWORD", "owner"),
        from_secret("READER_PASSWORD", "reader"),
    ]
    prepare = noetl_container(
        release, "prepare-database", ["/scripts/prepare.py"], administrator, volumes={"scripts": "/scripts"}
    )
    run = noetl_container(
        release,
        "server",
        release.server_command(host="0.0.0.0", port=PORT),  # noqa: S104 - of the pod
        program_environment(release, namespace, "server"),
        ports=[{"containerPort": PORT, "protocol": "TCP"}],
        readinessProbe={"httpGet": {"path": "/api/health", "port": PORT}, "periodSeconds": 2, "timeoutSeconds": 5},
        # Patient: while a server starts, or a playbook keeps it busy, nothing is wrong with it.
        livenessProbe={
            "httpGet": {"path": "/api/health", "port": PORT},
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 12,
        },
    )
    scripts = {"name": "scripts", "configMap": {"name": "prepare-database"}}
    pod = {"initContainers": [prepare], "containers": [run], "volumes": [*NOETL_VOLUMES, scripts]}
    body = deployment("server", pod)
    # A changed script is a reason for a new pod.
    digest = hashlib.sha256(script().encode()).hexdigest()[:16]
    body["spec"]["template"]["metadata"]["annotations"] = {"prepare-database": digest}
    return [service("noetl", PORT, "server"), body]


def worker(release: Release, namespace: str, replicas: int) -> Body:
    """The workers, which register with the server and give up where there is none: they wait for it first."""
    wait = noetl_container(release, "wait-for-server", ["-c", WAIT_FOR_SERVER], [])
    env = [
        *program_environment(release, namespace, "worker"),
        # A worker's own name: without one, those of a release before 2 take each other for themselves.
        {"name": "NOETL_WORKER_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    arguments = release.worker_command(server_url=server_url(namespace), nats_url="$(NATS_URL)")
    run = noetl_container(release, "worker", arguments, env)
    pod = {"initContainers": [wait], "containers": [run], "volumes": NOETL_VOLUMES}
    return deployment("worker", pod, replicas=replicas)


__all__ = ["COMPONENTS", "OWNER", "events_dsn", "events_secret", "namespace_of", "new_passwords", "objects"]
