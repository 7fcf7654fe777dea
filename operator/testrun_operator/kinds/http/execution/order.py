"""Compares the items of a walk with one another: whether each occurs once, and whether they are in order."""

import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from testrun_operator.kinds.http.execution.pagination import Page
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable

MAX_PROBLEMS = 5
"""So many items with a problem are named; the others are counted."""
_KEY_LENGTH = 60


def find_duplicates(pages: Sequence[Page], key: Expression, masker: Masker) -> list[str]:
    """Return the problems of items that have the same key as another one, or no key; empty if there are none.

    Args:
        pages: the pages of the walk.
        key: expression for the key of an item.
        masker: keeps secrets out of the problems.
    """
    seen: dict[str, str] = {}
    problems = _Problems()
    for place, item in _places(pages):
        value = _key_of(item, key)
        if value is None or isinstance(value, NotApplicable):
            problems.add(f"{place} has no {key.source}")
            continue
        # Keys are compared as JSON, because lists and objects are not hashable. There 1.0 and 1 are the same number,
        # and # true is not 1.
        canonical = json.dumps(_normalize(value), sort_keys=True)
        if canonical in seen:
            problems.add(f"{masker.show(value, _KEY_LENGTH)} is {seen[canonical]} and again {place}")
        else:
            seen[canonical] = place
    return problems.shown()


def find_disorder(pages: Sequence[Page], key: Expression, masker: Masker, *, descending: bool) -> list[str]:
    """Return the problems of items that are not in order, or whose key cannot be ordered; empty if there are none.

    Args:
        pages: the pages of the walk.
        key: expression for the key of an item.
        masker: keeps secrets out of the problems.
        descending: whether the keys must descend.
    """
    problems = _Problems()
    previous: float | str | None = None
    for place, item in _places(pages):
        value = _key_of(item, key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            shown = str(value) if isinstance(value, NotApplicable) else masker.show(value, _KEY_LENGTH)
            problems.add(f"{place} has {shown} at {key.source}, which is neither a number nor a text")
            continue
        if previous is not None and isinstance(value, str) != isinstance(previous, str):
            shown = f"{masker.show(value, _KEY_LENGTH)} after {masker.show(previous, _KEY_LENGTH)}"
            problems.add(f"{place} has {shown}, and numbers and texts have no order")
        elif previous is not None and _is_before(value, previous, descending=descending):
            problems.add(f"{place} has {masker.show(value, _KEY_LENGTH)} after {masker.show(previous, _KEY_LENGTH)}")
        previous = value
    return problems.shown()


class _Problems:
    """The first problems, and the number of the others."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._others = 0

    def add(self, problem: str) -> None:
        if len(self._first) < MAX_PROBLEMS:
            self._first.append(problem)
        else:
            self._others += 1

    def shown(self) -> list[str]:
        return [*self._first, f"and {self._others} more"] if self._others else self._first


def _places(pages: Sequence[Page]) -> Iterator[tuple[str, JsonValue]]:
    for page in pages:
        for number, item in enumerate(page.items, start=1):
            yield f"item {number} on page {page.number}", item


def _key_of(item: JsonValue, key: Expression) -> JsonValue | NotApplicable:
    try:
        return key.search(item)
    except NotApplicable as error:
        return error


def _is_before(value: float | str, previous: float | str, *, descending: bool) -> bool:
    if isinstance(value, str) and isinstance(previous, str):
        return value > previous if descending else value < previous
    if isinstance(value, str) or isinstance(previous, str):
        return False
    return value > previous if descending else value < previous


def _normalize(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normalize(item) for item in value]
    if isinstance(value, dict):
        return {key: _normalize(item) for key, item in value.items()}
    return value
