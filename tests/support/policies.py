"""ValidatingAdmissionPolicies, as platforms have them, for one namespace of a test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from support.cluster import Namespace, kubectl, wait_until
from testrun_operator.kube.pods import restricted_container, restricted_pod


@contextmanager
def policy(namespace: Namespace, group: str, resource: str, rule: str, message: str) -> Iterator[None]:
    """Refuse what breaks a rule in a namespace, for as long as the context lasts.

    Args:
        namespace: where.
        group: API group of the resource; empty for the core group.
        resource: what is refused, in the plural.
        rule: CEL expression that has to be true.
        message: what the API server says otherwise.
    """
    name = f"test-{namespace.name}"
    rules = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    validation = {"expression": rule, "message": message}
    objects = [
        ("ValidatingAdmissionPolicy", {"matchConstraints": {"resourceRules": [rules]}, "validations": [validation]}),
        (
            "ValidatingAdmissionPolicyBinding",
            {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
                },
            },
        ),
    ]
    api = "admissionregistration.k8s.io/v1"
    try:
        for kind, spec in objects:
            body = {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}
            kubectl("apply", "-f", "-", text=json.dumps(body))
        wait_until("the policy is in force", lambda: _refuses(namespace, resource, message))
        yield
    finally:
        for kind, _ in reversed(objects):
            kubectl("delete", kind, name, "--ignore-not-found")


def _refuses(namespace: Namespace, resource: str, message: str) -> bool:
    """Try something that breaks the rule of the tests; the API server takes a moment to learn of a policy."""
    security = restricted_container() | {"readOnlyRootFilesystem": True}
    containers = [{"name": "a", "image": "registry.invalid/a:latest", "securityContext": security}]
    pod = {"restartPolicy": "Never", "securityContext": restricted_pod(65532), "containers": containers}
    body = (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": pod}
        if resource == "pods"
        else {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "probe"},
            "spec": {"template": {"spec": pod}},
        }
    )
    said = kubectl(
        *("-n", namespace.name, "create", "--dry-run=server", "-f", "-"),
        text=json.dumps(body),
        check=False,
        stderr=True,
    )
    return message in said
