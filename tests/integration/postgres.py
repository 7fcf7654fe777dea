"""A real PostgreSQL for tests: Debian's package on a data directory of its own, ended and removed afterwards.

Needs the packages ``postgresql`` (or another one that brings ``initdb`` and ``pg_ctl``). Where the tests run as root
the server runs as the user ``postgres`` or ``nobody``, since it refuses to be root.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

PASSWORD = "correct-horse:battery/staple@1"  # with what has to be percent-encoded in a URI

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 40
log_timezone = 'UTC'
timezone = 'Asia/Kathmandu'  # so that a time written in the server's zone is noticed
"""
_FAST = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def find_programs() -> Path:
    """Find the folder of ``initdb`` and ``pg_ctl``.

    Raises:
        RuntimeError: there is no PostgreSQL server on this machine.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("pg_ctl")
    if found is None:
        raise RuntimeError("these tests need a PostgreSQL server: apt-get install postgresql")
    return Path(found).parent


def unprivileged_user() -> str | None:
    """Name the user that the server runs as where the tests are root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgresServer:
    """A server on a port of the loopback interface. Its superuser is ``admin``, with the password ``PASSWORD``."""

    folder: Path
    programs: Path
    user: str | None
    durable: bool
    port: int = field(default_factory=_free_port)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def create(self) -> None:
        """Make the data directory."""
        self.folder.chmod(0o700)
        password = self.folder / "password"
        password.write_text(PASSWORD + "\n")
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(password, self.user)
        self._run(
            *("initdb", "--pgdata", self._data, "--username", "admin", "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"),
        )
        with (Path(self._data) / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION + ("" if self.durable else _FAST))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", "--pgdata", self._data, "--log", log, "--options", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``smart``, ``fast``, or ``immediate`` (as if the power failed)."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--pgdata", self._data, "--mode", mode)

    def is_running(self) -> bool:
        """Whether the server runs."""
        return self._run("pg_ctl", "status", "--pgdata", self._data, check=False).returncode == 0

    def dsn(self, database: str = "postgres", user: str = "admin", password: str = PASSWORD) -> str:
        """Give the DSN for a database and a user."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, dbname=database, user=user, password=password, client_encoding="UTF8"
        )

    def new_database(self, *, encoding: str = "UTF8") -> str:
        """Create an empty database and give its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        return name

    def new_user(self, password: str = PASSWORD) -> str:
        """Create a user without any right but to log in, and give its name."""
        name = f"user_{next(self._numbers)}"
        self.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(name), password).as_string())
        return name

    def execute(self, statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the superuser and give the rows of the last one, if it has any."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statements.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            check=False,
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            # Into a file: the server inherits a pipe and would keep whoever reads it waiting.
            stdout=(self.folder / "output").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and done.returncode != 0:
            output = (self.folder / "output").read_text()
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed: {output}\n{log.read_text() if log.exists() else ''}")
        return done


@contextlib.contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server for a block of code.

    Args:
        durable: whether to write through to the disk, as a server for real data does; for measurements.
    """
    folder = Path(tempfile.mkdtemp(prefix="testrun-postgres-"))
    server = PostgresServer(folder, find_programs(), unprivileged_user(), durable)
    try:
        server.create()
        server.start()
        yield server
    finally:
        if server.is_running():
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
