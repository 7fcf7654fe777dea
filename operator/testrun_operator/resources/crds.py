"""The CustomResourceDefinitions, generated from the models.

``crds/*.yaml`` and the chart's copy are written by ``make generate``; a test fails where they differ from the models.

A structural schema (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/)
is less than what pydantic writes: no ``$ref``, no ``anyOf`` with types inside, no ``const``, no ``title``. Spec fields
have no ``default`` in the CRD, since the API server would write it into the stored object and GitOps tools would see a
drift; defaults are in the descriptions and applied by the operator.
"""

from collections.abc import Callable, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from testrun_operator.api.base import Document, Model
from testrun_operator.api.yaml_dumper import KubernetesDumper
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.status import TestRunStatus, TestSuiteStatus
from testrun_operator.resources.suite import TestSuiteSpec

GROUP = "testrun.dev"
VERSION = "v1alpha1"
_LIST_KEYS: Mapping[str, str] = {"cases": "name", "testServers": "name", "conditions": "type"}
"""Lists whose items have a key: the API server refuses duplicates, and server-side apply merges by it."""
_DROPPED = frozenset(
    {"title", "default", "additionalProperties", "patternProperties", "propertyNames", "$defs", "examples"}
)

_TEXT: Document = {"type": "string"}
_COLUMNS_RUN = (
    ("Suite", "string", ".spec.suiteRef.name", "The TestSuite; empty for an inline suite.", 0),
    ("Phase", "string", ".status.phase", "Where the execution is.", 0),
    ("Passed", "integer", ".status.cases.passed", "Cases that passed.", 0),
    ("Failed", "integer", ".status.cases.failed", "Cases that failed.", 0),
    ("Total", "integer", ".status.cases.total", "Cases of the execution.", 0),
    ("Duration", "integer", ".status.durationSeconds", "Seconds that the execution took.", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Time since it was created.", 0),
    ("Errored", "integer", ".status.cases.errored", "Cases that could not be judged.", 1),
    ("Run-Id", "string", ".status.runId", "The test_run_id in Postgres.", 1),
)
_COLUMNS_SUITE = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether its spec is valid.", 0),
    ("Cases", "integer", ".status.cases", "Cases, all matrices expanded.", 0),
    ("Last-Run", "string", ".status.lastRun.name", "The TestRun that was the last to end.", 0),
    ("Last-Phase", "string", ".status.lastRun.phase", "How it ended.", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Time since it was created.", 0),
)


def build_schema(model: type[BaseModel]) -> Document:
    """Build the structural schema of a model, with its CEL rules (``x-kubernetes-validations``)."""
    definitions: dict[str, type[BaseModel]] = {}
    _collect_models(model, definitions)
    document = model.model_json_schema(by_alias=True, mode="validation")
    builder = _Builder(document.get("$defs", {}), definitions)
    schema = builder.convert(document)
    return schema | builder.rules_of(model)


def _collect_models(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    for subclass in _all_subclasses(Model):
        found[subclass.__name__] = subclass
    found[model.__name__] = model


def _all_subclasses(model: type[BaseModel]) -> list[type[BaseModel]]:
    direct = model.__subclasses__()
    return direct + [deeper for subclass in direct for deeper in _all_subclasses(subclass)]


class _Builder:
    """Turns pydantic's JSON schema into a structural one."""

    def __init__(self, references: Mapping[str, Any], models: Mapping[str, type[BaseModel]]) -> None:
        self._references = references
        self._models = models

    def rules_of(self, model: type[BaseModel]) -> Document:
        rules = getattr(model, "cel_rules", ())
        if not rules:
            return {}
        return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}

    def convert(self, schema: Mapping[str, Any], key: str = "") -> Document:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            target = self.convert(self._references[name], key)
            if name in self._models:
                target |= self.rules_of(self._models[name])
            return target | {"description": schema["description"]} if "description" in schema else target
        if "anyOf" in schema:
            return self._convert_union(schema, key)
        converted = {name: value for name, value in schema.items() if name not in _DROPPED}
        if "const" in converted:
            converted["enum"] = [converted.pop("const")]
        if not converted.get("properties", True):
            del converted["properties"]  # the API server drops it, and GitOps tools would see a difference for ever
        if schema.get("properties"):
            converted["properties"] = {name: self.convert(value, name) for name, value in schema["properties"].items()}
        else:
            # A structural schema cannot restrict the keys of a map; the operator checks them.
            values = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
            if isinstance(values, dict):
                converted["additionalProperties"] = self.convert(values)
        if "items" in schema:
            converted["items"] = self.convert(schema["items"])
            if key in _LIST_KEYS:
                converted["x-kubernetes-list-type"] = "map"
                converted["x-kubernetes-list-map-keys"] = [_LIST_KEYS[key]]
        if converted.get("type") == "integer":
            converted["format"] = "int64"
        return converted

    def _convert_union(self, schema: Mapping[str, Any], key: str) -> Document:
        # The only unions in the models are "this or absent".
        options = [option for option in schema["anyOf"] if option != {"type": "null"}]
        if len(options) != 1:
            raise TypeError(f"a structural schema cannot express the union {schema}")
        converted = self.convert(options[0], key)
        return converted | {"description": schema["description"]} if "description" in schema else converted


def build_crds() -> tuple[Document, Document]:
    """Build both CustomResourceDefinitions: of TestSuite and of TestRun."""
    return (
        _build_crd("TestSuite", "testsuites", "ts", TestSuiteSpec, TestSuiteStatus, _COLUMNS_SUITE),
        _build_crd("TestRun", "testruns", "tr", TestRunSpec, TestRunStatus, _COLUMNS_RUN),
    )


def _build_crd(
    kind: str,
    plural: str,
    short_name: str,
    spec: type[BaseModel],
    status: type[BaseModel],
    columns: tuple[tuple[str, str, str, str, int], ...],
) -> Document:
    schema = {
        "description": {
            "TestSuite": "Which test cases exist, and what they need.",
            "TestRun": "Some test cases of a suite, to be run now, and their verdicts.",
        }[kind],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"type": "object"},
            "spec": build_schema(spec),
            # No GitOps tool may show green before the operator has looked at the object.
            "status": build_schema(status) | {"default": {"observedGeneration": -1}},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short_name],
                "categories": ["testing"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_build_column(*column) for column in columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _build_column(name: str, kind: str, path: str, description: str, priority: int) -> Document:
    column: Document = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | {"priority": priority} if priority else column


def render(crd: Document) -> str:
    """Render a CRD as YAML."""
    return yaml.dump(crd, sort_keys=False, width=120, allow_unicode=True, Dumper=_PlainDumper)


class _PlainDumper(KubernetesDumper):
    """Writes repeated values in full instead of as anchors, which kubectl reads but people do not."""

    ignore_aliases: Callable[..., bool] = staticmethod(lambda *_: True)
