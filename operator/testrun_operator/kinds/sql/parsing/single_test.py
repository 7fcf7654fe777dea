"""One test: the sections from its title ``## TEST`` to the next."""

from collections.abc import Sequence

from testrun_operator.kinds.sql.document import (
    ExpectedError,
    ExpectedResult,
    FixtureReference,
    Place,
    Sql,
    Table,
    Test,
)
from testrun_operator.kinds.sql.parsing.assertions import Assertions
from testrun_operator.kinds.sql.parsing.columns import check_data, check_result
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.scanner import Block, Text
from testrun_operator.kinds.sql.parsing.sections import (
    Section,
    as_sql,
    read_description,
    read_fixtures,
    report_stray,
    split_at_block,
    without_leading_rules,
)
from testrun_operator.kinds.sql.parsing.tables import read_table
from testrun_operator.kinds.sql.parsing.texts import excerpt
from testrun_operator.kinds.sql.parsing.titles import ON_TESTS, Keyword, MarkName, Marks, read_marks

UNTITLED = "Untitled test"
_SECTION_LEVEL = 3
_ITEM_LEVEL = 4
_COMMON = ("### ASSERTION", "### ASSERTIONS", "### RESULT", "### BEFORE", "### AFTER")


def read_test(sections: Sequence[Section], file: str, end_line: int, *, is_procedural: bool) -> Test:
    """Read a test.

    Args:
        sections: the test's title and the sections below it.
        file: the file's path.
        end_line: the last line that belongs to it.
        is_procedural: whether it has a table instead of SQL.
    """
    return _TestReader(file, is_procedural=is_procedural).read(sections, end_line)


