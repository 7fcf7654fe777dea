"""Paths of a case's files: checked, joined and ordered as texts; the names in a folder, and how much files may hold."""

import os
import unicodedata
from pathlib import Path

NAME_BYTES = 255
"""The longest name that file systems have."""
MAX_FILES = 10_000
"""The most files that a case may bring along."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""The largest file that is read."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""The most bytes that they may have together."""


def order_key(path: str) -> bytes:
    """Return what paths are ordered by: their UTF-16 code units, so that ``B.sql`` comes before ``a.sql``."""
    return path.encode("utf-16-be", "surrogatepass")


def printable(path: str) -> str:
    """Return a path for messages: control characters and bytes that are no UTF-8 are escaped."""
    return "".join(
        char if not unicodedata.category(char).startswith("C") else char.encode("unicode_escape").decode()
        for char in path
    )


def problem_of_path(path: str) -> str:
    """Say why a path may not be used below a folder; an empty text if it may.

    Args:
        path: relative, with ``/``; a ``/`` at its end does no harm.
    """
    parts = path.removesuffix("/").split("/")
    if path.startswith("/"):
        return "must be relative, without a '/' at its beginning"
    if ".." in parts:
        return "must not contain '..'"
    if "" in parts or "." in parts:
        return "must be a plain path such as 'database/tests', without '.' and empty parts"
    if any(problem_of_name(part) for part in parts):
        return "contains a name that no file can have"
    return ""


def problem_of_name(name: str) -> str:
    """Say why a file or folder may not have this name; an empty text if it may."""
    if name in ("", ".", ".."):
        return "is not the name of a file"
    if "/" in name or "\0" in name:
        return "contains a character that no name of a file can have"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"is longer than {NAME_BYTES} bytes" if length > NAME_BYTES else ""


def path_beside(file: str, reference: str, *, within: str) -> str | None:
    """Return the path that a reference in a file leads to, or None where it leads out of a folder.

    Args:
        file: path of the file, relative to the project: ``tests/billing/charge.stt``.
        reference: path relative to the file's folder, as an author writes it: ``../expected/letter.txt``.
        within: the folder that must not be left, relative to the project: ``tests``.
    """
    if reference.startswith("/") or "\0" in reference:
        return None
    parts: list[str] = []
    for part in (*file.split("/")[:-1], *reference.split("/")):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    folder = within.split("/")
    return "/".join(parts) if len(parts) > len(folder) and parts[: len(folder)] == folder else None


def is_inside(real: Path, root: Path) -> bool:
    """Whether a path without links and ``..`` is the folder itself or below it."""
    return real == root or root in real.parents


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
