"""Databases that hang, lie or forbid, below a case whose server is well: none of it is a failure of the playbook."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.integration.postgres import PostgresServer, running_postgres
from tests.unit.kinds.playbook.recorded_server import RecordedServer, serving

from support.playbook_cases import Outcome, document_of, run_here
from support.recorded_log import Recording
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict

pytestmark = pytest.mark.postgres

_DEPENDENCY = (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
_SLACK_SECONDS = 3.0
_NAME = "hello_world-4.26.0"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this module's own."""
    with running_postgres() as server:
        yield server


class Wire:
    """A connection to a database that can be cut without either end being told."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.is_cut:
                    time.sleep(0.01)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Listen no longer."""
        self._listening.close()


@dataclass
class Scene:
    """A server that shows an execution, and the database that has its log."""

    server: RecordedServer
    recording: Recording
    wire: Wire

    def run(self, playbook: dict[str, Any] | None = None, timeout: str = "20s", **others: Any) -> Outcome:
        """Run a case that reads the log through the wire."""
        dsn = make_conninfo(self.recording.dsn, port=self.wire.port)
        document = document_of(self.server.url, {"path": "testrun/recorded"} | (playbook or {}), timeout=timeout)
        return run_here(document, {"TESTRUN_DSN": dsn} | others)

    def change(self, statement: str) -> None:
        """Change something in the database."""
        with psycopg.connect(self.recording.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def _scene(postgres: PostgresServer, name: str = _NAME, *, is_written: bool = True) -> Iterator[Scene]:
    recording = Recording(name, postgres.dsn(postgres.new_database()))
    recording.at_once()
    recording.create()
    if is_written:
        recording.write()
    wire = Wire(postgres.port)
    try:
        with serving(name) as server:
            yield Scene(server, recording, wire)
    finally:
        wire.is_cut = False
        wire.close()


def _verdict(outcome: Outcome) -> tuple[Verdict, FailureClass | None, Reason]:
    conclusion = outcome.conclusion
    return conclusion.verdict, conclusion.failure_class, conclusion.reason


def test_a_log_that_is_whole_passes(postgres: PostgresServer) -> None:
    """So that what follows is about what goes wrong."""
    with _scene(postgres) as scene:
        outcome = scene.run()
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion


def test_a_database_that_is_cut_off_is_no_playbook_that_takes_too_long(postgres: PostgresServer) -> None:
    """The connection stays open, and nothing comes any more."""
    with _scene(postgres) as scene:

        def cut(_method: str, path: str) -> None:
            scene.wire.is_cut = path == "/api/execute"

        scene.server.disturb = cut
        outcome = scene.run(timeout="4s")
    assert _verdict(outcome) == _DEPENDENCY, outcome.conclusion
    assert outcome.seconds < 4 + _SLACK_SECONDS
    assert outcome.execution.id == scene.server.execution


def test_a_signal_while_the_database_hangs_still_cancels_the_execution(postgres: PostgresServer) -> None:
    """There are some seconds for that, and none for waiting for the database."""
    with _scene(postgres, "slow-4.26.0") as scene:

        def cut(_method: str, path: str) -> None:
            if path == "/api/execute":
                scene.wire.is_cut = True
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

        scene.server.disturb = cut
        began = time.monotonic()
        with pytest.raises(SystemExit):
            scene.run()
        assert time.monotonic() - began < 1 + _SLACK_SECONDS
        assert scene.server.cancelled == [scene.server.execution]


def test_a_query_that_hangs_is_no_playbook_that_takes_too_long(postgres: PostgresServer) -> None:
    """The playbook was over in time, whatever the database does then."""
    with _scene(postgres) as scene:
        outcome = scene.run({"expect": {"sql": [{"name": "slow", "query": "SELECT pg_sleep(60)"}]}}, timeout="4s")
        assert _verdict(outcome) == (Verdict.TIMED_OUT, FailureClass.DEPENDENCY, Reason.CASE_TIMEOUT)
        assert outcome.seconds < 4 + _SLACK_SECONDS


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE noetl.event SET created_at = 'infinity'",
        "ALTER TABLE noetl.event ALTER created_at DROP NOT NULL; UPDATE noetl.event SET created_at = NULL",
        "ALTER TABLE noetl.event DROP COLUMN created_at",
        "ALTER TABLE noetl.event RENAME COLUMN result TO results",
        "DROP TABLE noetl.event",
        "ALTER SCHEMA noetl RENAME TO other",
    ],
)
def test_a_database_that_is_none_of_noetl_is_no_failure(postgres: PostgresServer, change: str) -> None:
    """Tables of a release that nobody knows yet, or rows that are none."""
    with _scene(postgres) as scene:
        scene.change(change)
        outcome = scene.run(timeout="10s")
    assert outcome.conclusion.verdict is Verdict.ERRORED, outcome.conclusion
    assert outcome.conclusion.failure_class in (FailureClass.DEPENDENCY, FailureClass.CONFIGURATION)


