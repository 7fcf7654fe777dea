"""Collects the problems of a test, or of what stands outside of the tests."""

from testrun_operator.kinds.sql.document import Place, Problem

MOST_PROBLEMS = 100
"""How many problems are listed; of a file that is no test case at all, each line may be one."""


class Problems:
    """Problems of one part of a file.

    Args:
        file: the file's path, for their places.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[Problem] = []
        self._first_left_out: int | None = None
        self._left_out = 0

    def add(self, line: int, message: str) -> None:
        """Note a problem."""
        if len(self._found) < MOST_PROBLEMS:
            self._found.append(Problem(Place(self._file, line), message))
            return
        self._left_out += 1
        self._first_left_out = line if self._first_left_out is None else min(line, self._first_left_out)

    def __bool__(self) -> bool:
        return bool(self._found)

    def listed(self) -> tuple[Problem, ...]:
        """Return the problems by their lines; the last says how many more there are, if there are too many."""
        found = sorted(self._found, key=lambda problem: problem.place)
        if self._first_left_out is not None:
            message = f"{self._left_out} more problems are not listed"
            found.append(Problem(Place(self._file, self._first_left_out), message))
        return tuple(found)
