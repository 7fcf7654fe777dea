"""What people and tools see of our resources through the API server and kubectl, on the release of the cluster."""

import json
import time
from typing import Any

import pytest
import yaml

from support.cases import SHARED_SERVER, walk
from support.cluster import (
    OPERATOR,
    ROOT,
    SYSTEM_NAMESPACE,
    Body,
    Namespace,
    condition,
    container,
    kubectl,
    wait_until,
)

RESTRICTED = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn", "audit")]


def document(kind: str, spec: Body, name: str = "tried") -> str:
    """Return a TestSuite or a TestRun as people write it."""
    return yaml.safe_dump(
        {"apiVersion": "testrun.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    )


def said_of(namespace: Namespace, kind: str, spec: Body) -> str:
    """Return what kubectl says when somebody applies this."""
    words = ("-n", namespace.name, "apply", "--server-side", "--dry-run=server", "-f", "-")
    return kubectl(*words, text=document(kind, spec), check=False, stderr=True)


# -- warnings -----------------------------------------------------------------------------------------------------


def test_the_api_server_warns_of_nothing_that_the_operator_writes(namespace: Namespace) -> None:
    """Where Pod Security is enforced, and of Jobs, ConfigMaps, Deployments, Services, Events and statuses alike."""
    kubectl("label", "namespace", namespace.name, *RESTRICTED, "--overwrite")
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    suite = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Run"}]}
    large = container("large", "true")
    large["container"]["env"] = [{"name": f"A{index}", "value": "a" * 4000} for index in range(30)]
    run = namespace.run(
        "warned",
        walk("walk"),
        container("fails", "exit 1"),
        container("hangs", "sleep 99", timeout="2s"),
        large,
        suite=SHARED_SERVER | suite,
    )
    status = namespace.wait_for_end(run, seconds=120)
    assert (status["cases"]["passed"], status["cases"]["failed"], status["cases"]["timedOut"]) == (2, 1, 1)
    log = kubectl("-n", SYSTEM_NAMESPACE, "logs", f"deploy/{OPERATOR}", f"--since-time={began}")
    assert [line for line in log.splitlines() if "the API server warns" in line] == []


def test_the_api_server_warns_of_nothing_in_the_examples(namespace: Namespace) -> None:
    """Whoever applies what the documentation shows sees no warning, and neither does who installs the definitions."""
    examples = [file for file in (ROOT / "examples").rglob("*.yaml") if "\nkind: Test" in file.read_text()]
    said = {
        str(file.relative_to(ROOT)): namespace.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(file)),
            check=False,
            stderr=True,
        )
        for file in sorted([*(ROOT / "crds").glob("*.yaml"), *examples])
    }
    assert len(said) > 5
    assert {file: words for file, words in said.items() if "Warning" in words} == {}


# -- what is wrong with a spec ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("TestRun", {}, "exactly one of suiteRef and suite"),
        ("TestSuite", {"cases": [{"name": "a"}]}, "exactly one of"),
        ("TestSuite", {"cases": [{"name": "A", "container": {"image": "a"}}]}, "spec.cases[0].name"),
        (
            "TestSuite",
            {"cases": [{"name": "a", "container": {"image": "a"}, "retries": 11}]},
            "less than or equal to 10",
        ),
        ("TestSuite", {"cases": [{"name": "a", "container": {"image": "a"}, "timout": "1m"}]}, "timout"),
    ],
)
def test_kubectl_says_what_is_wrong_with_a_spec(namespace: Namespace, kind: str, spec: Body, words: str) -> None:
    """At once, with the name of the field, and without the operator."""
    said = said_of(namespace, kind, spec)
    assert words in said
    assert "serverside-applied" not in said


def test_the_largest_suite_costs_the_rules_less_than_their_budget(namespace: Namespace) -> None:
    """The API server refuses an object whose CEL rules would take too long; 500 full cases do not."""
    case = container("a", "true")
    case["container"]["env"] = [{"name": f"A{index}", "value": "a"} for index in range(20)]
    case["when"] = [{"key": f"v{index}", "operator": "In", "values": ["a", "b"]} for index in range(4)]
    case["tags"] = ["smoke", "nightly"]
    cases = [case | {"name": f"case-{index}", "needs": [f"case-{index - 1}"] if index else []} for index in range(500)]
    said = said_of(namespace, "TestSuite", {"cases": cases})
    assert "serverside-applied" in said, said[:500]


# -- kubectl ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["testrun.spec.parallelism", "testsuite.spec.cases.container.image", "testrun.status"])
def test_kubectl_explains_every_field(path: str) -> None:
    """The descriptions are the manual."""
    said = kubectl("explain", path, "--api-version=testrun.dev/v1alpha1")
    assert "DESCRIPTION:" in said
    assert "<empty>" not in said


def test_kubectl_waits_for_a_run(namespace: Namespace) -> None:
    """By its conditions and by its phase, as scripts and pipelines do."""
    good = namespace.run("good", container("a", "true"))
    assert "condition met" in namespace.kubectl("wait", f"testrun/{good}", "--for=condition=Succeeded", "--timeout=60s")
    bad = namespace.run("bad", container("a", "false"))
    phase = "--for=jsonpath={.status.phase}=Failed"
    assert "condition met" in namespace.kubectl("wait", f"testrun/{bad}", phase, "--timeout=60s")
    assert "condition met" in namespace.kubectl("wait", f"testrun/{bad}", "--for=condition=Stalled", "--timeout=60s")


def test_kubectl_events_tell_of_a_run(namespace: Namespace) -> None:
    """Few, and in the order in which things happened."""
    # Events know whole seconds, and kubectl's order of two in the same one is that of their names.
    run = namespace.run("told", container("a", "sleep 2; exit 1"))
    namespace.wait_for_end(run)

    def told() -> list[str] | None:
        items: list[Any] = json.loads(namespace.kubectl("events", "--for", f"testrun/{run}", "-o", "json"))["items"]
        reasons = [item["reason"] for item in items]
        return reasons if "Failed" in reasons else None

    assert wait_until("the Events are there", told) == ["Started", "Failed"]


def test_conditions_have_what_tools_expect(namespace: Namespace) -> None:
    """Each with a reason, a message, the generation that it is of, and the time of its last change."""
    run = namespace.run("conditioned", container("a", "true"))
    status = namespace.wait_for_end(run)
    generation = namespace.get("testrun", run)["metadata"]["generation"]
    assert {found["observedGeneration"] for found in status["conditions"]} == {generation}
    assert condition(status, "Ready")["status"] == "True"
    for found in status["conditions"]:
        assert found["reason"]
        assert found["lastTransitionTime"].endswith("Z")
