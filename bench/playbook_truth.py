"""What the bench of playbook cases knows without the operator: how playbooks end, and what the database says of them.

When a row could be seen by others is asked of PostgreSQL, which keeps the times of commits
(``track_commit_timestamp``): nobody has to look for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

# What each of them ends with, on which releases: None for all. Seen on the servers, by hand, before there were cases.
_ALL = ("1.8.0", "2.5.5", "4.26.0")


@dataclass(frozen=True)
class Truth:
    """A playbook with what must come of its case."""

    name: str
    releases: tuple[str, ...] = _ALL
    expect: dict[str, Any] = field(default_factory=dict)
    verdict: str = "Passed"
    status: str = "COMPLETED"
    starts: tuple[str, ...] = ()
    """Other playbooks that it starts."""


TRUTHS = (
    Truth("hello_world"),
    Truth("variables"),
    Truth("start_with_action"),
    Truth("late_failure", verdict="Failed", status="FAILED"),
    Truth("composition", starts=("composition_child",)),
    # The parent completes, its child fails: an error that nobody said is fine.
    Truth("composition_of_failure", verdict="Failed", starts=("late_failure",)),
    Truth("loop"),
    Truth("slow"),
    Truth("open_end", releases=("2.5.5", "4.26.0")),
    # 1.8.0 writes that the playbook failed, and then that it completed. 2.5.5 never ends it.
    Truth("retry", releases=("1.8.0",), expect={"noErrors": False}),
    Truth("retry", releases=("4.26.0",)),
)


def mix_of(release: str, number: int) -> list[Truth]:
    """Give so many playbooks for a release, each as often as the others."""
    found = [truth for truth in TRUTHS if release in truth.releases]
    return [found[index % len(found)] for index in range(number)]


@dataclass(frozen=True)
class Row:
    """A row of an execution or of one that it started."""

    execution: int
    id: int
    type: str
    status: str
    visible_at: float
    """When the transaction that wrote it was committed; seconds since 1970, by this machine's clock."""


# A table of the log with what its rows are called.
_TABLES = {"queue": "queue_id", "command": "command_id", "execution": "execution_id"}


class Database:
    """What a NoETL's database says after everything is over.

    Args:
        dsn: of a role that may read all of the schema ``noetl``.
    """

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def count(self) -> int:
        """Give the number of all events of all executions."""
        row = self._connection.execute("SELECT count(*) AS number FROM noetl.event").fetchone()
        return int(row["number"]) if row else 0

    def events(self, executions: Sequence[int]) -> list[Row]:
        """Give the events of some executions in the order of their ids."""
        return sorted(self._rows("event", "event_id, event_type AS type, status", executions), key=lambda row: row.id)

    def last_change(self, executions: Sequence[int]) -> float:
        """Say when the last row of work and accounts was changed; 0.0 where there is none."""
        tables = {
            str(row["relname"])
            for row in self._connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'noetl'::regnamespace AND relkind IN ('r', 'p')"
            )
        }
        changes = [
            row.visible_at
            for table, key in _TABLES.items()
            if table in tables
            for row in self._rows(table, f"{key} AS event_id, '' AS type, status", executions)
        ]
        return max(changes, default=0.0)

    def _rows(self, table: str, columns: str, executions: Sequence[int]) -> Iterator[Row]:
        query = (
            f"SELECT execution_id, {columns}, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS visible "
            f"FROM noetl.{table} WHERE execution_id = ANY(%s)"
        )
        for row in self._connection.execute(query.encode(), [list(executions)]):
            yield Row(
                execution=int(row["execution_id"]),
                id=int(row["event_id"]),
                type=str(row["type"]),
                status=str(row["status"]),
                visible_at=float(row["visible"]),
            )


@dataclass(frozen=True)
class Rule:
    """A rule of the framework before: wait for a time, then look at the newest event's status.

    It passes where that is COMPLETED. Cases of letters are not told apart, and how many events it asks for is left out:
    whoever wrote the test had to guess them.
    """

    name: str
    seconds: float
    after_end: bool = False
    """Whether the time counts from the last event that says that the execution is over, and not from the start."""

    def look(self, own: Sequence[Row]) -> tuple[bool, bool] | None:
        """Say whether it passes the execution, and whether all its events could be seen; None where it never looks.

        Args:
            own: the events of the execution itself, in the order of their ids.
        """
        if self.after_end:
            ends = [row.visible_at for row in own if _says_over(row)]
            if not ends:
                return None
            began = ends[-1]
        else:
            began = min(row.visible_at for row in own)
        seen = [row for row in own if row.visible_at <= began + self.seconds]
        return seen[-1].status.casefold() == "completed", len(seen) == len(own)


def _says_over(row: Row) -> bool:
    kind = row.type.replace(".", "_").casefold()
    return kind in {"playbook_completed", "playbook_failed", "execution_cancelled"}


RULES = (
    Rule("3 s after the start", 3.0),
    Rule("15 s after the start", 15.0),
    Rule("3 s after the event that says so", 3.0, after_end=True),
)