@pytest.mark.parametrize(
    "result",
    ["9" * 5000, "[" * 2000 + "]" * 2000, "1e400", '"' + "y" * 2_000_000 + '"', "null"],
    ids=["digits", "nested", "exponent", "long", "null"],
)
def test_results_of_any_shape_are_judged(postgres: PostgresServer, result: str) -> None:
    """What Python cannot hold is left out; the verdict is that of everything else."""
    with _scene(postgres) as scene:
        whole = f'{{"status": "COMPLETED", "context": {{"x": {result}}}}}'
        scene.change(f"UPDATE noetl.event SET result = '{whole}' WHERE event_type = 'step.exit'")
        outcome = scene.run({"expect": {"jmespath": [{"expression": "status", "equals": "Completed"}]}})
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion


def test_a_database_of_another_server_is_said_to_be_one(postgres: PostgresServer) -> None:
    """No event of the execution is there, and none ever comes."""
    with _scene(postgres, is_written=False) as scene:
        outcome = scene.run(timeout="3s")
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.EVENTS_INCOMPLETE)
    assert "is the event log that of this server?" in outcome.conclusion.message


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53200", "53300", "55P03", "57014", "58030", "XX001"])
def test_a_fault_of_the_database_below_a_query_is_no_failure(postgres: PostgresServer, state: str) -> None:
    """A replica that catches up, a disk that is full, an operator who ends what runs: they say nothing of the rows."""
    with _scene(postgres) as scene:
        scene.change(
            "CREATE FUNCTION fault() RETURNS boolean LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'no luck today' USING ERRCODE = '{state}'; END $$"
        )
        outcome = scene.run({"expect": {"sql": [{"name": "unlucky", "query": "SELECT fault()"}]}})
    assert _verdict(outcome) == _DEPENDENCY, outcome.conclusion
    assert "no luck today" in outcome.conclusion.message


def test_a_query_without_the_right_to_ask_is_the_cases_fault(postgres: PostgresServer) -> None:
    """Whoever may not see the rows knows nothing of them."""
    with _scene(postgres) as scene:
        user = postgres.new_user()
        scene.change(f"GRANT USAGE ON SCHEMA noetl TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA noetl TO {user}")
        scene.change("CREATE TABLE orders (paid boolean)")
        scene.recording.dsn = make_conninfo(scene.recording.dsn, user=user)
        outcome = scene.run({"expect": {"sql": [{"name": "paid", "query": "SELECT paid FROM orders"}]}})
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE), outcome.conclusion
    assert "permission denied" in outcome.conclusion.message


def test_a_query_on_what_the_playbook_did_not_make_fails(postgres: PostgresServer) -> None:
    """This one does say something of the playbook."""
    with _scene(postgres) as scene:
        outcome = scene.run({"expect": {"sql": [{"name": "paid", "query": "SELECT paid FROM orders"}]}})
    assert outcome.conclusion.verdict is Verdict.FAILED, outcome.conclusion
