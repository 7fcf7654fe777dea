"""Renders the chart as Helm does, without a cluster."""

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))

import helm  # noqa: E402 - found by the line above

CHART = ROOT / "charts" / "testrun-operator"
Object = dict[str, Any]

PLATFORM: Object = {
    "commonLabels": {"cost-center": "42", "app.kubernetes.io/component": "mine", "app.kubernetes.io/name": "mine"},
    "service": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]},
    "operator": {
        "replicas": 2,
        "podDisruptionBudget": {"enabled": True},
        "podLabels": {"team": "quality", "app.kubernetes.io/instance": "mine"},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "extraEnv": [
            {"name": "PGSSLROOTCERT", "value": "/etc/company/ca.crt"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "extraVolumes": [{"name": "company", "configMap": {"name": "company-ca"}}],
        "extraVolumeMounts": [{"name": "company", "mountPath": "/etc/company", "readOnly": True}],
    },
    "runner": {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://$(PROXY):3128"}],
        "extraVolumes": [{"name": "company", "secret": {"secretName": "company-ca"}}],
        "extraVolumeMounts": [{"name": "company", "mountPath": "/etc/company"}],
        "junitResources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": 1, "memory": "64Mi"}},
    },
    "cases": {
        "resources": {"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
        "imagePullSecrets": ["company"],
        "jobLabels": {"kueue.x-k8s.io/queue-name": "tests"},
        "jobAnnotations": {"example.com/owner": "the team of quality"},
        "podLabels": {"mesh": "off"},
        "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        "nodeSelector": {"pool": "tests"},
        "tolerations": [{"key": "tests", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
        "priorityClassName": "low",
    },
    "testServer": {"podLabels": {"mesh": "off"}, "nodeSelector": {"pool": "tests"}, "priorityClassName": "low"},
    "postgresql": {"podLabels": {"mesh": "off"}, "podAnnotations": {"a": "b"}, "priorityClassName": "high"},
}
"""What a platform with policies, zones, quotas, two families of addresses and a certificate authority asks for."""

VALUE_SETS: dict[str, Object] = {
    "the defaults": {},
    "two namespaces": {"watchNamespaces": ["team-a", "team-b"]},
    "an existing Postgres": {"postgresql": {"enabled": False}, "store": {"existingSecret": {"name": "warehouse"}}},
    "no store": {"postgresql": {"enabled": False}},
    "a Postgres without a volume": {"postgresql": {"storage": {"enabled": False}, "nodePort": {"enabled": True}}},
    "two replicas": {"operator": {"replicas": 2, "podDisruptionBudget": {"enabled": True}}},
    "user ids of the cluster's choice": {"security": {"randomUserIds": "Always"}},
    "a platform": PLATFORM,
    "everything": {
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": ["registry"], "pullPolicy": "Always"},
        "operator": {
            "podLabels": {"team": "quality"},
            "podAnnotations": {"example.com/note": "yes"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "leaderElection": False,
        },
        "testServer": {"namespace": "servers", "nodePort": 0},
        "postgresql": {"pullSecrets": ["registry"], "tolerations": [{"operator": "Exists"}], "password": "secret"},
        "metrics": {"annotations": True, "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}}},
        "serviceAccount": {"annotations": {"example.com/role": "tester"}},
        "networkPolicy": {"enabled": True, "postgresqlFrom": [{"podSelector": {}}]},
    },
}
"""What people set, by what they want with it."""

KUBERNETES_VERSIONS = ("v1.34.4", "v1.37.2")


@cache
def _render(values: str, kube_version: str, api_versions: tuple[str, ...], release: str) -> dict[str, str]:
    return helm.render(
        CHART, release, "testing", json.loads(values), kube_version=kube_version, api_versions=api_versions
    )


class Rendering:
    """What the chart makes of some values."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.notes = next(text for path, text in texts.items() if path.endswith("NOTES.txt"))
        # The parser in C: CustomResourceDefinitions are long.
        self.objects: list[Object] = [yaml.load(text, yaml.CSafeLoader) for _, text in helm.ordered(texts)]

    def of_kind(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [found for found in self.objects if found["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        """Return an object, of which there must be just one."""
        (found,) = [found for found in self.of_kind(kind) if found["metadata"]["name"] == name]
        return found

    def pods(self) -> dict[str, Object]:
        """Return the spec of every pod that the objects are or lead to, by where it comes from."""
        pods = {}
        for found in self.objects:
            spec = found["spec"] if found["kind"] == "Pod" else found.get("spec", {}).get("template", {}).get("spec")
            if spec:
                pods[f"{found['kind']}/{found['metadata']['name']}"] = spec
        return pods

    def environment(self) -> dict[str, str]:
        """Return the operator's environment variables; one that is read from elsewhere has some text as its value."""
        (container,) = self.one("Deployment", "trial-testrun-operator")["spec"]["template"]["spec"]["containers"]
        return {
            # Two dollars are one for the process that reads it.
            variable["name"]: variable.get("value", "from-elsewhere").replace("$$", "$")
            for variable in container["env"]
        }


Render = Callable[..., Rendering]


@pytest.fixture
def render() -> Render:
    """Render the chart with values, for a version of Kubernetes and further API versions."""

    def render(
        values: Object | None = None,
        *,
        kube_version: str = "v1.37.2",
        api_versions: tuple[str, ...] = (),
        release: str = "trial",
    ) -> Rendering:
        return Rendering(_render(json.dumps(values or {}), kube_version, api_versions, release))

    return render


@pytest.fixture
def chart() -> Path:
    """The chart's folder."""
    return CHART


@pytest.fixture(params=VALUE_SETS)
def values(request: pytest.FixtureRequest) -> Object:
    """What people set: each of the sets in turn."""
    return VALUE_SETS[request.param]


@pytest.fixture(params=KUBERNETES_VERSIONS)
def kube_version(request: pytest.FixtureRequest) -> str:
    """The oldest and the newest version of Kubernetes that the chart is tested with."""
    return str(request.param)
