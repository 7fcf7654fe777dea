"""From the command line to a running operator, and back in good order."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any, cast

import kopf

from testrun_operator.controller import metrics
from testrun_operator.controller.dependents import watch_dependents
from testrun_operator.controller.forgetting import NoMemories
from testrun_operator.controller.handlers import register
from testrun_operator.controller.health import HealthServer
from testrun_operator.controller.logs import configure_logs
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.settings import Settings, read_settings
from testrun_operator.controller.watches import WatchSupervisor, set_up_watching
from testrun_operator.errors import ClusterUnavailable, FatalError
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import KubernetesClient
from testrun_operator.kube.connecting import connect
from testrun_operator.kube.lease import Lease
from testrun_operator.resources.crds import GROUP, VERSION

_LEASE = "testrun-operator"
_CHUNK = 200
"""Objects in one answer to a list."""
_RETRY_SECONDS = 1.0
_logger = logging.getLogger(__name__)


def main() -> int:
    """Run the operator until it is told to stop.

    Returns:
        The exit code: 0 after a signal, 1 after an error with which it cannot go on; Kubernetes then restarts it.
    """
    try:
        settings = read_settings(os.environ)
        configure_logs(settings.log_level)
        asyncio.run(_run(settings))
    except FatalError as error:
        logging.getLogger(__name__).error("the operator stops: %s", error)  # noqa: TRY400 - the message says it all
        return 1
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await connect()
    process = _Process(settings, client)
    await process.health.start()
    lease = Lease(client, settings.namespace, _LEASE, settings.pod_name) if settings.leader_election else None
    try:
        await _until(stop, _wait_for_api(client))
        if lease is not None:
            await take_the_lead(lease, process.health.ready, stop, standby_is_ready=settings.standby_is_ready)
            client.fence = lease.seconds_left
        while not stop.is_set():
            await process.operate(lease, stop)
    finally:
        if lease is not None:
            await lease.release()
        await process.health.stop()
        await client.close()


async def take_the_lead(lease: Lease, ready: asyncio.Event, stop: asyncio.Event, *, standby_is_ready: bool) -> None:
    """Wait until the Lease is ours, or until the process is to stop.

    Args:
        lease: the Lease.
        ready: whether the process is ready, as its pod's readiness probe is told.
        stop: set when the process is to stop.
        standby_is_ready: whether it is ready while another process holds the Lease.
    """
    await _until(stop, lease.acquire(ready.set if standby_is_ready else None))
    ready.clear()  # who leads is ready once it has seen what there is


class _Process:
    """What outlives the operator's reading everything anew: its HTTP server, and the supervisor of its watches."""

    def __init__(self, settings: Settings, client: KubernetesClient) -> None:
        self._settings = settings
        self._client = client
        self._operator: Operator | None = None
        self._watches = WatchSupervisor(client.answers)
        self.health = HealthServer(settings.http_port, metrics.REGISTRY, self._refresh_metrics, self._watches.problem)
        metrics.REGISTRY.register(metrics.api_calls(client.calls))

    def _refresh_metrics(self) -> None:
        for resource, seconds in self._watches.silence().items():
            metrics.WATCH_SILENCE.labels(resource=resource).set(seconds)
        if self._operator is not None:
            self._operator.refresh_metrics()

    async def operate(self, lease: Lease | None, stop: asyncio.Event) -> None:
        """Read everything there is and do what is to be done, until the process is to stop or has to read it anew.

        Raises:
            FatalError: the process cannot go on.
        """
        namespaces = _namespaces(self._settings)
        usable = await self._watches.usable(self._client, namespaces)
        missing = tuple(namespace for namespace in namespaces if namespace not in usable)
        if namespaces and not usable:
            await _until(stop, self._watches.wait_for_rights(self._client, missing))
            return
        self._watches.begin(usable)
        self._operator = operator = Operator(self._settings, self._client)
        await operator.open()
        ended = asyncio.Event()
        dependents = watch_dependents(operator.dependents, self._client, self._watches, usable)
        tasks = [
            asyncio.create_task(self._run_kopf(operator, usable, ended), name="kopf"),
            asyncio.create_task(dependents, name="dependents"),
            asyncio.create_task(_watch_failure(operator), name="failure"),
            asyncio.create_task(_wait(stop), name="stop"),
            asyncio.create_task(_wait(self._watches.restart), name="restart"),
        ]
        if lease is not None:
            tasks.append(asyncio.create_task(lease.hold(), name="lease"))
        helpers = [
            asyncio.create_task(_tell_ready(self._watches.listed, operator, self.health)),
            asyncio.create_task(self._watches.wait_for_rights(self._client, missing)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            ended.set()
            for task in (*tasks[1:], *helpers):
                task.cancel()
            await operator.close()
            await asyncio.gather(*tasks, *helpers, return_exceptions=True)

    async def _run_kopf(self, operator: Operator, namespaces: tuple[str, ...], ended: asyncio.Event) -> None:
        await _until(ended, _wait(operator.dependents.listed))  # no run is reconciled before
        if ended.is_set():
            return
        registry = kopf.OperatorRegistry()
        register(registry, self._watches)
        kopf_settings = make_kopf_settings()
        set_up_watching(kopf_settings, max(1, len(namespaces)))
        await kopf.operator(
            registry=registry,
            settings=kopf_settings,
            memo=operator,
            memories=NoMemories(),
            # kopf would ask for the user's name, which a numeric user id in a container does not have.
            identity=cast("Any", self._settings.pod_name),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=ended,
        )


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def make_kopf_settings() -> kopf.OperatorSettings:
    """Return kopf's settings, each with the reason why it is not the default."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we write few Events ourselves; kopf would write one for every log line
    settings.scanning.disabled = True  # the resources are known; watching CRDs and namespaces would need more rights
    settings.peering.standalone = True  # the Lease is our peering; kopf's needs a resource of its own
    settings.watching.chunk_size = _CHUNK  # all runs with their suites in one answer would not fit into the memory
    settings.queueing.idle_timeout = 1.0  # less memory for thousands of runs that have ended
    return settings


def _namespaces(settings: Settings) -> tuple[str, ...]:
    if not settings.watch_namespaces:
        return ()
    # The shared test servers are looked after wherever they are.
    return tuple(dict.fromkeys((*settings.watch_namespaces, settings.test_server_namespace)))


async def _watch_failure(operator: Operator) -> None:
    await operator.failed


async def _tell_ready(listed: asyncio.Event, operator: Operator, health: HealthServer) -> None:
    # Not kopf's ready_flag: that is raised before anything is listed.
    await listed.wait()
    operator.has_listed = True
    health.ready.set()
    _logger.info("ready")


async def _wait_for_api(client: KubernetesClient) -> None:
    """Wait until the API server serves our resources: with plain manifests they come up together with the operator."""
    told = False
    while True:
        try:
            if await client.serves(f"{GROUP}/{VERSION}"):
                await client.learn_the_time()
                return
            problem = f"{GROUP}/{VERSION} is not served yet; are the CustomResourceDefinitions installed?"
        except (ClusterUnavailable, Refused) as error:
            problem = str(error)
        if not told:
            _logger.warning("waiting for the API server: %s", problem)
            told = True
        await asyncio.sleep(_RETRY_SECONDS)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Wait for some work, or for the signal to stop."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        return
    task.result()
