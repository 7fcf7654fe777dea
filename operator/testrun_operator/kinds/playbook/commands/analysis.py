"""What a playbook does, as far as its text tells without running it: its steps, and what it needs.

The traversal visits every step, however deep its loops, blocks and lists of tools are nested. What a playbook hands
over as data is left out: a request's body may say ``kind: Job``, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from testrun_operator.errors import LocalError

_NO_STEPS = frozenset({"workload", "metadata", "keychain"})
"""Sections at the top of a playbook that contain no steps."""
_DATA = frozenset(
    {
        *("args", "body", "data", "env", "form", "headers", "input", "json", "map", "params", "payload"),
        "query_params",
        *("result", "returns", "expects", "set", "vars"),
    }
)
"""Fields whose contents are data that the playbook hands over, and no steps or tools of its own."""
_MAX_COLLECTIONS = 100_000
"""At most so many mappings and lists of a playbook are visited; no playbook that people wrote has as many."""
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(
    r"(?:workload\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"(?:\s*\|\s*default\(\s*(?P<quote>['\"])(?P<default>[^'\"]*)(?P=quote)\s*(?:,[^)]*)?\))?"
)
_MAX_TEMPLATE_DEPTH = 4
"""A value in the workload may be a template itself, whose value may be one again, up to this depth."""
_MAX_TEMPLATE_LENGTH = 4096
"""Characters; a longer text is not evaluated."""
_CREDENTIAL_FIELDS = ("auth", "credential", "credentials")
"""Fields of a step or tool in which credentials are named."""
_REFERENCE_FIELDS = ("key", "credential", "credentialRef", "credential_ref")
"""Fields of such a mapping that hold the name of a credential; the first one that is there counts."""
_SINGLE_CREDENTIAL_FIELDS = frozenset(
    {"source", "key", "name", "service", "secret_name", "scope", "fields", "inject", "type", "credential", "tool"}
)
"""A mapping with one of these fields describes one credential. In any other, each key is an alias of a credential."""
_STORES_OF_THE_SERVER = frozenset({"credential", "credentials"})
"""Values of ``source`` that mean credentials of the NoETL server, and not its environment or the secrets of a cloud."""
_KEYCHAIN_KINDS = frozenset({"credential", "credential_ref", "google_oauth", "google_service_account", "google"})
"""Kinds of entries in the keychain that name a credential of the server."""
_PLAYBOOK_TOOLS = frozenset({"playbook", "playbooks"})
_CONDITIONS = ("when", "else", "condition", "if")


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping somewhere in a playbook: a step, a tool, a task of a list, or a part of one of these."""

    step: str
    """Name of the step, or of the task of a workbook, that it belongs to; empty outside of any."""
    fields: Mapping[str, object]
    """The mapping itself."""

    def text(self, *names: str) -> str:
        """Return the first of the named fields that holds a text which is not empty, or an empty text if none does."""
        return next((value for name in names if isinstance(value := self.fields.get(name), str) and value), "")

    @property
    def where(self) -> str:
        """Name the step in a message: ``step 'deploy'``, or ``the playbook`` outside of any step."""
        return f"step {self.step!r}" if self.step else "the playbook"


class PlaybookTooLarge(LocalError):
    """A playbook has more mappings and lists than any that people write."""


