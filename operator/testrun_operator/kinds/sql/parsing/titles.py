"""Titles: which section begins, and the marks in square brackets behind it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from testrun_operator.kinds.sql.document import FixturePoint, Marking
from testrun_operator.kinds.sql.parsing.texts import excerpt, fold


class Keyword(StrEnum):
    """What a title may begin with."""

    TEST_CASE = "TEST CASE"
    """The test case; with the name of a routine, a procedural one."""
    TEST = "TEST"
    """A test."""
    SQL = "SQL"
    """The body of a generic test; with four ``#``, an assertion."""
    ERROR = "ERROR"
    """The error that the body must raise."""
    DATA = "DATA"
    """The table of a procedural test."""
    ASSERTION = "ASSERTION"
    """An assertion."""
    ASSERTIONS = "ASSERTIONS"
    """Assertions, each with a title ``#### SQL``."""
    RESULT = "RESULT"
    """A query and what it must return."""
    BEFORE_ALL = FixturePoint.BEFORE_ALL.value
    BEFORE_EACH_TEST = FixturePoint.BEFORE_EACH_TEST.value
    BEFORE_EACH_ROW = FixturePoint.BEFORE_EACH_ROW.value
    AFTER_EACH_ROW = FixturePoint.AFTER_EACH_ROW.value
    AFTER_EACH_TEST = FixturePoint.AFTER_EACH_TEST.value
    AFTER_ALL = FixturePoint.AFTER_ALL.value
    BEFORE = FixturePoint.BEFORE.value
    """Fixtures of one test."""
    AFTER = FixturePoint.AFTER.value
    """Fixtures of one test."""


# Longer ones first, so that BEFORE does not hide BEFORE ALL.
_ALTERNATIVES = "|".join(k.value.replace(" ", r"\s+") for k in sorted(Keyword, key=len, reverse=True))
_KEYWORD = re.compile(rf"({_ALTERNATIVES})(?=[\s:\[]|$)\s*+:?\s*+", re.IGNORECASE)
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,12}")
_BRACKET = re.compile(r"[\[\]]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A title, as far as it is understood."""

    keyword: Keyword | None
    """None for any other title."""
    rest: str
    """What stands behind the keyword; the whole title where there is none."""


def read_title(text: str) -> Heading:
    """Look for a keyword at the beginning of a title; case and surplus blanks do not count, nor does a colon behind it.

    Args:
        text: what stands behind the ``#``.
    """
    text = text.strip()
    match = _KEYWORD.match(text)
    if match is None:
        return Heading(None, text)
    return Heading(Keyword(" ".join(match[1].upper().split())), text[match.end() :])


class MarkName(StrEnum):
    """A mark in square brackets."""

    SKIP = "skip"
    ONLY = "only"
    ROWS = "rows"
    TRUE = "true"
    ANY_ORDER = "any order"
    SQLSTATE = "sqlstate"


_FORMS = {
    MarkName.SKIP: "[skip: reason]",
    MarkName.ONLY: "[only]",
    MarkName.ROWS: "[rows: 3]",
    MarkName.TRUE: "[true]",
    MarkName.ANY_ORDER: "[any order]",
    MarkName.SQLSTATE: "[sqlstate: 23505]",
}
# A mark that is not closed, or in the middle of a title.
_STRAY_MARKS = {
    name: re.compile(r"\[\s*" + name.value.replace(" ", r"\s+") + r"\s*(?:[:\]]|$)", re.IGNORECASE) for name in MarkName
}
ON_TESTS = (MarkName.SKIP, MarkName.ONLY)
ON_ASSERTIONS = (MarkName.ROWS, MarkName.TRUE)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a title, with their values; a mark without a value has an empty one."""

    text: str
    """What is left of the title."""
    values: dict[MarkName, str]
    faults: tuple[str, ...]

    @property
    def marking(self) -> Marking:
        """Whether a test is skipped or focused."""
        return Marking(skip=self.values.get(MarkName.SKIP), only=MarkName.ONLY in self.values)

    @property
    def rows(self) -> int | None:
        """The expected number of rows."""
        return int(self.values[MarkName.ROWS]) if MarkName.ROWS in self.values else None


def read_marks(text: str, known: Iterable[MarkName]) -> Marks:
    """Read the marks at the beginning and at the end of what stands behind a title's keyword.

    Args:
        text: ``Heading.rest``.
        known: the marks that the title may have.
    """
    if "[" not in text:
        return Marks(text, {}, ())
    rest, found = _split_marks(text)
    known = tuple(known)
    values: dict[MarkName, str] = {}
    faults = list[str]()
    for mark in found:
        name, value, fault = _read_mark(mark, known)
        if name is not None and name in values:
            fault = f"the mark '[{name}]' is given twice"
        if fault:
            faults.append(fault)
        elif name is not None:
            values[name] = value
    stray = (name for name in known if _STRAY_MARKS[name].search(rest))
    faults += [f"the mark '[{name}' must be closed with ']' and stand at the end of the title" for name in stray]
    return Marks(rest, values, tuple(faults))


def _split_marks(text: str) -> tuple[str, list[str]]:
    """Return what stands between the marks at both ends, and the content of the marks."""
    pairs, opened = dict[int, int](), list[int]()
    for bracket in _BRACKET.finditer(text):
        if bracket[0] == "[":
            opened.append(bracket.start())
        elif opened:
            start = opened.pop()
            pairs[start], pairs[bracket.start()] = bracket.start(), start
    start, end = 0, len(text)
    first, last = list[str](), list[str]()
    while start in pairs and text[start] == "[":
        close = pairs[start]
        if close + 1 < end and not (text[close + 1].isspace() or text[close + 1] == "["):
            break
        first.append(text[start + 1 : close])
        start = close + 1
        while start < end and text[start].isspace():
            start += 1
    # From the end: 'value[1]' ends with an index, and not with a mark, which has a blank in front of it.
    position, waiting = end, list[str]()
    while position > start and text[position - 1] == "]" and position - 1 in pairs:
        position = pairs[position - 1]
        waiting.append(text[position + 1 : pairs[position]])
        if position == start or text[position - 1].isspace():
            last += waiting
            waiting = []
            while position > start and text[position - 1].isspace():
                position -= 1
            end = position
    return text[start:end].strip(), first + last[::-1]


def _read_mark(mark: str, known: tuple[MarkName, ...]) -> tuple[MarkName | None, str, str]:
    """Return the mark's name, its value, and what is wrong with it."""
    written, has_value, value = mark.partition(":")
    value = value.strip()
    name = next((name for name in known if name.value == fold(written).lower()), None)
    if name is None:
        forms = " and ".join(_FORMS[name] for name in known)
        hint = f"known are {forms}" if known else "there are none"
        return None, "", f"the mark {excerpt(f'[{mark}]')} is not known in this title: {hint}"
    form = _FORMS[name]
    match name:
        case MarkName.SKIP:
            return name, fold(value), ""
        case MarkName.ROWS if not _WHOLE_NUMBER.fullmatch(value):
            return name, "", f"the mark {excerpt(f'[{mark}]')} needs a whole number, as in {form}"
        case MarkName.SQLSTATE if not _SQLSTATE.fullmatch(value):
            return name, "", f"the mark {excerpt(f'[{mark}]')} needs five digits or capital letters, as in {form}"
        case MarkName.ONLY | MarkName.TRUE | MarkName.ANY_ORDER if has_value:
            return name, "", f"the mark {excerpt(f'[{mark}]')} takes no value: write {form}"
        case _:
            return name, value, ""
