"""The cluster's processes that are programs of this folder: DNS, and volumes."""

from __future__ import annotations

import sys
from pathlib import Path

from native.instance import Instance
from native.processes import Daemon

PACKAGE = Path(__file__).resolve().parent
SHARED_MODULES = ("watched_collection.py", "api_client.py", "processes.py")


def python_daemon(name: str, *, modules: tuple[str, ...], arguments: tuple[str, ...]) -> Daemon:
    """Run the first module with this command's interpreter; only a module with another text restarts it."""
    return Daemon(
        name=name,
        prefix=("env", f"PYTHONPATH={PACKAGE.parent}", "PYTHONDONTWRITEBYTECODE=1", sys.executable),
        content=tuple((PACKAGE / module).read_text() for module in (*modules, *SHARED_MODULES)),
        arguments=("-m", f"native.{modules[0].removesuffix('.py')}", *arguments),
    )


def name_server(instance: Instance) -> Daemon:
    """DNS, on the pods' gateway."""
    return python_daemon(
        "name-server",
        modules=("name_server.py", "dns_records.py"),
        arguments=(
            f"--url={instance.api_url}",
            f"--certificates={instance.certificates}",
            f"--address={instance.pod_gateway}",
            f"--hosts={instance.state / 'dns-hosts'}",
        ),
    )


def volume_provisioner(instance: Instance) -> Daemon:
    """Volumes, as folders of the state."""
    return python_daemon(
        "volume-provisioner",
        modules=("volume_provisioner.py",),
        arguments=(
            f"--url={instance.api_url}",
            f"--certificates={instance.certificates}",
            f"--node={instance.name}",
            f"--folder={instance.state / 'volumes'}",
        ),
    )
