"""A part of a test case file, a test or what stands before the first one, and what is to be shown where in it."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from testrun_operator.kinds.sql.outcome import Mark
from testrun_operator.kinds.sql.reports.blocks import Block, Shape

_SECTION = 3
"""Level of the titles inside of a test."""
_MOST_NOTES = 100
"""At one place: an assertion below a table may fail for each of its rows."""


class Part:
    """Blocks, and the marks and notes that belong to them.

    Args:
        blocks: the blocks of the part, in their order.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.failed_lines: set[int] = set()
        """Lines of code to be pointed at."""
        self.notes_elsewhere: list[str] = []
        """Notes about what is not in this part."""
        self._starts = [block.first_line for block in blocks]
        self._rows = {line for block in blocks for line in _rows_of(block)}
        self._marks: dict[int, list[Mark]] = defaultdict(list)
        self._row_marks: dict[int, list[Mark]] = defaultdict(list)
        self._notes: dict[int, list[str]] = defaultdict(list)
        self._row_notes: dict[int, list[str]] = defaultdict(list)

    def add(self, line: int, mark: Mark, note: str = "") -> None:
        """Mark what is on a line, and the title of its section.

        Args:
            line: the line. What is said of a title is shown at the code or the table below it.
            mark: how it ended.
            note: rendered, to be shown right below.
        """
        if not self.blocks or line < self._starts[0]:
            if note:
                self.notes_elsewhere.append(note)
            return
        number = max(bisect_right(self._starts, line) - 1, 0)
        title = self._title_of(number)
        body = self._body_of(number)
        if title is not None:
            self._marks[title].append(mark)
        if line in self._rows:
            self._row_marks[line].append(mark)
        elif body != title:
            self._marks[body].append(mark)
        if not note:
            return
        self.failed_lines.add(line)
        if line in self._rows:
            self._row_notes[line].append(note)
        else:
            self._notes[body].append(note)

    def mark_of(self, number: int) -> Mark | None:
        """Give the mark of a block, by its number; the worst, if there are several."""
        return _worst(self._marks.get(number, ()))

    def notes_below(self, number: int) -> Sequence[str]:
        """Give the notes below a block, by its number."""
        notes = self._notes.get(number, [])
        more = len(notes) - _MOST_NOTES
        return [*notes[:_MOST_NOTES], f'<p class="place">and {more} more</p>'] if more > 0 else notes

    def mark_of_row(self, line: int) -> Mark | None:
        """Give the mark of a table's row, by its line."""
        return _worst(self._row_marks.get(line, ()))

    def notes_below_row(self, line: int) -> Sequence[str]:
        """Give the notes below a table's row, by its line."""
        return self._row_notes.get(line, ())

    def _title_of(self, number: int) -> int | None:
        """Find the title, inside of a test, of the section that a block belongs to; None before the first of them."""
        while number >= 0 and self.blocks[number].shape is not Shape.HEADING:
            number -= 1
        return number if number >= 0 and self.blocks[number].level >= _SECTION else None

    def _body_of(self, number: int) -> int:
        """Find what a note about a title is put below: the last code or table before the next title."""
        if self.blocks[number].shape is not Shape.HEADING:
            return number
        found = number
        for index in range(number + 1, len(self.blocks)):
            if self.blocks[index].shape is Shape.HEADING:
                break
            if self.blocks[index].shape in {Shape.CODE, Shape.TABLE}:
                found = index
        return found


def _rows_of(block: Block) -> list[int]:
    """Give the lines of a table's rows, without its header."""
    if block.shape is not Shape.TABLE:
        return []
    return [token.map[0] + 1 for token in block.tokens if token.type == "tr_open" and token.map][1:]


def _worst(marks: Sequence[Mark]) -> Mark | None:
    return Mark.FAILED if Mark.FAILED in marks else (marks[0] if marks else None)
