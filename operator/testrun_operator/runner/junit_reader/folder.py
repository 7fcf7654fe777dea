"""Finding files in a folder that somebody else has filled: bounded, and without following any link."""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from testrun_operator.errors import LocalError

MAX_FILES = 1000
"""More files are not read."""
MAX_ENTRIES = 20_000
"""More entries of the folder and those in it are not looked at."""
MAX_DEPTH = 16
"""Folders that are further down are not looked into."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe that nobody writes to must not block


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file whose path fits the pattern, open to be read, or why it cannot be."""

    path: str
    """Relative to the folder."""
    descriptor: int | None
    """Open while the next one was not asked for."""
    problem: str = ""
    is_left_out: bool = False
    """Whether it is nothing that tests are written to: a link, a pipe."""


class FolderProblem(LocalError):
    """The folder cannot be looked through to its end; says why."""


def find_files(folder: Path, pattern: str) -> Iterator[FoundFile]:
    """Yield the files of a folder that fit a pattern, by their names.

    Args:
        folder: the folder.
        pattern: relative; ``*`` and ``?`` stand for what is in one name, ``**`` for any number of folders.

    Raises:
        FolderProblem: there is more than is looked at, or the folder cannot be read.
    """
    return _Search(tuple(pattern.split("/"))).run(folder)


class _Search:
    def __init__(self, pattern: tuple[str, ...]) -> None:
        self._pattern = pattern
        self._entries = 0
        self._files = 0

    def run(self, folder: Path) -> Iterator[FoundFile]:
        try:
            descriptor = os.open(folder, _DIRECTORY)
        except OSError as error:
            raise FolderProblem(f"the folder cannot be read: {error.strerror}") from None
        with _closing(descriptor):
            yield from self._look_into(descriptor, ())

    def _look_into(self, folder: int, path: tuple[str, ...]) -> Iterator[FoundFile]:
        for name, is_folder in self._entries_of(folder):
            inner = (*path, name)
            if is_folder:
                if _may_have(inner, self._pattern):
                    yield from self._enter(folder, name, inner)
            elif matches(inner, self._pattern):
                self._files += 1
                if self._files > MAX_FILES:
                    raise FolderProblem(f"more than {MAX_FILES} files fit; the others were not read")
                yield from _open(folder, name, _show(inner))

    def _entries_of(self, folder: int) -> list[tuple[str, bool]]:
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries += 1
                if self._entries > MAX_ENTRIES:
                    raise FolderProblem(f"there are more than {MAX_ENTRIES} files and folders; not all were looked at")
                found.append((entry.name, entry.is_dir(follow_symlinks=False)))
        return sorted(found)

    def _enter(self, parent: int, name: str, path: tuple[str, ...]) -> Iterator[FoundFile]:
        shown = _show(path)
        if len(path) > MAX_DEPTH:
            yield FoundFile(shown, None, f"is more than {MAX_DEPTH} folders deep, and was not looked into")
            return
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        except OSError as error:
            yield FoundFile(shown, None, _why(error))
            return
        with _closing(descriptor):
            yield from self._look_into(descriptor, path)


def _open(folder: int, name: str, path: str) -> Iterator[FoundFile]:
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        yield FoundFile(path, None, _why(error), is_left_out=error.errno == errno.ELOOP)
        return
    with _closing(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            yield FoundFile(path, descriptor)
        else:
            yield FoundFile(path, None, "is no regular file, and was not read", is_left_out=True)


def _show(path: tuple[str, ...]) -> str:
    return "/".join(path).encode(errors="surrogateescape").decode(errors="replace")


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "may not be read by the reader's user; runAsUser makes both the same one"
    if error.errno == errno.ELOOP:  # a link where none is followed
        return "is a symbolic link, and was not followed"
    return f"cannot be read: {error.strerror}"


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, name by name, fits a pattern, part by part."""
    return _fits(tuple(path), tuple(pattern), partly=False)


def _may_have(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a folder may have files that fit a pattern."""
    return _fits(path, pattern, partly=True)


def _fits(path: tuple[str, ...], pattern: tuple[str, ...], *, partly: bool) -> bool:
    parts = (*pattern, "*") if pattern[-1] == "**" else pattern

    @cache
    def fits(at: int, part: int) -> bool:
        if at == len(path):
            return part < len(parts) if partly else part == len(parts)
        if part == len(parts):
            return False
        if parts[part] == "**":
            return fits(at, part + 1) or fits(at + 1, part)
        return fnmatch.fnmatchcase(path[at], parts[part]) and fits(at + 1, part + 1)

    return fits(0, 0)
