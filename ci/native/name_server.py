"""The cluster's DNS: a process that watches Services and Endpoints, and dnsmasq below it that answers.

All names are in one file. It is replaced as a whole and dnsmasq told to read it again, so a Service that was
removed is forgotten at once; dnsmasq's folder of hosts files (`--hostsdir`) would keep it until a restart.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from native.api_client import ApiClient, ApiError, JsonObject
from native.dns_records import ObjectKey, hosts_file, key_of, records
from native.processes import write_atomically

RETRY_SECONDS = 0.5
GATHERING_SECONDS = 0.05


class Collection:
    """All objects of one resource, kept current by a thread that lists and then watches."""

    def __init__(self, client: ApiClient, *, path: str, changed: threading.Event) -> None:
        """`changed` is set whenever the objects are not what they were."""
        self._client = client
        self._path = path
        self._changed = changed
        self._items: dict[ObjectKey, JsonObject] = {}
        self._lock = threading.Lock()
        self.listed = threading.Event()

    def start(self) -> None:
        """Begin to follow; the thread ends with the process."""
        threading.Thread(target=self._follow, name=self._path, daemon=True).start()

    def items(self) -> dict[ObjectKey, JsonObject]:
        """A copy of what is known now."""
        with self._lock:
            return dict(self._items)

    def _follow(self) -> None:
        while True:
            try:
                version = self._list()
                self._watch(version)
            except (OSError, ApiError, ValueError, http.client.HTTPException) as error:
                # The API server may be starting, restarting or overloaded; names that are known stay known.
                print(f"{self._path}: {error}; trying again", flush=True)
                time.sleep(RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._client.request("GET", self._path)
        with self._lock:
            self._items = {key_of(item): item for item in answer.get("items") or []}
        self.listed.set()
        self._changed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        for event in self._client.watch(f"{self._path}?resourceVersion={version}"):
            kind, item = event["type"], event["object"]
            if kind == "BOOKMARK":
                continue
            if kind == "ERROR":
                # Usually 410: the version is too old by now. A new list is the cure for every such error.
                return
            with self._lock:
                if kind == "DELETED":
                    self._items.pop(key_of(item), None)
                else:
                    self._items[key_of(item)] = item
            self._changed.set()


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
    endpoints = Collection(client, path="/api/v1/endpoints", changed=changed)
    dnsmasq = Dnsmasq(address=address, hosts=hosts)

    def end(_signal_number: int, _frame: FrameType | None) -> None:
        dnsmasq.end()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    services.start()
    endpoints.start()
    services.listed.wait()
    endpoints.listed.wait()
    written: str | None = None
    while True:
        changed.clear()
        text = hosts_file(records(services.items().values(), endpoints.items()))
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
    parser.add_argument("--certificates", required=True, type=Path, help="folder with ca.crt, dns.crt and dns.key")
    parser.add_argument("--address", required=True, help="to answer on")
    parser.add_argument("--hosts", required=True, type=Path, help="file to keep the names in")
    arguments = parser.parse_args()
    folder = arguments.certificates
    client = ApiClient(
        url=arguments.url, authority=folder / "ca.crt", certificate=folder / "dns.crt", key=folder / "dns.key"
    )
    serve(client=client, address=arguments.address, hosts=arguments.hosts)


if __name__ == "__main__":
    main()
