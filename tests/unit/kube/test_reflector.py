"""The reflector on an API server that pages, ends, falls silent, forgets and refuses."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from testrun_operator.kube import reflector as module
from testrun_operator.kube.client import CONFIGMAPS, KubernetesClient
from testrun_operator.kube.reflector import Reflector

Body = dict[str, Any]
Answer = Callable[[web.Request], Any]


def config_map(name: str, version: str = "1") -> Body:
    """Return an object, whose uid is that of its name."""
    return {"metadata": {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": version}}


def page(*names: str, version: str = "7", more: str = "") -> Body:
    """Return an answer to a list."""
    metadata = {"resourceVersion": version} | ({"continue": more} if more else {})
    return {"metadata": metadata, "items": [config_map(name) for name in names]}


class ApiServer:
    """Answers lists and watches by what a test has put there, one after the other; the last one again and again."""

    def __init__(self) -> None:
        self.lists: list[Body | int] = [page()]
        self.watches: list[list[Body] | int] = [[]]
        """Events, after which the watch is silent, or a status."""
        self.ends = False
        """Whether a watch ends after its events."""
        self.asked: list[dict[str, str]] = []
        self.client: KubernetesClient

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(dict(request.query))
        if "watch" not in request.query:
            answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            if isinstance(answer, int):
                return web.json_response({"kind": "Status", "code": answer, "message": "no"}, status=answer)
            return web.json_response(answer)
        events = self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]
        if isinstance(events, int):
            return web.json_response({"kind": "Status", "code": events, "message": "no"}, status=events)
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        if not self.ends:
            await asyncio.sleep(60)
        return response

    def count(self, **query: str) -> int:
        """Count the requests with such a query."""
        return sum(query.items() <= asked.items() for asked in self.asked)


class Seen:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, str]] = []
        self.retained: list[set[str]] = []
        self.hostile = ""

    def see(self, resource: str, kind: str | None, body: Any) -> None:
        """Take note of an object."""
        assert resource == CONFIGMAPS
        name = body["metadata"]["name"]
        if name == self.hostile:
            raise KeyError(name)
        self.told.append((kind, name))

    def retain(self, resource: str, namespace: str | None, uids: Iterable[str]) -> None:
        """Take note of a list that is complete."""
        assert (resource, namespace) == (CONFIGMAPS, "team")
        self.retained.append(set(uids))


@pytest_asyncio.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    """Return a running API server, of which it is asked again at once."""
    monkeypatch.setattr(module, "_BACKOFFS", (0.01,))
    monkeypatch.setattr(module, "_SHORTEST_WATCH_SECONDS", 0.01)
    server = ApiServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    async with TestServer(app) as running:
        configuration = client.Configuration(host=str(running.make_url("")).rstrip("/"))
        server.client = KubernetesClient(client.ApiClient(configuration))
        yield server
        await server.client.close()


@asynccontextmanager
async def reflecting(api: ApiServer, seen: Seen) -> AsyncIterator[list[int]]:
    """Reflect ConfigMaps; yields the statuses of the answers."""
    statuses: list[int] = []
    reflector = Reflector(api.client, CONFIGMAPS, "team", "ours=true", seen, statuses.append, seconds=10, silence=0.3)
    task = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(10):
            yield statuses
        assert not task.done(), "the reflector has ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


async def test_a_list_is_read_page_by_page_and_then_watched_from_its_version(api: ApiServer) -> None:
    """The labels are selected on the server's side."""
    api.lists = [page("one", "two", more="next"), page("three")]
    api.watches = [[{"type": "ADDED", "object": config_map("four", "9")}]]
    seen = Seen()
    async with reflecting(api, seen) as statuses:
        await until(lambda: len(seen.told) == 4)
    assert seen.told == [(None, "one"), (None, "two"), (None, "three"), ("ADDED", "four")]
    assert seen.retained == [{"uid-one", "uid-two", "uid-three"}]
    first, second, watch = api.asked[:3]
    assert first["labelSelector"] == watch["labelSelector"] == "ours=true"
    assert (first["limit"], second["continue"]) == ("100", "next")
    assert (watch["resourceVersion"], watch["timeoutSeconds"], watch["allowWatchBookmarks"]) == ("7", "10", "true")
    assert statuses[:3] == [200, 200, 200]


async def test_a_watch_that_ends_or_falls_silent_is_gone_on_with_where_it_was(api: ApiServer) -> None:
    """A bookmark counts, too; nothing is listed anew for that."""
    api.watches = [
        [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}}],
        [{"type": "MODIFIED", "object": config_map("one", "13")}],
        [],
    ]
    seen = Seen()
    async with reflecting(api, seen):
        await until(lambda: api.count(watch="true", resourceVersion="13") > 0)
    assert api.count(watch="true", resourceVersion="12") == 1
    assert api.count(limit="100") == 1
    assert seen.told == [("MODIFIED", "one")]


@pytest.mark.parametrize(
    "gone",
    [410, [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}]],
)
async def test_after_410_everything_is_listed_anew_and_what_has_vanished_is_told(api: ApiServer, gone: Any) -> None:
    """As an answer, or as an event."""
    api.lists = [page("one", "two"), page("two", version="20")]
    api.watches = [gone, []]
    seen = Seen()
    async with reflecting(api, seen):
        await until(lambda: api.count(watch="true", resourceVersion="20") > 0)
    assert seen.retained == [{"uid-one", "uid-two"}, {"uid-two"}]


async def test_a_list_that_expires_between_two_pages_begins_anew(api: ApiServer) -> None:
    """Nothing is dropped because of one that is not complete."""
    api.lists = [page("one", more="next"), 410, page("one", "two")]
    seen = Seen()
    async with reflecting(api, seen):
        await until(lambda: api.count(watch="true") > 0)
    assert seen.retained == [{"uid-one", "uid-two"}]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_refusals_are_ridden_out_and_told(api: ApiServer, status: int) -> None:
    """However many there are, of lists and of watches."""
    api.lists = [status, status, page("one")]
    api.watches = [status, status, status, [{"type": "DELETED", "object": config_map("one", "9")}]]
    seen = Seen()
    async with reflecting(api, seen) as statuses:
        await until(lambda: ("DELETED", "one") in seen.told)
    assert statuses.count(status) == 5
    assert api.count(limit="100") == 3


async def test_a_watch_that_is_ended_at_once_is_not_asked_for_in_a_loop(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some proxies do so."""
    monkeypatch.setattr(module, "_SHORTEST_WATCH_SECONDS", 0.1)
    api.ends = True
    async with reflecting(api, Seen()):
        await until(lambda: api.count(watch="true") > 0)
        await asyncio.sleep(0.5)
    assert api.count(watch="true") <= 6


async def test_an_object_of_which_nothing_can_be_made_harms_no_other(
    api: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody may write one with our labels."""
    api.lists = [page("one", "odd", "two")]
    seen = Seen()
    seen.hostile = "odd"
    async with reflecting(api, seen):
        await until(lambda: api.count(watch="true") > 0)
    assert seen.told == [(None, "one"), (None, "two")]
    assert "ignored v1/configmaps team/odd" in caplog.text
