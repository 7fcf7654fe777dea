"""Receives the pack that a Git server sends, and checks its size before it is unpacked.

A pack of a few kilobytes can unpack to gigabytes. Each object in it says how large it is. So all objects are read once,
without keeping them, and nothing is unpacked that exceeds the limits. For the format see ``gitformat-pack(5)``.
"""

import hashlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from testrun_operator.sources.fetched import Deadline, GitRefused, SourceUnavailable

MAX_PACK_BYTES = 512 * 1024 * 1024
"""The largest pack that is received."""
MAX_OBJECTS = 250_000
"""The most objects, that is files, folders and commits, that a pack may contain."""
MAX_OBJECT_BYTES = 32 * 1024 * 1024
"""The largest object that is unpacked. Servers are asked to leave out large files, which not all of them can."""
MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024
"""The most bytes that all objects may have together when they are unpacked."""
_CHUNK = 16 * 1024
_HEADER_BYTES = 12
_ID_BYTES = 20
_OFFSET_DELTA = 6
_REFERENCE_DELTA = 7
_WHOLE = (1, 2, 3, 4)
_MAX_NUMBER_BYTES = 10
_MIB = 1024 * 1024
_HINT = "Make a smaller repository of it, or take the files from a ConfigMap"


class Receiver:
    """Receives a pack in parts, and writes it to a stream.

    Args:
        stream: the stream.
        deadline: until when all of it must have been received.
    """

    def __init__(self, stream: BinaryIO, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self.received = 0
        """How many bytes were received."""

    def __call__(self, data: bytes) -> int:
        """Receive a part; return its length.

        Raises:
            GitRefused: the pack is too large.
            SourceUnavailable: the time is over.
        """
        self._deadline.seconds(1.0)
        self.received += len(data)
        if self.received > MAX_PACK_BYTES:
            raise GitRefused("url", f"is a repository of more than {MAX_PACK_BYTES // _MIB} MiB. {_HINT}")
        return self._stream.write(data)


def check_pack(stream: BinaryIO, deadline: Deadline) -> None:
    """Check the sizes of all objects of a pack, and its checksum.

    Args:
        stream: the pack; it is read from its beginning to its end.
        deadline: until when this must be done.

    Raises:
        GitRefused: the pack, or an object in it, is too large to be unpacked.
        SourceUnavailable: the pack is damaged, or the time is over.
    """
    reader = _Reader(stream)
    header = reader.take(_HEADER_BYTES)
    count = int.from_bytes(header[8:], "big")
    if header[:8] not in (b"PACK\0\0\0\2", b"PACK\0\0\0\3"):
        raise _damaged("has another form than is known")
    if count > MAX_OBJECTS:
        message = f"has {count:,} objects (files, folders and commits) that would be unpacked; at most {MAX_OBJECTS:,}"
        raise GitRefused("url", f"{message} are. {_HINT}")
    total = 0
    for _ in range(count):
        deadline.seconds(1.0)
        size = _object_size(reader)
        if size > MAX_OBJECT_BYTES:
            message = f"has a file of {size / _MIB:,.0f} MiB; where the server cannot leave out large ones"
            raise GitRefused("url", f"{message}, at most {MAX_OBJECT_BYTES // _MIB} MiB are unpacked. {_HINT}")
        total += size
        if total > MAX_UNPACKED_BYTES:
            raise GitRefused("url", f"has more than {MAX_UNPACKED_BYTES // _MIB:,} MiB, unpacked. {_HINT}")
    reader.check_end()


def _object_size(reader: "_Reader") -> int:
    """Read one object; return its size in bytes when it is unpacked."""
    first = reader.take(1)[0]
    kind = (first >> 4) & 7
    size = first & 15
    if first & 0x80:
        size |= _number(reader.one_byte()) << 4
    if kind == _OFFSET_DELTA:
        _number(reader.one_byte())
    elif kind == _REFERENCE_DELTA:
        reader.take(_ID_BYTES)
    elif kind not in _WHOLE:
        raise _damaged(f"has an object of the unknown kind {kind}")
    if size > MAX_OBJECT_BYTES:
        return size
    length = 0
    beginning = b""
    for part in reader.inflate():
        beginning = (beginning + part)[: 2 * _MAX_NUMBER_BYTES] if len(beginning) < 2 * _MAX_NUMBER_BYTES else beginning
        length += len(part)
        if length > size:
            break
    if length != size:
        raise _damaged("has an object of another size than it says")
    if kind in _WHOLE:
        return size
    # A delta begins with two numbers: the size of the object that it is based on, and the size of the result.
    numbers = iter(beginning)
    _number(numbers)
    return max(size, _number(numbers))


def _number(source: Iterator[int]) -> int:
    """Read a number of variable length: each byte has seven bits of it, the lowest first."""
    value = 0
    for index in range(_MAX_NUMBER_BYTES):
        byte = next(source, None)
        if byte is None:
            break
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value
    raise _damaged("has a number that does not end")


class _Reader:
    """Reads a pack once, from its beginning to its end, in pieces."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self._stream = stream
        self._buffer = b""
        self._position = 0
        self._digest = hashlib.sha1(usedforsecurity=False)

    def take(self, count: int) -> bytes:
        """Return the next bytes, as many as are asked for."""
        while len(self._buffer) - self._position < count:
            self._fill()
        taken = self._buffer[self._position : self._position + count]
        self._advance(count)
        return taken

    def one_byte(self) -> Iterator[int]:
        """Yield the next bytes one by one."""
        while True:
            yield self.take(1)[0]

    def inflate(self) -> Iterator[bytes]:
        """Decompress the object that begins here, and yield it in pieces."""
        inflater = zlib.decompressobj()
        while not inflater.eof:
            if self._position == len(self._buffer):
                self._fill()
            given = self._buffer[self._position :]
            try:
                part = inflater.decompress(given, _CHUNK)
                while inflater.unconsumed_tail and not inflater.eof:
                    yield part
                    part = inflater.decompress(inflater.unconsumed_tail, _CHUNK)
            except zlib.error:
                raise _damaged("cannot be unpacked") from None
            self._advance(len(given) - len(inflater.unused_data))
            yield part

    def check_end(self) -> None:
        """Check that the pack ends here with the right checksum, and that nothing follows."""
        found = self._digest.digest()
        while len(self._buffer) - self._position < _ID_BYTES:
            self._fill()
        if self._buffer[self._position :] + self._stream.read(1) != found:
            raise _damaged("has a wrong checksum")

    def _advance(self, count: int) -> None:
        self._digest.update(memoryview(self._buffer)[self._position : self._position + count])
        self._position += count

    def _fill(self) -> None:
        more = self._stream.read(_CHUNK)
        if not more:
            raise _damaged("ends too early")
        self._buffer = self._buffer[self._position :] + more
        self._position = 0


def _damaged(how: str) -> SourceUnavailable:
    return SourceUnavailable(f"what the Git server sent is damaged: it {how}")
