"""Which kind of cluster to use, and why."""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
from dataclasses import dataclass

from native.terminal import Fault


class ClusterKind(enum.StrEnum):
    """The ways to a cluster."""

    NATIVE = "native"
    """A node of Debian's packages on this machine."""
    KIND = "kind"
    """Kubernetes in Docker."""
    EXISTING = "existing"
    """Whatever the current kubeconfig points to."""


@dataclass(frozen=True)
class Choice:
    """A kind of cluster with the reason for it, in words for the person at the terminal."""

    kind: ClusterKind
    reason: str


def choose(*, wanted: str, has_kind: bool, docker_answers: bool) -> Choice:
    """Follow the wish in `CLUSTER`; without one, take kind where it can work and the native cluster elsewhere."""
    if wanted:
        if wanted not in list(ClusterKind):
            raise Fault(f"CLUSTER must be one of {', '.join(ClusterKind)}, not {wanted!r}")
        return Choice(ClusterKind(wanted), f"CLUSTER={wanted}")
    if has_kind and docker_answers:
        return Choice(ClusterKind.KIND, "kind is installed and a Docker engine answers")
    if not has_kind:
        return Choice(ClusterKind.NATIVE, "kind is not installed")
    return Choice(ClusterKind.NATIVE, "kind is installed, but no Docker engine answers")


def docker_answers() -> bool:
    """Whether a Docker engine works; the client alone, which many machines have, is of no use."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())


def current_choice() -> Choice:
    """Choose for this machine and environment."""
    wanted = os.environ.get("CLUSTER", "")
    has_kind = shutil.which("kind") is not None
    # Asking Docker takes a moment: only when the answer can matter.
    return choose(wanted=wanted, has_kind=has_kind, docker_answers=not wanted and has_kind and docker_answers())
