"""Packs a project, or a single file, into a ConfigMap, with the lines of a case that restore its folders."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from testrun_operator.api.base import Document
from testrun_operator.api.yaml_dumper import KubernetesDumper
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.project.discovery import find_layout, load_file, load_project
from testrun_operator.kinds.sql.project.reading import FileUnreadable, read_bytes
from testrun_operator.sources.config_map import key_for
from testrun_operator.sources.paths import order_key, printable

MAX_BYTES = 1024 * 1024
"""The most that the values of a ConfigMap may have together."""
MAX_ITEMS = 500
"""The most files that a case may name."""
MAX_PATH = 4096
_MAX_NAME = 253
_APPLY_BYTES = 256 * 1024
"""From here on `kubectl apply` fails without `--server-side`: it keeps a copy in an annotation."""
_LARGEST = 5
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NO_TEXT = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029\ufeff]")
"""What parsers of YAML take for ends of lines, or do not take at all; a file with one of them is binary to us."""


class CannotPack(CaseError):
    """A project cannot become a ConfigMap.

    Args:
        message: why, and what to do instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the project and its key in the ConfigMap."""

    key: str
    path: str
    """Relative to the project, with ``/``."""
    size: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A project as a ConfigMap."""

    name: str
    config_map: Document = field(repr=False)
    """The ConfigMap."""
    items: tuple[Item, ...]
    """Its files, in the order of their paths."""
    path: str | None = None
    """The file that is used, where it is a single one."""
    notices: tuple[str, ...] = ()
    """Files that look as if they were meant to be used, and are not packed."""

    @property
    def total_bytes(self) -> int:
        """How large all files are together."""
        return sum(item.size for item in self.items)


@dataclass(frozen=True, slots=True)
class PackedText:
    """What is printed."""

    config_map: str
    """The ConfigMap, as YAML."""
    source: str
    """The lines of the suite's case, from ``source:`` on, as YAML."""


def pack(root: Path, name: str, *, namespace: str | None = None) -> Packed:
    """Pack a project or a single test case file.

    Packed is what a project uses, and what ``=FILE:path=`` may name: all other files below ``tests``.

    Args:
        root: the project's folder, or the file.
        name: of the ConfigMap.
        namespace: of the ConfigMap; None leaves it out.

    Raises:
        CannotPack: the name is none for a ConfigMap, the files have problems, or are too many or too large.
        NothingToRun: there are no tests.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise CannotPack(f"{printable(name)!r} is not a name for a ConfigMap: lower-case letters, digits, '-' and '.'")
    if root.is_dir():
        contents, notices = _contents_of_project(root)
        path = None
    else:
        file = load_file(root)
        _refuse(file.problems)
        path = root.name
        contents, notices = {path: _read(root.resolve(), path)}, ()
    items = _items(contents)
    _check_size(items)
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for item in items:
        text = _as_text(contents[item.path])
        if text is None:
            binary[item.key] = base64.b64encode(contents[item.path]).decode()
        else:
            data[item.key] = text
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    document: Document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    document |= ({"data": data} if data else {}) | ({"binaryData": binary} if binary else {})
    return Packed(name, document, items, path, notices)


def render(packed: Packed) -> PackedText:
    """Return the ConfigMap, and the lines of the case that uses it, as YAML."""
    config_map = yaml.dump(
        packed.config_map, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_NEVER, default_flow_style=False
    )
    if packed.total_bytes > _APPLY_BYTES:
        config_map = f"# Too large for a plain kubectl apply; use: kubectl apply --server-side -f FILE\n{config_map}"
    lines = ["source:", "  configMap:", f"    name: {_scalar(packed.name)}"]
    if packed.path is not None and packed.items[0].key == packed.path:
        lines.append(f"    path: {_scalar(packed.path)}")
    else:
        lines.append("    items:")
        lines += [f"      - {{key: {_scalar(item.key)}, path: {_scalar(item.path)}}}" for item in packed.items]
        lines += [f"    path: {_scalar(packed.path)}"] if packed.path is not None else []
    return PackedText(config_map, "\n".join(lines) + "\n")


def _contents_of_project(root: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    project = load_project(root)
    _refuse(project.problems)
    layout = find_layout(root)
    files = {
        file.path: file
        for file in (
            *layout.schemas,
            *layout.sources,
            *layout.tests,
            *layout.setup,
            *layout.teardown,
            *layout.others,
        )
    }
    total = sum(file.size for file in files.values())
    if total > MAX_BYTES:  # told before all of it is read
        raise _too_large([(file.size, file.path) for file in files.values()])
    return {path: _read(file.real, path) for path, file in files.items()}, project.notices


def _read(real: Path, path: str) -> bytes:
    try:
        return read_bytes(real)
    except FileUnreadable as error:
        raise CannotPack(f"{printable(path)} {error.message}") from None


def _refuse(problems: Sequence[object]) -> None:
    if problems:
        shown = "; ".join(str(problem) for problem in problems[:_LARGEST])
        more = f"; and {len(problems) - _LARGEST} more" if len(problems) > _LARGEST else ""
        raise CannotPack(f"the project has problems, which a ConfigMap would hide: {shown}{more}")


def _items(contents: dict[str, bytes]) -> tuple[Item, ...]:
    taken: set[str] = set()
    items = []
    for path in sorted(contents, key=order_key):
        if len(path) > MAX_PATH:
            raise CannotPack(f"{printable(path)} has a path of more than {MAX_PATH} characters")
        if path.startswith(".."):
            raise CannotPack(f"{printable(path)} cannot be mounted, since its name begins with two dots; rename it")
        key = key_for(path, taken)
        taken.add(key)
        items.append(Item(key, path, len(contents[path])))
    return tuple(items)


def _check_size(items: tuple[Item, ...]) -> None:
    if sum(item.size for item in items) > MAX_BYTES:
        raise _too_large([(item.size, item.path) for item in items])
    if len(items) > MAX_ITEMS:
        message = f"there are {len(items):,} files, and a case can name at most {MAX_ITEMS} of a ConfigMap"
        raise CannotPack(f"{message}. {_INSTEAD}")


_INSTEAD = (
    "Take the files from Git instead (source.git), or make several projects of it, each with a ConfigMap and a case of "
    "its own"
)


def _too_large(sizes: list[tuple[int, str]]) -> CannotPack:
    total = sum(size for size, _ in sizes)
    largest = sorted(sizes, key=lambda entry: (-entry[0], entry[1]))[:_LARGEST]
    shown = ", ".join(f"{printable(path)} ({size:,})" for size, path in largest)
    message = f"the files have {total:,} bytes, and a ConfigMap holds {MAX_BYTES:,}. The largest: {shown}"
    return CannotPack(f"{message}. {_INSTEAD}")


def _as_text(content: bytes) -> str | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if _NO_TEXT.search(text) else text


class _Dumper(KubernetesDumper):
    """Writes texts of several lines as they are."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_NEVER = 1_000_000_000
"""Lines are not folded."""


def _scalar(text: str) -> str:
    """Return a text as a scalar that may stand in braces."""
    written: str = yaml.dump([text], Dumper=KubernetesDumper, default_flow_style=True, allow_unicode=True, width=_NEVER)
    return written.strip()[1:-1]
