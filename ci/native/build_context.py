"""What goes into an image build: the files that .dockerignore lets through, and one hash over all of them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class IgnoreRule:
    """One line of .dockerignore."""

    pattern: re.Pattern[str]
    ignores: bool
    """False for a line with `!`, which lets through what an earlier line ignores."""


def parse_ignore_file(text: str) -> list[IgnoreRule]:
    """Read .dockerignore: comments and empty lines left out, patterns relative to the context's root."""
    rules = []
    for raw_line in text.splitlines():
        line = raw_line.strip()
        if not line or line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        pattern = os.path.normpath(line.lstrip("!").strip()).lstrip("/")
        if pattern != ".":
            rules.append(IgnoreRule(pattern_expression(pattern), ignores))
    return rules


def pattern_expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: `**` stands for any number of folders, `*` and `?` stay within one name.

    What is below a matching folder matches as well.
    """
    expression = ""
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            expression += "(?:.*/)?"
            position += 3
        elif pattern.startswith("**", position):
            expression += ".*"
            position += 2
        else:
            character = pattern[position]
            expression += {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)
            position += 1
    return re.compile(f"{expression}(?:/.*)?")


def is_ignored(path: str, rules: Sequence[IgnoreRule]) -> bool:
    """Whether a path stays out of the build: the last rule that matches decides."""
    ignored = False
    for rule in rules:
        if rule.pattern.fullmatch(path):
            ignored = rule.ignores
    return ignored


def context_files(root: Path, rules: Sequence[IgnoreRule]) -> Iterator[Path]:
    """Every file and link that goes into the build, in a fixed order."""
    has_exceptions = any(not rule.ignores for rule in rules)
    for folder, folder_names, file_names in os.walk(root):
        relative = Path(folder).relative_to(root)
        # A link to a folder is a link in the image too: it is taken as it is and not followed.
        links = [name for name in folder_names if (Path(folder) / name).is_symlink()]
        folder_names[:] = sorted(
            name
            for name in folder_names
            # With exceptions, something below an ignored folder may be let through, so it must be looked into.
            if name not in links and (has_exceptions or not is_ignored(str(relative / name), rules))
        )
        for name in sorted([*file_names, *links]):
            if not is_ignored(str(relative / name), rules):
                yield Path(folder) / name


def context_hash(root: Path, rules: Sequence[IgnoreRule], *, further: Sequence[str] = ()) -> str:
    """One hash over names, kinds, executable bits and contents, and over whatever else decides the result."""
    digest = hashlib.sha256()
    for part in further:
        digest.update(f"further {len(part)} {part}\n".encode())
    for path in context_files(root, rules):
        name = str(path.relative_to(root))
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            digest.update(f"link {name} {path.readlink()}\n".encode())
        elif stat.S_ISREG(status.st_mode):
            executable = bool(status.st_mode & stat.S_IXUSR)
            digest.update(f"file {name} {executable} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
