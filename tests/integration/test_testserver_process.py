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
