"""The truth: what the subject of each attempt does, what was done to it, and which outcomes are right therefore."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from soak.reports import LogState, draw_log
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import AttemptOutcome

_TOLERANCE = 2.0
"""Seconds by which a container may have run shorter than its timeout: Kubernetes knows whole seconds."""
_TIME_TO_JUDGE = 5.0
"""Seconds within which an operator that was shown how an attempt ended has judged it."""
LONG_START = 270.0
"""Seconds after which a pod that does not run counts as disturbed: the operator's start timeout is 300 s."""


class Ends(StrEnum):
    """How the container of an attempt ends if nobody disturbs it."""

    PASSES = "passes"
    FAILS = "fails"
    DEPENDENCY = "reports that something else did not answer"
    OVERTIME = "reports that its time was over"
    KILLED = "is killed by nobody knows whom"
    NEVER = "never ends"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the container of an attempt does."""

    ends: Ends
    start_seconds: float
    """How long its pod takes until it runs."""
    seconds: float
    """How long it runs."""
    code_when_told: int
    """With which exit code it ends when it is told to."""
    seconds_when_told: float
    log: LogState | None = None
    """What has become of the log that its report is in; None where it fits into the termination message."""


@dataclass(slots=True)
class Attempt:
    """An attempt, as it really is. Times are seconds since the beginning, by the API server's clock."""

    job: str
    namespace: str
    run_uid: str
    run_id: str
    case: str
    number: int
    has_report: bool
    is_needed: bool
    """Whether another case may use its outputs."""
    timeout: float
    behaviour: Behaviour
    created_at: float
    run_over_at: float
    """When the timeout of its run is over."""
    clock: Callable[[], float]
    running_at: float | None = None
    ended_at: float | None = None
    ended_itself: bool = False
    has_tests: bool = False
    """Whether its reader of JUnit files has reported."""
    disturbances: list[str] = field(default_factory=list)
    disturbed_at: float | None = None
    """When something that is no fault of the subject happened to it first."""
    details: int = 0
    """How many details of it can be read."""
    end_seen: tuple[float, int] | None = None
    """When an operator was shown first how its container had ended, and which operator it was."""

    def disturb(self, how: str) -> None:
        """Take note of something that is no fault of the subject."""
        self.disturbances.append(how)
        if self.disturbed_at is None:
            self.disturbed_at = self.clock()

    def was_known(self, operator: int) -> bool:
        """Whether the operator that there is last was shown the end of its container before anything disturbed it."""
        if self.end_seen is None or not self.ended_itself or self.end_seen[1] != operator:
            return False
        return self.disturbed_at is None or self.disturbed_at > self.end_seen[0] + _TIME_TO_JUDGE

    def ran_for(self, now: float) -> float:
        """Return for how many seconds its container has run."""
        if self.running_at is None:
            return 0.0
        return (self.ended_at if self.ended_at is not None else now) - self.running_at


def draw_behaviour(seed: str, timeout: float, *, has_report: bool) -> Behaviour:
    """Draw what an attempt does; the same for the same attempt, whatever happens around it."""
    random = Random(seed)
    choices = [Ends.PASSES] * 10 + [Ends.FAILS] * 3 + [Ends.KILLED]
    choices += [Ends.DEPENDENCY, Ends.OVERTIME] if has_report else [Ends.NEVER]
    ends = random.choice(choices)
    seconds = random.choice([random.uniform(0.2, 15), random.uniform(0.2, timeout - 4), timeout - 4])
    if ends is Ends.OVERTIME:
        seconds = timeout + 0.5
    return Behaviour(
        ends=ends,
        start_seconds=random.choice([random.uniform(0.3, 3)] * 5 + [25.0]),
        seconds=seconds,
        code_when_told=143 if has_report else random.choice([0, 143, 137, 1]),
        seconds_when_told=random.choice([0.1, 1.0, 9.0]),
        log=draw_log(random) if has_report else None,
    )


def problem_of_details(attempt: Attempt | None, outcome: AttemptOutcome, *, must_be_there: bool) -> str | None:
    """Say what is wrong with the details of an attempt; None if they may be so.

    Args:
        attempt: the truth.
        outcome: what the operator made of it.
        must_be_there: whether nothing may have kept the operator from reading them.
    """
    if any(detail.name == "hostile" for detail in outcome.details):
        return "its details are not those of its report"
    if attempt is None or attempt.behaviour.log is None or not attempt.ended_itself or not must_be_there:
        return None
    if attempt.disturbances or outcome.failure_class is FailureClass.INFRASTRUCTURE:
        return None
    if outcome.verdict is Verdict.CANCELLED:
        return None  # its end and that of the run crossed
    if attempt.details and len(outcome.details) != attempt.details:
        return f"it has {len(outcome.details)} of {attempt.details} details"
    if not attempt.details and (len(outcome.details) != 1 or outcome.details[0].passed):
        return "nothing says that its details are lost"
    return None


def problem_of(  # noqa: PLR0911 - a line for each verdict
    attempt: Attempt | None, outcome: AttemptOutcome, now: float, rejected: Iterable[str], operator: int
) -> str | None:
    """Say what is wrong with the outcome of an attempt; None if it may be so.

    Args:
        attempt: the truth; None if there never was such an attempt.
        outcome: what the operator made of it.
        now: seconds since the beginning.
        rejected: names of the Jobs that the API server said it would never accept.
        operator: the number of the operator that there is last.
    """
    verdict, failure_class, reason = outcome.verdict, outcome.failure_class, outcome.reason
    if outcome.has_tests and not (attempt is not None and attempt.has_tests):
        return "nobody has read its JUnit files"
    if reason is Reason.JOB_REJECTED:
        return None if outcome.job in rejected else "the Job was not rejected"
    if attempt is None:
        return "there never was a Job of that name"
    if verdict is Verdict.CANCELLED or reason is Reason.RUN_TIMEOUT:
        return None  # judged with the run
    ended = attempt.behaviour.ends if attempt.ended_itself else None
    if verdict is Verdict.PASSED:
        return None if ended is Ends.PASSES else "the subject did not pass"
    if verdict is Verdict.FAILED:
        return None if ended is Ends.FAILS else "the subject did not fail"
    if verdict is Verdict.TIMED_OUT:
        if ended is Ends.OVERTIME or (not attempt.has_report and attempt.ran_for(now) >= attempt.timeout - _TOLERANCE):
            return None
        return f"its container ran for {attempt.ran_for(now):.1f} s of {attempt.timeout:.0f} s"
    if failure_class is FailureClass.DEPENDENCY:
        return None if ended is Ends.DEPENDENCY else "nothing was wrong with a dependency"
    if failure_class is FailureClass.INFRASTRUCTURE:
        if ended is not Ends.KILLED and attempt.was_known(operator):
            return "the operator had seen how it ended before anything disturbed it"
        if attempt.disturbances or ended is Ends.KILLED or (ended is None and now >= attempt.run_over_at):
            return None
        return "nothing was wrong with the infrastructure"
    return "nothing was wrong with the configuration"
