"""Records what a real NoETL writes while it runs the playbooks here: ``python tests/integration/noetl/record.py``.

The recordings are what the unit tests of the "settled" rule replay: every row of the event log, of the queue or the
commands, and of the executions, with the time at which it could be seen by somebody else. They are written to
``tests/unit/kinds/playbook/timelines``, one file for each playbook and release. What a test does not need, and what
says where they were recorded, is left out.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests.integration.pagination_server import running_test_server  # noqa: E402 - the paths above must come first

from support.noetl import NoetlServer, running_noetl  # noqa: E402 - the same

PLAYBOOKS = Path(__file__).parent / "playbooks"
TIMELINES = ROOT / "tests" / "unit" / "kinds" / "playbook" / "timelines"
RELEASES = ("1.8.0", "2.5.5", "4.26.0", "rust-3.54.0")

_POLL_SECONDS = 0.004
_API_POLL_SECONDS = 0.1
_QUIET_SECONDS = 5.0
_DISTURB_SECONDS = 0.5
# Longer than the leases of queues, after which work that was lost is given to somebody else.
_LEASE_SECONDS = 100.0
_LONGEST_VALUE = 700
# What a worker writes when it begins with a step.
_BEGUN = ("action_started", "command.started")

# What is read of each table: its key, and the columns that tell something.
_TABLES = {
    "event": (
        "event_id",
        (
            *("event_id", "execution_id", "parent_execution_id", "created_at", "event_type", "node_id", "node_name"),
            *("node_type", "status", "context", "result", "meta", "error", "command_id", "prev_event_id"),
        ),
    ),
    "queue": (
        "queue_id",
        (
            *("queue_id", "execution_id", "parent_execution_id", "node_id", "node_name", "status", "attempts"),
            *("max_attempts", "available_at", "lease_until"),
        ),
    ),
    "command": (
        "command_id",
        (
            *("command_id", "execution_id", "parent_execution_id", "step_name", "tool_kind", "status", "attempt"),
            *("attempts", "error", "loop_event_id", "iter_index"),
        ),
    ),
    "execution": (
        "execution_id",
        (
            *("execution_id", "parent_execution_id", "status", "last_event_type", "last_node_name", "start_time"),
            *("end_time", "error", "state"),
        ),
    ),
}
# Of no use without the server, large, or telling where it was recorded.
_LEFT_OUT_KEYS = frozenset(
    {
        *("worker_id", "hostname", "pid", "stack_trace", "traceback", "server_url", "work", "render_context", "code"),
        *("tool_config", "template", "playbook_content", "content", "producer", "worker_pool", "server", "code_b64"),
        *("idempotency_key", "event_chain", "catalog_id", "persisted_event_id", "previous_step_event_id", "requestor"),
        *("worker_locator", "locality", "informative", "step_config", "task", "headers", "emitter", "emitted_at"),
        *("queue_meta", "worker_runtime", "spec", "case", "metrics", "step_event_ids", "variables", "issued_steps"),
        *("_pagination", "_all_collected_items", "playbook_path", "retry_config", "root_event_id", "workload"),
    }
)
_FAMILY = """
WITH RECURSIVE family(id) AS (
    SELECT %s::bigint
    UNION
    SELECT event.execution_id FROM noetl.event JOIN family ON event.parent_execution_id = family.id
)
SELECT id FROM family
"""


@dataclass
class _Watch:
    """One table, and the versions of its rows that were seen."""

    table: str
    key: str
    columns: tuple[str, ...]
    seen: dict[Any, Any] = field(default_factory=dict)

    def changes(self, connection: psycopg.Connection[dict[str, Any]], family: list[int]) -> Iterator[dict[str, Any]]:
        """Give each row that is new or different."""
        names = ", ".join(self.columns)
        rows = connection.execute(
            f"SELECT {names} FROM noetl.{self.table} WHERE execution_id = ANY(%s) ORDER BY {self.key}".encode(),
            [family],
        )
        for row in rows.fetchall():
            if self.seen.get(row[self.key]) != row:
                self.seen[row[self.key]] = row
                yield row


def _watches(connection: psycopg.Connection[dict[str, Any]]) -> list[_Watch]:
    """Find out which of the tables a release has, and which of their columns."""
    found = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'noetl'"
    ).fetchall()
    present: dict[str, set[str]] = {}
    for row in found:
        present.setdefault(row["table_name"], set()).add(row["column_name"])
    return [
        _Watch(table, key, tuple(name for name in columns if name in present[table]))
        for table, (key, columns) in _TABLES.items()
        if table in present
    ]


def _small(value: Any) -> Any:
    """Leave out of a JSON value what is long or tells where it was recorded."""
    if isinstance(value, dict):
        wanted = {key: item for key, item in value.items() if key not in _LEFT_OUT_KEYS and not key.endswith("_ms")}
        kept = {key: _small(item) for key, item in wanted.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [_small(item) for item in value[:3]]
    if isinstance(value, str):
        # The last line of a traceback is the error; the lines before it are paths.
        text = re.sub(r"/[\w./+-]*/(site-packages|lib/python[\d.]+)/", "", value)
        text = re.sub(r"(127\.0\.0\.1|localhost):\d+", "test-server:5555", text)
        text = re.sub(r"/\w+/testrun-noetl-[\w./+-]+", "script.py", text)
        return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return value


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Make a row a JSON object: ids as text, since JSON's numbers are too small for them."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            continue
        if name.endswith("_id") and isinstance(value, int):
            result[name] = str(value)
        elif hasattr(value, "isoformat"):
            result[name] = value.isoformat()
        elif isinstance(value, dict | list | str):
            small = _small(value)
            length = len(json.dumps(small, default=str))
            result[name] = small if length <= 2 * _LONGEST_VALUE else {"status": _status_of(value), "leftOut": length}
        else:
            result[name] = value
    return result


def _status_of(value: Any) -> Any:
    return value.get("status") if isinstance(value, dict) else None


@dataclass(frozen=True)
class Scenario:
    """Something that happens to the server, the worker or the execution."""

    name: str
    about: str
    playbook: str
    before: Callable[[NoetlServer], Any] | None = None
    after: Callable[[NoetlServer, str], Any] | None = None
    releases: tuple[str, ...] = RELEASES
    quiet_seconds: float = _QUIET_SECONDS


def _cancel(server: NoetlServer, execution: str) -> None:
    httpx.post(f"{server.url}/api/executions/{execution}/cancel", json={"reason": "recorded"}).raise_for_status()


def _restart_server(server: NoetlServer, _execution: str) -> None:
    server.stop_server(kill=True)
    server.start_server()


def _restart_workers(server: NoetlServer, _execution: str) -> None:
    server.stop_workers()
    server.start_workers()


SCENARIOS = (
    Scenario("no_worker", "there is no worker", "hello_world", before=lambda server: server.stop_workers()),
    Scenario(
        "worker_killed",
        "the worker is killed during a step, and there is no other",
        "slow",
        after=lambda server, _execution: server.stop_workers(),
    ),
    Scenario(
        "worker_restarted",
        "the worker is killed during a step, and comes back",
        "slow",
        after=_restart_workers,
        quiet_seconds=_LEASE_SECONDS,
    ),
    Scenario(
        "server_restarted",
        "the server is killed during a step, and comes back",
        "slow",
        after=_restart_server,
        quiet_seconds=_LEASE_SECONDS,
    ),
    Scenario("cancelled", "cancelled during a step", "slow", after=_cancel, releases=("4.26.0", "rust-3.54.0")),
)


@dataclass
class Recorder:
    """Records executions of one server."""

    server: NoetlServer
    api_url: str

    def record(self, name: str, scenario: Scenario | None = None) -> dict[str, Any]:
        """Run a playbook, and give its timeline."""
        if scenario and scenario.before:
            scenario.before(self.server)
        with psycopg.connect(self.server.owner_dsn, autocommit=True, row_factory=dict_row) as connection:
            connection.execute("SET search_path TO noetl")
            watches = _watches(connection)
            started = time.monotonic()
            execution = self.server.execute(f"testrun/{name}", {"api_url": self.api_url, "seconds": 2})
            answered = _since(started)
            # In a thread of its own: the server's answers take long enough to miss what happens in the tables.
            with ThreadPoolExecutor(max_workers=1) as pool:
                over = Event()
                answers = pool.submit(lambda: list(self._answers(execution, started, over)))
                rows = list(self._changes(connection, watches, execution, started, scenario))
                over.set()
                rows += answers.result()
        return {
            "release": self.server.release.version,
            "playbook": name,
            **({"scenario": scenario.name, "about": scenario.about} if scenario else {}),
            "executionId": execution,
            "answeredAtMs": answered,
            "rows": sorted(rows, key=lambda row: row["atMs"]),
        }

    def _changes(
        self,
        connection: psycopg.Connection[dict[str, Any]],
        watches: list[_Watch],
        execution: str,
        started: float,
        scenario: Scenario | None,
    ) -> Iterator[dict[str, Any]]:
        """Give every change in the tables until nothing has changed for some time."""
        disturb = scenario.after if scenario else None
        quiet_seconds = scenario.quiet_seconds if scenario else _QUIET_SECONDS
        last_change, disturb_at = time.monotonic(), float("inf")
        while time.monotonic() - last_change < quiet_seconds:
            # By this thread and no other: a program ends with the thread that started it.
            if disturb and time.monotonic() > disturb_at:
                disturb(self.server, execution)
                disturb, last_change = None, time.monotonic()
            family = [row["id"] for row in connection.execute(_FAMILY, [execution]).fetchall()]
            for watch in watches:
                changed = list(watch.changes(connection, family))
                seen_at = _since(started)
                for row in changed:
                    last_change = time.monotonic()
                    if row.get("node_name") == "sleep" and row.get("event_type") in _BEGUN:
                        disturb_at = time.monotonic() + _DISTURB_SECONDS
                    yield {"atMs": seen_at, "table": watch.table, "row": _row(row)}
            time.sleep(_POLL_SECONDS)

    def _answers(self, execution: str, started: float, over: Event) -> Iterator[dict[str, Any]]:
        """Give what the server's API says about the execution, where it says something else than before."""
        seen: dict[str, Any] = {}
        while not over.wait(_API_POLL_SECONDS):
            for path in (f"/api/executions/{execution}", f"/api/executions/{execution}/status"):
                kept = _answer(f"{self.server.url}{path}")
                name = path.rpartition("/")[2].replace(execution, "execution")
                if seen.get(name) != kept:
                    seen[name] = kept
                    yield {"atMs": _since(started), "table": f"api:{name}", "row": kept}


