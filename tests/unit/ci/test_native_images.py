"""Images are found again by the names that pods use, and an archive says what it holds."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from native.image_names import full_name
from native.images import parse_loaded
from native.oci_archive import ImageSettings, LayerFile, layer, manifest_digest, write_archive


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("testrun-operator:dev", "docker.io/library/testrun-operator:dev"),
        ("busybox", "docker.io/library/busybox:latest"),
        ("team/tool:1", "docker.io/team/tool:1"),
        ("registry.test/tool:1", "registry.test/tool:1"),
        ("localhost/tool", "localhost/tool:latest"),
        ("registry.test:5000/tool", "registry.test:5000/tool:latest"),
        ("registry.test/tool@sha256:abc", "registry.test/tool@sha256:abc"),
    ],
)
def test_short_names_are_completed_as_docker_does(name: str, full: str) -> None:
    """The kubelet completes the name in a pod, so the node must know the image under the complete one."""
    assert full_name(name) == full


def test_reads_the_nodes_images_with_their_digests() -> None:
    """The digest tells whether an archive needs to be loaded at all."""
    listing = (
        "REF                TYPE                                    DIGEST     SIZE    PLATFORMS   LABELS\n"
        "registry.test/a:1  application/vnd.oci.image.manifest.v1+json sha256:aa  1.0 MiB linux/amd64 -\n"
    )
    assert parse_loaded(listing) == {"registry.test/a:1": "sha256:aa"}


def write(target: Path) -> Path:
    """Write a small image."""
    files = [LayerFile("bin", is_folder=True), LayerFile("bin/a", b"program"), LayerFile("bin/b", link_to="a")]
    settings = ImageSettings(entrypoint=("/bin/a",), environment={"A": "1"}, user="999", stop_signal="SIGINT")
    write_archive(target, name="registry.test/a:1", layers=[layer(files), layer([])], settings=settings)
    return target


def test_the_same_content_has_the_same_digest(tmp_path: Path) -> None:
    """An image that was made again from the same files need not be loaded again."""
    first, second = write(tmp_path / "first.tar"), write(tmp_path / "second.tar")
    assert manifest_digest(first) == manifest_digest(second) != ""


def test_every_blob_has_the_digest_that_it_is_named_after(tmp_path: Path) -> None:
    """Anything else is refused when the archive is loaded."""
    with tarfile.open(write(tmp_path / "image.tar")) as archive:
        blobs = {name: archive.extractfile(name) for name in archive.getnames() if name.startswith("blobs/")}
        digests = {name: hashlib.sha256(blob.read()).hexdigest() for name, blob in blobs.items() if blob}
    assert digests
    assert all(name == f"blobs/sha256/{digest}" for name, digest in digests.items())


def test_the_configuration_says_how_to_run_the_image(tmp_path: Path) -> None:
    """What is not set is left out, so that the runtime's own defaults hold."""
    assert ImageSettings(user="999", environment={"A": "1"}).as_configuration() == {"User": "999", "Env": ["A=1"]}
    with tarfile.open(write(tmp_path / "image.tar")) as archive:
        index = archive.extractfile("index.json")
        assert index is not None
        names = [manifest["annotations"] for manifest in json.load(index)["manifests"]]
    assert names == [{"org.opencontainers.image.ref.name": "registry.test/a:1"}]


def test_an_archive_of_another_kind_has_no_digest(tmp_path: Path) -> None:
    """It is loaded without a comparison."""
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w"):
        pass
    assert manifest_digest(other) == ""
