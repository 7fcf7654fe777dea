"""The server's catalog: playbooks are registered, and found again."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import yaml
from pydantic import JsonValue

from testrun_operator.httpclient.exchange import Response
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.server.transport import (
    InvalidAnswer,
    ServerError,
    Transport,
    retry_while_away,
)
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

_PLAYBOOK: Final = "playbook"
_NOT_FOUND: Final = 404
_FIRST_CLIENT_ERROR: Final = 400
_REFUSED: Final = "Error registering resource"
"""So begins a 500 where the server could make nothing of a playbook, or where its database does not work."""
_CERTAIN_AFTER: Final = 3
"""So often it must be refused, with the database working in between, until it is the playbook's fault."""
_MAX_VERSION: Final = 2**31 - 1
_MAX_NEWER: Final = 1000
_NAMED: Final = 10
_ALIKE: Final = 0.6
_LONGEST_COMPARED: Final = 200
_MOST_COMPARED: Final = 2000
_UNNAMED: Final = "unknown"
"""What servers call a playbook without a name."""
_PLACES: Final = (("metadata", "path"), ("path",), ("metadata", "name"), ("name",))
"""Where they look for the path, in this order."""
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Registered:
    """A version of a playbook in the server's catalog."""

    path: str
    version: int
    catalog_id: str
    """Of this version. Digits; more than a float can hold."""


class Catalog:
    """The catalog of one server.

    Args:
        transport: to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def register(self, content: str, label: str) -> Registered:
        """Register a playbook, unless the newest version under its path has the same content.

        The server makes a new version at each call. Looking first spares versions that differ in nothing, also where
        the answer to an earlier call got lost.

        Args:
            content: the playbook, as YAML.
            label: how people know it, for messages.

        Raises:
            InvalidCase: the server refuses it.
            ConnectionFailed: the server does not answer.
        """
        refusals: list[str] = []
        path = path_in(content)

        def ask() -> Registered:
            # Also tells whether the server's database works.
            known = self._newest(path)
            if mapping(known).get("content") == content:
                return self._registered(known, label)
            try:
                return self._register_once(content, label)
            except ServerError as error:
                if not error.detail.startswith(_REFUSED):
                    raise
                refusals.append(error.detail)
                if len(refusals) >= _CERTAIN_AFTER:
                    raise InvalidCase("playbook.register", f"{label}: the server refuses it: {error.detail}") from None
                raise

        return retry_while_away(ask, self._transport.remaining_seconds(), kind=ConnectionFailed)

    def find(self, path: str, version: int | None) -> Registered:
        """Find a playbook.

        Args:
            path: in the catalog.
            version: None for the newest.

        Raises:
            InvalidCase: there is none.
            ConnectionFailed: the server does not answer.
        """
        found = None
        if "\x00" not in path and (version is None or version <= _MAX_VERSION):
            found = retry_while_away(
                lambda: self._newest(path) if version is None else self._look_up(path, version),
                self._transport.remaining_seconds(),
                kind=ConnectionFailed,
            )
        if found is None:
            raise self._missing(path, version)
        return self._registered(found, path)

    def _newest(self, path: str) -> JsonValue:
        """Look up the newest version: servers of 4.x go on giving the one that was it up to five minutes ago."""
        found = self._look_up(path, None)
        for _ in range(_MAX_NEWER):
            version = read_id(mapping(found).get("version"))
            newer = None if version is None or version >= _MAX_VERSION else self._look_up(path, version + 1)
            if newer is None:
                break
            found = newer
        return found

    def _look_up(self, path: str, version: int | None) -> JsonValue:
        body: dict[str, JsonValue] = {"path": path}
        if version is not None:
            # Those written in Rust take nothing but a text, the others that, too.
            body["version"] = str(version)
        response = self._transport.send(self._transport.request("POST", "/api/catalog/resource", body))
        if response.status == _NOT_FOUND:
            return None
        self._check(response, "playbook.path")
        return self._transport.json(response)

    def _register_once(self, content: str, label: str) -> Registered:
        body: JsonValue = {"content": content, "resource_type": "Playbook"}
        response = self._transport.send(self._transport.request("POST", "/api/catalog/register", body))
        if response.status >= _FIRST_CLIENT_ERROR:
            detail = self._transport.detail_of(response)
            raise InvalidCase(
                "playbook.register", f"{label}: the server refuses it (status {response.status}): {detail}"
            )
        return self._registered(self._transport.json(response), label)

    def _check(self, response: Response, field: str) -> None:
        if response.status >= _FIRST_CLIENT_ERROR:
            problem = f"status {response.status}: {self._transport.detail_of(response)}"
            raise InvalidCase(field, self._transport.say(response.request, problem))

    def _registered(self, value: JsonValue, label: str) -> Registered:
        found = mapping(value)
        path, version, catalog_id = found.get("path"), read_id(found.get("version")), read_id(found.get("catalog_id"))
        if not isinstance(path, str) or version is None or catalog_id is None:
            raise InvalidAnswer(f"{self._transport.url}: the catalog's answer about {label} has no path, version or id")
        return Registered(path, version, str(catalog_id))

    def _missing(self, path: str, version: int | None) -> InvalidCase:
        """Say what there is instead."""
        missing = f"the server has no playbook {path!r}"
        try:
            listed = list(self._listed())
        except (ConnectionFailed, InvalidCase):
            return InvalidCase("playbook.path", missing if version is None else f"{missing} of version {version}")
        versions = sorted({there.version for there in listed if there.path == path}, reverse=True)
        if version is not None and versions:
            problem = f"{path!r} has no version {version}; there are: {_name(map(str, versions))}"
            return InvalidCase("playbook.version", problem)
        paths = sorted({there.path for there in listed})
        similar = _similar(path, paths)
        if similar:
            hint = f"similar: {_name(map(repr, similar))}"
        else:
            hint = f"there are: {_name(map(repr, paths))}" if paths else "the catalog has no playbooks"
        return InvalidCase("playbook.path", f"{missing}; {hint}")

    def _listed(self) -> Iterator[Registered]:
        # Not by kind: servers compare it letter by letter, and call it "Playbook" or "playbook".
        request = self._transport.request("POST", "/api/catalog/list", {})
        entries = mapping(self._transport.json(self._transport.send(request))).get("entries")
        for entry in entries if isinstance(entries, list) else ():
            if str(mapping(entry).get("kind") or _PLAYBOOK).casefold() != _PLAYBOOK:
                continue
            with contextlib.suppress(ConnectionFailed):
                yield self._registered(entry, "playbooks")


def _similar(path: str, paths: list[str]) -> list[str]:
    """Find paths that may be meant: those that end with the same name, then those that are spelt alike."""
    name = path.rpartition("/")[2]
    same = [there for there in paths if there.rpartition("/")[2] == name]
    # Comparing takes time; it is no search engine.
    short = [there for there in paths if len(there) <= _LONGEST_COMPARED][:_MOST_COMPARED]
    alike = difflib.get_close_matches(path[:_LONGEST_COMPARED], short, _NAMED, _ALIKE)
    return list(dict.fromkeys([*same, *alike]))


def _name(names: Iterable[str]) -> str:
    named = list(names)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more


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
