"""A fake server, and the client of it."""

from collections.abc import Iterator

import pytest
from tests.unit.kinds.playbook.server.fake import SECRET, Clock, FakeNoetl, serving

from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.masking import Masker


@pytest.fixture
def fake() -> Iterator[FakeNoetl]:
    """A server of release 4.26.0, until it is told to be another."""
    with serving() as script:
        yield script


@pytest.fixture
def clock() -> Clock:
    """Half a minute, until told otherwise."""
    return Clock()


@pytest.fixture
def server(fake: FakeNoetl, clock: Clock) -> Iterator[NoetlServer]:
    """The client of it."""
    headers = {"Authorization": f"Bearer {SECRET}", "User-Agent": "testrun-operator/test"}
    with NoetlServer(fake.url, headers, Masker([SECRET]), remaining_seconds=clock) as client:
        yield client
