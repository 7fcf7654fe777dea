"""Names of images, as people write them and as containerd knows them."""

from __future__ import annotations

DEFAULT_REGISTRY = "docker.io"


def full_name(name: str) -> str:
    """The name under which the kubelet asks containerd for an image, as Docker's short names are completed."""
    first, slash, _ = name.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    if not has_registry:
        name = f"{DEFAULT_REGISTRY}/{name}" if slash else f"{DEFAULT_REGISTRY}/library/{name}"
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"
