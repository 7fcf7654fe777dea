"""What is stored of a case and of an execution."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.records import ENDED, RUN_ID, attempt, case_record, detail, run_record

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.api.verdict import Verdict
from testrun_operator.store import rows
from testrun_operator.store.values import MAX_INTEGER

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=700)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.PASSED, "COMPLETED"),
        (Verdict.FAILED, "FAILED"),
        (Verdict.ERRORED, "ERROR"),
        (Verdict.TIMED_OUT, "TIMEOUT"),
        (Verdict.CANCELLED, "CANCELLED"),
    ],
)
def test_a_verdict_is_stored_in_the_words_of_noetl_and_in_ours(verdict: Verdict, status: str) -> None:
    """The column status has NoETL's vocabulary, verdict has ours, and only Passed is a passed test."""
    row = rows.result_row(case_record(verdict=verdict))
    assert (row.status, row.verdict, row.test_passed) == (status, verdict.value, verdict is Verdict.PASSED)


def test_a_row_takes_its_numbers_from_the_last_attempt() -> None:
    """Time, duration and steps are those of the attempt that decided; the start is that of the first."""
    first = attempt(Verdict.FAILED, number=1, ended=ENDED - timedelta(minutes=5))
    last = replace(attempt(number=2), duration_milliseconds=7, step_count=2)
    row = rows.result_row(case_record(attempts=(first, last)))
    assert row.test_timestamp == datetime(2026, 3, 1, 23, 30)  # noqa: DTZ001 - the column knows no zones
    assert (row.execution_time_ms, row.step_count, row.attempts, row.flaky) == (7, 2, 2, True)
    assert (row.started_at, row.finished_at) == (first.started_at, ENDED)


def test_a_time_in_another_zone_is_stored_in_utc() -> None:
    """test_timestamp has no zone, so it must not depend on where the time came from."""
    nepal = timezone(timedelta(hours=5, minutes=45))
    row = rows.result_row(case_record(attempts=(attempt(ended=ENDED.astimezone(nepal)),)))
    assert row.test_timestamp == datetime(2026, 3, 1, 23, 30)  # noqa: DTZ001 - the column knows no zones


def test_a_time_without_a_zone_is_taken_for_utc() -> None:
    """A naive time must not be shifted by the operator's own zone."""
    row = rows.summary_row(replace(run_record(), started_at=datetime(2026, 3, 1), finished_at=datetime(2026, 3, 2)))  # noqa: DTZ001
    assert row.started_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_case_that_ended_before_its_first_attempt_has_a_row() -> None:
    """A case cancelled while it waited counts as failed in the summary, so it needs a row to be found by."""
    row = rows.result_row(case_record(verdict=Verdict.CANCELLED, attempts=(), message="the run was cancelled"))
    assert (row.attempts, row.test_timestamp, row.execution_time_ms) == (0, None, None)
    assert row.error_message == "the run was cancelled"


def test_a_case_that_passed_has_no_error_message() -> None:
    """error_message IS NULL means passed, whatever the runner remarked."""
    assert rows.result_row(case_record(message="4 pages")).error_message is None


@pytest.mark.parametrize(
    ("verdict", "details", "validation_passed", "errors"),
    [
        (Verdict.PASSED, (), None, None),
        (Verdict.PASSED, (detail(),), True, []),
        (Verdict.FAILED, (detail(), detail("order", passed=False)), False, ["order"]),
        (Verdict.FAILED, (detail(),), True, []),
        (Verdict.TIMED_OUT, (detail(),), None, []),
        (Verdict.PASSED, (detail(), detail("page 2", passed=False, kind=DetailKind.REQUEST)), True, []),
        (Verdict.PASSED, (detail("page 2", passed=False, kind=DetailKind.REQUEST),), None, None),
        (Verdict.PASSED, (detail(), detail("later", skipped=True, kind=DetailKind.TEST)), True, []),
        (Verdict.FAILED, (detail(passed=False), detail("not run", passed=False, skipped=True)), False, ["items"]),
        (Verdict.PASSED, (detail("later", skipped=True, kind=DetailKind.TEST),), None, None),
        (Verdict.PASSED, (detail("commit", kind=DetailKind.SOURCE),), None, None),
    ],
    ids=[
        "no checks",
        "all held",
        "one did not",
        "baseline broken",
        "cut off",
        "request repeated",
        "only requests",
        "one left out",
        "one not come to",
        "all left out",
        "only the commit",
    ],
)
def test_the_validation_columns_say_which_checks_did_not_hold(
    *, verdict: Verdict, details: tuple[Detail, ...], validation_passed: bool | None, errors: list[str] | None
) -> None:
    """A repeated request and a commit are evidence, and what was not run says nothing.

    Checks of a case that was cut off prove nothing if they held.
    """
    row = rows.result_row(case_record(verdict=verdict, details=details))
    stored = None if row.validation_errors is None else [error["name"] for error in row.validation_errors.obj]
    assert (row.validation_passed, stored) == (validation_passed, errors)


def test_at_most_a_hundred_failing_checks_are_repeated_in_the_result() -> None:
    """The row of a result stays small; regression_details has all of them."""
    record = case_record(verdict=Verdict.FAILED, details=tuple(detail(f"row {n}", passed=False) for n in range(250)))
    errors = rows.result_row(record).validation_errors
    assert errors is not None
    assert len(errors.obj) == 100
    assert len(list(rows.detail_rows(record))) == 250


