"""The CustomResourceDefinitions and their CEL rules on a real API server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from support.cluster import wait_until
from testrun_operator.kinds import FOLDERS
from testrun_operator.resources.crds import GROUP, VERSION, build_crds

pytestmark = pytest.mark.cluster
ONE_KIND = f"give exactly one of {', '.join(FOLDERS)}"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OWN_GROUP = f"rules.{GROUP}"
RUNS = f"/apis/{OWN_GROUP}/{VERSION}/namespaces/default/testruns"
SUITES = f"/apis/{OWN_GROUP}/{VERSION}/namespaces/default/testsuites"

Body = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    """The API server with both definitions, in a group of the tests' own, established."""
    with kubectl_proxy() as url, httpx.Client(base_url=url, timeout=30) as client:
        names = [crd["metadata"]["name"] for crd in definitions()]
        for crd in definitions():
            client.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")
            wait_until("an old one is gone", lambda name=crd["metadata"]["name"]: is_gone(client, name), seconds=180)
            answer = client.post(DEFINITIONS, json=crd)
            assert answer.status_code == 201, answer.text
        wait_until("both are served", lambda: client.get(RUNS).is_success and client.get(SUITES).is_success)
        yield client
        for name in names:
            client.delete(f"{DEFINITIONS}/{name}")


def definitions() -> list[Body]:
    """The definitions under another group: those of the installed chart, if there is one, are left alone."""
    made = build_crds()
    for crd in made:
        crd["metadata"]["name"] = crd["metadata"]["name"].replace(GROUP, OWN_GROUP)
        crd["spec"]["group"] = OWN_GROUP
    return made


@contextmanager
def kubectl_proxy() -> Iterator[str]:
    """The API server's address as kubectl makes it reachable, whatever the credentials of the kubeconfig are."""
    with subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield f"http://{line.split()[-1]}"
        finally:
            process.terminate()


def is_gone(client: httpx.Client, name: str) -> bool:
    """Whether a definition does not exist."""
    return client.get(f"{DEFINITIONS}/{name}").status_code == 404


def suite(*cases: Body, **more: Any) -> Body:
    """Make the spec of a suite."""
    return {"cases": list(cases), **more}


def http(name: str, **more: Any) -> Body:
    """Make a case of kind http."""
    return {"name": name, "http": {"connection": "api"}, **more}


def answer_to(server: httpx.Client, kind: str, spec: Body, *, query: str = "?dryRun=All") -> httpx.Response:
    """Ask the server whether it would take a resource."""
    body = {"apiVersion": f"{OWN_GROUP}/{VERSION}", "kind": kind, "metadata": {"name": "asked"}, "spec": spec}
    return server.post((RUNS if kind == "TestRun" else SUITES) + query, json=body)


def sql(name: str, source: Body, **more: Any) -> Body:
    """Make a case of kind sql."""
    return {"name": name, "sql": {"connection": "db", "source": source, **more}}


def playbook(name: str, **own: Any) -> Body:
    """Make a case of kind playbook."""
    return {"name": name, "playbook": {"connection": "noetl", "path": "examples/hello", **own}}


