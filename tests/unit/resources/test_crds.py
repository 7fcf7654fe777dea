"""The CustomResourceDefinitions: structural, described, bounded, and without a drift for GitOps tools."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from testrun_operator.api.base import Model
from testrun_operator.resources.crds import build_crds, build_schema, render

Schema = dict[str, Any]
SUITE, RUN = build_crds()
BOTH = pytest.mark.parametrize("crd", [SUITE, RUN], ids=["TestSuite", "TestRun"])
ALLOWED = {
    "type",
    "description",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "nullable",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}
"""What a structural schema may consist of; above all no $ref, anyOf, oneOf, const, title or patternProperties."""


def version_of(crd: Schema) -> Schema:
    """Return the only version of a definition."""
    (version,) = crd["spec"]["versions"]
    return version


def fields_of(crd: Schema) -> Schema:
    """Return the schemas of the fields at the top: spec, status and what every object has."""
    return version_of(crd)["schema"]["openAPIV3Schema"]["properties"]


def walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Go through a schema and everything within it."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def parts_of(crd: Schema) -> list[tuple[str, Schema]]:
    """Return all parts of spec and status."""
    fields = fields_of(crd)
    return [*walk(fields["spec"], "spec"), *walk(fields["status"], "status")]


@BOTH
def test_a_schema_is_structural(crd: Schema) -> None:
    """The API server refuses other keywords, or would take them without effect."""
    for path, schema in parts_of(crd):
        own_default = {"default"} if path == "status" else set()
        assert schema.keys() - own_default <= ALLOWED, path


@BOTH
def test_every_part_has_a_type(crd: Schema) -> None:
    """Only any JSON, and numbers that may be templates, have none."""
    for path, schema in parts_of(crd):
        untyped = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}
        assert "type" in schema or untyped & schema.keys(), path


@BOTH
def test_no_field_of_spec_has_a_default(crd: Schema) -> None:
    """The API server would write it into the stored object, and GitOps tools would see a drift."""
    assert [path for path, schema in parts_of(crd) if "default" in schema] == ["status"]


@BOTH
def test_a_new_object_shows_that_nobody_has_looked_at_it(crd: Schema) -> None:
    """No GitOps tool may show green before the operator has looked."""
    assert fields_of(crd)["status"]["default"] == {"observedGeneration": -1}


@BOTH
def test_every_field_is_described(crd: Schema) -> None:
    """What `kubectl explain` shows is the manual."""
    for path, schema in parts_of(crd):
        for name, field in schema.get("properties", {}).items():
            assert field.get("description", "").rstrip().endswith((".", "…")), f"{path}.{name}"
        if path in {"spec", "status"}:
            assert schema["description"]


@BOTH
def test_every_text_is_bounded(crd: Schema) -> None:
    """A length or a list of values, so that the costs of rules can be estimated; times have a format instead."""
    for path, schema in parts_of(crd):
        if schema.get("type") == "string":
            assert schema.keys() & {"maxLength", "enum"} or schema.get("format") == "date-time", path


@BOTH
def test_every_list_and_map_is_bounded(crd: Schema) -> None:
    """The same for lists and maps; those with any content are the user's own documents."""
    for path, schema in parts_of(crd):
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
        if isinstance(schema.get("additionalProperties"), dict):
            assert "maxProperties" in schema, path


@BOTH
def test_every_number_has_its_format(crd: Schema) -> None:
    """Clients in Go read them as 64 bits."""
    for path, schema in parts_of(crd):
        if schema.get("type") == "integer":
            assert schema["format"] == "int64", path


@BOTH
def test_required_fields_exist(crd: Schema) -> None:
    """A required field that is not in the schema could never be given."""
    for path, schema in parts_of(crd):
        assert set(schema.get("required", ())) <= schema.get("properties", {}).keys(), path


