"""Paths of a project, as texts: checked, joined and ordered without looking at any file."""

import unicodedata
from pathlib import Path

NAME_BYTES = 255
"""The longest name that file systems have."""


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
