"""Sections, from one title to the next, and what is common to them: descriptions, blocks, lists of fixtures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile

from testrun_operator.kinds.sql.document import FixtureReference, Place, Sql
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.scanner import Block, Element, Fault, Text, Title
from testrun_operator.kinds.sql.parsing.texts import excerpt, fold, without_comments
from testrun_operator.kinds.sql.parsing.titles import Heading, Keyword, read_title

_ITEM = re.compile(r"[-*+]\s+(\S.*)")
_BULLETS = ("-", "*", "+")
_SHORTEST_RULE = 3
_SHORTEST_UNDERLINE = 2

Content = Text | Block


@dataclass(slots=True)
class Section:
    """A title and what stands below it, up to the next."""

    line: int
    level: int
    title: str
    """What stands behind the ``#``."""
    heading: Heading
    content: list[Content] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def keyword(self) -> Keyword | None:
        """What the title begins with; None for a title that is not known."""
        return self.heading.keyword

    @property
    def written(self) -> str:
        """The title in single quotes, for messages."""
        return excerpt(f"{'#' * min(self.level, 7)} {self.title}")

    def report_faults(self, problems: Problems) -> None:
        """Complain about what could not be read as it is written."""
        for fault in self.faults:
            problems.add(fault.line, fault.message)


def split_sections(elements: Iterable[Element]) -> tuple[Section, list[Section]]:
    """Return what stands above the first title, as a section of level 0, and the sections."""
    current = preamble = Section(1, 0, "", Heading(None, ""))
    sections = list[Section]()
    for element in elements:
        match element:
            case Title():
                current = Section(element.line, element.level, element.text, read_title(element.text))
                sections.append(current)
            case Fault():
                current.faults.append(element)
            case _:
                current.content.append(element)
    return preamble, sections


def is_rule(text: str) -> bool:
    """Return whether a line is a thematic break: decoration that means nothing."""
    return (
        text[0] in "-*_"
        and len(text) >= _SHORTEST_RULE
        and not text.strip(text[0] + " \t")
        and (text.count(text[0]) >= _SHORTEST_RULE)
    )


def read_description(lines: Sequence[Text], problems: Problems, *, begins_with: str = "") -> str:
    """Return a description on one line, without comments and thematic breaks.

    Args:
        lines: its lines.
        problems: where to complain about titles that are underlined, and about comments.
        begins_with: what stands in the title.
    """
    kept = [begins_with]
    above: Text | None = None
    for line in lines:
        is_below = above is not None and not line.after_blank and above.line == line.line - 1
        if above is not None and is_below and _is_underline(line.text):
            if _is_title(above.text):
                problems.add(above.line, f"titles cannot be underlined here: write {excerpt(_title_for(above.text))}")
        elif not is_rule(line.text):
            text, is_open = without_comments(line.text)
            if is_open:
                problems.add(line.line, "a comment of several lines must begin a line of its own")
            kept.append(text)
        above = line
    return fold(" ".join(kept))


def _is_underline(text: str) -> bool:
    return text[0] in "-=" and len(text) >= _SHORTEST_UNDERLINE and not text.strip(text[0])


def _is_title(text: str) -> bool:
    heading = read_title(text)
    return heading.keyword is Keyword.TEST_CASE or (heading.keyword is not None and not heading.rest)


def _title_for(text: str) -> str:
    match read_title(text).keyword:
        case Keyword.TEST_CASE:
            return f"# {text}"
        case Keyword.SQL | Keyword.ERROR | Keyword.DATA | Keyword.ASSERTION | Keyword.ASSERTIONS | Keyword.RESULT:
            return f"### {text}"
        case _:
            return f"## {text}"


def split_at_block(content: Sequence[Content]) -> tuple[list[Text], Block | None, list[Content]]:
    """Return the text above the first block, the block, and what stands below it."""
    above = list[Text]()
    for position, element in enumerate(content):
        if isinstance(element, Block):
            return above, element, list(content[position + 1 :])
        above.append(element)
    return above, None, []


def without_leading_rules(lines: Iterable[Text]) -> list[Text]:
    """Return lines without the thematic breaks at their beginning."""
    return list(dropwhile(lambda line: is_rule(line.text), lines))


def report_stray(content: Iterable[Content], problems: Problems, *, block: str, text: str) -> None:
    """Complain about what belongs to nothing: each block, and the first line of each text.

    Args:
        content: what stands there.
        problems: where to complain.
        block: what to say of a block, behind "this block".
        text: what to say of a text, behind its beginning.
    """
    is_in_text = False
    for element in content:
        if isinstance(element, Block):
            problems.add(element.line, f"this block {block}")
            is_in_text = False
        elif not is_in_text and not is_rule(element.text):
            problems.add(element.line, f"{excerpt(element.text)} {text}")
            is_in_text = True


def as_sql(block: Block, file: str) -> Sql | None:
    """Return a block's SQL; None where it is blank."""
    return Sql(block.text, Place(file, block.first_line)) if block.text.strip() else None


def read_fixtures(section: Section, file: str, problems: Problems) -> tuple[FixtureReference, ...]:
    """Return the names in a list of fixtures."""
    references = []
    for element in section.content:
        if isinstance(element, Block):
            problems.add(
                element.line,
                f"a block of SQL cannot stand below {section.written}: put it into a fixture, and write '- its name'",
            )
            continue
        if is_rule(element.text):
            continue
        text, is_open = without_comments(element.text)
        if is_open:
            problems.add(element.line, "a comment of several lines must begin a line of its own")
        item = _ITEM.fullmatch(text)
        if item is not None:
            references.append(FixtureReference(fold(item[1]), Place(file, element.line)))
        elif text in _BULLETS:
            problems.add(element.line, f"this item below {section.written} names no fixture")
        else:
            problems.add(
                element.line,
                f"{excerpt(text)} is no item of a list: below {section.written} write '- name' for each fixture",
            )
    return tuple(references)
