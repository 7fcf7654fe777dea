"""Plain manifests for `kubectl apply`, rendered from the chart."""

import re
from pathlib import Path
from typing import Any

import helm

from generators.repository import CHART, MANIFESTS

NAME = "testrun-operator"
NAMESPACE = "testrun-system"
_SECRET = f"{NAME}-postgresql"
_NAMESPACE_MANIFEST = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/part-of: testrun-operator
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/audit: restricted
    pod-security.kubernetes.io/warn: restricted"""
_INSTALL = f"""\
# testrun-operator without Helm:
#
#   kubectl apply --server-side -f manifests/install.yaml
#
# Verdicts are in the status of TestRuns alone until there is a Secret {_SECRET} in {NAMESPACE} whose
# key "dsn" is the connection string of a Postgres, and the operator has been restarted. For a Postgres to try out:
# manifests/postgresql.yaml.
#
# Generated from the chart by `make generate`; do not edit.
"""
_POSTGRESQL = f"""\
# A Postgres for trying out testrun-operator: one pod, no backup. Give it a password first, and tell the operator
# afterwards:
#
#   password=$(head -c 24 /dev/urandom | base64 | tr -d '+/=')
#   kubectl create secret generic {_SECRET} -n {NAMESPACE} --from-literal=password=$password \\
#     --from-literal=dsn=postgresql://testrun:$password@{_SECRET}:5432/testrun
#   kubectl apply --server-side -f manifests/postgresql.yaml
#   kubectl rollout restart -n {NAMESPACE} deployment/{NAME}
#
# Generated from the chart by `make generate`; do not edit.
"""
_HELMS_OWN = re.compile(
    r"^ *(helm\.sh/chart|helm\.sh/resource-policy|app\.kubernetes\.io/managed-by|app\.kubernetes\.io/instance): .*\n",
    re.MULTILINE,
)
_EMPTY_ANNOTATIONS = re.compile(r"^( *)annotations:\n(?!\1 )", re.MULTILINE)


def manifest_files() -> dict[Path, str]:
    """Return the files of plain manifests and their contents."""
    install = {
        "postgresql": {"enabled": False},
        "store": {"existingSecret": {"name": _SECRET, "key": "dsn", "optional": True}},
    }
    postgresql = {"postgresql": {"existingSecret": _SECRET}}
    database = [text for text in _objects(postgresql) if "component: postgresql" in text]
    return {
        MANIFESTS / "install.yaml": _join(_INSTALL, [_NAMESPACE_MANIFEST, *_objects(install)]),
        MANIFESTS / "postgresql.yaml": _join(_POSTGRESQL, database),
    }


def _objects(values: dict[str, Any]) -> list[str]:
    rendered = helm.render(CHART, NAME, NAMESPACE, values)
    return [plain(text) for path, text in helm.ordered(rendered) if "/templates/tests/" not in path]


def plain(manifest: str) -> str:
    """Take out of a manifest what only Helm has a use for.

    The label `instance` goes too, from labels and selectors alike: there is one operator when there is no release.
    """
    return _EMPTY_ANNOTATIONS.sub("", _HELMS_OWN.sub("", manifest + "\n")).rstrip("\n")


def _join(note: str, objects: list[str]) -> str:
    return note + "".join(f"---\n{text}\n" for text in objects)
