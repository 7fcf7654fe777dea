"""Whether a TestSuite in the cluster can be run."""

import asyncio
import time
from typing import Any

from testrun_operator.api.base import Document
from testrun_operator.api.phase import ConditionStatus, ConditionType
from testrun_operator.cli import cluster
from testrun_operator.kube.client import TESTSUITES, KubernetesClient
from testrun_operator.terminal.errors import CannotDo

LONGEST_LOOK_SECONDS = 5.0
"""How long the operator gets to look at a suite that was changed a moment ago. It takes a fraction of a second; where
it does not come at all, the TestRun is made nevertheless, and says itself what it waits for."""


async def check_suite_is_valid(client: KubernetesClient, namespace: str, name: str) -> None:
    """Make sure that a run of a suite would not wait for it for ever.

    Waits for the operator to have seen the newest spec of the suite, too: a run that is made right after
    ``kubectl apply`` of the suite would otherwise be executed with the suite before.

    Args:
        client: the API server.
        namespace: namespace of the suite.
        name: its name.

    Raises:
        CannotDo: there is no such TestSuite, or it is invalid.
        ClusterUnavailable: the API server does not answer.
    """
    deadline = time.monotonic() + LONGEST_LOOK_SECONDS
    while True:
        suite = await client.get(TESTSUITES, namespace, name)
        if suite is None:
            raise CannotDo(
                f"there is no TestSuite {name!r} in namespace {namespace}; "
                "'kubectl get testsuites -A' shows which there are"
            )
        status: dict[str, Any] = suite.get("status") or {}
        if int(status.get("observedGeneration", -1)) >= int(suite["metadata"].get("generation", 0)):
            break
        if time.monotonic() >= deadline:
            return
        await asyncio.sleep(cluster.POLL_SECONDS / 4)
    if problem := _problem(status):
        raise CannotDo(f"TestSuite {name!r} is invalid: {problem}")


def _problem(status: Document) -> str | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == ConditionType.STALLED and condition["status"] == ConditionStatus.TRUE:
            return str(condition["message"])
    return None
