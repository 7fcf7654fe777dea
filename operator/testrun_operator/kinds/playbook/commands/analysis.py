"""What a playbook does, as far as its text tells without running it: its steps, and what it needs.

The traversal visits every step, however deep its loops, blocks and lists of tools are nested. What a playbook hands
over as data is left out: a request's body may say ``kind: Job``, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from testrun_operator.errors import LocalError

_NO_STEPS = frozenset({"workload", "metadata", "keychain"})
"""Parts of a playbook, at its top, that have no steps."""
_DATA = frozenset(
    {
        *(
            "args",
            "body",
            "data",
            "env",
            "form",
            "headers",
            "input",
            "json",
            "map",
            "params",
            "payload",
            "query_params",
        ),
        *("result", "returns", "expects", "set", "vars"),
    }
)
"""Fields whose contents are data of the playbook."""
_MOST = 100_000
"""Of the mappings and lists of a playbook, so many are looked at: no playbook that people wrote has as many."""
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(
    r"(?:workload\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"(?:\s*\|\s*default\(\s*(?P<quote>['\"])(?P<default>[^'\"]*)(?P=quote)\s*(?:,[^)]*)?\))?"
)
_DEEPEST = 4
"""So often may a value be a template itself."""
_LONGEST = 4096
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
_CONDITIONS = ("when", "else", "condition", "if")


@dataclass(frozen=True, slots=True)
class Spot:
    """A mapping somewhere in a playbook: a step, a tool, a task of a list, or a part of one."""

    step: str
    """The step, or the task of a workbook, that it belongs to; empty outside of any."""
    fields: Mapping[str, object]

    def text(self, *names: str) -> str:
        """Give the first of some fields that is a text and not empty; the empty text where none is."""
        return next((value for name in names if isinstance(value := self.fields.get(name), str) and value), "")

    @property
    def where(self) -> str:
        """Name the step, for people."""
        return f"step {self.step!r}" if self.step else "the playbook"


class TooLarge(LocalError):
    """A playbook is larger than any that people write."""


def spots(document: Mapping[str, object]) -> Iterator[Spot]:
    """Give all mappings of a playbook in which there may be a tool, in their order.

    Each is given once, also where aliases of YAML name it again and again, or inside itself.

    Raises:
        TooLarge: there is too much to look at.
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
        if len(seen) > _MOST:
            raise TooLarge
        if isinstance(value, list):
            stack += [(step, one) for one in reversed(value)]
            continue
        spot = Spot(_step_of(value) or step, value)
        yield spot
        stack += [(spot.step, value[name]) for name in reversed(tuple(value)) if name not in _DATA]


def _step_of(fields: Mapping[str, object]) -> str:
    """Name the step that a mapping is: of the workflow, or of the workbook, whose tasks have names."""
    step = fields.get("step")
    if isinstance(step, str) and len(fields) > 1:
        return step
    name = fields.get("name") or fields.get("task")
    return name if isinstance(name, str) and ("tool" in fields or "type" in fields) else ""


class Workload:
    """The defaults of a playbook's input. Nothing is evaluated: names are looked up, and no more.

    Args:
        values: the section ``workload`` of the playbook.
    """

    def __init__(self, values: object) -> None:
        self._values: Mapping[object, object] = values if isinstance(values, Mapping) else {}

    def render(self, text: str) -> str | None:
        """Say what becomes of a text that may be a template; None where that is only known when it runs."""
        return self._render(text, 0)

    def _render(self, text: str, depth: int) -> str | None:
        if "{%" in text or depth > _DEEPEST or len(text) > _LONGEST:
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


def is_sequential(found: Iterable[Spot]) -> bool:
    """Say whether no step has two that follow it at once.

    Of several that follow, each must have a condition; that no two of these hold is for the log of a run to show.

    Args:
        found: all that is in the steps.
    """
    return all(_is_single(spot.fields.get("next")) for spot in found)


def _is_single(following: object) -> bool:
    if isinstance(following, Mapping):
        arcs = following.get("arcs")
        spec = following.get("spec")
        mode = spec.get("mode") if isinstance(spec, Mapping) else None
        # Releases that know arcs take the first that fits, unless they are told otherwise.
        return mode != "inclusive" or _is_single(arcs)
    if not isinstance(following, list) or len(following) < 2:  # noqa: PLR2004 - more than one
        return not (isinstance(following, list) and following and _has_many(following[0]))
    return all(isinstance(one, Mapping) and any(key in one for key in _CONDITIONS) for one in following) and not any(
        map(_has_many, following)
    )


def _has_many(branch: object) -> bool:
    """Whether one branch starts several steps: ``then: [{step: a}, {step: b}]``."""
    then = branch.get("then") if isinstance(branch, Mapping) else None
    return isinstance(then, list) and len(then) > 1
