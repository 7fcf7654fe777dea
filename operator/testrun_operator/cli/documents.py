"""TestSuites and TestRuns in YAML files, read as kubectl would read them."""

import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testrun_operator.api.base import Document
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.terminal.errors import CannotDo

STANDARD_INPUT = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True, slots=True)
class Found:
    """A TestSuite or TestRun in a file."""

    source: str
    kind: str
    api_version: str
    namespace: str | None
    """None where the file names none; kubectl then takes that of the context."""
    name: str
    spec: object
    is_prefix: bool = False
    """Whether the name is a ``generateName``, to which the API server adds the rest: ``kubectl create`` takes that."""

    def __str__(self) -> str:
        return f"{self.source}: {self.kind}/{self.name}"


@dataclass(slots=True)
class Files:
    """What was found in files."""

    objects: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is no YAML, or no Kubernetes object: ``file: what``."""
    others: int = 0
    """Objects of other kinds, which were passed over."""

    def suites(self) -> Iterator[Found]:
        """Yield the TestSuites."""
        return (found for found in self.objects if found.kind == "TestSuite")

    def runs(self) -> Iterator[Found]:
        """Yield the TestRuns."""
        return (found for found in self.objects if found.kind == "TestRun")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: dates stay texts, ``1e3`` is a number, and no key stands twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - overrides a class attribute of the library
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as the library has it
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here a second time", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


# A commit such as 4511e07 is a number to Kubernetes, and to PyYAML a text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def read_files(paths: Iterable[str]) -> Files:
    """Read files, the YAML files of folders and their subfolders, and standard input for ``-``.

    Raises:
        CannotDo: a file cannot be read.
    """
    files = Files()
    for path in paths:
        for source, text in _texts(path):
            read_text(source, text, files)
    return files


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == STANDARD_INPUT:
        yield "standard input", sys.stdin.read()
        return
    root = Path(path)
    members = sorted(file for file in root.rglob("*") if file.suffix in _SUFFIXES) if root.is_dir() else [root]
    for file in members:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except OSError as error:
            raise CannotDo(f"{file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CannotDo(f"{file} is no text in UTF-8") from None


def read_text(source: str, text: str, files: Files) -> None:
    """Read a text that may have several documents, and add what is in it.

    Args:
        source: where it is from, for messages.
        text: the text.
        files: what was found so far.
    """
    try:
        for document in yaml.load_all(text, Loader=_Loader):
            _read_document(source, document, files)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        files.problems.append(f"{source}: {where}{error.problem or error.context}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        files.problems.append(f"{source}: is no YAML: {' '.join(str(error).split())}")


def _read_document(source: str, document: object, files: Files) -> None:
    if document is None:
        return
    if not isinstance(document, Mapping):
        files.problems.append(f"{source}: holds a document that is no Kubernetes object")
        return
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            _read_document(source, item, files)
        return
    found = _find(source, dict(document))
    if found is None:
        files.others += 1
    else:
        files.objects.append(found)


def _find(source: str, document: Document) -> Found | None:
    api_version = str(document.get("apiVersion") or "")
    kind = document.get("kind")
    if kind not in {"TestSuite", "TestRun"} or (api_version and api_version.partition("/")[0] != GROUP):
        return None
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    namespace = metadata.get("namespace")
    name, prefix = str(metadata.get("name") or ""), str(metadata.get("generateName") or "")
    return Found(
        source=source,
        kind=str(kind),
        api_version=api_version,
        namespace=str(namespace) if namespace else None,
        name=name or prefix,
        spec=document.get("spec"),
        is_prefix=not name and bool(prefix),
    )


def check_object(found: Found) -> Iterator[str]:
    """Yield what is wrong with an object outside its spec."""
    if found.api_version != f"{GROUP}/{VERSION}":
        given = repr(found.api_version) if found.api_version else "missing"
        yield f"apiVersion: is {given}; write {GROUP}/{VERSION}"
    field_name, example = ("generateName", f"{found.name}x") if found.is_prefix else ("name", found.name)
    if not found.name:
        yield "metadata.name: is missing"
    elif not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", example):
        yield (
            f"metadata.{field_name}: {found.name!r} is no name of a Kubernetes object; use lower-case letters, digits, "
            "'-' and '.', at most 253 characters"
        )
