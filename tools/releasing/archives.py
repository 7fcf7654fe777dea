"""Tar files that are the same, byte for byte, for the same content."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import IO, cast


def rewrite(path: Path, time: int, *, compress: bool) -> None:
    """Write a tar file anew: sorted, nobody's, and with one time for everything in it, also in gzip's header.

    What made it wrote the moment and the user of its making into it, which say nothing of the content.

    Args:
        path: the archive, compressed or not; is replaced.
        time: seconds since 1970.
        compress: whether the new one is compressed with gzip.
    """
    partial = path.with_name(f".{path.name}.partial")
    with tarfile.open(path) as source, partial.open("wb") as plain:
        if compress:
            # Without a file name, which gzip would write into the header, too.
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=time) as stream:
                _copy(source, cast("IO[bytes]", stream), time)
        else:
            _copy(source, plain, time)
    partial.replace(path)


def _copy(source: tarfile.TarFile, target: IO[bytes], time: int) -> None:
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.pax_headers = {}
            content = source.extractfile(member) if member.isfile() else None
            archive.addfile(member, content or io.BytesIO())
