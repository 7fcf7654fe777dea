"""The cluster of a test."""

import pytest

from support.memory_cluster import MemoryCluster
from unit.controller.process import MemoryStore


@pytest.fixture
def cluster() -> MemoryCluster:
    """Return an empty cluster at noon."""
    return MemoryCluster()


@pytest.fixture
def store() -> MemoryStore:
    """Return an empty Postgres that answers."""
    return MemoryStore()
