"""The DNS process as the cluster starts it."""

from __future__ import annotations

import sys
from pathlib import Path

from native.instance import Instance
from native.processes import Daemon

PACKAGE = Path(__file__).resolve().parent
MODULES = ("name_server.py", "dns_records.py", "api_client.py", "processes.py")


def name_server(instance: Instance) -> Daemon:
    """Run with the interpreter and the modules of this very command; only a module with another text restarts it."""
    return Daemon(
        name="name-server",
        prefix=("env", f"PYTHONPATH={PACKAGE.parent}", "PYTHONDONTWRITEBYTECODE=1", sys.executable),
        content=tuple((PACKAGE / module).read_text() for module in MODULES),
        arguments=(
            "-m",
            "native.name_server",
            f"--url={instance.api_url}",
            f"--certificates={instance.certificates}",
            f"--address={instance.pod_gateway}",
            f"--hosts={instance.state / 'dns-hosts'}",
        ),
    )
