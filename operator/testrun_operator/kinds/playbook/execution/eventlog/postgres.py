"""Reads event logs from NoETL's database: all that there is of an execution at one moment, in one snapshot."""

import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composable, Identifier
from psycopg.types.json import set_json_loads
from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.eventlog.event_cache import (
    MAX_RESULT_BYTES,
    EventCache,
    EventCaches,
    belongs,
)
from testrun_operator.kinds.playbook.execution.eventlog.rows import (
    commanded_work_of,
    queued_work_of,
    read_json,
    server_state_of,
)
from testrun_operator.kinds.playbook.execution.eventlog.rust import event_reader
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, ServerState, Work, WorkState
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

GRACE_SECONDS: Final = 30.0
"""For so long a database may be away: it is being restarted, or another takes its place."""

_CONNECT_SECONDS: Final = 5
_STATEMENT_MILLISECONDS: Final = 20_000
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0
_LONGEST_ERROR: Final = 20_000
_MAX_RESULTS_BYTES: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 2000
"""So many events are taken at once: they are larger in the form in which they come."""
_MAX_JSON_BYTES: Final = 16 * 1024 * 1024
_LONGEST_RESULT_THEN: Final = 512
"""When so much was read, only short results are kept: a pod has not the memory for all those of a long loop."""

_WATCHFUL: Final = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""So a connection is found to be dead whose other end went away without a word, as with a node that is lost."""

_Connection = psycopg.Connection[dict[str, Any]]
_T = TypeVar("_T")

_COLUMNS: Final = """
    SELECT c.relname AS table_name, a.attname AS column_name
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname IN ('event', 'queue', 'command', 'execution')
      AND a.attnum > 0 AND NOT a.attisdropped
"""
# Of a result that is too large is kept what tells whether the log is complete.
_EVENTS: Final = """
    SELECT event_id, execution_id, event_type, status, node_name, node_id, created_at, parent_execution_id,
           left(error, {longest_error}) AS error, {command} AS command_id, {previous} AS prev_event_id,
           jsonb_build_object('command_id', meta->'command_id', 'batch_request_id', meta->'batch_request_id') AS meta,
           CASE
               WHEN result IS NULL OR octet_length(result::text) <= {longest_result} THEN result
               ELSE jsonb_build_object(
                   'status', result->'status',
                   'execution_id', result->'execution_id',
                   'context', jsonb_build_object(
                       'execution_id', result->'context'->'execution_id',
                       'loop_event_id', result->'context'->'loop_event_id',
                       'request_id', result->'context'->'request_id'
                   ),
                   'leftOut', octet_length(result::text)
               )
           END AS result
    FROM {event}
    WHERE execution_id = %s
