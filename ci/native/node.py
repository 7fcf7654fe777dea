"""containerd, the kubelet and kube-proxy: their configuration files and arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path

from native import kubernetes_build
from native.instance import Instance
from native.processes import Daemon, run, write_atomically

PAUSE_IMAGE = "testrun.local/pause:1"
CNI_PROGRAMS = Path("/usr/lib/cni")
# Nothing listens there: an image that was not loaded fails at once instead of asking a registry.
NO_REGISTRY = "http://127.0.0.1:1"


def containerd_configuration(instance: Instance) -> str:
    """The configuration of containerd, with folders and a socket that no other containerd uses."""
    state = instance.state
    return f"""version = 3
root = "{state}/containerd/root"
state = "{state}/containerd/state"

[grpc]
  address = "{instance.containerd_socket}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{instance.configuration}/registries"

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  # Where root lacks CAP_SYS_RESOURCE, as in some virtual machines, no process may be protected more than its parent.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{CNI_PROGRAMS}"]
    conf_dir = "{instance.configuration}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
"""


def cni_configuration(instance: Instance) -> str:
    """Pods on the bridge with an address each; no masquerading and no host ports, which cost iptables calls per pod."""
    configuration = {
        "cniVersion": "0.4.0",
        "name": instance.name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": instance.bridge,
                "isGateway": True,
                "ipMasq": False,
                # So that a pod reaches itself through its own Service.
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(instance.state / "cni-addresses"),
                    "ranges": [[{"subnet": str(instance.pod_network), "gateway": instance.pod_gateway}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    return json.dumps(configuration, indent=2)


def kubelet_configuration(instance: Instance) -> str:
    """The kubelet's configuration (JSON is YAML too)."""
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": instance.node_address,
        "healthzBindAddress": instance.node_address,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(instance.certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [instance.pod_gateway],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
        "volumePluginDir": str(instance.state / "volume-plugins"),
        # The machine's own search domains are not the pods' affair; every one would also cost a query per name.
        "resolvConf": str(instance.configuration / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.name}",
        # From 1.35 on a kubelet refuses control groups of version 1 unless it is told not to. Machines that mount
        # version 2 do not notice.
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxPods": 250,
        "serializeImagePulls": False,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
        # Images cannot be fetched again, so none may be collected, however full the disk is; and a full disk of a
        # developer's machine is no reason to evict pods.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        # The first status always says "not ready"; the next one, which decides how soon the cluster is up, comes then.
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "5m",
        "syncFrequency": "10s",
    }
    return json.dumps(configuration, indent=2)


def proxy_configuration(instance: Instance) -> str:
    """The configuration of kube-proxy: iptables, quick to take over changes; the kernel's limits are left alone."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": instance.node_address,
        "healthzBindAddress": f"{instance.node_address}:10256",
        "metricsBindAddress": f"{instance.node_address}:10249",
        "clientConnection": {"kubeconfig": str(instance.configuration / "proxy.kubeconfig")},
        "clusterCIDR": str(instance.pod_network),
        "hostnameOverride": instance.name,
        "mode": "iptables",
        "oomScoreAdj": 0,
        "iptables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return json.dumps(configuration, indent=2)


def registry_configuration() -> str:
    """Where containerd looks for images of any registry; it wants a `host` besides the `server`, or heeds neither."""
    return f"""server = "{NO_REGISTRY}"

[host."{NO_REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""


def write_configuration(instance: Instance) -> None:
    """Write all of the node's configuration files."""
    folder = instance.configuration
    write_atomically(folder / "containerd.toml", containerd_configuration(instance))
    write_atomically(folder / "cni" / "10-bridge.conflist", cni_configuration(instance))
    write_atomically(folder / "registries" / "_default" / "hosts.toml", registry_configuration())
    write_atomically(folder / "kubelet.json", kubelet_configuration(instance))
    write_atomically(folder / "proxy.json", proxy_configuration(instance))
    write_atomically(folder / "resolv.conf", "# Pods ask only the cluster's DNS.\n")


def containerd(instance: Instance, programs: Path, *, prefix: tuple[str, ...]) -> Daemon:
    """The runtime itself; shims outlive it and are found again by the next one."""
    # The shim is found beside it, and runc where Debian puts it. Not as a part of the environment: a shell with another
    # PATH is no reason to start it anew.
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return Daemon(
        name="containerd",
        prefix=(*prefix, "env", f"PATH={path}"),
        arguments=(str(programs / "containerd"), f"--config={instance.configuration / 'containerd.toml'}"),
        content=(containerd_configuration(instance),),
    )


def kubelet(instance: Instance, binaries: Path, *, prefix: tuple[str, ...]) -> Daemon:
    """The kubelet."""
    return Daemon(
        name="kubelet",
        prefix=prefix,
        # It would look for a cloud's metadata service, in vain and for five seconds.
        environment={"AWS_EC2_METADATA_DISABLED": "true"},
        content=(kubelet_configuration(instance),),
        arguments=(
            str(binaries / "kubelet"),
            f"--config={instance.configuration / 'kubelet.json'}",
            f"--kubeconfig={instance.configuration / 'kubelet.kubeconfig'}",
            f"--hostname-override={instance.name}",
            f"--node-ip={instance.node_address}",
        ),
    )


def proxy(instance: Instance, binaries: Path) -> Daemon:
    """kube-proxy."""
    return Daemon(
        name="kube-proxy",
        content=(proxy_configuration(instance),),
        arguments=(str(binaries / "kube-proxy"), f"--config={instance.configuration / 'proxy.json'}"),
    )


def containerd_programs() -> Path:
    """The folder with containerd and its command line."""
    return kubernetes_build.containerd().target


def ctr(instance: Instance, *arguments: str | Path, check: bool = True) -> str:
    """Run containerd's command line against the instance's socket, in the namespace that the kubelet uses."""
    program = containerd_programs() / "ctr"
    options = (f"--address={instance.containerd_socket}", "--namespace=k8s.io")
    return run([program, *options, *arguments], check=check).stdout


def containerd_answers(instance: Instance) -> bool:
    """Whether containerd takes requests."""
    if not instance.containerd_socket.exists():
        return False
    program = containerd_programs() / "ctr"
    command = [str(program), f"--address={instance.containerd_socket}", "--connect-timeout=2s", "version"]
    return run(command, check=False).returncode == 0
