"""The images of the NoETL releases, and of NATS, which passes their commands on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from native import build_image, cache, choice, images, stock_images
from native.instance import current_instance
from native.noetl_release import SOURCES, Release
from native.oci_archive import ImageSettings, write_archive
from native.packages import IMAGE_PACKAGES, ensure_packages

DOCKERFILE = SOURCES / "Dockerfile"
# The official image's name: as with PostgreSQL, a cluster with a registry takes that one, and pods are the same.
NATS = "docker.io/library/nats:2.10"
NATS_USER_ID = 65532


def build_nats(archive: Path, log: Path) -> None:
    """Debian's NATS server, whose arguments are the pod's, as with the official image."""
    ensure_packages(IMAGE_PACKAGES, log=log)
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        root = Path(work) / "root.tar"
        stock_images.build_root(root, packages=("nats-server",), log=log)
        settings = ImageSettings(
            entrypoint=("nats-server",),
            environment={"PATH": stock_images.SYSTEM_PATH},
            user=str(NATS_USER_ID),
        )
        write_archive(archive, name=NATS, layers=[root], settings=settings)


def nats() -> stock_images.StockImage:
    """The NATS server; not among the images that a cluster has from the start."""
    return stock_images.StockImage(
        name=NATS,
        title="nats",
        usual_seconds=30,
        recipe=(stock_images.SUITE, *stock_images.LEFT_OUT, *stock_images.FORGET),
        build=build_nats,
    )


def build(releases: Sequence[Release], *, load: bool, force: bool = False) -> None:
    """Make the images that these releases need, those that are not in the cache, and load them into the cluster."""
    for release in releases:
        wanted = build_image.Build(context=release.folder, dockerfile=DOCKERFILE, tag=release.image)
        build_image.build_image(wanted, force=force, load=load)
    # Other kinds of clusters fetch what has an official name.
    if choice.current_choice().kind is choice.ClusterKind.NATIVE:
        others = [image for image in stock_images.stock_images() if image.name == stock_images.POSTGRES]
        if any(release.needs_nats for release in releases):
            others.append(nats())
        logs = cache.build_logs()
        archives = {image.name: stock_images.ensure_built(image, logs=logs) for image in others}
        if load:
            images.load_all(current_instance(), archives)
