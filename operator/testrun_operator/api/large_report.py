"""A large report, read in pieces: what a pod leaves may be as large as it likes, the operator's memory is not.

The document is unpacked piece by piece and never held as a whole. Its details are looked at one after the other, and
only so many of them are kept as can be stored: all that failed come first. It takes seconds of processor time, so that
it is done outside the event loop; no single step of it is long, so that the loop gets its turns meanwhile.
"""

import base64
import codecs
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from testrun_operator.errors import MalformedReport

MAX_DOCUMENT_BYTES: Final = 32 * 1024 * 1024
"""More than this is not unpacked: a pod is not trusted to be moderate."""
_MAX_VALUE_CHARACTERS: Final = 1024 * 1024
"""No single value of a report is longer: a detail has five texts of some thousand characters each."""
_PIECE_BYTES: Final = 64 * 1024
_SPACE: Final = " \t\n\r"


def check_document(packed: str, sha256: str, limit: int) -> bytes:
    """Check that a packed document is the one with a digest, without ever holding it unpacked.

    Args:
        packed: the document, compressed with zlib, in base64.
        sha256: the digest, in hexadecimal digits.
        limit: the most bytes that it may have.

    Returns:
        The compressed bytes.

    Raises:
        MalformedReport: it cannot be unpacked, is longer, or another one.
    """
    try:
        compressed = base64.b64decode(packed, validate=True)
        digest, size = hashlib.sha256(), 0
        for piece in _unpack(compressed):
            digest.update(piece)
            size += len(piece)
            if size > limit:
                raise MalformedReport(f"the report in the log is larger than {limit} bytes", is_final=True)
    except (ValueError, zlib.error) as error:  # the first also where a foreign line is no ASCII
        raise MalformedReport(f"the report in the log cannot be unpacked: {error}") from None
    if digest.hexdigest() != sha256:
        raise MalformedReport("the report in the log is not the one that the termination message announces")
    return compressed


def _unpack(compressed: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    rest = compressed
    while not unpacker.eof:
        piece = unpacker.decompress(rest, _PIECE_BYTES)
        rest = unpacker.unconsumed_tail
        if not piece and not rest:
            return  # cut; its digest says so
        yield piece


class DocumentReader:
    """Reads a JSON object of any length, its members one after the other.

    Args:
        compressed: the document, compressed with zlib.
    """

    def __init__(self, compressed: bytes) -> None:
        self._pieces = _unpack(compressed)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._ended = False

    def members(self, listed: str) -> Iterator[tuple[str, JsonValue]]:
        """Yield the members of the object by name; those of one list one by one, under the list's name.

        Raises:
            ValueError: it is no JSON object, or has a value that is too long.
        """
        self._expect("{")
        if self._next() == "}":
            self._at += 1
        else:
            while True:
                name = self._value()
                if not isinstance(name, str):
                    msg = "a name is no text"
                    raise ValueError(msg)  # noqa: TRY004 - of what was read, as every other problem of it
                self._expect(":")
                if name == listed and self._next() == "[":
                    yield from ((name, value) for value in self._elements())
                else:
                    yield name, self._value()
                if not self._goes_on("}"):
                    break
        if self._next():
            msg = "something follows"
            raise ValueError(msg)

    def _elements(self) -> Iterator[Any]:
        self._expect("[")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if not self._goes_on("]"):
                return

    def _goes_on(self, end: str) -> bool:
        found = self._next()
        self._at += 1
        if found not in {",", end} or not found:
            msg = f"expected a comma or {end}"
            raise ValueError(msg)
        return found == ","

    def _expect(self, character: str) -> None:
        if self._next() != character:
            msg = f"expected {character}"
            raise ValueError(msg)
        self._at += 1

    def _next(self) -> str:
        """Return the next character that is no space, without passing it; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on(1):
                return ""

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                # A number may go on in the next piece; what ends the buffer is looked at again with more behind it.
                if end < len(self._text) or not self._read_on(1):
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if len(self._text) - self._at > _MAX_VALUE_CHARACTERS:
                    msg = "a value is too long, or none"
                    raise ValueError(msg) from None
                if not self._read_on(2 * (len(self._text) - self._at)):
                    raise

    def _read_on(self, characters: int) -> bool:
        """Have at least so many characters to look at, where there are so many; return whether there are more."""
        parts, had, have = [self._text[self._at :]], len(self._text) - self._at, 0
        while not self._ended and have < max(characters - had, 1):
            piece = next(self._pieces, None)
            self._ended = piece is None
            parts.append(self._decode(piece or b"", self._ended))
            have += len(parts[-1])
        self._text, self._at = "".join(parts), 0
        return have > 0
