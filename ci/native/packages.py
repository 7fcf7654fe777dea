"""Debian packages: which of those that a step needs are missing, and installing them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from native.processes import run, run_logged
from native.terminal import say

APT_GET = Path(__file__).resolve().parent.parent / "apt-get"
"""Waits while somebody else installs packages; its log says for whom."""
NODE_PACKAGES = (
    "conntrack",
    "containernetworking-plugins",
    "dnsmasq-base",
    "iproute2",
    "iptables",
    "nftables",
    "openssl",
    "procps",
    "runc",
    "util-linux",
)
IMAGE_PACKAGES = ("buildah", "gcc", "libc6-dev", "mmdebstrap")


def installed_packages(dpkg_answer: str) -> set[str]:
    """Read lines of `NAME STATUS`: a package that was removed still has a line, but not the status `installed`."""
    lines = (line.partition(" ") for line in dpkg_answer.splitlines())
    return {name for name, _, status in lines if status == "installed"}


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    answer = run(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names], check=False)
    present = installed_packages(answer.stdout)
    return [name for name in names if name not in present]


def ensure_packages(names: Sequence[str], *, log: Path) -> None:
    """Install what is missing; the package lists are fetched first when apt does not know one of the names."""
    missing = missing_packages(names)
    if not missing:
        return
    say(f"    installing Debian packages (usually less than a minute): {' '.join(missing)}")
    install = ["install", "--yes", "--quiet", "--no-install-recommends"]
    simulated = subprocess.run(["apt-get", *install, "--simulate", *missing], capture_output=True, check=False)
    if simulated.returncode != 0:
        run_logged([APT_GET, "update", "--quiet"], title="apt-get update", log=log, usual_seconds=15)
    run_logged([APT_GET, *install, *missing], title="apt-get install", log=log, usual_seconds=60)
