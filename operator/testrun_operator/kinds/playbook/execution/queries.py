"""Runs the queries of a case that check whether a playbook did its work, and judges their rows.

Each query runs in a transaction of its own, which is rolled back. It is read-only where the database has such
transactions. Of the rows, the column ``test_passed`` decides if there is one, else every column of booleans.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import Final

from testrun_operator.databases.base import (
    DatabaseUnreachable,
    Kind,
    Rows,
    Session,
    Statement,
    StatementCancelled,
    StatementFailed,
    Value,
)
from testrun_operator.databases.dsn import Dialect, Dsn, InvalidDsn, read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.databases.splitting import split_statements
from testrun_operator.errors import CaseError
from testrun_operator.kinds.playbook.spec import PlaybookCase
from testrun_operator.masking import Masker
from testrun_operator.runner.findings import Finding
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase
from testrun_operator.runner.templates import Templates

MAX_ROWS: Final = 10_000
"""A query that returns more rows fails."""
_TEST_PASSED: Final = "test_passed"
_CURSOR: Final = "testrun_query"
_NAME_LENGTH: Final = 100
_MESSAGE_LENGTH: Final = 500
_NAMED_COLUMNS: Final = 8
_COLUMN_LENGTH: Final = 60
_VALUE_LENGTH: Final = 60
_BEFORE: Final = {
    Dialect.POSTGRESQL: ("BEGIN TRANSACTION READ ONLY",),
    Dialect.MYSQL: (f"SET SESSION sql_select_limit = {MAX_ROWS + 1}", "START TRANSACTION READ ONLY"),
    Dialect.SQLITE: ("PRAGMA query_only = ON", "BEGIN"),
}
"""Statements that are executed before a query. On PostgreSQL none of them may have an effect beyond the transaction,
since a pooler may give the session to somebody else. Oracle is missing here: there, the statement for it must be the
first of a transaction, and the driver ends a transaction after each statement."""

_FAULTS: Final = ("08", "40", "53", "55P03", "57", "58", "70100", "XX")
"""Beginnings of SQLSTATEs of errors that have nothing to do with the rows: connections, deadlocks and conflicts with
recovery on a replica, resources, locks, intervention by an operator, files, corrupted data."""
_NO_RIGHT: Final = "42501"
"""SQLSTATE of a missing privilege."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that must hold."""

    name: str
    """What it checks, for reports."""
    text: str
    """The SQL, rendered."""
    connection: str
    """Name of the connection to the database."""
    field: str
    """Where it is in the case, for messages: ``playbook.expect.sql[0]``."""
    allow_no_rows: bool = False
    """Whether it passes if it returns no rows."""


class QueryOutOfTime(CaseError):
    """The case's time was over before a query was answered; it was cancelled."""


def render_queries(case: PlaybookCase, templates: Templates) -> tuple[Query, ...]:
    """Render the queries of a case.

    Args:
        case: the case.
        templates: they must know ``execution``.

    Raises:
        InvalidCase: a template is wrong; names the field.
    """
    return tuple(
        Query(
            name=one.name,
            text=templates.text(one.query, f"playbook.expect.sql[{index}].query"),
            connection=one.connection or case.connection,
            field=f"playbook.expect.sql[{index}]",
            allow_no_rows=one.allow_no_rows,
        )
        for index, one in enumerate(case.expect.sql)
    )


def validate_queries(queries: Sequence[Query], dsns: Mapping[str, str]) -> None:
    """Check queries before a playbook is started, as far as that is possible without a database.

    Args:
        queries: the queries, rendered with a placeholder for the execution.
        dsns: addresses of the databases by the name of their connection.

    Raises:
        InvalidCase: a connection has no address or a wrong one, or a text is not one query.
    """
    for query in queries:
        if _read_dsn(query, dsns).dialect is Dialect.POSTGRESQL:
            _one_of(split_statements(query.text), query)
        elif not query.text.strip():
            # The adapters of other databases split texts in ways of their own, and take too long to load just for this.
            _one_of((), query)


def check_queries(
    queries: Sequence[Query],
    dsns: Mapping[str, str],
    masker: Masker,
    *,
    remaining_seconds: Callable[[], float] = lambda: math.inf,
) -> Iterator[Finding]:
    """Run queries and judge their rows, one finding for each.

    Args:
        queries: the queries, rendered.
        dsns: addresses of the databases by the name of their connection.
        masker: keeps secrets out of findings.
        remaining_seconds: returns how many seconds of the case's time are left.

    Raises:
        InvalidCase: a connection has no address or a wrong one, or a text is not one query.
        ConnectionFailed: a database cannot be reached, or went away.
        QueryOutOfTime: the time was over before a query was answered.
    """
    with ExitStack() as stack:
        readers: dict[str, _Reader] = {}
        for query in queries:
            if query.connection not in readers:
                reader = _open(query, dsns, remaining_seconds())
                stack.enter_context(closing(reader))
                readers[query.connection] = reader
            yield _check(query, readers[query.connection], masker)


@dataclass
class _Reader:
    """A session in which nothing can be changed."""

    session: Session
    dialect: Dialect
    label: str
    close_database: Callable[[], None] = field(repr=False)

    def read(self, text: str) -> Rows:
        """Run a query. At most one row more than is allowed is read, where the database can limit their number.

        Raises:
            CaseError: as of :meth:`Session.query`.
        """
        if self.dialect not in _BEFORE:
            with self.session.transaction():
                return self.session.query(text)
        try:
            for statement in _BEFORE[self.dialect]:
                self.session.execute(statement)
            if self.dialect is not Dialect.POSTGRESQL:
                return self.session.query(text)
            self.session.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR\n{text}")
            return self.session.query(f"FETCH {MAX_ROWS + 1} FROM {_CURSOR}")
        finally:
            with suppress(CaseError):  # where the connection is lost the server does so by itself
                self.session.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self.session.close()
        self.close_database()


