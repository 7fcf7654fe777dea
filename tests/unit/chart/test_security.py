"""What is installed may do no more than it must."""

from typing import Any

import pytest

Object = dict[str, Any]

ALLOWED_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
RUN_RIGHTS = {
    ("testrun.dev", "testsuites"): {"list", "watch"},
    ("testrun.dev", "testruns"): {"list", "watch"},
    ("testrun.dev", "testsuites/status"): {"patch"},
    ("testrun.dev", "testruns/status"): {"patch"},
    ("batch", "jobs"): {"get", "list", "watch", "create", "patch", "delete", "deletecollection"},
    ("", "pods"): {"list", "watch"},
    ("", "pods/log"): {"get"},
    ("", "configmaps"): {"list", "watch", "create", "patch", "deletecollection"},
    ("", "events"): {"create", "list"},
}
SERVER_RIGHTS = {
    ("", "services"): {"list", "watch", "create", "delete"},
    ("apps", "deployments"): {"list", "watch", "create", "patch", "delete"},
}
WATCH_RIGHTS = {
    what: {"list", "watch"}
    for what in (
        *(("testrun.dev", "testsuites"), ("testrun.dev", "testruns")),
        *(("batch", "jobs"), ("", "pods"), ("", "configmaps")),
    )
}
LEASE_RIGHTS = {("coordination.k8s.io", "leases"): {"get", "create", "update", "patch"}}


def rights_of(role: Object) -> dict[tuple[str, str], set[str]]:
    """Return what a role allows, by API group and resource."""
    rights: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


def test_every_pod_satisfies_the_pod_security_standard_restricted(
    render: Any, values: Object, kube_version: str
) -> None:
    """Whatever is set, and whatever the version: no pod of the chart needs more than `restricted` allows."""
    pods = render(values, kube_version=kube_version).pods()

    assert pods
    for name, pod in pods.items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context.get("runAsUser") != 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        for volume in pod.get("volumes", ()):
            assert set(volume) - {"name"} <= ALLOWED_VOLUMES, name
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert all("hostPort" not in port for port in container.get("ports", ())), name


def test_only_who_calls_the_api_server_has_a_token(render: Any, values: Object) -> None:
    """Postgres gets no service account token; operator and trial ask for theirs themselves."""
    rendering = render(values)

    tokens = {name.partition("/")[0]: pod["automountServiceAccountToken"] for name, pod in rendering.pods().items()}
    assert tokens == {
        kind: kind != "StatefulSet" for kind in ("Deployment", "Pod", "StatefulSet") if rendering.of_kind(kind)
    }
    assert all(account["automountServiceAccountToken"] is False for account in rendering.of_kind("ServiceAccount"))


def test_nobody_may_read_secrets(render: Any, values: Object) -> None:
    """No role of the chart names Secrets, a wildcard, or rights that lead to more rights."""
    for role in render(values).of_kind("Role", "ClusterRole"):
        for (group, resource), verbs in rights_of(role).items():
            assert resource not in {"secrets", "*"}
            assert group != "*"
            assert not verbs & {"*", "escalate", "bind", "impersonate"}


def test_the_operator_may_do_just_what_it_does(render: Any) -> None:
    """For the whole cluster: the rights for runs and test servers; in its own namespace: those for its Lease."""
    rendering = render()

    assert rights_of(rendering.one("ClusterRole", "trial-testrun-operator")) == RUN_RIGHTS | SERVER_RIGHTS
    assert rights_of(rendering.one("Role", "trial-testrun-operator-lease")) == LEASE_RIGHTS
    assert [role["metadata"]["name"] for role in rendering.of_kind("Role")] == [
        "trial-testrun-operator-lease",
        "trial-testrun-operator-trial",
    ]


def test_with_namespaces_named_it_has_rights_in_these_alone(render: Any) -> None:
    """`watchNamespaces` leaves the operator no right in the cluster as a whole."""
    rendering = render({"watchNamespaces": ["team-a", "team-b"]})

    roles = {
        role["metadata"]["namespace"]: rights_of(role)
        for role in rendering.of_kind("Role")
        if role["metadata"]["name"] == "trial-testrun-operator"
    }
    assert roles == {
        "team-a": RUN_RIGHTS | SERVER_RIGHTS,
        "team-b": RUN_RIGHTS | SERVER_RIGHTS,
        "test-server": WATCH_RIGHTS | SERVER_RIGHTS,
    }
    assert rendering.of_kind("ClusterRoleBinding") == []


def test_every_role_of_the_operator_is_bound_to_its_service_account(render: Any, values: Object) -> None:
    """No role is without a binding in its namespace, and no binding without a role."""
    rendering = render(values)

    aggregated = {"trial-testrun-operator-view", "trial-testrun-operator-edit"}
    roles = {
        (role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"])
        for role in rendering.of_kind("Role", "ClusterRole")
        if role["metadata"]["name"] not in aggregated
    }
    bindings = rendering.of_kind("RoleBinding", "ClusterRoleBinding")
    accounts = {account["metadata"]["name"] for account in rendering.of_kind("ServiceAccount")}
    assert roles == {
        (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in bindings
    }
    for binding in bindings:
        (subject,) = binding["subjects"]
        assert subject["namespace"] == "testing"
        assert subject["name"] in accounts


def test_people_get_their_rights_with_the_clusters_own_roles(render: Any) -> None:
    """`view` reads suites and runs, `edit` writes them; neither touches the status."""
    rendering = render()

    view = rendering.one("ClusterRole", "trial-testrun-operator-view")
    edit = rendering.one("ClusterRole", "trial-testrun-operator-edit")
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert {resource for _, resource in {**rights_of(view), **rights_of(edit)}} == {"testsuites", "testruns"}
    assert render({"rbac": {"aggregate": False}}).of_kind("ClusterRole") == [
        rendering.one("ClusterRole", "trial-testrun-operator")
    ]


def test_the_test_servers_namespace_enforces_restricted(render: Any) -> None:
    """The operator deploys into it, and what it deploys is as restricted as the rest."""
    labels = render().one("Namespace", "test-server")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_connection_string_is_only_ever_referred_to(render: Any, values: Object) -> None:
    """The operator's Deployment, which many may read, has no password in it."""
    (container,) = render(values).pods()["Deployment/trial-testrun-operator"]["containers"]

    for variable in container["env"]:
        if variable["name"] == "TESTRUN_OPERATOR_DSN":
            assert set(variable["valueFrom"]) == {"secretKeyRef"}
        assert "postgresql://" not in str(variable.get("value", ""))


@pytest.mark.parametrize("release", ["t", "testrun-operator", "a-release-with-the-longest-name-that-helm-lets-through"])
def test_names_fit_into_dns_labels(render: Any, release: str) -> None:
    """Services and labels take 63 characters, and every object's name is a DNS label."""
    rendering = render(release=release)

    for found in rendering.objects:
        if found["kind"] != "CustomResourceDefinition":
            assert len(found["metadata"]["name"]) <= 63
