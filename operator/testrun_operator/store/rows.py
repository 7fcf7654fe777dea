"""What is stored of a case and of an execution, as rows. The names of the fields are the names of the columns."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from psycopg.types.json import Jsonb
from pydantic import JsonValue

from testrun_operator.api.report import Detail, DetailKind, ExecutionReport, ReportedEvent
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import CaseRecord, RunRecord
from testrun_operator.store.values import clean, clean_json, fit, to_integer, to_utc, to_utc_without_zone

NAME_LENGTH: Final = 255
PATH_LENGTH: Final = 500
CATEGORY_LENGTH: Final = 100
STATUS_LENGTH: Final = 50
REVISION_LENGTH: Final = 100
MAX_VALIDATION_ERRORS: Final = 100
MAX_VALIDATION_TEXT: Final = 1000
MAX_EVENT_TEXT: Final = 200

STATUS: Final = {
    Verdict.PASSED: "COMPLETED",
    Verdict.FAILED: "FAILED",
    Verdict.ERRORED: "ERROR",
    Verdict.TIMED_OUT: "TIMEOUT",
    Verdict.CANCELLED: "CANCELLED",
}
"""NoETL's vocabulary for the column ``status``. Skipped is missing: a skipped case has no row."""


class ResultRow(NamedTuple):
    """A row of ``regression_results``."""

    test_run_id: int
    test_timestamp: datetime | None
    """None stands for the time of the first write."""
    playbook_name: str
    playbook_path: str
    category: str | None
    execution_id: int | None
    status: str
    execution_time_ms: int | None
    step_count: int | None
    error_message: str | None
    validation_passed: bool | None
    validation_errors: Jsonb | None
    expected_status: str | None
    actual_events: Jsonb | None
    test_passed: bool
    verdict: str
    failure_class: str | None
    reason: str
    flaky: bool
    kind: str
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None


class AttemptRow(NamedTuple):
    """A row of ``regression_attempts``."""

    test_run_id: int
    playbook_name: str
    attempt: int
    verdict: str
    failure_class: str | None
    reason: str
    message: str
    job: str
    pod: str | None
    node: str | None
    pod_reason: str | None
    exit_code: int | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    step_count: int | None
    log_tail: str | None


class DetailRow(NamedTuple):
    """A row of ``regression_details``."""

    test_run_id: int
    playbook_name: str
    attempt: int
    position: int
    kind: str
    name: str
    passed: bool
    expected: str
    actual: str
    message: str
    location: str
    duration_ms: int | None
    skipped: bool


class SummaryRow(NamedTuple):
    """A row of ``regression_summary``."""

    test_run_id: int
    test_timestamp: datetime | None
    total_tests: int
    passed_tests: int
    failed_tests: int
    skipped_tests: int
    total_execution_time_ms: int | None
    success_rate: Decimal | None
    categories_tested: list[str]
    git_commit: str | None
    test_config: Jsonb
    namespace: str
    run_name: str
    suite: str
    phase: str
    errored_tests: int
    timed_out_tests: int
    cancelled_tests: int
    flaky_tests: int
    started_at: datetime | None
    finished_at: datetime | None


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _fit_or_none(text: str | None, length: int) -> str | None:
    return None if text is None else fit(text, length)


def _judges(detail: Detail) -> bool:
    # A request that was sent again, or the commit of the files, is evidence; what was left out says nothing.
    return detail.kind not in {DetailKind.REQUEST, DetailKind.SOURCE} and not detail.skipped


def _validation(verdict: Verdict, details: tuple[Detail, ...]) -> tuple[bool | None, Jsonb | None]:
    """Give ``validation_passed`` and ``validation_errors``; both None where nothing was checked."""
    checks = [detail for detail in details if _judges(detail)]
    if not checks:
        return None, None
    failing = [detail for detail in checks if not detail.passed]
    errors: list[JsonValue] = [
        {
            "kind": detail.kind.value,
            "name": fit(detail.name, MAX_VALIDATION_TEXT),
            "expected": fit(detail.expected, MAX_VALIDATION_TEXT),
            "actual": fit(detail.actual, MAX_VALIDATION_TEXT),
            "message": fit(detail.message, MAX_VALIDATION_TEXT),
            "location": fit(detail.location, MAX_VALIDATION_TEXT),
        }
        for detail in failing[:MAX_VALIDATION_ERRORS]
    ]
    if failing:
        return False, Jsonb(errors)
    # An attempt that was cut off may have held every check that it came to, which says nothing of the others.
    return (True if verdict in {Verdict.PASSED, Verdict.FAILED} else None), Jsonb(errors)


