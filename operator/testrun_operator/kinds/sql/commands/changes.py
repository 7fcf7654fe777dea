"""Which files of a project have changed."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from testrun_operator.kinds.sql.project.discovery import NothingToRun, find_layout


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a project at some moment."""

    tests: Mapping[str, bytes]
    """Digests of the test case files, by path."""
    others: Mapping[str, bytes]
    """Digests of all other files that count."""

    def tests_to_run(self, later: "Snapshot") -> Collection[str] | None:
        """Say which test case files are new or changed; None if all of them have to run."""
        if self.others != later.others:
            return None
        changed = {path for path, digest in later.tests.items() if self.tests.get(path) != digest}
        return changed or None


class Files:
    """The files whose changes count.

    Args:
        path: a project's folder, or a test case file.
        ignored: files that the execution itself writes.
    """

    def __init__(self, path: Path, ignored: Collection[Path] = ()) -> None:
        self._path = path
        self._ignored = {file.resolve() for file in ignored}
        self._digests: dict[Path, tuple[tuple[int, int, int], bytes]] = {}

    def look(self) -> Snapshot:
        """Look at all of them; what cannot be read at the moment is left out."""
        if not self._path.is_dir():
            return Snapshot(self._digest({self._path.name: self._path}), {})
        try:
            layout = find_layout(self._path)
        except NothingToRun:
            return Snapshot({}, {})
        others = (*layout.schemas, *layout.sources, *layout.setup, *layout.teardown, *layout.others)
        return Snapshot(
            self._digest({file.path: file.real for file in layout.tests}),
            self._digest({file.path: file.real for file in others}),
        )

    def _digest(self, files: Mapping[str, Path]) -> Mapping[str, bytes]:
        found = {}
        for path, file in files.items():
            if file.resolve() in self._ignored:
                continue
            try:
                found[path] = self._digest_file(file)
            except OSError:
                continue
        return found

    def _digest_file(self, file: Path) -> bytes:
        status = file.stat()
        # Only what may have changed is read again.
        signature = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._digests.get(file)
        if known is None or known[0] != signature:
            with file.open("rb") as stream:
                known = self._digests[file] = (signature, hashlib.file_digest(stream, "sha256").digest())
        return known[1]
