"""What is in a folder of a case's files, and how much of it there may be."""

import os
from pathlib import Path

from testrun_operator.sources.paths import order_key

MAX_FILES = 10_000
"""The most files that a case may bring along."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""The largest file that is read."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""The most bytes that they may have together."""


def names_in(folder: Path, most: int = 10_000) -> list[tuple[str, bool]]:
    """Return the names in a folder, in their order, and whether each is a folder.

    Names that begin with a dot are left out, and so is what is beyond ``most`` names.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= most:
                    break
                if not entry.name.startswith("."):
                    found.append((entry.name, entry.is_dir()))
    except OSError:
        return []
    return sorted(found, key=lambda name: order_key(name[0]))
