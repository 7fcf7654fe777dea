"""The operator's own HTTP server."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import unused_port
from prometheus_client import CollectorRegistry, Gauge

from testrun_operator.controller.health import HealthServer
from testrun_operator.errors import InvalidSettings

RUNNING = Gauge("running", "Cases that are running.", registry=None)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HealthServer]:
    """Return a server that answers."""
    registry = CollectorRegistry()
    registry.register(RUNNING)
    made = HealthServer(unused_port(), registry, lambda: RUNNING.set(3))
    await made.start()
    yield made
    await made.stop()


async def ask(server: HealthServer, path: str) -> tuple[int, str, str]:
    """Return status, content type and text of an answer."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server._port}{path}") as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_healthz_answers_as_long_as_the_process_does(server: HealthServer) -> None:
    """Also while the operator waits for the Lease; else the kubelet would restart a standby."""
    assert await ask(server, "/healthz") == (200, "text/plain", "ok\n")


async def test_readyz_is_unavailable_until_the_first_lists_are_complete(server: HealthServer) -> None:
    """Helm and Deployments wait for it."""
    status, _, text = await ask(server, "/readyz")
    assert (status, "waiting for the Lease" in text) == (503, True)
    server.ready.set()
    assert await ask(server, "/readyz") == (200, "text/plain", "ok\n")


async def test_metrics_are_brought_up_to_date_when_they_are_asked_for(server: HealthServer) -> None:
    """Gauges show the moment of the question."""
    status, kind, text = await ask(server, "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "running 3.0" in text.splitlines()


async def test_a_port_that_is_taken_names_its_variable(server: HealthServer) -> None:
    """It is a setting that is wrong."""
    second = HealthServer(server._port, CollectorRegistry(), lambda: None)
    with pytest.raises(InvalidSettings, match=r"^TESTRUN_OPERATOR_HTTP_PORT: "):
        await second.start()
    await second.stop()


async def test_a_server_that_was_not_started_can_be_stopped() -> None:
    """The process may end before."""
    await HealthServer(1, CollectorRegistry(), lambda: None).stop()