def _open(query: Query, dsns: Mapping[str, str], seconds: float) -> _Reader:
    dsn = _read_dsn(query, dsns)
    path = _path_of(query)
    try:
        database = open_database(dsn, None if math.isinf(seconds) else max(0.0, seconds))
    except CaseError as error:
        raise InvalidCase(path, str(error)) from None
    try:
        session = database.connect()
    except CaseError as error:
        database.close()
        raise ConnectionFailed(f"{path}: {error}") from None
    return _Reader(session, dsn.dialect, database.label, database.close)


def _read_dsn(query: Query, dsns: Mapping[str, str]) -> Dsn:
    text = dsns.get(query.connection)
    if text is None:
        raise InvalidCase(_path_of(query), f"is needed by {query.field}")
    try:
        return read_dsn(text)
    except InvalidDsn as error:
        raise InvalidCase(_path_of(query), str(error)) from None


def _path_of(query: Query) -> str:
    return f"connections.{query.connection}.dsnFrom"


def _one_of(statements: Sequence[Statement], query: Query) -> str:
    """Return the text of the only statement; a second one could end the transaction that protects the data.

    Raises:
        InvalidCase: there are several, or none.
    """
    if len(statements) != 1:
        raise InvalidCase(f"{query.field}.query", f"it must be one query; these are {len(statements)} statements")
    return statements[0].text


def _check(query: Query, reader: _Reader, masker: Masker) -> Finding:
    text = _one_of(reader.session.split(query.text), query)
    name = masker.excerpt(f"sql {query.name}", _NAME_LENGTH)
    location = masker.excerpt(f"connection {query.connection}", _NAME_LENGTH)
    try:
        rows = reader.read(text)
    except StatementFailed as error:
        if error.sqlstate is not None and error.sqlstate.startswith(_FAULTS):
            raise ConnectionFailed(masker.excerpt(f"{query.field}: {error}", _MESSAGE_LENGTH)) from None
        if error.sqlstate == _NO_RIGHT:
            raise InvalidCase(query.field, masker.excerpt(str(error), _MESSAGE_LENGTH)) from None
        # The table may be missing because the playbook did not create it, so that this is a failure of the test.
        actual = masker.excerpt(error.message, _MESSAGE_LENGTH)
        return Finding(name, passed=False, expected="an answer", actual=actual, location=location)
    except StatementCancelled:
        message = masker.excerpt(f"{query.field}: {query.name!r} was not answered in time by {reader.label}")
        raise QueryOutOfTime(message) from None
    except DatabaseUnreachable as error:
        raise ConnectionFailed(masker.excerpt(f"{query.field}: {error}", _MESSAGE_LENGTH)) from None
    passed, expected, actual = _Judgement(rows, masker).judge(allow_no_rows=query.allow_no_rows)
    return Finding(name, passed, expected, actual, location)


@dataclass(frozen=True)
class _Judgement:
    """Judges the rows of a query."""

    rows: Rows
    masker: Masker

    def judge(self, *, allow_no_rows: bool) -> tuple[bool, str, str]:
        """Return whether they pass, what was expected, and what was seen."""
        count = len(self.rows.rows)
        if not count:
            return allow_no_rows, "rows, or none" if allow_no_rows else "a row at least", "no rows"
        if count > MAX_ROWS:
            return False, f"at most {MAX_ROWS} rows", "more than these; the query itself could count them"
        columns = self._deciding()
        if not columns:
            seen = self._list(range(len(self.rows.columns)))
            return False, "a column test_passed, or columns of booleans", f"no such column among {seen}"
        expected = f"{self._list(columns)} true in every row"
        for number, row in enumerate(self.rows.rows, start=1):
            wrong = [column for column in columns if not _is_true(row[column])]
            if wrong:
                others = [column for column in range(len(row)) if column not in wrong]
                where = f"row {number} of {count}: " if count > 1 else ""
                also = f", with {self._list(others, row)}" if others else ""
                return False, expected, f"{where}{self._list(wrong, row)}{also}"
        return True, expected, f"true in {count} row{'' if count == 1 else 's'}"

    def _deciding(self) -> list[int]:
        """Return the indexes of the columns that decide.

        A column is one of booleans if one of its values is: databases report types by value, and NULL has none.
        """
        named = [index for index, name in enumerate(self.rows.columns) if name.casefold() == _TEST_PASSED]
        if named:
            return named
        indexes = range(len(self.rows.columns))
        return [index for index in indexes if any(row[index].kind is Kind.BOOLEAN for row in self.rows.rows)]

    def _list(self, indexes: Sequence[int], row: Sequence[Value] | None = None) -> str:
        """Name columns, and the values of a row in them if there is one."""
        named = []
        for index in indexes[:_NAMED_COLUMNS]:
            name = self.masker.excerpt(self.rows.columns[index], _COLUMN_LENGTH)
            named.append(name if row is None else f"{name} {self._show(row[index])}")
        more = len(indexes) - _NAMED_COLUMNS
        return ", ".join(named) + (f" and {more} more" if more > 0 else "")

    def _show(self, value: Value) -> str:
        if value.text is None:
            return "NULL"
        if value.kind in (Kind.BOOLEAN, Kind.NUMBER):
            return self.masker.excerpt(value.text, _VALUE_LENGTH)
        return repr(self.masker.excerpt(value.text, _VALUE_LENGTH))


def _is_true(value: Value) -> bool:
    """Whether a value is true; 1 and the text ``true`` count, as in JSON and in databases without booleans."""
    if value.text is None:
        return False
    return value.text.strip().casefold() in ("1", "true") if value.kind is not Kind.BINARY else False
