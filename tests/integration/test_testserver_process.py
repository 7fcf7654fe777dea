"""The test server as a process of its own."""

import signal
import socket
import subprocess
import sys
import time

import httpx

_PROGRAM = "from testrun_operator.testserver import serve; serve('127.0.0.1', {port})"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_server_is_quiet_and_ends_soon_after_sigterm() -> None:
    """Nothing is logged by default, and SIGTERM ends the process although a client keeps its connection open."""
    port = _free_port()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(port=port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            assert client.get("/health").status_code == 200
            told = time.monotonic()
            server.send_signal(signal.SIGTERM)
            output, _ = server.communicate(timeout=10)
    assert time.monotonic() - told < 5
    assert server.returncode in {0, -signal.SIGTERM}
    assert output == b""
