"""Whether the watches are alive, what they are refused, and when one of kopf's had to begin anew.

kopf tells none of it. It talks to the API server by a session of ours, so that each of its requests is seen here
(``docs/decisions/0025-watches-are-watched.md``). Our own (``controller/dependents.py``) are told of by themselves.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import aiohttp
import kopf

from testrun_operator.controller import metrics
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    SERVICES,
    TESTRUNS,
    TESTSUITES,
    KubernetesClient,
)

WATCHED = (TESTRUNS, TESTSUITES, JOBS, PODS, CONFIGMAPS, SERVICES, DEPLOYMENTS)
"""What is watched, as the client names it."""
_OF_KOPF = tuple(resource.rpartition("/")[2] for resource in (TESTRUNS, TESTSUITES))
WATCH_SECONDS = 10
"""How long a watch lasts until the API server ends it, and kopf goes on with another one: its end is a sign of life.
Before it comes a bookmark, so that the next one begins where this one was."""
SILENCE_SECONDS = 15.0
"""How long a watch may bring nothing, not even its end, until kopf connects anew."""
LONGEST_SILENCE_SECONDS = 60.0
"""How long nothing may be heard of a watch, while the API server answers otherwise, until the process is unhealthy."""
_WATCHES_PER_SECOND = 5
"""How many watches may begin anew in a second; with many namespaces each lasts longer."""
_CONNECT_SECONDS = 5.0
_LIST_SECONDS = 60.0
_LOGIN_SECONDS = 1.0
_RECHECK_SECONDS = 30.0
_OK, _FORBIDDEN = 200, 403
_BACKOFFS = (1, 1, 2, 3, 5, 8)
_LONGEST_BACKOFF = 10
_logger = logging.getLogger(__name__)


class EndlessBackoffs:
    """The delays after which kopf asks again, without an end: an outage is ridden out, however long it takes."""

    def __iter__(self) -> Iterator[float]:
        """Yield seconds, growing to ten and then staying there."""
        yield from _BACKOFFS
        while True:
            yield _LONGEST_BACKOFF


def watch_seconds(namespaces: int) -> int:
    """Return after how many seconds the API server ends a watch.

    Args:
        namespaces: how many namespaces are watched; 1 for the whole cluster.
    """
    return max(WATCH_SECONDS, namespaces * len(WATCHED) // _WATCHES_PER_SECOND)


def set_up_watching(settings: kopf.OperatorSettings, namespaces: int) -> None:
    """Set kopf's time limits, each with the reason why it is not the default.

    Args:
        settings: kopf's settings.
        namespaces: how many namespaces are watched; 1 for the whole cluster.
    """
    seconds = watch_seconds(namespaces)
    settings.watching.server_timeout = seconds  # an idle watch would be as silent as a dead one for up to an hour
    settings.watching.inactivity_timeout = seconds + SILENCE_SECONDS - WATCH_SECONDS  # 70 seconds else
    settings.watching.connect_timeout = _CONNECT_SECONDS  # packets that are dropped would cost minutes
    settings.networking.connect_timeout = _CONNECT_SECONDS
    settings.networking.request_timeout = _LIST_SECONDS  # five minutes else
    settings.networking.error_backoffs = EndlessBackoffs()  # 54 seconds of 5xx or 403 would end the process


@dataclass(frozen=True, slots=True)
class _Watch:
    resource: str
    """Plural, as in ``jobs``."""
    namespace: str
    """Empty for all."""

    def __str__(self) -> str:
        return self.resource + (f" in namespace {self.namespace}" if self.namespace else "")


class WatchSupervisor:
    """Sees each request of kopf.

    Args:
        answers: whether the API server answers the operator's other calls.
    """

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._heard: dict[_Watch, float] = {}
        self._lists: Counter[_Watch] = Counter()
        self._refused: set[_Watch] = set()
        self._logged_in_at = 0.0
        self.restart = asyncio.Event()
        """Set when everything has to be read anew: a watch began with a new list, and nobody tells what has gone since
        the one before; or rights that were missing are there."""
        self._awaited: set[_Watch] = set()
        self.listed = asyncio.Event()
        """Set when kopf has listed all that it lists, and watches it."""

    def begin(self, namespaces: Collection[str] = ()) -> None:
        """Take note that everything is listed anew.

        Args:
            namespaces: where; none for the whole cluster.
        """
        self._heard.clear()
        self._lists.clear()
        self.restart.clear()
        self.listed.clear()
        self._awaited = {_Watch(plural, place) for plural in _OF_KOPF for place in namespaces or ("",)}

    async def log_in(self, found: kopf.ConnectionInfo | None) -> kopf.AiohttpSession | None:
        """Make the session of kopf from credentials that were found; called again after each 401."""
        if found is None:
            return None
        now = asyncio.get_running_loop().time()
        # A token may be refused for a while, and another one is not to be had before: not too often.
        await asyncio.sleep(max(0.0, self._logged_in_at + _LOGIN_SECONDS - now))
        self._logged_in_at = asyncio.get_running_loop().time()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
            headers=found.as_http_headers(),
            proxy=found.proxy_url,
            trust_env=found.trust_env,
            middlewares=(self.see,),
        )
        return kopf.AiohttpSession(
            server=found.server,
            default_namespace=found.default_namespace,
            expiration=found.expiration,
            aiohttp_session=session,
        )

    async def see(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Pass a request on, and take note of what is answered."""
        response = await handler(request)
        if request.method == "GET" and (watch := _watch_of(request.url.path)) is not None:
            # A list comes in pieces; it is the first one that begins another list.
            is_new_list = not {"watch", "continue"} & request.url.query.keys()
            self._note(watch, response.status, is_new_list=is_new_list)
            if response.status == _OK and "watch" in request.url.query:
                self._awaited.discard(watch)
                if not self._awaited:
                    self.listed.set()
        return response

    def note_answer(self, resource: str, namespace: str, status: int) -> None:
        """Take note of what is answered to one of our own lists and watches.

        Args:
            resource: as the client names it.
            namespace: where; empty for everywhere.
            status: the HTTP status.
        """
        self._note(_Watch(resource.rpartition("/")[2], namespace), status, is_new_list=False)

    def _note(self, watch: _Watch, status: int, *, is_new_list: bool) -> None:
        if status != _OK:
            metrics.WATCH_FAILURES.labels(resource=watch.resource, status=str(status)).inc()
            if status == _FORBIDDEN:
                self.note_refusal(watch.namespace, watch.resource)
            return
        self._heard[watch] = asyncio.get_running_loop().time()
        self.note_right(watch.namespace, watch.resource)
        if is_new_list:
            self._lists[watch] += 1
            if self._lists[watch] > 1:
                _logger.warning("the watch of %s began anew; everything is read again", watch)
                self.restart.set()

    def note_refusal(self, namespace: str, resource: str) -> None:
        """Take note, and tell once, that the operator may not watch something."""
        watch = _Watch(resource, namespace)
        if watch not in self._refused:
            self._refused.add(watch)
            metrics.WATCH_REFUSED.labels(namespace=namespace, resource=resource).set(1)
            _logger.error("the operator lacks the right to list and watch %s; is there a RoleBinding?", watch)

    def note_right(self, namespace: str, resource: str) -> None:
        """Take note that the operator may watch something; tell it if it was not so before."""
        watch = _Watch(resource, namespace)
        if watch in self._refused:
            self._refused.discard(watch)
            metrics.WATCH_REFUSED.remove(namespace, resource)
            _logger.info("the operator has the right to list and watch %s now", watch)

    def silence(self) -> dict[str, float]:
        """Return for how many seconds nothing was heard of a watch, by resource; of several, the most silent one."""
        now = asyncio.get_running_loop().time()
        silence: dict[str, float] = {}
        for watch, heard_at in self._heard.items():
            silence[watch.resource] = max(silence.get(watch.resource, 0.0), now - heard_at)
        return silence

    def problem(self) -> str:
        """Say which watches are silent though the API server answers: only another process can mend that.

        Returns:
            An empty text if there are none. While the API server does not answer, a restart would not help.
        """
        if not self._answers():
            return ""
        silent = [resource for resource, seconds in self.silence().items() if seconds > LONGEST_SILENCE_SECONDS]
        return f"no sign of life from the watches of {', '.join(sorted(silent))}" if silent else ""

    async def usable(self, client: KubernetesClient, namespaces: Iterable[str]) -> tuple[str, ...]:
        """Return the namespaces in which the operator may watch everything; tell of the others what is missing.

        kopf would not begin before it has listed everything, and so a right that is missing in one namespace would hold
        up all of them.
        """
        return tuple([namespace for namespace in namespaces if await self._may_watch(client, namespace)])

    async def wait_for_rights(self, client: KubernetesClient, namespaces: Iterable[str]) -> None:
        """Ask from time to time for the rights in namespaces that lack some, and set ``restart`` when one has them."""
        missing = tuple(namespaces)
        while missing:
            await asyncio.sleep(_RECHECK_SECONDS)
            if await self.usable(client, missing):
                self.restart.set()
                return

    async def _may_watch(self, client: KubernetesClient, namespace: str) -> bool:
        allowed = True
        for resource in WATCHED:
            plural = resource.rpartition("/")[2]
            try:
                await client.list(resource, namespace, limit="1")
            except Refused as error:
                if error.status != _FORBIDDEN:
                    raise
                self.note_refusal(namespace, plural)
                allowed = False
            except ClusterUnavailable as error:
                _logger.warning("whether %s in namespace %s may be watched is not known: %s", plural, namespace, error)
                return False
            else:
                self.note_right(namespace, plural)
        return allowed


def _watch_of(path: str) -> _Watch | None:
    """Return what a request for a path lists or watches; None if it is another one."""
    match [part for part in path.split("/") if part]:
        case ["api", _, plural] | ["apis", _, _, plural]:
            return _Watch(plural, "")
        case ["api", _, "namespaces", namespace, plural] | ["apis", _, _, "namespaces", namespace, plural]:
            return _Watch(plural, namespace)
    return None
