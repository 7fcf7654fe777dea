"""What the machine must be like, looked at before anything is done; everything that is missing is said at once."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from native import apt_sources, cgroups, firewall, network
from native.instance import API_SERVER_PORT, NODE_PORT_OF_TEST_SERVER, Instance
from native.terminal import Fault

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - what others listen on, not what we do
LISTENING = "0A"
NEEDED_MEMORY_BYTES = 2 * 1024**3
# A socket's state says "listening" for TCP only; a bound UDP socket is "closed".
BOUND_STATES = {"tcp": LISTENING, "udp": "07"}


@dataclass(frozen=True)
class Listener:
    """A socket of this network namespace that waits for others."""

    protocol: str
    address: str
    port: int
    inode: str


@dataclass(frozen=True)
class WantedPort:
    """A port that one of the cluster's processes is to listen on."""

    daemon: str
    protocol: str
    address: str
    port: int


def wanted_ports(instance: Instance) -> list[WantedPort]:
    """Every port that the cluster takes on the machine."""
    node, local = instance.node_address, "127.0.0.1"
    return [
        WantedPort("etcd", "tcp", local, instance.etcd_client_port),
        WantedPort("etcd", "tcp", local, instance.etcd_peer_port),
        WantedPort("kube-apiserver", "tcp", node, API_SERVER_PORT),
        WantedPort("kube-controller-manager", "tcp", node, 10257),
        WantedPort("kube-scheduler", "tcp", node, 10259),
        WantedPort("kubelet", "tcp", node, 10250),
        WantedPort("kubelet", "tcp", node, 10248),
        WantedPort("kube-proxy", "tcp", node, 10256),
        WantedPort("kube-proxy", "tcp", node, 10249),
        WantedPort("kube-proxy", "tcp", local, NODE_PORT_OF_TEST_SERVER),
        WantedPort("name-server", "udp", instance.pod_gateway, 53),
        WantedPort("name-server", "tcp", instance.pod_gateway, 53),
    ]


def parse_address(text: str) -> str:
    """Read an address of /proc/net: hexadecimal, in words of four bytes in the machine's order."""
    words = [bytes.fromhex(text[start : start + 8]) for start in range(0, len(text), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def parse_listeners(text: str, *, protocol: str) -> list[Listener]:
    """Read a table such as /proc/net/tcp."""
    found = []
    for line in text.splitlines()[1:]:
        _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
        if state == BOUND_STATES[protocol]:
            address, port = local.split(":")
            found.append(Listener(protocol, parse_address(address), int(port, 16), inode))
    return found


def listeners() -> list[Listener]:
    """All waiting sockets of this network namespace."""
    found = []
    for protocol in BOUND_STATES:
        for table in (Path(f"/proc/self/net/{protocol}"), Path(f"/proc/self/net/{protocol}6")):
            if table.exists():
                found.extend(parse_listeners(table.read_text(), protocol=protocol))
    return found


def in_the_way(wanted: WantedPort, present: list[Listener]) -> Listener | None:
    """The socket that would keep a process from its port: on the same address, or on all addresses."""
    for listener in present:
        same_port = (listener.protocol, listener.port) == (wanted.protocol, wanted.port)
        if same_port and listener.address in (wanted.address, *ALL_ADDRESSES):
            return listener
    return None


def owner_of(inode: str) -> str:
    """Name the process that has a socket, for a message; nobody may be found."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(entry.readlink()) == f"socket:[{inode}]" for entry in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "another program"


def port_complaints(instance: Instance, *, is_running: Callable[[str], bool]) -> list[str]:
    """One sentence for each port that somebody else has; a process that runs has its ports itself."""
    present = listeners()
    complaints = []
    for wanted in wanted_ports(instance):
        listener = None if is_running(wanted.daemon) else in_the_way(wanted, present)
        if listener is not None:
            complaints.append(
                f"{wanted.daemon} needs port {wanted.port}/{wanted.protocol} on {wanted.address}, "
                f"but {owner_of(listener.inode)} listens there"
            )
    return complaints


def kernel_complaints() -> list[str]:
    """What the kernel lacks for containers and for Services."""
    complaints = []
    missing = cgroups.missing_controllers()
    if missing:
        complaints.append(f"these control group controllers are not mounted below /sys/fs/cgroup: {' '.join(missing)}")
    if "overlay" not in Path("/proc/filesystems").read_text().split() and not shutil.which("modprobe"):
        complaints.append("the kernel has no overlay file system, which containers' file systems need")
    if not network.BRIDGE_NETFILTER.exists() and not shutil.which("modprobe"):
        complaints.append("the kernel has no br_netfilter module, without which Services do not work between pods")
    return complaints


def machine_complaints() -> list[str]:
    """What is wrong with the machine as such."""
    if sys.platform != "linux":
        return ["this is not Linux"]
    complaints = []
    if os.geteuid() != 0:
        complaints.append("not root: network devices, mounts and control groups need it (try sudo)")
    system = apt_sources.operating_system()
    if "debian" not in (system.get("ID"), *system.get("ID_LIKE", "").split()):
        complaints.append(f"this is not Debian but {system.get('PRETTY_NAME', 'an unknown system')}")
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory_bytes < NEEDED_MEMORY_BYTES:
        complaints.append(f"the cluster needs 2 GiB of memory, there are {memory_bytes / 1024**3:.1f} GiB")
    return complaints + kernel_complaints()


def foreign_cluster_complaints(instance: Instance) -> list[str]:
    """Another cluster in this network namespace: two kube-proxies would undo each other's rules without end."""
    record = network.load_record(instance)
    if shutil.which("iptables-save") and firewall.foreign_service_chain(before=record.chains if record else None):
        complaint = (
            "another kube-proxy has its iptables chains in this network namespace (or an ended one left them). "
            "If that cluster is gone, remove its chains; else run this one in a network namespace of its own"
        )
        return [complaint]
    return []


def check_machine(instance: Instance, *, is_running: Callable[[str], bool]) -> None:
    """Raise one fault that lists everything that stands against a cluster on this machine."""
    complaints = machine_complaints()
    if not complaints:
        complaints = [*port_complaints(instance, is_running=is_running), *foreign_cluster_complaints(instance)]
    if complaints:
        listed = "\n".join(f"  - {complaint}" for complaint in complaints)
        raise Fault(f"the native cluster cannot run here:\n{listed}")


def answers_dns(address: str, name: str, *, timeout_seconds: float = 1.0) -> bool:
    """Whether a name server gives at least one address for a name (a DNS query by hand: no library is at hand)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.sendto(query, (address, 53))
            answer = connection.recv(512)
        except OSError:
            return False
    return answer[:2] == query[:2] and int.from_bytes(answer[6:8], "big") > 0


def can_connect(address: str, port: int, *, timeout_seconds: float = 1.0) -> bool:
    """Whether a TCP connection can be made."""
    try:
        with socket.create_connection((address, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False
