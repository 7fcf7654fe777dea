"""Running programs: short ones to their end, long ones with progress, daemons detached from the calling command."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from native import cgroups
from native.terminal import Fault, last_lines, say

PROGRESS_INTERVAL_SECONDS = 20.0


def run(
    arguments: Sequence[str | Path],
    *,
    check: bool = True,
    stdin: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a short program and capture what it prints; with `check`, a failure becomes a fault with its words."""
    words = [str(argument) for argument in arguments]
    encoded = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        raw = subprocess.run(
            words,
            capture_output=True,
            input=encoded,
            # Without input of ours, a program must not eat the caller's.
            stdin=subprocess.DEVNULL if encoded is None else None,
            env={**os.environ, **environment} if environment else None,
            check=False,
        )
    except FileNotFoundError as error:
        raise Fault(f"the program {words[0]} is not installed") from error
    finished = subprocess.CompletedProcess(
        words, raw.returncode, raw.stdout.decode(errors="replace"), raw.stderr.decode(errors="replace")
    )
    if check and finished.returncode != 0:
        said = (finished.stderr.strip() or finished.stdout.strip())[-2000:]
        raise Fault(f"{' '.join(words)[:300]}\nfailed with exit code {finished.returncode}:\n{said}")
    return finished


def new_log(path: Path) -> Path:
    """Begin a log anew: what an earlier run said would only mislead."""
    path.unlink(missing_ok=True)
    return path


def run_logged(
    arguments: Sequence[str | Path],
    *,
    title: str,
    log: Path,
    usual_seconds: int,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a long program with its output in a log, saying now and then that it still runs and for how long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own, so that all that it started can be ended with it.
            start_new_session=True,
        )
        try:
            while True:
                try:
                    exit_code = process.wait(timeout=PROGRESS_INTERVAL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    elapsed_seconds = time.monotonic() - started
                    say(f"    {title}: {elapsed_seconds:.0f} s so far, usually about {usual_seconds} s")
        except BaseException:
            # The caller was interrupted: leave no compiler running behind its back.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if exit_code != 0:
        raise Fault(f"{title} failed with exit code {exit_code}. The log is {log}; it ends with:\n{last_lines(log)}")


@dataclass(frozen=True)
class Daemon:
    """A long-running process of the cluster and how it is started."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    content: tuple[str, ...] = ()
    """The text of its configuration files: a change of it restarts the process, as a change of its arguments does."""
    prefix: tuple[str, ...] = ()
    """Programs that prepare the surroundings and then become the daemon; a change of them restarts nothing."""

    @property
    def fingerprint(self) -> str:
        """What must be equal for a running process to be left alone."""
        parts = [list(self.arguments), sorted(self.environment.items()), list(self.content)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class DaemonFolder:
    """Starts daemons, remembers them in files, and recognises them again from a later command."""

    def __init__(self, *, records: Path, logs: Path, cgroup: cgroups.ControlGroup) -> None:
        """Records and logs are folders; every daemon becomes a member of the control group."""
        self._records = records
        self._logs = logs
        self._cgroup = cgroup

    def log(self, name: str) -> Path:
        """The file with all that the daemon printed since the cluster began."""
        return self._logs / f"{name}.log"

    def process_id(self, name: str) -> int | None:
        """The process id of a living daemon; None when it does not live."""
        record = self._read(name)
        process_id = record.get("process_id")
        if not isinstance(process_id, int) or start_ticks(process_id) != record.get("start_ticks"):
            return None
        return process_id

    def ensure(self, daemon: Daemon) -> bool:
        """Start the daemon unless it already runs just so; True when it was started."""
        process_id = self.process_id(daemon.name)
        if process_id is not None:
            if self._read(daemon.name).get("fingerprint") == daemon.fingerprint:
                return False
            say(f"    {daemon.name} runs with older settings: starting it anew")
            stop(process_id)
        self._start(daemon)
        return True

    def stop(self, name: str) -> None:
        """End one daemon, if it runs."""
        process_id = self.process_id(name)
        if process_id is not None:
            stop(process_id)
        (self._records / f"{name}.json").unlink(missing_ok=True)

    def wait_until(self, ready: Callable[[], bool], *, name: str, timeout_seconds: float) -> None:
        """Wait for a condition that the daemon is to bring about; its death or the end of the time is a fault."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            log = self.log(name)
            if self.process_id(name) is None:
                raise Fault(f"{name} ended. Its log is {log}; it ends with:\n{last_lines(log)}")
            if time.monotonic() > deadline:
                raise Fault(
                    f"{name} was not ready within {timeout_seconds:.0f} s. "
                    f"Its log is {log}; it ends with:\n{last_lines(log)}"
                )
            time.sleep(0.05)

    def _start(self, daemon: Daemon) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(daemon.name).open("ab") as log:
            process = subprocess.Popen(
                [*daemon.prefix, *daemon.arguments],
                cwd="/",
                env={**daemon_environment(os.environ), **daemon.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: neither the terminal's signals nor its end reach the daemon.
                start_new_session=True,
                # Safe here: the only threads of this program, those that make certificates, have ended by then.
                preexec_fn=self._become_member,  # noqa: PLW1509
            )
        record = {
            "process_id": process.pid,
            "start_ticks": start_ticks(process.pid),
            "fingerprint": daemon.fingerprint,
        }
        write_atomically(self._records / f"{daemon.name}.json", json.dumps(record))

    def _become_member(self) -> None:
        # Before the program starts, so that nothing it starts itself can be outside the group: `down` ends the group.
        self._cgroup.add(os.getpid())
        # Directories of the hostpath provisioner must be writable for pods that do not run as root.
        os.umask(0)

    def _read(self, name: str) -> dict[str, object]:
        try:
            record = json.loads((self._records / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}


def daemon_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep what a program needs to run; the caller's proxies, tokens and Python settings are not for the cluster."""
    return {name: environment[name] for name in ("HOME", "LANG", "PATH") if name in environment}


def start_ticks(process_id: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None when it does not live.

    Together with the process id this tells a daemon from a later process that got the same id.
    """
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return None
    # The second field, the command's name in parentheses, may itself contain spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    state, ticks = fields[0], int(fields[19])
    return None if state in ("Z", "X") else ticks


def stop(process_id: int, *, patience_seconds: float = 5.0) -> None:
    """Ask a process to end and, when it does not within its time, kill it."""
    began = start_ticks(process_id)
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal_number)
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if start_ticks(process_id) != began or began is None:
                return
            time.sleep(0.02)


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file in one step: a reader sees the old or the new text, and a killed writer leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    partial.chmod(mode)
    partial.replace(path)