def _events(execution: ExecutionReport) -> Jsonb:
    """Give ``actual_events``: how the execution ended, how many events it had of each type, and the last of them."""
    document: dict[str, JsonValue] = {
        "status": fit(execution.status, STATUS_LENGTH),
        "inferred": execution.inferred,
        "counts": {fit(name, MAX_EVENT_TEXT): count for name, count in execution.events.items()},
        "last": [_event(event) for event in execution.last_events],
    }
    if execution.page is not None:
        document["page"] = clean(execution.page)
    return Jsonb(document)


def _event(event: ReportedEvent) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {
        "type": fit(event.type, MAX_EVENT_TEXT),
        "status": fit(event.status, MAX_EVENT_TEXT),
        "node": fit(event.node, MAX_EVENT_TEXT),
    }
    if event.execution is not None:
        document["execution_id"] = event.execution  # as text: clients of JSON round numbers of this size
    return document


def result_row(record: CaseRecord) -> ResultRow:
    """Make the row of ``regression_results``.

    Raises:
        KeyError: the case was skipped; such a case has no row.
    """
    outcome = record.outcome
    last = outcome.last_attempt
    execution = last.execution if last is not None else None
    passed = outcome.verdict is Verdict.PASSED
    validation_passed, validation_errors = _validation(outcome.verdict, last.details if last else ())
    return ResultRow(
        test_run_id=record.run_id,
        test_timestamp=to_utc_without_zone(last.finished_at) if last else None,
        playbook_name=fit(outcome.case, NAME_LENGTH),
        playbook_path=fit(record.path, PATH_LENGTH),
        category=_fit_or_none(record.category, CATEGORY_LENGTH),
        execution_id=int(execution.id) if execution is not None else None,
        status=_status(outcome.verdict, execution),
        execution_time_ms=to_integer(last.duration_milliseconds) if last else None,
        step_count=to_integer(last.step_count) if last else None,
        error_message=None if passed else clean(outcome.message),
        validation_passed=validation_passed,
        validation_errors=validation_errors,
        expected_status=_fit_or_none(record.expected_status, STATUS_LENGTH),
        actual_events=_events(execution) if execution is not None else None,
        test_passed=passed,
        verdict=outcome.verdict.value,
        failure_class=outcome.failure_class.value if outcome.failure_class else None,
        reason=outcome.reason.value,
        flaky=outcome.flaky,
        kind=record.kind,
        attempts=len(outcome.attempts),
        started_at=to_utc(outcome.attempts[0].started_at) if outcome.attempts else None,
        finished_at=to_utc(last.finished_at) if last else None,
    )


def _status(verdict: Verdict, execution: ExecutionReport | None) -> str:
    """Give how the execution of a playbook ended, where that was judged; the verdict in NoETL's words otherwise."""
    is_judged = verdict in (Verdict.PASSED, Verdict.FAILED)
    if is_judged and execution is not None and execution.status:
        return fit(execution.status, STATUS_LENGTH)
    return STATUS[verdict]


def attempt_rows(record: CaseRecord) -> Iterator[AttemptRow]:
    """Make the rows of ``regression_attempts``, the first attempt first."""
    for attempt in record.outcome.attempts:
        evidence = attempt.evidence
        yield AttemptRow(
            test_run_id=record.run_id,
            playbook_name=fit(record.outcome.case, NAME_LENGTH),
            attempt=attempt.attempt,
            verdict=attempt.verdict.value,
            failure_class=attempt.failure_class.value if attempt.failure_class else None,
            reason=attempt.reason.value,
            message=clean(attempt.message),
            job=clean(attempt.job),
            pod=_clean_or_none(evidence.pod),
            node=_clean_or_none(evidence.node),
            pod_reason=_clean_or_none(evidence.pod_reason),
            exit_code=to_integer(evidence.exit_code),
            started_at=to_utc(attempt.started_at),
            finished_at=to_utc(attempt.finished_at),
            duration_ms=to_integer(attempt.duration_milliseconds),
            step_count=to_integer(attempt.step_count),
            log_tail=_clean_or_none(evidence.log_tail),
        )


