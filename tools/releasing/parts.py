"""The files of a release: each function writes one kind into a folder, from the committed source in another."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from releasing.archives import rewrite
from releasing.changelog import Section

NAME = "testrun-operator"
CHECKSUMS = "SHA256SUMS"
SIGNATURE = f"{CHECKSUMS}.sigstore.json"
NOTES = "RELEASE_NOTES.md"
_TOOLS = Path(__file__).resolve().parent.parent


class CannotRelease(Exception):
    """A part cannot be made. The message says why, for whoever makes the release."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is released."""

    version: str
    repository: str
    """Name of the image, without its tag."""
    time: int
    """Seconds since 1970, of the commit."""
    source: Path
    """The files of the commit, and no others."""
    target: Path
    """Where the release's files are written."""

    @property
    def image(self) -> str:
        """The image's name with its tag."""
        return f"{self.repository}:{self.version}"


def export_source(root: Path, commit: str, target: Path) -> None:
    """Write the files of a commit into a folder, with the commit's time and nothing that is ignored or forgotten."""
    archive = target.with_suffix(".tar")
    _run(["git", "-C", str(root), "archive", "--format=tar", f"--output={archive}", commit])
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    archive.unlink()


def make_python_packages(release: Release) -> None:
    """Write the wheel and the source distribution."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        release.target,
        release.source,
    ]
    _run(command, {"SOURCE_DATE_EPOCH": str(release.time)})
    for path in release.target.glob("*.tar.gz"):
        rewrite(path, release.time, compress=True)


def make_chart(release: Release) -> Path:
    """Write the chart's package, whose default image is the release's.

    Raises:
        CannotRelease: the chart names its image in another way than this knows.
    """
    chart = release.source / "charts" / NAME
    values = chart / "values.yaml"
    text, changes = re.subn(rf"(?m)^(  repository:) {NAME}$", rf"\1 {release.repository}", values.read_text("utf-8"))
    if changes != 1:
        raise CannotRelease(f"values.yaml of the chart has {changes} lines '  repository: {NAME}', and should have 1")
    values.write_text(text, "utf-8")
    versions = ("--version", release.version, "--app-version", release.version)
    helm: tuple[str | Path, ...] = (sys.executable, _TOOLS / "helm.py")
    _run([*helm, "package", chart, "--destination", release.target, *versions])
    package = release.target / f"{NAME}-{release.version}.tgz"
    rewrite(package, release.time, compress=True)
    return package


def make_manifests(release: Release) -> None:
    """Write the plain manifests, which name the release's image.

    Raises:
        CannotRelease: none of them names the image.
    """
    bare = re.compile(rf'(?<![\w/.-]){NAME}:{re.escape(release.version)}(?=")')
    named = 0
    for path in sorted((release.source / "manifests").glob("*.yaml")):
        target = release.target / f"{NAME}-{release.version}-{path.name}"
        text, changes = bare.subn(release.image, path.read_text("utf-8"))
        named += changes
        target.write_text(text.replace(f"manifests/{path.name}", target.name), "utf-8")
    if not named:
        raise CannotRelease(f"no manifest has the image {NAME}:{release.version}; `make generate` writes them")


def make_notes(release: Release, section: Section, digest: str) -> None:
    """Write the release notes: the changelog's section, and what the image is called."""
    text = f"""\
# {NAME} {release.version}

{section.text}

## Image

`{release.image}`, by its digest `{release.repository}@{digest}`

How to install: docs/installation.md; without a way to the internet: docs/air-gapped.md. `sha256sum --check {CHECKSUMS}`
compares the files with what was built.
"""
    (release.target / NOTES).write_text(text, "utf-8")


def make_checksums(target: Path) -> Path:
    """Write the checksums of all files of a folder, as `sha256sum --check` reads them."""
    files = sorted(path for path in target.iterdir() if path.name not in {CHECKSUMS, SIGNATURE})
    lines = [f"{_digest(path)}  {path.name}\n" for path in files]
    checksums = target / CHECKSUMS
    checksums.write_text("".join(lines), "utf-8")
    return checksums


def sign(checksums: Path) -> str:
    """Sign the checksums, and thereby everything, where cosign is there.

    With the key that the environment variable COSIGN_KEY names (a file, or what else cosign takes), or else by the
    identity that cosign finds: that of the workflow on a host, that of a person in a browser.

    Returns:
        What was done, in words.

    Raises:
        CannotRelease: cosign could not do it.
    """
    if not _has("cosign"):
        return "not signed, as cosign is not on PATH"
    key = os.environ.get("COSIGN_KEY")
    bundle = checksums.with_name(SIGNATURE)
    _run(["cosign", "sign-blob", "--yes", *(("--key", key) if key else ()), "--bundle", bundle, checksums])
    return f"signed by cosign: {bundle.name}"


def empty(target: Path) -> None:
    """Make the folder, without what an earlier release left in it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def _run(command: Iterable[str | Path], environment: Mapping[str, str] | None = None) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603 - programs that are named here
        words, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise CannotRelease(f"{' '.join(words[:4])} … ended with {done.returncode}:\n{last}")
