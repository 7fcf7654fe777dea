"""All objects of one resource, as a thread keeps them current: what the name server and the provisioner look at."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from typing import Any

from native.api_client import ApiClient, ApiError, JsonObject

RETRY_SECONDS = 0.5

ObjectKey = tuple[str, str]
"""Namespace, empty for what is in none, and name."""


def key_of(item: Mapping[str, Any]) -> ObjectKey:
    """Namespace and name of an object."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Collection:
    """All objects of one resource, kept current by a thread that lists and then watches."""

    def __init__(self, client: ApiClient, *, path: str, changed: threading.Event) -> None:
        """`changed` is set whenever the objects are not what they were."""
        self._client = client
        self._path = path
        self._changed = changed
        self._items: dict[ObjectKey, JsonObject] = {}
        self._lock = threading.Lock()
        self.listed = threading.Event()

    def start(self) -> None:
        """Begin to follow; the thread ends with the process."""
        threading.Thread(target=self._follow, name=self._path, daemon=True).start()

    def items(self) -> dict[ObjectKey, JsonObject]:
        """A copy of what is known now."""
        with self._lock:
            return dict(self._items)

    def _follow(self) -> None:
        while True:
            try:
                version = self._list()
                self._watch(version)
            except (OSError, ApiError, ValueError, http.client.HTTPException) as error:
                # The API server may be starting, restarting or overloaded; names that are known stay known.
                print(f"{self._path}: {error}; trying again", flush=True)
                time.sleep(RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._client.request("GET", self._path)
        with self._lock:
            self._items = {key_of(item): item for item in answer.get("items") or []}
        self.listed.set()
        self._changed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        for event in self._client.watch(f"{self._path}?resourceVersion={version}"):
            kind, item = event["type"], event["object"]
            if kind == "BOOKMARK":
                continue
            if kind == "ERROR":
                # Usually 410: the version is too old by now. A new list is the cure for every such error.
                return
            with self._lock:
                if kind == "DELETED":
                    self._items.pop(key_of(item), None)
                else:
                    self._items[key_of(item)] = item
            self._changed.set()
