"""Keeps a view of objects as new as the API server lets it: a list, and then watches, for as long as it is wanted.

The same as client-go's reflector of that name. kopf's watches do it for the resources that kopf handles; of what has
vanished between two lists, and of a hundred thousand objects of which nothing is needed any more, they cannot be told.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from testrun_operator.api.base import Document
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import KubernetesClient

_BACKOFFS: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0)
"""Seconds after which it is tried again; the last one for ever."""
_SHORTEST_WATCH_SECONDS: Final = 1.0
_OK: Final = 200
_GONE: Final = 410
_logger = logging.getLogger(__name__)


class View(Protocol):
    """Where a reflector puts what it sees."""

    def see(self, resource: str, kind: str | None, body: Document) -> None:
        """Take note of an object.

        Args:
            resource: as the client names it.
            kind: of the event: ``ADDED``, ``MODIFIED`` or ``DELETED``; None for an object of a list.
            body: the object.
        """

    def retain(self, resource: str, namespace: str | None, uids: Iterable[str]) -> None:
        """Drop what has vanished: all objects but those of a list that is complete.

        Args:
            resource: as the client names it.
            namespace: of which namespace it is the list; None for all of them.
            uids: the uids of its objects.
        """


class Reflector:
    """Lists and watches the objects of one resource.

    Args:
        client: the API server.
        resource: as the client names it.
        namespace: where; None for everywhere.
        selector: their labels.
        view: what is told of them. Its errors are logged, and the object that caused one is left out: anybody may
            write an object that is like none of ours.
        note: called with the HTTP status of each answer.
        seconds: after how many the API server ends a watch.
        silence: for how many seconds a watch may bring nothing.
    """

    def __init__(
        self,
        client: KubernetesClient,
        resource: str,
        namespace: str | None,
        selector: str,
        view: View,
        note: Callable[[int], None],
        *,
        seconds: int,
        silence: float,
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._view = view
        self._note = note
        self._seconds = seconds
        self._silence = silence
        self._version = ""
        """From where the next watch goes on; empty if everything has to be listed."""
        self._failures = 0
        """How many calls in a row were not answered as they should be."""
        self.listed = asyncio.Event()
        """Set when the first list is complete."""

    async def run(self) -> None:
        """List and watch until cancelled. What goes wrong is tried again, without an end."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except (ClusterUnavailable, Refused) as error:
                if error.status is not None:
                    self._note(error.status)
                if error.status == _GONE:
                    self._version = ""
                asked = error.retry_after or 0.0 if isinstance(error, ClusterUnavailable) else 0.0
                delay = max(_BACKOFFS[min(self._failures, len(_BACKOFFS) - 1)], asked)
                self._failures += 1
                _logger.info("to watch %s is tried again in %s s: %s", self._resource, delay, error)
                await asyncio.sleep(delay)

    async def _list(self) -> None:
        uids: set[str] = set()
        newest = ""
        async for objects, version in self._client.pages(self._resource, self._namespace, labelSelector=self._selector):
            self._succeed()
            newest = version
            for body in objects:
                uids.add(str(body["metadata"]["uid"]))
                self._see(None, body)
        self._view.retain(self._resource, self._namespace, uids)
        self._version = newest
        self.listed.set()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        began_at, events = clock(), 0
        async for event in self._client.watch(
            self._resource,
            self._namespace,
            self._version,
            seconds=self._seconds,
            silence=self._silence,
            begun=self._succeed,
            labelSelector=self._selector,
        ):
            events += 1
            kind, body = str(event.get("type")), event.get("object") or {}
            if kind == "ERROR":
                raise ClusterUnavailable(f"watch {self._resource}: {body.get('message')}", status=body.get("code"))
            if kind != "BOOKMARK":
                self._see(kind, body)
            self._version = str(body["metadata"]["resourceVersion"])
        if not events and clock() - began_at < _SHORTEST_WATCH_SECONDS:
            await asyncio.sleep(_SHORTEST_WATCH_SECONDS)  # a proxy that ends each at once must not be asked in a loop

    def _succeed(self) -> None:
        self._failures = 0
        self._note(_OK)

    def _see(self, kind: str | None, body: Document) -> None:
        try:
            self._view.see(self._resource, kind, body)
        except Exception:
            metadata = body.get("metadata") or {}
            _logger.exception("ignored %s %s/%s", self._resource, metadata.get("namespace"), metadata.get("name"))
