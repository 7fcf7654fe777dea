"""The operator's own HTTP server: /healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from testrun_operator.errors import InvalidSettings


class HealthServer:
    """Answers the kubelet's probes and Prometheus.

    Args:
        port: where to listen, on all addresses.
        registry: the metrics.
        refresh: called before the metrics are rendered, to bring gauges up to date.
        problem: says why the process is not healthy; an empty text if it is.
    """

    def __init__(
        self,
        port: int,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        problem: Callable[[], str] = lambda: "",
    ) -> None:
        self._port = port
        self._registry = registry
        self._refresh = refresh
        self._problem = problem
        self._runner: web.AppRunner | None = None
        self.ready = asyncio.Event()
        """Set once the first lists are complete and runs are brought forward."""

    async def start(self) -> None:
        """Start to answer.

        Raises:
            InvalidSettings: the port is taken, or not ours to take.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, port=self._port).start()
        except OSError as error:
            raise InvalidSettings(f"TESTRUN_OPERATOR_HTTP_PORT: {self._port} cannot be listened on: {error}") from None

    async def stop(self) -> None:
        """Stop to answer."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        # That this is answered at all shows that the event loop is not stuck.
        if problem := self._problem():
            return web.Response(status=503, text=f"{problem}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self.ready.is_set():
            return web.Response(text="ok\n")
        return web.Response(
            status=503, text="waiting for the Lease, or for the first lists of what is in the cluster\n"
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
