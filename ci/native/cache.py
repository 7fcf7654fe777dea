"""The cache: built binaries and images that outlive `down`. Nothing half-written is ever found in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


def cache_home() -> Path:
    """The project's cache folder, as the XDG base directory specification says it."""
    configured = os.environ.get("XDG_CACHE_HOME")
    base = Path(configured) if configured else Path.home() / ".cache"
    return base / "testrun-operator"


def build_logs() -> Path:
    """Where the logs of builds are: they must outlive a cluster that could not be brought up."""
    return cache_home() / "logs"


def recipe_key(version: str, recipe: Sequence[str]) -> str:
    """Name a cache entry by its version and by how it was made, so that a changed recipe never finds an old result."""
    digest = hashlib.sha256()
    for part in recipe:
        encoded = part.encode()
        # The length before each part keeps ["ab", "c"] apart from ["a", "bc"].
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return f"{version}-{digest.hexdigest()[:12]}"


@contextlib.contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Let one process at a time in; the kernel releases the lock when the holder dies, however it dies."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def new_entry(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and move it to `target` in one step when the block ends without an exception.

    A killed process leaves a `.partial-*` folder behind, which the next one removes: entries of the same parent are
    made under one lock, so no other process can be filling it.
    """
    with exclusive(target.parent / ".lock"):
        for abandoned in target.parent.glob(".partial-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
        # mkdtemp gives 0700; what is cached is not secret and builds may run as somebody else.
        partial.chmod(0o755)
        try:
            yield partial
            if target.exists():
                # Another process made the same entry while this one waited for the lock.
                return
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
