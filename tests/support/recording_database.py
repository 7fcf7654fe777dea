"""A database that does nothing but note what it is asked for, and that fails where it is told to.

Statements are words of its own. A script has one on each line::

    FAIL 23505 already there    is refused, with this SQLSTATE and message
    COUNT 3                     returns or changes three rows
    RETURN id:n,name|1,Ada      returns rows; ``:n`` numbers, ``:b`` truth values, ``:x`` bytes
    COMMIT                      ends the transaction, if there is one
    HANG                        runs until it is cancelled
    SWALLOW                     runs until it is cancelled, and then ends as if nothing was
    LOSE                        loses the connection
    anything else               is noted, and that is all

Routines are called by what their first argument says, in the same words.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    Kind,
    NotPossible,
    Routine,
    RoutineNotFound,
    Rows,
    Statement,
    StatementCancelled,
    StatementFailed,
    Value,
)

_KINDS = {"": Kind.TEXT, "n": Kind.NUMBER, "b": Kind.BOOLEAN, "x": Kind.BINARY}
NULL = "NULL"


@dataclass
class RecordingDatabase:
    """A database that notes what it is asked for."""

    routines: Mapping[str, Sequence[Routine]] = field(default_factory=dict)
    """By their name."""
    results: Mapping[str, CallResult] = field(default_factory=dict)
    """What a routine gives back, by the value of its first argument."""
    has_transactions: bool = True
    has_copies: bool = True
    is_reachable: bool = True
    log: list[str] = field(default_factory=list)
    """What was done, in its order."""
    sessions: list["RecordingSession"] = field(default_factory=list)
    name: str = "original"
    session_type: "type[RecordingSession] | None" = None
    copies_type: "type[RecordingCopies] | None" = None
    made_copies: "RecordingCopies | None" = None

    @property
    def label(self) -> str:
        """What it is."""
        return f"recording database {self.name}"

    def connect(self) -> "RecordingSession":
        """Open a session."""
        if not self.is_reachable:
            raise DatabaseUnreachable("nobody is there")
        session = (self.session_type or RecordingSession)(self)
        self.sessions.append(session)
        return session

    @contextmanager
    def copies(self, prefix: str) -> Iterator["RecordingCopies"]:
        """Prepare copies."""
        if not self.has_copies:
            raise NotPossible("copies need the right to make them")
        self.made_copies = (self.copies_type or RecordingCopies)(self, prefix)
        try:
            yield self.made_copies
        finally:
            self.made_copies.dropped = True

    def close(self) -> None:
        """Do nothing."""


@dataclass
class RecordingCopies:
    """Copies of a recording database: each notes in a log of its own."""

    original: RecordingDatabase
    prefix: str
    made: list[RecordingDatabase] = field(default_factory=list)
    alive: int = 0
    most_alive: int = 0

    dropped: bool = False

    def __post_init__(self) -> None:
        self.template = self._like("template")
        self._lock = threading.Lock()

    @contextmanager
    def copy(self) -> Iterator[RecordingDatabase]:
        """Make a copy."""
        assert not self.dropped
        assert all(session.closed for session in self.template.sessions)
        with self._lock:
            database = self._like(f"copy {len(self.made) + 1}")
            self.made.append(database)
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
        try:
            yield database
        finally:
            self.drop(database)

    def drop(self, database: RecordingDatabase) -> None:
        """Drop a copy."""
        assert all(session.closed for session in database.sessions)
        with self._lock:
            self.alive -= 1

    def _like(self, name: str) -> RecordingDatabase:
        original = self.original
        return RecordingDatabase(original.routines, original.results, name=name, session_type=original.session_type)


class RecordingSession:
    """A session that notes what it is asked for."""

    def __init__(self, database: RecordingDatabase) -> None:
        self._database = database
        self._log = database.log
        self._cancelled = threading.Event()
        self._depth = 0
        self._whole = True
        self.cancels = 0
        self.closed = False

    def split(self, script: str) -> Sequence[Statement]:
        """Make a statement of each line."""
        return [Statement(line, number) for number, line in enumerate(script.splitlines(), 1) if line.strip()]

    def execute(self, statement: str) -> int | None:
        """Do what a statement says."""
        self._log.append(statement)
        return self._do(statement)

    def query(self, statement: str) -> Rows:
        """Return what a statement says."""
        self._log.append(statement)
        word, _, rest = statement.partition(" ")
        if word != "RETURN":
            self._do(statement)
            raise StatementFailed("it returns no rows")
        header, *lines = rest.split("|")
        columns = [column.partition(":") for column in header.split(",")]
        rows = [
            tuple(
                Value(None if cell == NULL else cell, _KINDS[kind])
                for cell, (_, _, kind) in zip(line.split(","), columns, strict=True)
            )
            for line in lines
        ]
        return Rows(tuple(name for name, _, _ in columns), tuple(rows))

    def find_routines(self, name: str) -> Sequence[Routine]:
        """Find routines."""
        self._log.append(f"find {name}")
        found = self._database.routines.get(name)
        if not found:
            raise RoutineNotFound(f"the specified procedure, {name} does not exist")
        return found

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """Call a routine."""
        values = [str(argument.value) for argument in arguments]
        self._log.append(f"call {routine.signature} with {', '.join(values)}")
        first = values[0] if values else ""
        self._do(first)
        return self._database.results.get(first, CallResult(()))

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """Note rows."""
        found = list(rows)
        self._log.append(f"load {table} ({', '.join(columns)}) {found}")
        for row in found:
            self._do(row[0] or "")
        return len(found)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Note its begin and its end."""
        if not self._database.has_transactions:
            raise NotPossible("there are no transactions")
        assert self._depth == 0
        self._depth, self._whole = 1, True
        self._log.append("begin")
        try:
            yield
        finally:
            self._depth = 0
            self._log.append("rollback")

    def transaction_is_whole(self) -> bool:
        """Whether there was no COMMIT."""
        assert self._depth == 1
        return self._whole

    def reset(self) -> None:
        """Note it."""
        assert self._depth == 0
        self._log.append("reset")

    def cancel(self) -> None:
        """End what hangs."""
        self.cancels += 1
        self._cancelled.set()

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def _do(self, statement: str) -> int | None:
        word, _, rest = statement.partition(" ")
        if word == "FAIL":
            sqlstate, _, message = rest.partition(" ")
            raise StatementFailed(message, sqlstate=sqlstate)
        if word == "LOSE":
            raise DatabaseUnreachable("it went away")
        if word == "COMMIT":
            self._whole = False
        if word in ("HANG", "SWALLOW"):
            assert self._cancelled.wait(20), "nobody cancelled it"
            if word == "HANG":
                raise StatementCancelled("cancelled")
        return int(rest) if word == "COUNT" else None
