"""What ``=FILE:path=`` in a cell may name: files below ``tests``, read when they are asked for."""

from collections.abc import Iterable, Iterator, Mapping

from testrun_operator.kinds.sql.project.reading import FileUnreadable, read_bytes
from testrun_operator.kinds.sql.project.walking import Found


class Contents(Mapping[str, bytes]):
    """Contents of files by path. Nothing is kept in memory.

    A file that cannot be read any more is a ``KeyError`` whose text says why.

    Args:
        files: the files.
    """

    def __init__(self, files: Iterable[Found] = ()) -> None:
        self._files = {file.path: file for file in files}

    def __getitem__(self, path: str) -> bytes:
        try:
            return read_bytes(self._files[path].real)
        except FileUnreadable as error:
            raise KeyError(f"{path} {error.message}") from None

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"Contents({len(self)} files)"
