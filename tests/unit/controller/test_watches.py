"""The watches of the real kopf, on an API server that plays dead, refuses, and forgets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import kopf
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from support.memory_cluster import MemoryCluster
from testrun_operator.controller import main, metrics, watches
from testrun_operator.controller.main import make_kopf_settings
from testrun_operator.controller.settings import Settings
from testrun_operator.controller.watches import EndlessBackoffs, WatchSupervisor, set_up_watching
from testrun_operator.errors import LeadershipLost
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import JOBS, KubernetesClient

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "team", "uid": "1"}}
RESOURCE = {"name": "configmaps", "singularName": "configmap", "kind": "ConfigMap", "namespaced": True}
NAMESPACES = {"name": "namespaces", "singularName": "namespace", "kind": "Namespace", "namespaced": False}
"""kopf waits for it, also where it watches no namespaces."""
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": []},
    "/api/v1": {"groupVersion": "v1", "resources": [NAMESPACES, RESOURCE | {"verbs": ["list", "watch", "patch"]}]},
}


class ApiServer:
    """An API server with ConfigMaps, whose next answers a test chooses."""

    def __init__(self) -> None:
        self.lists = 0
        self.watches = 0
        self.status = 200
        """Of lists and watches."""
        self.refusals = 0
        """How many lists and watches were refused."""
        self.first_event: dict[str, Any] | None = None
        """What the second and later watches begin with; an error only the second one."""
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        if self.status != 200:
            self.refusals += 1
            return web.json_response({"kind": "Status", "code": self.status}, status=self.status)
        if "watch" not in request.query:
            self.lists += "continue" not in request.query
            more = {"continue": "next"} if "continue" not in request.query else {}
            return web.json_response({"metadata": {"resourceVersion": "7"} | more, "items": []})
        self.watches += 1
        response = web.StreamResponse()
        await response.prepare(request)
        if self.watches > 1 and self.first_event is not None:
            await response.write(json.dumps(self.first_event).encode() + b"\n")
            if self.first_event["type"] == "ERROR":
                self.first_event = None  # once: kopf lists anew at once, and would do nothing else from then on
        await asyncio.sleep(60)  # silent: neither an event nor a bookmark, and no end
        return response


@pytest_asyncio.fixture
async def api() -> AsyncIterator[ApiServer]:
    """Return a running API server."""
    server = ApiServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("")).rstrip("/")
        yield server


@asynccontextmanager
async def watching(api: ApiServer, supervisor: WatchSupervisor) -> AsyncIterator[list[str]]:
    """Watch ConfigMaps by kopf with our settings; yields the names of which an event told."""
    registry, settings, told = kopf.OperatorRegistry(), make_kopf_settings(), list[str]()
    set_up_watching(settings, 1)
    settings.watching.inactivity_timeout = 0.3

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession | None:
        return await supervisor.log_in(kopf.ConnectionInfo(server=api.url))

    @kopf.on.event("configmaps", registry=registry)
    async def changed(name: str | None, **_: Any) -> None:
        told.append(str(name))

    stop = asyncio.Event()
    operator = kopf.operator(registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop)
    task = asyncio.create_task(operator)
    try:
        yield told
        assert not task.done(), "kopf has ended"
    finally:
        stop.set()
        while not task.done():
            task.cancel()  # again until it is heard: kopf may swallow one that comes together with its stop flag
            await asyncio.wait({task}, timeout=1)


async def until(condition: Any) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def value_of(metric: Any, **labels: str) -> float:
    """Return the value of a metric."""
    return float(metric.labels(**labels)._value.get())


async def test_a_silent_watch_is_replaced_by_another_one_that_goes_on_where_it_was(api: ApiServer) -> None:
    """Nothing is listed anew for that."""
    api.first_event = {"type": "ADDED", "object": CONFIG_MAP}
    supervisor = WatchSupervisor(lambda: True)
    async with watching(api, supervisor) as told:
        await until(lambda: told == ["one"])
    assert api.lists == 1
    assert not supervisor.restart.is_set()


async def test_a_watch_that_has_to_begin_anew_is_noticed(api: ApiServer) -> None:
    """Kopf does not tell of what vanished between two lists; so everything is read again."""
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    api.first_event = {"type": "ERROR", "object": gone}
    supervisor = WatchSupervisor(lambda: True)
    async with watching(api, supervisor):
        await until(supervisor.restart.is_set)
    assert api.lists > 1
    supervisor.begin()
    assert not supervisor.restart.is_set()


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_outage_of_any_length_is_ridden_out(
    api: ApiServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kopf by itself gives up after nine attempts, and ends the process."""
    monkeypatch.setattr(watches, "_BACKOFFS", ())
    monkeypatch.setattr(watches, "_LONGEST_BACKOFF", 0.01)
    before = value_of(metrics.WATCH_FAILURES, resource="configmaps", status=str(status))
    api.status = status
    api.first_event = {"type": "ADDED", "object": CONFIG_MAP}
    async with watching(api, WatchSupervisor(lambda: True)) as told:
        await until(lambda: api.refusals > 30)
        api.status = 200
        await until(lambda: told == ["one"])
    assert value_of(metrics.WATCH_FAILURES, resource="configmaps", status=str(status)) > before + 20


