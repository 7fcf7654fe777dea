"""What kopf keeps of each object that it has seen, and what of that is needed: nothing, once an execution is stored.

kopf keeps a memory of every object for handlers that we do not have, and each index keeps its values until the object
is deleted. With the Jobs and pods of a day's runs, that is most of what the operator would need.
"""

from typing import Any

from kopf._core.engines.indexing import Index
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

_SPEC = ("suspend", "nodeName", "activeDeadlineSeconds", "readinessGates", "initContainers")
"""What is read of the spec of a Job or a pod (``kube/observe.py``)."""


class NoMemories(ResourceMemories):
    """kopf's memories of objects, without any: a handler for events or for an index leaves nothing to remember.

    It is also the first to see an object, before kopf queues up the objects of a list until all are indexed; so here
    is left out what nobody reads.
    """

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a new memory, and take out of the object what nobody reads."""
        strip(raw_body)
        return await super().recall(raw_body, **(options | {"ephemeral": True}))


def strip(body: dict[str, Any]) -> None:
    """Take out of a Job or a pod what nobody reads: most of the spec, and which fields were written by whom."""
    if body.get("kind") not in {"Job", "Pod"}:
        return
    metadata, spec = body["metadata"], body.get("spec") or {}
    body["spec"] = {name: spec[name] for name in _SPEC if name in spec}
    if "managedFields" in metadata:
        metadata["managedFields"] = [
            {name: value for name, value in entry.items() if name != "fieldsV1"} for entry in metadata["managedFields"]
        ]


def forget_values(index: object, key: object) -> None:
    """Take all values of a key out of one of kopf's indices, though their objects still exist."""
    if isinstance(index, Index) and key in index:
        for owner in list(vars(index[key])["_Store__items"]):
            index._discard(owner)  # noqa: SLF001 - kopf does so itself only when an object is deleted