@BOTH
def test_nothing_of_the_status_but_its_generation_is_required(crd: Schema) -> None:
    """The status begins as {observedGeneration: -1}."""
    assert fields_of(crd)["status"].get("required", []) in ([], ["observedGeneration"])


def test_both_definitions_are_small() -> None:
    """They are loaded by every client, and kept within the annotation of `kubectl apply`."""
    sizes = [len(json.dumps(crd, separators=(",", ":")).encode()) for crd in build_crds()]
    assert sum(sizes) < 100_000


@BOTH
def test_no_object_says_that_it_has_no_properties(crd: Schema) -> None:
    """The API server does not store an empty map: what is applied would differ from what is there for ever."""
    for path, schema in parts_of(crd):
        assert schema.get("properties", True), path


@BOTH
def test_rules_have_messages(crd: Schema) -> None:
    """Without a message the API server shows the rule's source."""
    rules = [rule for _, schema in parts_of(crd) for rule in schema.get("x-kubernetes-validations", ())]
    assert rules
    for rule in rules:
        assert rule.keys() == {"rule", "message"}
        assert rule["message"]


def test_names_are_those_of_the_design() -> None:
    """Short names, the category and the group are what people type."""
    assert [crd["metadata"]["name"] for crd in (SUITE, RUN)] == ["testsuites.testrun.dev", "testruns.testrun.dev"]
    assert [crd["spec"]["names"]["shortNames"] for crd in (SUITE, RUN)] == [["ts"], ["tr"]]
    for crd in (SUITE, RUN):
        assert crd["spec"]["names"]["categories"] == ["testing"]
        assert crd["spec"]["group"] == "testrun.dev"
        assert crd["spec"]["scope"] == "Namespaced"
        assert version_of(crd)["name"] == "v1alpha1"
        assert version_of(crd)["subresources"] == {"status": {}}


def test_columns_are_those_of_the_design() -> None:
    """What `kubectl get testruns` shows; further columns are in its wide output."""
    columns = version_of(RUN)["additionalPrinterColumns"]
    shown = [column["name"] for column in columns if not column.get("priority")]
    assert shown == ["Suite", "Phase", "Passed", "Failed", "Total", "Duration", "Age"]


@BOTH
def test_columns_show_fields_that_exist(crd: Schema) -> None:
    """A column of a field that was renamed would be empty for ever."""
    known = {f".{path}" for path, _ in parts_of(crd)} | {".metadata.creationTimestamp"}
    for column in version_of(crd)["additionalPrinterColumns"]:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[]")
        assert path in known


@BOTH
def test_lists_with_names_are_merged_by_them(crd: Schema) -> None:
    """The API server refuses duplicates, and server-side apply keeps the items of others."""
    keys = {
        path.removeprefix("spec.suite.").removeprefix("spec."): schema["x-kubernetes-list-map-keys"]
        for path, schema in parts_of(crd)
        if schema.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {"cases": ["name"], "testServers": ["name"], "status.conditions": ["type"]}


@BOTH
def test_keys_of_lists_are_required(crd: Schema) -> None:
    """The API server asks for it where an item has no default for its key."""
    for path, schema in parts_of(crd):
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            assert key in schema["items"]["required"], path


@BOTH
def test_what_is_rendered_is_what_was_built(crd: Schema) -> None:
    """YAML loses nothing of it, and repeats instead of referring."""
    text = render(crd)
    assert yaml.safe_load(text) == crd
    assert "&id" not in text


def test_the_same_models_give_the_same_definitions() -> None:
    """Otherwise the check of generated files would fail by chance."""
    assert [render(crd) for crd in build_crds()] == [render(crd) for crd in build_crds()]


class Undecided(Model):
    """A model with a field that no structural schema can express."""

    value: Annotated[int | str, Field(description="A number or a text.")]


def test_a_union_that_cannot_be_expressed_is_refused() -> None:
    """Better no definition than one that the API server refuses, or that takes anything."""
    with pytest.raises(TypeError, match="union"):
        build_schema(Undecided)
