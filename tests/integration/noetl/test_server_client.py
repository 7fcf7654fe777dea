"""The client against real NoETL servers of the three generations."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.noetl import NoetlServer as RealNoetl
from testrun_operator.runner.masking import Masker
from testrun_operator.runner.playbook.log import Dialect
from testrun_operator.runner.playbook.server.client import NoetlServer
from testrun_operator.runner.playbook.server.starting import time_of

pytestmark = pytest.mark.postgres

_PLAYBOOKS = Path(__file__).parent / "playbooks"
_DIALECTS = {"1.8.0": Dialect.QUEUE, "2.5.5": Dialect.COMMAND, "4.26.0": Dialect.BATCH}


@pytest.fixture
def server(noetl: RealNoetl) -> Iterator[NoetlServer]:
    """The client."""
    with NoetlServer(noetl.url, {}, Masker([]), remaining_seconds=lambda: 60.0) as client:
        yield client


def _playbook(noetl: RealNoetl, name: str) -> str:
    return (_PLAYBOOKS / noetl.release.version / f"{name}.yaml").read_text()


def test_a_playbook_is_registered_found_and_started(noetl: RealNoetl, server: NoetlServer) -> None:
    """The way of every case."""
    assert server.dialect() is _DIALECTS[noetl.release.version]
    registered = server.register(_playbook(noetl, "hello_world"), "hello_world.yaml")
    assert registered.path == "testrun/hello_world"
    assert server.find("testrun/hello_world", None) == registered
    assert server.register(_playbook(noetl, "hello_world"), "hello_world.yaml") == registered
    started = server.start(registered, {"name": "you"}, None)
    assert abs(time_of(started.execution) - time.time()) < 5
    assert server.get(f"/api/executions/{started.execution}", {}) is not None
    assert server.page_of(started.execution) is None
