"""The parser of test case files."""

import re

from testrun_operator.kinds.sql.document import FixturePoint, FixtureReference, Place, Test, TestCase
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.scanner import scan
from testrun_operator.kinds.sql.parsing.sections import (
    Section,
    read_description,
    read_fixtures,
    report_stray,
    split_at_block,
    split_sections,
)
from testrun_operator.kinds.sql.parsing.single_test import read_test
from testrun_operator.kinds.sql.parsing.texts import excerpt
from testrun_operator.kinds.sql.parsing.titles import ON_TESTS, Keyword, Marks, read_marks

_POINTS = {
    Keyword(point.value): point for point in FixturePoint if point not in {FixturePoint.BEFORE, FixturePoint.AFTER}
}
_ROW_POINTS = (FixturePoint.BEFORE_EACH_ROW, FixturePoint.AFTER_EACH_ROW)
_TITLE_FORM = "'# TEST CASE', or '# TEST CASE NAME' with the name of a procedure or function"
_TEST_LEVEL = 2
_FIXTURE_LEVELS = (2, 3)

# A name, perhaps in quotes and with those of schema and package in front; then, perhaps, types in parentheses.
_PART = r'(?:"(?:[^"]|"")++"|`(?:[^`]|``)++`|[^\s."`()]++)'
_ROUTINE = re.compile(rf"{_PART}(?:\.{_PART})*+\s*+(?P<types>\(.*\))?", re.DOTALL)


def parse_test_case(text: str, file: str) -> TestCase:
    """Read a test case file, whatever it says.

    Args:
        text: the file's text.
        file: its path, for places and for the name of a test case without a description.

    Returns:
        The test case. What cannot be done is among its problems, or among those of one of its tests; nothing that an
        author wrote is left out without a word.
    """
    scanned = scan(text)
    preamble, sections = split_sections(scanned.elements)
    return _CaseReader(file, scanned.lines).read(preamble, sections)


def _is_routine(name: str) -> bool:
    match = _ROUTINE.fullmatch(name)
    if match is None:
        return False
    depth = 0
    types = match["types"] or ""
    for position, character in enumerate(types, 1):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(types):
            return False
    return depth == 0


