"""Walks through a project's folders without ever leaving it: links are followed inside of it only."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from testrun_operator.errors import LocalError
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.sources.paths import MAX_FILES, MAX_TOTAL_BYTES, is_inside, order_key, printable, problem_of_name

_MAX_ENTRIES = 100_000
"""The most files and folders that are looked at: with links, few folders can have very many paths."""
MEANT = (".stt", ".sql", ".csv")
"""Endings of files that are meant for us, folded."""


class ProjectTooLarge(LocalError):
    """There are more files than are looked at; the message says how many are."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file."""

    path: str
    """Relative to the project, with ``/``."""
    real: Path
    """Where it is, without links."""
    size: int

    @property
    def name(self) -> str:
        """Its name without its folder."""
        return self.path.rpartition("/")[2]

    @property
    def ending(self) -> str:
        """The ending of its name, folded: ``.sql``; empty where it has none."""
        return os.path.splitext(self.name)[1].lower()  # noqa: PTH122 - a text, not a path


@dataclass
class Walk:
    """What was found below a project's root.

    Args:
        root: the project's folder, without links.
    """

    root: Path
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _entries: int = 0
    _files: int = 0
    _bytes: int = 0

    def find(self, path: str) -> Found | None:
        """Return the regular file of this path; None where there is none, with a problem where that is one."""
        where = self.root / path
        if not os.path.lexists(where):
            return None
        looked_at = self._look(path, str(where), is_link=where.is_symlink())
        if looked_at is None or not stat.S_ISREG(looked_at[1].st_mode):
            return None
        return self._found(path, *looked_at)

    def files_below(self, folder: str) -> list[Found]:
        """Return all regular files below a folder, in their order.

        Names that begin with a dot are left out, since they are nobody's tests: a mounted ConfigMap's ``..data``, an
        editor's lock, a version control's folder.

        Args:
            folder: relative to the root.

        Raises:
            ProjectTooLarge: there are too many, or they are too large.
        """
        where = self.root / folder
        if not where.is_dir() and not where.is_symlink():
            return []
        looked_at = self._look(folder, str(where), is_link=where.is_symlink())
        if looked_at is None or not stat.S_ISDIR(looked_at[1].st_mode):
            return []
        found: list[Found] = []
        waiting: list[tuple[str, Path, tuple[Path, ...]]] = [(folder, looked_at[0], (looked_at[0],))]
        while waiting:
            path, real, way = waiting.pop()
            for entry in self._entries_of(path, real):
                below = f"{path}/{entry.name}"
                looked_at = self._look(below, entry.path, is_link=entry.is_symlink())
                if looked_at is None:
                    continue
                if stat.S_ISREG(looked_at[1].st_mode):
                    found.append(self._found(below, *looked_at))
                elif looked_at[0] in way:
                    self._problem(below, "is a link to a folder that it is in, which would go on for ever; remove it")
                else:
                    waiting.append((below, looked_at[0], (*way, looked_at[0])))
        return sorted(found, key=lambda file: order_key(file.path))

    def _entries_of(self, path: str, real: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(real) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > _MAX_ENTRIES:
                        raise ProjectTooLarge(f"there are more than {_MAX_ENTRIES:,} files and folders")
                    if self._is_ours(path, entry):
                        yield entry
        except OSError as error:
            self._problem(path, f"cannot be listed: {error.strerror}")

    def _is_ours(self, folder: str, entry: os.DirEntry[str]) -> bool:
        path = f"{folder}/{entry.name}"
        if entry.name.startswith("."):
            if entry.name.lower().endswith(MEANT) and entry.is_file():
                self.notices.append(f"{printable(path)} is not used, since its name begins with a dot")
            return False
        if problem := problem_of_name(entry.name):
            self._problem(printable(path), f"the name of this file {problem}")
            return False
        return True

    def _look(self, path: str, where: str, *, is_link: bool) -> tuple[Path, os.stat_result] | None:
        """Follow a path to a file or folder inside of the root; None, with a problem where that is one, otherwise."""
        real = Path(where)
        if is_link:
            try:
                real = Path(os.path.realpath(where, strict=True))
            except OSError as error:
                self._problem(path, f"is a symbolic link that leads nowhere ({error.strerror}); remove it or mend it")
                return None
            if not is_inside(real, self.root):
                self._problem(
                    path, "is a symbolic link that leads out of the project, which is refused; put the file here itself"
                )
                return None
        try:
            status = real.lstat()
        except OSError as error:
            self._problem(path, f"cannot be looked at: {error.strerror}")
            return None
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return real, status
        if path.lower().endswith(MEANT):
            self._problem(path, "is not a regular file")
        return None

    def _found(self, path: str, real: Path, status: os.stat_result) -> Found:
        self._files += 1
        self._bytes += status.st_size
        if self._files > MAX_FILES:
            raise ProjectTooLarge(f"there are more than {MAX_FILES:,} files")
        if self._bytes > MAX_TOTAL_BYTES:
            raise ProjectTooLarge(f"the files have more than {MAX_TOTAL_BYTES // 1024 // 1024} MiB together")
        return Found(path, real, status.st_size)

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(Place(path, 1), message))
