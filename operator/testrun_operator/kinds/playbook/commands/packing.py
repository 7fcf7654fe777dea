"""Playbooks as ConfigMaps, for cases that register them: as many ConfigMaps as are needed, each below 1 MiB."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from testrun_operator.kinds.playbook.commands.playbooks import Playbook
from testrun_operator.kinds.playbook.commands.selection import Candidate
from testrun_operator.sources.config_map import key_for
from testrun_operator.terminal.errors import CannotDo

_MAX_BYTES = 1024 * 1024 - 16 * 1024
"""Of the playbooks in a ConfigMap; the rest of what Kubernetes allows is for their names."""
APPLY_BYTES = 256 * 1024
"""From here on `kubectl apply` fails without `--server-side`: it keeps a copy in an annotation."""


@dataclass(slots=True)
class ConfigMap:
    """A ConfigMap of playbooks."""

    name: str
    texts: dict[str, str] = field(default_factory=dict)
    """By key."""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    """Playbooks in ConfigMaps."""

    config_maps: tuple[ConfigMap, ...]
    places: Mapping[str, tuple[ConfigMap, str]]
    """ConfigMap and key, by the path of the playbook."""

    def source_of(self, candidate: Candidate) -> dict[str, object]:
        """Say where a case finds its playbook and what that starts, as ``configMap`` of a case's ``register``."""
        places = [self.places[playbook.path] for playbook in candidate.family]
        name = places[0][0].name
        if len(places) == 1:
            return {"name": name, "path": places[0][1]}
        return {"name": name, "items": [{"key": key, "path": key} for _, key in places]}


def pack(candidates: Sequence[Candidate], name: str) -> Packed:
    """Put playbooks into ConfigMaps: with what they start in the same one, since a case uses one.

    Args:
        candidates: the cases, in their order.
        name: of the ConfigMap; where there are several, they are numbered.

    Raises:
        CannotDo: what belongs together is too large.
    """
    groups = _group(candidates)
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
    return Packed(tuple(config_maps), places)


def _group(candidates: Iterable[Candidate]) -> list[list[Playbook]]:
    """Put playbooks that cases need together into groups, in the order of the cases."""
    group_of: dict[str, list[Playbook]] = {}
    groups: list[list[Playbook]] = []
    for candidate in candidates:
        merged: list[Playbook] = []
        touched = [group_of[playbook.path] for playbook in candidate.family if playbook.path in group_of]
        for playbook in (*(one for group in touched for one in group), *candidate.family):
            if all(playbook.path != one.path for one in merged):
                merged.append(playbook)
        if touched:
            groups = [group for group in groups if all(group is not one for one in touched)]
        groups.append(merged)
        group_of.update({playbook.path: merged for playbook in merged})
    return groups
