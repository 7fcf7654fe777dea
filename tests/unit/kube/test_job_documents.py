"""The case document: how it gets into a pod unchanged, and that no secret is in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kube.manifests import container_of, document_of, environment_of, expand, parts_of, pod_of

from support.builders import NOON, RUN_ID, container_case, http_case, run_of, suite_of
from testrun_operator.api.environment import DOCUMENT_PATH, DOCUMENT_VARIABLE
from testrun_operator.engine.selection import select_cases
from testrun_operator.kube import labels

DOLLARS = st.text(st.sampled_from("$()ab é😀\\\"'"), max_size=30)
HOSTILE = [
    "$(TESTRUN_CASE)",
    "$$(A)",
    "$$",
    "$$$(A)",
    "$é",
    "$",
    "$(",
    "a$$b$",
    "${A}",
    "$()",
    "$(A",
    '"$(A)"',
    "\\$(A)",
]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$A", "$A"),
        ("$$$$$$$(A)", "$$$1"),
        ("$(B)", "$(B)"),
        ("$A ${A} $? $(A", "$A ${A} $? $(A"),
        ("$", "$"),
    ],
)
def test_the_expansion_used_here_is_the_kubelets(text: str, expanded: str) -> None:
    """Examples from Kubernetes' own tests; two dollars become one wherever they stand."""
    assert expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize("text", HOSTILE)
def test_dollars_in_a_document_reach_the_runner_unchanged(text: str) -> None:
    """The kubelet expands $(NAME) in a variable's value; what is in a suite is meant literally."""
    parts = parts_of(http_case("one", description=text), variables={"text": text})
    assert parts.document is None
    assert document_of(parts).case.description == text
    assert document_of(parts).variables == {"text": text}


@given(DOLLARS)
def test_any_dollars_in_a_document_reach_the_runner_unchanged(text: str) -> None:
    """The same for any text."""
    assert document_of(parts_of(http_case("one"), variables={"text": text})).variables == {"text": text}


@pytest.mark.parametrize("text", HOSTILE)
def test_dollars_in_a_variable_reach_a_container_unchanged(text: str) -> None:
    """A variable cannot bring in the value of another one, for instance of a secret."""
    case = container_case("one", container={"image": "busybox", "env": [{"name": "A", "value": "secret"}]})
    job = parts_of(case, variables={"text": text}, run_fields={"revision": text}).job
    seen = environment_of(job)
    assert (seen["TESTRUN_VAR_text"], seen["TESTRUN_REVISION"]) == (text, text)


@given(DOLLARS)
def test_any_dollars_in_a_variable_reach_a_container_unchanged(text: str) -> None:
    """The same for any text."""
    seen = environment_of(parts_of(container_case("one"), variables={"text": text}).job)
    assert seen["TESTRUN_VAR_text"] == text


def test_references_in_a_containers_own_fields_are_kept() -> None:
    """There they are Kubernetes' own means, and documented as such."""
    container = {"image": "busybox", "args": ["$(TESTRUN_VAR_a)"], "env": [{"name": "B", "value": "$(TESTRUN_VAR_a)2"}]}
    job = parts_of(container_case("one", container=container), variables={"a": "1"}).job
    assert container_of(job)["args"] == ["$(TESTRUN_VAR_a)"]
    assert environment_of(job)["B"] == "12"


def test_a_document_has_all_that_the_runner_needs() -> None:
    """The runner asks nobody else."""
    case = http_case(
        "sizes",
        needs=["login"],
        timeout="30s",
        matrix={"size": ["5"]},
        http={
            "connection": "api",
            "request": {"method": "POST", "path": "/{{ vars.size }}", "body": {"a": [1, None, "{{ vars.size }}"]}},
            "paginate": {"style": "page", "items": "data", "size": "{{ vars.size }}"},
            "retry": {},
            "expect": {"items": 35, "jmespath": [{"expression": "a", "equals": None}], "jsonSchema": {"const": None}},
            "outputs": {"token": "token"},
        },
    )
    parts = parts_of(
        case,
        http_case("login"),
        variables={"size": "1", "other": "2"},
        run_fields={"revision": "4f2c1d"},
        attempt=2,
        servers={"paginated-api": "http://server:5555"},
        outputs={"login": {"token": "abc", "list": [1, None]}},
    )
    document = document_of(parts)
    assert (document.attempt, document.timeout.total_seconds()) == (2, 30)
    assert document.case.name == "sizes-5"
    assert document.case.http == select_first(case)
    assert document.variables == {"size": "5", "other": "2"}
    assert document.connections["api"].url == "http://api"
    assert document.servers["paginated-api"].url == "http://server:5555"
    assert document.cases["login"].outputs == {"token": "abc", "list": [1, None]}
    run = document.run
    assert (run.id, run.name, run.namespace, run.suite) == (RUN_ID, "nightly", "team", "regression")
    assert (run.revision, run.start_time) == ("4f2c1d", NOON)


