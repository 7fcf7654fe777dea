"""From the release before to this one, and to a cluster with rules; last, since each installs the chart anew."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.builds import RELEASED, build_of_commit, has_commit
from support.cases import SHARED_SERVER, walk
from support.cluster import (
    OPERATOR,
    RELEASE,
    RELEASE_BEFORE,
    ROOT,
    SYSTEM_NAMESPACE,
    Body,
    Namespace,
    condition,
    container,
    helm,
    kubectl,
    wait_for_storing,
    wait_until,
)
from support.sql_cluster import is_native
from support.upgrades import CHART, attempts_of, image_values, upgrade
from testrun_operator.resources.crds import build_crds

pytestmark = pytest.mark.alone

OPERATOR_PODS = ("-n", SYSTEM_NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "json")
REQUESTS = {"cpu": "10m", "memory": "16Mi"}
LIMITS = {"cpu": "1", "memory": "256Mi"}
POLICY = next(
    document
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "installation.md").read_text(), re.DOTALL)
    if (document := yaml.safe_load(text)).get("kind") == "ValidatingAdmissionPolicy"
)
"""The policy that the documentation shows."""


def stored_definition(name: str) -> Body:
    """Return a CustomResourceDefinition as the API server has it."""
    body: Body = json.loads(kubectl("get", "customresourcedefinition", name, "-o", "json"))
    return body


def test_an_upgrade_from_the_release_before_keeps_what_is_stored(namespace: Namespace, image: str) -> None:
    """Suites, runs, verdicts and cases under way outlive it, nothing is executed twice, and everything can be written.

    The operator is today's under both charts: what is old is the chart, what it sets, and the definitions under which
    the objects are stored.
    """
    repository, _, tag = image.rpartition(":")
    helm("uninstall", RELEASE, "-n", SYSTEM_NAMESPACE, "--wait", "--timeout", "3m")
    values = ["--set", f"image.repository={repository},image.tag={tag}"]
    helm("install", RELEASE, str(RELEASE_BEFORE), "-n", SYSTEM_NAMESPACE, *values, "--wait", "--timeout", "4m")
    namespace.apply("TestSuite", "kept", {"cases": [container("a", "true"), walk("walk")]} | SHARED_SERVER)
    namespace.apply("TestRun", "passed", {"suiteRef": {"name": "kept"}})
    namespace.run("failed", container("a", "exit 3"))
    namespace.run("suspended", container("a", "true"), suspend=True)
    before = {run: namespace.wait_for_end(run) for run in ("passed", "failed")}
    for run in before:
        wait_for_storing(namespace, run)
    namespace.run("across", container("slow", "sleep 60"))
    namespace.wait_for_running("across", "slow")
    (job,) = namespace.jobs("across")
    stored = attempts_of(before.values())

    refused = helm("upgrade", RELEASE, str(CHART), "-n", SYSTEM_NAMESPACE, "--reuse-values", check=False)
    assert "use --reset-then-reuse-values in place of --reuse-values" in refused
    upgrade({})

    for wanted in build_crds():
        found = stored_definition(wanted["metadata"]["name"])
        assert found["spec"]["versions"][0]["schema"] == wanted["spec"]["versions"][0]["schema"]
        assert found["status"]["storedVersions"] == ["v1alpha1"]
    for run, status in before.items():
        now = namespace.status(run)
        assert (now["phase"], now["runId"], now["cases"]) == (status["phase"], status["runId"], status["cases"])
    assert attempts_of(before.values()) == stored
    across = namespace.wait_for_end("across", seconds=150)
    assert across["phase"] == "Passed"
    assert [found["metadata"]["uid"] for found in namespace.jobs("across")] == [job["metadata"]["uid"]]
    for kind, name in (("testsuite", "kept"), ("testrun", "passed"), ("testrun", "failed"), ("testrun", "suspended")):
        # The API server checks the whole object against the new definition.
        namespace.kubectl("label", kind, name, "checked=yes")
    namespace.kubectl("patch", "testrun", "suspended", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert namespace.wait_for_end("suspended")["phase"] == "Passed"
    namespace.apply("TestRun", "again", {"suiteRef": {"name": "kept"}})
    assert namespace.wait_for_end("again")["phase"] == "Passed"


def test_runs_that_the_operator_of_the_release_before_has_begun_go_on(
    namespace: Namespace, image: str, tmp_path: Path
) -> None:
    """Its Jobs and its records carry less than today's: they count all the same, and what is over stays so."""
    if not (is_native() and has_commit(RELEASED)):
        pytest.skip("the operator of the release before is built from its commit, for the native cluster only")
    old, chart = build_of_commit(RELEASED, tmp_path)
    helm("uninstall", RELEASE, "-n", SYSTEM_NAMESPACE, "--wait", "--timeout", "3m")
    repository, _, tag = old.rpartition(":")
    values = ["--set", f"image.repository={repository},image.tag={tag}"]
    helm("install", RELEASE, str(chart), "-n", SYSTEM_NAMESPACE, *values, "--wait", "--timeout", "4m")
    namespace.run("passed", container("a", "true"), walk("walk"), suite=SHARED_SERVER)
    namespace.run("failed", container("a", "exit 3"))
    before = {run: namespace.wait_for_end(run) for run in ("passed", "failed")}
    for run in before:
        wait_for_storing(namespace, run)
    stored = attempts_of(before.values())
    live = [container("fails", "exit 1"), container("slow", "sleep 45"), container("after", "true", needs=["slow"])]
    namespace.run("live", *live, parallelism=2)
    wait_until("one case has failed", lambda: namespace.status("live").get("cases", {}).get("failed"))
    namespace.wait_for_running("live", "slow")
    jobs = {job["metadata"]["uid"] for job in namespace.jobs("live")}

    upgrade(image_values(image))

    status = namespace.wait_for_end("live", seconds=120)
    assert (status["cases"]["passed"], status["cases"]["failed"]) == (2, 1)
    assert {job["metadata"]["uid"] for job in namespace.jobs("live")} > jobs
    wait_for_storing(namespace, "live")
    assert attempts_of([status]) == [[status["runId"], "3"]]
    for run, ended in before.items():
        now = namespace.status(run)
        assert (now["phase"], now["runId"], now["cases"]) == (ended["phase"], ended["runId"], ended["cases"])
    assert attempts_of(before.values()) == stored


