"""What a Git server sends, received and looked at before it is unpacked.

A few kilobytes can unpack to gigabytes. Every object says how large it is, so all are looked at first, without keeping
any of them, and nothing is unpacked that is larger than the limits.
"""

import hashlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from testrun_operator.sources.fetched import Deadline, GitRefused, SourceUnavailable

MAX_PACK_BYTES = 512 * 1024 * 1024
"""The most that is received."""
MAX_OBJECTS = 250_000
"""The most objects that it may contain: files, folders and commits."""
MAX_OBJECT_BYTES = 32 * 1024 * 1024
"""The largest object that is unpacked. A server that can leave out large files is asked to."""
MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024
"""The most that all objects may have together."""
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
    """Takes a pack as it comes.

    Args:
        stream: where it is written to.
        deadline: until when all of it must be there.
    """

    def __init__(self, stream: BinaryIO, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self.received = 0
        """How many bytes there were."""

    def __call__(self, data: bytes) -> int:
        """Take a part.

        Raises:
            GitRefused: it is more than is received.
            SourceUnavailable: the time is over.
        """
        self._deadline.seconds(1.0)
        self.received += len(data)
        if self.received > MAX_PACK_BYTES:
            raise GitRefused("url", f"is a repository of more than {MAX_PACK_BYTES // _MIB} MiB. {_HINT}")
        return self._stream.write(data)


def check_pack(stream: BinaryIO, deadline: Deadline) -> None:
    """Look at all objects of a pack, and at its checksum.

    Args:
        stream: the pack; is read from its beginning to its end.
        deadline: until when this must be done.

    Raises:
        GitRefused: it is larger than is unpacked.
        SourceUnavailable: it is damaged, or the time is over.
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
    """Read one object; return how large it is, unpacked."""
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
    # A difference to another object begins with that one's size and with the size of what comes out.
    numbers = iter(beginning)
    _number(numbers)
    return max(size, _number(numbers))


def _number(source: Iterator[int]) -> int:
    """Read a number of which each byte holds seven bits, the lowest first."""
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
        """Return so many bytes."""
        while len(self._buffer) - self._position < count:
            self._fill()
        taken = self._buffer[self._position : self._position + count]
        self._advance(count)
        return taken

    def one_byte(self) -> Iterator[int]:
        """Yield byte after byte."""
        while True:
            yield self.take(1)[0]

    def inflate(self) -> Iterator[bytes]:
        """Yield the pieces of what is compressed from here on."""
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
        """Check that there is the checksum, that it is right, and that nothing follows."""
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
