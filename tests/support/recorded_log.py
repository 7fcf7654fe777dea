"""Recorded executions of NoETL that are written into a real PostgreSQL once more, row by row, in time or late."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from tests.unit.kinds.playbook.replay import TIMELINES

from testrun_operator.kinds.playbook.execution.log import Dialect

_EVENT = """
    execution_id BIGINT, catalog_id BIGINT NOT NULL, event_id BIGINT, parent_event_id BIGINT,
    parent_execution_id BIGINT, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, event_type VARCHAR,
    node_id VARCHAR, node_name VARCHAR, node_type VARCHAR, status VARCHAR, duration DOUBLE PRECISION, context JSONB,
    result JSONB, meta JSONB, error TEXT, current_index INTEGER, current_item TEXT, worker_id VARCHAR,
    distributed_state VARCHAR, context_key VARCHAR, context_value TEXT, trace_component JSONB, stack_trace TEXT,
    PRIMARY KEY (execution_id, event_id)
"""
_QUEUE = """
    queue_id BIGINT PRIMARY KEY, execution_id BIGINT NOT NULL, node_id VARCHAR NOT NULL, context JSONB,
    status TEXT NOT NULL, attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, available_at TIMESTAMPTZ,
    lease_until TIMESTAMPTZ, parent_execution_id BIGINT, node_name VARCHAR, UNIQUE(execution_id, node_id)
"""
_COMMAND = """
    command_id BIGINT NOT NULL, execution_id BIGINT NOT NULL, parent_execution_id BIGINT, step_name TEXT NOT NULL,
    tool_kind TEXT, status TEXT NOT NULL, attempt INT, loop_event_id TEXT, error TEXT,
    PRIMARY KEY (execution_id, command_id)
"""
_EXECUTION = """
    execution_id BIGINT PRIMARY KEY, parent_execution_id BIGINT, status VARCHAR NOT NULL, last_event_type VARCHAR,
    start_time TIMESTAMPTZ, end_time TIMESTAMPTZ, error TEXT, updated_at TIMESTAMPTZ NOT NULL DEFAULT now(), state JSONB
"""
_SHAPE = """
    CHECK (result IS NULL OR (jsonb_typeof(result) = 'object' AND result ? 'status'
           AND (result - 'status' - 'reference' - 'context') = '{}'::jsonb))
"""
_INDEX = "CREATE INDEX ON noetl.event (parent_execution_id)"
_TABLES = {
    "1": [f"CREATE TABLE noetl.event ({_EVENT})", _INDEX, f"CREATE TABLE noetl.queue ({_QUEUE})"],
    "2": [f"CREATE TABLE noetl.event ({_EVENT})", _INDEX],
    "4": [
        f"CREATE TABLE noetl.event ({_EVENT}, {_SHAPE}) PARTITION BY RANGE (execution_id)",
        "CREATE TABLE noetl.event_default PARTITION OF noetl.event DEFAULT",
        "ALTER TABLE noetl.event ADD COLUMN command_id BIGINT",
        _INDEX,
        f"CREATE TABLE noetl.command ({_COMMAND}) PARTITION BY HASH (execution_id)",
        "CREATE TABLE noetl.command_p00 PARTITION OF noetl.command FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE noetl.command_p01 PARTITION OF noetl.command FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        f"CREATE TABLE noetl.execution ({_EXECUTION})",
    ],
}
_KEYS = {"event": "event_id", "queue": "queue_id", "command": "command_id", "execution": "execution_id"}
# Those in Rust work on the tables of the last release of the Python package.
_TABLES["rust-3"] = _TABLES["4"]
DIALECTS = {"1": Dialect.QUEUE, "2": Dialect.COMMAND, "4": Dialect.BATCH, "rust-3": Dialect.RUST}


@dataclass
class Recording:
    """A timeline that is written into a database at its own speed, or faster, and each row as late as one likes."""

    name: str
    dsn: str
    delays: list[float] = field(default_factory=list)
    """Seconds by which each row is late; none is, where there are none."""
    speed: float = 1.0
    """How many times faster than it was recorded."""
    last_written: float = 0.0
    """When the last row of all was written, by the clock ``time.monotonic``."""
    last_event_written: float = 0.0
    """The same of the last event."""
    written_events: list[int] = field(default_factory=list)
    """The ids of the events in the order in which they were written."""

    def __post_init__(self) -> None:
        self.document: dict[str, Any] = json.loads((TIMELINES / f"{self.name}.json").read_text())
        self.era = self.document["release"].partition(".")[0]
        self.dialect = DIALECTS[self.era]
        self.root = int(self.document["executionId"])
        self.rows = [row for row in self.document["rows"] if row["table"] in _KEYS]

    def at_once(self) -> None:
        """Have everything written as fast as it goes."""
        self.rows = [{**row, "atMs": 0} for row in self.rows]
        self.delays = []

    def create(self) -> None:
        """Make the tables, as its release has them."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA noetl")
            for statement in _TABLES[self.era]:
                connection.execute(statement.encode())

    def write(self) -> None:
        """Write each row when it is due, and note when the last was there."""
        delays = self.delays or [0.0] * len(self.rows)
        due = sorted(
            (
                (row["atMs"] / 1000 / self.speed + delay, number)
                for number, (row, delay) in enumerate(zip(self.rows, delays, strict=True))
            )
        )
        began = time.monotonic()
        versions: dict[tuple[str, str], int] = {}
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for seconds, number in due:
                table, row = self.rows[number]["table"], self.rows[number]["row"]
                identity = (table, row[_KEYS[table]])
                if versions.get(identity, -1) > number:
                    continue  # overtaken by a later version of the same row
                versions[identity] = number
                time.sleep(max(0.0, began + seconds - time.monotonic()))
                self._put(connection, table, row)
                self.last_written = time.monotonic()
                if table == "event":
                    self.last_event_written = self.last_written
                    self.written_events.append(int(row["event_id"]))

    def _put(self, connection: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
        key = _KEYS[table]
        extra = {"catalog_id": 1} if table == "event" else {}
        extra = {"updated_at": "2026-01-01T00:00:00Z"} if table == "execution" else extra
        with connection.transaction():
            connection.execute(f"DELETE FROM noetl.{table} WHERE {key} = %s".encode(), [int(row[key])])
            connection.execute(
                f"INSERT INTO noetl.{table} SELECT * FROM jsonb_populate_record(NULL::noetl.{table}, %s)".encode(),
                [json.dumps({**row, **extra})],
            )
