"""The programs of NoETL's releases: how they are installed on this machine, and started.

Those in Python come from the package index, exactly as the lock files in ``ci/images/noetl`` say; those in Rust from
the registry of crates, with the libraries that their own lock files name. Each is installed once per machine, in the
project's cache.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ci"))

from native import cache, noetl_rust
from native.noetl_python import find_python
from native.noetl_release import RELEASES, Release, Surroundings, environment, nats_url_with_user
from native.noetl_rust import RUST_RELEASES, RustRelease

LOCAL = "127.0.0.1"
# A password that needs no quoting: the releases put it into URLs and DSNs as it is.
NOETL_PASSWORD = "only-for-tests"
# 32 bytes, all of them "k".
_ENCRYPTION_KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


@dataclass(frozen=True)
class Programs:
    """How the server and the workers of a release are started."""

    server: list[str]
    worker: list[str]
    settings: Callable[[str, str], dict[str, str]]
    """From a process's name, and ``server`` or ``worker``, to its environment."""


def release_of(version: str) -> Release | RustRelease:
    """Give the release that tests call so."""
    return RUST_RELEASES[version] if version in RUST_RELEASES else RELEASES[version]


def python_of(release: Release | RustRelease) -> str:
    """Give the Python that has the package whose tables a release works on; install it unless it is there.

    Raises:
        RuntimeError: it cannot be installed.
    """
    return installed(RELEASES[release.tables_of] if isinstance(release, RustRelease) else release)


def programs_of(release: Release | RustRelease, python: str, surroundings: Surroundings) -> Programs:
    """Say how a release is started; install it unless it is there.

    Args:
        release: which.
        python: that of :func:`python_of`.
        surroundings: where its parts are; each process gets a home of its own in their home.
    """
    # WorkQueue run what playbooks say with the first python3 that they find.
    path = f"{Path(python).parent}:/usr/bin:/bin"

    def own(name: str) -> Surroundings:
        return replace(surroundings, home=f"{surroundings.home}/{name}")

    if isinstance(release, RustRelease):

        def rust_settings(name: str, mode: str) -> dict[str, str]:  # noqa: ARG001 - as of the others
            settings = noetl_rust.environment(own(name), password=NOETL_PASSWORD, encryption_key=_ENCRYPTION_KEY)
            return {**settings, "PATH": path, "NOETL_HOST": LOCAL, "WORKER_ID": name, "WORKER_POOL_NAME": name}

        folder = installed_crates(release)
        return Programs([str(folder / release.server.program)], [str(folder / release.worker.program)], rust_settings)

    nats_url = nats_url_with_user(surroundings.nats_url, NOETL_PASSWORD)

    def settings(name: str, mode: str) -> dict[str, str]:
        return {
            **environment(release, replace(own(name), nats_url=nats_url)),
            "PATH": path,
            "NOETL_RUN_MODE": mode,
            "NOETL_WORKER_ID": name,
            "NOETL_WORKER_POOL_NAME": name,
            "NOETL_HOST": LOCAL,
            "POSTGRES_PASSWORD": NOETL_PASSWORD,
            "NOETL_PASSWORD": NOETL_PASSWORD,
            "NATS_PASSWORD": NOETL_PASSWORD,
        }

    return Programs(
        [python, *release.server_command(host=LOCAL, port=surroundings.port)],
        [python, *release.worker_command(server_url=surroundings.server_url, nats_url=nats_url)],
        settings,
    )


def installed(release: Release) -> str:
    """Install a release into the cache, unless it is there, and give the Python that has it.

    Raises:
        RuntimeError: there is no Python for it.
    """
    python = find_python()
    if python is None:
        raise RuntimeError(
            "NoETL needs Python 3.12 or later on this machine: as python3.12 or 3.13 on PATH, or of pyenv"
        )
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    key = cache.recipe_key(release.version, [version, release.requirements.read_text()])
    folder = cache.cache_home() / "noetl" / key
    if not (folder / "bin" / "python").exists():
        with cache.new_entry(folder) as partial:
            _install(python, release, partial)
    return str(folder / "bin" / "python")


def _install(python: str, release: Release, folder: Path) -> None:
    log = cache.build_logs() / f"noetl-{release.version}-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # Without a prefix of its own nothing in there names the folder, which moves when it is complete.
    commands = (
        ["-m", "venv", "--without-pip", str(folder)],
        [
            *("-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--cache-dir", str(cache.cache_home() / "pip")),
            *("--requirement", str(release.requirements)),
        ],
    )
    with log.open("w") as output:
        for command in commands:
            done = subprocess.run([python, *command], stdout=output, stderr=output, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"noetl {release.version} was not installed: {log.read_text()[-3000:]}")


def installed_crates(release: RustRelease) -> Path:
    """Install the crates of a release into the cache, unless they are there, and give the folder with the programs.

    Raises:
        RuntimeError: there is no cargo, or it cannot build them.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        raise RuntimeError("the NoETL that is written in Rust is built by cargo, which is not on PATH")
    version = subprocess.run([cargo, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    key = cache.recipe_key(release.version, [version, *(word for crate in release.crates for word in crate.install)])
    folder = cache.cache_home() / "noetl" / key
    if not folder.exists():
        with cache.new_entry(folder) as partial:
            _install_crates(cargo, release, partial)
    return folder / "bin"


def _install_crates(cargo: str, release: RustRelease, folder: Path) -> None:
    log = cache.build_logs() / f"noetl-{release.version}-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = {**os.environ, **noetl_rust.BUILD_SETTINGS, "CARGO_TARGET_DIR": str(folder / "target")}
    with log.open("w") as output:
        for crate in release.crates:
            command = [cargo, *crate.install, "--root", str(folder)]
            done = subprocess.run(command, env=settings, stdout=output, stderr=output, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{crate.name} {crate.version} was not built: {log.read_text()[-3000:]}")
    shutil.rmtree(folder / "target")
