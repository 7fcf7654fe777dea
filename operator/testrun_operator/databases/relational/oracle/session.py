"""A connection to Oracle. Not tested: there was no server to test it with."""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import oracledb
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from testrun_operator.databases.base import (
    Argument,
    CallResult,
    DatabaseUnreachable,
    Mode,
    Routine,
    Statement,
    StatementCancelled,
    StatementFailed,
)
from testrun_operator.databases.relational.names import Name, read_reference
from testrun_operator.databases.relational.oracle import routines
from testrun_operator.databases.relational.oracle.splitting import split_script
from testrun_operator.databases.relational.oracle.values import read_output, read_value
from testrun_operator.databases.relational.session import Reader, RelationalSession
from testrun_operator.errors import CaseError
from testrun_operator.masking import Masker

_LINE: Final = re.compile(r"\bORA-06550: line (\d{1,9})")
_OUT_OF_TIME: Final = "DPY-4024"
_LARGEST_TEXT: Final = 32767
_TRANSACTION_ID: Final = "SELECT DBMS_TRANSACTION.LOCAL_TRANSACTION_ID AS id FROM dual"
_BEGIN_TRANSACTION: Final = "DECLARE id VARCHAR2(100); BEGIN id := DBMS_TRANSACTION.LOCAL_TRANSACTION_ID(TRUE); END;"
_TRUTH: Final = {"true": True, "false": False}
_AS_THEMSELVES: Final = {
    "PL/SQL BOOLEAN": oracledb.DB_TYPE_BOOLEAN,
    "BOOLEAN": oracledb.DB_TYPE_BOOLEAN,
    "CLOB": oracledb.DB_TYPE_CLOB,
    "NCLOB": oracledb.DB_TYPE_NCLOB,
    "BLOB": oracledb.DB_TYPE_BLOB,
}
"""Types that do not go through a text."""


