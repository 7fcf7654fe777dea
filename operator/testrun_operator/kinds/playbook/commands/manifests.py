"""The manifests that are written: ConfigMaps of the playbooks that cases register, and the suite with its comments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent

import yaml

from testrun_operator.api.yaml_dumper import KubernetesDumper
from testrun_operator.kinds.playbook.commands.playbooks import Playbook
from testrun_operator.kinds.playbook.commands.selection import Candidate
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.sources.config_map import key_for
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.printing import clean

_MAX_BYTES = 1024 * 1024 - 16 * 1024
"""Of the playbooks in a ConfigMap. Kubernetes allows 1 MiB; the rest is for their names."""
_APPLY_BYTES = 256 * 1024
"""`kubectl apply` without `--server-side` fails on larger objects, since it keeps a copy of them in an annotation."""
_LINE_WIDTH = 110


@dataclass(slots=True)
class ConfigMap:
    """A ConfigMap of playbooks."""

    name: str
    texts: dict[str, str] = field(default_factory=dict)
    """The playbooks by key."""
    size: int = 0
    """Bytes of all playbooks."""


@dataclass(frozen=True, slots=True)
class PackedPlaybooks:
    """The playbooks that cases register, distributed over ConfigMaps."""

    config_maps: tuple[ConfigMap, ...]
    places: Mapping[str, tuple[ConfigMap, str]]
    """The ConfigMap and the key in it, by the path of the playbook."""

    def source_of(self, candidate: Candidate) -> dict[str, object]:
        """Return the field ``register.configMap`` of a case: where its playbook is, and those that it starts."""
        places = [self.places[playbook.path] for playbook in candidate.call_tree]
        name = places[0][0].name
        if len(places) == 1:
            return {"name": name, "path": places[0][1]}
        return {"name": name, "items": [{"key": key, "path": key} for _, key in places]}


def pack(candidates: Sequence[Candidate], name: str) -> PackedPlaybooks:
    """Distribute the playbooks of cases over as few ConfigMaps as are needed, each below 1 MiB.

    A playbook and those that it starts are put into the same ConfigMap, since a case can name only one.

    Args:
        candidates: the playbooks that become cases, in the order of the cases.
        name: name of the ConfigMap; further ones are ``NAME-2``, ``NAME-3`` and so on.

    Raises:
        CannotDo: playbooks that belong together are larger than a ConfigMap.
    """
    groups = _group_by_need(candidates)
    keys: dict[str, str] = {}
    for group in groups:
        for playbook in group:
            keys[playbook.path] = key_for(playbook.origin, keys.values())
    config_maps = [ConfigMap(name)]
    places: dict[str, tuple[ConfigMap, str]] = {}
    for group in groups:
        size = sum(len(playbook.text.encode()) for playbook in group)
        if size > _MAX_BYTES:
            raise CannotDo(
                f"{group[0].origin} and what it belongs to have {size:,} bytes, and a ConfigMap holds 1 MiB; "
                "register them in another way, and leave --register out"
            )
        fitting = next((one for one in config_maps if one.size + size <= _MAX_BYTES), None)
        if fitting is None:
            fitting = ConfigMap(f"{name}-{len(config_maps) + 1}")
            config_maps.append(fitting)
        fitting.size += size
        for playbook in group:
            fitting.texts[keys[playbook.path]] = playbook.text
            places[playbook.path] = fitting, keys[playbook.path]
    return PackedPlaybooks(tuple(config_maps), places)


def _group_by_need(candidates: Iterable[Candidate]) -> list[list[Playbook]]:
    """Put playbooks that cases need together into groups, in the order of the cases."""
    group_of: dict[str, list[Playbook]] = {}
    groups: list[list[Playbook]] = []
    for candidate in candidates:
        merged: list[Playbook] = []
        touched = [group_of[playbook.path] for playbook in candidate.call_tree if playbook.path in group_of]
        for playbook in (*(one for group in touched for one in group), *candidate.call_tree):
            if all(playbook.path != one.path for one in merged):
                merged.append(playbook)
        if touched:
            groups = [group for group in groups if all(group is not one for one in touched)]
        groups.append(merged)
        group_of.update({playbook.path: merged for playbook in merged})
    return groups


class FlowMapping(dict[str, object]):
    """A mapping that is written in YAML's flow style, ``{…}``, on one line."""


class FlowSequence(list[object]):
    """A list that is written in YAML's flow style, ``[…]``, on one line, or on several if it is long."""


@dataclass(frozen=True, slots=True)
class CommentedCase:
    """A case, with the comments that stand above it in the file."""

    case: Mapping[str, object]
    """Its fields, in the order in which they are written."""
    comments: tuple[str, ...] = ()
    """One line each, without the number sign."""


def write_suite(
    metadata: Mapping[str, str],
    spec: Mapping[str, object],
    cases: Iterable[CommentedCase],
    *,
    head: Sequence[str] = (),
    notes: Mapping[str, Sequence[str]],
    end: Sequence[str] = (),
) -> str:
    """Write a TestSuite as YAML, with comments, in the order of its fields.

    Args:
        metadata: name, and namespace if there is one.
        spec: all fields of the spec but ``cases``.
        cases: the cases.
        head: comments at the beginning of the file.
        notes: comments above fields of the spec, by the name of the field.
        end: comments behind the last case.
    """
    parts = [*map(_comment, head)]
    parts.append(_dump({"apiVersion": f"{GROUP}/{VERSION}", "kind": "TestSuite", "metadata": metadata}))
    parts.append("spec:\n")
    for name, value in spec.items():
        parts += [indent(_comment(note), "  ") for note in notes.get(name, ())]
        parts.append(indent(_dump({name: value}), "  "))
    parts.append("  cases:\n")
    for case in cases:
        parts += [indent(_comment(comment), "    ") for comment in case.comments]
        parts.append(indent(_dump([case.case]), "    "))
    parts += [indent(_comment(comment), "    ") for comment in end]
    return "".join(parts)


def write_config_map(config_map: ConfigMap, namespace: str | None) -> str:
    """Write a ConfigMap of playbooks as YAML.

    Args:
        config_map: the playbooks.
        namespace: None to leave it out.
    """
    metadata = {"name": config_map.name} | ({"namespace": namespace} if namespace else {})
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(config_map.texts)}
    note = "Too large for a plain kubectl apply; use: kubectl apply --server-side -f FILE"
    return (_comment(note) if config_map.size > _APPLY_BYTES else "") + _dump(document)


def _comment(text: str) -> str:
    return f"# {clean(text)}".rstrip() + "\n"


def _dump(value: object) -> str:
    written: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH, default_flow_style=False
    )
    return written


class _Dumper(KubernetesDumper):
    """Writes texts of several lines as literal blocks, the classes above in flow style, and no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as the library has it
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - as the library has it
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _represent_flow(dumper: yaml.SafeDumper, value: FlowMapping) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


def _represent_flow_list(dumper: yaml.SafeDumper, value: FlowSequence) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(FlowMapping, _represent_flow)
_Dumper.add_representer(FlowSequence, _represent_flow_list)
