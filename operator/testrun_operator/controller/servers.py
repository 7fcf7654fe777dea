"""Test servers: brought up before the first case, repaired when they are deleted, removed with what they belong to."""

import logging
from collections.abc import Iterable

from testrun_operator.controller.cache import ClusterCache, ServerObject
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.belonging import run_of
from testrun_operator.kube.client import DEPLOYMENTS, SERVICES, KubernetesClient
from testrun_operator.kube.references import RunReference
from testrun_operator.kube.servers import (
    PlacedServer,
    ServerSettings,
    deployment_manifest,
    place_server,
    service_manifest,
    template_of,
)
from testrun_operator.resources.suite import TestServer, TestServerScope

_logger = logging.getLogger(__name__)


class ServerKeeper:
    """Keeps the test servers that suites name.

    Args:
        client: the API server.
        cache: what is in the cluster.
        settings: where shared servers are, and what they run.
    """

    def __init__(self, client: KubernetesClient, cache: ClusterCache, settings: ServerSettings) -> None:
        self._client = client
        self._cache = cache
        self._settings = settings

    def place(self, servers: Iterable[TestServer], run: RunReference, run_id: str) -> tuple[PlacedServer, ...]:
        """Work out where the servers of an execution belong."""
        return tuple(place_server(server, run, run_id, self._settings) for server in servers)

    async def ensure(self, server: PlacedServer) -> bool:
        """Create or mend what is missing of a server.

        Returns:
            Whether it answers.

        Raises:
            ClusterUnavailable: the API server does not answer.
            Refused: the API server refuses the server, for instance because its namespace does not exist.
        """
        owner = server.owner.uid if server.owner is not None else ""
        deployment = _owned(self._cache.deployment(server.namespace, server.object_name), owner)
        manifest = deployment_manifest(server, self._settings)
        if deployment is None:
            await self._create(DEPLOYMENTS, server, manifest)
        elif deployment.template != template_of(manifest) and server.owner is None:
            _logger.info("the test server %s is brought to the operator's image and settings", server.object_name)
            template = manifest["spec"]["template"]
            await self._client.replace(DEPLOYMENTS, server.namespace, server.object_name, "/spec/template", template)
        service = _owned(self._cache.service(server.namespace, server.object_name), owner)
        if service is None:
            await self._create(SERVICES, server, service_manifest(server, self._settings))
        return deployment is not None and deployment.ready and service is not None and service.ready

    async def ensure_shared(self, servers: Iterable[TestServer]) -> None:
        """Bring up the shared servers of a suite, so that they are there before its first run."""
        for server in servers:
            if server.scope is TestServerScope.SHARED:
                try:
                    await self.ensure(place_server(server, None, "", self._settings))
                except Refused as error:
                    _logger.warning("the shared test server %s cannot be deployed: %s", server.name, error)

    async def remove(self, servers: Iterable[PlacedServer]) -> None:
        """Remove the servers that belong to an execution; shared ones stay."""
        for server in servers:
            if server.owner is None:
                continue
            try:
                await self._remove(DEPLOYMENTS, server)
                await self._remove(SERVICES, server)
            except (ClusterUnavailable, Refused) as error:
                # They also go with the TestRun; nothing waits for their end.
                _logger.warning("the test server %s could not be removed: %s", server.object_name, error)

    async def _remove(self, resource: str, server: PlacedServer) -> None:
        """Delete an object of a server, unless it is somebody else's; a watch may not show yet which it is."""
        selector = f"metadata.name={server.object_name}"
        for body in await self._client.list(resource, server.namespace, fieldSelector=selector):
            if run_of(body) == server.owner:
                await self._client.delete(resource, server.namespace, server.object_name, body["metadata"]["uid"])

    async def _create(self, resource: str, server: PlacedServer, manifest: dict[str, object]) -> None:
        try:
            await self._client.create(resource, server.namespace, manifest)
        except Refused as error:
            if not error.already_exists:  # the watch has not shown it yet
                raise
        else:
            _logger.info(
                "created %s of the test server",
                resource.rpartition("/")[2],
                extra={"server": f"{server.namespace}/{server.object_name}", "component": labels.SERVER_COMPONENT},
            )


def _owned(found: ServerObject | None, owner: str) -> ServerObject | None:
    # One of the same name that belongs to somebody else is in the way, and never taken for the run's.
    return found if found is not None and found.owner_uid == owner else None
