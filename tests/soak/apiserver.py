"""The API server: objects with versions, and the answers to the operator's calls as HTTP.

The operator's own client talks to it, so that what follows from each status code is the operator's, too.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from soak.clock import SimulatedLoop
from support.memory_cluster import merge
from testrun_operator.kube.client import CONFIGMAPS, EVENTS, JOBS, PODS, TESTRUNS
from testrun_operator.resources.status import format_time

Body = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

_PATH = re.compile(
    r"^/(?:api|apis)/(?P<version>v1|[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>status|log))?$"
)
_POD_GRACE = 10
_OK, _CREATED = 200, 201


def copied(value: Any) -> Any:
    """Copy what JSON can hold."""
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    return [copied(part) for part in value] if isinstance(value, list) else value


def merge_of(body: Body) -> Callable[[Body], None]:
    """Return what merges a patch into an object."""
    return lambda target: merge(target, body)


class Denied(Exception):
    """An answer that is no success.

    Args:
        status: of HTTP.
        reason: machine-readable.
        message: in the API server's words.
        headers: more headers.
    """

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the operator."""

    verb: str
    resource: str
    """As the operator's client counts it: with ``/status`` or ``/log`` where it is about that."""
    namespace: str
    name: str | None
    body: Any
    query: Mapping[str, str]
    content_type: str

    @property
    def is_write(self) -> bool:
        """Whether it is to change anything."""
        return self.verb not in {"get", "list"}


Listener = Callable[[str, str, Body, Body | None], None]
"""Called with a resource, ADDED, MODIFIED or DELETED, the object and the object before. Must not change them."""
Guard = Callable[[str, Body], None]
"""Called with a resource and an object that is to be created; raises Denied."""


