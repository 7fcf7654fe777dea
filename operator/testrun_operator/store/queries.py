"""What the command line reads: the latest executions, the results of one, and what failed."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from testrun_operator.store.database import Database
from testrun_operator.store.migrating import in_schema

DEFAULT_LIMIT: Final = 20


@dataclass(frozen=True, slots=True)
class RunSummary:
    """An execution that is over: a row of ``regression_summary``."""

    run_id: int
    finished_at: datetime
    """UTC, with its zone."""
    namespace: str | None
    """None, as ``name``, ``suite`` and ``phase``, where NoETL's own framework wrote the row."""
    name: str | None
    suite: str | None
    phase: str | None
    revision: str | None
    total: int
    passed: int
    failed: int
    """Errored, timed out and cancelled ones included."""
    skipped: int
    flaky: int | None
    duration_milliseconds: int | None
    success_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case of an execution: a row of ``regression_results``."""

    run_id: int
    finished_at: datetime
    """UTC, with its zone."""
    case: str
    path: str
    category: str | None
    passed: bool
    status: str
    verdict: str | None
    """None, as ``failure_class`` and ``reason``, where NoETL's own framework wrote the row."""
    failure_class: str | None
    reason: str | None
    flaky: bool
    attempts: int | None
    duration_milliseconds: int | None
    step_count: int | None
    message: str | None
    execution_id: int | None
    """Of a NoETL playbook; None, as what follows, for other kinds of cases."""
    execution_status: str | None
    """How that ended: COMPLETED, FAILED or CANCELLED; None or empty where it is not known."""
    execution_status_inferred: bool
    """Whether its event log does not say so itself."""
    execution_page: str | None
    """Address of NoETL's own page about it."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """An attempt of a case: a row of ``regression_attempts``."""

    attempt: int
    verdict: str
    reason: str
    message: str
    job: str
    pod: str | None
    node: str | None
    pod_reason: str | None
    exit_code: int | None
    duration_milliseconds: int | None
    log_tail: str | None


@dataclass(frozen=True, slots=True)
class DetailResult:
    """A check, page, repeated request or test of an attempt: a row of ``regression_details``."""

    attempt: int
    position: int
    kind: str
    name: str
    passed: bool
    """True, too, for what was left out."""
    skipped: bool
    expected: str
    actual: str
    message: str
    location: str
    duration_milliseconds: int | None


_RUN: Final = (
    "SELECT test_run_id AS run_id, test_timestamp AT TIME ZONE 'UTC' AS finished_at, namespace, run_name AS name,"
    " suite, phase, git_commit AS revision, total_tests AS total, passed_tests AS passed, failed_tests AS failed,"
    " skipped_tests AS skipped, flaky_tests AS flaky, total_execution_time_ms AS duration_milliseconds, success_rate"
    " FROM {schema}.regression_summary"
)
_CASE: Final = (
    "SELECT test_run_id AS run_id, test_timestamp AT TIME ZONE 'UTC' AS finished_at, playbook_name AS case,"
    " playbook_path AS path, category, test_passed AS passed, status, verdict, failure_class, reason, flaky, attempts,"
    " execution_time_ms AS duration_milliseconds, step_count, error_message AS message, execution_id,"
    " actual_events ->> 'status' AS execution_status, actual_events ->> 'page' AS execution_page,"
    " coalesce(actual_events ->> 'inferred' = 'true', FALSE) AS execution_status_inferred"
    " FROM {schema}.regression_results"
)
_ATTEMPT: Final = (
    "SELECT attempt, verdict, reason, message, job, pod, node, pod_reason, exit_code,"
    " duration_ms AS duration_milliseconds, log_tail FROM {schema}.regression_attempts"
)
_DETAIL: Final = (
    "SELECT attempt, position, kind, name, passed, skipped, expected, actual, message, location,"
    " duration_ms AS duration_milliseconds FROM {schema}.regression_details"
)


async def latest_runs(
    database: Database, *, namespace: str | None = None, name: str | None = None, limit: int = DEFAULT_LIMIT
) -> tuple[RunSummary, ...]:
    """Read the executions that ended last, the latest first.

    Args:
        database: an open database.
        namespace: only of TestRuns in this namespace.
        name: only of TestRuns of this name.
        limit: how many.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = (
        _RUN + " WHERE (%s::text IS NULL OR namespace = %s) AND (%s::text IS NULL OR run_name = %s)"
        " ORDER BY test_timestamp DESC, test_run_id DESC LIMIT %s"
    )
    rows = await database.rows(in_schema(query, database.schema), [namespace, namespace, name, name, limit])
    return tuple(RunSummary(**row._asdict()) for row in rows)


async def run_summary(database: Database, run_id: int) -> RunSummary | None:
    """Read one execution; None if it is not over, or not known.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    rows = await database.rows(in_schema(_RUN + " WHERE test_run_id = %s", database.schema), [run_id])
    return RunSummary(**rows[0]._asdict()) if rows else None


async def results_of_run(database: Database, run_id: int) -> tuple[CaseResult, ...]:
    """Read the cases of an execution by name; also of one that still runs, as far as it is stored.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = _CASE + " WHERE test_run_id = %s ORDER BY playbook_name"
    rows = await database.rows(in_schema(query, database.schema), [run_id])
    return tuple(CaseResult(**row._asdict()) for row in rows)


async def failures(
    database: Database, *, run_id: int | None = None, limit: int = DEFAULT_LIMIT
) -> tuple[CaseResult, ...]:
    """Read the cases that did not pass, the latest first.

    Args:
        database: an open database.
        run_id: only of this execution.
        limit: how many.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = (
        _CASE + " WHERE NOT test_passed AND (%s::bigint IS NULL OR test_run_id = %s)"
        " ORDER BY test_timestamp DESC, test_run_id DESC, playbook_name LIMIT %s"
    )
    rows = await database.rows(in_schema(query, database.schema), [run_id, run_id, limit])
    return tuple(CaseResult(**row._asdict()) for row in rows)


async def history_of_case(database: Database, case: str, *, limit: int = DEFAULT_LIMIT) -> tuple[CaseResult, ...]:
    """Read how a case ended in the last executions, the latest first.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = _CASE + " WHERE playbook_name = %s ORDER BY test_timestamp DESC, test_run_id DESC LIMIT %s"
    rows = await database.rows(in_schema(query, database.schema), [case, limit])
    return tuple(CaseResult(**row._asdict()) for row in rows)


async def attempts_of_case(database: Database, run_id: int, case: str) -> tuple[AttemptResult, ...]:
    """Read the attempts of a case, the first one first.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = _ATTEMPT + " WHERE test_run_id = %s AND playbook_name = %s ORDER BY attempt"
    rows = await database.rows(in_schema(query, database.schema), [run_id, case])
    return tuple(AttemptResult(**row._asdict()) for row in rows)


async def details_of_case(
    database: Database, run_id: int, case: str, *, only_failing: bool = False
) -> tuple[DetailResult, ...]:
    """Read the checks, pages, repeated requests and tests of a case, in the order in which they were made.

    Raises:
        StoreUnavailable: Postgres did not answer, or has no such tables.
    """
    query = (
        _DETAIL + " WHERE test_run_id = %s AND playbook_name = %s AND NOT (passed AND %s) ORDER BY attempt, position"
    )
    rows = await database.rows(in_schema(query, database.schema), [run_id, case, only_failing])
    return tuple(DetailResult(**row._asdict()) for row in rows)