def _answer(url: str) -> dict[str, Any]:
    """Ask the server, which may be down, and keep what is of interest."""
    try:
        answer = httpx.get(url, timeout=10)
    except httpx.HTTPError as fault:
        return {"fault": type(fault).__name__}
    if not answer.is_success:
        return {"code": answer.status_code}
    body = answer.json()
    wanted = ("status", "completed", "failed", "completion_inferred", "current_step")
    said = {key: body[key] for key in wanted if key in body} if isinstance(body, dict) else body
    return {"code": answer.status_code, "body": said}


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)


def _register(server: NoetlServer) -> list[str]:
    names = []
    for path in sorted((PLAYBOOKS / server.release.version).glob("*.yaml")):
        server.register(path.read_text())
        names.append(path.stem)
    return names


def _summary(timeline: dict[str, Any]) -> str:
    events = [row for row in timeline["rows"] if row["table"] == "event"]
    own = [row for row in events if row["row"]["execution_id"] == timeline["executionId"]]
    end_types = re.compile(r"(playbook|execution)[._](completed|failed|cancelled)")
    ends = [row for row in own if end_types.fullmatch(row["row"]["event_type"])]
    last = ends[-1] if ends else None
    end = f"{last['row']['event_type']} at {last['atMs']:.0f} ms" if last else "no last event"
    return f"{len(events):4} events, {end}, last row at {events[-1]['atMs']:.0f} ms" if events else "no events"


