"""What the runner leaves behind: small reports, large ones, and logs that cannot be trusted."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from soak.apiserver import Denied
from support.builders import report_of
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind, encode
from testrun_operator.api.verdict import FailureClass, Verdict

_DETAILS = 120
"""So many that they do not fit into a termination message."""


class LogState(StrEnum):
    """What has become of the log of an attempt whose report is in it."""

    WHOLE = "whole"
    NOISY = "whole, among lines of the case itself"
    CUT = "its beginning was rotated away"
    GONE = "not to be had any more"
    SILENT = "the kubelet does not answer"
    LIES = "another report under the same marks"


@dataclass(frozen=True, slots=True)
class Written:
    """What the runner of an attempt leaves."""

    message: str
    """The termination message."""
    log: str | Denied
    """The log; or the answer to whoever asks for it."""
    details: int
    """How many details the report has that can be read; 0 where the log does not have it."""


def write(
    case: str, attempt: int, outcome: tuple[Verdict, FailureClass | None, Reason], large: LogState | None
) -> Written:
    """Write a report.

    Args:
        case: the case.
        attempt: number of the attempt.
        outcome: what it says.
        large: what has become of the log that it is in; None where it fits into the termination message.
    """
    verdict, failure_class, reason = outcome
    report = report_of(verdict, case=case, attempt=attempt, failure_class=failure_class, reason=reason)
    if large is None:
        return Written(encode(report)[0].decode(), "", 0)
    known = tuple(
        Detail(
            kind=DetailKind.ASSERTION, name=f"assertion {number}", passed=verdict is Verdict.PASSED, message="x" * 40
        )
        for number in range(_DETAILS)
    )
    message, log = encode(report.model_copy(update={"details": known}))
    match large:
        case LogState.WHOLE:
            return Written(message.decode(), log, _DETAILS)
        case LogState.NOISY:
            return Written(message.decode(), f"before\n{log}after\n", _DETAILS)
        case LogState.CUT:
            return Written(message.decode(), "\n".join(log.splitlines()[1:]), 0)
        case LogState.GONE:
            return Written(message.decode(), Denied(404, "NotFound", "the log is gone"), 0)
        case LogState.SILENT:
            return Written(message.decode(), Denied(500, "InternalError", "dial tcp 10.0.0.1:10250: refused"), 0)
    hostile = tuple(detail.model_copy(update={"name": "hostile", "passed": True}) for detail in known)
    lies = encode(report.model_copy(update={"details": hostile, "verdict": Verdict.PASSED, "failure_class": None}))[1]
    lines, marks = lies.splitlines(), log.splitlines()
    return Written(message.decode(), "\n".join([marks[0], *lines[1:]]) + "\n", 0)


def draw_log(random: Random) -> LogState | None:
    """Draw how large a report is, and what becomes of the log that it is in."""
    return random.choice(list(LogState)) if random.random() < _SHARE_OF_LARGE else None


_SHARE_OF_LARGE = 0.2
