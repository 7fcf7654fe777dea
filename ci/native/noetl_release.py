"""The releases of NoETL that playbook cases are tested with: what each needs, and how its programs are started.

Both ways to run one use this: as Deployments of a cluster (`ci/noetl`), and as processes of this machine (the
integration tests).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "images" / "noetl"
PREPARE_DATABASE = SOURCES / "prepare_database.py"
DATABASE = "noetl"
ADMINISTRATOR = "admin"
OWNER = "noetl"
READER = "events_reader"
"""May read the schema `noetl` and nothing else: the role for a connection's `dsnFrom`."""
NATS_USER = "noetl"
STREAM = "NOETL_COMMANDS"


@dataclass(frozen=True)
class Release:
    """One release, and what of it differs from the others."""

    version: str
    needs_nats: bool
    released: str
    """The day after its release: the lock file holds what was current then, because later libraries break it."""
    packages_of_today: tuple[str, ...] = ()
    """Packages that had no wheel at that time."""

    @property
    def slug(self) -> str:
        """The version as a part of a Kubernetes name."""
        return self.version.replace(".", "-")

    @property
    def folder(self) -> Path:
        """Where its requirements are; nothing else goes into its image."""
        return SOURCES / self.version

    @property
    def requirements(self) -> Path:
        """Exact versions with hashes, of everything that is installed."""
        return self.folder / "requirements.lock"

    @property
    def image(self) -> str:
        """The name of its image."""
        return f"testrun-noetl:{self.version}"

    def server_command(self, *, host: str, port: int) -> list[str]:
        """Arguments for Python that start the server."""
        return ["-m", "uvicorn", "noetl.server:create_app", "--factory", "--host", host, "--port", str(port)]

    def worker_command(self, *, server_url: str, nats_url: str) -> list[str]:
        """Arguments for Python that start a worker."""
        if self.needs_nats:
            return ["-m", "noetl.worker", "--nats-url", nats_url, "--server-url", server_url]
        return ["-m", "noetl.main", "worker", "start"]


@dataclass(frozen=True)
class Surroundings:
    """Where a server and its workers find each other and what they need."""

    server_url: str
    port: int
    postgres_host: str
    postgres_port: int
    nats_url: str
    """Without a user: user and password are added where a program wants them in the URL."""
    home: str
    """An empty folder that may be written to. Nothing of a real home, kubeconfig or engine may be in reach: a worker
    runs what playbooks say, shell included."""


def nats_url_with_user(nats_url: str, password: str) -> str:
    """Put user and password into a URL, which is where the worker wants them."""
    return nats_url.replace("nats://", f"nats://{NATS_USER}:{password}@", 1)


def environment(release: Release, surroundings: Surroundings) -> dict[str, str]:
    """Every setting of server and worker but the secret ones.

    Releases refuse to start without some two dozen of them, most of which are of no interest; those here are the
    union of what the three ask for.
    """
    settings = {
        "TZ": "UTC",
        "HOME": surroundings.home,
        "KUBECONFIG": f"{surroundings.home}/no-kubeconfig",
        "DOCKER_HOST": f"unix://{surroundings.home}/no-docker.sock",
        "TMPDIR": surroundings.home,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "POSTGRES_HOST": surroundings.postgres_host,
        "POSTGRES_PORT": str(surroundings.postgres_port),
        "POSTGRES_DB": DATABASE,
        "POSTGRES_USER": OWNER,
        "NOETL_USER": OWNER,
        "NOETL_SCHEMA": "noetl",
        "NOETL_HOST": "0.0.0.0",  # noqa: S104 - only a server in a pod listens there; a local one is told its address
        "NOETL_PORT": str(surroundings.port),
        "NOETL_SERVER_URL": surroundings.server_url,
        "NOETL_SERVER_NAME": "testrun",
        "NOETL_SERVER": "uvicorn",
        "NOETL_SERVER_WORKERS": "1",
        "NOETL_SERVER_RELOAD": "false",
        "NOETL_ENABLE_UI": "false",
        "NOETL_DEBUG": "false",
        "NOETL_DROP_SCHEMA": "false",
        "NOETL_SCHEMA_VALIDATE": "false",
        "NOETL_AUTO_RECREATE_RUNTIME": "false",
        "NOETL_HEARTBEAT_RETRY_AFTER": "3",
        "NOETL_RUNTIME_SWEEP_INTERVAL": "15",
        "NOETL_RUNTIME_OFFLINE_SECONDS": "60",
        "NOETL_DISABLE_METRICS": "true",
        "NOETL_SERVER_METRICS_INTERVAL": "60",
        "NOETL_WORKER_POOL_RUNTIME": "cpu",
        "NOETL_WORKER_POOL_NAME": "testrun",
        "NOETL_MAX_WORKERS": "4",
        # Without this a request to an address that ends in ".local", as in a cluster, may be answered by NoETL itself.
        "NOETL_HTTP_MOCK_LOCAL": "false",
        # A server that starts again would run what it finds unfinished a second time, under another id.
        "NOETL_AUTO_RESUME_ENABLED": "false",
    }
    if release.needs_nats:
        settings |= {
            "NATS_URL": surroundings.nats_url,
            "NATS_USER": NATS_USER,
            "NATS_STREAM": STREAM,
            "NATS_SUBJECT": "noetl.commands",
            "NATS_CONSUMER": "noetl_worker_pool",
        }
    return settings


RELEASES = {
    release.version: release
    for release in (
        Release(version="1.8.0", needs_nats=False, released="2025-12-10"),
        Release(version="2.5.5", needs_nats=True, released="2026-01-13", packages_of_today=("nats-py",)),
        Release(version="4.26.0", needs_nats=True, released="2026-07-27"),
    )
}
