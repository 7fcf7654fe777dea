"""Records as the controller makes them, for tests of the store."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome, CaseRecord, Evidence, RunRecord

RUN_ID = 508709863430554191
ENDED = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

_CAUSES = {
    Verdict.PASSED: (None, Reason.EXPECTATIONS_MET),
    Verdict.FAILED: (FailureClass.TEST, Reason.EXPECTATION_NOT_MET),
    Verdict.ERRORED: (FailureClass.INFRASTRUCTURE, Reason.POD_EVICTED),
    Verdict.TIMED_OUT: (FailureClass.TEST, Reason.CASE_TIMEOUT),
    Verdict.SKIPPED: (None, Reason.NEED_NOT_PASSED),
    Verdict.CANCELLED: (None, Reason.RUN_CANCELLED),
}


def detail(
    name: str = "items", *, passed: bool = True, skipped: bool = False, kind: DetailKind = DetailKind.ASSERTION
) -> Detail:
    """Make a check of the number of items."""
    return Detail(
        kind=kind,
        name=name,
        passed=passed,
        skipped=skipped,
        expected="35",
        actual="35" if passed else "34",
        message="" if passed else "expected 35 items, got 34",
        location="page 4",
        duration_milliseconds=12,
    )


def attempt(
    verdict: Verdict = Verdict.PASSED,
    *,
    case: str = "page-number",
    number: int = 1,
    message: str = "",
    details: tuple[Detail, ...] = (),
    ended: datetime | None = ENDED,
    log_tail: str | None = "the last line",
) -> AttemptOutcome:
    """Make an attempt that took 1.5 seconds and 4 steps."""
    failure_class, reason = _CAUSES[verdict]
    return AttemptOutcome(
        case=case,
        attempt=number,
        job=f"{case}-{number}",
        verdict=verdict,
        failure_class=failure_class,
        reason=reason,
        message=message,
        started_at=ended and ended - timedelta(seconds=2),
        finished_at=ended,
        duration_milliseconds=1500,
        step_count=4,
        details=details,
        evidence=Evidence(exit_code=0, pod=f"{case}-{number}-x", node="node-1", log_tail=log_tail),
    )


def case_record(
    case: str = "page-number",
    verdict: Verdict = Verdict.PASSED,
    *,
    run_id: int = RUN_ID,
    attempts: tuple[AttemptOutcome, ...] | None = None,
    details: tuple[Detail, ...] = (),
    message: str = "",
    path: str = "GET /api/v1/assessments",
    category: str | None = "pagination",
    expected_status: str | None = None,
) -> CaseRecord:
    """Make the record of a case, with one attempt if nothing else is said."""
    failure_class, reason = _CAUSES[verdict]
    if attempts is None:
        attempts = (attempt(verdict, case=case, message=message, details=details),)
    return CaseRecord(
        run_id=run_id,
        kind="http",
        path=path,
        category=category,
        outcome=CaseOutcome(
            case=case,
            verdict=verdict,
            failure_class=failure_class,
            reason=reason,
            message=message,
            flaky=verdict is Verdict.PASSED and len(attempts) > 1,
            attempts=attempts,
        ),
        expected_status=expected_status,
    )


def run_record(
    run_id: int = RUN_ID,
    *,
    passed: int = 27,
    failed: int = 1,
    errored: int = 0,
    timed_out: int = 0,
    skipped: int = 2,
    cancelled: int = 0,
    revision: str | None = "4f2c1d",
    settings: Mapping[str, JsonValue] | None = None,
    ended: datetime = ENDED,
    name: str = "nightly",
) -> RunRecord:
    """Make the record of an execution that took a minute and a half."""
    return RunRecord(
        run_id=run_id,
        namespace="shop",
        name=name,
        suite="regression",
        revision=revision,
        phase=Phase.FAILED if failed else Phase.PASSED,
        started_at=ended - timedelta(seconds=90),
        finished_at=ended,
        total=passed + failed + errored + timed_out + skipped + cancelled,
        passed=passed,
        failed=failed,
        errored=errored,
        timed_out=timed_out,
        skipped=skipped,
        cancelled=cancelled,
        flaky=1,
        categories=("events", "pagination"),
        settings={"parallelism": 8} if settings is None else settings,
    )
