"""Policies as platforms have them, for one namespace of a test: what refuses objects, and what changes pods."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from support.cluster import BUSYBOX, Body, Namespace, kubectl, wait_until
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
    spec = {"matchConstraints": _created(group, resource), "validations": [{"expression": rule, "message": message}]}
    with _in_force(namespace, "ValidatingAdmissionPolicy", spec, {"validationActions": ["Deny"]}):
        wait_until("the policy is in force", lambda: message in _try(namespace, resource))
        yield


def can_inject() -> bool:
    """Whether the cluster can change pods by a policy: from Kubernetes 1.36 on. Before, only a webhook can."""
    served = json.loads(kubectl("get", "--raw", "/apis/admissionregistration.k8s.io/v1"))["resources"]
    return "mutatingadmissionpolicies" in {found["name"] for found in served}


@contextmanager
def injection(namespace: Namespace, script: str, restart_policy: str | None) -> Iterator[None]:
    """Put an init container named ``mesh`` into every pod of a namespace, as a service mesh does.

    Args:
        namespace: where.
        script: what it does.
        restart_policy: ``Always`` for a native sidecar; None for one that has to end before the case begins.
    """
    restart = f'restartPolicy: "{restart_policy}",' if restart_policy else ""
    made = f"""Object.spec.initContainers{{
        name: "mesh", image: "{BUSYBOX}", {restart} command: ["sh", "-c", {json.dumps(script)}],
        terminationMessagePolicy: "FallbackToLogsOnError",
        securityContext: Object.spec.initContainers.securityContext{{
            allowPrivilegeEscalation: false, runAsUser: 65532,
            capabilities: Object.spec.initContainers.securityContext.capabilities{{drop: ["ALL"]}}}}}}"""
    change = {"expression": f'[JSONPatch{{op: "add", path: "/spec/initContainers", value: [{made}]}}]'}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": _created("", "pods"),
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": change}],
    }
    with _in_force(namespace, "MutatingAdmissionPolicy", spec, {}):
        wait_until("the policy is in force", lambda: "initContainers" in _try(namespace, "pods"))
        yield


def _created(group: str, resource: str) -> Body:
    rules = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    return {"resourceRules": [rules]}


@contextmanager
def _in_force(namespace: Namespace, kind: str, spec: Body, binding: Body) -> Iterator[None]:
    name = f"test-{namespace.name}"
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}}
    objects = {kind: spec, f"{kind}Binding": {"policyName": name, "matchResources": where, **binding}}
    try:
        for made, content in objects.items():
            body = {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": made,
                "metadata": {"name": name},
                "spec": content,
            }
            kubectl("apply", "-f", "-", text=json.dumps(body))
        yield
    finally:
        for made in reversed(objects):
            kubectl("delete", made, name, "--ignore-not-found")


def _try(namespace: Namespace, resource: str) -> str:
    """Try something that breaks the rules of the tests; the API server takes a moment to learn of a policy."""
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
    words = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    return namespace.kubectl(*words, text=json.dumps(body), check=False, stderr=True)
