"""Writing and reading OCI image archives: a tar file with layers, a configuration, a manifest and an index.

An image that is nothing but a root file system and a few settings needs no image builder: this is faster, needs no
storage of its own, and gives the same digest for the same content.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIGURATION_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
NAME_ANNOTATION = "org.opencontainers.image.ref.name"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class ImageSettings:
    """What a Dockerfile would say besides the files."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = ""

    def as_configuration(self) -> dict[str, Any]:
        """The `config` part of an image's configuration."""
        values = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "User": self.user,
            "StopSignal": self.stop_signal,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True)
class LayerFile:
    """One file, folder or link of a layer that is made from scratch."""

    path: str
    content: bytes = b""
    mode: int = 0o755
    link_to: str = ""
    is_folder: bool = False
    user: int = 0


def layer(files: Sequence[LayerFile]) -> bytes:
    """Make a layer; times are left out, so that the same files make the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.mode, entry.size, entry.uid, entry.gid = file.mode, len(file.content), file.user, file.user
            if file.is_folder:
                entry.type = tarfile.DIRTYPE
            elif file.link_to:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link_to
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def oci_architecture() -> str:
    """The architecture's name in image configurations."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def write_archive(target: Path, *, name: str, layers: Sequence[Path | bytes], settings: ImageSettings) -> None:
    """Write an image of the given layers, the lowest first, under its full name."""
    digests = [digest_of(content) for content in layers]
    configuration = encode(
        {
            "architecture": oci_architecture(),
            "os": "linux",
            "created": EPOCH,
            "config": settings.as_configuration(),
            "rootfs": {"type": "layers", "diff_ids": digests},
            "history": [{"created": EPOCH, "created_by": "ci/native"} for _ in layers],
        }
    )
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIGURATION_TYPE, configuration),
            "layers": [
                {"mediaType": LAYER_TYPE, "digest": digest, "size": size_of(content)}
                for digest, content in zip(digests, layers, strict=True)
            ],
        }
    )
    entry = {**descriptor(MANIFEST_TYPE, manifest), "annotations": {NAME_ANNOTATION: name}}
    with tarfile.open(target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        add(archive, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
        add(archive, "index.json", encode({"schemaVersion": 2, "manifests": [entry]}))
        for content in (manifest, configuration):
            add(archive, blob_path(digest_of(content)), content)
        # Layers can be equal (two empty ones, say), and a blob is stored once.
        for digest, layer_content in dict(zip(digests, layers, strict=True)).items():
            add(archive, blob_path(digest), layer_content)


def manifest_digest(archive_path: Path) -> str:
    """The digest by which containerd knows the image in an OCI archive; empty for an archive of another kind."""
    try:
        with tarfile.open(archive_path) as archive:
            member = archive.extractfile("index.json")
            manifests = json.load(member)["manifests"] if member else []
    except (KeyError, tarfile.TarError, ValueError):
        return ""
    return str(manifests[0]["digest"]) if len(manifests) == 1 else ""


def encode(value: dict[str, Any]) -> bytes:
    """JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """How one blob refers to another."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def blob_path(digest: str) -> str:
    """Where a blob is inside the archive."""
    return f"blobs/{digest.replace(':', '/')}"


def size_of(content: Path | bytes) -> int:
    """The length in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def digest_of(content: Path | bytes) -> str:
    """The SHA-256 digest in OCI's notation."""
    if isinstance(content, bytes):
        return f"sha256:{hashlib.sha256(content).hexdigest()}"
    with content.open("rb") as handle:
        return f"sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()}"


def add(archive: tarfile.TarFile, path: str, content: Path | bytes) -> None:
    """Add one file to the archive."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size_of(content), 0o644
    if isinstance(content, bytes):
        archive.addfile(entry, io.BytesIO(content))
    else:
        with content.open("rb") as handle:
            stream: BinaryIO = handle
            archive.addfile(entry, stream)
