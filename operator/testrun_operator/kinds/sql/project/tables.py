"""CSV fixtures: rows for the table that has the file's name."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import NULL, Place, Problem
from testrun_operator.kinds.sql.project.model import File
from testrun_operator.sources.paths import MAX_FILE_BYTES

csv.field_size_limit(MAX_FILE_BYTES)  # a setting of the whole process; no file that is read has a longer field

ENDING = ".csv"


class TableMalformed(CaseError):
    """A CSV file is not a table.

    Args:
        problem: what is wrong, and where.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class CsvTable:
    """What a CSV file says."""

    table: str
    """The table's name, as the file is called: ``users``, ``billing.users``."""
    columns: tuple[str, ...]
    """As the header names them, without blanks around them; at least one."""
    rows: tuple[tuple[str | None, ...], ...]
    """One value for each column; None for NULL."""
    lines: tuple[int, ...]
    """The line on which each row begins."""


def is_table(file: File) -> bool:
    """Whether a fixture is a table and not a script, which its ending says."""
    return file.path.lower().endswith(ENDING)


def read_csv(file: File) -> CsvTable:
    """Read a CSV file: commas, double quotes, and a header that names the columns.

    ``__NULL__`` is NULL, nothing is the empty text. Blanks belong to a value.

    Args:
        file: the fixture.

    Raises:
        TableMalformed: it is not read as UTF-8, has no header, or a row does not fit the header.
    """
    if file.problem is not None:
        raise TableMalformed(file.problem)
    records = _records(file)
    header_line, header = next(records, (1, []))
    columns = tuple(name.strip() for name in header)
    _check_header(file, columns, header_line)
    rows: list[tuple[str | None, ...]] = []
    lines: list[int] = []
    empty_line = 0
    for line, values in records:
        if not values:
            empty_line = empty_line or line  # accepted at the end of the file
            continue
        if empty_line:
            raise _malformed(file, empty_line, 'is empty; write "" for a row of one empty text, or remove the line')
        if len(values) != len(columns):
            message = f"has {_count(len(values), 'value')}, and the header has {_count(len(columns), 'column')}"
            raise _malformed(file, line, message)
        rows.append(tuple(None if value == NULL else value for value in values))
        lines.append(line)
    return CsvTable(file.path.rpartition("/")[2][: -len(ENDING)], columns, tuple(rows), tuple(lines))


def _records(file: File) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins; an empty line is a record without values."""
    reader = csv.reader(io.StringIO(file.text, newline=""), strict=True)
    line = 1
    try:
        for values in reader:
            yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise _malformed(file, line, f"the row that begins here is not CSV: {error}") from None


def _check_header(file: File, columns: tuple[str, ...], line: int) -> None:
    if not columns:
        raise _malformed(file, line, "is empty; the first line names the columns of the table")
    if "" in columns:
        raise _malformed(file, line, f"column {columns.index('') + 1} of the header has no name")
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t|"):
        raise _malformed(file, line, f"the header is one column, {columns[0]!r}; columns are separated by commas")
    seen: set[str] = set()
    for name in columns:
        if name.casefold() in seen:
            raise _malformed(file, line, f"the header has the column {name!r} twice")
        seen.add(name.casefold())


def _malformed(file: File, line: int, message: str) -> TableMalformed:
    return TableMalformed(Problem(Place(file.path, line), message))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
