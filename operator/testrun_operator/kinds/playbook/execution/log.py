"""An event log as it was read at one moment: the values between its readers and everything that judges it.

NoETL's releases write the same things in different words. They are kept as written, and :class:`Meaning` says what they
mean; ``event_types.py`` knows the words. Ids are whole numbers of 64 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue


class Dialect(StrEnum):
    """Which generation of NoETL wrote the log."""

    QUEUE = "queue"
    """1.x: ``playbook_completed``; work is in the table ``noetl.queue``."""
    COMMAND = "command"
    """2.x: ``playbook.completed``; work is in ``command.issued`` and its end, matched by step."""
    BATCH = "batch"
    """4.x: the same with command ids, the tables ``noetl.command`` and ``noetl.execution``, and batches."""
    RUST = "rust"
    """The servers written in Rust, of 5.x: the words of 2.x with command ids; the tables beside the events are not
    kept up to date, or empty."""


class Meaning(StrEnum):
    """What an event means, as far as the log's completeness and the verdict go."""

    STARTED = "started"
    """The execution began."""
    ISSUED = "issued"
    """A command was given out."""
    CLAIMED = "claimed"
    """A worker took a command, or began with it."""
    STEP_STARTED = "step started"
    """A step began."""
    STEP_ENDED = "step ended"
    """A step ended, well or not."""
    ENDED = "ended"
    """A command ended: completed, failed or cancelled."""
    BATCH_ACCEPTED = "batch accepted"
    """The server took a batch of events that it has yet to look at."""
    BATCH_ENDED = "batch ended"
    """It has looked at them."""
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
    type: str
    """As written: ``step.exit``, ``step_completed``."""
    status: str
    """As written: ``COMPLETED``, ``completed``, ``success``."""
    node: str
    """Name of the step; of the playbook, for events about all of it."""
    created: datetime
    """When it happened, by the clock of the server or the worker; without a zone, and in whichever zone they write."""
    parent_execution: int | None = None
    command: int | str | None = None
    """Which command it is about, where the release says so."""
    batch: str | None = None
    """Which batch it is about, came with, or is a consequence of; where the release says so."""
    previous: int | None = None
    """The event that the server wrote before it, where the release says so."""
    error: str = ""
    """The text of an error, without the quotes that some releases put around it."""
    result: JsonValue = field(default=None, repr=False)


class WorkState(StrEnum):
    """How far a piece of work is that the server keeps a row of."""

    WAITING = "waiting"
    """Nobody has claimed it yet, or it waits for its next try."""
    TAKEN = "taken"
    """A worker has it."""
    ENDED = "ended"
    """It is over, well or not."""


@dataclass(frozen=True, slots=True)
class Work:
    """A row of ``noetl.queue`` (1.x) or ``noetl.command`` (4.x)."""

    id: int
    execution: int
    node: str
    state: WorkState
    status: str
    """As written: ``queued``, ``leased``, ``dead``, ``PENDING``."""
    attempts: int = 0
    """How often a worker took it, where that is counted."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the server says of an execution besides its events: a row of ``noetl.execution``, or its API's answer."""

    execution: int
    status: str
    """As written."""
    is_over: bool
    results: Mapping[str, JsonValue] = field(default_factory=dict)
    """Results of steps by name, where they are kept here and not in the events (4.x)."""


@dataclass(frozen=True, slots=True)
class Log:
    """What could be seen of an execution and of all that it started, at one moment."""

    root: int
    dialect: Dialect
    events: tuple[Event, ...]
    """In the order in which they were written: by id. The times at which they happened may be in another."""
    work: tuple[Work, ...] = ()
    knows_work: bool = True
    """Whether ``work`` is all there is. Servers do not tell of it: only their database does."""
    server_states: tuple[ServerState, ...] = ()
    now: datetime | None = None
    """The database's clock when the log was read; UTC, without a zone. None where it is not known."""

    def of(self, execution: int) -> tuple[Event, ...]:
        """Return the events of one execution."""
        return tuple(event for event in self.events if event.execution == execution)

    @property
    def executions(self) -> tuple[int, ...]:
        """The execution itself, then those that it started, in the order of their first events."""
        return tuple(dict.fromkeys((self.root, *(event.execution for event in self.events))))
