"""Playbooks in a folder and the folders below it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from testrun_operator.kinds.playbook.commands.playbooks import Playbook, Unreadable, make_playbook, read_yaml
from testrun_operator.sources.paths import order_key
from testrun_operator.terminal.errors import CannotDo

_ENDINGS = frozenset({".yaml", ".yml"})
_SAYS_PLAYBOOK = re.compile(r"^[ \t]*[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?playbook\b", re.MULTILINE | re.IGNORECASE)
_MAX_BYTES = 1024 * 1024
_MAX_ENTRIES = 20_000


@dataclass(slots=True)
class Found:
    """What is in a folder, or in a catalog."""

    playbooks: list[Playbook] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What should be playbooks and cannot be read: ``file: why``."""
    others: int = 0
    """How many files are something else, as far as one can see: templates of Helm are no YAML, for instance."""


def read_folder(root: Path) -> Found:
    """Read the playbooks of a folder, in the order of their names. Hidden files and folders are passed over.

    Raises:
        CannotDo: it is no folder, or holds too much.
    """
    if not root.is_dir():
        raise CannotDo(f"{root} is no folder" if root.exists() else f"there is no folder {root}")
    found = Found()
    for name, file in _files(root):
        text = ""
        try:
            text = _read(file)
            document = read_yaml(text)
            if document is None:
                found.others += 1
                continue
            found.playbooks.append(make_playbook(document, origin=name, folder=_folder_of(name), text=text))
        except Unreadable as unreadable:
            if text and not _SAYS_PLAYBOOK.search(text):
                found.others += 1
                continue
            found.broken.append(f"{name}: {unreadable.reason}")
    return found


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    entries = 0
    found: list[tuple[str, Path]] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        entries += len(folders) + len(names)
        if entries > _MAX_ENTRIES:
            raise CannotDo(f"{root} has more than {_MAX_ENTRIES:,} files and folders; name a folder in it")
        for name in names:
            file = Path(folder) / name
            if file.suffix.lower() in _ENDINGS and not name.startswith(".") and file.is_file():
                found.append((file.relative_to(root).as_posix(), file))
    yield from sorted(found, key=lambda entry: order_key(entry[0]))


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise Unreadable(f"is larger than {_MAX_BYTES // 1024} KiB, which no playbook is")
        return file.read_bytes().decode()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable("is no text in UTF-8") from None


def _folder_of(name: str) -> str | None:
    """Name the folders of a file; those of the playbook's path where the file is in none.

    Many playbooks have a folder of their own, of the same name: it would be a category of one case.
    """
    file = PurePosixPath(name)
    parts = file.parent.parts
    if parts and parts[-1] == file.stem:
        parts = parts[:-1]
    return "/".join(parts) or None