def _write(timeline: dict[str, Any]) -> None:
    name = timeline.get("scenario", timeline["playbook"])
    target = TIMELINES / f"{name}-{timeline['release']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
    rows = ",\n  ".join(compact.encode(row) for row in timeline.pop("rows"))
    head = json.dumps(timeline, indent=1)[:-2]
    target.write_text(f'{head},\n "rows": [\n  {rows}\n ]\n}}\n')


def main() -> int:
    """Record what the arguments say."""
    parser = argparse.ArgumentParser(description="Records the event logs of real executions for the unit tests.")
    parser.add_argument("releases", nargs="*", default=RELEASES, metavar="RELEASE", help=", ".join(RELEASES))
    parser.add_argument("--only", nargs="*", metavar="NAME", help="names of playbooks and scenarios (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="show the summaries, and write nothing")
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return not arguments.only or name in arguments.only

    def done(name: str, timeline: dict[str, Any]) -> None:
        sys.stdout.write(f"{timeline['release']:7} {name:24} {_summary(timeline)}\n")
        sys.stdout.flush()
        if not arguments.dry_run:
            _write(timeline)

    for release in arguments.releases:
        with running_test_server() as api, running_noetl(release) as server:
            recorder = Recorder(server, api.url)
            for name in filter(wanted, _register(server)):
                done(name, recorder.record(name))
        for scenario in SCENARIOS:
            if wanted(scenario.name) and release in scenario.releases:
                # A server of its own: what is left open would disturb the next.
                with running_noetl(release) as server:
                    _register(server)
                    done(scenario.name, Recorder(server, "http://unused").record(scenario.playbook, scenario))
    return 0


if __name__ == "__main__":
    sys.exit(main())