def select_first(case: dict[str, Any]) -> object:
    """Return the http part of a case as a model."""
    return select_cases(suite_of(case | {"needs": []}), run_of())[0].case.http


SECRETIVE = {
    "api": {
        "url": "http://api",
        "headers": {"Accept": "application/json"},
        "headersFrom": [
            {"name": "Authorization", "prefix": "Bearer ", "secretKeyRef": {"name": "the-secret", "key": "the-token"}},
            {"name": "X-Key", "secretKeyRef": {"name": "the-secret", "key": "the-key"}},
        ],
        "dsnFrom": {"secretKeyRef": {"name": "the-database", "key": "dsn"}},
    },
    "other": {
        "url": "http://other",
        "headersFrom": [{"name": "Authorization", "secretKeyRef": {"name": "other-secret", "key": "token"}}],
    },
}


def test_secrets_are_references_that_the_kubelet_resolves() -> None:
    """The document only says which variable of the pod has a header's value."""
    parts = parts_of(http_case("one"), connections=SECRETIVE)
    references = [variable for variable in container_of(parts.job)["env"] if "valueFrom" in variable]
    assert references == [
        {
            "name": "TESTRUN_SECRET_HEADER_0",
            "valueFrom": {"secretKeyRef": {"name": "the-secret", "key": "the-token"}},
        },
        {"name": "TESTRUN_SECRET_HEADER_1", "valueFrom": {"secretKeyRef": {"name": "the-secret", "key": "the-key"}}},
    ]
    endpoint = document_of(parts).connections["api"]
    assert [(header.name, header.prefix, header.variable) for header in endpoint.secret_headers] == [
        ("Authorization", "Bearer ", "TESTRUN_SECRET_HEADER_0"),
        ("X-Key", "", "TESTRUN_SECRET_HEADER_1"),
    ]
    assert endpoint.headers == {"Accept": "application/json"}
    assert "the-secret" not in environment_of(parts.job)[DOCUMENT_VARIABLE]


def test_only_the_connection_that_a_case_uses_travels_with_it() -> None:
    """A case sees neither the addresses nor the secrets of other connections."""
    parts = parts_of(http_case("one"), connections=SECRETIVE)
    assert document_of(parts).connections.keys() == {"api"}
    assert "other" not in json.dumps(parts.job)
    assert "the-database" not in json.dumps(parts.job)


def test_a_case_of_a_test_server_has_no_connection() -> None:
    """Its address comes with the deployed servers."""
    case = http_case("one", http={"connection": "paginated-api"})
    servers = {"paginated-api": "http://server:5555"}
    parts = parts_of(case, testServers=[{"name": "paginated-api", "pagination": {}}], servers=servers)
    document = document_of(parts)
    assert document.connections == {}
    assert document.servers["paginated-api"].url == "http://server:5555"


def test_a_container_case_gets_no_document() -> None:
    """Nothing of ours runs in its pod."""
    parts = parts_of(container_case("one"))
    assert parts.document is None
    assert DOCUMENT_VARIABLE not in environment_of(parts.job)


LARGE = {f"text_{number}": ("$(A) ä" * 700)[:4096] for number in range(40)}


def test_a_large_document_goes_into_a_config_map() -> None:
    """Linux refuses an environment variable of 128 KiB; the Job mounts a ConfigMap of its own name instead."""
    parts = parts_of(http_case("one"), variables=LARGE)
    assert parts.document is not None
    folder, _, file = DOCUMENT_PATH.rpartition("/")
    assert parts.document["data"].keys() == {file}
    assert document_of(parts).variables == LARGE
    job = parts.job
    assert DOCUMENT_VARIABLE not in environment_of(job)
    assert {"name": "document", "configMap": {"name": parts.document["metadata"]["name"]}} in pod_of(job)["volumes"]
    assert {"name": "document", "mountPath": folder, "readOnly": True} in container_of(job)["volumeMounts"]


def test_the_config_map_of_a_document_goes_with_its_run() -> None:
    """It has the owner and the place of its Job; by its labels it is told from the record of the execution."""
    parts = parts_of(http_case("one"), variables=LARGE)
    assert parts.document is not None
    metadata, of_job = parts.document["metadata"], parts.job["metadata"]
    assert parts.document["immutable"] is True
    for field in ("name", "namespace", "ownerReferences"):
        assert metadata[field] == of_job[field]
    assert metadata["labels"] == of_job["labels"] | {labels.COMPONENT: labels.DOCUMENT_COMPONENT}


@pytest.mark.parametrize("size", [20, 22, 24, 30])
def test_no_variable_is_as_large_as_linux_refuses(size: int) -> None:
    """The limit counts bytes as the process sees them, not characters."""
    variables = {f"text_{number}": "😀" * 1000 for number in range(size)}
    parts = parts_of(http_case("one"), variables=variables)
    for name, value in environment_of(parts.job).items():
        assert len(f"{name}={value}".encode()) < 128 * 1024
    assert document_of(parts).variables == variables