def traverse(document: Mapping[str, object]) -> Iterator[Node]:
    """Yield all mappings of a playbook in which there may be a tool, in the order in which they are written.

    Each is yielded once, also where aliases of YAML repeat it, or make it contain itself.

    Args:
        document: the playbook, as read from YAML.

    Raises:
        PlaybookTooLarge: it has more mappings and lists than are visited.
    """
    seen: set[int] = set()
    stack: list[tuple[str, object]] = [
        ("", document[name]) for name in reversed(tuple(document)) if name not in _NO_STEPS
    ]
    while stack:
        step, value = stack.pop()
        if not isinstance(value, Mapping | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if len(seen) > _MAX_COLLECTIONS:
            raise PlaybookTooLarge
        if isinstance(value, list):
            stack += [(step, one) for one in reversed(value)]
            continue
        node = Node(_step_of(value) or step, value)
        yield node
        stack += [(node.step, value[name]) for name in reversed(tuple(value)) if name not in _DATA]


def _step_of(fields: Mapping[str, object]) -> str:
    """Return the name of the step that a mapping is, or of the task of a workbook; an empty text if it is neither."""
    step = fields.get("step")
    if isinstance(step, str) and len(fields) > 1:
        return step
    name = fields.get("name") or fields.get("task")
    return name if isinstance(name, str) and ("tool" in fields or "type" in fields) else ""


class Workload:
    """The defaults of a playbook's input, by which some of its templates can be rendered before it runs.

    Only names are looked up, and the filter ``default``; no expression is evaluated.

    Args:
        values: the section ``workload`` of the playbook; anything but a mapping counts as empty.
    """

    def __init__(self, values: object) -> None:
        self._values: Mapping[object, object] = values if isinstance(values, Mapping) else {}

    def render(self, text: str) -> str | None:
        """Render a text that may be a template; return None where its value is known only when the playbook runs."""
        return self._render(text, 0)

    def _render(self, text: str, depth: int) -> str | None:
        if "{%" in text or depth > _MAX_TEMPLATE_DEPTH or len(text) > _MAX_TEMPLATE_LENGTH:
            return None
        known = True

        def replaced(match: re.Match[str]) -> str:
            nonlocal known
            value = self._evaluate(match.group(1).strip(), depth)
            known = known and value is not None
            return value or ""

        rendered = _EXPRESSION.sub(replaced, text).strip()
        return rendered if known and "{{" not in rendered else None

    def _evaluate(self, expression: str, depth: int) -> str | None:
        match = _NAME.fullmatch(expression)
        if match is None:
            return None
        value: object = self._values
        for name in match["name"].split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None or value == "":
            value = match["default"]
        if isinstance(value, str):
            return self._render(value, depth + 1)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class References:
    """Names of credentials, or paths of playbooks, that a playbook refers to."""

    resolved: tuple[str, ...] = ()
    """The names, each once, in the order in which they are written."""
    unresolved: tuple[str, ...] = ()
    """Templates whose value is known only when the playbook runs, each once."""


def find_credentials(nodes: Iterable[Node], keychain: object, workload: Workload) -> References:
    """Find the names of the credentials that a playbook asks its server for.

    Args:
        nodes: the mappings of its steps, from :func:`traverse`.
        keychain: the section ``keychain`` of the playbook; anything but a list counts as empty.
        workload: the defaults of its input.
    """
    entries = [entry for entry in keychain if isinstance(entry, Mapping)] if isinstance(keychain, list) else []
    named = [reference for entry in entries for reference in _references_of_entry(entry)]
    named += [
        reference for node in nodes for key in _CREDENTIAL_FIELDS for reference in _references_in(node.fields.get(key))
    ]
    own = {entry.get("name") for entry in entries}
    names = _resolve(named, workload)
    # What an entry of the keychain produces is looked up in the keychain and not on the server, under the name of the
    # entry or by a template such as {{ keychain.NAME }}.
    return References(
        tuple(name for name in names.resolved if name not in own or name in _fetched(entries)),
        tuple(name for name in names.unresolved if "keychain." not in name),
    )


def find_children(nodes: Iterable[Node], workload: Workload) -> References:
    """Find the paths of the playbooks that a playbook starts.

    Args:
        nodes: the mappings of its steps, from :func:`traverse`.
        workload: the defaults of its input.
    """
    named = []
    for node in nodes:
        tools = {node.fields.get(key) for key in ("tool", "kind", "type") if isinstance(node.fields.get(key), str)}
        if tools & _PLAYBOOK_TOOLS:
            named.append(node.text("path", "playbook_path"))
    return _resolve(named, workload)


def _resolve(named: Iterable[str], workload: Workload) -> References:
    resolved: dict[str, None] = {}
    unresolved: dict[str, None] = {}
    for text in named:
        rendered = workload.render(text)
        if rendered is None:
            unresolved.setdefault(" ".join(text.split())[:200])
        elif rendered:
            resolved.setdefault(rendered)
    return References(tuple(resolved), tuple(unresolved))


def _references_of_entry(entry: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of the credentials that an entry of the keychain is made from."""
    yield from _references_in(entry.get("auth"))
    if entry.get("kind") in _KEYCHAIN_KINDS:
        reference = entry.get("ref") or entry.get("credential") or entry.get("name")
        yield from _references_in(reference)


def _fetched(entries: Iterable[Mapping[str, object]]) -> set[str]:
    return {reference for entry in entries for reference in _references_of_entry(entry)}


def _references_in(value: object) -> Iterator[str]:
    """Yield the names in the value of ``auth``, ``credential`` or ``credentials``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))
    elif isinstance(value, Mapping) and _SINGLE_CREDENTIAL_FIELDS.isdisjoint(value):
        for one in value.values():
            yield from _reference_of(one) if isinstance(one, Mapping) else _references_in(one)
    elif isinstance(value, Mapping):
        yield from _reference_of(value)


def _reference_of(value: Mapping[str, object]) -> Iterator[str]:
    """Yield the name of the one credential that a mapping describes, if it is one of the server's."""
    if str(value.get("source", "credential")) not in _STORES_OF_THE_SERVER:
        return
    references = [value.get(key) for key in _REFERENCE_FIELDS]
    reference = next((one for one in references if isinstance(one, str) and one), None)
    if reference is None and "type" in value and isinstance(value.get("name"), str):
        reference = str(value["name"])
    if reference is not None:
        yield reference


def is_sequential(nodes: Iterable[Node]) -> bool:
    """Whether the steps run one after the other: no step is followed by two that start at the same time.

    Where several steps may follow one, each must have a condition. Whether two of the conditions can hold at once does
    not show in the text; the event log of an execution tells.

    Args:
        nodes: the mappings of the steps, from :func:`traverse`.
    """
    return all(_leads_to_one_step(node.fields.get("next")) for node in nodes)


def _leads_to_one_step(following: object) -> bool:
    """Whether a value of ``next`` starts at most one step: a mapping with ``arcs``, or a list of branches."""
    if isinstance(following, Mapping):
        arcs = following.get("arcs")
        spec = following.get("spec")
        mode = spec.get("mode") if isinstance(spec, Mapping) else None
        # Releases that have arcs take the first one whose condition holds, unless the mode is another.
        return mode != "inclusive" or _leads_to_one_step(arcs)
    if not isinstance(following, list) or len(following) < 2:  # noqa: PLR2004 - more than one
        return not (isinstance(following, list) and following and _starts_several(following[0]))
    return all(isinstance(one, Mapping) and any(key in one for key in _CONDITIONS) for one in following) and not any(
        map(_starts_several, following)
    )


def _starts_several(branch: object) -> bool:
    """Whether one branch starts several steps at once: ``then: [{step: a}, {step: b}]``."""
    then = branch.get("then") if isinstance(branch, Mapping) else None
    return isinstance(then, list) and len(then) > 1
