"""From the model of the chart's values: `values.yaml`, `values.schema.json` and the reference page."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from chart_values import ChartValues, Values
from kubernetes_types import resolve
from pydantic.fields import FieldInfo

from generators import markdown

_WIDTH = 120
_HIDDEN = frozenset({"global"})
"""Values that Helm sets and nobody writes."""


def fields_of(group: type[Values]) -> Iterator[tuple[str, FieldInfo, Any]]:
    """Yield name, field and default of each value of a group, as they are in YAML."""
    defaults = group().model_dump(mode="json")
    for field in group.model_fields.values():
        name = str(field.alias)
        if name not in _HIDDEN:
            yield name, field, defaults[name]


def is_group(field: FieldInfo) -> bool:
    """Whether a field holds further values that are documented one by one."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, Values)


def schema() -> str:
    """Render `values.schema.json`, from which Helm's messages about wrong values come."""
    document = resolve(ChartValues.model_json_schema(by_alias=True))
    tidy = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values", **without_titles(document)}
    # Draft 7 has its definitions under another name, and Helm 3 knows no later draft.
    text = json.dumps(tidy, indent=2).replace("#/$defs/", "#/definitions/").replace('"$defs": {', '"definitions": {')
    return text + "\n"


def without_titles(document: Any) -> Any:
    """Leave out the titles that pydantic makes of names, and what Draft 7 ignores beside a reference."""
    if isinstance(document, list):
        return [without_titles(item) for item in document]
    if not isinstance(document, dict):
        return document
    if "$ref" in document:
        return {"$ref": document["$ref"]}
    return {
        name: {key: without_titles(value) for key, value in content.items()}
        if name in {"properties", "$defs"}
        else content
        if name == "default"
        else without_titles(content)
        for name, content in document.items()
        if name != "title"
    }


def defaults() -> str:
    """Render `values.yaml`: each default below what it means."""
    lines = [
        "# Values of the chart and their defaults, as in docs/reference/values.md. Wrong ones are refused.",
        "# Generated from tools/chart_values.py by `make generate`; do not edit.",
    ]
    for name, field, default in fields_of(ChartValues):
        lines += ["", *_entry(name, field, default, 0)]
    return "\n".join(lines) + "\n"


def _entry(name: str, field: FieldInfo, default: Any, depth: int) -> list[str]:
    indent = "  " * depth
    if is_group(field):
        group = field.annotation
        assert isinstance(group, type)  # noqa: S101 - is_group says so
        lines = [*_comment(" ".join((group.__doc__ or "").split()), indent), f"{indent}{name}:"]
        for inner_name, inner_field, inner_default in fields_of(group):
            lines += _entry(inner_name, inner_field, inner_default, depth + 1)
        return lines
    value = yaml.safe_dump({name: default}, sort_keys=False, width=_WIDTH).rstrip("\n")
    return [*_comment(field.description or "", indent), *textwrap.indent(value, indent).splitlines()]


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent) - 2)]


def reference_page() -> str:
    """Render `docs/reference/values.md`."""
    body: list[str] = []
    top = [
        (markdown.code(name), markdown.code(json.dumps(default)), field.description or "")
        for name, field, default in fields_of(ChartValues)
        if not is_group(field)
    ]
    body += [*markdown.table(("value", "default", "meaning"), top), ""]
    for name, field, _ in fields_of(ChartValues):
        if is_group(field):
            group = field.annotation
            assert isinstance(group, type)  # noqa: S101 - is_group says so
            body += [f"## {name}", "", " ".join((group.__doc__ or "").split()), ""]
            body += [*markdown.table(("value", "default", "meaning"), _rows(name, group)), ""]
    return markdown.page(
        "Values of the chart",
        "What can be set when the chart `charts/testrun-operator` is installed: `--set NAME=VALUE`, or in a file for "
        "`--values`. A wrong or misspelt value is refused before anything is installed.",
        "`tools/chart_values.py`",
        body,
    )


def _rows(path: str, group: type[Values]) -> Iterator[tuple[str, str, str]]:
    for name, field, default in fields_of(group):
        if is_group(field):
            inner = field.annotation
            assert isinstance(inner, type)  # noqa: S101 - is_group says so
            yield from _rows(f"{path}.{name}", inner)
        else:
            yield markdown.code(f"{path}.{name}"), markdown.code(json.dumps(default)), field.description or ""
