"""The lines of a project's files at which something happened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.project.model import File, Project

_MOST_OF_A_LINE = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an excerpt."""

    number: int
    """From 1."""
    text: str
    """Cut where it is very long."""
    is_meant: bool
    """Whether it is the one that was asked for."""


class Texts:
    """The text files of a project, by their paths.

    Args:
        project: whose.
    """

    def __init__(self, project: Project) -> None:
        self._texts: Mapping[str, str] = {file.path: file.text for file in _files(project)}
        self._lines: dict[str, list[str]] = {}

    def whole(self, path: str) -> str | None:
        """Give the text of a file; None where it is not among them."""
        return self._texts.get(path)

    def around(self, place: Place, lines: int) -> tuple[Line, ...]:
        """Give a line with some before and after it; nothing where there is no such file or line."""
        text = self._texts.get(place.file)
        if text is None:
            return ()
        # Not splitlines(), which has more line breaks than editors have.
        if place.file not in self._lines:
            unified = text.replace("\r\n", "\n").replace("\r", "\n")
            self._lines[place.file] = unified.removesuffix("\n").split("\n")
        all_lines = self._lines[place.file]
        if not 0 < place.line <= len(all_lines):
            return ()
        first = max(place.line - lines, 1)
        last = min(place.line + lines, len(all_lines))
        return tuple(
            Line(number, _cut(all_lines[number - 1]), number == place.line) for number in range(first, last + 1)
        )


def _files(project: Project) -> Iterator[File]:
    if project.schema is not None:
        yield project.schema
    yield from project.sources
    yield from project.fixtures.setup.values()
    yield from project.fixtures.teardown.values()
    yield from project.tests


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_OF_A_LINE else line[: _MOST_OF_A_LINE - 1] + "…"
