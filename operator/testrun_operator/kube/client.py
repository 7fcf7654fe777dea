"""The API server, as the few calls that the operator makes.

Built on the generic part of ``kubernetes.aio``: the typed classes would validate every Job in both directions and
take memory for hundreds of models, while all that is needed of an answer is whether it is one.

Foreign exceptions become ours here and nowhere else: no answer, 401, 408, 410, 429 and 5xx are
:class:`ClusterUnavailable`; the rest of 4xx is :class:`Refused` with the server's own words. What follows from each is
a table in ``docs/operations.md``.
"""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from yaml import YAMLError

from testrun_operator import __version__
from testrun_operator.api.base import Document
from testrun_operator.api.crds import GROUP, VERSION
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused, translate
from testrun_operator.kube.clock import ServerClock

_TIMEOUT_SECONDS: Final = 30.0
_RECENTLY_SECONDS: Final = 15.0
_READS: Final = frozenset({"get", "list"})
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


async def connect() -> "KubernetesClient":
    """Connect with the pod's service account or, outside a cluster, with the kubeconfig.

    Raises:
        ClusterUnavailable: there is neither, or it cannot be read.
    """
    configuration = client.Configuration()
    try:
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
    except (config.ConfigException, OSError, YAMLError, TypeError) as error:  # the last for an empty file
        raise ClusterUnavailable(f"no service account and no usable kubeconfig: {error}") from None
    return KubernetesClient(client.ApiClient(configuration))


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

    async def delete(self, resource: str, namespace: str, name: str, *, uid: str | None = None) -> None:
        """Delete an object, and in the background what it owns. One that does not exist is fine.

        Args:
            resource: as in :meth:`create`.
            namespace: where.
            name: the object.
            uid: its uid, where only the object that had the name then is meant; another one stays.
        """
        options = _BACKGROUND if uid is None else _BACKGROUND | {"preconditions": {"uid": uid}}
        try:
            await self._call("delete", resource, "DELETE", _path(resource, namespace, name), options)
        except Refused as error:
            # A conflict is said of nothing but the precondition here.
            if not error.is_not_found and not (uid is not None and error.is_conflict):
                raise

    async def delete_collection(self, resource: str, namespace: str, label_selector: str) -> None:
        """Delete all objects that labels select, and in the background what they own."""
        query = {"labelSelector": label_selector}
        await self._call("deletecollection", resource, "DELETE", _path(resource, namespace), _BACKGROUND, query=query)

    async def read_log(
        self, namespace: str, pod: str, *, tail_lines: int | None = None, limit_bytes: int | None = None
    ) -> str:
        """Read the log of a pod's container ``case``.

        Args:
            namespace: where.
            pod: the pod.
            tail_lines: how many lines of its end; all of them by default.
            limit_bytes: how many bytes of that at most; the kubelet sends no more.
        """
        query = {"container": "case"} | ({"tailLines": str(tail_lines)} if tail_lines else {})
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
        try:
            decoded: Document = json.loads(answer)
        except ValueError:
            raise ClusterUnavailable(
                f"{verb} {resource}: the answer is not the API server's: {answer[:100]!r}"
            ) from None
        return decoded

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
        self.calls[verb, resource] += 1
        seconds = self._seconds_for(verb, resource)
        if query:
            path += "?" + urlencode(query)
        headers = {"Content-Type": content_type, "Accept": "application/json, */*"}
        asked_at = self._clock.ticks()
        try:
            request = await self._api.param_serialize(
                method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._api.call_api(*request, _request_timeout=seconds)
            answer: bytes = await response.read()
        except ApiException as error:
            raise translate(error.status, error.body, error.reason, error.headers or {}) from None
        except (TimeoutError, aiohttp.ClientError, OSError, config.ConfigException) as error:
            # The last where the token cannot be renewed; the kubelet writes it anew every hour.
            raise ClusterUnavailable(f"{verb} {resource}: {type(error).__name__}: {error}") from None
        self._answered_at = asyncio.get_running_loop().time()
        self._clock.note(response.headers.get("Date"), asked_at)
        self._note_warnings(f"{verb} {resource}", response.headers.getall("Warning", ()))
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the successful statuses
            raise translate(response.status, answer, response.reason, response.headers)
        return answer

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
