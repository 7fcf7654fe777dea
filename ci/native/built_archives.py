"""The images that were built here: archives in the cache, and which name stands for which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from native import cache
from native.processes import write_atomically

FILE_NAME = "image.tar"
KEPT = 5


def folder() -> Path:
    """Where the archives are, each in a folder that is named after its content."""
    return cache.cache_home() / "builds"


def recorded() -> dict[str, str]:
    """The archives by their images' full names."""
    try:
        names = json.loads((folder() / "names.json").read_text())
    except (OSError, ValueError):
        return {}
    return dict(names) if isinstance(names, dict) else {}


def remember(name: str, archive: Path) -> None:
    """Record which archive a name stands for from now on."""
    write_atomically(folder() / "names.json", json.dumps({**recorded(), name: str(archive)}, indent=2))


def remove_old_ones() -> None:
    """Keep the newest few archives, and those that a name stands for."""
    entries = [path for path in folder().iterdir() if (path / FILE_NAME).exists()]
    in_use = {Path(archive).parent for archive in recorded().values()}
    for entry in sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        if entry not in in_use:
            shutil.rmtree(entry, ignore_errors=True)
