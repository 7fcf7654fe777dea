"""Events: few, useful, and nothing depends on them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest

from support.builders import NOON
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import EVENTS, KubernetesClient
from testrun_operator.kube.events import EventRecorder, EventType


@dataclass
class Connection:
    """A connection that keeps what is created, or fails."""

    fault: Exception | None = None
    created: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the API server's time."""
        return NOON

    async def create(self, resource: str, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep the object."""
        if self.fault is not None:
            raise self.fault
        self.created.append((resource, namespace, body))
        return body


async def record(connection: Connection, *, name: str = "nightly", text: str = "35 cases passed") -> None:
    """Write an Event about a run."""
    recorder = EventRecorder(cast("KubernetesClient", connection), "testrun-operator-0")
    await recorder.record("TestRun", "team", name, "the-uid", EventType.NORMAL, "AllPassed", text)


async def test_an_event_shows_up_where_its_object_is_described() -> None:
    """`kubectl describe` finds it by the object's kind, name, namespace and uid."""
    connection = Connection()
    await record(connection)
    ((resource, namespace, event),) = connection.created
    assert (resource, namespace) == (EVENTS, "team")
    assert event["involvedObject"] == {
        "apiVersion": "testrun.dev/v1alpha1",
        "kind": "TestRun",
        "namespace": "team",
        "name": "nightly",
        "uid": "the-uid",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "AllPassed", "35 cases passed")


async def test_each_event_has_a_name_of_its_own_that_kubernetes_takes() -> None:
    """Two Events of the same second do not collide; a name has at most 253 characters."""
    connection = Connection()
    for _ in range(2):
        await record(connection, name="n" * 253)
    names = {event["metadata"]["name"] for _, _, event in connection.created}
    assert len(names) == 2
    assert all(len(name) <= 253 for name in names)


async def test_a_long_text_is_cut() -> None:
    """Lists of Events stay readable, and within what newer versions of the resource allow."""
    connection = Connection()
    await record(connection, text="a" * 5000)
    message = connection.created[0][2]["message"]
    assert len(message) == 1000
    assert message.endswith("…")


@pytest.mark.parametrize("fault", [ClusterUnavailable("no answer"), Refused(403, "Forbidden", "no")])
async def test_an_event_that_cannot_be_written_is_given_up(fault: Exception) -> None:
    """The run goes on."""
    await record(Connection(fault=fault))
