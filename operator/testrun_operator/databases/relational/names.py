"""Names as authors write them: ``divide``, ``billing.charge``, ``"Mixed"."Case"``, ``charge(integer, text)``."""

import re
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(
    r"""\s*(?:"(?P<double>(?:[^"]|"")*)"|`(?P<back>(?:[^`]|``)*)`|\[(?P<bracket>[^\]]*)\]|(?P<plain>[^\s."`(\[]+))\s*"""
)
_TYPES: Final = re.compile(r"\((?P<types>.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Name:
    """One part of a name."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, its parts from left to right, and the types behind it."""

    parts: tuple[Name, ...]
    types: tuple[str, ...] | None = None
    """None where there are no parentheses."""

    @property
    def name(self) -> Name:
        """The last part."""
        return self.parts[-1]

    @property
    def schema(self) -> Name | None:
        """The part before the last one."""
        return self.parts[-2] if len(self.parts) > 1 else None


def read_reference(text: str) -> Reference:
    """Read a name.

    Args:
        text: as an author writes it. What cannot be read is one name as it stands, which will not be found.
    """
    parts: list[Name] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(_name(match))
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    types = _TYPES.fullmatch(text, position)
    if not parts or (position < len(text) and not types):
        return Reference((Name(text.strip(), quoted=True),))
    if types is None:
        return Reference(tuple(parts))
    return Reference(tuple(parts), _split_types(types["types"]))


def _split_types(text: str) -> tuple[str, ...]:
    """Split at the commas that are in no parentheses, as those of ``decimal(10, 2)`` are."""
    types = [""]
    depth = 0
    for piece in re.split(r"([,()])", text):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            types.append("")
        else:
            types[-1] += piece
    return tuple(" ".join(entry.split()) for entry in types) if text.strip() else ()


def _name(match: re.Match[str]) -> Name:
    if match["plain"] is not None:
        return Name(match["plain"])
    if match["double"] is not None:
        return Name(match["double"].replace('""', '"'), quoted=True)
    if match["back"] is not None:
        return Name(match["back"].replace("``", "`"), quoted=True)
    return Name(match["bracket"], quoted=True)
