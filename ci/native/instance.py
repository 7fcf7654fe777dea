"""One instance of the native cluster: its number, and every name, address, port and path that follows from it.

Instance 0 is the one that people use. Other numbers exist so that the scripts themselves can be tried beside a
running cluster; kube-proxy's chains have fixed names, so a second instance needs a network namespace of its own
(`unshare --net`), but nothing else.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from native.terminal import Fault

HIGHEST_NUMBER = 9
API_SERVER_PORT = 6443
POD_PREFIX_LENGTH = 22
NODE_PORT_OF_TEST_SERVER = 30555


@dataclass(frozen=True)
class Instance:
    """The names and numbers that belong to one instance; nothing here touches the machine."""

    number: int
    state: Path

    @property
    def name(self) -> str:
        """Names the node, the control group and the iptables chain."""
        return f"testrun-operator-{self.number}"

    @property
    def bridge(self) -> str:
        """The bridge of the pods (an interface name has at most 15 characters)."""
        return f"testrun{self.number}"

    @property
    def node_device(self) -> str:
        """A bridge without ports that carries the node's address: the CNI plugin tolerates no second one on its own."""
        return f"testrun{self.number}-node"

    @property
    def node_address(self) -> str:
        """An address on no real interface, so that the cluster cannot be reached from the network."""
        return str(self.node_network[1])

    @cached_property
    def node_network(self) -> ipaddress.IPv4Network:
        """The network of the node's address; nothing else is in it."""
        return ipaddress.IPv4Network(f"172.30.{self.number}.0/24")

    @cached_property
    def pod_network(self) -> ipaddress.IPv4Network:
        """The pods' addresses; a /22 because freed addresses are handed out again only after all others."""
        return ipaddress.IPv4Network(f"10.244.{4 * self.number}.0/{POD_PREFIX_LENGTH}")

    @property
    def pod_gateway(self) -> str:
        """The bridge's own address in the pod network; DNS listens there."""
        return str(self.pod_network[1])

    @cached_property
    def service_network(self) -> ipaddress.IPv4Network:
        """The Services' addresses, which exist only in kube-proxy's iptables rules."""
        return ipaddress.IPv4Network(f"10.{96 + self.number}.0.0/16")

    @property
    def api_service_address(self) -> str:
        """The address of the Service `kubernetes`: the API server always takes the first one."""
        return str(self.service_network[1])

    @property
    def api_url(self) -> str:
        """Where the API server answers."""
        return f"https://{self.node_address}:{API_SERVER_PORT}"

    @property
    def etcd_client_port(self) -> int:
        """On 127.0.0.1, which pods cannot reach: etcd asks nobody for a certificate here."""
        return 12379 + 10 * self.number

    @property
    def etcd_peer_port(self) -> int:
        """A port that etcd insists on although it has no peers."""
        return self.etcd_client_port + 1

    @property
    def firewall_chain(self) -> str:
        """Our one own iptables chain: masquerades what pods send to the outside."""
        return f"TESTRUN-{self.number}-MASQ"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.state / "certificates"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.state / "logs"

    @property
    def release_file(self) -> Path:
        """Which release of Kubernetes the data belong to."""
        return self.state / "kubernetes-release"

    @property
    def audit_log(self) -> Path:
        """What was written to the API server, and by whom: one JSON object per line (`ci/cluster logs audit`)."""
        return self.logs / "audit.log"

    @property
    def configuration(self) -> Path:
        """The processes' configuration files."""
        return self.state / "configuration"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd's API answers."""
        return self.state / "containerd.sock"


def state_home() -> Path:
    """The folder for state, as the XDG base directory specification says it."""
    configured = os.environ.get("XDG_STATE_HOME")
    return Path(configured) if configured else Path.home() / ".local" / "state"


def current_instance() -> Instance:
    """Return the instance that `CLUSTER_INSTANCE` names, 0 when it is not set."""
    text = os.environ.get("CLUSTER_INSTANCE", "0")
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_NUMBER):
        raise Fault(f"CLUSTER_INSTANCE must be a number from 0 to {HIGHEST_NUMBER}, not {text!r}")
    number = int(text)
    return Instance(number=number, state=state_home() / "testrun-operator" / f"native-{number}")
