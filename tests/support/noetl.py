"""A real NoETL for tests: server, worker, PostgreSQL and, where it is wanted, NATS, as processes of this machine.

Needs Python 3.12 or later somewhere on this machine, which is what NoETL asks for (the tests themselves run with 3.11,
too), Debian's package ``postgresql``, and ``nats-server`` or an apt that can fetch it. What is installed from the
package index is exactly the lock file in ``ci/images/noetl``, once per machine, in the project's cache.

Nothing real is in the processes' reach but the network: a worker runs what playbooks say.
"""

import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from psycopg.conninfo import make_conninfo
from tests.integration.postgres import PASSWORD, PostgresServer, find_programs, unprivileged_user

from support.noetl_process import Process
from support.noetl_programs import LOCAL, NOETL_PASSWORD, installed, programs_of, python_of, release_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ci"))

from native import cache
from native.noetl_release import (
    ADMINISTRATOR,
    DATABASE,
    NATS_USER,
    OWNER,
    PREPARE_DATABASE,
    READER,
    RELEASES,
    Release,
    Surroundings,
)
from native.noetl_rust import RustRelease

__all__ = ["RELEASES", "NoetlServer", "installed", "releases_under_test", "running_noetl"]

_START_SECONDS = 90
_READER_PASSWORD = "reads-events-only"
# What a worker writes into its log when it takes work: of releases from 2 on, of 1, and of those in Rust.
_READY = re.compile(
    r"Subscribed to noetl\.commands|Worker pool registration completed|NATS consumer-lag poller started"
)


def releases_under_test() -> tuple[str, ...]:
    """Give the releases that tests are to use: those in TESTRUN_NOETL_RELEASES, with commas between them, or all."""
    named = os.environ.get("TESTRUN_NOETL_RELEASES")
    return tuple(named.split(",")) if named else tuple(RELEASES)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


