"""The test server as a process of its own, on a free port of loopback."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class TestServer:
    """A test server that answers."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_test_server(host: str = "127.0.0.1") -> Iterator[TestServer]:
    """Start a test server, wait until it answers, and end it afterwards.

    Args:
        host: the address to listen on; empty for all.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = f"from testrun_operator.testserver import serve; serve({host!r}, {port})"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
                client.get(f"{url}/health").raise_for_status()
            yield TestServer(url, process)
        finally:
            process.terminate()
