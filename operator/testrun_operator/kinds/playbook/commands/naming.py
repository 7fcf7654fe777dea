"""Names of cases and categories, made of paths."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

_LONGEST = 63
_DIGEST = 6
_NO_LABEL = re.compile(r"[^a-z0-9]+")
_NO_CATEGORY = re.compile(r"[^-_./A-Za-z0-9]+")
_ENDS = "-_./"


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
