"""The API server as the adapter sees it: what is sent, and what becomes of each answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from kubernetes.aio import client
from kubernetes.aio.config import ConfigException

from testrun_operator import __version__
from testrun_operator.errors import ClusterUnavailable, TestrunError
from testrun_operator.kube import client as module
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, JOBS, LEASES, TESTRUNS, KubernetesClient
from testrun_operator.kube.connecting import connect

TOKEN = "the-token"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"text": "ä"}}


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class FakeServer:
    """An API server that notes what it is asked, and answers what it is told to."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    status: int = 200
    answer: object = field(default_factory=dict)
    """Rendered as JSON, unless it is bytes."""
    delay: float = 0.0
    warnings: list[str] = field(default_factory=list)
    """Headers Warning of every answer."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of every answer."""
    breaks: bool = False
    """Whether the connection breaks when a request was read."""

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        content = await request.read()
        self.received.append(
            Received(
                request.method,
                request.path,
                dict(request.query),
                json.loads(content) if content else None,
                dict(request.headers),
            )
        )
        await asyncio.sleep(self.delay)
        if self.breaks and request.transport is not None:
            request.transport.abort()
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        response = web.Response(status=self.status, body=body, content_type="application/json")
        for warning in self.warnings:
            response.headers.add("Warning", warning)
        response.headers.update(self.headers)
        return response

    def refuse(self, status: int, reason: str = "", message: str = "") -> None:
        """Answer with a Status from now on, as the API server does."""
        self.status = status
        self.answer = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}

    @property
    def only(self) -> Received:
        """The only request."""
        (request,) = self.received
        return request


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A server at a port of its own."""
    fake = FakeServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", fake.handle)
    running = TestServer(application)
    await running.start_server()
    fake.url = str(running.make_url("")).rstrip("/")
    yield fake
    await running.close()


def connected(url: str, token: str = TOKEN) -> KubernetesClient:
    """Return a client as :func:`connect` makes it."""
    configuration = client.Configuration(host=url)
    if token:
        configuration.api_key["BearerToken"] = f"Bearer {token}"
    return KubernetesClient(client.ApiClient(configuration))


@pytest.fixture
async def kubernetes(server: FakeServer) -> AsyncIterator[KubernetesClient]:
    """A client of that server."""
    made = connected(server.url)
    yield made
    await made.close()


# -- what is sent -------------------------------------------------------------------------------------------------

Call = Callable[[KubernetesClient], Any]
CALLS: dict[str, tuple[Call, str, str, tuple[str, str]]] = {
    "create": (
        lambda api: api.create(JOBS, "team", {"kind": "Job"}),
        "POST",
        "/apis/batch/v1/namespaces/team/jobs",
        ("create", "batch/v1/jobs"),
    ),
    "get": (
        lambda api: api.get(CONFIGMAPS, "team", "one"),
        "GET",
        "/api/v1/namespaces/team/configmaps/one",
        ("get", "v1/configmaps"),
    ),
    "list": (
        lambda api: api.list(TESTRUNS, "team"),
        "GET",
        "/apis/testrun.dev/v1alpha1/namespaces/team/testruns",
        ("list", "testrun.dev/v1alpha1/testruns"),
    ),
    "list everywhere": (
        lambda api: api.list(TESTRUNS, None),
        "GET",
        "/apis/testrun.dev/v1alpha1/testruns",
        ("list", "testrun.dev/v1alpha1/testruns"),
    ),
    "patch": (
        lambda api: api.patch(DEPLOYMENTS, "team", "one", {}),
        "PATCH",
        "/apis/apps/v1/namespaces/team/deployments/one",
        ("patch", "apps/v1/deployments"),
    ),
    "replace": (
        lambda api: api.replace(DEPLOYMENTS, "team", "one", "/spec/template", {}),
        "PATCH",
        "/apis/apps/v1/namespaces/team/deployments/one",
        ("patch", "apps/v1/deployments"),
    ),
    "write_status": (
        lambda api: api.write_status(TESTRUNS, "team", "one", "1", {}),
        "PATCH",
        "/apis/testrun.dev/v1alpha1/namespaces/team/testruns/one/status",
        ("patch", "testrun.dev/v1alpha1/testruns/status"),
    ),
    "update": (
        lambda api: api.update(LEASES, "team", "one", {}),
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/team/leases/one",
        ("update", "coordination.k8s.io/v1/leases"),
    ),
    "delete": (
        lambda api: api.delete(JOBS, "team", "one", "uid-1"),
        "DELETE",
        "/apis/batch/v1/namespaces/team/jobs/one",
        ("delete", "batch/v1/jobs"),
    ),
    "delete_collection": (
        lambda api: api.delete_collection(JOBS, "team", "a=b"),
        "DELETE",
        "/apis/batch/v1/namespaces/team/jobs",
        ("deletecollection", "batch/v1/jobs"),
    ),
    "read_log": (
        lambda api: api.read_log("team", "pod-1"),
        "GET",
        "/api/v1/namespaces/team/pods/pod-1/log",
        ("get", "v1/pods/log"),
    ),
    "serves": (
        lambda api: api.serves("testrun.dev/v1alpha1"),
        "GET",
        "/apis/testrun.dev/v1alpha1",
        ("get", "apis"),
    ),
}
EACH_CALL = pytest.mark.parametrize("what", CALLS)


@EACH_CALL
async def test_each_call_is_one_request(server: FakeServer, kubernetes: KubernetesClient, what: str) -> None:
    """Method and path are those of the verb and the resource; the token of the configuration is sent."""
    call, method, path, _ = CALLS[what]
    await call(kubernetes)
    assert (server.only.method, server.only.path) == (method, path)
    assert server.only.headers["Authorization"] == f"Bearer {TOKEN}"


@EACH_CALL
async def test_each_call_is_counted_as_rbac_names_it(
    server: FakeServer, kubernetes: KubernetesClient, what: str
) -> None:
    """Metrics show the counts, and a test compares them with the chart's Role; failures count too."""
    call, _, _, counted = CALLS[what]
    await call(kubernetes)
    server.refuse(500)
    with pytest.raises(ClusterUnavailable):
        await call(kubernetes)
    assert kubernetes.calls == {counted: 2}


