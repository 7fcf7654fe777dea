"""The native cluster behind the commands of `ci/cluster`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from native import cache, images, kubernetes_build
from native.instance import Instance
from native.lifecycle import NativeCluster
from native.terminal import Fault


class NativeCommands:
    """Each command for one instance."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is looked at or changed yet."""
        self._instance = instance
        self._cluster = NativeCluster(instance)

    def up(self, *, only_api: bool) -> None:
        """Bring the node up, or what is missing of it."""
        self._cluster.up(only_api=only_api)

    def build(self) -> None:
        """Build the programs of the chosen release."""
        kubernetes_build.ensure_built(kubernetes_build.chosen_release(), logs=cache.build_logs())

    def down(self) -> None:
        """End all processes and put the machine back."""
        self._cluster.down()

    def status(self) -> bool:
        """Print the state of every process."""
        return self._cluster.status()

    def load_image(self, name: str, archive: Path | None) -> None:
        """Load an archive, or an image that buildah built."""
        self._require_up()
        images.load_image(self._instance, name=name, archive=archive)

    def images(self) -> None:
        """Make and load the stand-ins for images of a registry."""
        self._require_up()
        images.load_all(self._instance, images.build_stock_images())

    def logs(self, component: str | None) -> None:
        """Print one process's log."""
        files = self._cluster.log_files()
        if component is None:
            print("\n".join(f"{name:<26}{path}" for name, path in files.items()) or "no logs: the cluster is not up")
        elif component in files:
            with files[component].open(errors="replace") as log:
                shutil.copyfileobj(log, sys.stdout)
        else:
            raise Fault(f"no log of {component!r}; there are: {', '.join(files) or 'none, the cluster is not up'}")

    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, whether or not the cluster is up."""
        return self._instance.kubeconfig

    def kubectl(self) -> str:
        """The kubectl of the cluster's own release, wherever it is or will be."""
        return str(kubernetes_build.program_folders(kubernetes_build.chosen_release()).kubernetes / "kubectl")

    def _require_up(self) -> None:
        if not self._instance.containerd_socket.exists():
            raise Fault("the cluster is not up: run ci/cluster up first")
