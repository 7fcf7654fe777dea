"""Writes the files of a commit to a folder: no filters, no submodules, and nothing outside of the folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG

from dulwich.object_store import BaseObjectStore
from dulwich.objects import S_ISGITLINK, Blob, ObjectID, Tree, parse_tree

from testrun_operator.sources.fetched import Deadline, GitRefused, SourceUnavailable
from testrun_operator.sources.paths import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    is_inside,
    printable,
    problem_of_name,
    problem_of_path,
)

_MAX_FOLDERS = 10_000
_ID_BYTES = 20
_MAX_LINK_BYTES = 4096
_MAX_NOTICES = 20
_MOST_NAMES = 10
_LFS = b"version https://git-lfs.github.com/spec/"
_MIB = 1024 * 1024
_NARROW = "let path name the folder with the tests, without such files"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder of a commit has under a name."""

    name: str
    mode: int
    id: ObjectID


@dataclass
class Writer:
    """Writes files below a folder.

    Args:
        objects: where the commit's objects are.
        root: the folder; it must be empty.
        deadline: until when all files must be there.
    """

    objects: BaseObjectStore
    root: Path
    deadline: Deadline
    notices: list[str] = field(default_factory=list)
    """What was not written, and why."""
    _files: int = 0
    _bytes: int = 0
    _links: list[tuple[str, str]] = field(default_factory=list)

    def write(self, tree: ObjectID, path: str | None) -> Path:
        """Write a folder of the commit, with all below it, or a single file.

        Args:
            tree: the commit's tree.
            path: the folder or file, relative to the commit's root; None for all of it.

        Returns:
            Where it is: the root, or the file in it.

        Raises:
            GitRefused: there is no such path, or what is there must not or cannot be written.
            SourceUnavailable: the server did not send all of it.
        """
        entry = self._find(tree, path)
        if entry is None:
            self._write_folder(tree)
            self._make_links()
            return self.root
        if S_ISDIR(entry.mode):
            self._write_folder(entry.id)
            self._make_links()
            return self.root
        if S_ISREG(entry.mode):
            self._write_file(entry, entry.name)
            return self.root / entry.name
        kind = "a submodule" if S_ISGITLINK(entry.mode) else "a symbolic link"
        raise GitRefused("path", f"{printable(path or '')!r} is {kind}; name a folder or a file")

    def _find(self, tree: ObjectID, path: str | None) -> Entry | None:
        entry: Entry | None = None
        way = ""
        for name in (path or "").removesuffix("/").split("/") if path else ():
            if entry is not None and not S_ISDIR(entry.mode):
                raise GitRefused("path", f"{printable(way)!r} is not a folder")
            entries = {found.name: found for found in self._entries(entry.id if entry else tree, way)}
            if name not in entries:
                shown = ", ".join(printable(known) for known in sorted(entries)[:_MOST_NAMES])
                more = ", …" if len(entries) > _MOST_NAMES else ""
                where = f"the folder {printable(way)}" if way else "the repository"
                raise GitRefused("path", f"there is no {printable(path or '')!r}: {where} has {shown}{more}")
            entry = entries[name]
            way = f"{way}/{name}" if way else name
        return entry

    def _write_folder(self, tree: ObjectID) -> None:
        waiting = [("", tree)]
        folders = 1
        while waiting:
            folder, identifier = waiting.pop()
            for entry in self._entries(identifier, folder):
                self.deadline.seconds(1.0)
                path = f"{folder}/{entry.name}" if folder else entry.name
                if problem := problem_of_name(entry.name):
                    raise GitRefused("path", f"the name of {printable(path)!r} {problem}")
                if S_ISDIR(entry.mode):
                    folders += 1
                    if folders > _MAX_FOLDERS:
                        raise GitRefused("path", f"there are more than {_MAX_FOLDERS:,} folders; {_NARROW}")
                    self._make(self.root / path)
                    waiting.append((path, entry.id))
                elif S_ISGITLINK(entry.mode):
                    self._notice(f"{printable(path)} is a submodule, which is not fetched")
                elif S_ISLNK(entry.mode):
                    self._links.append((path, self._target(entry, path)))
                elif S_ISREG(entry.mode):
                    self._write_file(entry, path)
                else:
                    raise GitRefused("path", f"{printable(path)} is of an unknown kind ({S_IFMT(entry.mode):o})")

    def _entries(self, identifier: ObjectID, folder: str) -> Iterator[Entry]:
        tree = self._object(identifier, folder)
        if not isinstance(tree, Tree):
            raise SourceUnavailable(
                f"what the Git server sent is damaged: {printable(folder) or 'the root'} is no folder"
            )
        # Not by its own iterator, which keeps only the last of several entries of one name.
        for name, mode, sha in parse_tree(tree.as_raw_string(), sha_len=_ID_BYTES):
            yield Entry(os.fsdecode(name), mode, ObjectID(sha))

    def _write_file(self, entry: Entry, path: str) -> None:
        content = self._content(entry, path, MAX_FILE_BYTES)
        self._files += 1
        self._bytes += len(content)
        if self._files > MAX_FILES:
            raise GitRefused("path", f"there are more than {MAX_FILES:,} files; {_NARROW}")
        if self._bytes > MAX_TOTAL_BYTES:
            raise GitRefused("path", f"the files have more than {MAX_TOTAL_BYTES // _MIB} MiB together; {_NARROW}")
        if content.startswith(_LFS):
            self._notice(f"{printable(path)} is in Git LFS, from which nothing is fetched; there is only its reference")
        try:
            with (self.root / path).open("xb") as stream:
                stream.write(content)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _target(self, entry: Entry, path: str) -> str:
        target = os.fsdecode(self._content(entry, path, _MAX_LINK_BYTES))
        if not target or "\0" in target:
            raise GitRefused("path", f"the symbolic link {printable(path)} leads nowhere")
        return target

    def _content(self, entry: Entry, path: str, most: int) -> bytes:
        try:
            blob = self.objects[entry.id]
        except KeyError:  # the server was asked to leave out large files
            raise _too_large(path, most) from None
        if not isinstance(blob, Blob):
            raise SourceUnavailable(f"what the Git server sent is damaged: {printable(path)} is no file")
        if blob.raw_length() > most:
            raise _too_large(path, most)
        return blob.data

    def _object(self, identifier: ObjectID, path: str) -> object:
        try:
            return self.objects[identifier]
        except KeyError:
            where = printable(path) or "the root"
            raise SourceUnavailable(f"what the Git server sent is not complete: {where} is missing") from None

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise _unwritable(str(folder.relative_to(self.root)), error) from None

    def _make_links(self) -> None:
        """Make the links: only now, so that nothing was written through one, and only if none leads out."""
        root = Path(os.path.realpath(self.root))
        for path, target in self._links:
            if target.startswith("/"):
                raise _leads_out(path)
            try:
                (self.root / path).symlink_to(target)
            except OSError as error:
                raise _unwritable(path, error) from None
        for path, _ in self._links:
            # Where a link leads to depends on the others; one that leads in a circle leads nowhere, and stays inside.
            if not is_inside(Path(os.path.realpath(self.root / path)), root):
                raise _leads_out(path)

    def _notice(self, notice: str) -> None:
        if len(self.notices) < _MAX_NOTICES:
            self.notices.append(notice)


def check_path(path: str | None) -> None:
    """Check that a path can be one of a repository.

    Raises:
        GitRefused: it cannot.
    """
    if path is not None and (problem := problem_of_path(path)):
        raise GitRefused("path", f"{printable(path)!r} {problem}")


def _too_large(path: str, most: int) -> GitRefused:
    size = f"{most // _MIB} MiB" if most >= _MIB else f"{most:,} bytes"
    return GitRefused("path", f"{printable(path)} has more than {size}, which is not fetched; {_NARROW}")


def _leads_out(path: str) -> GitRefused:
    return GitRefused("path", f"{printable(path)} is a symbolic link that leads out of the folder that is fetched")


def _unwritable(path: str, error: OSError) -> GitRefused:
    return GitRefused("path", f"{printable(path)} cannot be written: {error.strerror}")