async def test_a_call_says_who_makes_it(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """The audit log, and managedFields, name the operator and not the library that it uses."""
    await kubernetes.create(CONFIGMAPS, "default", CONFIG_MAP)
    assert server.only.headers["User-Agent"] == f"testrun-operator/{__version__}"


async def test_without_a_token_none_is_sent(server: FakeServer) -> None:
    """A kubeconfig may have a certificate instead."""
    made = connected(server.url, token="")
    await made.get(JOBS, "team", "one")
    await made.close()
    assert "Authorization" not in server.only.headers


async def test_a_renewed_token_is_used(server: FakeServer) -> None:
    """The kubelet renews the token of a pod every hour; the library asks for it before each call."""
    configuration = client.Configuration(host=server.url)
    configuration.api_key["authorization"] = "bearer old"
    tokens = iter(["first", "second"])

    async def renew(current: client.Configuration) -> None:
        current.api_key["authorization"] = f"bearer {next(tokens)}"

    configuration.refresh_api_key_hook = renew
    made = KubernetesClient(client.ApiClient(configuration))
    await made.get(JOBS, "team", "one")
    await made.get(JOBS, "team", "one")
    await made.close()
    assert [request.headers["Authorization"] for request in server.received] == ["bearer first", "bearer second"]


async def test_a_token_that_cannot_be_renewed_is_an_unavailable_server(server: FakeServer) -> None:
    """The file may be missing or empty for a moment; the next call tries again."""
    configuration = client.Configuration(host=server.url)
    configuration.api_key["BearerToken"] = "bearer old"
    errors: list[Exception] = [ConfigException("Token file exists but empty."), FileNotFoundError("token")]

    def renew(_: client.Configuration) -> None:
        raise errors.pop()

    configuration.refresh_api_key_hook = renew
    made = KubernetesClient(client.ApiClient(configuration))
    for _ in range(2):
        with pytest.raises(ClusterUnavailable, match="oken"):
            await made.get(JOBS, "team", "one")
    await made.close()


async def test_a_body_is_sent_as_it_is(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """No field is added, renamed or left out; null removes a field in a merge patch."""
    await kubernetes.create(CONFIGMAPS, "team", CONFIG_MAP)
    await kubernetes.patch(CONFIGMAPS, "team", "one", {"data": {"text": None}})
    assert [request.body for request in server.received] == [
        CONFIG_MAP,
        {"data": {"text": None}},
    ]


@pytest.mark.parametrize(
    ("whole", "written"),
    [
        (True, [{"op": "add", "path": "/status", "value": {"phase": "Running"}}]),
        (False, [{"op": "add", "path": "/status/phase", "value": "Running"}]),
    ],
)
async def test_a_status_is_written_for_the_object_with_this_uid_alone(
    server: FakeServer, kubernetes: KubernetesClient, whole: bool, written: list[dict[str, Any]]
) -> None:
    """Another one of its name is none of what was looked at; the API server ignores a uid in a merge patch."""
    await kubernetes.write_status(TESTRUNS, "team", "one", "17", {"phase": "Running"}, whole=whole)
    assert server.received[-1].body == [{"op": "test", "path": "/metadata/uid", "value": "17"}, *written]
    server.status = 422
    server.answer = {"message": "the server rejected our request due to an error in our request", "reason": "Invalid"}
    with pytest.raises(Refused) as caught:
        await kubernetes.write_status(TESTRUNS, "team", "one", "17", {"phase": "Running"}, whole=whole)
    assert caught.value.is_not_found


async def test_patches_are_merge_patches(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Custom resources know no strategic merge patch, and everything else is JSON."""
    await kubernetes.patch(JOBS, "team", "one", {})
    await kubernetes.create(JOBS, "team", {})
    await kubernetes.update(LEASES, "team", "one", {})
    types = [request.headers["Content-Type"] for request in server.received]
    assert types == ["application/merge-patch+json"] + ["application/json"] * 2


async def test_a_part_that_is_replaced_keeps_nothing_of_what_it_was(
    server: FakeServer, kubernetes: KubernetesClient
) -> None:
    """A merge patch would keep, of a map, what the new one does not mention: a node selector of former settings."""
    await kubernetes.replace(DEPLOYMENTS, "team", "one", "/spec/template", {"spec": {}})
    (request,) = server.received
    assert request.headers["Content-Type"] == "application/json-patch+json"
    assert request.body == [{"op": "replace", "path": "/spec/template", "value": {"spec": {}}}]


async def test_what_is_deleted_takes_along_what_it_owns(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """In the background: a Job that is deleted through the API keeps its pods otherwise."""
    await kubernetes.delete(JOBS, "team", "one", "uid-1")
    await kubernetes.delete_collection(JOBS, "team", "a=b")
    assert [request.body["propagationPolicy"] for request in server.received] == ["Background", "Background"]


async def test_another_object_that_has_the_name_by_now_is_not_deleted(
    server: FakeServer, kubernetes: KubernetesClient
) -> None:
    """The uid is a precondition; an object of somebody else stays, and nobody asks for more."""
    server.refuse(409, "Conflict", "the UID in the precondition (uid-1) does not match the UID in record (uid-2)")
    await kubernetes.delete(JOBS, "team", "one", "uid-1")
    assert server.only.body["preconditions"] == {"uid": "uid-1"}


async def test_the_time_is_asked_for_until_it_is_known(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """What is judged first after a restart may rest on it, and the clock of this machine be minutes off."""
    server.headers["Date"] = format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True)
    await kubernetes.learn_the_time()
    assert abs((datetime.now(UTC) - kubernetes.now()).total_seconds() - 600) < 3
    asked = len(server.received)
    await kubernetes.learn_the_time()
    assert len(server.received) == asked


async def test_a_server_that_does_not_tell_the_time_is_not_asked_for_ever(
    server: FakeServer, kubernetes: KubernetesClient
) -> None:
    """Something in between has taken the header away: the clock of this machine has to do."""
    server.headers["Date"] = "yesterday"
    await kubernetes.learn_the_time()
    assert len(server.received) == 10


async def test_queries_are_escaped(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Selectors contain characters that have a meaning of their own in an address."""
    selector = "app.kubernetes.io/managed-by=testrun-operator,testrun.dev/run-uid in (a, b)"
    await kubernetes.list(JOBS, None, labelSelector=selector, limit="5")
    await kubernetes.delete_collection(JOBS, "team", selector)
    await kubernetes.read_log("team", "pod-1", tail_lines=20)
    await kubernetes.read_log("team", "pod-1")
    assert [request.query for request in server.received] == [
        {"labelSelector": selector, "limit": "5"},
        {"labelSelector": selector},
        {"container": "case", "tailLines": "20"},
        {"container": "case"},
    ]


# -- what becomes of an answer ------------------------------------------------------------------------------------


async def test_objects_are_returned_as_they_come(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Decoded, and otherwise untouched."""
    server.answer = CONFIG_MAP
    assert await kubernetes.get(CONFIGMAPS, "team", "one") == CONFIG_MAP
    assert await kubernetes.create(CONFIGMAPS, "team", CONFIG_MAP) == CONFIG_MAP
    server.status = 201
    assert await kubernetes.create(CONFIGMAPS, "team", CONFIG_MAP) == CONFIG_MAP


async def test_a_list_is_its_items(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """An empty list may have none."""
    server.answer = {"kind": "JobList", "items": [CONFIG_MAP]}
    assert await kubernetes.list(JOBS, "team") == (CONFIG_MAP,)
    server.answer = {"kind": "JobList"}
    assert await kubernetes.list(JOBS, "team") == ()


async def test_a_log_is_a_text_whatever_is_in_it(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Programs write what they like; bytes that are no text become question marks."""
    server.answer = b"caf\xc3\xa9 \xff\n"
    assert await kubernetes.read_log("team", "pod-1") == "café \N{REPLACEMENT CHARACTER}\n"


async def test_what_does_not_exist_is_none_or_already_deleted(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Reading and deleting do not depend on what others did in the meantime."""
    server.refuse(404, "NotFound", 'jobs.batch "one" not found')
    assert await kubernetes.get(JOBS, "team", "one") is None
    await kubernetes.delete(JOBS, "team", "one", "uid-1")
    assert await kubernetes.serves("testrun.dev/v1alpha1") is False


async def test_a_call_on_what_does_not_exist_is_refused(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """A patch, a log or a list cannot do without it."""
    server.refuse(404, "NotFound", "not found")
    for what in CALLS.keys() - {"get", "delete", "serves"}:
        with pytest.raises(Refused) as caught:
            await CALLS[what][0](kubernetes)
        assert caught.value.is_not_found


QUOTA = 'jobs.batch "one" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: 1, limited: 1'
REFUSALS = {
    "exists already": (409, "AlreadyExists", "already exists", {"is_conflict", "already_exists"}),
    "changed in the meantime": (409, "Conflict", "the object has been modified", {"is_conflict", "may_pass"}),
    "a quota that others change": (
        409,
        "Conflict",
        'Operation cannot be fulfilled on resourcequotas "small": the object has been modified',
        {"is_conflict", "may_pass"},
    ),
    "invalid": (422, "Invalid", "spec.template: Required value", set()),
    "a rule": (403, "Forbidden", "ValidatingAdmissionPolicy 'x' denied request: no", set()),
    "a missing right": (
        403,
        "Forbidden",
        'jobs.batch is forbidden: User "operator" cannot create resource "jobs" in API group "batch"',
        {"may_pass"},
    ),
    "a used up quota": (403, "Forbidden", QUOTA, {"is_quota", "may_pass"}),
    "a quota that is new": (
        403,
        "Forbidden",
        'jobs.batch "one" is forbidden: status unknown for quota: small, resources: count/jobs.batch',
        {"is_quota", "may_pass"},
    ),
    "what a quota demands": (403, "Forbidden", 'pods "one" is forbidden: failed quota: a: must specify cpu', set()),
    "a bad request": (400, "BadRequest", "cannot be handled", set()),
    "too large": (413, "RequestEntityTooLarge", "limit is 3145728", set()),
    "not found": (404, "NotFound", 'namespaces "team" not found', {"is_not_found", "may_pass"}),
}
PROPERTIES = ("is_conflict", "already_exists", "is_not_found", "is_quota", "may_pass")


@pytest.mark.parametrize("what", REFUSALS)
async def test_a_refusal_is_told_with_the_servers_words(
    server: FakeServer, kubernetes: KubernetesClient, what: str
) -> None:
    """The user reads what the API server said; the operator goes by status and reason."""
    status, reason, message, properties = REFUSALS[what]
    server.refuse(status, reason, message)
    with pytest.raises(Refused) as caught:
        await kubernetes.create(JOBS, "team", {})
    error = caught.value
    assert (error.status, error.reason, str(error)) == (status, reason, message)
    assert {name for name in PROPERTIES if getattr(error, name)} == properties


async def test_a_namespace_that_ends_refuses_for_no_fault_of_the_case(
    server: FakeServer, kubernetes: KubernetesClient
) -> None:
    """Its TestRun goes with it; until then nothing is decided."""
    server.refuse(403, "Forbidden", "unable to create new content in namespace team because it is being terminated")
    assert isinstance(server.answer, dict)
    server.answer["details"] = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
    with pytest.raises(Refused) as caught:
        await kubernetes.create(JOBS, "team", {})
    assert caught.value.may_pass


@EACH_CALL
async def test_a_credential_that_is_not_accepted_is_renewed_and_says_nothing_of_the_request(
    server: FakeServer, kubernetes: KubernetesClient, what: str
) -> None:
    """401: the token has run out, or the API server has another key; it is no fault of a case's configuration."""
    server.refuse(401, "Unauthorized", "Unauthorized")
    with pytest.raises(ClusterUnavailable, match=r"does not accept the operator's credential \(401\): Unauthorized"):
        await CALLS[what][0](kubernetes)


RETRY_AFTER = {
    "header": ({"Retry-After": "7"}, {}, 7.0),
    "details": ({}, {"retryAfterSeconds": 3}, 3.0),
    "header first": ({"Retry-After": "1"}, {"retryAfterSeconds": 30}, 1.0),
    "too long": ({"Retry-After": "86400"}, {}, 120.0),
    "a date": ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
    "odd details": ({}, ["retryAfterSeconds"], None),
    "nothing": ({}, {}, None),
}


@pytest.mark.parametrize("status", [429, 500, 503, 504])
@pytest.mark.parametrize("what", RETRY_AFTER)
async def test_when_the_server_wants_to_be_asked_again_is_told(
    server: FakeServer, kubernetes: KubernetesClient, what: str, status: int
) -> None:
    """By the header, or the details of its answer; never longer than two minutes."""
    headers, details, seconds = RETRY_AFTER[what]
    server.refuse(status, "TooManyRequests", "later")
    assert isinstance(server.answer, dict)
    server.answer["details"] = details
    server.headers = headers
    with pytest.raises(ClusterUnavailable) as caught:
        await kubernetes.create(JOBS, "team", {})
    assert caught.value.retry_after == seconds


async def test_a_connection_that_breaks_after_the_write_is_an_unavailable_server(
    server: FakeServer, kubernetes: KubernetesClient
) -> None:
    """Whether the object was created nobody knows; its name is the same each time, so that asking again tells."""
    server.breaks = True
    with pytest.raises(ClusterUnavailable, match="create batch/v1/jobs"):
        await kubernetes.create(JOBS, "team", {"kind": "Job"})
    assert server.received[0].body == {"kind": "Job"}


async def test_the_time_is_that_of_the_api_server(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """Taken from the header Date of its answers."""
    server.headers = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}
    for _ in range(3):
        await kubernetes.get(JOBS, "team", "one")
    assert abs((kubernetes.now() - datetime(2026, 3, 1, 12, tzinfo=UTC)).total_seconds()) < 5


@pytest.mark.parametrize("what", ["get", "delete", "serves"])
async def test_what_may_not_be_seen_is_not_taken_for_missing(
    server: FakeServer, kubernetes: KubernetesClient, what: str
) -> None:
    """A missing right is told; otherwise the operator would create what exists already."""
    server.refuse(403, "Forbidden", "no")
    with pytest.raises(Refused, match="no"):
        await CALLS[what][0](kubernetes)


@pytest.mark.parametrize("status", [408, 410, 429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_unavailable(
    server: FakeServer, kubernetes: KubernetesClient, status: int
) -> None:
    """Nothing is decided by it; the call is repeated later."""
    server.refuse(status, "ServiceUnavailable", "try again")
    for call, *_ in CALLS.values():
        with pytest.raises(ClusterUnavailable, match=f"{status}: try again"):
            await call(kubernetes)


@pytest.mark.parametrize("what", ["create", "list", "read_log"])
async def test_a_server_that_is_not_there_is_unavailable(what: str) -> None:
    """A refused connection says what could not be done."""
    made = connected(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(ClusterUnavailable, match=CALLS[what][3][0]):
        await CALLS[what][0](made)
    await made.close()


async def test_a_server_that_does_not_answer_is_unavailable(
    server: FakeServer, kubernetes: KubernetesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call waits for ever."""
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.05)
    server.delay = 1
    with pytest.raises(ClusterUnavailable, match="Timeout"):
        await kubernetes.get(JOBS, "team", "one")


@pytest.mark.parametrize("answer", [b"", b"<html>Bad Gateway</html>", b"null", b'"no"', b"[]", b"5", b"\xff", {}])
@pytest.mark.parametrize(("status", "kind"), [(502, ClusterUnavailable), (403, Refused)])
async def test_an_error_that_is_no_status_is_told_all_the_same(
    server: FakeServer, kubernetes: KubernetesClient, status: int, kind: type[TestrunError], answer: object
) -> None:
    """A proxy in between answers with what it likes."""
    server.status, server.answer = status, answer
    with pytest.raises(kind) as caught:
        await kubernetes.create(JOBS, "team", {})
    assert str(caught.value)


async def test_a_long_error_page_is_cut(server: FakeServer, kubernetes: KubernetesClient) -> None:
    """It gets into a condition and the log."""
    server.status, server.answer = 502, b"<html>" * 10_000
    with pytest.raises(ClusterUnavailable) as caught:
        await kubernetes.create(JOBS, "team", {})
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("answer", [b"", b"<html>Sign in</html>", b"\xff"])
async def test_a_success_that_is_no_json_is_no_answer(
    server: FakeServer, kubernetes: KubernetesClient, answer: bytes
) -> None:
    """Something in between answered, not the API server."""
    server.answer = answer
    with pytest.raises(ClusterUnavailable):
        await kubernetes.create(JOBS, "team", {})


# -- connecting ---------------------------------------------------------------------------------------------------


WriteConfig = Callable[[str], object]


@pytest.fixture
def write_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteConfig:
    """Outside a cluster, with a kubeconfig that does not exist until it is written."""
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path.write_text


async def test_outside_a_cluster_the_kubeconfig_is_used(server: FakeServer, write_kubeconfig: WriteConfig) -> None:
    """Address and token are those of its current context."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server.url}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }
    write_kubeconfig(json.dumps(content))
    made = await connect()
    await made.get(JOBS, "team", "one")
    await made.close()
    assert server.only.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("content", [None, "", "kind: Config", "current-context: nowhere", "{", "- a list"])
async def test_without_a_usable_kubeconfig_there_is_no_cluster(
    write_kubeconfig: WriteConfig, content: str | None
) -> None:
    """The message says that neither a service account nor a kubeconfig was found."""
    if content is not None:
        write_kubeconfig(content)
    with pytest.raises(ClusterUnavailable, match="no usable kubeconfig"):
        await connect()


async def test_what_the_api_server_warns_of_is_logged_once(
    kubernetes: KubernetesClient, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A field that it drops, or a version that will be removed, would go unnoticed otherwise."""
    unknown = 'unknown field "spec.tempalte"'
    server.warnings = [r'299 - "unknown field \"spec.tempalte\""', '299 kube-apiserver "batch/v1beta1 is deprecated"']
    for _ in range(3):
        await kubernetes.create(CONFIGMAPS, "team", CONFIG_MAP)
    assert dict(kubernetes.warnings) == {unknown: 3, "batch/v1beta1 is deprecated": 3}
    said = [record.getMessage() for record in caplog.records if "warns" in record.getMessage()]
    assert said == [
        f"the API server warns of create v1/configmaps: {unknown}",
        "the API server warns of create v1/configmaps: batch/v1beta1 is deprecated",
    ]


async def test_an_answer_without_warnings_leaves_none(kubernetes: KubernetesClient) -> None:
    """As it should be."""
    await kubernetes.create(CONFIGMAPS, "team", CONFIG_MAP)
    assert not kubernetes.warnings
