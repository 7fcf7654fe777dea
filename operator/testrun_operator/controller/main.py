"""From the command line to a running operator, and back in good order."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any, cast

import kopf

from testrun_operator.api.crds import GROUP, VERSION
from testrun_operator.controller.handlers import register
from testrun_operator.controller.logs import configure_logs
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.settings import Settings, read_settings
from testrun_operator.errors import ClusterUnavailable, FatalError
from testrun_operator.kube import labels
from testrun_operator.kube.client import KubernetesClient, Refused, connect
from testrun_operator.kube.lease import Lease

_LEASE = "testrun-operator"
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
    operator = Operator(settings, client)
    await operator.health.start()
    lease = Lease(client, settings.namespace, _LEASE, settings.pod_name) if settings.leader_election else None
    try:
        await _until(stop, _wait_for_api(client))
        if lease is not None:
            await take_the_lead(lease, operator.health.ready, stop, standby_is_ready=settings.standby_is_ready)
        if not stop.is_set():
            await _operate(settings, operator, lease, stop)
    finally:
        await operator.close()
        if lease is not None:
            await lease.release()
        await operator.health.stop()
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


async def _operate(settings: Settings, operator: Operator, lease: Lease | None, stop: asyncio.Event) -> None:
    registry = kopf.OperatorRegistry()
    register(registry)
    ready = asyncio.Event()
    await operator.open()
    tasks = [
        asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=make_kopf_settings(),
                memo=operator,
                # kopf would ask for the user's name, which a numeric user id in a container does not have.
                identity=cast("Any", settings.pod_name),
                standalone=True,
                clusterwide=not settings.watch_namespaces,
                namespaces=_namespaces(settings),
                stop_flag=stop,
                ready_flag=ready,
            ),
            name="kopf",
        ),
        asyncio.create_task(_watch_failure(operator), name="failure"),
    ]
    if lease is not None:
        tasks.append(asyncio.create_task(lease.hold(), name="lease"))
    readiness = asyncio.create_task(_tell_ready(ready, operator))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()
        readiness.cancel()
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, readiness, return_exceptions=True)


def make_kopf_settings() -> kopf.OperatorSettings:
    """Return kopf's settings, each with the reason why it is not the default."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # we write few Events ourselves; kopf would write one for every log line
    settings.scanning.disabled = True  # the resources are known; watching CRDs and namespaces would need more rights
    settings.peering.standalone = True  # the Lease is our peering; kopf's needs a resource of its own
    for group, plural in (
        ("batch", "jobs"),
        ("", "pods"),
        ("", "configmaps"),
        ("", "services"),
        ("apps", "deployments"),
    ):
        settings.watching.label_selectors[group, plural] = labels.SELECTOR  # filtered on the server's side
    settings.queueing.idle_timeout = 1.0  # a Job has few events, close together; less memory for thousands of them
    return settings


def _namespaces(settings: Settings) -> tuple[str, ...]:
    if not settings.watch_namespaces:
        return ()
    # The shared test servers are looked after wherever they are.
    return tuple(dict.fromkeys((*settings.watch_namespaces, settings.test_server_namespace)))


async def _watch_failure(operator: Operator) -> None:
    await operator.failed


async def _tell_ready(ready: asyncio.Event, operator: Operator) -> None:
    await ready.wait()
    operator.health.ready.set()
    _logger.info("ready")


async def _wait_for_api(client: KubernetesClient) -> None:
    """Wait until the API server serves our resources: with plain manifests they come up together with the operator."""
    told = False
    while True:
        try:
            if await client.serves(f"{GROUP}/{VERSION}"):
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
