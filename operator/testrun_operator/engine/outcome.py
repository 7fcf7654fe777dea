"""How an attempt, a case and an execution ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, ExecutionReport
from testrun_operator.api.verdict import FailureClass, Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of an attempt's pod before anything was deleted. Everything may be unknown."""

    exit_code: int | None = None
    """Exit code of the container; 128 + n for signal n."""
    pod: str | None = None
    """Name of the pod."""
    pod_reason: str | None = None
    """The reason that Kubernetes gives for the state of the pod or its container, for instance ``OOMKilled``."""
    node: str | None = None
    """Name of the node."""
    log_tail: str | None = None
    """The last lines of the container's log."""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How one attempt, that is one Job, ended."""

    case: str
    """Name of the case."""
    attempt: int
    """Number of the attempt, from 1."""
    job: str
    """Name of the Job."""
    verdict: Verdict
    failure_class: FailureClass | None
    """Where the cause lies; None for Passed."""
    reason: Reason
    message: str
    started_at: datetime | None = None
    """When the container started; None if it never did."""
    finished_at: datetime | None = None
    """When the container, or else the attempt, ended."""
    duration_milliseconds: int | None = None
    """As the runner measured it, or from the container's start to its end."""
    step_count: int | None = None
    """Requests, pages or events; None where the kind has no such thing."""
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)
    """Values for cases that need this one."""
    details: tuple[Detail, ...] = ()
    """Every assertion, page and repeated request."""
    execution: ExecutionReport | None = None
    """The execution of a playbook, as the runner reported it."""
    has_tests: bool = False
    """Whether it says what the reader of JUnit files in its pod reported. The details of an outcome that is written on
    a Job are there, and nowhere else."""
    evidence: Evidence = Evidence()

    @property
    def is_infrastructure_fault(self) -> bool:
        """Whether the attempt is to be repeated on the infrastructure's budget."""
        return self.verdict is Verdict.ERRORED and self.failure_class is FailureClass.INFRASTRUCTURE


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How a case ended: the verdict of its last attempt, or why it had none."""

    case: str
    """Name of the case."""
    verdict: Verdict
    failure_class: FailureClass | None
    """Where the cause lies; None for Passed and Skipped."""
    reason: Reason
    message: str
    flaky: bool = False
    """Whether it passed only after an attempt that failed or timed out."""
    attempts: tuple[AttemptOutcome, ...] = ()
    """Its attempts, the first one first; empty if it was not executed."""

    @property
    def last_attempt(self) -> AttemptOutcome | None:
        """The attempt that decided, if there was one."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True)
class Baseline:
    """A row of ``expected_results``: what people wrote that a case has to keep to."""

    case: str
    expected_status: str | None = None
    """Of NoETL's vocabulary: ``COMPLETED`` where the case is to pass, ``FAILED`` where it is to fail.

    For a playbook it is how the execution has to end.
    """
    min_events: int | None = None
    """Least number of steps (requests, pages, events)."""
    max_duration_milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """What is stored of a case that has its verdict: a row of ``regression_results`` and its attempts and details."""

    run_id: int
    kind: str
    path: str
    """What the case is about, for ``playbook_path``: method and path of a request, where files come from, the path of a
    playbook, or an image. Never a secret."""
    category: str | None
    outcome: CaseOutcome
    expected_status: str | None = None
    """From the baseline, if there is one; otherwise how a playbook's case says that its execution must end."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is stored of an execution that is over: a row of ``regression_summary``."""

    run_id: int
    namespace: str
    name: str
    suite: str
    """Name of the TestSuite; of the TestRun, for an inline suite."""
    revision: str | None
    """Stored as ``git_commit``."""
    phase: Phase
    started_at: datetime
    finished_at: datetime
    total: int
    passed: int
    failed: int
    errored: int
    timed_out: int
    skipped: int
    cancelled: int
    flaky: int
    categories: tuple[str, ...]
    """Categories of the executed cases, sorted, each once."""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Stored as ``test_config``: variables, selection, parallelism. Never a secret."""
