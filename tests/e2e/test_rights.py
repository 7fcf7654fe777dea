"""The calls that the operator makes, against the rights that the chart gives it."""

import json
from itertools import product

from prometheus_client.parser import text_string_to_metric_families

from support.cases import walk
from support.cluster import OPERATOR, SYSTEM_NAMESPACE, Namespace, container, kubectl, operator_metrics, wait_until

Right = tuple[str, str]
"""A verb and a resource with its group: ``create``, ``batch/jobs``."""

WATCHED = (
    "testrun.dev/testruns",
    "testrun.dev/testsuites",
    "batch/jobs",
    "pods",
    "configmaps",
    "services",
    "apps/deployments",
)
"""What kopf lists and watches; it makes these calls itself, so that they are not counted."""
SELDOM = {
    ("list", "events"): "what Kubernetes says of a Job that gets no pod within 15 seconds",
    ("patch", "apps/deployments"): "a shared test server of an older release is brought to the operator's image",
    ("create", "coordination.k8s.io/leases"): "the first start",
    ("patch", "coordination.k8s.io/leases"): "the Lease is given back at the end",
}
"""Rights for calls that a run as it should be does not make, each with its reason."""


def granted() -> set[Right]:
    """Return the rights of the operator's service account."""
    roles = [
        json.loads(kubectl("get", "clusterrole", OPERATOR, "-o", "json")),
        json.loads(kubectl("-n", SYSTEM_NAMESPACE, "get", "role", f"{OPERATOR}-lease", "-o", "json")),
    ]
    return {
        (verb, f"{group}/{resource}".removeprefix("/"))
        for role in roles
        for rule in role["rules"]
        for verb, group, resource in product(rule["verbs"], rule["apiGroups"], rule["resources"])
    }


def made() -> set[Right]:
    """Return the calls that the operator made since it started."""
    calls = set()
    for family in text_string_to_metric_families(operator_metrics()):
        for sample in family.samples:
            if sample.name == "testrun_api_calls_total" and sample.labels["resource"] != "apis":
                group, *rest = sample.labels["resource"].split("/")
                # batch/v1/jobs → batch/jobs; v1/pods/log → pods/log; testrun.dev/v1alpha1/testruns/status
                name = "/".join(rest) if group == "v1" else "/".join([group, *rest[1:]])
                calls.add((sample.labels["verb"], name))
    return calls


def test_the_operator_has_the_rights_that_it_uses_and_no_others(namespace: Namespace) -> None:
    """Every call is granted, and every right is used by a run with all that can happen in it, or has a reason."""
    cases = [
        container("good", "true"),
        container("hanging", "sleep 100", timeout="1s"),
        walk("walk") | {"http": {"connection": "own", "request": {"path": "/health"}}},
    ]
    servers = [
        {"name": "own", "pagination": {}, "scope": "Run"},
        {"name": "paginated-api", "pagination": {}, "scope": "Shared"},
    ]
    namespace.apply("TestSuite", "everything", {"cases": cases, "testServers": servers})
    namespace.apply(
        "TestRun", "everything", {"suiteRef": {"name": "everything"}, "ttlAfterFinished": "1s", "keepJobs": "NotPassed"}
    )
    namespace.wait_for_end("everything", seconds=120)
    wait_until("its Jobs are gone", lambda: namespace.jobs("everything") == [])
    watching = {(verb, resource) for verb in ("list", "watch") for resource in WATCHED}
    calls = made()
    assert calls - granted() == set()
    assert granted() - calls - watching - SELDOM.keys() == set()


def test_the_operator_may_not_read_secrets() -> None:
    """Secrets reach pods by reference alone."""
    account = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{OPERATOR}"
    for verb in ("get", "list", "watch"):
        assert (
            kubectl("auth", "can-i", verb, "secrets", "--all-namespaces", f"--as={account}", check=False).strip()
            == "no"
        )
