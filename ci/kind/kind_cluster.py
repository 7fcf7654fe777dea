"""The kind cluster behind the commands of `ci/cluster`.

This is the documented path for machines with a Docker engine and access to a registry. The machines that the project
is developed and tested on have neither, so this module has not been run on them: it is kept to plain calls of `kind`
and `docker`, each of which can be typed by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from native.instance import state_home
from native.terminal import Fault, say, step

NAME = "testrun-operator"
CONFIGURATION = Path(__file__).resolve().parent / "config.yaml"
CONTAINER = f"{NAME}-control-plane"
# Components that run as pods, and the labels by which their pods are found.
COMPONENTS = {
    "etcd": "component=etcd",
    "kube-apiserver": "component=kube-apiserver",
    "kube-controller-manager": "component=kube-controller-manager",
    "kube-scheduler": "component=kube-scheduler",
    "kube-proxy": "k8s-app=kube-proxy",
    "coredns": "k8s-app=kube-dns",
    "kindnet": "app=kindnet",
}
READY_TIMEOUT = "120s"
NODE_IMAGES = {
    "1.37": "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
    "1.36": "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
    "1.35": "kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0",
    "1.34": "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
}
"""The images that kind v0.33.0 was released with, by Kubernetes release.

They are listed, with these digests, at https://github.com/kubernetes-sigs/kind/releases/tag/v0.33.0, which says that an
image is only sure to be one of that kind's by its digest. With another kind they are its best effort (its page on node
images says so): whoever updates kind puts its list here.
"""
DEFAULT_KUBERNETES = "1.37"


class KindCluster:
    """One kind cluster with a name of its own, and with a kubeconfig of its own instead of a context in the user's."""

    def up(self, *, only_api: bool) -> None:
        """Create the cluster; one that exists is only asked whether it is ready."""
        if only_api:
            raise Fault("--only-api is for the native cluster: with kind the API server is in the node")
        if NAME not in kind("get", "clusters").split():
            with step("kind creates a cluster (the first time it fetches the node's image)"):
                image = f"--image={node_image(os.environ.get('KUBERNETES', ''))}"
                kind(
                    "create", "cluster", f"--name={NAME}", f"--config={CONFIGURATION}", image, f"--wait={READY_TIMEOUT}"
                )
        else:
            # A restart of the machine or of Docker stops the node; starting a running one does nothing.
            call("docker", "start", CONTAINER)
        self._write_kubeconfig()
        call(self.kubectl(), "wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={READY_TIMEOUT}")
        say(f"The cluster is up. Use it with: export KUBECONFIG={self.kubeconfig()}")

    def build(self) -> None:
        """Nothing is built: kind fetches the node's image."""

    def down(self) -> None:
        """Delete the cluster; kind does nothing when there is none."""
        kind("delete", "cluster", f"--name={NAME}")
        self.kubeconfig().unlink(missing_ok=True)
        say("The cluster is down.")

    def status(self) -> bool:
        """Show the node."""
        if NAME not in kind("get", "clusters").split():
            print(f"there is no kind cluster {NAME}")
            return False
        self._write_kubeconfig()
        print(call(self.kubectl(), "get", "nodes", "--output=wide"), end="")
        return "True" in call(
            self.kubectl(), "get", "nodes", "--output=jsonpath={..status.conditions[?(@.type=='Ready')].status}"
        )

    def load_image(self, name: str, archive: Path | None) -> None:
        """Load an archive, or an image that Docker has."""
        source = ("image-archive", str(archive)) if archive else ("docker-image", name)
        kind("load", *source, f"--name={NAME}")
        say(f"{name}: loaded")

    def images(self) -> None:
        """Leave it to the node, which fetches images itself."""
        say("A kind cluster fetches its images itself.")

    def logs(self, component: str | None) -> None:
        """Print a component's log from inside the cluster, or the kubelet's from the node."""
        if component is None:
            print("\n".join(("kubelet", "containerd", *COMPONENTS)))
        elif component in ("kubelet", "containerd"):
            stream("docker", "exec", CONTAINER, "journalctl", "--no-pager", f"--unit={component}")
        elif component in COMPONENTS:
            selector = f"--selector={COMPONENTS[component]}"
            stream(self.kubectl(), "--namespace=kube-system", "logs", selector, "--tail=-1")
        else:
            raise Fault(f"no component {component!r}; there are: kubelet, containerd, {', '.join(COMPONENTS)}")

    def kubeconfig(self) -> Path:
        """A file of our own: the user's kubeconfig and its current context stay as they are."""
        return state_home() / "testrun-operator" / "kind" / "kubeconfig"

    def kubectl(self) -> str:
        """The machine's kubectl."""
        found = shutil.which("kubectl")
        if found is None:
            raise Fault("kubectl is not installed")
        return found

    def _write_kubeconfig(self) -> None:
        self.kubeconfig().parent.mkdir(parents=True, exist_ok=True)
        kind("export", "kubeconfig", f"--name={NAME}")


def node_image(kubernetes: str) -> str:
    """The node's image for what the variable `KUBERNETES` says: a release (`1.34`), or nothing for the newest."""
    if (wanted := kubernetes or DEFAULT_KUBERNETES) not in NODE_IMAGES:
        raise Fault(f"KUBERNETES={wanted}: kind is used with one of {', '.join(NODE_IMAGES)}")
    return NODE_IMAGES[wanted]


def environment() -> dict[str, str]:
    """Make kind and kubectl use our kubeconfig."""
    return {**os.environ, "KUBECONFIG": str(KindCluster().kubeconfig())}


def kind(*arguments: str) -> str:
    """Run kind."""
    return call("kind", *arguments)


def call(*arguments: str) -> str:
    """Run a program and return what it prints; its progress and its complaints go to the terminal."""
    if shutil.which(arguments[0]) is None:
        raise Fault(f"{arguments[0]} is not installed")
    finished = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(), text=True, check=False
    )
    if finished.returncode != 0:
        raise Fault(f"{' '.join(arguments)} failed with exit code {finished.returncode}")
    return finished.stdout


def stream(*arguments: str) -> None:
    """Run a program whose output is the result."""
    finished = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=sys.stdout, env=environment(), check=False)
    if finished.returncode != 0:
        raise Fault(f"{' '.join(arguments)} failed with exit code {finished.returncode}")
