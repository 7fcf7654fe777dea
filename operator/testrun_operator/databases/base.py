"""What a database must be able to do for tests to run against it, and how it says that it could not.

Values cross this edge as texts, as the database itself writes them, with a word on what kind of value they are: an
author writes texts in a table, and comparing is not a driver's business.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from testrun_operator.errors import CaseError


class Kind(StrEnum):
    """What a value is, as far as comparing it goes."""

    NUMBER = "number"
    """Compared as a number."""
    BOOLEAN = "boolean"
    """Written ``true`` or ``false``."""
    BINARY = "binary"
    """Written as ``\\x`` and lower-case hexadecimal digits."""
    TEXT = "text"
    """Everything else: compared character by character."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value that came from the database."""

    text: str | None
    """As the database writes it; None for NULL. Times are written as in ``2020-01-02 03:04:05.6``."""
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script."""

    text: str
    """Without its delimiter."""
    line: int
    """Line of the script on which it begins, from 1, comments before it left out."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A value for a parameter."""

    name: str
    """As the parameter is called in ``Parameter.name``."""
    value: str | bytes | None
    """The text that the database is to convert; None for NULL; bytes where a file was given for a binary parameter."""


class Mode(StrEnum):
    """Which way a parameter goes."""

    IN = "IN"
    """Into the routine."""
    OUT = "OUT"
    """Out of it; also the columns of a function that returns a table."""
    INOUT = "INOUT"
    """Both."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a routine, as the catalogue has it."""

    name: str
    """In the catalogue's spelling; ``$1`` for one without a name."""
    mode: Mode
    type_name: str
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Routine:
    """A procedure or function, of one signature."""

    name: str
    """Qualified and quoted as the database wants it in a call."""
    signature: str
    """For people: ``billing.charge(integer, text)``."""
    parameters: tuple[Parameter, ...]
    is_function: bool
    returns: str | None = None
    """Type of the value that a function returns; None for a procedure, and for one that returns nothing."""
    returns_set: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call gave back. A function that returns rows gives the values of the first one."""

    outputs: tuple[tuple[str, Value], ...]
    """OUT and INOUT parameters, by the parameter's name, in their order."""
    returned: Value | None = None
    """The value of a function."""
    row_count: int | None = None
    """How many rows a function returned; None for a procedure."""


class Isolation(StrEnum):
    """What keeps tests apart."""

    NONE = "none"
    """Nothing: every statement commits, and what a test leaves stays."""
    ROLLBACK = "rollback"
    """Each test runs in a transaction that is rolled back."""
    DATABASE = "database"
    """Each test case runs in a database of its own, a copy that is dropped afterwards."""


class StatementFailed(CaseError):
    """The database refused a statement or a call: a result of the test, not a fault of ours.

    Args:
        message: what the database says, all of it: ``ERROR: division by zero`` and the lines below it.
        sqlstate: the SQLSTATE, where the database has it.
        line: the line of the statement at which the fault lies, from 1, where the database says it.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.line = line


class StatementCancelled(CaseError):
    """A statement ended because :meth:`Session.cancel` was called."""


class DatabaseUnreachable(CaseError):
    """The database cannot be reached, refuses the connection, or went away. The message has no credentials."""


class NotPossible(CaseError):
    """This database cannot do what is asked for; the message says what, and what would be possible."""


class RoutineNotFound(CaseError):
    """There is no such procedure or function; the message says what there is instead."""


class Session(Protocol):
    """One connection. All of it is for one thread, but for :meth:`cancel`.

    Outside of :meth:`transaction` every statement commits by itself; a procedure that commits may be called.
    """

    def split(self, script: str) -> Sequence[Statement]:
        """Split a script into its statements, as the database's own client would.

        Never fails: what cannot be split is one statement, which the database will refuse.
        """

    def execute(self, statement: str) -> int | None:
        """Run a statement and drop what it returns.

        Returns:
            How many rows it returned or changed; None where the database does not say.

        Raises:
            StatementFailed, StatementCancelled, DatabaseUnreachable: as their names say.
        """

    def query(self, statement: str) -> Rows:
        """Run a statement and return its rows; raises as :meth:`execute`, and StatementFailed where it returns none."""

    def find_routines(self, name: str) -> Sequence[Routine]:
        """Find procedures and functions by a name as an author writes it, folded as the database folds it.

        Args:
            name: ``divide``, ``billing.charge``, ``"Mixed"."Case"``; with types in parentheses only that overload.

        Returns:
            All overloads, at least one.

        Raises:
            RoutineNotFound: there is none.
            NotPossible: the database has no routines.
        """

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """Call a routine; parameters without an argument are left to their defaults. Raises as :meth:`execute`."""

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """Put rows of texts, which the database converts, into a table; return how many. Raises as :meth:`execute`.

        Args:
            table: its name as an author writes it; may have a schema before it.
            columns: names of the columns as an author writes them.
            rows: their values, in the order of the columns.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction, and roll it back at the end of the block whatever happened in it.

        Inside, every statement and every call that fails is undone alone, so that what was done before it stays, as
        it does outside of a transaction.

        Raises:
            NotPossible: the database has no transactions worth the name.
        """

    def transaction_is_whole(self) -> bool:
        """Whether, inside of :meth:`transaction`, everything since its begin will be rolled back.

        False after a statement that committed, said so itself (COMMIT) or did so silently (DDL in MySQL).
        """

    def reset(self) -> None:
        """Bring the session back to how it was opened: no temporary tables, no settings, no open transaction."""

    def cancel(self) -> None:
        """End the statement that runs, on the server; may be called by any thread, and does nothing where none runs."""

    def close(self) -> None:
        """Close the connection; never raises."""


class Database(Protocol):
    """One database, to which sessions are opened."""

    @property
    def label(self) -> str:
        """What it is, for people, without credentials: ``PostgreSQL 15.8, database app on db.example:5432``."""

    def connect(self) -> Session:
        """Open a session.

        Raises:
            DatabaseUnreachable: it cannot be opened.
        """

    def copies(self, prefix: str) -> AbstractContextManager["Copies"]:
        """Prepare copies of this database, for ``isolation: database``; drop all of them at the end of the block.

        Args:
            prefix: what the names of the copies begin with; unique for this execution.

        Raises:
            NotPossible: this database, or this user, cannot make copies; says which right is missing.
        """

    def close(self) -> None:
        """Give back what it holds; never raises."""


class Copies(Protocol):
    """A template and the copies made from it."""

    @property
    def template(self) -> Database:
        """A copy of the database.

        The schema and the sources are loaded into it before the first :meth:`copy`; its sessions must be closed by
        then.
        """

    def copy(self) -> AbstractContextManager[Database]:
        """Make a copy of the template, dropped at the end of the block. May be called by several threads at once."""
