"""The NoETL that the other tests use is real: it runs playbooks, writes events, and can be disturbed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.noetl import NoetlServer

_PLAYBOOKS = Path(__file__).parent / "playbooks"
_ENDS = ("playbook.completed", "playbook.failed")
_SECONDS = 60.0

pytestmark = pytest.mark.postgres


def _events(noetl: NoetlServer, execution: str) -> list[str]:
    """Give the types of an execution's events, as the role sees them that may only read."""
    with psycopg.connect(noetl.events_dsn) as connection:
        rows = connection.execute(
            "SELECT event_type FROM noetl.event WHERE execution_id = %s ORDER BY event_id", [int(execution)]
        )
        return [str(kind).replace("_", ".") for (kind,) in rows]


def _wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def _end(noetl: NoetlServer, execution: str) -> str:
    """Wait for the first event that says how a playbook ended."""
    ends: list[str] = _wait_for(lambda: [kind for kind in _events(noetl, execution) if kind in _ENDS])
    return ends[0]


def _start(noetl: NoetlServer, name: str) -> str:
    noetl.register((_PLAYBOOKS / noetl.release.version / f"{name}.yaml").read_text())
    return noetl.execute(f"testrun/{name}")


@pytest.mark.parametrize(("name", "end"), [("hello_world", "playbook.completed"), ("late_failure", "playbook.failed")])
def test_a_playbook_runs_to_its_end(noetl: NoetlServer, name: str, end: str) -> None:
    """Server, worker, database and, where it is wanted, NATS work together."""
    # For those in Rust a program that fails is a result.
    expected = "playbook.completed" if noetl.release.version.startswith("rust") else end
    assert expected == _end(noetl, _start(noetl, name))


def test_the_reader_reads_events_and_no_passwords(noetl: NoetlServer) -> None:
    """The role for `dsnFrom` is as small as it can be: NoETL keeps passwords in a table beside the events."""
    with psycopg.connect(noetl.events_dsn, autocommit=True) as connection:
        for statement in ("SELECT * FROM noetl.credential", "DELETE FROM noetl.event", "CREATE TABLE noetl.mine ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_without_a_worker_nothing_claims_the_first_step_until_there_is_one_again(noetl: NoetlServer) -> None:
    """What a dead worker looks like, which a case has to tell from a slow playbook."""
    noetl.stop_workers()
    try:
        execution = _start(noetl, "start_with_action")
        _wait_for(lambda: _events(noetl, execution))
        assert not {"command.claimed", "action.started"} & set(_events(noetl, execution))
    finally:
        noetl.start_workers()
    assert _end(noetl, execution) == "playbook.completed"


def test_a_server_that_was_killed_comes_back_with_what_it_had(noetl: NoetlServer) -> None:
    """The event log outlives the server, and new playbooks run."""
    before = _start(noetl, "hello_world")
    _end(noetl, before)
    events = _events(noetl, before)
    noetl.stop_server(kill=True)
    noetl.start_server()
    assert events == _events(noetl, before)[: len(events)]
    assert _end(noetl, _start(noetl, "hello_world")) == "playbook.completed"
