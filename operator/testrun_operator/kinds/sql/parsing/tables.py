"""Markdown tables, as GitHub's: read line by line, so that whatever is wrong is told by its row."""

import re
from collections.abc import Sequence

from testrun_operator.kinds.sql.document import Place, Row, Table
from testrun_operator.kinds.sql.parsing.problems import Problems
from testrun_operator.kinds.sql.parsing.scanner import Text
from testrun_operator.kinds.sql.parsing.sections import is_rule
from testrun_operator.kinds.sql.parsing.texts import excerpt, is_comment

_BOUNDARY = re.compile(r"(?<!\\)\|")
_SEPARATOR_CHARACTERS = frozenset("|:- \t")
_HEADER_AND_SEPARATOR = 2


def read_table(lines: Sequence[Text], file: str, problems: Problems) -> Table | None:
    """Read a table, and complain about all that is wrong with it.

    Args:
        lines: all lines where the table should be; the first is its header.
        file: the file's path.
        problems: where to complain.

    Returns:
        The table; None where it has no columns that could be used.
    """
    header = lines[0]
    if "|" not in header.text:
        problems.add(
            header.line, f"expected a table, whose cells are separated by '|', but found {excerpt(header.text)}"
        )
        return None
    columns = split_cells(header.text)
    if columns and is_comment(columns[-1]):
        columns.pop()
    names_are_good = _check_names(columns, header.line, problems)
    if len(lines) < _HEADER_AND_SEPARATOR or not _is_separator(lines[1]):
        problems.add(header.line, f"the table has no line {_separator_for(len(columns))} below its header row")
        return None
    rows = _Rows(len(columns), file, problems)
    for number, line in enumerate(lines[_HEADER_AND_SEPARATOR:], 1):
        rows.take(number, line)
    return Table(tuple(columns), tuple(rows.read), Place(file, header.line)) if names_are_good else None


def split_cells(line: str) -> list[str]:
    r"""Return the cells of a row, trimmed. Pipes at both ends may be left out; ``\|`` is a pipe in a cell."""
    is_escaped = "\\|" in line
    cells = _BOUNDARY.split(line) if is_escaped else line.split("|")
    if len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    if cells and not cells[0].strip() and line.startswith("|"):
        del cells[0]
    if is_escaped:
        return [cell.strip().replace("\\|", "|") for cell in cells]
    return [cell.strip() for cell in cells]


def _is_separator(line: Text) -> bool:
    return not line.after_blank and "-" in line.text and _SEPARATOR_CHARACTERS.issuperset(line.text)


def _separator_for(columns: int) -> str:
    most = 5
    return f"'{'|---' * min(columns, most)}|{'…' if columns > most else ''}'"


def _check_names(columns: list[str], line: int, problems: Problems) -> bool:
    """Complain about columns without a name, and about those that are given twice."""
    if not columns:
        problems.add(line, "the table's header row has no column")
        return False
    are_good = True
    seen: dict[str, str] = {}
    for number, column in enumerate(columns, 1):
        folded = column.casefold()
        if not column:
            problems.add(line, f"column {number} of the table has no name")
            are_good = False
        elif folded in seen:
            problems.add(line, f"the column {excerpt(column)} is given twice: case does not count")
            are_good = False
        else:
            seen[folded] = column
    return are_good


class _Rows:
    """Reads the rows below a separator.

    Args:
        columns: how many columns the table has.
        file: the file's path.
        problems: where to complain.
    """

    def __init__(self, columns: int, file: str, problems: Problems) -> None:
        self._columns = columns
        self._file = file
        self._problems = problems
        self._has_ended = False
        self._has_complained = False
        self.read: list[Row] = []

    def take(self, number: int, line: Text) -> None:
        """Take what stands in a line.

        Args:
            number: of the row, if it is one; from 1.
            line: the line.
        """
        if is_rule(line.text):
            self._has_ended = True
            return
        self._has_ended = self._has_ended or line.after_blank
        if "|" not in line.text:
            self._has_ended = True
            if not self._has_complained:
                self._problems.add(
                    line.line, f"{excerpt(line.text)} stands below the table and belongs to nothing: remove it"
                )
                self._has_complained = True
            return
        if self._has_ended:
            self._problems.add(
                line.line,
                f"row {number} of the table is cut off from it: no blank line, and nothing else,"
                " may stand between the rows",
            )
            return
        cells = split_cells(line.text)
        if len(cells) == self._columns + 1 and is_comment(cells[-1]):
            cells.pop()
        if len(cells) == self._columns:
            self.read.append(Row(tuple(cells), Place(self._file, line.line)))
            return
        self._problems.add(line.line, self._wrong_number_of_cells(number, len(cells)))

    def _wrong_number_of_cells(self, number: int, cells: int) -> str:
        has = f"row {number} of the table has {cells} cell{'' if cells == 1 else 's'}"
        wanted = f"but its header has {self._columns}"
        if cells > self._columns:
            return f"{has}, {wanted}: a pipe in a cell is written '\\|'"
        return f"{has}, {wanted}: an empty cell needs its pipes, too"