class _TestReader:
    """Reads one test.

    Args:
        file: the file's path.
        is_procedural: whether it has a table instead of SQL.
    """

    def __init__(self, file: str, *, is_procedural: bool) -> None:
        self._file = file
        self._is_procedural = is_procedural
        self._problems = Problems(file)
        self._assertions = Assertions(file, self._problems)
        self._seen: dict[Keyword, int] = {}
        self._body: Sql | None = None
        self._body_line: int | None = None
        self._body_rows: int | None = None
        self._error: ExpectedError | None = None
        self._data: Table | None = None
        self._results: list[ExpectedResult] = []
        self._fixtures: dict[Keyword, tuple[FixtureReference, ...]] = {}

    def read(self, sections: Sequence[Section], end_line: int) -> Test:
        """Read all sections."""
        title, *others = sections
        marks, name = self._read_title(title)
        for section in others:
            section.report_faults(self._problems)
            self._take(section)
        self._assertions.close()
        self._check_completeness(title)
        problems = self._problems.listed()
        return Test(
            name=name or UNTITLED,
            place=Place(self._file, title.line),
            end_line=end_line,
            marking=marks.marking,
            body=None if problems else self._body,
            body_rows=self._body_rows,
            expected_error=self._error,
            data=None if problems else self._data,
            checks=tuple(self._assertions.read),
            results=tuple(self._results),
            before=self._fixtures.get(Keyword.BEFORE, ()),
            after=self._fixtures.get(Keyword.AFTER, ()),
            problems=problems,
        )

    def _read_title(self, title: Section) -> tuple[Marks, str]:
        title.report_faults(self._problems)
        if title.level != len("##"):
            self._problems.add(title.line, f"a test begins with '## TEST', with two '#', and not with {title.written}")
        marks = self._read_marks(title, *ON_TESTS)
        lines, block, rest = split_at_block(title.content)
        description = read_description(lines, self._problems, begins_with=marks.text)
        if not description:
            self._problems.add(
                title.line, "the test has no description: write what it tests below its title, every test needs that"
            )
        if block is not None:
            self._take_body(block)
            self._report_below_body(rest)
        return marks, description

    def _read_marks(self, section: Section, *known: MarkName) -> Marks:
        marks = read_marks(section.heading.rest, known)
        for fault in marks.faults:
            self._problems.add(section.line, fault)
        return marks

    def _take(self, section: Section) -> None:
        keyword = section.keyword
        if keyword is Keyword.SQL and self._is_assertion(section):
            self._take_item(section)
            return
        if keyword in {Keyword.ASSERTION, Keyword.ASSERTIONS}:
            self._check_level(section)
            self._assertions.take(section)
            return
        self._assertions.close()
        match keyword:
            case Keyword.SQL:
                self._take_sql(section)
            case Keyword.ERROR:
                self._take_error(section)
            case Keyword.DATA:
                self._take_data(section)
            case Keyword.RESULT:
                self._take_result(section)
            case Keyword.BEFORE | Keyword.AFTER if not section.heading.rest:
                self._take_fixtures(section, keyword)
            case Keyword.BEFORE | Keyword.AFTER | Keyword.TEST | Keyword.TEST_CASE | None:
                self._report_unknown(section)
            case _:
                self._problems.add(
                    section.line,
                    f"{section.written} is about all tests and must stand above the first one;"
                    " inside a test there are '### BEFORE' and '### AFTER'",
                )

    def _report_unknown(self, section: Section) -> None:
        own = ("### DATA",) if self._is_procedural else ("### SQL", "### ERROR")
        self._problems.add(
            section.line, f"{section.written} is not known inside a test: known are {', '.join((*own, *_COMMON))}"
        )

    def _check_level(self, section: Section) -> None:
        if section.level != _SECTION_LEVEL:
            self._problems.add(
                section.line, f"{section.written} needs three '#' inside a test: write '### {section.keyword}'"
            )

    def _check_rest(self, section: Section, rest: str) -> None:
        """Complain about a text in a title that has none."""
        if rest:
            self._problems.add(
                section.line,
                f"{excerpt(rest)} cannot stand behind '### {section.keyword}': remove it, or write it below",
            )

    def _check_first(self, section: Section, keyword: Keyword) -> bool:
        """Complain about a section that is given twice; return whether it is the first."""
        first = self._seen.setdefault(keyword, section.line)
        if first != section.line:
            self._problems.add(section.line, f"{section.written} is given twice: the first is in line {first}")
        return first == section.line

    def _is_assertion(self, section: Section) -> bool:
        """Return whether a title SQL begins an assertion, and not the body."""
        return section.level >= _ITEM_LEVEL and (self._assertions.is_open or self._body_line is not None)

    def _take_item(self, section: Section) -> None:
        if not self._assertions.is_open:
            self._problems.add(
                section.line,
                f"{section.written} begins an assertion, and must stand below '### ASSERTIONS';"
                " the title of the test's own SQL is '### SQL'",
            )
        elif section.level > _ITEM_LEVEL:
            self._problems.add(section.line, f"{section.written} needs four '#': write '#### SQL'")
        self._assertions.take(section)

    def _take_body(self, block: Block) -> None:
        if self._body_line is not None:
            self._problems.add(block.line, f"this block {self._why_not_second()}")
            return
        self._body_line = block.line
        if self._is_procedural:
            self._problems.add(
                block.line,
                "a block of SQL cannot stand here, since this test calls a routine with the rows of its DATA table:"
                " write '### ASSERTION' and a description above it",
            )
            return
        self._body = as_sql(block, self._file)
        if self._body is None:
            self._problems.add(block.line, "the test's block holds no SQL: the test body is empty")

    def _report_below_body(self, rest: Sequence[Text | Block]) -> None:
        report_stray(
            rest,
            self._problems,
            block=self._why_not_second(),
            text="stands below the test's block and belongs to nothing: the description stands above it",
        )

    def _why_not_second(self) -> str:
        return (
            f"is a second one of SQL, the first is in line {self._body_line}: put both into one,"
            " or write '### ASSERTION' and a description above this one"
        )

    def _take_sql(self, section: Section) -> None:
        self._check_level(section)
        marks = self._read_marks(section, MarkName.ROWS)
        self._check_rest(section, marks.text)
        if self._is_procedural:
            self._problems.add(
                section.line,
                f"{section.written} cannot stand in a test that calls a routine with the rows of its DATA table",
            )
        lines, block, rest = split_at_block(section.content)
        report_stray(
            lines,
            self._problems,
            block="",
            text=f"stands between {section.written} and its block and belongs to nothing:"
            " the description stands above the title",
        )
        if block is None:
            self._problems.add(
                section.line, f"no block stands below {section.written}: write the SQL between two '```'"
            )
            self._body_line = self._body_line or section.line
            return
        if self._body_line is None:
            self._body_rows = marks.rows
        self._take_body(block)
        self._report_below_body(rest)

    def _take_error(self, section: Section) -> None:
        self._check_level(section)
        marks = self._read_marks(section, MarkName.SQLSTATE)
        self._check_rest(section, marks.text)
        if self._is_procedural:
            self._problems.add(
                section.line, f"{section.written} belongs to tests with a block of SQL: here, DATA has a column =ERROR="
            )
        is_first = self._check_first(section, Keyword.ERROR)
        lines, block, rest = split_at_block(section.content)
        for element in (block, *rest):
            if element is not None:
                self._problems.add(
                    element.line,
                    f"only the text of the error stands below {section.written}, without a block:"
                    " the test's SQL stands above the title, or below '### SQL'",
                )
        text = read_description(lines, self._problems)
        if is_first:
            sqlstate = marks.values.get(MarkName.SQLSTATE)
            self._error = ExpectedError(text, sqlstate, Place(self._file, section.line))

    def _take_data(self, section: Section) -> None:
        self._check_level(section)
        self._check_rest(section, self._read_marks(section).text)
        if not self._is_procedural:
            self._problems.add(
                section.line,
                f"{section.written} belongs to tests of a routine, whose name stands in the first line:"
                " '# TEST CASE NAME'; this test needs a block of SQL",
            )
        if not self._check_first(section, Keyword.DATA):
            return
        lines = without_leading_rules(element for element in section.content if isinstance(element, Text))
        for element in section.content:
            if isinstance(element, Block):
                self._problems.add(
                    element.line,
                    f"a block cannot stand below {section.written}: write '### ASSERTION' and a description above it",
                )
        if not lines:
            self._problems.add(section.line, f"expected a table below {section.written}, but nothing stands there")
            return
        table = read_table(lines, self._file, self._problems)
        if table is None:
            return
        if not table.rows and not self._problems:
            self._problems.add(
                table.place.line,
                f"the table below {section.written} has no rows: each row is one call, write at least one",
            )
        check_data(table, self._problems)
        self._data = table

    def _take_result(self, section: Section) -> None:
        self._check_level(section)
        marks = self._read_marks(section, MarkName.ANY_ORDER)
        lines, block, rest = split_at_block(section.content)
        description = read_description(lines, self._problems, begins_with=marks.text)
        if block is None:
            self._problems.add(
                section.line, f"no query stands below {section.written}: write it between two '```', above the table"
            )
            return
        sql = as_sql(block, self._file)
        if sql is None:
            self._problems.add(block.line, f"the block below {section.written} holds no query")
        table_lines = without_leading_rules(element for element in rest if isinstance(element, Text))
        for element in rest:
            if isinstance(element, Block):
                self._problems.add(
                    element.line, f"this is a second block below {section.written}: write '### RESULT' for each query"
                )
        if not table_lines:
            self._problems.add(
                section.line,
                f"no table stands below the block of {section.written}: write the columns and rows that are expected",
            )
            return
        table = read_table(table_lines, self._file, self._problems)
        if table is not None and sql is not None:
            check_result(table, self._problems)
            is_ordered = MarkName.ANY_ORDER not in marks.values
            place = Place(self._file, section.line)
            self._results.append(ExpectedResult(description, sql, table, place, ordered=is_ordered))

    def _take_fixtures(self, section: Section, keyword: Keyword) -> None:
        self._check_level(section)
        if self._check_first(section, keyword):
            self._fixtures[keyword] = read_fixtures(section, self._file, self._problems)

    def _check_completeness(self, title: Section) -> None:
        if self._is_procedural:
            if Keyword.DATA not in self._seen:
                self._problems.add(
                    title.line,
                    "the test has no DATA section: write '### DATA' and a table whose rows call the routine",
                )
            return
        if self._body_line is None:
            self._problems.add(
                title.line, "the test has no body: write its SQL below the description, between two lines '```'"
            )
        if self._error is not None and self._body_rows is not None:
            self._problems.add(
                self._error.place.line, "a body that must raise an error has no rows: remove '### ERROR' or '[rows: …]'"
            )
