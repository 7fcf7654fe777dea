"""A cluster that somebody else runs: the one that the current kubeconfig points to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from native.terminal import Fault, say


class ExistingCluster:
    """Only checks that the cluster answers; it is never brought up, taken down or given images."""

    def up(self, *, only_api: bool) -> None:
        """Check that the cluster answers."""
        del only_api
        if not self.status():
            raise Fault("the cluster of the current kubeconfig does not answer")

    def build(self) -> None:
        """Nothing is built for a cluster that somebody else runs."""

    def down(self) -> None:
        """Leave the cluster alone."""
        say("An existing cluster is not taken down.")

    def status(self) -> bool:
        """Ask the API server whether it is ready."""
        asked = subprocess.run(
            [self.kubectl(), "get", "--raw=/readyz", "--request-timeout=10s"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        print(asked.stdout.strip() if asked.returncode == 0 else asked.stderr.strip())
        return asked.returncode == 0

    def load_image(self, name: str, archive: Path | None) -> None:
        """Refuse: nobody but its owner can put images into it."""
        del archive
        raise Fault(f"{name} cannot be loaded into an existing cluster: push it to the registry that the cluster uses")

    def images(self) -> None:
        """Leave it to the cluster, which has a registry."""
        say("An existing cluster fetches its images itself.")

    def logs(self, component: str | None) -> None:
        """Refuse: they are wherever the cluster is."""
        del component
        raise Fault("the logs of an existing cluster's components are not here")

    def kubeconfig(self) -> Path:
        """The current kubeconfig, found as kubectl finds it."""
        configured = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
        return Path(configured[0]) if configured else Path.home() / ".kube" / "config"

    def kubectl(self) -> str:
        """The machine's kubectl."""
        found = shutil.which("kubectl")
        if found is None:
            raise Fault("kubectl is not installed")
        return found
