"""Assertions in both forms: ``### ASSERTION``, and ``### ASSERTIONS`` with ``#### SQL`` each."""

from dataclasses import dataclass, field

from testrun_operator.kinds.sql.document import Check, Place
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.scanner import Block, Text
from testrun_operator.kinds.sql.parsing.sections import Content, Section, as_sql, read_description, report_stray
from testrun_operator.kinds.sql.parsing.texts import excerpt
from testrun_operator.kinds.sql.parsing.titles import ON_ASSERTIONS, Keyword, MarkName, Marks, read_marks

_FORM = "a description and one block of SQL"


@dataclass(slots=True)
class _Draft:
    """An assertion that is being read."""

    line: int
    title: str
    is_alone: bool
    """Whether its title is ``### ASSERTION``, below which a title ``#### SQL`` changes nothing."""
    marks: list[Marks]
    above: list[Text] = field(default_factory=list)
    block: Block | None = None
    below: list[Content] = field(default_factory=list)

    def take(self, content: list[Content]) -> None:
        for element in content:
            if self.block is not None:
                self.below.append(element)
            elif isinstance(element, Block):
                self.block = element
            else:
                self.above.append(element)


class Assertions:
    """Reads the assertions of a test.

    Args:
        file: the file's path.
        problems: where to complain.
    """

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._draft: _Draft | None = None
        self._list: Section | None = None
        self._is_open = False
        self.read: list[Check] = []

    @property
    def is_open(self) -> bool:
        """Whether the section that was read last is about assertions, so that a title ``#### SQL`` may follow."""
        return self._is_open

    def take(self, section: Section) -> None:
        """Take a section whose title is ASSERTION, ASSERTIONS, or SQL below one of them."""
        match section.keyword:
            case Keyword.ASSERTION:
                self.close()
                self._begin(section, is_alone=True)
            case Keyword.ASSERTIONS:
                self.close()
                self._begin_list(section)
            case _:
                self._take_item(section)
        self._is_open = True

    def close(self) -> None:
        """Finish what is being read: another section begins, or the test ends."""
        self._finish()
        if self._list is not None:
            self._problems.add(
                self._list.line, f"no assertion stands below {self._list.written}: write '#### SQL', {_FORM} for each"
            )
            self._list = None
        self._is_open = False

    def _begin(self, section: Section, *, is_alone: bool) -> None:
        marks = self._read_marks(section)
        self._draft = _Draft(section.line, section.written, is_alone, [marks])
        self._draft.take(section.content)

    def _begin_list(self, section: Section) -> None:
        marks = read_marks(section.heading.rest, ())
        for fault in marks.faults:
            self._problems.add(section.line, fault)
        if marks.text:
            self._problems.add(
                section.line, f"{excerpt(marks.text)} cannot stand behind '### ASSERTIONS': write it behind '#### SQL'"
            )
        if not section.content:
            self._list = section
            return
        # The first '#### SQL' may be left out.
        first = section.content[0].line
        self._draft = _Draft(first, section.written, is_alone=False, marks=[])
        self._draft.take(section.content)

    def _take_item(self, section: Section) -> None:
        self._list = None
        draft = self._draft
        if draft is not None and draft.is_alone and draft.block is None:
            draft.marks.append(self._read_marks(section))
            draft.take(section.content)
            return
        self._finish()
        self._begin(section, is_alone=False)

    def _read_marks(self, section: Section) -> Marks:
        marks = read_marks(section.heading.rest, ON_ASSERTIONS)
        for fault in marks.faults:
            self._problems.add(section.line, fault)
        return marks

    def _finish(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None:
            return
        titles = " ".join(marks.text for marks in draft.marks)
        description = read_description(draft.above, self._problems, begins_with=titles)
        if not description:
            self._problems.add(
                draft.line, f"the assertion {draft.title} has no description: write what it asserts below its title"
            )
        report_stray(
            draft.below,
            self._problems,
            block=f"is a second one of the assertion of line {draft.line}: each has {_FORM}",
            text=f"stands below the block of the assertion of line {draft.line} and belongs to nothing",
        )
        if draft.block is None:
            self._problems.add(
                draft.line, f"the assertion {draft.title} has no SQL: write it in a block between two lines '```'"
            )
            return
        sql = as_sql(draft.block, self._file)
        if sql is None:
            self._problems.add(draft.block.line, "the assertion is blank: its block holds no SQL")
            return
        rows = [marks.rows for marks in draft.marks if marks.rows is not None]
        self.read.append(
            Check(
                description=description,
                sql=sql,
                place=Place(self._file, draft.line),
                rows=rows[-1] if rows else None,
                is_true=any(MarkName.TRUE in marks.values for marks in draft.marks),
            )
        )
