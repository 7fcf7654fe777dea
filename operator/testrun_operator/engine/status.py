"""From a plan to the status of a TestRun: counts, phase, failures and conditions.

Conditions follow kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus), which Flux and others
read: ``Ready=False`` alone means "in progress" there, hence ``Stalled=True`` beside it for a run that did not pass.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import JsonValue

from testrun_operator.api.base import Model
from testrun_operator.api.phase import ConditionStatus, ConditionType, Phase
from testrun_operator.api.reason import ConditionReason
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.execution import ExecutionRecord
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.engine.planning import Plan
from testrun_operator.engine.summary import explain_few, phase_of, success_rate, sum_up
from testrun_operator.kinds.registry import KINDS
from testrun_operator.resources.status import (
    MAX_FAILURES,
    MAX_HISTORY,
    MAX_MESSAGE,
    CaseCounts,
    Condition,
    Execution,
    Failure,
    PlaybookExecution,
    TestRunStatus,
)

_NOT_PASSED = (Verdict.FAILED, Verdict.TIMED_OUT, Verdict.ERRORED, Verdict.CANCELLED)
_MAX_CONDITION_MESSAGE = 1024
MAX_STATUS_BYTES = 10_000
"""Every change of a status is sent to everybody who watches TestRuns, and stored by the API server once more."""
_MAX_PAGE = 200
_EXECUTION_STATUSES = frozenset().union(*(kind.execution_statuses for kind in KINDS))
_CONDITION_TYPES = frozenset(ConditionType)
_SHORTER = (200, 120, 80, 40, 20, 10)
"""Characters to which texts are cut, one after the other, until a status fits."""
_Entry = TypeVar("_Entry", bound=Model)


@dataclass(frozen=True, slots=True)
class Storing:
    """How far the storing of the results is."""

    status: ConditionStatus
    reason: ConditionReason
    message: str = ""


def shorten(text: str, limit: int) -> str:
    """Cut a text to a number of characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count_cases(total: int, outcomes: Iterable[CaseOutcome], running: int) -> CaseCounts:
    """Count where the cases of an execution are."""
    verdicts: Counter[Verdict] = Counter()
    flaky = 0
    for outcome in outcomes:
        verdicts[outcome.verdict] += 1
        flaky += outcome.flaky
    return CaseCounts(
        total=total,
        pending=total - running - verdicts.total(),
        running=running,
        passed=verdicts[Verdict.PASSED],
        failed=verdicts[Verdict.FAILED],
        errored=verdicts[Verdict.ERRORED],
        timed_out=verdicts[Verdict.TIMED_OUT],
        skipped=verdicts[Verdict.SKIPPED],
        cancelled=verdicts[Verdict.CANCELLED],
        flaky=flaky,
    )


def list_failures(outcomes: Iterable[CaseOutcome]) -> tuple[Failure, ...]:
    """List the first 20 cases that did not pass, sorted by name."""
    failed = sorted(
        (outcome for outcome in outcomes if outcome.verdict in _NOT_PASSED), key=lambda outcome: outcome.case
    )
    return tuple(
        Failure(
            case=outcome.case,
            verdict=outcome.verdict,
            failure_class=outcome.failure_class,
            reason=outcome.reason,
            message=shorten(outcome.message, MAX_MESSAGE),
            attempt=outcome.last_attempt.attempt if outcome.last_attempt else 0,
            job=outcome.last_attempt.job if outcome.last_attempt else None,
            execution=_execution(outcome),
        )
        for outcome in failed[:MAX_FAILURES]
    )


