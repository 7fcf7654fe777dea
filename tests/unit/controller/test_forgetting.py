"""What kopf is kept from keeping, on kopf's own class."""

from typing import Any

from testrun_operator.controller.forgetting import NoMemories


async def test_kopf_remembers_no_object() -> None:
    """There may be thousands of runs that have ended."""
    memories = NoMemories()
    body: Any = {"metadata": {"name": "nightly", "namespace": "team", "uid": "1", "managedFields": [{"manager": "x"}]}}
    await memories.recall(body, noticed_by_listing=True)
    assert list(memories.iter_all_memories()) == []
    assert body["metadata"] == {"name": "nightly", "namespace": "team", "uid": "1"}
    await memories.forget(body)
