"""Rows of tables as people look for them: with the names of their columns."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from testrun_operator.kinds.sql.document import Place, Row, Table
from testrun_operator.kinds.sql.parsing.parser import parse_test_case
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.terminal.printing import clean

_MOST_OF_A_CELL = 40
_GAP = 2


class Tables:
    """Finds the row of a DATA or RESULT table that begins at a place.

    Args:
        project: whose files are looked through.
    """

    def __init__(self, project: Project) -> None:
        self._texts = {file.path: file.text for file in project.tests}
        self._rows: dict[str, Mapping[int, tuple[Table, Row]]] = {}

    def knows(self, path: str) -> bool:
        """Whether a path is that of a test case file."""
        return path in self._texts

    def find(self, place: Place) -> tuple[Table, Row] | None:
        """Find a row and its table; None where there is none."""
        if place.file not in self._rows:
            self._rows[place.file] = self._read(place.file)
        return self._rows[place.file].get(place.line)

    def _read(self, path: str) -> Mapping[int, tuple[Table, Row]]:
        text = self._texts.get(path)
        if text is None:
            return {}
        tables = [
            table
            for test in parse_test_case(text, path).tests
            for table in (test.data, *(result.table for result in test.results))
            if table is not None
        ]
        return {row.place.line: (table, row) for table in tables for row in table.rows}


def render_row(table: Table, row: Row, width: int) -> Sequence[str]:
    """Render a row below the names of its columns; where that is too wide, one below the other.

    Args:
        table: the row's table.
        row: the row.
        width: how wide lines may be.
    """
    names = [clean(name) for name in table.columns]
    cells = [_cut(clean(cell)) for cell in row.cells]
    widths = [max(cell_len(name), cell_len(cell)) for name, cell in zip(names, cells, strict=False)]
    if sum(widths) + _GAP * (len(widths) - 1) <= width:
        return [_join(names, widths), _join(cells, widths)]
    longest = max(map(cell_len, names))
    return [f"{_pad(name, longest)}{' ' * _GAP}{cell}".rstrip() for name, cell in zip(names, cells, strict=False)]


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (" " * _GAP).join(_pad(cell, width) for cell, width in zip(cells, widths, strict=False)).rstrip()


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_OF_A_CELL else text[: _MOST_OF_A_CELL - 1] + "…"
