"""TestRuns as they are in the cluster."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from pydantic import ValidationError

from testrun_operator.api.base import Document
from testrun_operator.api.phase import ConditionStatus, ConditionType, Phase
from testrun_operator.api.reason import ConditionReason
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.client import TESTRUNS, KubernetesClient
from testrun_operator.kube.connecting import connect
from testrun_operator.resources.status import TestRunStatus
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit

POLL_SECONDS = 1.0
"""About as often as the operator writes a status."""

_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Run:
    """A TestRun, and what the operator says of it."""

    namespace: str
    name: str
    generation: int
    suite: str
    """Name of the TestSuite; ``(inline)`` if the run has it in itself."""
    status: TestRunStatus

    @property
    def is_over(self) -> bool:
        """Whether the newest spec was executed; a final phase alone may be that of the spec before it."""
        phase = self.status.phase
        return phase is not None and phase.is_final and self.status.observed_generation >= self.generation

    @property
    def exit_code(self) -> Exit:
        """How it ended, for scripts."""
        if not self.is_over:
            return Exit.NOT_FINISHED
        return {Phase.PASSED: Exit.PASSED, Phase.FAILED: Exit.FAILED}.get(
            self.status.phase or Phase.ERRORED, Exit.UNKNOWN
        )

    @property
    def phase_text(self) -> str:
        """The phase, or what there is to say as long as there is none."""
        if self.status.phase is None:
            return "Pending (the operator has not looked at it yet)"
        if self.status.observed_generation < self.generation:
            return f"{self.status.phase} (of the spec before the last change)"
        return self.status.phase

    @property
    def waits_for(self) -> str | None:
        """Reason for which nothing, or nothing more, is started at the moment."""
        for condition in self.status.conditions:
            if condition.type == ConditionType.RECONCILING and condition.status is ConditionStatus.TRUE:
                return None if condition.reason == ConditionReason.RUNNING else condition.reason
        return None


class RunReader:
    """Reads one TestRun, as often as is wanted.

    Args:
        client: the API server.
        namespace: namespace of the TestRun.
        name: its name.
    """

    def __init__(self, client: KubernetesClient, namespace: str, name: str) -> None:
        self.client = client
        self.namespace = namespace
        self.name = name

    async def read(self) -> Run:
        """Read it once.

        Raises:
            ClusterUnavailable: the API server does not answer.
            CannotDo: there is no such TestRun, or its status is of another release.
        """
        body = await self.client.get(TESTRUNS, self.namespace, self.name)
        if body is None:
            raise CannotDo(
                f"there is no TestRun {self.name!r} in namespace {self.namespace}; "
                "'kubectl get testruns -A' shows which there are"
            )
        return read_run(body)

    async def changes(self) -> AsyncIterator[Run]:
        """Yield it now and whenever it has changed, until it is over; a server that is away is waited for."""
        last: Run | None = None
        while last is None or not last.is_over:
            try:
                run = await self.read()
            except ClusterUnavailable:
                if last is None:
                    raise
            else:
                if run != last:
                    yield run
                last = run
            if not last.is_over:
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def open_run(name: str, namespace: str | None) -> AsyncIterator[RunReader]:
    """Connect to the cluster.

    Args:
        name: name of a TestRun.
        namespace: its namespace; that of the kubeconfig's context if None.

    Raises:
        CannotDo: no cluster is configured.
    """
    # What it has to say about kubeconfigs is in its exceptions, too.
    logging.getLogger("kubernetes").addHandler(logging.NullHandler())
    try:
        client = await connect()
    except ClusterUnavailable as error:
        raise CannotDo(f"{error}; set KUBECONFIG to the file of your cluster") from None
    try:
        yield RunReader(client, namespace or current_namespace(), name)
    finally:
        await client.close()


def current_namespace() -> str:
    """Return the namespace of the kubeconfig's context; in a pod, the pod's own."""
    if "KUBERNETES_SERVICE_HOST" in os.environ and _SERVICE_ACCOUNT_NAMESPACE.exists():
        return _SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip()
    try:
        _, active = config.list_kube_config_contexts()
    except (config.ConfigException, OSError):
        return "default"
    context: dict[str, Any] = active.get("context") or {}
    return str(context.get("namespace") or "default")


def read_run(body: Document) -> Run:
    """Read a TestRun as the API server sends it.

    Raises:
        CannotDo: its status is not one that this release knows.
    """
    metadata, spec = body["metadata"], body.get("spec") or {}
    try:
        status = TestRunStatus.model_validate(body.get("status") or {})
    except ValidationError as error:
        raise CannotDo(
            f"the status of {metadata['namespace']}/{metadata['name']} cannot be read; is the operator of another "
            f"release than this command? ({error.errors(include_url=False)[0]['msg']})"
        ) from None
    return Run(
        namespace=metadata["namespace"],
        name=metadata["name"],
        generation=int(metadata.get("generation", 0)),
        suite=(spec.get("suiteRef") or {}).get("name") or "(inline)",
        status=status,
    )
