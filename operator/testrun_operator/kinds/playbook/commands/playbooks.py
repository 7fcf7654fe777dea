"""Playbooks as a suite sees them, read from YAML, from a folder, or from what a server made of the YAML."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from testrun_operator.errors import LocalError
from testrun_operator.kinds.playbook.commands.analysis import (
    Names,
    TooLarge,
    Workload,
    find_children,
    find_credentials,
    is_sequential,
    spots,
)
from testrun_operator.kinds.playbook.commands.unsafe_tools import find_dangers
from testrun_operator.sources.paths import order_key
from testrun_operator.terminal.errors import CannotDo

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ENDINGS = frozenset({".yaml", ".yml"})
_SAYS_PLAYBOOK = re.compile(r"^[ \t]*[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?playbook\b", re.MULTILINE | re.IGNORECASE)
_MAX_BYTES = 1024 * 1024
_MAX_ENTRIES = 20_000


class Unreadable(LocalError):
    """A text that should be a playbook is none.

    Args:
        reason: why, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook, and what a suite has to know of it."""

    path: str
    """In the catalog."""
    description: str
    """The first line of what it says of itself; may be empty."""
    origin: str
    """Where it was found: a file, or the catalog."""
    folder: str
    """The folders that it is in, with ``/``; may be empty."""
    text: str = field(repr=False)
    """As it is written; empty where it is in a catalog."""
    version: int | None = None
    """In the catalog; None where it was not found there."""
    dangers: tuple[str, ...] = ()
    """What it does outside of NoETL that nobody should start unasked."""
    credentials: Names = field(default_factory=Names)
    """Credentials that it asks its server for."""
    children: Names = field(default_factory=Names)
    """Paths of playbooks that it starts."""
    is_sequential: bool = True
    """Whether its steps come one after the other, as far as it is written so."""


def read_yaml(text: str) -> Mapping[str, object] | None:
    """Read a text, and give its document if that is a playbook.

    Returns:
        None where it is something else.

    Raises:
        Unreadable: it is no YAML, or a playbook among other documents, which NoETL does not take.
    """
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise Unreadable(f"{where}{error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(f"is no YAML: {' '.join(str(error).split())}") from None
    found = [document for document in documents if isinstance(document, Mapping) and _is_playbook(document)]
    if found and len(documents) > 1:
        raise Unreadable(f"has {len(documents)} documents; NoETL takes one from a file")
    return found[0] if found else None


def make_playbook(
    document: Mapping[str, object],
    *,
    origin: str,
    path: str = "",
    version: int | None = None,
    folder: str | None = None,
    text: str = "",
) -> Playbook:
    """Find out what a suite has to know of a playbook.

    Args:
        document: what is in it.
        origin: where it was found.
        path: in the catalog; empty for the one that it names itself.
        version: in the catalog, if that is where it was found.
        folder: the folders that it is in; None for those of its path.
        text: as it is written, where it is to be registered.

    Raises:
        Unreadable: it has no path and no name, or is larger than any playbook.
    """
    metadata = document.get("metadata")
    fields: Mapping[str, object] = metadata if isinstance(metadata, Mapping) else {}
    named = (_text(source, key) for source in (fields, document) for key in ("path", "name"))
    path = path or next(filter(None, named), "")
    if not path:
        raise Unreadable("has neither metadata.path nor metadata.name")
    workload = Workload(document.get("workload"))
    try:
        found = list(spots(document))
    except TooLarge:
        raise Unreadable("is larger than any playbook") from None
    return Playbook(
        path=path,
        description=next(iter((_text(fields, "description") or _text(document, "description")).splitlines()), ""),
        origin=origin,
        folder=path.rpartition("/")[0] if folder is None else folder,
        text=text,
        version=version,
        dangers=find_dangers(found, workload),
        credentials=find_credentials(found, document.get("keychain"), workload),
        children=find_children(found, workload),
        is_sequential=is_sequential(found),
    )


def _is_playbook(document: Mapping[object, object]) -> bool:
    return str(document.get("kind", "")).casefold() == "playbook"


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


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
