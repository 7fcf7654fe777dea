"""Fixtures by their names: a sentence in a test case file, a path below ``tests/fixtures``.

A name is lower-cased, blanks around a slash are dropped, every other blank becomes an underscore; the result is a path
below ``setup`` or ``teardown`` without its ending. A file that has exactly this path is taken. If there is none, case
is ignored, and then underscores at the end of the file's name.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import FixtureReference, Place, Problem
from testrun_operator.kinds.sql.project.model import File
from testrun_operator.sources.paths import order_key

SETUP_FOLDER = "tests/fixtures/setup"
TEARDOWN_FOLDER = "tests/fixtures/teardown"
ENDINGS = (".sql", ".csv")
"""Endings of fixtures, folded."""
_SLASH = re.compile(r"\s*/\s*")
_BLANK = re.compile(r"\s")
_MAX_COMPARISONS = 200_000
"""Similar names are looked for as long as this takes no more than a moment."""


class FixtureMissing(CaseError):
    """No file stands for a fixture's name, or several do.

    Args:
        message: which name, what was looked for, and what there is instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class FixtureFolder(Mapping[str, File]):
    """The files of ``setup`` or of ``teardown``, indexed by what they may be called.

    Args:
        files: the files, by their path below the folder with its ending.
    """

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = dict(files)
        self._exact: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        self._shortened: dict[str, list[str]] = {}
        for path in sorted(self._files, key=order_key):
            stem = _stem(path)
            folded = _fold(stem)
            self._exact.setdefault(stem, []).append(path)
            self._folded.setdefault(folded, []).append(path)
            self._shortened.setdefault(folded.rstrip("_"), []).append(path)

    def __getitem__(self, path: str) -> File:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def paths_for(self, name: str) -> list[str]:
        """Return the paths of all files that a name may mean, none of them better than the others.

        Args:
            name: as :func:`fixture_path` returns it.
        """
        folded = _fold(name)
        bare = folded.rstrip("_")
        # Underscores may be left out, not added: `clean_` is not `clean.sql`.
        longer = [path for path in self._shortened.get(bare, ()) if _fold(_stem(path)).startswith(folded)]
        return self._exact.get(name) or self._folded.get(folded) or longer

    def names_like(self, name: str) -> list[str]:
        """Return up to three names that are similar to one, as an author would write them."""
        if len(self._folded) * len(name) > _MAX_COMPARISONS:
            return []
        return difflib.get_close_matches(_fold(name), sorted(self._folded), n=3)

    def problems(self, folder: str) -> list[Problem]:
        """Return a problem for each name that no file, or more than one, answers to.

        Args:
            folder: where the files are, relative to the project.
        """
        problems = []
        for paths in self._folded.values():
            meant = {path: self.paths_for(fixture_path(_stem(path))) for path in paths}
            named: set[str] = set()
            for path in paths:
                if meant[path] == [path] or path in named:
                    continue
                named.update(meant[path])
                names = _join([f"{folder}/{other}" for other in meant[path] if other != path])
                message = f"has the same name as {names}, so that no test case can use it; rename or remove one"
                problems.append(Problem(Place(f"{folder}/{path}", 1), message))
        return problems


def fixture_path(name: str) -> str:
    """Return the path that a fixture's name stands for, without its ending: ``Balance / Prepay user``."""
    return _BLANK.sub("_", _SLASH.sub("/", name.strip())).lower()


def find_fixture(files: Mapping[str, File], reference: FixtureReference, *, setup: bool) -> File:
    """Find the file that a name in a list of fixtures stands for.

    Args:
        files: the files of ``setup`` or of ``teardown``, by their path below it.
        reference: the name and where it stands.
        setup: whether ``files`` are those of ``setup``.

    Raises:
        FixtureMissing: there is none, or there are several.
    """
    folder = SETUP_FOLDER if setup else TEARDOWN_FOLDER
    index = files if isinstance(files, FixtureFolder) else FixtureFolder(files)
    name = fixture_path(reference.name)
    paths = index.paths_for(name)
    if len(paths) == 1:
        return index[paths[0]]
    missing = f"Unable to find fixture '{reference.name}'"
    if paths:
        names = _join([f"{folder}/{path}" for path in paths])
        raise FixtureMissing(f"{missing}: several files have this name: {names}. Rename all but one.")
    message = f"{missing}: there is no {folder}/{name}.sql, nor .csv."
    if name.endswith(ENDINGS) and index.paths_for(_stem(name)):
        raise FixtureMissing(f"{message} Write the name without its ending.")
    if not index:
        raise FixtureMissing(f"{message} There are no fixtures in {folder} at all.")
    similar = index.names_like(name)
    raise FixtureMissing(f"{message} Similar names: {_join(similar)}." if similar else message)


def _fold(stem: str) -> str:
    # macOS takes accents apart in names of files, and editors do not.
    return fixture_path(unicodedata.normalize("NFC", stem)).casefold()


def _stem(path: str) -> str:
    return path[: -len(ENDINGS[0])]


def _join(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004 - enough
