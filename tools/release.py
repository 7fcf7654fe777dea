#!/usr/bin/env python3
"""Makes a release into dist/: `make release IMAGE_REPOSITORY=registry.example.com/team/testrun-operator`.

Wheel and source distribution, the chart's package, plain manifests, the image as an OCI archive, its bill of materials,
release notes, checksums and, where cosign is there, their signature. Nothing is pushed: .github/workflows/release.yaml
does that, or whoever has read docs/releasing.md.
"""

# ruff: noqa: T201 - a script; its output is its purpose

import argparse
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "ci")]

from releasing import parts, sbom  # noqa: E402
from releasing.archives import rewrite  # noqa: E402
from releasing.contents import Contents, read_contents  # noqa: E402
from releasing.facts import Facts, find_problems, read_facts  # noqa: E402

from native.build_image import Build  # noqa: E402 - the path above must come first
from native.image_archive import write_archive  # noqa: E402
from native.terminal import Fault  # noqa: E402

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def main(words: Sequence[str] | None = None) -> int:
    """Make the release, or say what stands in its way; 1 then, and nothing was written."""
    arguments = parser().parse_args(words)
    root = arguments.root.resolve()
    facts = read_facts(root, arguments.version or None)
    version = arguments.version or facts.project_version
    problems = list(find_problems(version, arguments.image_repository, facts))
    if problems:
        print(f"There is no release {version}, since", file=sys.stderr)
        print("\n".join(f"- {problem}" for problem in problems), file=sys.stderr)
        return 1
    if arguments.check:
        print(f"{version} can be released as {arguments.image_repository}:{version}")
        return 0
    try:
        make(root, version, arguments.image_repository, facts, arguments.output.resolve())
    except (Fault, parts.CannotRelease, sbom.InvalidBill) as error:
        print(f"The release was not made: {error}", file=sys.stderr)
        return 1
    return 0


def make(root: Path, version: str, repository: str, facts: Facts, target: Path) -> None:
    """Write every file of the release.

    Raises:
        Fault, CannotRelease, InvalidBill: a part cannot be made.
    """
    assert facts.section is not None  # noqa: S101 - find_problems looked at it
    parts.empty(target)
    with tempfile.TemporaryDirectory(prefix="testrun-release-") as folder:
        release = parts.Release(version, repository, facts.commit_time, Path(folder) / "source", target)
        parts.export_source(root, facts.commit, release.source)
        contents = make_image(release)
        parts.make_python_packages(release)
        parts.make_manifests(release)
        parts.make_chart(release)
        parts.make_notes(release, facts.section, contents.digest)
    signed = parts.sign(parts.make_checksums(target))
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size / 1e6:9.3f} MB  {path.name}")
    print(f"{len(contents.debian)} packages of Debian's and {len(contents.python)} of Python's in {release.image}")
    print(signed)


def make_image(release: parts.Release) -> Contents:
    """Write the image and its bill of materials; return what is in it."""
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    archive = release.target / f"{parts.NAME}-{release.version}-linux-{architecture}.oci.tar"
    build = Build(release.source, release.source / "Dockerfile", release.image)
    write_archive(build, archive, time=release.time)
    rewrite(archive, release.time, compress=False)
    contents = read_contents(archive)
    bill = sbom.write_bill(contents, repository=release.repository, version=release.version, time=release.time)
    (release.target / f"{parts.NAME}-{release.version}-linux-{architecture}.cdx.json").write_text(bill, "utf-8")
    return contents


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    found = argparse.ArgumentParser(prog="tools/release.py", description="Makes a release into dist/.")
    found.add_argument("--version", help="what is released (default: the version in pyproject.toml, and it must be)")
    found.add_argument("--image-repository", default="", metavar="NAME", help="the image's name, without a tag")
    found.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist/")
    found.add_argument("--check", action="store_true", help="only say whether it could be made")
    found.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    sys.exit(main())
