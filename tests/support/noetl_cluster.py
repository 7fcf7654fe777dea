"""The NoETL servers that ``make noetl`` deploys, as tests of playbook cases in the cluster use them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster import ROOT, Body, Namespace, kubectl

sys.path.insert(0, str(ROOT / "ci"))

from native.noetl_manifests import namespace_of, server_url
from native.noetl_release import ADMINISTRATOR, DATABASE, RELEASES

PLAYBOOKS = Path(__file__).resolve().parents[1] / "integration" / "noetl" / "playbooks"
EVENTS_SECRET = "noetl-events"


@dataclass(frozen=True)
class ClusterNoetl:
    """A NoETL in a namespace of its own, which all tests share."""

    version: str

    @property
    def namespace(self) -> Namespace:
        """Where it is."""
        return Namespace(namespace_of(RELEASES[self.version]))

    @property
    def url(self) -> str:
        """The server's address inside the cluster."""
        return server_url(self.namespace.name)

    def is_deployed(self) -> bool:
        """Say whether it is there."""
        found = kubectl("-n", self.namespace.name, "get", "deployment", "worker", "--ignore-not-found", "-o", "name")
        return bool(found)

    def connect(self, namespace: Namespace, name: str = "") -> Body:
        """Write the Secret with the DSN of the event log into a namespace, and return a suite's connection."""
        name = name or f"{EVENTS_SECRET}-{RELEASES[self.version].slug}"
        words = [self.version, "--in", namespace.name, "--name", name]
        subprocess.run([ROOT / "ci" / "noetl", "secret", *words], check=True, capture_output=True, timeout=60)
        return {"url": self.url, "dsnFrom": {"secretKeyRef": {"name": name, "key": "dsn"}}}

    def query(self, statement: str) -> list[list[str]]:
        """Run SQL in its Postgres, and return rows of texts."""
        printed = self.namespace.kubectl(
            *("exec", "deploy/postgres", "--", "psql", "-X", "-U", ADMINISTRATOR, "-d", DATABASE),
            *("-v", "ON_ERROR_STOP=1", "--no-align", "--tuples-only", "--field-separator=\x1f", "-c", statement),
        )
        return [line.split("\x1f") for line in printed.splitlines()]

    def executions(self, path: str) -> list[str]:
        """Return the ids of the executions of a playbook, the oldest first."""
        rows = self.query(
            "SELECT execution_id FROM noetl.event JOIN noetl.catalog USING (catalog_id)"
            f" WHERE path = '{path}' GROUP BY 1 ORDER BY 1"
        )
        return [row[0] for row in rows]

    def has_event(self, execution: str, type_: str, node: str = "") -> bool:
        """Say whether an execution has an event of a type."""
        where = f"execution_id = {execution} AND event_type = '{type_}'" + (f" AND node_name = '{node}'" * bool(node))
        return self.query(f"SELECT EXISTS (SELECT FROM noetl.event WHERE {where})") == [["t"]]

    def scale_workers(self, replicas: int) -> None:
        """Have so many workers, and wait until it is so."""
        self.namespace.kubectl("scale", "deployment/worker", f"--replicas={replicas}")
        if replicas:
            self.namespace.kubectl("rollout", "status", "deployment/worker", "--timeout=90s")
        else:
            self.namespace.kubectl(
                "wait", "--for=delete", "pod", "--selector=app.kubernetes.io/component=worker", "--timeout=60s"
            )

    def restart_server(self) -> None:
        """Delete the server's pod, and wait until another one answers."""
        self.namespace.kubectl("delete", "pod", "--selector=app.kubernetes.io/component=server", "--wait=true")
        self.namespace.kubectl("rollout", "status", "deployment/server", "--timeout=90s")


@dataclass(frozen=True)
class OwnPlaybooks:
    """Copies of the recorded playbooks whose paths are the test's own: they begin with its namespace's name."""

    namespace: Namespace
    version: str

    def path(self, name: str) -> str:
        """Return the path of a playbook."""
        return f"{self.namespace.name}/{name}"

    def text(self, name: str) -> str:
        """Return a playbook's text."""
        text = (PLAYBOOKS / self.version / f"{name}.yaml").read_text()
        return text.replace("testrun/", f"{self.namespace.name}/")

    def add_config_map(self, *names: str, **texts: str) -> None:
        """Make the ConfigMap ``playbooks-VERSION`` of playbooks by their names, and of further texts."""
        data = {f"{name}.yaml": self.text(name) for name in names} | {
            f"{key}.yaml": text for key, text in texts.items()
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.config_map}, "data": data}
        self.namespace.kubectl("create", "-f", "-", text=json.dumps(body))

    @property
    def config_map(self) -> str:
        """The name of the ConfigMap."""
        return f"playbooks-{self.version}"

    def case(self, name: str, playbook: str, *children: str, connection: str = "noetl", **more: Any) -> Body:
        """Make a case that registers a playbook from the ConfigMap, and those that it starts, and runs it.

        Args:
            name: the case's name.
            playbook: the playbook's name.
            children: names of the playbooks that it starts.
            connection: the suite's connection.
            more: ``timeout``, ``needs`` and the like for the case; everything else for its ``playbook``.
        """
        items = [{"key": f"{one}.yaml", "path": f"{one}.yaml"} for one in (playbook, *children)]
        own = {key: more.pop(key) for key in ("timeout", "needs", "retries", "category") if key in more}
        register = {"configMap": {"name": self.config_map, "items": items}}
        body = {"connection": connection, "path": self.path(playbook), "register": register, **more}
        return {"name": name, "playbook": body, **own}
