"""The test server as a process of its own."""

import signal
import time

import httpx
from tests.integration.pagination_server import running_test_server


def test_the_server_is_quiet_and_ends_soon_after_sigterm() -> None:
    """Nothing is logged by default, and SIGTERM ends the process although a client keeps its connection open."""
    with running_test_server() as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        output, _ = server.process.communicate(timeout=10)
        assert time.monotonic() - told < 5
    assert server.process.returncode in {0, -signal.SIGTERM}
    assert output == b""


def test_without_a_host_the_server_answers_on_both_families_of_addresses() -> None:
    """As the operator starts it: in a cluster with IPv6 alone, or first, probes and cases come by IPv6."""
    with running_test_server(host="") as server:
        port = server.url.rpartition(":")[2]
        for address in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{address}:{port}/health").status_code == 200
