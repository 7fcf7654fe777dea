"""Runs a case in a child process and ends it when its time is over, whatever it does.

A thread could not do this: a template such as ``{{ 9 ** (9 ** 9) }}`` is one instruction of the interpreter, which lets
no other thread run until it is done. A process can be killed in the middle of anything, including the C code of a
library, and its memory goes with it. Forking costs about a millisecond, and the child inherits all imports.
"""

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from testrun_operator.runner.messages import Received, Sender

EXIT_TERMINATED = 128 + signal.SIGTERM
_SIGNAL_OFFSET = 128
_READ_BYTES = 64 * 1024
_GRACE_SECONDS = 1.0
_TIDYING_SECONDS = 6.0
"""How long a child that was asked to end may tidy up; well below the pod's grace period of 10 s."""


@dataclass(frozen=True)
class Ending:
    """How a child process ended."""

    received: Received
    timed_out: bool = False
    """Whether it was killed because its time was over."""
    exit_code: int = 0
    """As a shell would give it: 128 + n for signal n."""


@dataclass
class Supervisor:
    """Starts one child process and watches it. A SIGTERM ends both, without a report.

    A child that handles SIGTERM may tidy up before it ends, as database tests do; any other ends at once.
    """

    _child: int | None = field(default=None, init=False)

    def install(self) -> None:
        """Let SIGTERM end this process and its child with exit code 143.

        The pod was deleted, or its node is being shut down. What that means for the case is for the operator to say,
        which sees both; a report from here would only hide it.
        """
        signal.signal(signal.SIGTERM, self._terminate)

    def run(self, work: Callable[[Sender], None], deadline: float) -> Ending:
        """Run a function in a child process.

        Args:
            work: the function; tells through the sender what it does and how it ended.
            deadline: when to kill it, by the clock ``time.monotonic``.
        """
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be_child(work, Sender(writing))
        self._child = child
        os.close(writing)
        received = Received(doing_since=time.monotonic())
        try:
            finished = _receive(reading, received, deadline)
        finally:
            os.close(reading)
        if not finished and received.conclusion is None:
            os.kill(child, signal.SIGKILL)
            self._wait(child, time.monotonic() + _GRACE_SECONDS)
            return Ending(received, timed_out=True)
        return Ending(received, exit_code=self._wait(child, time.monotonic() + _GRACE_SECONDS))

    def _wait(self, child: int, until: float) -> int:
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                self._child = None
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else _SIGNAL_OFFSET - code
            if time.monotonic() > until:
                # It hangs in the kernel, or in its own end. It is not waited for: the report matters more.
                os.kill(child, signal.SIGKILL)
                return _SIGNAL_OFFSET + signal.SIGKILL
            time.sleep(0.001)

    def _terminate(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        if self._child is not None:
            with suppress(ChildProcessError, ProcessLookupError):  # it has ended, and was waited for, just before
                os.kill(self._child, signal.SIGTERM)
                self._wait(self._child, time.monotonic() + _TIDYING_SECONDS)
        os._exit(EXIT_TERMINATED)


def _be_child(work: Callable[[Sender], None], sender: Sender) -> NoReturn:
    exit_code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work(sender)
        exit_code = 0
    except SystemExit as ended:
        exit_code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing of the parent's program may run on in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _receive(descriptor: int, received: Received, deadline: float) -> bool:
    """Take messages until the child closes the pipe; return False where the deadline came first."""
    while (remaining := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([descriptor], [], [], remaining)
        if not readable:
            continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            return True
        received.feed(data, time.monotonic())
    return False
