"""An SQLite database: a file, or one in memory."""

import contextlib
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from testrun_operator.databases.base import Copies, DatabaseUnreachable, NotPossible
from testrun_operator.databases.dsn import Dialect, Dsn
from testrun_operator.databases.relational.sqlite.session import SqliteSession

_MAX_WAIT_SECONDS: Final = 5.0
"""For what another connection has locked; it cannot be interrupted."""
_SHARED_MEMORY: Final = (3, 36)
"""The version from which on several connections may share a database in memory as they would share a file."""
_numbers = count(1)


class SqliteDatabase:
    """A database of SQLite.

    One in memory is shared by all sessions, and lasts until it is closed.

    Args:
        dsn: which file it is; without one it is in memory.
        timeout: seconds until the case's time is over; None for no limit.

    Raises:
        NotPossible: this Python's SQLite cannot share what is in memory.
    """

    def __init__(self, dsn: Dsn, timeout: float | None) -> None:
        self._dsn = dsn
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self._keeper: sqlite3.Connection | None = None
        """Keeps what is in memory while no session is open."""
        self._memory = ""
        if not dsn.database:
            if sqlite3.sqlite_version_info < _SHARED_MEMORY:
                version = sqlite3.sqlite_version
                raise NotPossible(f"SQLite {version} cannot share a database in memory; name a file: sqlite:///path")
            self._memory = f"file:/testrun-{next(_numbers)}?vfs=memdb"
        self._engine = create_engine("sqlite://", creator=self.open, poolclass=NullPool, pool_reset_on_return=None)

    @property
    def label(self) -> str:
        """See the protocol."""
        return f"SQLite {sqlite3.sqlite_version}, {self._dsn.label}"

    def connect(self) -> SqliteSession:
        """See the protocol."""
        return SqliteSession(self._engine, self.label)

    def copies(self, prefix: str) -> AbstractContextManager[Copies]:
        """See the protocol."""
        return _prepare_copies(self, prefix)

    def close(self) -> None:
        """See the protocol."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._keeper is not None:
                self._keeper.close()
                self._keeper = None

    def open(self) -> sqlite3.Connection:
        """Open a connection that commits every statement by itself.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        with self._lock:
            if self._memory and self._keeper is None:
                self._keeper = self._open()
        return self._open()

    def for_file(self, path: Path) -> "SqliteDatabase":
        """Give another database, in a file, with the same time."""
        remaining = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        return SqliteDatabase(Dsn(Dialect.SQLITE, database=str(path)), remaining)

    def _open(self) -> sqlite3.Connection:
        left = _MAX_WAIT_SECONDS if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        connection = sqlite3.connect(
            self._memory or "file:" + quote(str(Path(self._dsn.database or "").absolute())),
            uri=True,
            timeout=min(left, _MAX_WAIT_SECONDS),
            isolation_level=None,
            check_same_thread=False,  # cancelled from another thread
        )
        connection.text_factory = _text
        return connection


def _text(encoded: bytes) -> str:
    """Read a text; SQLite holds whatever bytes it was given for one."""
    return encoded.decode("utf-8", "replace")


@contextlib.contextmanager
def _prepare_copies(origin: SqliteDatabase, prefix: str) -> Iterator["SqliteCopies"]:
    """Make the template in a temporary folder, and remove all at the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
    except OSError as error:
        raise NotPossible(f"no copies can be made: there is no folder for temporary files: {error}") from None
    try:
        template = origin.for_file(folder / "template.db")
        _copy(origin, template)
        yield SqliteCopies(template, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SqliteCopies:
    """A template and the copies made from it, all of them files of one folder.

    Args:
        template: the template.
        folder: where the files are.
    """

    def __init__(self, template: SqliteDatabase, folder: Path) -> None:
        self.template = template
        self._folder = folder
        self._numbers = count(1)

    @contextlib.contextmanager
    def copy(self) -> Iterator[SqliteDatabase]:
        """See the protocol."""
        path = self._folder / f"{next(self._numbers)}.db"
        copied = self.template.for_file(path)
        try:
            _copy(self.template, copied)
            yield copied
        finally:
            for file in self._folder.glob(f"{path.name}*"):  # with its journal
                file.unlink(missing_ok=True)


def _copy(source: SqliteDatabase, target: SqliteDatabase) -> None:
    """Copy what one database has into another one; raises DatabaseUnreachable."""
    try:
        with contextlib.closing(source.open()) as reading, contextlib.closing(target.open()) as writing:
            reading.backup(writing)
    except sqlite3.Error as error:
        raise DatabaseUnreachable(f"{source.label} cannot be copied: {error}") from None
