"""Sends statements by the simple protocol, as psql does: without parameters, and nothing prepared.

psycopg's cursors are left out here. They make more of each statement than is needed, which shows where there are
thousands of small ones, and they do not tell what the statements of a script did before one of them failed.
"""

import contextlib
import re
from typing import Final

import psycopg
from psycopg.generators import copy_end, copy_from, execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from testrun_operator.databases.base import StatementFailed

_COPY: Final = re.compile(r"\bcopy\b", re.IGNORECASE)
_FROM_STDIN: Final = re.compile(r"\bfrom\s+stdin\b", re.IGNORECASE)

NO_DATA: Final = (
    "COPY … FROM STDIN takes its data from psql, which is not used here; put the rows into INSERT statements or a "
    "CSV fixture"
)
"""What to say to somebody who wants to send data."""


def send(connection: psycopg.Connection, query: bytes, tags: set[bytes | None]) -> PGresult | None:
    """Send a statement, or several with ``;`` between them, and wait for the answer.

    Args:
        connection: the connection.
        query: the statement, in the connection's encoding.
        tags: takes the server's words for what it did, ``INSERT 0 1``, also of statements before one that failed.

    Returns:
        The result of the last statement; None where there was none.

    Raises:
        psycopg.Error: the server refused, or the connection was lost.
        StatementFailed: the statement wants data.
    """
    connection.pgconn.send_query(query)
    results = connection.wait(execute(connection.pgconn))
    last = None
    for result in results:
        status = result.status
        if status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
        if status == ExecStatus.COPY_IN:
            _refuse_data(connection)
        last = _drop_data(connection) if status == ExecStatus.COPY_OUT else result
        tags.add(last.command_status)
    return last


def takes_data(script: str) -> bool:
    """Tell whether there is ``COPY … FROM STDIN`` in a script."""
    # Two searches and not one expression: the time must not grow with the square of what an author writes.
    begin = _COPY.search(script)
    return begin is not None and _FROM_STDIN.search(script, begin.end()) is not None


def row_count(result: PGresult | None) -> int | None:
    """Tell how many rows a statement returned or changed; None where the server does not say."""
    if result is None:
        return None
    return result.ntuples if result.status == ExecStatus.TUPLES_OK else result.command_tuples


def _refuse_data(connection: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.Error):  # the server repeats the reason
        connection.wait(copy_end(connection.pgconn, b"there is no data"))
    raise StatementFailed(NO_DATA)


def _drop_data(connection: psycopg.Connection) -> PGresult:
    while True:
        data = connection.wait(copy_from(connection.pgconn))
        if not isinstance(data, memoryview):
            return data
