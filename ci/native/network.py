"""The bridge, the kernel settings and the record of what they were before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from native import firewall
from native.instance import Instance
from native.processes import run, write_atomically

BRIDGE_NETFILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
WANTED_SETTINGS = {
    "net.ipv4.ip_forward": "1",
    # Without it, a pod's answer to another pod on the same bridge bypasses kube-proxy's translation and gets lost.
    "net.bridge.bridge-nf-call-iptables": "1",
}
# Changed by the kubelet and by kube-proxy on their own account; recorded so that `down` can put them back.
SETTINGS_CHANGED_BY_OTHERS = (
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "kernel.panic",
    "kernel.panic_on_oops",
    "net.ipv4.conf.all.route_localnet",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
)


@dataclass(frozen=True)
class MachineRecord:
    """What the machine was like before the cluster first came up, and in which boot that was."""

    boot_id: str
    settings: dict[str, str]
    chains: list[str]
    made_folders: list[str]


def boot_id() -> str:
    """A name for the time since the machine started: what is recorded of an earlier one no longer holds."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def setting_path(name: str) -> Path:
    """The file of a kernel setting."""
    return Path("/proc/sys") / name.replace(".", "/")


def read_settings() -> dict[str, str]:
    """The present values of all settings that the cluster changes; a kernel may lack some."""
    names = (*WANTED_SETTINGS, *SETTINGS_CHANGED_BY_OTHERS)
    return {name: setting_path(name).read_text().strip() for name in names if setting_path(name).exists()}


def write_settings(values: dict[str, str]) -> None:
    """Set kernel settings, touching only those that differ."""
    for name, value in values.items():
        path = setting_path(name)
        if path.exists() and path.read_text().strip() != value:
            path.write_text(value)


def record_path(instance: Instance) -> Path:
    """Where the record is kept."""
    return instance.state / "machine-before.json"


def load_record(instance: Instance) -> MachineRecord | None:
    """Read the record; None when there is none."""
    try:
        values = json.loads(record_path(instance).read_text())
    except FileNotFoundError:
        return None
    return MachineRecord(**values)


def save_record(instance: Instance, *, made_folders: list[str]) -> None:
    """Write the record, once: a second `up` would record the cluster's own changes as the state before."""
    if load_record(instance) is None:
        record = MachineRecord(boot_id(), read_settings(), firewall.present_chains(), made_folders)
        write_atomically(record_path(instance), json.dumps(record.__dict__, indent=2))


def ensure_devices(instance: Instance) -> None:
    """Make the device with the node's address and the pods' bridge with their gateway's.

    The CNI plugin would make the bridge too, but only with the first pod, and DNS listens on it before.
    """
    addresses = {
        instance.node_device: f"{instance.node_address}/{instance.node_network.prefixlen}",
        instance.bridge: f"{instance.pod_gateway}/{instance.pod_network.prefixlen}",
    }
    for device, address in addresses.items():
        if run(["ip", "link", "show", device], check=False).returncode != 0:
            run(["ip", "link", "add", device, "type", "bridge"])
        run(["ip", "address", "replace", address, "dev", device])
        run(["ip", "link", "set", device, "up"])
    # Translated before it is used, but without any route a connection to a Service would fail before the translation:
    # a machine without a network has no default route.
    run(["ip", "route", "replace", str(instance.service_network), "dev", instance.node_device])
    # In a fresh network namespace even the loopback interface is down, and etcd listens there.
    run(["ip", "link", "set", "lo", "up"])


def ensure_network(instance: Instance) -> None:
    """Bring interfaces, kernel settings and our iptables rule into the state that the node needs."""
    if not BRIDGE_NETFILTER.exists():
        run(["modprobe", "br_netfilter"], check=False)
    write_settings(WANTED_SETTINGS)
    ensure_devices(instance)
    firewall.ensure_masquerading(instance)


def remove_network(instance: Instance) -> None:
    """Undo everything; the processes must have ended, or kube-proxy would make its rules again."""
    record = load_record(instance)
    of_this_boot = record is not None and record.boot_id == boot_id()
    firewall.remove_chains(instance, before=record.chains if record is not None and of_this_boot else [])
    for device in (instance.bridge, instance.node_device):
        run(["ip", "link", "delete", device], check=False)
    for network in (instance.pod_network, instance.service_network, instance.node_network):
        # Exit code 1 says that there was nothing to delete.
        for option in ("--orig-src", "--orig-dst", "--reply-src"):
            run(["conntrack", "-D", option, str(network)], check=False)
    if record is not None and of_this_boot:
        write_settings(record.settings)
