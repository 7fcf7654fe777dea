"""The image of the Git server that the tests of `sql` cases fetch their files from.

It is made of Debian's git and lighttpd when it is asked for: nobody who only wants to see the operator at work waits
for it. What it serves, and how files get into it, is in `ci/images/git`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from native import cache
from native.choice import ClusterKind, current_choice
from native.image_names import full_name
from native.images import load_archive
from native.instance import current_instance
from native.oci_archive import ImageSettings, LayerFile, layer, write_archive
from native.packages import IMAGE_PACKAGES, ensure_packages
from native.stock_images import FORGET, LEFT_OUT, SOURCES, SUITE, SYSTEM_PATH, StockImage, build_root, ensure_built
from native.terminal import Fault, report_faults

NAME = "testrun-git-server:dev"
PACKAGES = ("git", "lighttpd", "lighttpd-mod-openssl")
USER = 1000
# Where each file goes, and whether it is a program.
FILES = {
    "lighttpd.conf": ("etc/git-server/lighttpd.conf", 0o644),
    "git-server": ("usr/local/bin/git-server", 0o755),
    "git-commit-files": ("usr/local/bin/git-commit-files", 0o755),
}


def git_server() -> StockImage:
    """The image, and what decides its content."""
    texts = [(SOURCES / "git" / name).read_text() for name in FILES]
    return StockImage(
        name=full_name(NAME),
        title="git-server",
        usual_seconds=30,
        recipe=(SUITE, *PACKAGES, *LEFT_OUT, *FORGET, *texts),
        build=build,
    )


def build(archive: Path, log: Path) -> None:
    """Write the image's archive."""
    ensure_packages(IMAGE_PACKAGES, log=log)
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        root = Path(work) / "root.tar"
        build_root(root, packages=PACKAGES, log=log)
        files = [
            LayerFile(target, (SOURCES / "git" / name).read_bytes(), mode) for name, (target, mode) in FILES.items()
        ]
        settings = ImageSettings(
            command=("git-server",),
            environment={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": "/tmp", "GIT_ROOT": "/srv/git"},  # noqa: S108
            user=str(USER),
        )
        write_archive(archive, name=full_name(NAME), layers=[root, layer(files)], settings=settings)


def load() -> None:
    """Load the image into the native cluster, making it first where the cache lacks it."""
    choice = current_choice()
    if choice.kind is not ClusterKind.NATIVE:
        raise Fault(f"{NAME} is made for the native cluster; this one is of the kind {choice.kind}")
    archive = ensure_built(git_server(), logs=cache.build_logs())
    load_archive(current_instance(), name=NAME, archive=archive)
    print(NAME)


def main(words: Sequence[str] | None = None) -> int:
    """Do it; a fault is told in words, without a traceback."""
    parser = argparse.ArgumentParser(
        prog="ci/git-server",
        description="Makes the image of the Git server that tests use, loads it into the native cluster, "
        "and prints its name.",
    )
    parser.parse_args(words)
    return report_faults(load)
