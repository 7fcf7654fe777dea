"""A pack is measured before it is unpacked: what is damaged or too large is refused, whatever is in there."""

import hashlib
import io
import random
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.sources import git_pack
from testrun_operator.sources.fetched import Deadline, GitRefused, SourceUnavailable
from testrun_operator.sources.git_pack import Receiver, check_pack

FOREVER = Deadline(None)
BLOB, OFFSET_DELTA, REFERENCE_DELTA = 3, 6, 7


def number(value: int) -> bytes:
    """Write a number as packs have it."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def entry(content: bytes, kind: int = BLOB, *, size: int | None = None, base: bytes = b"") -> bytes:
    """Write an object; ``size`` is what it says of its size."""
    size = len(content) if size is None else size
    low, rest = size & 15, size >> 4
    head = bytes([kind << 4 | low | (0x80 if rest else 0)]) + (number(rest) if rest else b"")
    return head + base + zlib.compress(content)


def pack(*entries: bytes, count: int | None = None, version: int = 2) -> bytes:
    """Write a pack with its checksum."""
    body = b"PACK" + version.to_bytes(4, "big") + (len(entries) if count is None else count).to_bytes(4, "big")
    body += b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def check(content: bytes) -> None:
    """Look at a pack."""
    check_pack(io.BytesIO(content), FOREVER)


def delta(base_size: int, size: int) -> bytes:
    """Write the beginning of a difference: the sizes of what it changes and of what comes out."""
    return number(base_size) + number(size) + b"\x90\x01"


@given(st.lists(st.binary(max_size=300), max_size=10), st.integers(1, 64))
def test_packs_are_read_to_their_end(contents: list[bytes], chunk: int) -> None:
    """Wherever the pieces end in which they are read."""
    noise = random.Random(1).randbytes(200)
    entries = [entry(content + noise) for content in contents]
    entries.append(entry(delta(200, 1), OFFSET_DELTA, base=b"\x81\x01"))
    entries.append(entry(delta(200, 1), REFERENCE_DELTA, base=b"\x85" * 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(git_pack, "_CHUNK", chunk)
        check(pack(*entries))


GOOD = pack(entry(b"hello"), entry(b"world" * 50))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "ends too early"),
        (GOOD[:11], "ends too early"),
        (GOOD[:20], "ends too early"),
        (GOOD[:-1], "ends too early"),
        (GOOD + b"x", "has a wrong checksum"),
        (GOOD[:-1] + b"\xff", "has a wrong checksum"),
        (b"PUCK" + GOOD[4:], "has another form than is known"),
        (pack(version=4), "has another form than is known"),
        (pack(entry(b"x"), count=2), "cannot be unpacked"),
        (pack(entry(b"hello", size=4)), "has an object of another size than it says"),
        (pack(entry(b"hello", size=6)), "has an object of another size than it says"),
        (pack(entry(b"hello", kind=5)), "has an object of the unknown kind 5"),
        (pack(b"\x35not zlib at all"), "cannot be unpacked"),
        (pack(b"\xb5" + b"\xff" * 30), "has a number that does not end"),
        (pack(entry(b"", OFFSET_DELTA, base=b"\x01")), "has a number that does not end"),
    ],
)
def test_a_damaged_pack_is_a_fault_of_the_server(content: bytes, message: str) -> None:
    """And says what is damaged."""
    with pytest.raises(SourceUnavailable) as refused:
        check(content)
    assert refused.value.message == f"what the Git server sent is damaged: it {message}"


LIMIT = git_pack.MAX_OBJECT_BYTES


def test_an_object_of_the_largest_size_is_taken() -> None:
    """And one more byte is not."""
    check(pack(entry(bytes(LIMIT))))
    with pytest.raises(GitRefused, match="has a file of 32 MiB; where the server cannot leave out large ones, at most"):
        check(pack(entry(bytes(LIMIT + 1))))


@pytest.mark.parametrize(
    "content",
    [
        pack(entry(b"x", size=2**60)),
        pack(entry(delta(10, 2**40), REFERENCE_DELTA, base=b"\0" * 20)),
        pack(entry(delta(10, LIMIT + 1), OFFSET_DELTA, base=b"\x01")),
    ],
)
def test_a_size_is_believed_if_it_is_too_large(content: bytes) -> None:
    """Also that of what a difference makes: a few bytes can copy one piece over and over."""
    with pytest.raises(GitRefused, match="has a file of"):
        check(content)


def test_a_bomb_takes_neither_memory_nor_time() -> None:
    """An object that says that it is small is read no further than it says."""
    bomb = pack(entry(bytes(300 * 1024 * 1024), size=1000))
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable, match="of another size than it says"):
        check(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * 1024 * 1024
    assert time.monotonic() - begun < 5


def test_many_objects_are_too_many() -> None:
    """By number, before any is read, and by their sizes together."""
    with pytest.raises(GitRefused, match=r"has 4,294,967,295 objects .* at most 250,000 are"):
        check(pack(count=0xFFFFFFFF))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(git_pack, "MAX_UNPACKED_BYTES", 1000)
        check(pack(*[entry(bytes(100))] * 10))
        with pytest.raises(GitRefused, match="has more than 0 MiB, unpacked"):
            check(pack(*[entry(bytes(100))] * 11))


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 30))
def test_any_bytes_are_a_pack_or_refused(noise: bytes, place: int, length: int) -> None:
    """Nothing else is ever raised."""
    for content in (noise, GOOD[:12] + noise, GOOD[:place] + noise + GOOD[place + length :]):
        try:
            check(content)
        except (SourceUnavailable, GitRefused):
            continue
        assert content == GOOD


def test_it_takes_no_longer_than_there_is_time() -> None:
    """Neither receiving nor looking at it."""
    over = Deadline(time.monotonic() - 1)
    with pytest.raises(SourceUnavailable, match="the time of the case was over"):
        check_pack(io.BytesIO(GOOD), over)
    with pytest.raises(SourceUnavailable, match="the time of the case was over"):
        Receiver(io.BytesIO(), over)(b"x")


def test_a_receiver_counts_what_it_takes() -> None:
    """And takes no more than the limit."""
    stream = io.BytesIO()
    receiver = Receiver(stream, FOREVER)
    assert (receiver(b"abc"), receiver(b"de"), receiver.received, stream.getvalue()) == (3, 2, 5, b"abcde")
    receiver.received = git_pack.MAX_PACK_BYTES
    with pytest.raises(GitRefused, match="is a repository of more than 512 MiB"):
        receiver(b"x")