IMAGE = {"image": "busybox"}
REFUSED = {
    "no kind": (suite({"name": "a"}), ONE_KIND),
    "two kinds": (suite(http("a", container=IMAGE)), ONE_KIND),
    "a name used twice": (suite(http("a"), http("a")), 'Duplicate value: {"name":"a"}'),
    "a need that does not exist": (suite(http("a", needs=["b"])), "needs must name cases of this suite"),
    "a connection without an endpoint": (suite(http("a"), connections={"api": {}}), "give url, dsnFrom or both"),
    "values that Exists does not take": (
        suite(http("a", when=[{"key": "k", "operator": "Exists", "values": ["x"]}])),
        "values are needed by In and NotIn",
    ),
    "two sources of a volume": (
        suite(
            {
                "name": "a",
                "container": {**IMAGE, "volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]},
            }
        ),
        "give exactly one of emptyDir, configMap, secret and persistentVolumeClaim",
    ),
    "JUnit files at the root": (
        suite({"name": "a", "container": {**IMAGE, "junit": "/*.xml"}}),
        "cases[0].container.junit in body should match",
    ),
    "JUnit files out of their folder": (
        suite({"name": "a", "container": {**IMAGE, "junit": "/reports/../*.xml"}}),
        "cases[0].container.junit in body should match",
    ),
    "two sources of files": (
        suite(sql("a", {"inline": "# TEST CASE", "git": {"url": "https://git.example.com/a.git"}})),
        "give exactly one of inline, configMap and git",
    ),
    "no source of files": (suite(sql("a", {})), "give exactly one of inline, configMap and git"),
    "test cases at once that share a database": (
        suite(sql("a", {"inline": "# TEST CASE"}, parallel=2, isolation="rollback")),
        "parallel needs isolation: database",
    ),
    "fewest events beyond most": (
        suite(playbook("a", expect={"minEvents": 3, "maxEvents": 2})),
        "minEvents must not be more than maxEvents",
    ),
    "no events of a type, by the default of min": (
        suite(playbook("a", expect={"events": [{"type": "step.exit", "max": 0}]})),
        "min must not be more than max; for none at all, give min: 0 and max: 0",
    ),
    "a failure without errors": (
        suite(playbook("a", expect={"status": "Failed", "noErrors": True})),
        "noErrors: true cannot hold where status is Failed",
    ),
    "no playbooks to register": (
        suite(playbook("a", register={})),
        "give exactly one of inline, configMap and git",
    ),
    "an ending that NoETL has not": (
        suite(playbook("a", expect={"status": "COMPLETED"})),
        'Unsupported value: "COMPLETED": supported values: "Completed", "Failed", "Cancelled"',
    ),
    "a repository of the pod": (suite(sql("a", {"git": {"url": "file:///etc"}})), "should match"),
    "an unknown pagination style": (
        suite({"name": "a", "http": {"connection": "api", "paginate": {"style": "pages", "items": "data"}}}),
        'Unsupported value: "pages": supported values: "page", "offset", "cursor", "link"',
    ),
    "a name that is no DNS label": (suite(http("Not_A_Label")), "should match"),
    "a timeout in words": (suite(http("a", timeout="five minutes")), "should match"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_broken_rule_is_refused_with_its_message(server: httpx.Client, what: str) -> None:
    """Clusters with CEL refuse a wrong suite when it is applied, alone or inline."""
    spec, message = REFUSED[what]
    for kind, asked in (("TestSuite", spec), ("TestRun", {"suite": spec})):
        answer = answer_to(server, kind, asked)
        assert answer.status_code == 422, answer.text
        assert message in answer.json()["message"]


def test_a_run_names_a_suite_or_has_one(server: httpx.Client) -> None:
    """Exactly one of suiteRef and suite."""
    for spec in ({}, {"suiteRef": {"name": "a"}, "suite": suite(http("a"))}):
        answer = answer_to(server, "TestRun", spec)
        assert answer.status_code == 422
        assert "give exactly one of suiteRef and suite" in answer.json()["message"]


def test_needs_of_a_matrix_name_the_case_or_a_variant(server: httpx.Client) -> None:
    """What the operator accepts, the rules accept."""
    spec = suite(
        http("sizes", matrix={"size": ["5", "10"]}), http("all", needs=["sizes"]), http("one", needs=["sizes-5"])
    )
    assert answer_to(server, "TestSuite", spec).status_code == 201


@pytest.mark.parametrize("size", [150, 500])
def test_a_suite_with_all_that_is_allowed_is_within_the_rules_budget(server: httpx.Client, size: int) -> None:
    """The largest suites that are checked, and that the schema allows, are not refused for what their rules cost."""
    names = [f"case-{number:03}-{'x' * 54}" for number in range(size)]
    cases = [http(name, needs=names[-16:] if index < size - 16 else []) for index, name in enumerate(names)]
    answer = answer_to(server, "TestSuite", suite(*cases))
    assert answer.status_code == 201, answer.text[:500]


def test_right_cases_of_kind_sql_are_taken(server: httpx.Client) -> None:
    """Every source, and test case files at once where each has a database of its own."""
    items = [{"key": "schema.sql", "path": "schema.sql"}]
    cases = [
        sql("inline", {"inline": "# TEST CASE\n"}, select={"paths": ["tests/**"], "tests": ["*refund*"]}),
        sql("map", {"configMap": {"name": "ledger", "items": items}}, isolation="database", parallel=4),
        sql("git", {"git": {"url": "{{ vars.repository }}", "ref": "{{ run.revision }}"}}, isolation="rollback"),
        sql("one", {"git": {"url": "git://host/a", "secretRef": {"name": "a"}, "path": "a/b"}}, parallel=1),
    ]
    answer = answer_to(server, "TestSuite", suite(*cases))
    assert answer.status_code == 201, answer.text
    assert answer.json()["spec"]["cases"] == cases


def test_right_cases_of_kind_playbook_are_taken(server: httpx.Client) -> None:
    """The shortest, and one with everything; a payload is kept as it is, with numbers of 64 bits and null."""
    cases = [
        playbook("shortest"),
        playbook("none", expect={"events": [{"type": "call.error", "min": 0, "max": 0}], "minEvents": 2}),
        playbook("failing", expect={"status": "Failed", "noErrors": False, "maxEvents": 2}),
        playbook("strict", expect={"status": "Cancelled", "noErrors": True}),
        playbook(
            "everything",
            version=3,
            payload={"pg_auth": "{{ vars.auth }}", "big": 2**63 - 1, "none": None, "deep": [{"a": [1.5]}]},
            merge=False,
            register={"configMap": {"name": "playbooks", "items": [{"key": "hello", "path": "hello.yaml"}]}},
            credentials=[{"name": "pg", "type": "postgres", "secretRef": {"name": "pg"}}],
            expect={
                "status": "Completed",
                "noErrors": True,
                "minEvents": 2,
                "maxEvents": 2,
                "maxDuration": "30s",
                "events": [{"type": "step.exit", "status": "COMPLETED", "node": "start", "min": 2, "max": 2}],
                "steps": {"ran": ["start"], "notRan": ["never"], "inOrder": ["start", "end"]},
                "jmespath": [{"expression": "result.rows", "equals": None}],
                "sql": [{"name": "rows", "query": "SELECT true", "connection": "db", "allowNoRows": True}],
            },
            settle={"quiet": "500ms", "limit": "1m"},
            outputs={"rows": "result.rows"},
        ),
    ]
    answer = answer_to(server, "TestSuite", suite(*cases))
    assert answer.status_code == 201, answer.text
    assert answer.json()["spec"]["cases"] == cases


def test_a_suite_of_the_most_playbooks_with_the_most_expectations_is_within_the_rules_budget(
    server: httpx.Client,
) -> None:
    """500 cases with 32 kinds of events each, every one of which has its rule evaluated."""
    events = [{"type": f"type-{number}", "min": 1, "max": 2} for number in range(32)]
    cases = [
        playbook(f"case-{number}", expect={"minEvents": 1, "maxEvents": 2, "events": events}) for number in range(500)
    ]
    answer = answer_to(server, "TestSuite", suite(*cases))
    assert answer.status_code == 201, answer.text[:500]


def test_null_is_a_value_that_can_be_expected(server: httpx.Client) -> None:
    """`equals: null` is kept, and not taken for a missing field."""
    case = {"name": "a", "http": {"connection": "api", "expect": {"jmespath": [{"expression": "a", "equals": None}]}}}
    answer = answer_to(server, "TestSuite", suite(case))
    assert answer.status_code == 201, answer.text
    assert answer.json()["spec"]["cases"] == [case]


def test_nothing_is_defaulted_but_the_status(server: httpx.Client) -> None:
    """The stored spec is what was sent; the status says that nobody has looked yet."""
    answer = answer_to(server, "TestRun", {"suite": suite(http("a"))})
    assert answer.json()["spec"] == {"suite": suite(http("a"))}
    assert answer.json()["status"] == {"observedGeneration": -1}
