"""What faults do to the native cluster's processes and connections; every one of them is undone when its block ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.cluster import ROOT

sys.path.insert(0, str(ROOT / "ci"))

from native.instance import API_SERVER_PORT, current_instance
from native.lifecycle import NativeCluster

CHAIN = "TESTRUN-CHAOS"


def process_id(daemon: str) -> int:
    """Return the process id of a daemon of the cluster, such as ``kubelet``."""
    found = NativeCluster(current_instance())._daemons.process_id(daemon)
    assert found is not None, f"{daemon} does not run"
    return found


@contextmanager
def stopped(*process_ids: int) -> Iterator[None]:
    """Stop processes with SIGSTOP: nothing answers, and no connection is closed. They go on afterwards."""
    try:
        for process in process_ids:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in process_ids:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def kill(*daemons: str) -> None:
    """End daemons with SIGKILL; `repair` starts them again."""
    for daemon in daemons:
        os.kill(process_id(daemon), signal.SIGKILL)


def repair() -> None:
    """Start what is missing of the cluster."""
    subprocess.run([ROOT / "ci" / "cluster", "up"], check=True, capture_output=True, timeout=300)


def audit_lines(namespace: str) -> Iterator[str]:
    """Give the lines of the API server's audit log that name a namespace."""
    path = current_instance().audit_log
    for file in [*sorted(path.parent.glob("audit-*.log")), path]:
        with file.open(errors="replace") as lines:
            yield from (line for line in lines if f'"{namespace}"' in line)


@contextmanager
def connections_cut(address: str) -> Iterator[int]:
    """Drop all packets of a pod's connections to the API server that exist now; new ones work. Gives their number.

    Neither side is told: there is no FIN and no RST, as where a firewall forgets a connection.
    """
    ports = _ports(address)
    assert ports, f"{address} has no connection to the API server"
    _iptables("-N", CHAIN)
    try:
        for port in ports:
            _iptables("-A", CHAIN, *_packet(address, "-s", "--dport", "--sport", port))
            _iptables("-A", CHAIN, *_packet(address, "-d", "--sport", "--dport", port))
        for built_in in ("INPUT", "OUTPUT"):
            _iptables("-I", built_in, "-j", CHAIN)
        yield len(ports)
    finally:
        for built_in in ("INPUT", "OUTPUT"):
            _iptables("-D", built_in, "-j", CHAIN, check=False)
        _iptables("-F", CHAIN)
        _iptables("-X", CHAIN)


def _packet(address: str, end: str, server: str, client: str, port: str) -> tuple[str, ...]:
    return (end, address, "-p", "tcp", server, str(API_SERVER_PORT), client, port, "-j", "DROP")


def _ports(address: str) -> list[str]:
    server = f"{current_instance().node_address}:{API_SERVER_PORT}"
    words = ["ss", "-tnH", "state", "established", "src", server, "dst", address]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return sorted({line.split()[-1].rpartition(":")[2] for line in printed.splitlines() if line.strip()})


def _iptables(*words: str, check: bool = True) -> None:
    subprocess.run(["iptables", "-w", *words], check=check, capture_output=True)
