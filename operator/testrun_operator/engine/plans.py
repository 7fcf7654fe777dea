"""What a plan is made of: the execution, what may change meanwhile, what was found out before, what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import LogReference
from testrun_operator.engine.observation import JobObservation
from testrun_operator.engine.outcome import AttemptOutcome, Baseline, CaseOutcome
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.engine.told import NOTHING_TOLD, Told
from testrun_operator.resources.run import TestRunSpec


@dataclass(frozen=True, slots=True)
class Execution:
    """What is being executed; does not change while it is."""

    cases: tuple[PlannedCase, ...]
    """In an order in which every case comes after those that it needs."""
    started_at: datetime
    run: TestRunSpec
    """As it was when the execution started: of it only what decides what runs. What controls it is in Controls, as it
    is now."""
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    """Rows of ``expected_results``, by case."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an execution is to end now."""

    reason: Reason
    """``RunCancelled`` or ``Superseded``."""
    message: str


@dataclass(frozen=True, slots=True)
class Controls:
    """What may change while an execution runs."""

    spec: TestRunSpec
    """The run's spec as it is now: of it only what controls an execution. What decides one is in its Execution."""
    places: int | None = None
    """How many of the operator's places the execution may occupy now; None where the operator has no limit."""
    refused: Mapping[str, datetime] = field(default_factory=dict)
    """Cases whose Job the API server refuses for now, and when that was tried last: others go first."""
    suspended: bool = False
    """Start no further attempt: by the run's ``suspend``, or because a test server is not ready."""
    server_problem: str | None = None
    """The test servers did not get ready in time: what is the matter. Cases that were not started end with it."""
    ending: Ending | None = None
    """End what runs and start nothing more."""
    over_since: datetime | None = None
    """When the execution ended, if that was told already: start nothing, only find out what there is to be stored.
    With ``ending``, if that is what was told."""

    @property
    def over(self) -> bool:
        """Whether it was told already how the execution ended."""
        return self.over_since is not None


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that is over, and the Job that it was."""

    job: JobObservation
    """Without its pod, which is not needed any more."""
    outcome: AttemptOutcome
    known_since: datetime
    """When this process found it out."""
    report_in_log: LogReference | None = None
    """Its details are in its pod's log."""


@dataclass(frozen=True, slots=True)
class PlanState:
    """What earlier plans found out. Outcomes in it never change."""

    underway: Mapping[str, JobObservation] = field(default_factory=dict)
    """The Job of each case that was running, as it was last seen."""
    attempts: Mapping[str, tuple[EndedAttempt, ...]] = field(default_factory=dict)
    """Attempts that are over, by case, the first one first."""
    cases: Mapping[str, CaseOutcome] = field(default_factory=dict)
    """How each case that is over ended."""
    told: Told = NOTHING_TOLD
    """What the process before this one has told of cases: what counts where nothing else is left."""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Create the Job of an attempt."""

    case: PlannedCase
    attempt: int
    test_failures: int
    infrastructure_faults: int


class StopCause(Enum):
    """Why an attempt is ended from outside: what has to be true of its Job when that is written."""

    JUDGED = auto()
    """By what was seen of it and for how long: has to follow from a fresh look as well."""
    RUN_TIMEOUT = auto()
    """The run's time is over: unless a fresh look shows that the attempt has ended."""
    NOT_WANTED = auto()
    """Nobody wants its outcome any more: unless it has changed meanwhile, and has ended."""
    LINGERING = auto()
    """It has ended, and has its outcome; but its pod goes on."""


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """Write the outcome on the attempt's Job and end its pod."""

    job: JobObservation
    outcome: AttemptOutcome
    cause: StopCause = StopCause.NOT_WANTED
    confirm: bool = False
    """Whether only its end is asked for, and the outcome counts when the kubelet has confirmed it."""


@dataclass(frozen=True, slots=True)
class AskWhy:
    """Find out why the Job controller does not create the attempt's pod."""

    job: JobObservation


Action = StartAttempt | StopAttempt | AskWhy


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done next."""

    actions: tuple[Action, ...]
    plan_state: PlanState
    running: frozenset[str]
    """Cases with an attempt under way, or between two attempts."""
    requeue_at: datetime | None
    """When time alone may change the plan; None if it cannot."""
    is_over: bool
    """Whether every case has its verdict."""
    occupied: int = 0
    """Places that attempts have, those included that are to be started."""
    waiting: int = 0
    """Attempts that could start if the operator had more places for them."""


NOTHING_PLANNED = Plan((), PlanState(), frozenset(), None, is_over=False)
"""Of an execution that has not begun."""