def test_details_are_numbered_within_their_attempt() -> None:
    """The key of a detail is its place in the report of its attempt."""
    attempts = (
        attempt(Verdict.FAILED, number=1, details=(detail("a"), detail("b"))),
        attempt(number=2, details=(detail("c"),)),
    )
    stored = [(row.attempt, row.position, row.name) for row in rows.detail_rows(case_record(attempts=attempts))]
    assert stored == [(1, 1, "a"), (1, 2, "b"), (2, 1, "c")]


def test_what_was_left_out_is_told_from_what_held() -> None:
    """Both are passed, so that nobody counts a test that was left out among the failures."""
    details = (detail("a"), detail("b", skipped=True), detail("c", passed=False))
    stored = [(row.name, row.passed, row.skipped) for row in rows.detail_rows(case_record(details=details))]
    assert stored == [("a", True, False), ("b", True, True), ("c", False, False)]


@given(text=ANY_TEXT)
def test_every_text_fits_its_column(text: str) -> None:
    """Whatever a test prints: no NUL, nothing that is not UTF-8, and no more characters than the column has."""
    record = case_record(
        verdict=Verdict.FAILED, message=text, path=text, category=text, expected_status=text, details=(detail(text),)
    )
    record = replace(record, outcome=replace(record.outcome, case=text))
    result = rows.result_row(record)
    assert len(result.playbook_name) <= 255
    assert len(result.playbook_path) <= 500
    assert len(result.category or "") <= 100
    assert len(result.expected_status or "") <= 50
    for row in (result, *rows.attempt_rows(record), *rows.detail_rows(record)):
        for value in row:
            if isinstance(value, str):
                assert "\0" not in value
                value.encode()


@given(
    settings=st.dictionaries(
        ANY_TEXT,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
            max_leaves=5,
        ),
        max_size=3,
    ),
    revision=ANY_TEXT,
)
def test_every_setting_is_valid_jsonb(settings: dict[str, object], revision: str) -> None:
    r"""JSONB has no \u0000, no lone surrogates, no NaN and no infinity."""
    row = rows.summary_row(run_record(settings=settings, revision=revision))  # type: ignore[arg-type]
    document = json.dumps(row.test_config.obj, ensure_ascii=False, allow_nan=False)
    assert "\\u0000" not in document.replace("\\\\", "")
    document.encode()
    assert len(row.git_commit or "") <= 100


@given(st.integers())
def test_every_number_fits_its_column(number: int) -> None:
    """A number that INTEGER cannot hold is stored as the nearest one that it can."""
    outcome = replace(attempt(), duration_milliseconds=number, step_count=number)
    row = rows.result_row(case_record(attempts=(outcome,)))
    assert row.execution_time_ms == row.step_count == max(-MAX_INTEGER - 1, min(number, MAX_INTEGER))


def test_a_summary_counts_everything_that_did_not_pass_as_failed() -> None:
    """The total is passed + failed + skipped; errored, timed out and cancelled cases are failed ones."""
    row = rows.summary_row(run_record(passed=10, failed=1, errored=2, timed_out=3, cancelled=4, skipped=5))
    assert (row.total_tests, row.passed_tests, row.failed_tests, row.skipped_tests) == (25, 10, 10, 5)
    assert (row.errored_tests, row.timed_out_tests, row.cancelled_tests) == (2, 3, 4)
    assert row.success_rate == Decimal("50.00")


@pytest.mark.parametrize(
    ("passed", "executed", "rate"), [(27, 28, "96.43"), (0, 3, "0.00"), (3, 3, "100.00"), (2, 3, "66.67")]
)
def test_the_success_rate_is_of_the_executed_cases_in_per_cent(passed: int, executed: int, rate: str) -> None:
    """Skipped cases do not count, and there are two decimals."""
    assert rows.success_rate(passed, executed) == Decimal(rate)


def test_a_run_that_executed_nothing_has_no_success_rate() -> None:
    """Nothing of nothing is neither 0 nor 100 per cent."""
    assert rows.summary_row(run_record(passed=0, failed=0, skipped=3)).success_rate is None


def test_a_summary_has_the_duration_of_the_whole_execution() -> None:
    """total_execution_time_ms is what somebody waited, not the sum over cases that ran side by side."""
    row = rows.summary_row(run_record())
    assert (row.test_run_id, row.total_execution_time_ms, row.git_commit) == (RUN_ID, 90_000, "4f2c1d")


@given(text=ANY_TEXT)
def test_a_reduced_record_keeps_the_verdict_and_has_only_plain_texts(text: str) -> None:
    """What remains of a record that Postgres refused is what no database can object to."""
    record = case_record(verdict=Verdict.FAILED, message=text, path=text, category=text, details=(detail(text),))
    reduced = rows.reduced_case(record, "value too long")
    assert reduced.outcome.verdict is Verdict.FAILED
    assert "details could not be stored: value too long" in reduced.outcome.message
    assert list(rows.detail_rows(reduced)) == []
    result = rows.result_row(reduced)
    texts = [result.playbook_path, result.category, result.error_message, *next(rows.attempt_rows(reduced))]
    assert all(value.isascii() for value in texts if isinstance(value, str))