def _execution(outcome: CaseOutcome) -> PlaybookExecution | None:
    last = outcome.last_attempt
    if last is None or last.execution is None:
        return None
    # Of the pod's texts only those that it can have from us: a status of this resource has a size to keep to.
    status, page = last.execution.status, last.execution.page
    return PlaybookExecution(
        id=last.execution.id,
        status=status if status in _EXECUTION_STATUSES else "",
        page=page if page is not None and len(page) <= _MAX_PAGE else None,
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """The TestRun that a status is for."""

    generation: int
    previous: TestRunStatus
    """Its status as it is."""


def describe_waiting(subject: Subject, reason: ConditionReason, message: str, now: datetime) -> TestRunStatus:
    """Return the status of a run whose execution cannot start yet."""
    status = _without_execution(subject).model_copy(update={"phase": Phase.PENDING})
    return _with_conditions(
        status,
        subject,
        {
            ConditionType.READY: (ConditionStatus.UNKNOWN, reason, message),
            ConditionType.RECONCILING: (ConditionStatus.TRUE, reason, message),
            ConditionType.STALLED: (ConditionStatus.FALSE, reason, message),
            ConditionType.SUCCEEDED: (ConditionStatus.UNKNOWN, reason, message),
            ConditionType.RESULTS_STORED: (ConditionStatus.UNKNOWN, reason, "nothing was executed yet"),
        },
        now,
    )


def describe_invalid(subject: Subject, message: str, now: datetime) -> TestRunStatus:
    """Return the status of a run whose spec is invalid; nothing of it is executed."""
    status = _without_execution(subject).model_copy(update={"phase": Phase.ERRORED})
    reason = ConditionReason.INVALID_SPEC
    return _with_conditions(
        status,
        subject,
        {
            ConditionType.READY: (ConditionStatus.FALSE, reason, message),
            ConditionType.RECONCILING: (ConditionStatus.FALSE, reason, message),
            ConditionType.STALLED: (ConditionStatus.TRUE, reason, message),
            ConditionType.SUCCEEDED: (ConditionStatus.FALSE, reason, message),
            ConditionType.RESULTS_STORED: (ConditionStatus.UNKNOWN, reason, "nothing was executed"),
        },
        now,
    )


def describe_stalled(generation: int, reason: ConditionReason, message: str, now: datetime) -> tuple[Condition, ...]:
    """Return the conditions of a run whose stored state cannot be read, and which waits for a person."""
    stalled, unknown = ConditionStatus.TRUE, ConditionStatus.UNKNOWN
    states = {
        ConditionType.READY: ConditionStatus.FALSE,
        ConditionType.RECONCILING: ConditionStatus.FALSE,
        ConditionType.STALLED: stalled,
        ConditionType.SUCCEEDED: unknown,
        ConditionType.RESULTS_STORED: unknown,
    }
    return tuple(
        Condition(
            type=kind,
            status=state,
            reason=reason,
            message=shorten(message, _MAX_CONDITION_MESSAGE),
            last_transition_time=now,
            observed_generation=generation,
        )
        for kind, state in states.items()
    )


def describe_execution(
    subject: Subject,
    record: ExecutionRecord,
    total: int,
    plan: Plan,
    activity: tuple[ConditionReason, str],
    storing: Storing,
    now: datetime,
    *,
    replaced: bool = False,
) -> TestRunStatus:
    """Return the status of a run whose execution was started.

    Args:
        subject: the run.
        record: what the execution was started with.
        total: number of its cases.
        plan: the newest plan.
        activity: what it is busy with or waits for, while it is not over.
        storing: how far the storing of the results is.
        now: the time; the completion time if the execution has just ended.
        replaced: whether the run's spec changed before the execution had ended. Its end is no spec's result then.
    """
    previous = subject.previous
    same = previous.run_id == record.run_id
    outcomes = tuple(plan.plan_state.cases.values())
    phase = Phase.RUNNING
    completed_at = None
    if plan.is_over:
        phase = phase_of(record, outcomes)
        completed_at = (previous.completion_time if same else None) or now
    status = TestRunStatus(
        observed_generation=subject.generation,
        phase=phase,
        run_id=record.run_id,
        revision=record.run.revision,
        spec_digest=None if replaced else record.spec_digest,
        start_time=record.started_at,
        completion_time=completed_at,
        duration_seconds=max(0, round((completed_at - record.started_at).total_seconds())) if completed_at else None,
        cases=count_cases(total, outcomes, len(plan.running)),
        success_rate=success_rate(outcomes) if plan.is_over else None,
        failures=list_failures(outcomes),
        history=previous.history if same else remember_execution(previous),
        records=previous.records,
        conditions=previous.conditions,
    )
    if phase.is_final:
        activity = explain_few(record, phase, outcomes)
    return _with_conditions(status, subject, _execution_conditions(status, activity, storing), now)


def with_storing(status: TestRunStatus, subject: Subject, storing: Storing, now: datetime) -> TestRunStatus:
    """Return the status of an execution that is over with only ``ResultsStored`` brought up to date."""
    changed = {
        ConditionType(condition.type): (condition.status, condition.reason, condition.message)
        for condition in status.conditions
        if condition.type in _CONDITION_TYPES  # one that somebody else added is not ours to keep
    } | {ConditionType.RESULTS_STORED: (storing.status, storing.reason, storing.message)}
    return _with_conditions(
        status.model_copy(update={"observed_generation": subject.generation}), subject, changed, now
    )


def says(status: TestRunStatus, reason: str, message: str) -> bool:
    """Return whether a status says of a run that it is, or is not, ready for this reason and with these words."""
    told = shorten(message, _MAX_CONDITION_MESSAGE)
    return any(
        condition.type == ConditionType.READY and (condition.reason, condition.message) == (reason, told)
        for condition in status.conditions
    )


def remember_execution(previous: TestRunStatus) -> tuple[Execution, ...]:
    """Return the history with the execution that a status is of put before the earlier ones, 5 at most."""
    if previous.run_id is None or previous.phase is None:
        return previous.history
    # An execution that was replaced while it ran ends as Cancelled; its own status is not written any more.
    ended = previous.phase if previous.phase.is_final else Phase.CANCELLED
    newest = Execution(
        run_id=previous.run_id,
        revision=previous.revision,
        phase=ended,
        completion_time=previous.completion_time,
    )
    earlier = tuple(entry for entry in previous.history if entry.run_id != newest.run_id)
    return (newest, *earlier)[:MAX_HISTORY]


def summarize_settings(record: ExecutionRecord) -> dict[str, JsonValue]:
    """Collect what ``test_config`` says of an execution: how it was asked for, and which cases it left out."""
    asked = record.run.model_dump(mode="json", exclude={"suite", "suite_ref"}, exclude_defaults=True)
    left_out = {"passed_before": list(record.restriction.passed_before)} if record.restriction else {}
    return {"suite": record.suite_name, **asked, **left_out}


def _execution_conditions(
    status: TestRunStatus, activity: tuple[ConditionReason, str], storing: Storing
) -> Mapping[ConditionType, tuple[ConditionStatus, str, str]]:
    counts = status.cases or CaseCounts()
    stored = (storing.status, storing.reason, storing.message)
    if status.phase is None or not status.phase.is_final:
        reason, message = activity
        return {
            ConditionType.READY: (ConditionStatus.UNKNOWN, reason, message),
            ConditionType.RECONCILING: (ConditionStatus.TRUE, reason, message),
            ConditionType.STALLED: (ConditionStatus.FALSE, reason, message),
            ConditionType.SUCCEEDED: (ConditionStatus.UNKNOWN, reason, message),
            ConditionType.RESULTS_STORED: stored,
        }
    passed = ConditionStatus.TRUE if status.phase is Phase.PASSED else ConditionStatus.FALSE
    stalled = ConditionStatus.FALSE if status.phase is Phase.PASSED else ConditionStatus.TRUE
    reason, before = activity
    message = before + sum_up(counts)
    return {
        ConditionType.READY: (passed, reason, message),
        ConditionType.RECONCILING: (ConditionStatus.FALSE, ConditionReason.COMPLETED, "the execution is over"),
        ConditionType.STALLED: (stalled, reason, message),
        ConditionType.SUCCEEDED: (passed, reason, message),
        ConditionType.RESULTS_STORED: stored,
    }


def _without_execution(subject: Subject) -> TestRunStatus:
    return TestRunStatus(
        observed_generation=subject.generation,
        history=remember_execution(subject.previous),
        records=subject.previous.records,
        conditions=subject.previous.conditions,
    )


def _with_conditions(
    status: TestRunStatus,
    subject: Subject,
    wanted: Mapping[ConditionType, tuple[ConditionStatus, str, str]],
    now: datetime,
) -> TestRunStatus:
    before = {condition.type: condition for condition in subject.previous.conditions}
    conditions = tuple(
        Condition(
            type=kind,
            status=state,
            reason=reason,
            message=shorten(message, _MAX_CONDITION_MESSAGE),
            last_transition_time=before[kind].last_transition_time
            if kind in before and before[kind].status is state
            else now,
            observed_generation=subject.generation,
        )
        for kind, (state, reason, message) in wanted.items()
    )
    return _fit(status.model_copy(update={"conditions": conditions}))


def _fit(status: TestRunStatus) -> TestRunStatus:
    """Cut the texts of a status that would be larger than what everybody who watches it should have to read."""
    for limit in _SHORTER:
        if len(status.model_dump_json(exclude_none=True).encode()) <= MAX_STATUS_BYTES:
            break
        if any(failure.execution and failure.execution.page for failure in status.failures):
            # The first to go, since half of an address is of no use; the id leads to the page as well.
            status = status.model_copy(update={"failures": tuple(map(_without_page, status.failures))})
            continue
        status = status.model_copy(
            update={
                "revision": _cut(status.revision, limit),
                "failures": _with_shorter("message", status.failures, limit),
                "history": _with_shorter("revision", status.history, limit),
                "conditions": _with_shorter("message", status.conditions, limit),
            }
        )
    return status


def _without_page(failure: Failure) -> Failure:
    if failure.execution is None:
        return failure
    return failure.model_copy(update={"execution": failure.execution.model_copy(update={"page": None})})


def _with_shorter(field: str, entries: tuple[_Entry, ...], limit: int) -> tuple[_Entry, ...]:
    return tuple(entry.model_copy(update={field: _cut(getattr(entry, field), limit)}) for entry in entries)


def _cut(text: str | None, limit: int) -> str | None:
    return None if text is None else shorten(text, limit)
