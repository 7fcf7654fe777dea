"""What is installed in an image, read from its OCI archive: that is what people get, whatever was asked for."""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

_DPKG = "var/lib/dpkg/status"
_METADATA = re.compile(r".*/[^/]+\.dist-info/METADATA")
_OS_RELEASE = "usr/lib/os-release"
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_LONGEST_LICENCE = 100
"""Some write the whole text of a licence where its name belongs."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package of Debian's, or of Python's."""

    name: str
    version: str
    architecture: str = ""
    """Of Debian's alone."""
    licence: str = ""
    """An SPDX expression or a name, as the package has it; empty where it says nothing short."""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image has."""

    digest: str
    """Of the image's manifest, `sha256:…`: what a registry calls it, too."""
    architecture: str
    distribution: str
    """As package URLs name it: `debian-13`."""
    debian: tuple[Package, ...]
    python: tuple[Package, ...]


def read_contents(archive: Path) -> Contents:
    """Read an OCI archive with one image, whose layers may be compressed.

    Raises:
        ValueError: it is none, or has several images.
    """
    with tarfile.open(archive) as outer:
        try:
            (entry,) = json.loads(_read(outer, "index.json"))["manifests"]
            manifest = json.loads(_read(outer, _blob(entry["digest"])))
            configuration = json.loads(_read(outer, _blob(manifest["config"]["digest"])))
            layers = [layer["digest"] for layer in manifest["layers"]]
        except (KeyError, ValueError) as error:
            raise ValueError(f"{archive.name} is no OCI archive of one image: {error}") from None
        files = _merge(_layer_files(outer, digest) for digest in layers)
    release = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)"?$', files.get(_OS_RELEASE, b"").decode()))
    return Contents(
        digest=entry["digest"],
        architecture=configuration["architecture"],
        distribution=f"{release.get('ID', 'linux')}-{release.get('VERSION_ID', '')}".rstrip("-"),
        debian=tuple(sorted(_debian_packages(files.get(_DPKG, b"").decode()))),
        python=tuple(
            sorted(_python_package(body.decode()) for name, body in files.items() if _METADATA.fullmatch(name))
        ),
    )


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    return member.read()


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _layer_files(outer: tarfile.TarFile, digest: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a layer that matter, and its whiteouts."""
    with outer.extractfile(_blob(digest)) or _no_layer(digest) as stream, tarfile.open(fileobj=stream) as layer:
        for member in layer:
            name = member.name.removeprefix("./")
            if name in {_DPKG, _OS_RELEASE} or _METADATA.fullmatch(name):
                content = layer.extractfile(member) if member.isfile() else None
                yield name, content.read() if content else b""
            elif _WHITEOUT in name:
                yield name, b""


def _no_layer(digest: str) -> tarfile.ExFileObject:
    raise ValueError(f"there is no layer {digest}")


def _merge(layers: Iterable[Iterable[tuple[str, bytes]]]) -> dict[str, bytes]:
    """Lay layers over one another; what a whiteout of the image specification names is gone."""
    files: dict[str, bytes] = {}
    for layer in layers:
        found = dict(layer)
        for name in found:
            folder, _, last = name.rpartition("/")
            if last == _OPAQUE:
                gone = folder
            elif last.startswith(_WHITEOUT):
                gone = f"{folder}/{last.removeprefix(_WHITEOUT)}".removeprefix("/")
            else:
                continue
            files = {known: body for known, body in files.items() if known != gone and not known.startswith(f"{gone}/")}
        files |= {name: body for name, body in found.items() if _WHITEOUT not in name}
    return files


def _debian_packages(status: str) -> Iterator[Package]:
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields.get("Status", "").endswith(" installed"):
            yield Package(
                fields["Package"],
                fields["Version"],
                fields["Architecture"],
                summary=fields.get("Description", "").partition("\n")[0],
            )


def _python_package(metadata: str) -> Package:
    fields = HeaderParser().parsestr(metadata)
    return Package(
        # As package URLs want it.
        re.sub(r"[-_.]+", "-", fields["Name"]).lower(),
        fields["Version"],
        licence=_licence_of(fields),
        summary=fields.get("Summary", ""),
    )


def _licence_of(fields: Message) -> str:
    """Return what metadata says in one of the three ways that it had over the years, the newest first."""
    declared = fields.get("License-Expression") or fields.get("License", "").strip()
    if declared and "\n" not in declared and len(declared) <= _LONGEST_LICENCE:
        return str(declared)
    classifiers = (str(text).split(" :: ") for text in fields.get_all("Classifier", ()))
    return next((parts[-1] for parts in classifiers if parts[0] == "License"), "")