@pytest.fixture
def ruled(namespace: Namespace) -> Iterator[Namespace]:
    """A namespace that enforces `restricted`, with a quota on all resources and the policy of the documentation."""
    kubectl("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    hard = {"requests.cpu": "4", "requests.memory": "4Gi", "limits.cpu": "16", "limits.memory": "8Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {"hard": hard}}
    namespace.kubectl("apply", "-f", "-", text=yaml.safe_dump(quota))
    name = f"{POLICY['metadata']['name']}-{namespace.name}"
    policy = POLICY | {"metadata": {"name": name}}
    binding = {
        "apiVersion": POLICY["apiVersion"],
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}},
        },
    }
    kubectl("apply", "-f", "-", text=yaml.safe_dump_all([policy, binding]))
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "without-a-team"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}},
    }

    def enforced() -> bool:
        # A policy is in force a moment after it was made.
        answer = _answer_of_kubectl(namespace, job)
        return "example.com/team is missing" in answer

    try:
        wait_until("the policy is in force", enforced, every=1)
        yield namespace
    finally:
        kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def _answer_of_kubectl(namespace: Namespace, body: Body) -> str:
    try:
        return namespace.kubectl("create", "--dry-run=server", "-f", "-", text=yaml.safe_dump(body))
    except AssertionError as refusal:
        return str(refusal)


def test_cases_run_under_the_rules_of_a_platform(ruled: Namespace, image: str) -> None:
    """A policy, a quota on everything, `restricted`, and user ids that nobody knows: every kind of pod is let in."""
    resources = {"requests": REQUESTS, "limits": LIMITS}
    upgrade(
        {
            "commonLabels": {"example.com/team": "quality"},
            "cases": {"resources": resources, "podLabels": {"mesh": "off"}},
            "runner.resources": {"requests": REQUESTS, "limits": LIMITS},
            "testServer.resources": {"requests": REQUESTS, "limits": LIMITS},
        }
    )
    anybody = {"image": image, "command": ["testrun", "version"], "runAsUser": 1_000_700_000}
    cases = [
        container("a", "true"),
        {"name": "anybody", "container": anybody},
        walk("walk") | {"http": {"connection": "own", "request": {"path": "/health"}, "expect": {"status": 200}}},
    ]
    ruled.run("ruled", *cases, suite={"testServers": [{"name": "own", "pagination": {}, "scope": "Run"}]})
    status = ruled.wait_for_end("ruled", seconds=150)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 3), status.get("failures")
    assert condition(status, "Succeeded")["status"] == "True"
    for kind in ("jobs", "pods", "configmaps"):
        for body in ruled.objects(kind, "app.kubernetes.io/managed-by=testrun-operator"):
            assert body["metadata"]["labels"]["example.com/team"] == "quality", (kind, body["metadata"]["name"])
    for pod in ruled.objects("pods", "testrun.dev/component=case"):
        assert pod["metadata"]["labels"]["mesh"] == "off"
        assert pod["spec"]["containers"][0]["resources"] == resources


def operator_pods() -> list[Body]:
    """Return the operator's pods that are not being deleted."""
    items: list[Body] = json.loads(kubectl(*OPERATOR_PODS))["items"]
    return [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]


def is_ready(pod: Body) -> bool:
    """Whether a pod is ready."""
    return condition(pod.get("status", {}), "Ready").get("status") == "True"


def holder() -> str:
    """Return the pod that holds the Lease."""
    lease = json.loads(kubectl("-n", SYSTEM_NAMESPACE, "get", "lease", "testrun-operator", "-o", "json"))
    return str(lease["spec"].get("holderIdentity", ""))


def test_of_two_operators_one_may_be_evicted_and_the_other_goes_on(namespace: Namespace, image: str) -> None:
    """Both count as ready, so that the budget lets one go; a run that is executed meanwhile notices nothing."""
    assert image
    upgrade({"operator.replicas": 2, "operator.podDisruptionBudget.enabled": True})
    wait_until("two pods are ready", lambda: sum(map(is_ready, operator_pods())) == 2, seconds=120)

    def leading() -> str:
        # Not the one before, which gives the Lease back only when it ends.
        return next((name for pod in operator_pods() if (name := pod["metadata"]["name"]) == holder()), "")

    leader = wait_until("one of them leads", leading, seconds=60)
    namespace.run("evicted", *[container(f"c{number}", "sleep 3") for number in range(6)], parallelism=2)
    namespace.wait_for_running("evicted", "c0")

    def allowed() -> bool:
        budget = json.loads(kubectl("-n", SYSTEM_NAMESPACE, "get", "poddisruptionbudget", OPERATOR, "-o", "json"))
        return budget["status"].get("disruptionsAllowed") == 1

    wait_until("the budget lets one go", allowed)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": leader}}
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/{leader}/eviction"
    kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
    wait_until("the other one leads", lambda: holder() not in {"", leader}, seconds=60)
    status = namespace.wait_for_end("evicted", seconds=120)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 6)
    assert len(namespace.jobs("evicted")) == 6