async def test_everything_is_listed_once_each_watch_of_kopf_has_begun(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks whether the operator is ready wants to know that it has seen what there is."""
    monkeypatch.setattr(watches, "_OF_KOPF", ("configmaps", "testruns"))
    supervisor = WatchSupervisor(lambda: True)
    supervisor.begin()
    async with watching(api, supervisor):
        await until(lambda: api.watches > 0)
        assert not supervisor.listed.is_set()
    monkeypatch.setattr(watches, "_OF_KOPF", ("configmaps",))
    supervisor.begin()
    async with watching(api, supervisor):
        await asyncio.wait_for(supervisor.listed.wait(), 5)


async def test_a_right_that_is_missing_is_told_by_its_name_until_it_is_there(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in the log, and as a metric for as long as it lasts."""
    monkeypatch.setattr(watches, "_BACKOFFS", (0.01,) * 100)
    api.status = 403
    async with watching(api, WatchSupervisor(lambda: True)):
        await until(lambda: api.refusals > 3)
        assert value_of(metrics.WATCH_REFUSED, namespace="", resource="configmaps") == 1
        api.status = 200
        await until(lambda: api.watches > 0)
        assert ("", "configmaps") not in metrics.WATCH_REFUSED._metrics
    assert caplog.text.count("the operator lacks the right to list and watch configmaps") == 1


async def test_a_process_is_unhealthy_if_its_watches_are_silent_and_the_api_server_is_not(
    monkeypatch: pytest.MonkeyPatch, api: ApiServer
) -> None:
    """Of an API server that is away a restart makes nothing better."""
    answers = True
    supervisor = WatchSupervisor(lambda: answers)
    async with watching(api, supervisor):
        await until(lambda: api.watches > 0)
        assert supervisor.problem() == ""
        assert supervisor.silence()["configmaps"] < 5
    monkeypatch.setattr(watches, "LONGEST_SILENCE_SECONDS", 0.0)
    assert supervisor.problem() == "no sign of life from the watches of configmaps"
    answers = False
    assert supervisor.problem() == ""


def test_backoffs_have_no_end_and_can_be_gone_through_again() -> None:
    """Kopf goes through them for each request."""
    backoffs = EndlessBackoffs()
    for _ in range(2):
        found = iter(backoffs)
        assert [next(found) for _ in range(8)] == [1, 1, 2, 3, 5, 8, 10, 10]


@pytest.mark.parametrize(("namespaces", "seconds"), [(1, 10), (7, 10), (50, 70)])
def test_many_watches_begin_anew_less_often(namespaces: int, seconds: int) -> None:
    """Fifty namespaces are 350 watches."""
    settings = make_kopf_settings()
    set_up_watching(settings, namespaces)
    assert settings.watching.server_timeout == seconds
    assert settings.watching.inactivity_timeout > seconds


# -- rights in some of several namespaces ---------------------------------------------------------------------------


class Lister(KubernetesClient):
    """A client that may not list everything everywhere."""

    def __init__(self, *missing: tuple[str, str]) -> None:
        self.missing = set(missing)

    async def list(self, resource: str, namespace: str | None, **_: str) -> tuple[dict[str, Any], ...]:
        """Refuse what is missing."""
        if (resource, namespace) in self.missing:
            raise Refused(403, "Forbidden", f"cannot list {resource} in {namespace}")
        return ()


async def test_a_namespace_without_rights_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, left out, and taken in when the rights are there."""
    monkeypatch.setattr(watches, "_RECHECK_SECONDS", 0.01)
    client = Lister((JOBS, "b"))
    supervisor = WatchSupervisor(lambda: True)
    assert await supervisor.usable(client, ("a", "b")) == ("a",)
    assert value_of(metrics.WATCH_REFUSED, namespace="b", resource="jobs") == 1
    waiting = asyncio.create_task(supervisor.wait_for_rights(client, ("b",)))
    await asyncio.sleep(0.05)
    assert not supervisor.restart.is_set()
    client.missing.clear()
    await asyncio.wait_for(waiting, 5)
    assert supervisor.restart.is_set()
    assert ("b", "jobs") not in metrics.WATCH_REFUSED._metrics


# -- the process ----------------------------------------------------------------------------------------------------


@pytest.fixture
def process(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> main._Process:
    """Return a process whose watches show nothing, and end when they are told to."""
    monkeypatch.setattr(metrics.REGISTRY, "register", lambda _: None)
    made = main._Process(Settings(http_port=8080), cluster.client)

    async def run_kopf(_: object, __: object, ended: asyncio.Event) -> None:
        made._watches.listed.set()
        await ended.wait()

    async def watch_dependents(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(made, "_run_kopf", run_kopf)
    monkeypatch.setattr(main, "watch_dependents", watch_dependents)
    return made


async def test_everything_is_read_anew_when_a_watch_began_anew(process: main._Process) -> None:
    """Within the process, which keeps its Lease."""
    operating = asyncio.create_task(process.operate(None, asyncio.Event()))
    await until(process.health.ready.is_set)
    process._watches.restart.set()
    await asyncio.wait_for(operating, 5)
    operating = asyncio.create_task(process.operate(None, stop := asyncio.Event()))
    await asyncio.sleep(0.05)
    assert not operating.done()
    stop.set()
    await asyncio.wait_for(operating, 5)


async def test_a_process_that_is_told_to_stop_before_everything_is_listed_stops(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right that it lacks may make it wait for ever; Kubernetes gives it 30 s before it kills it."""
    monkeypatch.setattr(metrics.REGISTRY, "register", lambda _: None)
    process = main._Process(Settings(http_port=8080), cluster.client)

    async def list_nothing(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(main, "watch_dependents", list_nothing)
    operating = asyncio.create_task(process.operate(None, stop := asyncio.Event()))
    await until(lambda: process._operator is not None)
    stop.set()
    await asyncio.wait_for(operating, 5)
    assert not process.health.ready.is_set()


async def test_what_must_end_the_process_ends_it(process: main._Process) -> None:
    """Another operator holds the Lease."""
    operating = asyncio.create_task(process.operate(None, asyncio.Event()))
    await until(process.health.ready.is_set)
    assert process._operator is not None
    process._operator.failed.set_exception(LeadershipLost("another one has it"))
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(operating, 5)
