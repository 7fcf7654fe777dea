"""What kopf would keep of each run and suite that it has seen, and what of that is needed: nothing."""

from typing import Any

from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory


class NoMemories(ResourceMemories):
    """kopf's memories of objects, without any: a handler for events or for an index leaves nothing to remember.

    It is also the first to see an object, before kopf holds all of a list until the last one is indexed. So what nobody
    reads is left out here: which fields were written by whom is often the larger part of a run.
    """

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a new memory, and take ``metadata.managedFields`` out of the object."""
        raw_body["metadata"].pop("managedFields", None)
        return await super().recall(raw_body, **(options | {"ephemeral": True}))
