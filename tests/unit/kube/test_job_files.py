"""What a case of kind sql takes along: its database, its files, and the credentials for them."""

from typing import Any

import pytest
from tests.unit.kube.manifests import container_of, document_of, environment_of, parts_of, pod_of

from support.builders import sql_case
from testrun_operator.api.environment import DOCUMENT_PATH, DOCUMENT_VARIABLE, FILES_PATH

GIT = {"git": {"url": "https://git.example.com/{{ vars.name }}.git", "ref": "{{ run.revision }}", "path": "database"}}
TEXT = """\
# TEST CASE
Dollars: $$ $(HOME) {{ 1 + 1 }} \\

## TEST
"""


def references_of(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of a container that come from elsewhere."""
    return {found["name"]: found["valueFrom"] for found in container_of(job)["env"] if "valueFrom" in found}


def test_the_database_is_a_variable_that_the_kubelet_fills() -> None:
    """The document says its name, and neither the connection string nor its Secret."""
    parts = parts_of(sql_case("one"))
    (variable,) = references_of(parts.job)
    assert references_of(parts.job)[variable] == {"secretKeyRef": {"name": "database", "key": "dsn"}}
    endpoint = document_of(parts).connections["db"]
    assert (endpoint.dsn_variable, endpoint.url, endpoint.headers) == (variable, None, {})
    assert '"database"' not in environment_of(parts.job)[DOCUMENT_VARIABLE]


def test_an_address_beside_a_database_is_not_for_sql() -> None:
    """A connection may have both; a case gets what its kind uses, and no secret header."""
    both = {
        "url": "http://api",
        "headersFrom": [{"name": "Authorization", "secretKeyRef": {"name": "token", "key": "token"}}],
        "dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}},
    }
    parts = parts_of(sql_case("one"), connections={"db": both})
    assert [found["secretKeyRef"]["name"] for found in references_of(parts.job).values()] == ["database"]
    assert document_of(parts).connections["db"].url is None


def test_an_inline_text_arrives_as_it_was_written() -> None:
    """Neither the kubelet nor a template changes a character of it."""
    parts = parts_of(sql_case("one", {"inline": TEXT}))
    sql = document_of(parts).case.sql
    assert sql is not None
    assert sql.source.inline == TEXT


def test_an_inline_text_of_the_largest_size_arrives() -> None:
    """64 Ki of characters that JSON and UTF-8 make longer go into a ConfigMap."""
    text = "\U0001f600" * 65_536
    parts = parts_of(sql_case("one", {"inline": text}))
    assert parts.document is not None
    sql = document_of(parts).case.sql
    assert sql is not None
    assert sql.source.inline == text


def test_a_config_map_is_mounted_where_the_runner_looks_for_files() -> None:
    """Read-only, each key at its path."""
    items = [{"key": "tests__a.stt", "path": "tests/a.stt"}, {"key": "schema.sql", "path": "schema.sql"}]
    job = parts_of(sql_case("one", {"configMap": {"name": "ledger", "items": items, "path": "tests"}})).job
    (volume,) = (found for found in pod_of(job)["volumes"] if found["name"] == "files")
    assert volume["configMap"] == {"name": "ledger", "items": items, "optional": True}
    assert {"name": "files", "mountPath": FILES_PATH, "readOnly": True} in container_of(job)["volumeMounts"]


def test_a_config_map_without_items_is_mounted_as_it_is() -> None:
    """Each key is a file of its own name."""
    job = parts_of(sql_case("one", {"configMap": {"name": "ledger"}})).job
    (volume,) = (found for found in pod_of(job)["volumes"] if found["name"] == "files")
    assert volume["configMap"] == {"name": "ledger", "optional": True}


def test_a_missing_config_map_does_not_keep_the_pod_from_starting() -> None:
    """Such a pod would wait without a word in its status; so the runner starts and says what is missing."""
    job = parts_of(sql_case("one", {"configMap": {"name": "ledger"}})).job
    assert [found["configMap"]["optional"] for found in pod_of(job)["volumes"] if "configMap" in found] == [True]


@pytest.mark.parametrize("large", [False, True])
def test_files_and_a_large_document_have_places_of_their_own(*, large: bool) -> None:
    """The folder of the files lies below the one of the document."""
    variables = {f"text_{number}": "x" * 4096 for number in range(40 if large else 1)}
    parts = parts_of(sql_case("one", {"configMap": {"name": "ledger"}}), variables=variables)
    assert (parts.document is not None) == large
    places = {mount["name"]: mount["mountPath"] for mount in container_of(parts.job)["volumeMounts"]}
    assert places["files"] == FILES_PATH
    assert places.get("document") == (DOCUMENT_PATH.rpartition("/")[0] if large else None)
    assert len(set(places.values())) == len(places)


def test_credentials_of_a_repository_are_variables_that_the_kubelet_fills() -> None:
    """The password must be there; a user name and an authority of one's own may be."""
    source = {"git": GIT["git"] | {"secretRef": {"name": "forge"}}}
    references = references_of(parts_of(sql_case("one", source)).job)
    assert {name: found["secretKeyRef"] for name, found in references.items() if name.startswith("TESTRUN_GIT_")} == {
        "TESTRUN_GIT_USERNAME": {"name": "forge", "key": "username", "optional": True},
        "TESTRUN_GIT_PASSWORD": {"name": "forge", "key": "password"},
        "TESTRUN_GIT_CA": {"name": "forge", "key": "ca.crt", "optional": True},
    }


@pytest.mark.parametrize("source", [GIT, {"inline": "# TEST CASE"}, {"configMap": {"name": "ledger"}}])
def test_files_that_need_no_credentials_get_none(source: dict[str, Any]) -> None:
    """The pod has no secret but its database."""
    assert len(references_of(parts_of(sql_case("one", source)).job)) == 1


def test_templates_are_left_to_the_runner() -> None:
    """The operator renders nothing."""
    sql = document_of(parts_of(sql_case("one", GIT))).case.sql
    assert sql is not None
    assert sql.source.model_dump(mode="json", exclude_defaults=True) == GIT


def test_a_case_without_files_has_no_volume_for_them() -> None:
    """An inline text travels in the document, and a repository is fetched into the pod's own folder."""
    for source in (GIT, {"inline": "x"}):
        job = parts_of(sql_case("one", source)).job
        assert [volume["name"] for volume in pod_of(job)["volumes"]] == ["temporary"]
