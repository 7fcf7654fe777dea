"""Which playbooks become cases, under which names and categories; which are left out, and why."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from testrun_operator.kinds.playbook.commands.playbooks import Playbook

_LONGEST_PATH = 253
"""Characters of a path that a case can name."""
_LONGEST_NAME = 63
"""Characters of a DNS label, and of a category, which becomes the value of a label."""
_DIGEST_LENGTH = 6
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_NOT_IN_CATEGORIES = re.compile(r"[^-_./A-Za-z0-9]+")
_NOT_AT_ENDS = "-_./"
"""Characters with which a category neither begins nor ends."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which playbooks the user wants as cases."""

    match: tuple[str, ...] = ()
    """Patterns of paths, as in a shell; empty for all paths."""
    categories: tuple[str, ...] = ()
    """Categories, each with those below it; empty for all."""
    include_unsafe: bool = False
    """Whether playbooks that use unsafe tools become cases, too."""
    assume_credentials: bool = False
    """Whether all credentials count as present, so that no case is skipped for want of one."""
    strip: str = ""
    """A prefix of paths that names and categories are made without."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A playbook that becomes a case."""

    name: str
    """Name of the case; a DNS label."""
    playbook: Playbook
    category: str | None
    """Category of the case; None for none."""
    missing: tuple[str, ...] = ()
    """Why the case is skipped unless the user asks for it: its credentials that are missing, or cannot be checked."""
    notes: tuple[str, ...] = ()
    """Sentences for the comment above the case."""
    call_tree: tuple[Playbook, ...] = ()
    """The playbook itself, then those that it starts, directly or through another, as far as they are known."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A playbook that does not become a case."""

    path: str
    reason: str
    """Why not, as a clause."""


@dataclass(slots=True)
class Selection:
    """Which of the playbooks become cases."""

    candidates: list[Candidate] = field(default_factory=list)
    """Those that do, ordered by path."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Those that cannot or must not."""
    others: int = 0
    """How many do not meet the criteria of the user."""

    def count_categories(self) -> Counter[str]:
        """Count the cases of each category."""
        return Counter(candidate.category or "(none)" for candidate in self.candidates)


def select(playbooks: Sequence[Playbook], criteria: Criteria, lacks: Callable[[str], bool] | None) -> Selection:
    """Decide for each playbook whether it becomes a case.

    The unsafe tools and the credentials of the playbooks that a playbook starts count as its own.

    Args:
        playbooks: all that were found.
        criteria: those of the user.
        lacks: tells whether the server has no credential of a given name; None if there is no server to ask.
    """
    selection = Selection()
    known: dict[str, Playbook] = {}
    for playbook in playbooks:
        if playbook.path in known:
            first = known[playbook.path].origin
            selection.left_out.append(LeftOut(playbook.path, f"{playbook.origin} has the same path as {first}"))
        known.setdefault(playbook.path, playbook)
    names = name_cases(known, without=criteria.strip)
    for path in sorted(known):
        playbook = known[path]
        category = category_of(playbook.folder, without=criteria.strip)
        if not _matches(path, category, criteria):
            selection.others += 1
            continue
        call_tree = _call_tree(playbook, known)
        reason = _why_not(playbook) or ("" if criteria.include_unsafe else _why_unsafe(call_tree))
        if reason:
            selection.left_out.append(LeftOut(path, reason))
            continue
        missing = () if criteria.assume_credentials else tuple(_missing(call_tree, lacks))
        notes = tuple(_notes(playbook, known))
        selection.candidates.append(Candidate(names[path], playbook, category, missing, notes, call_tree))
    return selection


def _matches(path: str, category: str | None, criteria: Criteria) -> bool:
    if criteria.match and not any(fnmatchcase(path, pattern) for pattern in criteria.match):
        return False
    if not criteria.categories:
        return True
    return any(category == one or (category or "").startswith(f"{one}/") for one in criteria.categories)


def _why_not(playbook: Playbook) -> str:
    if len(playbook.path) > _LONGEST_PATH:
        return f"its path has more than {_LONGEST_PATH} characters"
    if any(mark in playbook.path for mark in ("{{", "{%", "{#")):
        return "its path looks like a template, which a case would render"
    return "" if playbook.path.isprintable() else "its path has control characters"


