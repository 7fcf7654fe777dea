"""Bringing the cluster up, taking it down, and telling how it is."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from native import (
    cache,
    certificates,
    checks,
    control_plane,
    images,
    kubernetes_build,
    mounts,
    network,
    node,
)
from native.api_client import ApiClient, ApiError, client_for
from native.cgroups import ControlGroup
from native.instance import Instance
from native.kubernetes_build import Programs
from native.packages import NODE_PACKAGES, ensure_packages
from native.processes import DaemonFolder, write_atomically
from native.python_daemons import name_server, volume_provisioner
from native.terminal import Fault, say, step
from native.volume_provisioner import STORAGE_CLASS

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE = (mounts.HOLDER, "containerd", "kubelet", "kube-proxy", "name-server", "volume-provisioner")


class NativeCluster:
    """One instance of the cluster on this machine."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is looked at or changed yet."""
        self.instance = instance
        self._cgroup = ControlGroup(instance.name)
        self._daemons = DaemonFolder(records=instance.state / "processes", logs=instance.logs, cgroup=self._cgroup)

    # --- up -----------------------------------------------------------------------------------------------------

    def up(self, *, only_api: bool = False) -> None:
        """Bring the cluster up, or bring back what is missing of it."""
        started = time.monotonic()
        checks.check_machine(self.instance, is_running=self._is_running)
        # What takes minutes is done, once, before the lock is taken: it has locks of its own.
        build_logs = cache.build_logs()
        release = kubernetes_build.chosen_release()
        ensure_packages(NODE_PACKAGES, log=build_logs / "packages.log")
        programs = kubernetes_build.ensure_built(release, logs=build_logs)
        archives = {} if only_api else images.build_stock_images()
        with self._alone():
            self._clear_leftovers()
            self._keep_to_release(release)
            self._prepare_machine()
            client = self._start_control_plane(programs)
            if not only_api:
                self._start_node(programs, client, archives=archives)
        elapsed_seconds = time.monotonic() - started
        say(
            f"The cluster is up, Kubernetes {kubernetes_build.kubernetes(release).version} ({elapsed_seconds:.1f} s). "
            f"Use it with: export KUBECONFIG={self.instance.kubeconfig}"
        )

    def _keep_to_release(self, release: str) -> None:
        """Refuse to go on with another release of Kubernetes on the same data: going back is not supported by it."""
        record = self.instance.release_file
        running = record.read_text().strip() if record.exists() else release
        if running != release:
            raise Fault(
                f"the cluster is up with Kubernetes {running}, not {release}: say KUBERNETES={running}, "
                "or take it down first (ci/cluster down)"
            )
        write_atomically(record, f"{release}\n")

    def _clear_leftovers(self) -> None:
        """Clear away what a dead cluster left: after a restart of the machine, or when every process was ended.

        A cluster from which only some processes died is repaired instead: etcd's data is worth keeping then.
        """
        if not self.instance.state.exists():
            if self._cgroup.process_ids():
                raise Fault(
                    f"processes of {self.instance.name} run, but their state is not in {self.instance.state}: "
                    "take that cluster down first (`ci/cluster down` ends it), or choose another CLUSTER_INSTANCE"
                )
            return
        record = network.load_record(self.instance)
        if record is not None and record.boot_id == network.boot_id() and self._cgroup.process_ids():
            return
        with step("clearing away what an ended cluster left"):
            self._clear_away()

    def _prepare_machine(self) -> None:
        self.instance.state.mkdir(parents=True, exist_ok=True)
        # Before anything is changed: it says what `down` has to put back.
        network.save_record(self.instance, made_folders=mounts.folders_to_make())
        self._cgroup.create()
        certificates.ensure_certificates(self.instance)
        certificates.ensure_kubeconfigs(self.instance)
        control_plane.write_configuration(self.instance)
        node.write_configuration(self.instance)
        network.ensure_network(self.instance)

    def _start_control_plane(self, programs: Programs) -> ApiClient:
        binaries = programs.kubernetes
        client = client_for(self.instance)
        with step("control plane"):
            self._daemons.ensure(control_plane.etcd(self.instance, programs.etcd))
            self._wait_until(lambda: control_plane.etcd_is_healthy(self.instance), "etcd", timeout_seconds=30)
            self._daemons.ensure(control_plane.api_server(self.instance, binaries))
            # Started meanwhile: the API server takes some seconds, most of them on one core.
            mounts.ensure_namespace(self.instance, daemons=self._daemons, cgroup=self._cgroup)
            self._wait_until(lambda: control_plane.api_server_is_ready(client), "kube-apiserver", timeout_seconds=90)
            self._daemons.ensure(control_plane.controller_manager(self.instance, binaries))
            self._daemons.ensure(control_plane.scheduler(self.instance, binaries))
            client.apply("/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
        return client

    def _start_node(self, programs: Programs, client: ApiClient, *, archives: dict[str, Path]) -> None:
        binaries = programs.kubernetes
        with step("node"):
            prefix = mounts.ensure_namespace(self.instance, daemons=self._daemons, cgroup=self._cgroup)
            self._daemons.ensure(node.containerd(self.instance, programs.containerd, prefix=prefix))
            self._daemons.ensure(node.proxy(self.instance, binaries))
            self._daemons.ensure(name_server(self.instance))
            self._daemons.ensure(volume_provisioner(self.instance))
            self._wait_until(lambda: node.containerd_answers(self.instance), "containerd", timeout_seconds=30)
            images.load_archive(self.instance, name=node.PAUSE_IMAGE, archive=archives[node.PAUSE_IMAGE])
            self._daemons.ensure(node.kubelet(self.instance, binaries, prefix=prefix))
            # While the kubelet starts, which is mostly waiting.
            images.load_all(self.instance, archives)
            self._wait_until(lambda: node_is_ready(client, self.instance.name), "kubelet", timeout_seconds=90)
            self._wait_until(lambda: proxy_works(self.instance), "kube-proxy", timeout_seconds=30)
            self._wait_until(lambda: dns_works(self.instance), "name-server", timeout_seconds=30)
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait_until(lambda: client.answers(account), "kube-controller-manager", timeout_seconds=60)

    # --- down ---------------------------------------------------------------------------------------------------

    def down(self) -> None:
        """End the cluster and put the machine back; the caches stay."""
        with self._alone():
            killed = self._clear_away()
        say(f"The cluster is down ({killed} processes ended)." if killed else "The cluster is down.")

    def _clear_away(self) -> int:
        record = network.load_record(self.instance)
        # Killed, not asked: kubelet and containerd would take their time and start things anew while they are asked.
        killed = self._cgroup.kill_all()
        self._cgroup.remove()
        # The mounts and the pods' network namespaces went with the last process of their mount namespace.
        if shutil.which("ip"):
            network.remove_network(self.instance)
        remove_folder(self.instance.state)
        # Removing a folder would also undo a mount that covers it in another instance's namespace.
        if record is not None and not list(self.instance.state.parent.glob("native-*")):
            mounts.remove_made_folders(record.made_folders)
        return killed

    # --- status -------------------------------------------------------------------------------------------------

    def status(self) -> bool:
        """Print how every process and the node are; True when all is well."""
        well = True
        for name in (*CONTROL_PLANE, *NODE):
            process_id = self._daemons.process_id(name)
            print(f"{name:<26}{f'running, process {process_id}' if process_id else 'not running'}")
            well = well and process_id is not None
        if self._is_running("kube-apiserver"):
            ready = node_is_ready(client_for(self.instance), self.instance.name)
            print(f"{'node ' + self.instance.name:<26}{'ready' if ready else 'not ready'}")
            well = well and ready
        print(f"{'state':<26}{self.instance.state}")
        return well

    def log_files(self) -> dict[str, Path]:
        """The log of each process that ever ran in this instance."""
        return {path.stem: path for path in sorted(self.instance.logs.glob("*.log"))}

    # --- shared -------------------------------------------------------------------------------------------------

    def _is_running(self, name: str) -> bool:
        return self._daemons.process_id(name) is not None

    def _wait_until(self, ready: Callable[[], bool], name: str, *, timeout_seconds: float) -> None:
        self._daemons.wait_until(ready, name=name, timeout_seconds=timeout_seconds)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep two commands from bringing the same instance up or down at the same time."""
        with cache.exclusive(cache.cache_home() / f"native-{self.instance.number}.lock"):
            yield


def remove_folder(folder: Path) -> None:
    """Remove the state; files can still vanish or appear for a moment after the last process was killed."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise Fault(f"{folder} cannot be removed; is something mounted below it? (see /proc/mounts)")


def node_is_ready(client: ApiClient, name: str) -> bool:
    """Whether the node says that it is ready and has said so lately."""
    try:
        conditions = client.request("GET", f"/api/v1/nodes/{name}")["status"].get("conditions") or []
    except (OSError, ApiError):
        return False
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def proxy_works(instance: Instance) -> bool:
    """Whether kube-proxy has finished a first round: the rules for the Service `kubernetes` are there."""
    return checks.can_connect(instance.api_service_address, 443)


def dns_works(instance: Instance) -> bool:
    """Whether the name that every cluster has can be resolved."""
    return checks.answers_dns(instance.pod_gateway, "kubernetes.default.svc.cluster.local")
