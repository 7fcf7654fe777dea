"""A program of a NoETL on this machine, with its log, that can be stopped, paused and started again."""

import contextlib
import ctypes
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    # A worker that outlives a killed test goes on taking work, of the next test's server if ports are the same.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Process:
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
        """Start the program, with a log and an empty folder of its own."""
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
        """End the program and all that it started; kill it at once where there is no patience."""
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
        """Let it hang."""
        assert self.running is not None
        os.killpg(self.running.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self.running is not None
        os.killpg(self.running.pid, signal.SIGCONT)
