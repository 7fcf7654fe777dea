"""Loading images into the node, and only those that it does not have already."""

from __future__ import annotations

from pathlib import Path

from native import built_archives, cache, oci_archive, stock_images
from native.image_names import full_name
from native.instance import Instance
from native.node import ctr
from native.terminal import Fault, say


def parse_loaded(listing: str) -> dict[str, str]:
    """Read `ctr images list`: the digest of each name."""
    rows = (line.split() for line in listing.splitlines()[1:])
    return {name: digest for name, _media_type, digest, *_ in rows}


def loaded_images(instance: Instance) -> dict[str, str]:
    """The node's images and their digests."""
    return parse_loaded(ctr(instance, "images", "list"))


def load_archive(instance: Instance, *, name: str, archive: Path) -> bool:
    """Load an archive under a name, unless the node has just that image under it; True when it was loaded."""
    name = full_name(name)
    if not archive.is_file():
        raise Fault(f"there is no image archive {archive}")
    digest = oci_archive.manifest_digest(archive)
    before = loaded_images(instance)
    if digest and before.get(name) == digest:
        return False
    ctr(instance, "images", "import", "--digests=true", "--base-name=import.testrun.local/image", archive)
    after = loaded_images(instance)
    if name in after and digest in ("", after[name]):
        return True
    # The archive had the image under another name, or under none. What the import brought is found by its digest.
    sources = [key for key, value in after.items() if value == digest] if digest else sorted(set(after) - set(before))
    if not sources:
        raise Fault(f"{archive} was imported, but no image of it can be found in the node")
    ctr(instance, "images", "tag", "--force", sources[0], name)
    return True


def recorded_build(name: str) -> Path | None:
    """The archive that `ci/build-image` last wrote for a name."""
    archive = built_archives.recorded().get(full_name(name))
    return Path(archive) if archive and Path(archive).exists() else None


def load_image(instance: Instance, *, name: str, archive: Path | None) -> None:
    """Make an image available to pods under a name; without an archive, the one that was built here."""
    archive = archive or recorded_build(name)
    if archive is None:
        raise Fault(f"no image {name} was built here (ci/build-image --tag {name}), and no archive was named")
    loaded = load_archive(instance, name=name, archive=archive)
    say(f"{full_name(name)}: {'loaded' if loaded else 'the node has it already'}")


def build_stock_images() -> dict[str, Path]:
    """Make, if need be, every image that the cluster offers from the start; their archives by their names."""
    logs = cache.build_logs()
    return {image.name: stock_images.ensure_built(image, logs=logs) for image in stock_images.stock_images()}


def load_all(instance: Instance, archives: dict[str, Path]) -> None:
    """Load those archives that the node does not have yet."""
    for name, archive in archives.items():
        if load_archive(instance, name=name, archive=archive):
            say(f"    {name}: loaded")
