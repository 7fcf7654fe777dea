#!/usr/bin/env python3
"""Writes the lock files: `python tools/lock.py [--upgrade]`, which is what `make lock` does.

`requirements/runtime.lock` is everything that the image is built from: what the operator needs and, so that nothing
is fetched without a hash, what builds its wheel. `requirements/oracle.lock` is that and the driver of Oracle, for those
who build an image with it. `requirements/dev.lock` has the tools of development besides. All
hold for every Python that `pyproject.toml` allows, and name no package index, so that they work behind any mirror.
"""

# ruff: noqa: T201 - a script; its output is its purpose

import argparse
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "runtime": ("--extra", "all"),
    "oracle": ("--extra", "all", "--extra", "oracle"),
    "dev": ("--extra", "dev"),
}
"""Which extras of `pyproject.toml` each lock file has; `dev` has `all` and `oracle`, too."""
_HEADER = """\
# Written by `make lock` from pyproject.toml; do not edit. Install with `pip install --require-hashes -r FILE`.
"""


def build_requirements() -> list[str]:
    """Return what `pyproject.toml` says is needed to build the wheel."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [str(requirement) for requirement in document["build-system"]["requires"]]


def lowest_python() -> str:
    """Return the oldest Python that `pyproject.toml` allows."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(document["project"]["requires-python"]).removeprefix(">=")


def compile_lock(name: str, *, upgrade: bool) -> str:
    """Resolve one of the lock files; versions that it has already are kept unless they are to be upgraded.

    Raises:
        subprocess.CalledProcessError: there is no resolution; uv has said why.
    """
    target = ROOT / "requirements" / f"{name}.lock"
    command = [
        str(Path(sysconfig.get_path("scripts")) / "uv"),
        *("pip", "compile", "pyproject.toml", "-", *LOCKS[name]),
        *("--universal", "--python-version", lowest_python(), "--generate-hashes", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links", "--quiet", "--output-file", str(target)),
        *(("--upgrade",) if upgrade else ()),
    ]
    subprocess.run(command, input="\n".join(build_requirements()), text=True, check=True, cwd=ROOT)  # noqa: S603 - uv
    return target.read_text("utf-8").replace("# via -r -", "# via the build system")


def tidy(text: str) -> str:
    """Put our header in front and refuse a lock that names an address.

    Raises:
        ValueError: a line names an address: the lock would work with one package index alone.
    """
    addresses = re.findall(r"\w+://\S+", text)
    if addresses:
        raise ValueError(f"the lock names an address: {addresses[0]}")
    return _HEADER + text.removeprefix(_HEADER)


def main() -> int:
    """Write the lock files."""
    parser = argparse.ArgumentParser(description="Writes requirements/*.lock from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of those locked")
    arguments = parser.parse_args()
    for name in LOCKS:
        text = tidy(compile_lock(name, upgrade=arguments.upgrade))
        (ROOT / "requirements" / f"{name}.lock").write_text(text, "utf-8")
        print(f"requirements/{name}.lock: {len(re.findall('^[a-z]', text, re.MULTILINE))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