def detail_rows(record: CaseRecord) -> Iterator[DetailRow]:
    """Make the rows of ``regression_details``, in the order of the reports."""
    for attempt in record.outcome.attempts:
        for position, detail in enumerate(attempt.details, start=1):
            yield DetailRow(
                test_run_id=record.run_id,
                playbook_name=fit(record.outcome.case, NAME_LENGTH),
                attempt=attempt.attempt,
                position=position,
                kind=detail.kind.value,
                name=clean(detail.name),
                passed=detail.passed,
                expected=clean(detail.expected),
                actual=clean(detail.actual),
                message=clean(detail.message),
                location=clean(detail.location),
                duration_ms=to_integer(detail.duration_milliseconds),
                skipped=detail.skipped,
            )


def success_rate(passed: int, executed: int) -> Decimal | None:
    """Give the part of the executed cases that passed, in per cent with two decimals; None if none was executed.

    Rounded as in the status of the TestRun, so that nobody finds two different numbers.
    """
    return None if executed == 0 else Decimal(f"{100 * passed / executed:.2f}")


def summary_row(record: RunRecord) -> SummaryRow:
    """Make the row of ``regression_summary``."""
    failed = record.failed + record.errored + record.timed_out + record.cancelled
    return SummaryRow(
        test_run_id=record.run_id,
        test_timestamp=to_utc_without_zone(record.finished_at),
        # The sum and not record.total: NoETL's own table has a constraint that says so.
        total_tests=record.passed + failed + record.skipped,
        passed_tests=record.passed,
        failed_tests=failed,
        skipped_tests=record.skipped,
        total_execution_time_ms=to_integer((record.finished_at - record.started_at) // timedelta(milliseconds=1)),
        success_rate=success_rate(record.passed, record.passed + failed),
        categories_tested=[clean(category) for category in record.categories],
        git_commit=_fit_or_none(record.revision, REVISION_LENGTH),
        test_config=Jsonb(clean_json(dict(record.settings))),
        namespace=clean(record.namespace),
        run_name=clean(record.name),
        suite=clean(record.suite),
        phase=record.phase.value,
        errored_tests=record.errored,
        timed_out_tests=record.timed_out,
        cancelled_tests=record.cancelled,
        flaky_tests=record.flaky,
        started_at=to_utc(record.started_at),
        finished_at=to_utc(record.finished_at),
    )


def _plain(text: str) -> str:
    return clean(text).encode("ascii", "replace").decode()


def _reduced_execution(execution: ExecutionReport | None) -> ExecutionReport | None:
    if execution is None:
        return None
    return execution.model_copy(
        update={"status": _plain(execution.status), "page": None, "events": {}, "last_events": ()}
    )


def reduced_case(record: CaseRecord, problem: str) -> CaseRecord:
    """Take from a record everything that Postgres could object to, and keep the verdict.

    Args:
        record: what Postgres refused.
        problem: what Postgres said, for the message.

    Returns:
        The same verdict with plain ASCII texts and a message that names the problem, without details and logs.
    """
    outcome = record.outcome
    note = f"details could not be stored: {_plain(problem)}"
    attempts = tuple(
        replace(
            attempt,
            message=f"{_plain(attempt.message)} ({note})".lstrip(),
            details=(),
            execution=_reduced_execution(attempt.execution),
            evidence=replace(attempt.evidence, log_tail=None),
        )
        for attempt in outcome.attempts
    )
    message = f"{_plain(outcome.message)} ({note})".lstrip()
    return replace(
        record,
        path=_plain(record.path),
        category=None if record.category is None else _plain(record.category),
        outcome=replace(outcome, message=message, attempts=attempts),
    )


def reduced_run(record: RunRecord) -> RunRecord:
    """Take from a record everything that Postgres could object to, and keep the counts."""
    return replace(
        record,
        revision=None if record.revision is None else _plain(record.revision),
        categories=tuple(_plain(category) for category in record.categories),
        settings={},
    )
