"""The cluster's DNS: a process that watches Services and EndpointSlices, and dnsmasq below it that answers.

All names are in one file. It is replaced as a whole and dnsmasq told to read it again, so a Service that was
removed is forgotten at once; dnsmasq's folder of hosts files (`--hostsdir`) would keep it until a restart.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from native.api_client import ApiClient
from native.dns_records import hosts_file, records
from native.processes import write_atomically
from native.watched_collection import Collection

GATHERING_SECONDS = 0.05


class Dnsmasq:
    """dnsmasq as a child: started, told to read the file again, and started anew when it has ended."""

    def __init__(self, *, address: str, hosts: Path) -> None:
        """It answers on `address` with the names in the file `hosts`."""
        self._address = address
        self._hosts = hosts
        self._process: subprocess.Popen[bytes] | None = None

    def refresh(self) -> None:
        """Have the present file answered from."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(self._arguments(), stdin=subprocess.DEVNULL)
        else:
            self._process.send_signal(signal.SIGHUP)

    def is_running(self) -> bool:
        """Whether the child lives."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.terminate()

    def _arguments(self) -> list[str]:
        return [
            # Should this process be killed, dnsmasq must not live on: it would keep the port from the next one.
            "setpriv",
            "--pdeathsig=KILL",
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--group=root",
            "--pid-file=",
            f"--listen-address={self._address}",
            "--bind-interfaces",
            "--no-hosts",
            f"--addn-hosts={self._hosts}",
            "--no-resolv",
            "--no-poll",
            # Every name is ours to answer: what is not in the file does not exist, and nobody is asked.
            "--local=/#/",
            "--local-ttl=1",
            "--log-facility=-",
        ]


def serve(*, client: ApiClient, address: str, hosts: Path) -> None:
    """Keep the file in step with the cluster, for ever."""
    changed = threading.Event()
    services = Collection(client, path="/api/v1/services", changed=changed)
    slices = Collection(client, path="/apis/discovery.k8s.io/v1/endpointslices", changed=changed)
    dnsmasq = Dnsmasq(address=address, hosts=hosts)

    def end(_signal_number: int, _frame: FrameType | None) -> None:
        dnsmasq.end()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    services.start()
    slices.start()
    services.listed.wait()
    slices.listed.wait()
    written: str | None = None
    while True:
        changed.clear()
        text = hosts_file(records(services.items().values(), slices.items().values()))
        if text != written or not dnsmasq.is_running():
            write_atomically(hosts, text)
            dnsmasq.refresh()
            written = text
            # One change rarely comes alone: what follows at once is written together, the first is not kept waiting.
            time.sleep(GATHERING_SECONDS)
        # Returns at once on a change; otherwise looks now and then whether dnsmasq is still alive.
        changed.wait(timeout=1.0)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="Answers the cluster's DNS names.")
    parser.add_argument("--url", required=True, help="of the API server")
    parser.add_argument("--certificates", required=True, type=Path, help="folder with ca.crt, proxy.crt and proxy.key")
    parser.add_argument("--address", required=True, help="to answer on")
    parser.add_argument("--hosts", required=True, type=Path, help="file to keep the names in")
    arguments = parser.parse_args()
    folder = arguments.certificates
    # kube-proxy's role is what DNS needs: to see Services and EndpointSlices. The one that Kubernetes has for DNS still
    # knows Endpoints alone.
    client = ApiClient(
        url=arguments.url, authority=folder / "ca.crt", certificate=folder / "proxy.crt", key=folder / "proxy.key"
    )
    serve(client=client, address=arguments.address, hosts=arguments.hosts)


if __name__ == "__main__":
    main()
