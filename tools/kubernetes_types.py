"""Parts of a pod's spec as types of the chart's values: checked field by field, and passed on as they are written.

The fields come from the models of Kubernetes' Python client, so that nobody has to copy them, and a misspelt one is
refused by Helm with its place rather than dropped by the API server with a warning.
"""

# ruff: noqa: INP001 - a module beside the scripts that use it

from collections.abc import Collection
from typing import Annotated, Any

from kubernetes import client
from pydantic import WithJsonSchema

MARK = "$kubernetes"
"""Stands in a schema for the type of Kubernetes that it names, until `resolve` has put that in."""
_ALLOWED_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
"""The sources that the Pod Security Standard "restricted" allows
(https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
_KEPT_FIELDS = {"V1Volume": _ALLOWED_VOLUMES | {"name"}, "V1ObjectMeta": frozenset({"labels", "annotations"})}
"""Of types with fields that make no sense here, those that do."""

# Numbers as in `cpu: 1` are quantities too, for which the client's model has no word.
_QUANTITY = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+([mkMGTPE]|[KMGTPE]i|e[0-9]+)?$"}, {"type": "number"}]}
_QUANTITIES = {"type": "object", "additionalProperties": _QUANTITY}
_RESOURCES = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES},
}

Resources = Annotated[dict[str, Any], WithJsonSchema(_RESOURCES)]
Affinity = Annotated[dict[str, Any], WithJsonSchema({MARK: "V1Affinity"})]
Tolerations = tuple[Annotated[Any, WithJsonSchema({MARK: "V1Toleration"})], ...]
SpreadConstraints = tuple[Annotated[Any, WithJsonSchema({MARK: "V1TopologySpreadConstraint"})], ...]
Variables = tuple[Annotated[Any, WithJsonSchema({MARK: "V1EnvVar"})], ...]
Volumes = tuple[Annotated[Any, WithJsonSchema({MARK: "V1Volume"})], ...]
VolumeMounts = tuple[Annotated[Any, WithJsonSchema({MARK: "V1VolumeMount"})], ...]
NetworkPeers = tuple[Annotated[Any, WithJsonSchema({MARK: "V1NetworkPolicyPeer"})], ...]


def resolve(document: dict[str, Any]) -> dict[str, Any]:
    """Put the types of Kubernetes that a schema names among its definitions, and references to them in their place."""
    found: dict[str, dict[str, Any]] = {}
    resolved: dict[str, Any] = _refer(document, found)
    kept = _reachable(found, {name for name in found if name in _marks(document)})
    return resolved | {"$defs": resolved.get("$defs", {}) | {name: found[name] for name in sorted(kept)}}


def _refer(schema: Any, found: dict[str, dict[str, Any]]) -> Any:
    if isinstance(schema, list):
        return [_refer(item, found) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if MARK in schema:
        name = schema[MARK]
        if name not in found:
            full = getattr(client, name).model_json_schema(by_alias=True)
            for part, content in {**full.pop("$defs", {}), name: full}.items():
                found[part] = _bare(part, content)
        return {"$ref": f"#/$defs/{name}"}
    return {key: _refer(value, found) for key, value in schema.items()}


def _bare(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out explanations, which are Kubernetes' own and long, and fields that make no sense here."""
    bare: dict[str, Any] = _without_explanations(schema)
    kept: Collection[str] = _KEPT_FIELDS.get(name, bare.get("properties", ()))
    return bare | {"properties": {field: value for field, value in bare["properties"].items() if field in kept}}


def _without_explanations(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_explanations(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        return _without_explanations(options[0])
    return {
        key: {name: _without_explanations(inner) for name, inner in value.items()}
        if key == "properties"
        else _without_explanations(value)
        for key, value in schema.items()
        if key not in {"description", "title", "default"}
    }


def _marks(schema: Any) -> set[str]:
    return _named(schema, MARK)


def _reachable(definitions: dict[str, dict[str, Any]], start: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= {reference.rpartition("/")[2] for reference in _named(definitions[name], "$ref")} - reached
    return reached


def _named(schema: Any, key: str) -> set[str]:
    """Collect the texts that stand under a key, anywhere in a schema."""
    if isinstance(schema, list):
        return {text for item in schema for text in _named(item, key)}
    if not isinstance(schema, dict):
        return set()
    own = {schema[key]} if isinstance(schema.get(key), str) else set()
    return own | {text for value in schema.values() for text in _named(value, key)}
