"""Which playbooks become cases, under which names and categories; which are left out, and why."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from testrun_operator.kinds.playbook.commands.playbooks import Playbook

_LONGEST_PATH = 253
_LONGEST = 63
_DIGEST = 6
_NO_LABEL = re.compile(r"[^a-z0-9]+")
_NO_CATEGORY = re.compile(r"[^-_./A-Za-z0-9]+")
_ENDS = "-_./"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of the playbooks that there are."""

    match: tuple[str, ...] = ()
    """Patterns of paths, as of a shell; none for all."""
    categories: tuple[str, ...] = ()
    """Categories, with those below them; none for all."""
    include_unsafe: bool = False
    assume_credentials: bool = False
    strip: str = ""
    """What paths begin with, and names and categories should not."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A playbook that becomes a case."""

    name: str
    playbook: Playbook
    category: str | None
    missing: tuple[str, ...] = ()
    """Why it only runs when asked for: credentials that are not there, or cannot be looked for."""
    notes: tuple[str, ...] = ()
    family: tuple[Playbook, ...] = ()
    """The playbook, and all that it starts, as far as they are known."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A playbook that does not become a case."""

    path: str
    reason: str


@dataclass(slots=True)
class Choice:
    """What becomes of playbooks."""

    candidates: list[Candidate] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    others: int = 0
    """How many were not asked for."""

    def count_categories(self) -> Counter[str]:
        """Count the cases of each category."""
        return Counter(candidate.category or "(none)" for candidate in self.candidates)


def choose(playbooks: Sequence[Playbook], wishes: Wishes, lacks: Callable[[str], bool] | None) -> Choice:
    """Decide about each playbook.

    What a playbook starts counts as its own: a shell that it has another playbook start is a shell.

    Args:
        playbooks: all that there are.
        wishes: of the user.
        lacks: says whether the server has no credential of a name; None where there is no server to ask.
    """
    choice = Choice()
    known: dict[str, Playbook] = {}
    for playbook in playbooks:
        if playbook.path in known:
            first = known[playbook.path].origin
            choice.left_out.append(LeftOut(playbook.path, f"{playbook.origin} has the same path as {first}"))
        known.setdefault(playbook.path, playbook)
    names = name_cases(known, without=wishes.strip)
    for path in sorted(known):
        playbook = known[path]
        category = category_of(playbook.folder, without=wishes.strip)
        if not _is_wanted(path, category, wishes):
            choice.others += 1
            continue
        family = _family(playbook, known)
        reason = _why_not(playbook) or ("" if wishes.include_unsafe else _why_dangerous(family))
        if reason:
            choice.left_out.append(LeftOut(path, reason))
            continue
        missing = () if wishes.assume_credentials else tuple(_missing(family, lacks))
        notes = tuple(_notes(playbook, known))
        choice.candidates.append(Candidate(names[path], playbook, category, missing, notes, family))
    return choice


def _is_wanted(path: str, category: str | None, wishes: Wishes) -> bool:
    if wishes.match and not any(fnmatchcase(path, pattern) for pattern in wishes.match):
        return False
    if not wishes.categories:
        return True
    return any(category == one or (category or "").startswith(f"{one}/") for one in wishes.categories)


def _why_not(playbook: Playbook) -> str:
    if len(playbook.path) > _LONGEST_PATH:
        return f"its path has more than {_LONGEST_PATH} characters"
    if any(mark in playbook.path for mark in ("{{", "{%", "{#")):
        return "its path looks like a template, which a case would render"
    return "" if playbook.path.isprintable() else "its path has control characters"


def _family(playbook: Playbook, known: Mapping[str, Playbook]) -> tuple[Playbook, ...]:
    found = {playbook.path: playbook}
    waiting = [playbook]
    while waiting:
        for path in waiting.pop(0).children.known:
            if path in known and path not in found:
                found[path] = known[path]
                waiting.append(known[path])
    return tuple(found.values())


def _why_dangerous(family: Sequence[Playbook]) -> str:
    for playbook in family:
        if playbook.dangers:
            reason = f"starts {playbook.path!r}, where {playbook.dangers[0]}"
            more = f", and {len(playbook.dangers) - 1} more like that" if len(playbook.dangers) > 1 else ""
            return f"{playbook.dangers[0] if playbook is family[0] else reason}{more}"
    return ""


def _missing(family: Sequence[Playbook], lacks: Callable[[str], bool] | None) -> Iterator[str]:
    told: set[str] = set()
    for playbook in family:
        through = "" if playbook is family[0] else f" (for {playbook.path!r}, which it starts)"
        for name in playbook.credentials.known:
            if name not in told and (lacks is None or lacks(name)):
                told.add(name)
                what = "could not be looked for" if lacks is None else "is not on the server"
                yield f"the credential {name!r} {what}{through}"


def _notes(playbook: Playbook, known: Iterable[str]) -> Iterator[str]:
    for path in playbook.children.known:
        unknown = "" if path in known else ", which is not among these and was not looked at"
        yield f"Starts {path!r}{unknown}."
    for path in playbook.children.unknown:
        yield f"Starts a playbook that is only known when it runs, {path!r}."
    for name in playbook.credentials.unknown:
        yield f"Uses a credential that is only known when it runs, {name!r}."


def name_cases(paths: Iterable[str], *, without: str = "") -> Mapping[str, str]:
    """Give each path the name of its case: a DNS label, and a different one for each.

    A name depends on its path alone, so that it stays when playbooks come and go; unless another path would have the
    same: then both get a part of their path's digest.

    Args:
        paths: the paths.
        without: what they begin with, and names should not.
    """
    every = sorted(set(paths))
    plain = {path: _label(path.removeprefix(without)) for path in every}
    taken = Counter(plain.values())
    return {path: label if taken[label] == 1 else _distinct(path, label, taken) for path, label in plain.items()}


def category_of(folder: str, *, without: str = "") -> str | None:
    """Make a category of folders: as they are, or the last of them that fit; None where there are none."""
    cleaned = _NO_CATEGORY.sub("-", f"{folder}/".removeprefix(without))
    parts = [stripped for part in cleaned.split("/") if (stripped := part.strip(_ENDS))]
    while len("/".join(parts)) > _LONGEST and len(parts) > 1:
        parts.pop(0)
    return "/".join(parts)[:_LONGEST].strip(_ENDS) or None


def name_object(text: str, default: str) -> str:
    """Make a name for a Kubernetes object of a text, or take the default where nothing of it can be used."""
    return _NO_LABEL.sub("-", text.casefold()).strip("-")[:_LONGEST].rstrip("-") or default


def _label(text: str) -> str:
    label = _NO_LABEL.sub("-", text.casefold()).strip("-")
    if len(label) <= _LONGEST:
        return label or "playbook"
    return f"{label[: _LONGEST - _DIGEST - 1].rstrip('-')}-{_digest(text)}"


def _distinct(path: str, label: str, taken: Mapping[str, int]) -> str:
    salt = path
    while True:
        name = f"{label[: _LONGEST - _DIGEST - 1].rstrip('-')}-{_digest(salt)}"
        if name not in taken:
            return name
        salt += "\0"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
