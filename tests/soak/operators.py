"""A process of the operator: the real one, but for kopf's watches, the way to the API server, and Postgres."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

import aiohttp
import kopf
from multidict import CIMultiDict

from soak.apiserver import ApiServer, Body, Call, Denied, answer_of
from soak.clock import CURRENT, SimulatedLoop, Stoppable
from soak.records import Truth
from soak.stores import SoakStore
from testrun_operator.controller import handlers
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.settings import Settings
from testrun_operator.controller.watches import WatchSupervisor
from testrun_operator.controller.watches import _Watch as Watch
from testrun_operator.errors import ClusterUnavailable, LeadershipLost
from testrun_operator.kube import client as client_module
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, JOBS, PODS, SERVICES, TESTRUNS, TESTSUITES
from testrun_operator.kube.clock import ServerClock
from testrun_operator.kube.lease import Lease

_RESOURCES = {
    "testruns": TESTRUNS,
    "testsuites": TESTSUITES,
    "jobs": JOBS,
    "pods": PODS,
    "configmaps": CONFIGMAPS,
    "services": SERVICES,
    "deployments": DEPLOYMENTS,
}
_DEPENDENTS = {"jobs", "pods", "configmaps", "services", "deployments"}
_NOWHERE = contextvars.Context()
"""What happens beyond the process, so that it goes on when that does not."""


def make_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """Make a task that ends with the process of the operator to which it belongs; a task factory of asyncio."""
    task = asyncio.Task(coro, loop=loop, **options)
    context = options.get("context")
    process = context.get(CURRENT) if context is not None else CURRENT.get()
    if isinstance(process, OperatorProcess):
        process.adopt(task)
    return task


class _Index:
    """An index as kopf keeps it: a read-only mapping from keys to values, filled by a function."""

    def __init__(self, function: Callable[..., Any], only: Mapping[str, str]) -> None:
        self._function = function
        self._only = only
        self._values: dict[Any, dict[Any, Any]] = {}
        self._keys: dict[Any, tuple[Any, ...]] = {}

    def take(self, what: str | None, body: Body, memo: Operator) -> None:
        """Take note of an event."""
        metadata = body["metadata"]
        key = metadata["namespace"], metadata["name"], metadata["uid"]
        for known in self._keys.pop(key, ()):
            values = self._values[known]
            del values[key]
            if not values:
                del self._values[known]
        own = metadata.get("labels") or {}
        if what == "DELETED" or any(own.get(name) != value for name, value in self._only.items()):
            return
        found = self._function(body=body, memo=memo) or {}
        self._keys[key] = tuple(found)
        for name, value in found.items():
            self._values.setdefault(name, {})[key] = value

    def get(self, key: Any, default: Any = (), /) -> Any:
        """Return the values of a key."""
        values = self._values.get(key)
        return list(values.values()) if values else default

    def __getitem__(self, key: Any) -> Any:
        return list(self._values[key].values())

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


class _Transport:
    """What :class:`KubernetesClient` sends its calls through, in the place of aiohttp."""

    def __init__(self, process: "OperatorProcess") -> None:
        self.user_agent = ""
        self._process = process

    async def close(self) -> None:
        """There is nothing to close."""

    async def param_serialize(
        self, method: str, path: str, *, header_params: Mapping[str, str], body: Any, **_: Any
    ) -> tuple[str, str, str, Any]:
        """Put together what :meth:`call_api` needs."""
        return method, path, header_params["Content-Type"], body

    async def call_api(
        self, method: str, path: str, content_type: str, body: Any, *, _request_timeout: float
    ) -> "_Response":
        """Send a call."""
        return await self._process.send(method, path, content_type, body, _request_timeout)


class _Response:
    """An answer of the API server."""

    def __init__(self, status: int, reason: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.reason = reason
        self.headers = CIMultiDict(headers)
        self._body = body

    async def read(self) -> bytes:
        """Return its body."""
        return self._body


class OperatorProcess(Stoppable):
    """One process.

    Args:
        server: the API server.
        truth: takes note of what the process does, and says how a call goes wrong.
        store: Postgres.
        random: for delays.
        ahead: by how many seconds the clock of its machine is ahead of the API server's.
        name: who it is, of two that share a Lease; empty for the only one, which needs none.
        on_end: called when it has lost the Lease, and ends.
    """

    def __init__(
        self,
        server: ApiServer,
        truth: Truth,
        store: SoakStore,
        random: Random,
        ahead: float,
        name: str = "",
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.name = name
        self.leads = False
        """Whether it acts, rather than wait for the Lease."""
        self.cut_off_until = 0.0
        """Until when it cannot reach the API server."""
        self._on_end = on_end
        self._server = server
        self._truth = truth
        self._store = store
        self._random = random
        self._loop: SimulatedLoop = server.loop
        self._ahead = ahead
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_dead = False
        self.operator: Operator
        self._may_write: Callable[[], bool] = lambda: True
        """Whether it may still act on what it sees."""
        self._watches: WatchSupervisor
        self._indexers: dict[str, list[_Index]] = {}
        self._indices: dict[str, _Index] = {}
        self._handlers: dict[str, list[tuple[Any, dict[str, str]]]] = {}
        self._channels = {plural: _Channel(self, plural) for plural in _RESOURCES}
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)

    # -- its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it; it begins with complete lists."""
        self._loop.create_task(self._start(), context=self._context)

    async def _start(self) -> None:
        """Do what :mod:`testrun_operator.controller.main` does."""
        api: Any = _Transport(self)
        client = client_module.KubernetesClient(api)
        client._clock = ServerClock(self._local_time, self._loop.time)
        self._watches = WatchSupervisor(client.answers)
        await self._wait_for_api(client)
        lease = Lease(client, "testrun-system", "testrun-operator", self.name) if self.name else None
        if lease is not None:
            await lease.acquire()
            client.fence = lease.seconds_left
            self._may_write = client.may_write
        self.leads = True
        self._server.listeners.append(self._listen)
        try:
            while True:
                await self._operate(client, lease)
        except LeadershipLost:
            self._on_end()  # the kubelet starts its container again

    async def _operate(self, client: client_module.KubernetesClient, lease: Lease | None) -> None:
        """Read everything there is and do what is to be done, until it has to be read anew."""
        self._watches.begin()
        self._truth.restarts += 1
        self.operator = Operator(Settings(), client)
        # Without Postgres in the settings, the real writer writes to a store of ours.
        store: Any = self._store
        self.operator._results._store = store
        self.operator.dependents._has_store = True
        await self.operator.open()
        self._register()
        self.operator.connect_indices(self._indices)
        listed = [(plural, body) for plural in _RESOURCES for body in self.current(plural)]
        for plural in _RESOURCES:
            self._channels[plural].forget()
            self.note_list(plural)
        for plural, body in sorted(listed, key=lambda found: found[0] != "configmaps"):
            self._take(plural, None, body)
            if plural == "configmaps":
                self.operator.dependents.release_finished()
        for plural, body in listed:
            await self._handle(plural, None, body)
        restart = asyncio.create_task(self._watches.restart.wait())
        waited: set[asyncio.Future[Any]] = {self.operator.failed, restart}
        held = asyncio.create_task(lease.hold()) if lease is not None else None
        if held is not None:
            waited.add(held)
        try:
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self.operator.failed.done():
                self.operator.failed.result()
            if held is not None and held in done:
                held.result()
        finally:
            restart.cancel()
            if held is not None:
                held.cancel()
            await self.operator.close()

    def _register(self) -> None:
        """Take the operator's own handlers, and make indices as kopf does."""
        registry = kopf.OperatorRegistry()
        handlers.register(registry, self._watches)
        self._indexers, self._indices, self._handlers = {}, {}, {}
        for handler in registry._indexing._handlers:
            index = self._indices[str(handler.id)] = _Index(handler.fn, _labels_of(handler))
            self._indexers.setdefault(_plural(handler), []).append(index)
        for watcher in registry._watching._handlers:
            self._handlers.setdefault(_plural(watcher), []).append((watcher.fn, _labels_of(watcher)))

    def note_list(self, plural: str) -> None:
        """Let the supervisor of the watches see that something is listed."""
        self._watches._note(Watch(plural, ""), 200, is_new_list=plural not in _DEPENDENTS)

    @staticmethod
    async def _wait_for_api(client: client_module.KubernetesClient) -> None:
        """Make the calls that come before the Lease and the watches."""
        while True:
            try:
                await client.learn_the_time()
            except ClusterUnavailable:
                await asyncio.sleep(1.0)
            else:
                return

    def _local_time(self) -> datetime:
        return self._loop.now() + timedelta(seconds=self._ahead)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Take a task for one of the process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_dead:
            task.cancel()

    def kill(self) -> None:
        """Kill it, as SIGKILL does."""
        self.is_dead = True
        self._loop.go_on(self)  # what waited ends, too
        if self._listen in self._server.listeners:
            self._server.listeners.remove(self._listen)
        for task in list(self._tasks):
            task.cancel()

    # -- calls --------------------------------------------------------------------------------------------------------

    async def send(self, method: str, path: str, content_type: str, body: Any, seconds: float) -> _Response:
        """Carry out a call, with everything that may go wrong with it; also if the process is stopped or killed then.

        Args:
            method: of HTTP.
            path: of the object.
            content_type: of the body.
            body: what is sent.
            seconds: how long the answer is waited for.
        """
        if self.is_dead:
            raise asyncio.CancelledError
        answered: asyncio.Future[_Response] = self._loop.create_future()
        call = method, path, body, content_type
        self._loop.call_later(self._random.uniform(0.001, 0.02), self._arrive, call, answered, context=_NOWHERE)
        if not self.name:
            return await answered  # nothing stops this process, and every call is answered at once
        async with asyncio.timeout(seconds):
            return await answered

    def _arrive(self, sent: tuple[str, str, Any, str], answered: "asyncio.Future[_Response]") -> None:
        """Let a call be carried out, and its answer go back."""
        try:
            call = self._server.read(*sent)
            status, answer = self._carry_out(call)
            response = _Response(status, "OK", answer, {"Date": self._server.date()})
        except Denied as denied:
            headers = {"Date": self._server.date()} | denied.headers
            response = _Response(denied.status, denied.reason, answer_of(denied), headers)
        except aiohttp.ClientError as error:
            self._answer(answered.set_exception, answered, error)
            return
        self._answer(answered.set_result, answered, response)

    def _answer(self, tell: Callable[[Any], None], answered: "asyncio.Future[_Response]", what: object) -> None:
        def arrive() -> None:
            if not answered.done():
                tell(what)

        self._loop.call_later(self._random.uniform(0.001, 0.02), arrive, context=_NOWHERE)

    def _carry_out(self, call: Call) -> tuple[int, bytes]:
        if self._loop.time() < self.cut_off_until:
            self._truth.has_troubled = True
            raise aiohttp.ClientConnectionError("no route to host")
        trouble = self._truth.trouble_for(call)
        if trouble is not None and not trouble.is_done:
            raise trouble.error
        self._truth.see_call(call, self.name)
        done = self._server.carry_out(call)
        self._truth.see_done(call)
        if trouble is not None:
            raise aiohttp.ServerDisconnectedError
        return done

    # -- watches ------------------------------------------------------------------------------------------------------

    def silence(self, plurals: tuple[str, ...], seconds: float, *, relists: bool) -> None:
        """Let watches be silent for some time.

        Args:
            plurals: what is watched by them.
            seconds: for how long.
            relists: whether they list anew afterwards, and so tell nothing of what was deleted.
        """
        for plural in plurals:
            self._channels[plural].be_silent(seconds, relists=relists)

    def sees(self, plural: str) -> bool:
        """Whether it is told at the moment of what happens."""
        is_able = not self.is_dead and not self.is_stopped and self.leads and self._may_write()
        return is_able and not self._channels[plural].is_silent

    def _is_watched(self, plural: str, body: Body) -> bool:
        own = body["metadata"].get("labels") or {}
        return plural not in _DEPENDENTS or own.get(labels.MANAGED_BY) == labels.MANAGER

    def _listen(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        del before
        plural = resource.rpartition("/")[2]
        if plural in self._channels and self._is_watched(plural, body):
            self._channels[plural].send(what, body, self._random.choice([0.005, 0.02, 0.1, 0.4]))

    def deliver(self, plural: str, what: str | None, body: Body) -> None:
        """Let the operator see an event."""
        if not self.is_dead:
            self._loop.create_task(self._deliver(plural, what, body), context=self._context)

    async def _deliver(self, plural: str, what: str | None, body: Body) -> None:
        if not self._handlers:
            return  # everything is about to be listed anew
        self._take(plural, what, body)
        await self._handle(plural, what, body)

    def _take(self, plural: str, what: str | None, body: Body) -> None:
        if plural in _DEPENDENTS:
            self.operator.dependents.see(_RESOURCES[plural], what, body)
        for index in self._indexers.get(plural, ()):
            index.take(what, body, self.operator)
        if plural == "pods":
            self._truth.see_shown(body)

    def tell_vanished(self, plural: str) -> None:
        """Let our own watches tell what a new list does not have any more; kopf's tell nothing of it."""
        if plural in _DEPENDENTS and self._handlers and not self.is_dead:
            uids = [body["metadata"]["uid"] for body in self.current(plural)]
            self.operator.dependents.retain(_RESOURCES[plural], None, uids)

    async def _handle(self, plural: str, what: str | None, body: Body) -> None:
        own = body["metadata"].get("labels") or {}
        for function, only in self._handlers.get(plural, ()):
            if all(own.get(name) == value for name, value in only.items()):
                await function(type=what, body=body, memo=self.operator)

    def current(self, plural: str) -> list[Body]:
        """Return what a list shows now."""
        return [body for body in self._server.all(_RESOURCES[plural]) if self._is_watched(plural, body)]

    @property
    def loop(self) -> SimulatedLoop:
        """The time."""
        return self._loop


class _Channel:
    """A watch: events come in order, each with a small delay; or not at all, for a while."""

    def __init__(self, process: OperatorProcess, plural: str) -> None:
        self._process = process
        self._plural = plural
        self._sent: deque[tuple[str, Body]] = deque()
        """What is on its way; several may arrive at the same moment, and the loop keeps no order among those."""
        self._waiting: deque[tuple[str, Body]] = deque()
        self._free_at = 0.0
        self._silent_until = 0.0
        self._relists = False

    @property
    def is_silent(self) -> bool:
        """Whether it tells nothing at the moment."""
        return self._process.loop.time() < self._silent_until

    def send(self, what: str, body: Body, delay: float) -> None:
        loop = self._process.loop
        if loop.time() < self._silent_until:
            self._waiting.append((what, body))
            return
        self._free_at = max(self._free_at, loop.time() + delay)
        self._sent.append((what, body))
        loop.call_at(self._free_at, self._arrive)

    def _arrive(self) -> None:
        if self._sent:  # it was not dropped meanwhile
            self._show(*self._sent.popleft())

    def _show(self, what: str | None, body: Body) -> None:
        if self._process.loop.time() < self._silent_until:
            self._waiting.append((what or "MODIFIED", body))
            return
        self._process.deliver(self._plural, what, body)

    def be_silent(self, seconds: float, *, relists: bool) -> None:
        loop = self._process.loop
        self._silent_until = max(self._silent_until, loop.time() + seconds)
        self._relists = self._relists or relists
        loop.call_at(self._silent_until, self._speak)

    def _speak(self) -> None:
        if self._process.loop.time() < self._silent_until or self._process.is_dead:
            return
        waiting, relists = list(self._waiting), self._relists
        self._waiting.clear()
        self._relists = False
        if not relists:
            for what, body in waiting:
                self._show(what, body)
            return
        self._process.note_list(self._plural)
        for body in self._process.current(self._plural):
            self._show(None, body)
        self._process.tell_vanished(self._plural)

    def forget(self) -> None:
        """Drop what was not shown yet: everything is listed anew."""
        self._sent.clear()
        self._waiting.clear()
        self._silent_until, self._relists = 0.0, False


def _plural(handler: Any) -> str:
    return str(handler.selector.any_name)


def _labels_of(handler: Any) -> dict[str, str]:
    return {name: value for name, value in (handler.labels or {}).items() if isinstance(value, str)}