class _CaseReader:
    """Reads a test case.

    Args:
        file: the file's path.
        lines: how many lines it has.
    """

    def __init__(self, file: str, lines: int) -> None:
        self._file = file
        self._lines = lines
        self._problems = Problems(file)
        self._name = ""
        self._routine: str | None = None
        self._is_procedural: bool | None = None
        self._fixtures: dict[FixturePoint, tuple[FixtureReference, ...]] = {}
        self._fixture_lines: dict[FixturePoint, int] = {}
        self._reported_level: int | None = None  # of a section with a problem, which covers those below it

    def read(self, preamble: Section, sections: list[Section]) -> TestCase:
        """Read all of it."""
        titles = [section for section in sections if section.keyword is Keyword.TEST_CASE]
        header = next((title for title in titles if title.level == 1), titles[0] if titles else None)
        self._check_beginning(preamble, sections, header)
        marks = self._read_header(header) if header is not None else Marks("", {}, ())
        tests = self._read_sections(sections, header)
        if not tests:
            line = header.line if header is not None else 1
            self._problems.add(line, "there is no test in this file, so there is nothing to run: write '## TEST'")
        return TestCase(
            file=self._file,
            name=self._name or self._file,
            place=Place(self._file, header.line if header is not None else 1),
            routine=self._routine,
            marking=marks.marking,
            fixtures=tuple(self._fixtures.items()),
            tests=tuple(tests),
            problems=self._problems.listed(),
        )

    def _check_beginning(self, preamble: Section, sections: list[Section], header: Section | None) -> None:
        """Complain about all that stands above the title, and where there is none."""
        preamble.report_faults(self._problems)
        if header is None:
            self._problems.add(1, f"the first line of a test case must be its title, {_TITLE_FORM}")
        why = f"stands above the title of the test case: the first line must be {_TITLE_FORM}"
        report_stray(preamble.content, self._problems, block=why, text=why)
        if header is not None and header is not sections[0]:
            first = sections[0]
            self._problems.add(first.line, f"{first.written} {why}")

    def _read_header(self, header: Section) -> Marks:
        if header.level != len("#"):
            self._problems.add(
                header.line, f"a test case begins with '# TEST CASE', with one '#', and not with {header.written}"
            )
        marks = read_marks(header.heading.rest, ON_TESTS)
        for fault in marks.faults:
            self._problems.add(header.line, fault)
        if not marks.text:
            self._is_procedural = False
        elif _is_routine(marks.text):
            self._routine = marks.text
            self._is_procedural = True
        else:
            self._problems.add(
                header.line,
                f"{excerpt(marks.text)} cannot be the name of a procedure or function: one that has blanks is written"
                " in double quotes, parameters' types in parentheses; the description stands below the title",
            )
        lines, block, rest = split_at_block(header.content)
        self._name = read_description(lines, self._problems)
        if not self._name:
            self._problems.add(header.line, "the test case has no description: write what it tests below its title")
        if block is not None:
            report_stray(
                [block, *rest],
                self._problems,
                block="stands outside of a test: write '## TEST' and a description above it",
                text="stands below a block outside of a test, and belongs to nothing",
            )
        return marks

    def _read_sections(self, sections: list[Section], header: Section | None) -> list[Test]:
        """Read the fixtures and the tests."""
        tests = list[Test]()
        test = list[Section]()
        for section in sections:
            if section.keyword is not Keyword.TEST and test and _belongs_to_test(section):
                test.append(section)
                continue
            if test:
                tests.append(self._read_test(test, section.line - 1))
                test = []
            if section.keyword is Keyword.TEST:
                test = [section]
            else:
                self._take_outside(section, header, is_above_tests=not tests)
        if test:
            tests.append(self._read_test(test, self._lines))
        return tests

    def _read_test(self, sections: list[Section], end_line: int) -> Test:
        self._reported_level = None
        is_procedural = self._is_procedural
        if is_procedural is None:
            # The title does not say it; this keeps its problem from becoming one of every test.
            is_procedural = any(section.keyword is Keyword.DATA for section in sections)
        return read_test(sections, self._file, end_line, is_procedural=is_procedural)

    def _take_outside(self, section: Section, header: Section | None, *, is_above_tests: bool) -> None:
        """Take a section that belongs to no test."""
        section.report_faults(self._problems)
        if section is header:
            return
        if self._reported_level is not None and section.level > self._reported_level:
            return
        self._reported_level = None
        point = _POINTS.get(section.keyword) if section.keyword is not None else None
        if point is not None and not section.heading.rest and is_above_tests:
            self._take_fixtures(section, point)
            return
        self._reported_level = section.level
        self._problems.add(section.line, self._why_not_outside(section, is_above_tests=is_above_tests))

    def _why_not_outside(self, section: Section, *, is_above_tests: bool) -> str:
        keyword = section.keyword
        if keyword is Keyword.TEST_CASE:
            return (
                f"{section.written} begins a second test case: a file holds one, put the other into a file of its own"
            )
        if keyword is not None and keyword in _POINTS and not section.heading.rest:
            return f"{section.written} stands below a test: fixtures for all tests are listed above the first one"
        if keyword in {Keyword.BEFORE, Keyword.AFTER} and not section.heading.rest and is_above_tests:
            return (
                f"{section.written} stands outside of a test: the fixtures for all of them are those of"
                f" '## {keyword} ALL' and '## {keyword} EACH TEST'"
            )
        if keyword is not None and keyword not in _POINTS and not section.heading.rest:
            return f"{section.written} belongs into a test: write '## TEST' and a description above it"
        known = ", ".join(f"## {known}" for known in (*_POINTS, Keyword.TEST))
        return f"{section.written} is not known, and neither is what stands below it: known are {known}"

    def _take_fixtures(self, section: Section, point: FixturePoint) -> None:
        if section.level not in _FIXTURE_LEVELS:
            self._problems.add(section.line, f"{section.written} needs two '#': write '## {point}'")
        if point in _ROW_POINTS and self._is_procedural is False:
            self._problems.add(
                section.line,
                f"{section.written} needs tests with rows, which call the routine that '# TEST CASE NAME' names",
            )
        first = self._fixture_lines.setdefault(point, section.line)
        if first != section.line:
            self._problems.add(section.line, f"{section.written} is given twice: the first is in line {first}")
            return
        self._fixtures[point] = read_fixtures(section, self._file, self._problems)


def _belongs_to_test(section: Section) -> bool:
    """Return whether a section continues the test above it; the level decides, and where that is wrong, the keyword."""
    if section.level > _TEST_LEVEL:
        return True
    return section.keyword is not None and section.keyword not in _POINTS and section.keyword is not Keyword.TEST_CASE
