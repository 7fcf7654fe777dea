"""A suite as YAML that people like to read: with its comments, in the order of its fields, without defaults."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

import yaml

from testrun_operator.api.yaml_dumper import KubernetesDumper
from testrun_operator.kinds.playbook.commands.packing import APPLY_BYTES, ConfigMap
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.terminal.printing import clean

_WIDTH = 110


class Flow(dict[str, object]):
    """A mapping that is written on one line."""


class FlowList(list[object]):
    """A list that is written on one line, or on several where it is long."""


@dataclass(frozen=True, slots=True)
class Commented:
    """A case, and what is to be said of it."""

    case: Mapping[str, object]
    comments: tuple[str, ...] = ()


def write_suite(
    metadata: Mapping[str, str],
    spec: Mapping[str, object],
    cases: Iterable[Commented],
    *,
    head: Sequence[str] = (),
    notes: Mapping[str, Sequence[str]],
    end: Sequence[str] = (),
) -> str:
    """Write a TestSuite.

    Args:
        metadata: its name, and its namespace if it has one.
        spec: everything but the cases.
        cases: the cases.
        head: comments at the beginning.
        notes: comments above fields of the spec, by field.
        end: comments at the end.
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
    """Write a ConfigMap of playbooks."""
    metadata = {"name": config_map.name} | ({"namespace": namespace} if namespace else {})
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(config_map.texts)}
    note = "Too large for a plain kubectl apply; use: kubectl apply --server-side -f FILE"
    return (_comment(note) if config_map.size > APPLY_BYTES else "") + _dump(document)


def _comment(text: str) -> str:
    return f"# {clean(text)}".rstrip() + "\n"


def _dump(value: object) -> str:
    written: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )
    return written


class _Dumper(KubernetesDumper):
    """Writes texts of several lines as they are, and what is marked so on one line; never an alias."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as the library has it
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - as the library has it
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _represent_flow(dumper: yaml.SafeDumper, value: Flow) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


def _represent_flow_list(dumper: yaml.SafeDumper, value: FlowList) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Flow, _represent_flow)
_Dumper.add_representer(FlowList, _represent_flow_list)
