"""What a playbook needs that is not in it: credentials of the server, and other playbooks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from testrun_operator.kinds.playbook.commands.traversal import Spot
from testrun_operator.kinds.playbook.commands.workload import Workload

_KEYS = ("auth", "credential", "credentials")
_REFERENCES = ("key", "credential", "credentialRef", "credential_ref")
_SINGLE = frozenset(
    {"source", "key", "name", "service", "secret_name", "scope", "fields", "inject", "type", "credential", "tool"}
)
"""With one of these, a mapping is one credential; without, its keys are names that stand for credentials."""
_OWN_STORE = frozenset({"credential", "credentials"})
"""Sources that are the server's credentials. Others are its environment, or a cloud's secrets."""
_KEYCHAIN_REFERENCES = frozenset({"credential", "credential_ref", "google_oauth", "google_service_account", "google"})
_PLAYBOOK_TOOLS = frozenset({"playbook", "playbooks"})


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a playbook mentions."""

    known: tuple[str, ...] = ()
    """Each once, in their order."""
    unknown: tuple[str, ...] = ()
    """Templates of which only the run knows what becomes of them."""


def find_credentials(found: Iterable[Spot], keychain: object, workload: Workload) -> Names:
    """Find the names of the credentials that a playbook asks its server for.

    Args:
        found: all that is in its steps.
        keychain: the section ``keychain`` of the playbook.
        workload: the defaults of its input.
    """
    entries = [entry for entry in keychain if isinstance(entry, Mapping)] if isinstance(keychain, list) else []
    named = [reference for entry in entries for reference in _of_keychain(entry)]
    named += [reference for spot in found for key in _KEYS for reference in _of(spot.fields.get(key))]
    own = {entry.get("name") for entry in entries}
    names = _resolve(named, workload)
    # What the keychain makes is looked up there; and templates that name it are.
    return Names(
        tuple(name for name in names.known if name not in own or name in _fetched(entries)),
        tuple(name for name in names.unknown if "keychain." not in name),
    )


def find_children(found: Iterable[Spot], workload: Workload) -> Names:
    """Find the paths of the playbooks that a playbook starts."""
    named = []
    for spot in found:
        tools = {spot.fields.get(key) for key in ("tool", "kind", "type") if isinstance(spot.fields.get(key), str)}
        if tools & _PLAYBOOK_TOOLS:
            named.append(spot.text("path", "playbook_path"))
    return _resolve(named, workload)


def _resolve(named: Iterable[str], workload: Workload) -> Names:
    known: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for text in named:
        rendered = workload.render(text)
        if rendered is None:
            unknown.setdefault(" ".join(text.split())[:200])
        elif rendered:
            known.setdefault(rendered)
    return Names(tuple(known), tuple(unknown))


def _of_keychain(entry: Mapping[str, object]) -> Iterator[str]:
    yield from _of(entry.get("auth"))
    if entry.get("kind") in _KEYCHAIN_REFERENCES:
        reference = entry.get("ref") or entry.get("credential") or entry.get("name")
        yield from _of(reference)


def _fetched(entries: Iterable[Mapping[str, object]]) -> set[str]:
    return {reference for entry in entries for reference in _of_keychain(entry)}


def _of(value: object) -> Iterator[str]:
    """Give the references in the value of ``auth``, ``credential`` or ``credentials``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))
    elif isinstance(value, Mapping) and _SINGLE.isdisjoint(value):
        for one in value.values():
            yield from _of_single(one) if isinstance(one, Mapping) else _of(one)
    elif isinstance(value, Mapping):
        yield from _of_single(value)


def _of_single(value: Mapping[str, object]) -> Iterator[str]:
    if str(value.get("source", "credential")) not in _OWN_STORE:
        return
    references = [value.get(key) for key in _REFERENCES]
    reference = next((one for one in references if isinstance(one, str) and one), None)
    if reference is None and "type" in value and isinstance(value.get("name"), str):
        reference = str(value["name"])
    if reference is not None:
        yield reference
