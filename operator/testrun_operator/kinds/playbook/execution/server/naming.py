"""Under which path a server will file a playbook: read from the playbook without building what is in it."""

from collections.abc import Iterator
from typing import Final

import yaml

_UNNAMED: Final = "unknown"
"""What servers call a playbook without a name."""
_PLACES: Final = (("metadata", "path"), ("path",), ("metadata", "name"), ("name",))
"""Where they look for the path, in this order."""
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def path_in(content: str) -> str:
    """Give the path in the catalog that a playbook says it has.

    Only a hint: of what is written in an unusual way, as with aliases, and of what is no YAML, it is not found.

    Args:
        content: the playbook, as YAML.
    """
    found: dict[tuple[str, ...], str] = {}
    try:
        for place, value in _texts(content):
            if place in _PLACES and value:
                found.setdefault(place, value)
            if place == _PLACES[0] and value:
                break
    except (yaml.YAMLError, ValueError):
        pass  # the server will say what is wrong with it
    return next((found[place] for place in _PLACES if place in found), _UNNAMED)


def _texts(content: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give the texts in mappings, each with the keys that lead to it. Nothing is built, so nothing can grow."""
    keys: list[str | None] = []
    """The current key of each collection that is open; None where a key comes next."""
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.MappingStartEvent):
            keys.append(None)
        elif isinstance(event, yaml.SequenceStartEvent):
            keys.append("[]")
        elif isinstance(event, yaml.CollectionEndEvent):
            keys.pop()
            _next(keys)
        elif isinstance(event, yaml.ScalarEvent) and keys and keys[-1] is None:
            keys[-1] = event.value
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.ScalarEvent):
                yield tuple(key or "" for key in keys), event.value
            _next(keys)


def _next(keys: list[str | None]) -> None:
    """Note that a key or a value is over."""
    if keys and keys[-1] != "[]":
        keys[-1] = "?" if keys[-1] is None else None
