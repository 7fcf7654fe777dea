"""An event log as it was read at one moment: the values that its readers return, and that everything else judges.

NoETL's releases name the same types of events and statuses differently. They are kept here as they are written;
``event_types.py`` translates them into a :class:`Meaning`. Ids are whole numbers of 64 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue


class Dialect(StrEnum):
    """The generation of NoETL that wrote the log."""

    QUEUE = "queue"
    """1.x. Types are written as ``playbook_completed``; work is in the table ``noetl.queue``."""
    COMMAND = "command"
    """2.x. Types are written as ``playbook.completed``; work is an event ``command.issued``, which is matched with the
    event by which the command ends by the name of the step."""
    BATCH = "batch"
    """4.x. As 2.x, with ids of commands, the tables ``noetl.command``, ``noetl.execution``, and batches of events."""
    RUST = "rust"
    """5.x, the servers written in Rust. As 2.x, with ids of commands; the other tables are empty or not kept up to
    date."""


class Meaning(StrEnum):
    """What an event means for the completeness of its log and for the status of its execution."""

    STARTED = "started"
    """The execution began."""
    ISSUED = "issued"
    """The server gave out a command, for a worker to claim."""
    CLAIMED = "claimed"
    """A worker claimed a command, or began with it."""
    STEP_STARTED = "step started"
    """A step began."""
    STEP_ENDED = "step ended"
    """A step ended, with success or not."""
    ENDED = "ended"
    """A command ended: completed, failed or cancelled."""
    BATCH_ACCEPTED = "batch accepted"
    """The server received a batch of events, which it has not processed yet."""
    BATCH_ENDED = "batch ended"
    """The server has processed the batch."""
    COMPLETED = "completed"
    """The execution says that it completed."""
    FAILED = "failed"
    """The execution says that it failed."""
    CANCELLED = "cancelled"
    """The execution says that it was cancelled."""
    OTHER = "other"
    """Anything else, for instance an event of a later release."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of ``noetl.event``."""

    id: int
    execution: int
    """Id of the execution."""
    type: str
    """The type as it is written: ``step.exit``, ``step_completed``."""
    status: str
    """The status as it is written: ``COMPLETED``, ``completed``, ``success``."""
    node: str
    """Name of the step; of the playbook, for events about the whole execution."""
    created: datetime
    """When it happened, by the clock of the server or the worker; without a zone, in the zone in which these write."""
    parent_execution: int | None = None
    """Id of the execution that started this one; None if no one did, or the release does not say so."""
    command: int | str | None = None
    """Id of the command that it is about; None if the release does not say so."""
    batch: str | None = None
    """Id of the batch that it is about, came with, or is a consequence of; None if the release does not say so."""
    previous: int | None = None
    """Id of the event that the server wrote before it; None if the release does not say so."""
    error: str = ""
    """The text of an error, without the quotes that some releases put around it; empty if there is none."""
    result: JsonValue = field(default=None, repr=False)
    """The column ``result``: of a step or of its tool, or details of the event."""


class WorkState(StrEnum):
    """How far a piece of work is, by the row that the server keeps about it."""

    WAITING = "waiting"
    """No worker has claimed it yet, or it waits for its next attempt."""
    TAKEN = "taken"
    """A worker has claimed it."""
    ENDED = "ended"
    """It is over, with success or not."""


@dataclass(frozen=True, slots=True)
class Work:
    """A row of ``noetl.queue`` (1.x) or ``noetl.command`` (4.x)."""

    id: int
    execution: int
    """Id of the execution."""
    node: str
    """Name of the step."""
    state: WorkState
    status: str
    """The status as it is written: ``queued``, ``leased``, ``dead``, ``PENDING``."""
    attempts: int = 0
    """How often a worker has claimed it; 0 if the release does not count that."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of an execution as the server keeps it: a row of ``noetl.execution``, or the answer of its API."""

    execution: int
    """Id of the execution."""
    status: str
    """The status as it is written."""
    is_over: bool
    results: Mapping[str, JsonValue] = field(default_factory=dict)
    """Results of steps by name. On 4.x they are whole only here, and not in the events."""


@dataclass(frozen=True, slots=True)
class Log:
    """All that could be seen of an execution and of those that it started, at one moment."""

    root: int
    """Id of the execution that the case started."""
    dialect: Dialect
    events: tuple[Event, ...]
    """Ordered by id, as they were written. Their times may be in another order."""
    work: tuple[Work, ...] = ()
    knows_work: bool = True
    """Whether ``work`` has all rows that there are. Only the database has them, and not the API of the server."""
    server_states: tuple[ServerState, ...] = ()
    """States of executions, where the release keeps them."""
    now: datetime | None = None
    """The database's clock when the log was read, in UTC, without a zone; None if it is not known."""

    def of(self, execution: int) -> tuple[Event, ...]:
        """Return the events of one execution, in their order."""
        return tuple(event for event in self.events if event.execution == execution)

    @property
    def executions(self) -> tuple[int, ...]:
        """The execution itself, then those that it started, in the order of their first events."""
        return tuple(dict.fromkeys((self.root, *(event.execution for event in self.events))))
