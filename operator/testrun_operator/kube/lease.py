"""The Lease: never two operators act at the same time.

The library's own election (``kubernetes.aio.leaderelection``) writes a fresh lock every two seconds and lets a
restarted process wait for the old one's lease to run out. Here the holder is the pod: its restarted container goes on
at once, which is what makes a restart cheap.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from testrun_operator.api.base import Document
from testrun_operator.errors import ClusterUnavailable, LeadershipLost
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import LEASES, KubernetesClient
from testrun_operator.kube.observe import read_time

_DURATION_SECONDS = 15
_RENEW_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class Lease:
    """A Lease that this process holds, or waits for.

    Args:
        client: the API server.
        namespace: where the Lease is: the operator's own namespace.
        name: its name.
        holder: who we are: the pod's name.
    """

    def __init__(self, client: KubernetesClient, namespace: str, name: str, holder: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._seen: tuple[str, float] | None = None
        self._renewed_at = 0.0

    async def acquire(self, on_standby: Callable[[], None] | None = None) -> None:
        """Wait until the Lease is ours.

        Args:
            on_standby: called each time that it was seen to be somebody else's.
        """
        waiting = False
        while True:
            try:
                if await self._try():
                    return
                if on_standby is not None:
                    on_standby()
            except ClusterUnavailable as error:
                _logger.warning("the Lease cannot be read: %s", error)
            if not waiting:
                _logger.info("another operator holds the Lease; waiting for it")
                waiting = True
            await asyncio.sleep(_RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew the Lease for as long as it is ours.

        While the API server does not answer nobody can take it either; the client writes nothing once
        :meth:`seconds_left` is over, and goes on when the Lease turns out to be still ours.

        Raises:
            LeadershipLost: somebody else has it.
        """
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await self._renew()

    def seconds_left(self) -> float:
        """Return for how long the Lease is certainly ours, in seconds; not more than 0 if it may be somebody else's."""
        # Two thirds: whoever waits may act after the whole duration, and clocks are not equally fast.
        return self._renewed_at + _DURATION_SECONDS * 2 / 3 - asyncio.get_running_loop().time()

    async def release(self) -> None:
        """Give the Lease back, so that a successor need not wait for its end."""
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._holder:
                await self._client.patch(LEASES, self._namespace, self._name, {"spec": {"holderIdentity": ""}})
        except (ClusterUnavailable, Refused) as error:
            _logger.warning("the Lease could not be given back: %s", error)

    async def _renew(self) -> None:
        while True:
            try:
                is_ours = await self._try()
            except ClusterUnavailable as error:
                _logger.warning("the Lease could not be renewed: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not is_ours:
                raise LeadershipLost("another operator holds the Lease now")
            return

    async def _try(self) -> bool:
        asked_at = asyncio.get_running_loop().time()
        lease = await self._client.get(LEASES, self._namespace, self._name)
        try:
            if lease is None:
                manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
                body = manifest | {"metadata": {"name": self._name}, "spec": self._spec(None)}
                await self._client.create(LEASES, self._namespace, body)
            else:
                before = lease.get("spec") or {}
                if not self._may_take(before):
                    return False
                body = lease | {"spec": self._spec(before)}
                await self._client.update(LEASES, self._namespace, self._name, body)
        except Refused as error:
            if error.is_conflict:
                return False  # somebody was faster
            raise
        # Others count from when they see the renewal, which is later: until then the Lease is certainly ours.
        self._renewed_at = asked_at
        return True

    def _may_take(self, spec: Document) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in {"", self._holder}:
            return True
        # As in client-go, what counts is how long we have seen it unchanged: clocks of other nodes may be wrong.
        renewal = str(spec.get("renewTime"))
        now = asyncio.get_running_loop().time()
        if self._seen is None or self._seen[0] != renewal:
            self._seen = (renewal, now)
            return False
        return now - self._seen[1] > float(spec.get("leaseDurationSeconds") or _DURATION_SECONDS)

    def _spec(self, before: Document | None) -> Document:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same_holder = before is not None and before.get("holderIdentity") == self._holder
        transitions = int((before or {}).get("leaseTransitions") or 0)
        acquired = (before or {}).get("acquireTime") if same_holder else now
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": _DURATION_SECONDS,
            "acquireTime": acquired if read_time(acquired) else now,
            "renewTime": now,
            "leaseTransitions": transitions + (0 if same_holder or before is None else 1),
        }
