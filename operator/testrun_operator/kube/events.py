"""Kubernetes Events: few and useful. They show up in ``kubectl describe testrun``."""

import logging
from enum import StrEnum
from secrets import token_hex

from testrun_operator.engine.status import shorten
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import EVENTS, KubernetesClient
from testrun_operator.resources.crds import GROUP, VERSION

_MAX_MESSAGE = 1000  # the API server refuses more than 1024
_logger = logging.getLogger(__name__)


class EventType(StrEnum):
    """The types of Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


class EventRecorder:
    """Writes Events; one that cannot be written is logged and given up, since nothing depends on it."""

    def __init__(self, client: KubernetesClient, instance: str) -> None:
        self._client = client
        self._instance = instance

    async def record(
        self, kind: str, namespace: str, name: str, uid: str, what: EventType, reason: str, text: str
    ) -> None:
        """Write an Event.

        Args:
            kind: ``TestRun`` or ``TestSuite``.
            namespace: namespace of the object that it is about.
            name: name of that object.
            uid: uid of that object.
            what: Normal or Warning.
            reason: in CamelCase, from the published list.
            text: for people; never contains a secret.
        """
        now = self._client.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{token_hex(8)}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": kind,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
            "type": what.value,
            "reason": reason,
            "message": shorten(text, _MAX_MESSAGE),
            "source": {"component": "testrun-operator", "host": self._instance},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._client.create(EVENTS, namespace, event)
        except (ClusterUnavailable, Refused) as error:
            _logger.warning("an Event could not be written: %s", error)
