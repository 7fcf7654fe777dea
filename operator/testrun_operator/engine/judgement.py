"""What the judge says of an attempt, and how patient it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from testrun_operator.api.report import LogReference
from testrun_operator.engine.outcome import AttemptOutcome


@dataclass(frozen=True, slots=True)
class JudgingSettings:
    """How patient the judge is. The defaults are those of the operator's settings."""

    start_timeout: timedelta = timedelta(minutes=5)
    """How long a pod may take until its container runs. Long enough for a slow pull and an autoscaled node."""
    image_pull_grace: timedelta = timedelta(seconds=30)
    """How long the kubelet may fail to pull an image: longer than a registry's hiccup, not longer than a wrong name."""
    configuration_grace: timedelta = timedelta(seconds=15)
    """How long a Secret or ConfigMap may be missing, or a rule refuse the pod: with GitOps what they lack often arrives
    a moment after the run."""
    runner_grace: timedelta = timedelta(seconds=15)
    """How much longer than the case's timeout the runner may take to report it before it is ended from outside."""


@dataclass(frozen=True, slots=True)
class Underway:
    """The attempt has no outcome yet."""

    requeue_at: datetime | None
    """When time alone may change that; None if it cannot."""
    ask_why: bool = False
    """Whether to ask now why the Job has no pod yet."""
    has_ended: bool = False
    """Whether the case itself has ended, and only what it left behind is still to come."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over."""

    outcome: AttemptOutcome
    report_in_log: LogReference | None = None
    """Its details are in the pod's log and still have to be read."""


@dataclass(frozen=True, slots=True)
class MustStop:
    """The attempt has to be ended from outside, with this outcome."""

    outcome: AttemptOutcome
    confirm: bool = False
    """Whether the outcome counts only when the kubelet has confirmed that the container ran until it was ended."""


Judgement = Underway | Ended | MustStop
