"""`docs/reference/api.md`: every field of both resources, from the schemas that the API server enforces."""

from collections.abc import Iterator, Mapping
from typing import Any

from generators import markdown
from testrun_operator.api.base import DNS_LABEL_PATTERN, VARIABLE_NAME_PATTERN
from testrun_operator.resources.crds import GROUP, VERSION, build_crds

Schema = Mapping[str, Any]

_WORDS_FOR_PATTERNS = {
    DNS_LABEL_PATTERN: (
        "name",
        "at most 63 lower-case letters, digits and dashes, as in names of Kubernetes' Services",
    ),
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": ("object name", "at most 253 lower-case letters, digits, dashes and dots"),
    VARIABLE_NAME_PATTERN: ("variable name", "at most 63 letters, digits and `_`, not beginning with a digit"),
    r"^[A-Za-z0-9]([-_./A-Za-z0-9]*[A-Za-z0-9])?$": ("tag", "at most 63 letters and digits, with `-_./` between them"),
    r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$": (
        "quantity",
        "as in Kubernetes, for instance `250m` or `64Mi`",
    ),
}
"""What to call a text that must match a pattern, and what that means."""


def render() -> str:
    """Render the page."""
    body: list[str] = []
    schemas = {crd["spec"]["names"]["kind"]: schema_of(crd) for crd in build_crds()}
    for kind, schema in schemas.items():
        body += [f"## {kind}", "", schema["description"], ""]
        for part in ("spec", "status"):
            body += _sections(f"{kind}.{part}", schema["properties"][part], schemas)
    return markdown.page(
        "API reference",
        f"The two resources of `{GROUP}/{VERSION}`. `kubectl explain testrun.spec --recursive` shows the same. "
        "A field in **bold** is required. Of the types, these are texts of a certain form:\n\n" + "\n".join(_legend()),
        "the models in `operator/testrun_operator/resources` and `operator/testrun_operator/kinds`",
        body,
    )


def _legend() -> Iterator[str]:
    yield "- *duration*: hours, minutes, seconds and milliseconds in this order, as in `30s`, `5m`, `1h30m` or `250ms`"
    yield '- *whole number or template*: `35`, or a text such as `"{{ vars.expected }}"`'
    yield from (f"- *{word}*: {meaning}" for word, meaning in _WORDS_FOR_PATTERNS.values())


def schema_of(crd: Schema) -> Schema:
    """Return the schema of a CustomResourceDefinition's only version."""
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _sections(path: str, schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[str]:
    yield from (f"### {path}", "")
    if schema.get("description"):
        yield from (schema["description"], "")
    if not schema.get("properties"):
        yield from ("It has no fields: write `{}`.", "")
        return
    required = set(schema.get("required", ()))
    deeper: list[tuple[str, Schema]] = []
    rows = []
    for name, field in schema["properties"].items():
        suffix, target = _unwrap(field)
        known = _known_elsewhere(path, target, schemas)
        if known:
            kind = f"[{known}](#{_anchor(known)})"
        elif "properties" in target or (target.get("type") == "object" and "additionalProperties" not in target):
            kind = _describe(field, f"{path}.{name}{suffix}" if _is_own_section(target) else "")
            if _is_own_section(target):
                deeper.append((f"{path}.{name}{suffix}", target))
        else:
            kind = _describe(field, "")
        rows.append((f"**`{name}`**" if name in required else f"`{name}`", kind, field.get("description", "")))
    yield from markdown.table(("field", "type", "meaning"), rows)
    yield ""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield from (f"Rule: {rule['message']}.", "")
    for inner_path, inner in deeper:
        yield from _sections(inner_path, inner, schemas)


def _is_own_section(schema: Schema) -> bool:
    return schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields")


def _unwrap(schema: Schema) -> tuple[str, Schema]:
    """Go through lists and maps to what they hold; the suffix says how, as in `cases[]` and `connections.NAME`."""
    if schema.get("type") == "array":
        suffix, inner = _unwrap(schema["items"])
        return "[]" + suffix, inner
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        suffix, inner = _unwrap(schema["additionalProperties"])
        return ".NAME" + suffix, inner
    return "", schema


def _known_elsewhere(path: str, schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """Name the resource part that a schema repeats, which is shown once only."""
    if path.startswith("TestRun") and schema.get("properties") == schemas["TestSuite"]["properties"]["spec"].get(
        "properties"
    ):
        return "TestSuite.spec"
    return ""


def _describe(schema: Schema, section: str) -> str:
    """Say a field's type with its bounds, as a link where the type has a section of its own."""
    kind = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        return "whole number or template"
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return "any JSON object" if kind == "object" else "any JSON value"
    if kind == "array":
        return f"list of {_describe(schema['items'], section)}" + _sizes(schema, "minItems", "maxItems", "items")
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        values = _describe(schema["additionalProperties"], section)
        return f"map of names to {values}" + _sizes(schema, "minProperties", "maxProperties", "keys")
    if kind == "object":
        return f"[object](#{_anchor(section)})" if section else "object"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if kind == "integer":
        bounds = _bounds(schema, "minimum", "maximum")
        return f"integer ({bounds})" if bounds else "integer"
    return _describe_text(schema) if kind == "string" else str(kind)


def _describe_text(schema: Schema) -> str:
    pattern = schema.get("pattern", "")
    if schema.get("format") == "date-time":
        return "time"
    if "ms)?$" in pattern:
        return "duration"
    if pattern in _WORDS_FOR_PATTERNS:
        return _WORDS_FOR_PATTERNS[pattern][0]
    bounds = _bounds(schema, "minLength", "maxLength", "characters")
    return "text" + (f" ({bounds})" if bounds else "") + (f", matching {markdown.code(pattern)}" if pattern else "")


def _sizes(schema: Schema, least: str, most: str, unit: str) -> str:
    bounds = _bounds(schema, least, most, unit)
    return f", {bounds}" if bounds else ""


def _bounds(schema: Schema, least: str, most: str, unit: str = "") -> str:
    low, high = schema.get(least), schema.get(most)
    end = f" {unit}" if unit else ""
    if low is not None and high is not None:
        return f"{low} to {high}{end}"
    if high is not None:
        return f"at most {high}{end}"
    return f"at least {low}{end}" if low is not None else ""


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and others make of a heading."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_")