class ApiServer:
    """The API server.

    Args:
        loop: the time.
        random: for uids.
    """

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self.loop = loop
        self._random = random
        self.objects: dict[str, dict[Key, Body]] = {}
        self.logs: dict[Key, str | Denied] = {}
        self.listeners: list[Listener] = []
        self.guards: list[Guard] = []
        self._version = 0

    # -- objects --------------------------------------------------------------------------------------------------

    def stamp(self) -> str:
        """Return the time as Kubernetes writes it."""
        return format_time(self.loop.now().replace(microsecond=0))

    def all(self, resource: str) -> list[Body]:
        """Return all objects of a resource, the oldest first."""
        return list(self.objects.get(resource, {}).values())

    def find(self, resource: str, namespace: str, name: str) -> Body | None:
        """Return an object, if it exists."""
        return self.objects.get(resource, {}).get((namespace, name))

    def create(self, resource: str, body: Body) -> Body:
        """Store a new object."""
        stored: Body = copied(body)
        metadata = stored["metadata"]
        key = metadata["namespace"], metadata["name"]
        if key in self.objects.get(resource, {}):
            raise Denied(409, "AlreadyExists", f'{resource} "{key[1]}" already exists')
        for guard in self.guards:
            guard(resource, stored)
        metadata["uid"] = f"{self._random.getrandbits(128):032x}"
        metadata["generation"] = 1
        metadata["creationTimestamp"] = self.stamp()
        self._put(resource, key, stored, None)
        uids = {body["metadata"]["uid"] for known in self.objects.values() for body in known.values()}
        for owner in {found["uid"] for found in metadata.get("ownerReferences", ())} - uids:
            self._collect_later(owner)  # which was deleted before
        return stored

    def change(self, resource: str, key: Key, edit: Callable[[Body], None], manager: str = "") -> Body | None:
        """Change an object, if it exists.

        Args:
            resource: what it is.
            key: namespace and name.
            edit: changes a copy of it.
            manager: whose name gets into managedFields with the time, for a status.
        """
        before = self.objects.get(resource, {}).get(key)
        if before is None:
            return None
        after: Body = copied(before)
        edit(after)
        if after == before:
            return before
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        if manager:
            others = [entry for entry in after["metadata"].get("managedFields", []) if entry["manager"] != manager]
            mine = {"manager": manager, "operation": "Update", "subresource": "status", "time": self.stamp()}
            after["metadata"]["managedFields"] = [*others, mine]
        self._put(resource, key, after, before)
        return after

    def _put(self, resource: str, key: Key, body: Body, before: Body | None) -> None:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.objects.setdefault(resource, {})[key] = body
        self._tell(resource, "ADDED" if before is None else "MODIFIED", body, before)

    def remove(self, resource: str, key: Key) -> None:
        """Let an object be gone, and what it owned some time later."""
        body = self.objects.get(resource, {}).pop(key, None)
        if body is None:
            return
        self._tell(resource, "DELETED", body, body)
        self._collect_later(body["metadata"]["uid"])

    def _collect_later(self, owner: str) -> None:
        self.loop.call_later(self._random.uniform(0.1, 1.0), self._collect_garbage, owner)

    def _collect_garbage(self, owner: str) -> None:
        for resource, known in self.objects.items():
            for key, body in list(known.items()):
                if any(found.get("uid") == owner for found in body["metadata"].get("ownerReferences", ())):
                    self.ask_to_go(resource, key)

    def ask_to_go(self, resource: str, key: Key, grace: int = _POD_GRACE) -> None:
        """Delete an object: a pod gets its grace period."""
        if resource != PODS:
            self.remove(resource, key)
            return
        gone_at = format_time((self.loop.now() + timedelta(seconds=grace)).replace(microsecond=0))

        def edit(pod: Body) -> None:
            pod["metadata"].setdefault("deletionTimestamp", gone_at)
            pod["metadata"].setdefault("deletionGracePeriodSeconds", grace)

        self.change(PODS, key, edit)

    def _tell(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        for listener in list(self.listeners):
            listener(resource, what, body, before)

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def read(self, method: str, target: str, body: Any, content_type: str) -> Call:
        """Read what a request wants."""
        split = urlsplit(target)
        found = _PATH.match(split.path)
        if found is None:
            raise Denied(404, "NotFound", f"no such path: {split.path}")
        version, plural, part = found["version"], found["plural"], found["part"]
        resource = f"{version}/{plural}" + (f"/{part}" if part else "")
        verbs = {"POST": "create", "PATCH": "patch", "PUT": "update"}
        read = "get" if found["name"] else "list"
        deleted = "delete" if found["name"] else "deletecollection"
        verb = {"GET": read, "DELETE": deleted}.get(method) or verbs[method]
        query = dict(parse_qsl(split.query))
        return Call(verb, resource, found["namespace"], found["name"], body, query, content_type)

    def carry_out(self, call: Call) -> tuple[int, bytes]:
        """Do what a call wants.

        Returns:
            Status and body of the answer.

        Raises:
            Denied: it is not done.
        """
        key = call.namespace, call.name or ""
        match call.verb:
            case "create":
                body = copied(call.body)
                body["metadata"].setdefault("namespace", call.namespace)
                if call.resource in {JOBS, TESTRUNS, PODS}:
                    body["status"] = {}
                return _CREATED, _json(self.create(call.resource, body))
            case "get" if call.resource.endswith("/log"):
                self._must_find(PODS, key)
                return _OK, self._read_log(key, call.query).encode()
            case "get":
                return _OK, _json(self._must_find(call.resource, key))
            case "list":
                return _OK, _json({"items": self._select(call)})
            case "patch":
                return _OK, _json(self._patch(call, key))
            case "update":
                return _OK, _json(self._update(call, key))
            case "delete":
                self._meet_preconditions(call, self._must_find(call.resource, key))
                self.ask_to_go(call.resource, key)
            case _:
                for body in self._select(call):
                    self.ask_to_go(call.resource, (call.namespace, body["metadata"]["name"]))
        return _OK, b"{}"

    @staticmethod
    def _meet_preconditions(call: Call, body: Body) -> None:
        for field, wanted in (call.body or {}).get("preconditions", {}).items():
            there = body["metadata"][field]
            if wanted != there:
                what = {"uid": "UID", "resourceVersion": "ResourceVersion"}[field]
                message = (
                    f'Operation cannot be fulfilled on {call.resource} "{call.name}": the {what} in the precondition '
                    f"({wanted}) does not match the {what} in record ({there}). The object might have been deleted and "
                    "then recreated"
                )
                raise Denied(409, "Conflict", message)

    def _read_log(self, key: Key, query: Mapping[str, str]) -> str:
        log = self.logs.get(key, "")
        if isinstance(log, Denied):
            raise log
        lines = log.splitlines(keepends=True)
        text = "".join(lines[-int(query["tailLines"]) :]) if "tailLines" in query else log
        return text[: int(query["limitBytes"])] if "limitBytes" in query else text

    def _must_find(self, resource: str, key: Key) -> Body:
        body = self.objects.get(resource, {}).get(key)
        if body is None:
            raise Denied(404, "NotFound", f'{resource} "{key[1]}" not found')
        return body

    def _select(self, call: Call) -> list[Body]:
        wanted = _selector(call.query.get("labelSelector", ""))
        fields = _selector(call.query.get("fieldSelector", ""))
        found = []
        for (namespace, _), body in self.objects.get(call.resource, {}).items():
            own = body["metadata"].get("labels") or {}
            if namespace != call.namespace or any(own.get(name) != value for name, value in wanted.items()):
                continue
            about = {f"involvedObject.{name}": value for name, value in body.get("involvedObject", {}).items()}
            about |= {"type": body.get("type"), "reason": body.get("reason"), "metadata.name": body["metadata"]["name"]}
            if all(about.get(name) == value for name, value in fields.items()):
                found.append(body)
        return found

    def _patch(self, call: Call, key: Key) -> Body:
        resource, _, part = call.resource.partition("/status")
        is_status = call.resource.endswith("/status")
        del part
        before = self._must_find(resource, key)
        if isinstance(call.body, list):
            if is_status:
                return self._write_status(resource, key, before, call.body)
            patch = {"spec": {"template": call.body[0]["value"]}}
        else:
            patch = copied(call.body)
            wanted = patch.get("metadata", {}).pop("resourceVersion", None)
            if wanted is not None and wanted != before["metadata"]["resourceVersion"]:
                message = f'Operation cannot be fulfilled on {resource} "{key[1]}": the object has been modified'
                raise Denied(409, "Conflict", message)
        if is_status:
            patch = {"status": patch.get("status", {})}
        elif resource in {JOBS, TESTRUNS}:
            patch.pop("status", None)
        if resource == CONFIGMAPS and before.get("immutable") and (patch.keys() & {"data", "binaryData"}):
            raise Denied(422, "Invalid", "the data of an immutable ConfigMap may not be changed")
        after = self.change(resource, key, merge_of(patch))
        assert after is not None
        return after

    def _write_status(self, resource: str, key: Key, before: Body, operations: list[Body]) -> Body:
        test, *writes = operations
        if before["metadata"]["uid"] != test["value"]:
            raise Denied(422, "Invalid", "the server rejected our request due to an error in our request")

        def edit(body: Body) -> None:
            for write in writes:
                field = write["path"].removeprefix("/status").removeprefix("/")
                body["status"] = body.get("status", {}) | {field: write["value"]} if field else copied(write["value"])

        after = self.change(resource, key, edit)
        assert after is not None
        return after

    def _update(self, call: Call, key: Key) -> Body:
        before = self._must_find(call.resource, key)
        if call.body["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise Denied(409, "Conflict", f'{call.resource} "{key[1]}": the object has been modified')

        def edit(body: Body) -> None:
            body.clear()
            body.update(copied(call.body))

        after = self.change(call.resource, key, edit)
        assert after is not None
        return after

    def date(self) -> str:
        """Return the time as HTTP's header Date has it."""
        return format_datetime(self.loop.now(), usegmt=True)


def answer_of(denied: Denied) -> bytes:
    """Render an answer that is no success, as the API server does."""
    answer: Body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": str(denied),
        "reason": denied.reason,
        "code": denied.status,
    }
    return _json(answer)


def is_event(resource: str) -> bool:
    """Whether objects of a resource tell of something, and change nothing."""
    return resource == EVENTS


def _selector(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in text.split(",") if part)
    return {name: value for name, _, value in parts}


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
