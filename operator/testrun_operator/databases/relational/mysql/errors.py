"""What the failures of MariaDB, MySQL and their driver mean."""

import re
from typing import Final

import pymysql

from testrun_operator.databases.base import StatementFailed

INTERRUPTED: Final = 1317
OUT_OF_TIME: Final = frozenset({1969, 3024})
"""The limit on a statement's time, as MariaDB and MySQL call it."""
NO_DATABASE_RIGHT: Final = 1044
"""The user has no right to a database of this name."""

_ENDED_BY_SERVER: Final = frozenset({1053, 1077, 1079, 1158, 1159, 1160, 1161, 1184, 1927, 4031})
"""It shuts down, was told to end the connection, or gave it up."""
_LOST: Final = frozenset({0, 2002, 2003, 2006, 2013, 2014, 2055})
"""The driver's own numbers; a server could be made to signal them, too, but not without an SQLSTATE."""

_LINE: Final = re.compile(r"at line (\d{1,9})\Z")
_CODES: Final = 0x10000


def code_of(error: BaseException) -> int | None:
    """Give the server's or the driver's number of an error; None where it has none."""
    code = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
    # The driver reads the number as one with a sign.
    return code % _CODES if isinstance(code, int) else None


def describe(error: BaseException) -> str:
    """Give an error as the server's own client writes it: ``ERROR 1064 (42000): You have an error …``."""
    code = code_of(error)
    if code is None:
        return f"ERROR: {error}"
    text = error.args[1] if len(error.args) > 1 else ""
    return f"ERROR {code} ({_sqlstate(error) or 'HY000'}): {text or 'the connection is closed'}"


def failure_of(error: BaseException) -> StatementFailed:
    """Make an error of a statement one of ours."""
    message = describe(error)
    line = _LINE.search(message)
    return StatementFailed(message, sqlstate=_sqlstate(error), line=int(line[1]) if line else None)


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection is broken, or is about to be."""
    code = code_of(error)
    return code in _ENDED_BY_SERVER or (code in _LOST and _sqlstate(error) is None)


def _sqlstate(error: BaseException) -> str | None:
    return error.sqlstate if isinstance(error, pymysql.Error) else None
