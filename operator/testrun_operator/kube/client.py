"""The API server, as the few calls that the operator makes.

Built on the generic part of ``kubernetes.aio``: the typed classes would validate every Job in both directions and
take memory for hundreds of models, while all that is needed of an answer is whether it is one.

Foreign exceptions become ours here and nowhere else: no answer, 401, 408, 410, 429 and 5xx are
:class:`ClusterUnavailable`; the rest of 4xx is :class:`Refused` with the server's own words. What follows from each is
a table in ``docs/operations.md``.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.rest import RESTResponse

from testrun_operator import __version__
from testrun_operator.api.base import Document
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused, as_unavailable, decode, translate
from testrun_operator.kube.clock import ServerClock
from testrun_operator.resources.crds import GROUP, VERSION

_TIMEOUT_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_MOST_QUESTIONS: Final = 10
"""After so many answers, of which fewer than three told the time quickly, the node's own clock has to do."""
_RECENTLY_SECONDS: Final = 15.0
_READS: Final = frozenset({"get", "list", "watch"})
_PAGE: Final = 100
"""Objects in one answer to a list: all pods of a day at once would not fit into the memory."""
_UNPROCESSABLE: Final = 422
_PATCH_FAILED: Final = "the server rejected our request due to an error in our request"
"""In the API server's answer to a JSON patch of which a test fails."""
_MERGE_PATCH: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_NOT_FOUND: Final = 404
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""A header Warning as the API server writes it (RFC 7234, 5.5)."""
_ESCAPED: Final = re.compile(r"\\(.)")
_logger = logging.getLogger(__name__)


class KubernetesClient:
    """The API server.

    Every call raises :class:`ClusterUnavailable` if the server does not answer and :class:`Refused` if it says no.
    ``calls`` counts them by verb and resource, as RBAC names them: metrics show it, and a test compares it with the
    chart's Role. ``warnings`` has what the server warned of: of fields that it does not know and drops, of versions and
    fields that will be removed, of pods that would break a Pod Security Standard. Each is logged once; there should be
    none.
    """

    def __init__(self, api: client.ApiClient) -> None:
        # Until the first slash, it is also the field manager in managedFields, where no other is named.
        api.user_agent = f"testrun-operator/{__version__}"
        self._api = api
        self._clock = ServerClock()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.warnings: Counter[str] = Counter()
        self.fence: Callable[[], float] | None = None
        """Says for how many seconds the operator may still write; None if it need not ask."""
        self._answered_at = 0.0

    def now(self) -> datetime:
        """Return the time by the API server's clock, so that it can be compared with what Kubernetes writes."""
        return self._clock.now()

    def may_write(self) -> bool:
        """Whether nobody else can hold the Lease now."""
        return self.fence is None or self.fence() > 0

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def create(self, resource: str, namespace: str, body: Document) -> Document:
        """Create an object.

        Args:
            resource: group and plural as in RBAC with the version between them: ``batch/v1/jobs``, ``v1/configmaps``.
            namespace: where.
            body: the manifest.
        """
        return await self._call("create", resource, "POST", _path(resource, namespace), body)

    async def get(self, resource: str, namespace: str, name: str) -> Document | None:
        """Read an object; None if it does not exist."""
        try:
            return await self._call("get", resource, "GET", _path(resource, namespace, name))
        except Refused as error:
            if error.is_not_found:
                return None
            raise

    async def list(self, resource: str, namespace: str | None, **query: str) -> tuple[Document, ...]:
        """List objects, of one namespace or of all.

        Args:
            resource: as in :meth:`create`.
            namespace: where; None for everywhere.
            query: ``labelSelector``, ``fieldSelector``, ``limit``.
        """
        answer = await self._call("list", resource, "GET", _path(resource, namespace), query=query)
        return tuple(answer.get("items", ()))

    async def pages(
        self, resource: str, namespace: str | None, **query: str
    ) -> AsyncIterator[tuple[tuple[Document, ...], str]]:
        """List objects some hundred at a time.

        Args:
            resource: as in :meth:`create`.
            namespace: where; None for everywhere.
            query: ``labelSelector``, ``fieldSelector``.

        Yields:
            Objects, and the resourceVersion of the whole list, from which :meth:`watch` goes on.
        """
        more = ""
        while True:
            position = {"limit": str(_PAGE)} | ({"continue": more} if more else {})
            answer = await self._call("list", resource, "GET", _path(resource, namespace), query=query | position)
            metadata = answer.get("metadata") or {}
            yield tuple(answer.get("items") or ()), str(metadata.get("resourceVersion") or "")
            more = str(metadata.get("continue") or "")
            if not more:
                return

    async def watch(
        self,
        resource: str,
        namespace: str | None,
        version: str,
        *,
        seconds: int,
        silence: float,
        begun: Callable[[], None] = lambda: None,
        **query: str,
    ) -> AsyncIterator[Document]:
        """Watch objects until the API server ends it, and yield the events with their ``type`` and ``object``.

        Args:
            resource: as in :meth:`create`.
            namespace: where; None for everywhere.
            version: the resourceVersion after which it begins.
            seconds: after how many the API server is to end it.
            silence: for how many seconds nothing may come before the connection is given up.
            begun: called when the API server has accepted the call.
            query: ``labelSelector``, ``fieldSelector``.
        """
        query |= {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        query |= {"timeoutSeconds": str(seconds)}
        path = _path(resource, namespace) + "?" + urlencode(query)
        limit = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=silence)
        response = await self._open("watch", resource, "GET", path, limit=limit)
        begun()
        try:
            async for line in response.response.content:
                yield decode(f"watch {resource}", line)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:  # the last for a line of megabytes
            raise ClusterUnavailable(f"watch {resource}: {type(error).__name__}: {error}") from None
        finally:
            response.response.close()

    async def patch(self, resource: str, namespace: str, name: str, body: Document) -> Document:
        """Merge a patch (RFC 7386) into an object."""
        return await self._call(
            "patch", resource, "PATCH", _path(resource, namespace, name), body, content_type=_MERGE_PATCH
        )

    async def replace(self, resource: str, namespace: str, name: str, path: str, value: Document) -> Document:
        """Replace a part of an object as a whole (RFC 6902), with what it had before and has no longer.

        Args:
            resource: as in :meth:`create`.
            namespace: where.
            name: the object.
            path: where in the object, as in ``/spec/template``; it must be there.
            value: what is to be there.
        """
        operations = [{"op": "replace", "path": path, "value": value}]
        return await self._call(
            "patch", resource, "PATCH", _path(resource, namespace, name), operations, content_type=_JSON_PATCH
        )

    async def write_status(
        self, resource: str, namespace: str, name: str, uid: str, status: Document, *, whole: bool = True
    ) -> Document:
        """Write an object's status; nothing else of the object can change by it.

        The patch tests the uid (RFC 6902), since another object may have the name now; one in a merge patch is ignored.

        Args:
            resource: as in :meth:`create`.
            namespace: where.
            name: the object.
            uid: its uid.
            status: what it is to have.
            whole: whether that is all of its status; else only these fields are written.
        """
        path, call = _path(resource, namespace, name) + "/status", f"{resource}/status"
        fields = {"/status": status} if whole else {f"/status/{field}": value for field, value in status.items()}
        operations = [{"op": "add", "path": place, "value": value} for place, value in fields.items()]
        operations.insert(0, {"op": "test", "path": "/metadata/uid", "value": uid})
        try:
            return await self._call("patch", call, "PATCH", path, operations, content_type=_JSON_PATCH)
        except Refused as error:
            if error.status == _UNPROCESSABLE and _PATCH_FAILED in str(error):
                raise Refused(_NOT_FOUND, "NotFound", f"{name} was replaced by another one of its name") from None
            raise

    async def update(self, resource: str, namespace: str, name: str, body: Document) -> Document:
        """Replace an object; refused with a conflict if its resourceVersion is not the newest."""
        return await self._call("update", resource, "PUT", _path(resource, namespace, name), body)

    async def delete(self, resource: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object, and in the background what it owns.

        One that does not exist is fine, and so is another one that has its name by now: that stays.

        Args:
            resource: as in :meth:`create`.
            namespace: where.
            name: the object.
            uid: its uid.
        """
        options = _BACKGROUND | {"preconditions": {"uid": uid}}
        try:
            await self._call("delete", resource, "DELETE", _path(resource, namespace, name), options)
        except Refused as error:
            if not (error.is_not_found or error.is_conflict):
                raise

    async def delete_collection(self, resource: str, namespace: str, label_selector: str) -> None:
        """Delete all objects that labels select, and in the background what they own."""
        query = {"labelSelector": label_selector}
        await self._call("deletecollection", resource, "DELETE", _path(resource, namespace), _BACKGROUND, query=query)

    async def read_log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "case",
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
    ) -> str:
        """Read the log of a pod's container.

        Args:
            namespace: where.
            pod: the pod.
            container: which of its containers; by default the case's own.
            tail_lines: how many lines of its end; all of them by default.
            limit_bytes: how many bytes of that at most; the kubelet sends no more.
        """
        query = {"container": container} | ({"tailLines": str(tail_lines)} if tail_lines else {})
        query |= {"limitBytes": str(limit_bytes)} if limit_bytes else {}
        path = _path("v1/pods", namespace, pod) + "/log"
        return (await self._send("get", "v1/pods/log", "GET", path, query=query)).decode(errors="replace")

    async def serves(self, api_version: str) -> bool:
        """Whether the server knows an API, given as ``group/version``; everybody may ask."""
        try:
            await self._send("get", "apis", "GET", f"/apis/{api_version}")
        except Refused as error:
            if error.is_not_found:
                return False
            raise
        return True

    async def learn_the_time(self) -> None:
        """Ask until the API server's clock is known: what is judged first may rest on the time, after a restart.

        Raises:
            ClusterUnavailable: it does not answer.
        """
        for _ in range(_MOST_QUESTIONS):
            if self._clock.is_set:
                return
            await self.serves(f"{GROUP}/{VERSION}")
        _logger.warning("the API server does not tell the time; this machine's clock is used")

    async def _call(
        self,
        verb: str,
        resource: str,
        method: str,
        path: str,
        body: Document | Sequence[Document] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Document:
        answer = await self._send(verb, resource, method, path, body, query=query, content_type=content_type)
        return decode(f"{verb} {resource}", answer)

    async def _send(
        self,
        verb: str,
        resource: str,
        method: str,
        path: str,
        body: Document | Sequence[Document] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        seconds = self._seconds_for(verb, resource)
        if query:
            path += "?" + urlencode(query)
        response = await self._open(verb, resource, method, path, body, content_type=content_type, limit=seconds)
        with as_unavailable(f"{verb} {resource}"):
            answer: bytes = await response.read()
        return answer

    async def _open(
        self,
        verb: str,
        resource: str,
        method: str,
        path: str,
        body: Document | Sequence[Document] | None = None,
        *,
        limit: float | aiohttp.ClientTimeout,
        content_type: str = "application/json",
    ) -> RESTResponse:
        """Make a request, and return its answer with its body to be read, if it is a success."""
        self.calls[verb, resource] += 1
        headers = {"Content-Type": content_type, "Accept": "application/json, */*"}
        asked_at = self._clock.ticks()
        with as_unavailable(f"{verb} {resource}"):
            try:
                request = await self._api.param_serialize(
                    method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
                )
                response = await self._api.call_api(*request, _request_timeout=limit)
                is_success = 200 <= response.status < 300  # noqa: PLR2004 - the successful statuses
                refusal = b"" if is_success else await response.read()
            except ApiException as error:
                raise translate(error.status, error.body, error.reason, error.headers or {}) from None
        self._answered_at = asyncio.get_running_loop().time()
        self._clock.note(response.headers.get("Date"), asked_at)
        self._note_warnings(f"{verb} {resource}", response.headers.getall("Warning", ()))
        if not is_success:
            raise translate(response.status, refusal, response.reason, response.headers)
        return response

    def _seconds_for(self, verb: str, resource: str) -> float:
        # No write may be under way when somebody else may hold the Lease.
        if self.fence is None or verb in _READS or resource == LEASES:
            return _TIMEOUT_SECONDS
        left = self.fence()
        if left <= 0:
            raise ClusterUnavailable(f"{verb} {resource}: nothing is written until the Lease is renewed")
        return min(_TIMEOUT_SECONDS, left)

    def answers(self) -> bool:
        """Whether the API server has answered a call a moment ago."""
        return asyncio.get_running_loop().time() - self._answered_at < _RECENTLY_SECONDS

    def _note_warnings(self, call: str, headers: Iterable[str]) -> None:
        for text in (_ESCAPED.sub(r"\1", match) for header in headers for match in _WARNING.findall(header)):
            self.warnings[text] += 1
            if self.warnings[text] == 1:
                _logger.warning("the API server warns of %s: %s", call, text)


_BACKGROUND: Final[Document] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}

TESTRUNS: Final = f"{GROUP}/{VERSION}/testruns"
TESTSUITES: Final = f"{GROUP}/{VERSION}/testsuites"
JOBS: Final = "batch/v1/jobs"
PODS: Final = "v1/pods"
CONFIGMAPS: Final = "v1/configmaps"
EVENTS: Final = "v1/events"
SERVICES: Final = "v1/services"
DEPLOYMENTS: Final = "apps/v1/deployments"
LEASES: Final = "coordination.k8s.io/v1/leases"


def _path(resource: str, namespace: str | None, name: str | None = None) -> str:
    api_version, _, plural = resource.rpartition("/")
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    where = f"/namespaces/{namespace}" if namespace is not None else ""
    return f"{root}{where}/{plural}" + (f"/{name}" if name is not None else "")
