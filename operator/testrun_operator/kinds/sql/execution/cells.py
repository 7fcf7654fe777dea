"""What a cell of a table stands for: a text, NULL, the content of a file, or a digest.

How such cells must be written was checked by the parser; whether there is such a file is seen here.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import NULL
from testrun_operator.kinds.sql.execution.comparing import Expected
from testrun_operator.kinds.sql.execution.texts import listed
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.sources.paths import path_beside

_FILE: Final = re.compile(r"=FILE:(.*)=", re.DOTALL)
_DIGEST: Final = re.compile(r"=SHA256:([0-9a-fA-F]{64})=")
_BINARY: Final = ("bytea", "blob", "binary", "raw", "bfile")
"""What the names of types for bytes contain."""
_TESTS: Final = "tests"
_MAX_COMPARED: Final = 2000
"""Similar names are looked for among so many files at most."""


class CellUnreadable(CaseError):
    """The file that a cell names cannot be used. The message says what would be right."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Reads the cells of one test case file.

    Args:
        project: the project, with the files that cells may name.
        file: path of the test case file.
    """

    project: Project
    file: str

    def check(self, cell: str) -> None:
        """Check that there is a file, if the cell names one, without reading it.

        Raises:
            CellUnreadable: there is none.
        """
        named = _FILE.fullmatch(cell)
        if named is not None:
            self._find(named[1].strip())

    def read_input(self, cell: str, type_name: str) -> str | bytes | None:
        """Return the value that a cell gives to a parameter.

        Args:
            cell: as the author wrote it.
            type_name: the parameter's type; one for bytes gets a file's bytes, any other one its text.

        Raises:
            CellUnreadable: its file cannot be used.
        """
        if cell == NULL:
            return None
        data = self._content(cell)
        if data is None:
            return cell
        if any(name in type_name.lower() for name in _BINARY):
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            message = f"the file in '{cell}' is not UTF-8, and the parameter's type {type_name} is none for bytes"
            raise CellUnreadable(message) from None

    def read_expected(self, cell: str) -> Expected:
        """Return what a cell expects.

        Raises:
            CellUnreadable: its file cannot be used.
        """
        if cell == NULL:
            return Expected(None)
        if not cell.startswith("="):
            return Expected(cell)
        digest = _DIGEST.fullmatch(cell)
        if digest is not None:
            return Expected(cell, sha256=digest[1].lower())
        data = self._content(cell)
        return Expected(cell) if data is None else Expected(data.decode(errors="surrogateescape"), data=data)

    def _content(self, cell: str) -> bytes | None:
        """Return the content of the file that a cell names; None if it names none."""
        named = _FILE.fullmatch(cell)
        if named is None:
            return None
        path = self._find(named[1].strip())
        try:
            return self.project.data[path]
        except KeyError as error:  # it was there a moment ago
            raise CellUnreadable(f"the file in '{cell}' cannot be read: {error.args[0]}") from None

    def _find(self, reference: str) -> str:
        if self.project.is_standalone:
            raise CellUnreadable(f"a file that is run alone has no other files beside it, such as '{reference}'")
        path = path_beside(self.file, reference, within=_TESTS)
        if path is None:
            raise CellUnreadable(f"the file '{reference}' is not below the project's folder {_TESTS}")
        if path not in self.project.data:
            known = list(self.project.data)
            near = get_close_matches(path, known, n=3) if len(known) <= _MAX_COMPARED else []
            hint = f"there is {listed(near)}" if near else f"the path begins at the folder of {self.file}"
            raise CellUnreadable(f"there is no file '{path}'; {hint}")
        return path