"""


class PostgresEventLog:
    """Reads the event logs of executions from the tables of NoETL's database.

    Events are read once each, as their rows never change. Whether there are more than are known is asked by their
    number, so that a row is found whenever it comes, and whatever its id is. The connection is opened when it is
    needed, and again when it is lost.

    Args:
        dsn: where the database is, as libpq wants it.
        dialect: the generation of NoETL that writes it.
        schema: the schema of its tables.
        grace: seconds for which the database may be away, and be asked again.

    Raises:
        InvalidCase: the DSN cannot be read.
    """

    def __init__(self, dsn: str, dialect: Dialect, *, schema: str = "noetl", grace: float = GRACE_SECONDS) -> None:
        try:
            parts = conninfo_to_dict(dsn)
        except psycopg.Error:
            # The library's message repeats what it cannot read, and with it the password.
            raise InvalidCase("playbook.connection", "the DSN of the event log is none of PostgreSQL") from None
        self._dsn = make_conninfo(dsn, **{name: value for name, value in _WATCHFUL.items() if name not in parts})
        self._dialect = dialect
        self._event_of = event_reader(dialect)
        self._schema = schema
        self._grace = grace
        self._masker = Masker([dsn, str(parts.get("password") or "")])
        self._place = f"{parts.get('host') or parts.get('hostaddr') or 'the local machine'}"
        self._connection: _Connection | None = None
        self._tables: dict[str, set[str]] = {}
        self._json_bytes = 0
        self._caches = EventCaches()
        self._ended: dict[int, Work] = {}
        self._server_states: dict[int, tuple[str, ServerState]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def newest(self, *, until: float = math.inf) -> int:
        """Give the newest execution that there is, whoever started it; 0 where there is none.

        Args:
            until: when to give up at the latest, by the clock ``time.monotonic``.

        Raises:
            CannotJudge: as of :meth:`read`.
        """
        return self._with_retries(self._read_newest, until)

    def read(self, root: int, *, until: float = math.inf) -> Log:
        """Read what can be seen of an execution and of all that it started, at one moment.

        Args:
            root: the execution.
            until: when to give up at the latest, by the clock ``time.monotonic``.

        Raises:
            CannotJudge: the database did not answer for the whole time of grace, or lacks the tables, or they must not
                be read, or there is too much in them.
        """
        cache = self._caches.of(root)
        return self._with_retries(lambda connection: self._read(connection, cache), until)

    def _with_retries(self, action: Callable[[_Connection], _T], until: float) -> _T:
        started = time.monotonic()
        until = min(until, started + self._grace)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._in_snapshot(action)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable) as error:
                raise InvalidCase("playbook.connection", f"the event log cannot be read: {self._say(error)}") from None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                if time.monotonic() + pause > until:
                    seconds = time.monotonic() - started
                    raise ConnectionFailed(
                        f"the database of the event log, {self._place}, did not answer for {seconds:.0f} s: "
                        f"{self._say(error)}"
                    ) from None
            except (psycopg.Error, ValueError) as error:
                raise ConnectionFailed(f"the event log cannot be read: {self._say(error)}") from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _say(self, error: Exception) -> str:
        return self._masker.excerpt(str(error) or type(error).__name__)

    def _in_snapshot(self, action: Callable[[_Connection], _T]) -> _T:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        try:
            result = action(self._connection)
            self._connection.rollback()
        except BaseException:
            # Also where the case is interrupted: a database that hangs would not answer to a rollback either.
            self.close()
            raise
        return result

    def _connect(self) -> _Connection:
        connection = psycopg.connect(
            self._dsn,
            connect_timeout=_CONNECT_SECONDS,
            application_name="testrun playbook",
            row_factory=dict_row,
            # A pooler between us and the server may give each transaction to another session.
            prepare_threshold=None,
        )
        set_json_loads(self._read_json, connection)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    def _read(self, connection: _Connection, cache: EventCache) -> Log:
        self._prepare(connection)
        while True:
            self._read_events(connection, cache)
            if not cache.include(self._find_children(connection, cache)):
                break
        now = connection.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now").fetchone()
        moment = now["now"] if now else None
        return Log(
            root=cache.root,
            dialect=self._dialect,
            events=cache.events,
            work=self._read_work(connection, cache),
            knows_work=self._has("queue", "queue_id") or self._dialect is not Dialect.QUEUE,
            server_states=self._read_server_states(connection, cache),
            now=moment if isinstance(moment, datetime) else None,
        )

    def _read_newest(self, connection: _Connection) -> int:
        self._prepare(connection)
        row = connection.execute(
            SQL("SELECT max(execution_id) AS newest FROM {}").format(self._table("event"))
        ).fetchone()
        return int(row["newest"] or 0) if row else 0

    def _prepare(self, connection: _Connection) -> None:
        connection.execute(f"SET LOCAL statement_timeout = {_STATEMENT_MILLISECONDS}")
        if not self._tables:
            self._tables = self._find_tables(connection)

    def _find_tables(self, connection: _Connection) -> dict[str, set[str]]:
        tables: dict[str, set[str]] = {}
        for row in connection.execute(_COLUMNS, [self._schema]):
            tables.setdefault(row["table_name"], set()).add(row["column_name"])
        if "event" not in tables:
            problem = f"the database has no table {self._schema}.event: it is not that of a NoETL server"
            raise InvalidCase("playbook.connection", problem)
        return tables

    def _table(self, name: str) -> Composable:
        return Identifier(self._schema, name)

    def _has(self, table: str, *columns: str) -> bool:
        return set(columns) <= self._tables.get(table, set())

    def _read_events(self, connection: _Connection, cache: EventCache) -> None:
        counted = connection.execute(
            SQL("SELECT execution_id, count(*) AS number FROM {} WHERE execution_id = ANY(%s) GROUP BY 1").format(
                self._table("event")
            ),
            [list(cache.tree)],
        ).fetchall()
        for row in counted:
            execution, number = int(row["execution_id"]), int(row["number"])
            if number != cache.count(execution):
                self._read_new(connection, cache, execution, number)

    def _read_new(self, connection: _Connection, cache: EventCache, execution: int, number: int) -> None:
        """Read the events after the last that is known; where that is not all, those that came late, too."""
        rest = SQL(" AND event_id > %s ORDER BY event_id LIMIT {}").format(SQL(str(_AT_ONCE)))
        is_all = False
        while not is_all:
            newer = connection.execute(self._events_query() + rest, [execution, cache.highest(execution)]).fetchall()
            cache.add(map(self._event_of, newer))
            is_all = len(newer) < _AT_ONCE
        if number == cache.count(execution):
            return
        ids = connection.execute(
            SQL("SELECT event_id FROM {} WHERE execution_id = %s").format(self._table("event")), [execution]
        ).fetchall()
        late = cache.unknown(execution, (int(row["event_id"]) for row in ids))
        for first in range(0, len(late), _AT_ONCE):
            some = late[first : first + _AT_ONCE]
            query = self._events_query() + SQL(" AND event_id = ANY(%s)")
            cache.add(map(self._event_of, connection.execute(query, [execution, some])))

    def _events_query(self) -> Composable:
        longest = MAX_RESULT_BYTES if self._json_bytes < _MAX_JSON_BYTES else _LONGEST_RESULT_THEN
        return SQL(_EVENTS).format(
            longest_error=SQL(str(_LONGEST_ERROR)),
            longest_result=SQL(str(longest)),
            command=Identifier("command_id") if self._has("event", "command_id") else SQL("NULL"),
            previous=Identifier("prev_event_id") if self._has("event", "prev_event_id") else SQL("NULL"),
            event=self._table("event"),
        )

    def _read_json(self, text: str | bytes) -> JsonValue:
        self._json_bytes += len(text)
        return read_json(text)

    def _find_children(self, connection: _Connection, cache: EventCache) -> Sequence[int]:
        """Find the executions that those which are known started."""
        tree = list(cache.tree)
        found: list[int] = []
        for table in ("event", "queue", "command", "execution"):
            if self._has(table, "execution_id", "parent_execution_id"):
                rows = connection.execute(
                    SQL(
                        "SELECT DISTINCT execution_id FROM {} "
                        "WHERE parent_execution_id = ANY(%s) AND NOT execution_id = ANY(%s)"
                    ).format(self._table(table)),
                    [tree, tree],
                ).fetchall()
                found += [int(row["execution_id"]) for row in rows]
        if cache.candidates:
            rows = connection.execute(
                SQL(
                    "SELECT execution_id, array_agg(DISTINCT parent_execution_id) AS parents FROM {} "
                    "WHERE execution_id = ANY(%s) GROUP BY 1"
                ).format(self._table("event")),
                [list(cache.candidates)],
            ).fetchall()
            found += [int(row["execution_id"]) for row in rows if belongs(row["parents"], cache.tree)]
        return found

    def _read_work(self, connection: _Connection, cache: EventCache) -> tuple[Work, ...]:
        """Read the rows of work. Those that are over do not change any more and are read once."""
        if self._dialect is Dialect.RUST:
            return ()  # they stay PENDING for ever, and have ids that no event names
        table, key = ("queue", "queue_id") if self._dialect is Dialect.QUEUE else ("command", "command_id")
        if not self._has(table, key, "execution_id", "status"):
            return ()
        self._ended = {id_: work for id_, work in self._ended.items() if work.execution in cache.tree}
        name = "step_name" if table == "command" else "node_name"
        columns = [key, "execution_id", "status", name]
        columns += [column for column in ("node_id", "attempts") if self._has(table, column)]
        rows = connection.execute(
            SQL("SELECT {} FROM {} WHERE execution_id = ANY(%s) AND NOT {} = ANY(%s)").format(
                SQL(", ").join(map(Identifier, columns)), self._table(table), Identifier(key)
            ),
            [list(cache.tree), list(self._ended)],
        ).fetchall()
        make = queued_work_of if table == "queue" else commanded_work_of
        fresh = [make(row) for row in rows]
        self._ended.update({work.id: work for work in fresh if work.state is WorkState.ENDED})
        open_work = [work for work in fresh if work.state is not WorkState.ENDED]
        return tuple(sorted((*self._ended.values(), *open_work), key=lambda work: work.id))

    def _read_server_states(self, connection: _Connection, cache: EventCache) -> tuple[ServerState, ...]:
        """Read the rows of executions, and their results where they changed."""
        if not self._has("execution", "execution_id", "status", "state"):
            return ()
        tree = list(cache.tree)
        rows = connection.execute(
            SQL("SELECT execution_id, xmin::text AS version FROM {} WHERE execution_id = ANY(%s)").format(
                self._table("execution")
            ),
            [tree],
        ).fetchall()
        versions = {int(row["execution_id"]): str(row["version"]) for row in rows}
        changed = [one for one, version in versions.items() if self._server_states.get(one, ("",))[0] != version]
        if changed:
            rows = connection.execute(
                SQL(
                    "SELECT execution_id, status, jsonb_build_object('step_results', CASE WHEN "
                    "octet_length((state->'step_results')::text) <= {} THEN state->'step_results' END) AS state "
                    "FROM {} WHERE execution_id = ANY(%s)"
                ).format(SQL(str(_MAX_RESULTS_BYTES)), self._table("execution")),
                [changed],
            ).fetchall()
            for row in rows:
                server_state = server_state_of(row)
                self._server_states[server_state.execution] = (versions[server_state.execution], server_state)
        return tuple(self._server_states[one][1] for one in versions)