@dataclass
class NoetlServer:
    """A NoETL that runs: its addresses, and what a test may do to it."""

    release: Release | RustRelease
    url: str
    postgres: PostgresServer
    database: str
    server: Process
    workers: list[Process]
    nats: Process | None
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def events_dsn(self) -> str:
        """The DSN of a role that may read the schema ``noetl``."""
        return self._dsn(READER, _READER_PASSWORD)

    @property
    def owner_dsn(self) -> str:
        """The DSN of the role that owns the schema."""
        return self._dsn(OWNER, NOETL_PASSWORD)

    def _dsn(self, user: str, password: str) -> str:
        return make_conninfo(host=LOCAL, port=self.postgres.port, dbname=self.database, user=user, password=password)

    def register(self, playbook: str) -> dict[str, Any]:
        """Register a playbook, and give the server's answer."""
        body = {"content": playbook, "resource_type": "Playbook"}
        return self._post("/api/catalog/register", body)

    def execute(self, path: str, payload: dict[str, Any] | None = None) -> str:
        """Start a playbook, and give the id of its execution."""
        if self.release.needs_nats:
            answer = self._post("/api/execute", {"path": path, "payload": payload or {}})
        else:
            answer = self._post("/api/run/playbook", {"path": path, "args": payload or {}, "merge": True})
        return str(answer["execution_id"])

    def start_server(self) -> None:
        """Start the server, and wait until it answers."""
        self.server.start()
        self._wait_for_server()

    def stop_server(self, *, kill: bool = False) -> None:
        """Stop the server: in order, or as if the power had failed."""
        self.server.stop(patience_seconds=0 if kill else 10)

    def stop_workers(self) -> None:
        """Kill the workers: releases before 2 ignore SIGTERM while they have work."""
        for worker in self.workers:
            worker.stop(patience_seconds=0)

    def start_workers(self) -> None:
        """Start the workers again."""
        for worker in self.workers:
            worker.start()
        self._wait_for_workers()

    def logs(self) -> str:
        """Give the ends of all logs."""
        processes = [self.server, *self.workers, *([self.nats] if self.nats else [])]
        return "\n".join(f"--- {process.name}\n{process.log[-3000:]}" for process in processes)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}{path}", json=body, timeout=30)
        if answer.is_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        document: dict[str, Any] = answer.json()
        return document

    def _wait_for_server(self) -> None:
        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/api/health", timeout=2).status_code == httpx.codes.OK
            return False

        self._wait("the server answers", answers, [self.server])

    def _wait_for_workers(self) -> None:
        self._wait("the workers run", lambda: all(_READY.search(one.log) for one in self.workers), self.workers)

    def _wait(self, what: str, condition: Callable[[], bool], processes: list[Process]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            ended = [one.name for one in processes if one.running is None or one.running.poll() is not None]
            if ended or time.monotonic() > deadline:
                reason = f"{ended} ended" if ended else f"not within {_START_SECONDS} s"
                raise RuntimeError(f"{what}: {reason}\n{self.logs()}")
            time.sleep(0.1)


@contextlib.contextmanager
def _running_postgres(folder: Path) -> Iterator[PostgresServer]:
    folder.mkdir()
    server = PostgresServer(folder, find_programs(), unprivileged_user(), durable=False)
    server.create()
    server.start()
    try:
        # Each release opens some pools of connections; and its times have no zone: they are the server's.
        server.execute("ALTER SYSTEM SET max_connections = 200")
        server.execute("ALTER SYSTEM SET timezone = 'UTC'")
        # So that the database can be asked when a row could be seen by others.
        server.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        server.stop("fast")
        server.start()
        yield server
    finally:
        if server.is_running():
            server.stop("immediate")


def _prepare(python: str, postgres: PostgresServer, database: str) -> None:
    settings = {
        "PATH": os.environ["PATH"],
        "PGHOST": LOCAL,
        "PGPORT": str(postgres.port),
        "PGUSER": ADMINISTRATOR,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": database,
        "NOETL_PASSWORD": NOETL_PASSWORD,
        "READER_PASSWORD": _READER_PASSWORD,
    }
    done = subprocess.run(
        [python, str(PREPARE_DATABASE)], env=settings, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"the database was not prepared: {done.stdout}{done.stderr}")


def _nats_program() -> str:
    """Find the NATS server, or take it out of Debian's package: installing that would start one for the machine."""
    if found := shutil.which("nats-server"):
        return found
    folder = cache.cache_home() / "noetl" / "nats-server"
    if not folder.exists():
        with cache.new_entry(folder) as partial:
            for command in (["apt-get", "download", "nats-server"], ["dpkg-deb", "--extract", "", "."]):
                words = [word or next(partial.glob("*.deb")).name for word in command]
                done = subprocess.run(words, cwd=partial, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise RuntimeError(f"these tests need nats-server, or Debian's package of it: {done.stderr}")
    return str(folder / "usr" / "sbin" / "nats-server")


def _nats(folder: Path, port: int) -> Process:
    program = _nats_program()
    arguments = [
        *(program, "--jetstream", "--store_dir", str(folder / "jetstream"), "--addr", LOCAL, "--port", str(port)),
        *("--user", NATS_USER, "--pass", NOETL_PASSWORD),
    ]
    return Process("nats", arguments, {"PATH": os.environ["PATH"]}, folder)


@contextlib.contextmanager
def running_noetl(version: str, *, workers: int = 1) -> Iterator[NoetlServer]:
    """Start a NoETL of a release for a block of code."""
    release = release_of(version)
    python = python_of(release)
    folder = Path(tempfile.mkdtemp(prefix="testrun-noetl-"))
    # The database's user must be able to get there.
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(_running_postgres(folder / "postgres"))
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        _prepare(python, postgres, DATABASE)
        port, nats_port = _free_port(), _free_port()
        programs = programs_of(
            release,
            python,
            Surroundings(
                server_url=f"http://{LOCAL}:{port}",
                port=port,
                postgres_host=LOCAL,
                postgres_port=postgres.port,
                nats_url=f"nats://{LOCAL}:{nats_port}",
                home=str(folder),
            ),
        )
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        noetl = NoetlServer(
            release=release,
            url=f"http://{LOCAL}:{port}",
            postgres=postgres,
            database=DATABASE,
            server=Process("server", programs.server, programs.settings("server", "server"), folder),
            workers=[Process(name, programs.worker, programs.settings(name, "worker"), folder) for name in names],
            nats=_nats(folder, nats_port) if release.needs_nats else None,
            folder=folder,
        )
        if noetl.nats:
            noetl.nats.start()
            stack.callback(noetl.nats.stop)
        stack.callback(noetl.stop_server)
        noetl.start_server()
        stack.callback(noetl.stop_workers)
        noetl.start_workers()
        yield noetl
