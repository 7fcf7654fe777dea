"""A real NoETL for tests: server, worker, PostgreSQL and, where it is wanted, NATS, as processes of this machine.

Needs Python 3.12 or later somewhere on this machine, which is what NoETL asks for (the tests themselves run with 3.11,
too), Debian's package ``postgresql``, and ``nats-server`` or an apt that can fetch it. What is installed from the
package index is exactly the lock file in ``ci/images/noetl``, once per machine, in the project's cache.

Nothing real is in the processes' reach but the network: a worker runs what playbooks say.
"""

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ci"))

from native import cache
from native.noetl_python import find_python
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
    environment,
    nats_url_with_user,
)

_START_SECONDS = 90
_LOCAL = "127.0.0.1"
# A name and a password that need no quoting: the releases put them into URLs and DSNs as they are.
_PASSWORD = "only-for-tests"
_READER_PASSWORD = "reads-events-only"
_PR_SET_PDEATHSIG = 1
# What a worker writes into its log when it takes work: of releases from 2 on, and of 1.
_READY = re.compile(r"Subscribed to noetl\.commands|Worker pool registration completed")


def releases_under_test() -> tuple[str, ...]:
    """Give the releases that tests are to use: those in TESTRUN_NOETL_RELEASES, with commas between them, or all."""
    named = os.environ.get("TESTRUN_NOETL_RELEASES")
    return tuple(named.split(",")) if named else tuple(RELEASES)


def installed(release: Release) -> str:
    """Install a release into the cache, unless it is there, and give the Python that has it.

    Raises:
        RuntimeError: there is no Python for it.
    """
    python = find_python()
    if python is None:
        raise RuntimeError(
            "NoETL needs Python 3.12 or later on this machine: as python3.12 or 3.13 on PATH, or of pyenv"
        )
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    key = cache.recipe_key(release.version, [version, release.requirements.read_text()])
    folder = cache.cache_home() / "noetl" / key
    if not (folder / "bin" / "python").exists():
        with cache.new_entry(folder) as partial:
            _install(python, release, partial)
    return str(folder / "bin" / "python")


def _install(python: str, release: Release, folder: Path) -> None:
    log = cache.build_logs() / f"noetl-{release.version}-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # Without a prefix of its own nothing in there names the folder, which moves when it is complete.
    commands = (
        ["-m", "venv", "--without-pip", str(folder)],
        [
            *("-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--cache-dir", str(cache.cache_home() / "pip")),
            *("--requirement", str(release.requirements)),
        ],
    )
    with log.open("w") as output:
        for command in commands:
            done = subprocess.run([python, *command], stdout=output, stderr=output, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"noetl {release.version} was not installed: {log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCAL, 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    # A worker that outlives a killed test goes on taking work, of the next test's server if ports are the same.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class _Process:
    """A program with its log, that can be started again."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    folder: Path
    running: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the program wrote since it was started last."""
        path = self.folder / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        home = Path(self.environment.get("HOME", self.folder))
        home.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.name}.log").open("wb") as log:
            self.running = subprocess.Popen(
                self.arguments,
                # In an empty folder: the programs read .env files of where they are.
                cwd=home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - by the main thread
            )

    def stop(self, *, patience_seconds: float = 5) -> None:
        if self.running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if patience_seconds:
                os.killpg(self.running.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.running.wait(patience_seconds)
            # The group, also when its leader has ended: shells that playbooks started are in it.
            os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait()
        self.running = None

    def pause(self) -> None:
        assert self.running is not None
        os.killpg(self.running.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.running is not None
        os.killpg(self.running.pid, signal.SIGCONT)


@dataclass
class NoetlServer:
    """A NoETL that runs: its addresses, and what a test may do to it."""

    release: Release
    url: str
    postgres: PostgresServer
    database: str
    server: _Process
    workers: list[_Process]
    nats: _Process | None
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def events_dsn(self) -> str:
        """The DSN of a role that may read the schema ``noetl``."""
        return self._dsn(READER, _READER_PASSWORD)

    @property
    def owner_dsn(self) -> str:
        """The DSN of the role that owns the schema."""
        return self._dsn(OWNER, _PASSWORD)

    def _dsn(self, user: str, password: str) -> str:
        return make_conninfo(host=_LOCAL, port=self.postgres.port, dbname=self.database, user=user, password=password)

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

    def _wait(self, what: str, condition: Callable[[], bool], processes: list[_Process]) -> None:
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
        "PGHOST": _LOCAL,
        "PGPORT": str(postgres.port),
        "PGUSER": ADMINISTRATOR,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": database,
        "NOETL_PASSWORD": _PASSWORD,
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


def _nats(folder: Path, port: int) -> _Process:
    program = _nats_program()
    arguments = [
        *(program, "--jetstream", "--store_dir", str(folder / "jetstream"), "--addr", _LOCAL, "--port", str(port)),
        *("--user", NATS_USER, "--pass", _PASSWORD),
    ]
    return _Process("nats", arguments, {"PATH": os.environ["PATH"]}, folder)


@contextlib.contextmanager
def running_noetl(version: str, *, workers: int = 1) -> Iterator[NoetlServer]:
    """Start a NoETL of a release for a block of code."""
    release = RELEASES[version]
    python = installed(release)
    folder = Path(tempfile.mkdtemp(prefix="testrun-noetl-"))
    # The database's user must be able to get there.
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(_running_postgres(folder / "postgres"))
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        _prepare(python, postgres, DATABASE)
        port, nats_port = _free_port(), _free_port()
        nats_url = nats_url_with_user(f"nats://{_LOCAL}:{nats_port}", _PASSWORD)

        def settings(name: str, mode: str) -> dict[str, str]:
            surroundings = Surroundings(
                server_url=f"http://{_LOCAL}:{port}",
                port=port,
                postgres_host=_LOCAL,
                postgres_port=postgres.port,
                nats_url=nats_url,
                home=str(folder / name),
            )
            return {
                **environment(release, surroundings),
                "PATH": f"{Path(python).parent}:/usr/bin:/bin",
                "NOETL_RUN_MODE": mode,
                "NOETL_WORKER_ID": name,
                "NOETL_WORKER_POOL_NAME": name,
                "NOETL_HOST": _LOCAL,
                "POSTGRES_PASSWORD": _PASSWORD,
                "NOETL_PASSWORD": _PASSWORD,
                "NATS_PASSWORD": _PASSWORD,
            }

        server_command = [python, *release.server_command(host=_LOCAL, port=port)]
        worker_command = [python, *release.worker_command(server_url=f"http://{_LOCAL}:{port}", nats_url=nats_url)]
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        noetl = NoetlServer(
            release=release,
            url=f"http://{_LOCAL}:{port}",
            postgres=postgres,
            database=DATABASE,
            server=_Process("server", server_command, settings("server", "server"), folder),
            workers=[_Process(name, worker_command, settings(name, "worker"), folder) for name in names],
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
