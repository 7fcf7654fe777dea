"""Runs statements and calls on a session, and knows for each where it stands in which file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    Routine,
    Rows,
    Session,
    Statement,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Place, Sql
from testrun_operator.kinds.sql.execution.texts import excerpt
from testrun_operator.kinds.sql.execution.watchdog import Watch
from testrun_operator.kinds.sql.project.model import File
from testrun_operator.kinds.sql.project.tables import CsvTable

_T = TypeVar("_T")
NOT_IN_TRANSACTION: Final = frozenset({"2D000", "25001"})
"""SQLSTATEs of what cannot be done inside of a transaction: a procedure that commits, and statements like VACUUM."""


class Refused(CaseError):
    """The database refused a statement.

    Args:
        error: what it said.
        text: the statement.
        place: the line of the file at which the fault lies, as far as the database says it.
    """

    def __init__(self, error: StatementFailed, text: str, place: Place) -> None:
        super().__init__(error.message)
        self.error = error
        self.text = text
        self.place = place

    @property
    def message(self) -> str:
        """What the database said, and in a last line the statement with its place."""
        return f"{self.error.message.rstrip()}\n{self.place}: {excerpt(self.text)}"


class IsolationBroken(CaseError):
    """The transaction of ``isolation: rollback`` is not whole any more: something of the test stays.

    Args:
        text: the statement that did it, or what else it was.
        place: its place.
    """

    def __init__(self, text: str, place: Place) -> None:
        super().__init__(f"{place}: {excerpt(text)}")
        self.text = text
        self.place = place


@dataclass(frozen=True, slots=True)
class Script:
    """Statements, and where they stand."""

    place: Place
    """Of the script's first line."""
    statements: Sequence[Statement]


class Splits:
    """Scripts and their statements. How they are split is the same in all sessions of a database."""

    def __init__(self) -> None:
        self._known: dict[str, Sequence[Statement]] = {}

    def of_file(self, file: File, session: Session) -> Sequence[Statement]:
        """Split a file; it is done once."""
        statements = self._known.get(file.path)
        if statements is None:
            statements = self._known[file.path] = session.split(file.text)
        return statements


class Statements:
    """Runs statements on one session, for one thread.

    Args:
        session: the session.
        watch: notes what is being done, and keeps the time.
        splits: the statements of files.
    """

    def __init__(self, session: Session, watch: Watch, splits: Splits) -> None:
        self.session = session
        self.watch = watch
        self._splits = splits
        self.in_transaction = False
        """Whether everything is to be rolled back, which is then looked at after each statement."""

    def split(self, sql: Sql) -> Script:
        """Split a block of SQL."""
        return Script(sql.place, self.session.split(sql.text))

    def split_file(self, file: File) -> Script:
        """Split a file."""
        return Script(Place(file.path, 1), self._splits.of_file(file, self.session))

    def run(self, script: Script) -> int | None:
        """Run the statements of a script.

        Returns:
            How many rows the last one returned or changed; None if the database does not say it.

        Raises:
            Refused: the database refused a statement; those after it were not run.
            IsolationBroken, OutOfTime, DatabaseUnreachable: as their names say.
        """
        count = None
        for statement in script.statements:
            count = self._guarded(self.session.execute, statement, script.place)
        return count

    def query(self, script: Script) -> Rows:
        """Run the statements of a script, of which there is at least one, and return the rows of the last one.

        Raises:
            Refused, IsolationBroken, OutOfTime, DatabaseUnreachable: as for :meth:`run`.
        """
        self.run(Script(script.place, script.statements[:-1]))
        return self._guarded(self.session.query, script.statements[-1], script.place)

    def find_routines(self, name: str, place: Place) -> Sequence[Routine]:
        """Find the routines of a name.

        Raises:
            RoutineNotFound, NotPossible, OutOfTime, DatabaseUnreachable: as their names say.
        """
        self.watch.begin(f"looking for the routine {name}", place)
        try:
            return self.session.find_routines(name)
        except StatementCancelled:
            raise self.watch.out_of_time() from None
        except CaseError:
            self.watch.check()
            raise

    def call(self, routine: Routine, arguments: Sequence[Argument], place: Place) -> CallResult:
        """Call a routine.

        Raises:
            Refused, IsolationBroken, OutOfTime, DatabaseUnreachable: as for :meth:`run`.
        """
        text = f"CALL {routine.signature}"
        return self._watched(lambda: self.session.call(routine, arguments), text, place)

    def load(self, table: CsvTable, place: Place) -> None:
        """Put the rows of a CSV file into their table.

        Raises:
            Refused, IsolationBroken, OutOfTime, DatabaseUnreachable: as for :meth:`run`.
        """
        text = f"INSERT INTO {table.table} ({', '.join(table.columns)})"
        self._watched(lambda: self.session.load_rows(table.table, table.columns, table.rows), text, place)

    def _guarded(self, run: Callable[[str], _T], statement: Statement, begin: Place) -> _T:
        place = begin if statement.line == 1 else Place(begin.file, begin.line + statement.line - 1)
        return self._watched(lambda: run(statement.text), statement.text, place)

    def _watched(self, run: Callable[[], _T], text: str, place: Place) -> _T:
        self.watch.begin(text, place)
        try:
            result = run()
        except StatementFailed as error:
            self._look(text, place)
            raise Refused(error, text, _line_of(error, text, place)) from None
        except StatementCancelled:
            raise self.watch.out_of_time() from None
        except DatabaseUnreachable:
            self.watch.check()
            raise
        self._look(text, place)
        return result

    def _look(self, text: str, place: Place) -> None:
        self.watch.check()
        if self.in_transaction and not self.session.transaction_is_whole():
            raise IsolationBroken(text, place)


def _line_of(error: StatementFailed, text: str, place: Place) -> Place:
    if error.line is None or not 1 < error.line <= text.count("\n") + 1:
        return place
    return Place(place.file, place.line + error.line - 1)
