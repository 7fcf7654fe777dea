"""Reads files of a project: regular ones only, of a bounded size, as UTF-8."""

import codecs
import os
import stat
from pathlib import Path

from testrun_operator.errors import LocalError
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.project.model import File
from testrun_operator.sources.paths import MAX_FILE_BYTES

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileUnreadable(LocalError):
    """A file that cannot be read; never leaves this folder.

    Args:
        message: why, and what would be right; without the file's name.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def read_bytes(real: Path) -> bytes:
    """Return the content of a file.

    Args:
        real: its path, without links.

    Raises:
        FileUnreadable: it is not there, not a regular file, too large, or not ours to read.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe that nobody writes to would wait for ever.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise FileUnreadable(f"cannot be read: {error.strerror}") from None
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileUnreadable("is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise FileUnreadable(too_large(status.st_size))
        try:
            content = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise FileUnreadable(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:  # it grew since
        raise FileUnreadable(too_large(len(content)))
    return content


def too_large(size: int) -> str:
    """Say that a file is too large."""
    return f"has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read"


def read_file(real: Path, path: str) -> File:
    """Return a text file of a project; its ``problem`` says why it cannot be read.

    Args:
        real: where it is, without links.
        path: what it is called in the project.
    """
    try:
        content = read_bytes(real)
    except FileUnreadable as error:
        return unreadable(path, error.message)
    return decode_file(content, path)


def decode_file(content: bytes, path: str) -> File:
    """Return a text file of a project from its content: UTF-8, with or without a byte order mark."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return File(path, content.decode())
    except UnicodeDecodeError as error:
        if content.startswith(_UTF16):
            return unreadable(path, "is UTF-16; save it as UTF-8")
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        return unreadable(path, f"has a byte that is not UTF-8 in this line (0x{byte:02X}); save it as UTF-8", line)


def unreadable(path: str, message: str, line: int = 1) -> File:
    """Return a file that cannot be read."""
    return File(path, "", Problem(Place(path, line), message))
