"""Playbooks as a suite sees them, read from YAML, from a folder, or from what a server made of the YAML."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from testrun_operator.errors import LocalError
from testrun_operator.kinds.playbook.commands.analysis import (
    PlaybookTooLarge,
    References,
    Workload,
    find_children,
    find_credentials,
    is_sequential,
    traverse,
)
from testrun_operator.kinds.playbook.commands.unsafe_tools import find_unsafe_uses
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
        reason: why not, for a message that begins with the name of the file.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook, with what a suite needs to know about it."""

    path: str
    """Its path in the catalog."""
    description: str
    """The first line of its description; may be empty."""
    origin: str
    """Where it was found, for messages: the name of a file, or ``the catalog``."""
    folder: str
    """The folders that it is in, separated by ``/``; may be empty. They become the category of its case."""
    text: str = field(repr=False)
    """The YAML as it is written; empty if it was found in a catalog."""
    version: int | None = None
    """Its version in the catalog; None if it was not found there."""
    unsafe_uses: tuple[str, ...] = ()
    """The unsafe tools that it uses, each as a clause: ``step 'deploy' uses the tool 'kubectl'``."""
    credentials: References = field(default_factory=References)
    """Names of the credentials that it asks its server for."""
    children: References = field(default_factory=References)
    """Paths of the playbooks that it starts."""
    is_sequential: bool = True
    """Whether its steps run one after the other, as far as its text tells."""


def read_yaml(text: str) -> Mapping[str, object] | None:
    """Read a text, and return its document if that is a playbook.

    Args:
        text: the content of a file, which may be any YAML or none.

    Returns:
        The playbook; None if the text is YAML of something else.

    Raises:
        Unreadable: it is no YAML, or it has other documents beside a playbook, which NoETL does not accept.
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
    """Find out what a suite needs to know about a playbook.

    Args:
        document: the playbook, as read from YAML.
        origin: where it was found: the name of a file, or ``the catalog``.
        path: its path in the catalog; empty for the one in its metadata.
        version: its version in the catalog; None if it was not found there.
        folder: the folders that it is in, separated by ``/``; None for those of its path.
        text: the YAML as it is written, if cases may have to register it.

    Raises:
        Unreadable: it has neither a path nor a name, or it is larger than any playbook that people write.
    """
    metadata = document.get("metadata")
    fields: Mapping[str, object] = metadata if isinstance(metadata, Mapping) else {}
    named = (_text(source, key) for source in (fields, document) for key in ("path", "name"))
    path = path or next(filter(None, named), "")
    if not path:
        raise Unreadable("has neither metadata.path nor metadata.name")
    workload = Workload(document.get("workload"))
    try:
        nodes = list(traverse(document))
    except PlaybookTooLarge:
        raise Unreadable("is larger than any playbook") from None
    return Playbook(
        path=path,
        description=next(iter((_text(fields, "description") or _text(document, "description")).splitlines()), ""),
        origin=origin,
        folder=path.rpartition("/")[0] if folder is None else folder,
        text=text,
        version=version,
        unsafe_uses=find_unsafe_uses(nodes, workload),
        credentials=find_credentials(nodes, document.get("keychain"), workload),
        children=find_children(nodes, workload),
        is_sequential=is_sequential(nodes),
    )


def _is_playbook(document: Mapping[object, object]) -> bool:
    return str(document.get("kind", "")).casefold() == "playbook"


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


@dataclass(slots=True)
class FoundPlaybooks:
    """The playbooks of a folder or of a catalog."""

    playbooks: list[Playbook] = field(default_factory=list)
    """Those that could be read."""
    broken: list[str] = field(default_factory=list)
    """Those that could not be read, each as ``file: why``."""
    others: int = 0
    """How many YAML files are something else. A file that is no YAML, such as a template of Helm, is one of these."""


def read_folder(root: Path) -> FoundPlaybooks:
    """Read the playbooks of a folder and of the folders below it, in the order of their names.

    Hidden files and folders are skipped. A file that cannot be read is noted in the result and is no error.

    Args:
        root: the folder.

    Raises:
        CannotDo: it is no folder, or contains more files than are looked at.
    """
    if not root.is_dir():
        raise CannotDo(f"{root} is no folder" if root.exists() else f"there is no folder {root}")
    found = FoundPlaybooks()
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
    """Return the folders of a file, separated by ``/``; None if it is in none, so that those of its path count.

    Many playbooks have a folder of their own, of the same name. It is left out: it would be a category of one case.
    """
    file = PurePosixPath(name)
    parts = file.parent.parts
    if parts and parts[-1] == file.stem:
        parts = parts[:-1]
    return "/".join(parts) or None