def _call_tree(playbook: Playbook, known: Mapping[str, Playbook]) -> tuple[Playbook, ...]:
    found = {playbook.path: playbook}
    waiting = [playbook]
    while waiting:
        for path in waiting.pop(0).children.resolved:
            if path in known and path not in found:
                found[path] = known[path]
                waiting.append(known[path])
    return tuple(found.values())


def _why_unsafe(call_tree: Sequence[Playbook]) -> str:
    for playbook in call_tree:
        if playbook.unsafe_uses:
            reason = f"starts {playbook.path!r}, where {playbook.unsafe_uses[0]}"
            more = f", and {len(playbook.unsafe_uses) - 1} more like that" if len(playbook.unsafe_uses) > 1 else ""
            return f"{playbook.unsafe_uses[0] if playbook is call_tree[0] else reason}{more}"
    return ""


def _missing(call_tree: Sequence[Playbook], lacks: Callable[[str], bool] | None) -> Iterator[str]:
    seen: set[str] = set()
    for playbook in call_tree:
        through = "" if playbook is call_tree[0] else f" (for {playbook.path!r}, which it starts)"
        for name in playbook.credentials.resolved:
            if name not in seen and (lacks is None or lacks(name)):
                seen.add(name)
                what = "could not be looked for" if lacks is None else "is not on the server"
                yield f"the credential {name!r} {what}{through}"


def _notes(playbook: Playbook, known: Iterable[str]) -> Iterator[str]:
    for path in playbook.children.resolved:
        unknown = "" if path in known else ", which is not among these and was not looked at"
        yield f"Starts {path!r}{unknown}."
    for path in playbook.children.unresolved:
        yield f"Starts a playbook that is only known when it runs, {path!r}."
    for name in playbook.credentials.unresolved:
        yield f"Uses a credential that is only known when it runs, {name!r}."


def name_cases(paths: Iterable[str], *, without: str = "") -> Mapping[str, str]:
    """Make a unique DNS label of each path, as the name of its case.

    A name depends only on its path, so that it does not change when other playbooks come and go. The exception are
    paths that would have the same name: each of their names gets a part of its path's digest.

    Args:
        paths: the paths of the playbooks.
        without: a prefix of paths that names are made without.

    Returns:
        The names by path.
    """
    labels = {path: _label(path.removeprefix(without)) for path in sorted(set(paths))}
    taken = Counter(labels.values())
    return {path: label if taken[label] == 1 else _unique_label(path, label, taken) for path, label in labels.items()}


def category_of(folder: str, *, without: str = "") -> str | None:
    """Make a category of folders: all of them, or as many of the last ones as 63 characters can hold.

    Args:
        folder: the folders, separated by ``/``; may be empty.
        without: a prefix that is left out.

    Returns:
        The category; None if there is no folder.
    """
    cleaned = _NOT_IN_CATEGORIES.sub("-", f"{folder}/".removeprefix(without))
    parts = [stripped for part in cleaned.split("/") if (stripped := part.strip(_NOT_AT_ENDS))]
    while len("/".join(parts)) > _LONGEST_NAME and len(parts) > 1:
        parts.pop(0)
    return "/".join(parts)[:_LONGEST_NAME].strip(_NOT_AT_ENDS) or None


def name_object(text: str, default: str) -> str:
    """Make a name for a Kubernetes object from a text.

    Args:
        text: any text.
        default: the name if no character of the text can be used.
    """
    return _NOT_IN_NAMES.sub("-", text.casefold()).strip("-")[:_LONGEST_NAME].rstrip("-") or default


def _label(text: str) -> str:
    label = _NOT_IN_NAMES.sub("-", text.casefold()).strip("-")
    if len(label) <= _LONGEST_NAME:
        return label or "playbook"
    return f"{label[: _LONGEST_NAME - _DIGEST_LENGTH - 1].rstrip('-')}-{_digest(text)}"


def _unique_label(path: str, label: str, taken: Mapping[str, int]) -> str:
    salt = path
    while True:
        name = f"{label[: _LONGEST_NAME - _DIGEST_LENGTH - 1].rstrip('-')}-{_digest(salt)}"
        if name not in taken:
            return name
        salt += "\0"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
