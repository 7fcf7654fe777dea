"""NoETL's servers since 5.x are programs written in Rust: which crates they are, and how they are started.

They come from the registry of crates as programs, built by `cargo install`; their sources are no part of this project.
The crates have no tables and no catalog of releases that belong together: the tables are those of the last release of
the Python package, and the pair of server and worker is the newest of each at the time when it was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from native.noetl_release import DATABASE, NATS_USER, OWNER, STREAM, Surroundings, nats_url_with_user

BUILD_SETTINGS = {
    # DuckDB, which the worker contains, takes most of the time; nobody waits for these programs to be fast.
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
}
"""Environment of cargo."""


@dataclass(frozen=True)
class Crate:
    """A program in the registry of crates."""

    name: str
    version: str
    program: str
    """The name of the file that is installed."""
    features: tuple[str, ...] = ()
    """Options for `cargo install`."""

    @property
    def install(self) -> list[str]:
        """Arguments for cargo that install it: exactly the libraries that its own lock file names."""
        return ["install", "--locked", f"{self.name}@{self.version}", *self.features]


@dataclass(frozen=True)
class RustRelease:
    """A server and a worker that were tried together."""

    server: Crate
    worker: Crate
    tables_of: str
    """The release of the Python package whose tables they work on."""
    needs_nats: bool = True

    @property
    def version(self) -> str:
        """How tests and recordings call it: there are releases of the Python package with the same numbers."""
        return f"rust-{self.server.version}"

    @property
    def crates(self) -> tuple[Crate, Crate]:
        """What is to be installed."""
        return self.server, self.worker


RUST_RELEASES = {
    release.version: release
    for release in (
        RustRelease(
            server=Crate("noetl-server", "3.54.0", "noetl-control-plane"),
            # Without the host for WebAssembly plug-ins: the only plug-in is not in the registry, see below.
            worker=Crate("noetl-worker", "5.52.0", "noetl-worker", ("--no-default-features",)),
            tables_of="4.26.0",
        ),
    )
}


def environment(surroundings: Surroundings, *, password: str, encryption_key: str) -> dict[str, str]:
    """Every setting of server and worker.

    Args:
        surroundings: where they are.
        password: of the database's owner and of NATS.
        encryption_key: 32 bytes in base64, for the credentials that the server keeps.
    """
    return {
        **_empty_home(surroundings.home),
        "RUST_LOG": "info",
        "POSTGRES_HOST": surroundings.postgres_host,
        "POSTGRES_PORT": str(surroundings.postgres_port),
        "POSTGRES_DATABASE": DATABASE,
        "POSTGRES_USER": OWNER,
        "POSTGRES_PASSWORD": password,
        "NOETL_HOST": "0.0.0.0",  # noqa: S104 - only a server in a pod listens there; a local one is told its address
        "NOETL_PORT": str(surroundings.port),
        "NOETL_SERVER_URL": surroundings.server_url,
        # Workers are told this with each command; the default is an address of their own machine.
        "NOETL_PUBLIC_SERVER_URL": surroundings.server_url,
        "NOETL_NATS_URL": nats_url_with_user(surroundings.nats_url, password),
        "NOETL_ENCRYPTION_KEY": encryption_key,
        "NOETL_ENABLE_GCP_TOKEN_API": "false",
        "NOETL_DISABLE_METRICS": "true",
        # By default workers decide what comes next, by a plug-in that is only in the images. So the server does.
        "NOETL_ORCHESTRATE_PLUGIN_DRIVE": "false",
        "NATS_URL": surroundings.nats_url,
        "NATS_USER": NATS_USER,
        "NATS_PASSWORD": password,
        "NATS_STREAM": STREAM,
        "NATS_SUBJECT": "noetl.commands",
        # The server publishes below the subject, by pool; a worker without this waits for what never comes.
        "NATS_FILTER_SUBJECT": "noetl.commands.shared.>",
        "NATS_CONSUMER": "noetl_worker_pool",
        "WORKER_METRICS_BIND": "127.0.0.1:0",
    }


def _empty_home(home: str) -> Mapping[str, str]:
    """Keep everything real out of reach: a worker runs what playbooks say, shell included."""
    return {
        "TZ": "UTC",
        "HOME": home,
        "KUBECONFIG": f"{home}/no-kubeconfig",
        "DOCKER_HOST": f"unix://{home}/no-docker.sock",
        "TMPDIR": home,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