class OracleSession(RelationalSession):
    """A connection to Oracle.

    Args:
        engine: opens the connections.
        label: what the database is, for messages.
        masker: keeps passwords out of messages.
        is_out_of_time: tells whether the time is over that all statements together have.
    """

    def __init__(self, engine: Engine, label: str, masker: Masker, is_out_of_time: Callable[[], bool]) -> None:
        self._label = label
        self._masker = masker
        self._is_out_of_time = is_out_of_time
        self._transaction_id: object = None
        super().__init__(engine)

    def split(self, script: str) -> tuple[Statement, ...]:
        """See the protocol."""
        return split_script(script)

    def find_routines(self, name: str) -> Sequence[Routine]:
        """See the protocol."""
        with self._operation():
            return routines.find_routines(self._rows, name)

    def call(self, routine: Routine, arguments: Sequence[Argument]) -> CallResult:
        """See the protocol."""
        block, bound = routines.write_call(routine, arguments)
        values = {argument.name: argument.value for argument in arguments}
        with self._statement(), contextlib.closing(self._connection.cursor()) as cursor:
            binds: dict[str, Any] = {}
            for number, parameter in enumerate(bound):
                binds[f"p{number}"] = self._variable(cursor, parameter.type_name)
                if parameter.mode is not Mode.OUT:
                    value = _input_of(values[parameter.name], parameter.type_name)
                    binds[f"p{number}"].setvalue(0, value)
            if routine.is_function:
                binds[routines.RESULT] = self._variable(cursor, routine.returns or "")
            cursor.execute(block, binds)
            outputs = tuple(
                (parameter.name, read_output(binds[f"p{number}"].getvalue(), parameter.type_name))
                for number, parameter in enumerate(bound)
                if parameter.mode is not Mode.IN
            )
            if not routine.is_function:
                return CallResult(outputs)
            returned = read_output(binds[routines.RESULT].getvalue(), routine.returns or "")
            return CallResult(outputs, returned, row_count=1)

    def load_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
        """See the protocol."""
        target = ".".join(_written(part) for part in read_reference(table).parts)
        names = ", ".join(_written(read_reference(column).name) for column in columns)
        marks = ", ".join(f":{number}" for number in range(1, len(columns) + 1))
        return self._insert(f"INSERT INTO {target} ({names}) VALUES ({marks})", rows)  # noqa: S608 - names are quoted

    # --- for the base ------------------------------------------------------------------------------------------------

    @property
    def _driver(self) -> Any:
        return self._connection.driver_connection

    def _connect(self) -> PoolProxiedConnection:
        try:
            connection = self._engine.raw_connection()
        except (SQLAlchemyError, oracledb.Error) as error:
            why = self._masker.text(str(getattr(error, "orig", None) or error))
            raise DatabaseUnreachable(f"{self._label}: {why}") from None
        driver: Any = connection.driver_connection
        driver.autocommit = True
        driver.outputtypehandler = None  # SQLAlchemy's would make floats of numbers
        return connection

    def _variable(self, cursor: Any, type_name: str) -> Any:
        if type_name in _AS_THEMSELVES:
            return cursor.var(_AS_THEMSELVES[type_name])
        # Oracle converts to and from a text by the formats that the session has been given.
        return cursor.var(oracledb.DB_TYPE_VARCHAR, size=_LARGEST_TEXT)

    def _translate(self, error: Exception) -> CaseError:
        message = self._masker.text(str(error).strip())
        detail = error.args[0] if error.args else None
        dialect: Any = self._engine.dialect
        is_dead = getattr(detail, "is_session_dead", False) or (
            isinstance(error, oracledb.Error) and dialect.is_disconnect(error, None, None)
        )
        if getattr(detail, "full_code", "") == _OUT_OF_TIME and self._is_out_of_time():
            return StatementCancelled("the statement was ended, since the time was over")
        if is_dead:
            return DatabaseUnreachable(f"{self._label}: {message}")
        line = _LINE.search(message)
        return StatementFailed(message, line=int(line[1]) if line else None)

    def _interrupt(self) -> None:
        with contextlib.suppress(oracledb.Error):
            self._driver.cancel()

    def _readers(self, cursor: DBAPICursor) -> list[Reader]:
        return [read_value] * len(cursor.description)

    def _begin(self) -> None:
        self._driver.autocommit = False
        self._send(_BEGIN_TRANSACTION)
        self._transaction_id = self._rows(_TRANSACTION_ID)[0]["id"]

    def _commit(self) -> None:
        self._driver.commit()
        self._driver.autocommit = True

    def _rollback(self) -> None:
        self._driver.rollback()
        self._driver.autocommit = True

    def _is_in_transaction(self) -> bool:
        return bool(self._rows(_TRANSACTION_ID)[0]["id"])

    def _keep(self) -> bool:
        # Savepoints are not released here; a transaction that was committed has another id afterwards, or none.
        return bool(self._rows(_TRANSACTION_ID)[0]["id"] == self._transaction_id)


def _written(name: Name) -> str:
    """Write a name as it was: only what is quoted keeps its case."""
    text = name.text if name.quoted else name.text.upper()
    return '"' + text.replace('"', "") + '"'


def _input_of(value: str | bytes | None, type_name: str) -> str | bytes | bool | None:
    """Give what an author's text stands for, where Oracle would not convert it."""
    if isinstance(value, bytes):
        return value if type_name == "BLOB" else value.hex().upper() if type_name == "RAW" else value.decode()
    if value is None or type_name not in {"RAW", "BLOB", "BOOLEAN", "PL/SQL BOOLEAN"}:
        return value
    if type_name.endswith("BOOLEAN"):
        if value.lower() not in _TRUTH:
            raise ValueError(f"{value!r} is neither true nor false")
        return _TRUTH[value.lower()]
    digits = value.removeprefix("\\x")
    return bytes.fromhex(digits) if type_name == "BLOB" else digits
