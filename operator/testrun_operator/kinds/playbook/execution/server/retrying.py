"""Repeats what is safe to repeat while a server is away or being restarted."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from testrun_operator.kinds.playbook.execution.server.transport import Nonsense
from testrun_operator.runner.problem import ConnectionFailed

GRACE_SECONDS: Final = 30.0
"""For so long a server may be away: it is being restarted."""
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_Result = TypeVar("_Result")


def patiently(ask: Callable[[], _Result], remaining_seconds: float, *, kind: type[ConnectionFailed]) -> _Result:
    """Ask again while there is no answer, for half a minute or as long as there is time.

    An answer that is nonsense is one: another will not be better.

    Args:
        ask: asks once.
        remaining_seconds: how much time is left.
        kind: the failures after which it may be asked again.

    Raises:
        ConnectionFailed: what came of the last try, and how long it was tried.
    """
    began = time.monotonic()
    until = began + min(GRACE_SECONDS, remaining_seconds)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return ask()
        except Nonsense:
            raise
        except kind as failure:
            if time.monotonic() + pause > until:
                if (seconds := round(time.monotonic() - began)) > 0:
                    failure.message += f" (tried for {seconds} s)"
                raise
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
