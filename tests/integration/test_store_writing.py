"""What is in the tables after a write, after the same write again, and after one that Postgres objects to."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.integration.postgres import PostgresServer, running_postgres
from tests.unit.store.records import ENDED, RUN_ID, attempt, case_record, detail, run_record

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import MAX_EXECUTION_ID, ExecutionReport, ReportedEvent
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.outcome import Baseline
from testrun_operator.store import queries
from testrun_operator.store.faults import Loss, Refusal
from testrun_operator.store.results import ResultStore, Written
from testrun_operator.store.settings import StoreSettings

pytestmark = pytest.mark.postgres

_DOCUMENTATION = Path(__file__).parents[2] / "docs" / "results.md"
_TABLES = ("regression_results", "regression_summary", "regression_attempts", "regression_details")


@dataclass(frozen=True)
class Tables:
    """A migrated database with a store for it, and a way to look into its tables past the store."""

    server: PostgresServer
    database: str
    store: ResultStore

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the superuser."""
        return self.server.execute(statement, self.database)

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        """Give all rows of all tables."""
        return {table: self.run(f"SELECT * FROM noetl_test.{table} ORDER BY 1, 3, 4") for table in _TABLES}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for the tests of this file."""
    with running_postgres() as running:
        yield running


@pytest.fixture
async def tables(server: PostgresServer) -> AsyncIterator[Tables]:
    """Make a database with the tables."""
    database = server.new_database()
    async with ResultStore(StoreSettings(server.dsn(database))) as store:
        await store.migrate()
        yield Tables(server, database, store)


async def test_every_column_comes_back_as_it_was_written(tables: Tables) -> None:
    """Given a flaky case and its run, when they are read, then nothing was lost or shifted."""
    first = attempt(
        Verdict.FAILED,
        message="34 items",
        details=(detail(), detail("order", passed=False), detail("later", skipped=True)),
        ended=ENDED - timedelta(1),
    )
    record = case_record(attempts=(first, attempt(number=2, details=(detail(),))), expected_status="COMPLETED")
    await tables.store.write_cases([record])
    await tables.store.write_run(run_record())
    database = tables.store.database

    (result,) = await queries.results_of_run(database, RUN_ID)
    assert result == queries.CaseResult(
        run_id=RUN_ID,
        finished_at=ENDED,
        case="page-number",
        path="GET /api/v1/assessments",
        category="pagination",
        passed=True,
        status="COMPLETED",
        verdict="Passed",
        failure_class=None,
        reason="ExpectationsMet",
        flaky=True,
        attempts=2,
        duration_milliseconds=1500,
        step_count=4,
        message=None,
        execution_id=None,
        execution_status=None,
        execution_status_inferred=False,
        execution_page=None,
    )
    assert await queries.latest_runs(database) == (
        queries.RunSummary(
            run_id=RUN_ID,
            finished_at=ENDED,
            namespace="shop",
            name="nightly",
            suite="regression",
            phase="Failed",
            revision="4f2c1d",
            total=30,
            passed=27,
            failed=1,
            skipped=2,
            flaky=1,
            duration_milliseconds=90_000,
            success_rate=Decimal("96.43"),
        ),
    )
    attempts = await queries.attempts_of_case(database, RUN_ID, "page-number")
    assert [(row.attempt, row.verdict, row.message, row.node) for row in attempts] == [
        (1, "Failed", "34 items", "node-1"),
        (2, "Passed", "", "node-1"),
    ]
    details = await queries.details_of_case(database, RUN_ID, "page-number", only_failing=True)
    assert [(row.attempt, row.position, row.name, row.actual) for row in details] == [(1, 2, "order", "34")]
    details = await queries.details_of_case(database, RUN_ID, "page-number")
    assert [(row.attempt, row.name, row.passed, row.skipped) for row in details] == [
        (1, "items", True, False),
        (1, "order", False, False),
        (1, "later", True, True),
        (2, "items", True, False),
    ]
    assert tables.run("SELECT test_config, categories_tested FROM noetl_test.regression_summary") == [
        ({"parallelism": 8}, ["events", "pagination"])
    ]


async def test_writing_the_same_again_changes_nothing(tables: Tables) -> None:
    """After a crash the operator writes what it finds, whether or not it had been written."""
    cases = [
        case_record("a", details=(detail(), detail("order"))),
        case_record("b", Verdict.FAILED, message="no", details=(detail(passed=False),)),
        case_record("c", Verdict.CANCELLED, attempts=()),  # without a time of its own
    ]
    await tables.store.write_cases(cases)
    await tables.store.write_run(run_record())
    before = tables.content()
    await asyncio.sleep(0.01)
    await tables.store.write_cases(cases)
    await tables.store.write_run(run_record())
    assert tables.content() == before
    assert [len(rows) for rows in before.values()] == [3, 1, 2, 3]


async def test_a_newer_record_replaces_the_older_one_as_a_whole(tables: Tables) -> None:
    """Details and attempts that the newer record does not have are gone."""
    old = case_record("a", Verdict.FAILED, details=tuple(detail(f"row {n}", passed=False) for n in range(5)))
    await tables.store.write_cases([old, case_record("other", details=(detail(),))])
    await tables.store.write_cases([case_record("a", details=(detail("new"),))])
    content = tables.content()
    assert [row[15] for row in content["regression_results"]] == ["Passed", "Passed"]
    assert sorted((row[1], row[5]) for row in content["regression_details"]) == [("a", "new"), ("other", "items")]


async def test_of_two_records_for_one_case_in_a_batch_the_later_counts(tables: Tables) -> None:
    """A batch may hold what was submitted before and after a change."""
    await tables.store.write_cases([case_record("a", Verdict.FAILED), case_record("a")])
    assert await tables.store.passed_cases(RUN_ID) == {"a"}


async def test_skipped_cases_have_no_row(tables: Tables) -> None:
    """A row means that the case was executed, or would have been."""
    assert await tables.store.write_cases([case_record("a", Verdict.SKIPPED, attempts=())]) == Written()
    assert tables.content()["regression_results"] == []


async def test_a_time_that_is_not_known_is_that_of_the_first_write_in_utc(tables: Tables) -> None:
    """The server of these tests is in Nepal, five hours and three quarters ahead."""
    await tables.store.write_cases([case_record("a", Verdict.CANCELLED, attempts=())])
    (result,) = await queries.failures(tables.store.database)
    assert abs(result.finished_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_texts_that_postgres_does_not_know_are_made_into_ones_that_it_does(tables: Tables) -> None:
    """NUL characters, lone surrogates and texts longer than their column cost no result."""
    bad = "a\0b\ud800" * 1000
    record = case_record("a", Verdict.FAILED, message=bad, path=bad, category=bad, details=(detail(bad, passed=False),))
    written = await tables.store.write_cases([record])
    assert await tables.store.write_run(run_record(revision=bad, settings={bad: [bad, float("nan")]})) is None
    assert written == Written()
    (row,) = tables.run("SELECT playbook_path, error_message FROM noetl_test.regression_results")
    assert row == (("ab\ufffd" * 1000)[:497] + "...", "ab\ufffd" * 1000)


async def test_a_record_that_postgres_refuses_is_stored_without_its_details(server: PostgresServer) -> None:
    """Given a database that cannot hold every character, then the verdict is kept and the others are untouched."""
    database = server.new_database(encoding="LATIN1")
    async with ResultStore(StoreSettings(server.dsn(database))) as store:
        await store.migrate()
        good = case_record("good", Verdict.FAILED, message="größer", details=(detail("größer", passed=False),))
        bad = case_record("bad", Verdict.FAILED, message="价格 is wrong", details=(detail("价格", passed=False),))
        written = await store.write_cases([bad, good])
        assert await store.write_run(run_record(revision="价格", settings={"x": "价格"})) is None
    assert list(written.reduced) == [(RUN_ID, "bad")]
    assert written.refused == {}
    assert {(Loss.REDUCED, Refusal.INVALID_VALUE): 2} == store.refusals
    tables = Tables(server, database, store)
    rows = tables.run("SELECT playbook_name, status, error_message FROM noetl_test.regression_results ORDER BY 1")
    assert rows[1] == ("good", "FAILED", "größer")
    assert rows[0][:2] == ("bad", "FAILED")
    assert str(rows[0][2]).startswith("?? is wrong (details could not be stored: ")
    assert [row[1] for row in tables.content()["regression_details"]] == ["good"]
    assert tables.run("SELECT git_commit, test_config FROM noetl_test.regression_summary") == [("??", {})]


async def test_a_record_that_breaks_somebody_elses_rule_blocks_no_other(tables: Tables) -> None:
    """Given a constraint that an administrator added, then the record is named, and the others are stored."""
    tables.run("ALTER TABLE noetl_test.regression_results ADD CHECK (playbook_name <> 'bad')")
    written = await tables.store.write_cases([case_record("a"), case_record("bad"), case_record("c")])
    assert list(written.refused) == [(RUN_ID, "bad")]
    assert "check constraint" in written.refused[RUN_ID, "bad"]
    assert {(Loss.DROPPED, Refusal.CONSTRAINT_VIOLATED): 1} == tables.store.refusals
    assert await tables.store.passed_cases(RUN_ID) == {"a", "c"}


async def test_two_operators_that_write_the_same_do_not_disturb_each_other(tables: Tables) -> None:
    """While one operator takes over from another both may write the same cases, in any order."""
    records = [case_record(f"case-{n}", details=tuple(detail(f"row {k}") for k in range(5))) for n in range(50)]

    async def write(seed: int) -> None:
        mine = random.Random(seed).sample(records, len(records))
        async with ResultStore(StoreSettings(tables.server.dsn(tables.database))) as store:
            for start in range(0, len(mine), 10):
                await store.write_cases(mine[start : start + 10])

    await asyncio.gather(*(write(seed) for seed in range(6)))
    assert [len(rows) for rows in tables.content().values()] == [50, 0, 50, 250]


async def test_the_passed_cases_are_those_of_one_execution(tables: Tables) -> None:
    """`rerun: Failed` asks for those of the last execution alone."""
    await tables.store.write_cases(
        [case_record("a", run_id=1), case_record("b", Verdict.FAILED, run_id=1), case_record("c", run_id=2)]
    )
    assert await tables.store.passed_cases(1) == frozenset({"a"})
    assert await tables.store.passed_cases(3) == frozenset()


async def test_the_verdicts_of_an_execution_are_read_by_case(tables: Tables) -> None:
    """An operator that adopts an execution asks which of its cases have one already."""
    await tables.store.write_cases(
        [case_record("a", run_id=1), case_record("b", Verdict.FAILED, run_id=1), case_record("c", run_id=2)]
    )
    assert await tables.store.verdicts(1) == {"a": Verdict.PASSED, "b": Verdict.FAILED}
    assert await tables.store.verdicts(3) == {}


async def test_baselines_are_read_by_name(tables: Tables) -> None:
    """Only of the cases that are asked for, and as people wrote them, but for spelling."""
    tables.run(
        "INSERT INTO noetl_test.expected_results (playbook_name, expected_status, min_events, max_duration_ms)"
        " VALUES ('a', 'completed ', 3, 1000), ('b', NULL, NULL, NULL), ('c', 'COMPLETED', 1, 1)"
    )
    assert await tables.store.baselines(["a", "b", "unknown"]) == {
        "a": Baseline("a", expected_status="COMPLETED", min_events=3, max_duration_milliseconds=1000),
        "b": Baseline("b"),
    }


async def test_deleting_attempts_deletes_their_details(tables: Tables) -> None:
    """Old executions are deleted with three statements, as docs/results.md says."""
    for run_id in (1, 2):
        await tables.store.write_cases([case_record("a", run_id=run_id, details=(detail(),))])
        await tables.store.write_run(run_record(run_id))
    for table in ("regression_attempts", "regression_results", "regression_summary"):
        tables.run(f"DELETE FROM noetl_test.{table} WHERE test_run_id = 1")
    assert [[row[0] for row in rows] for rows in tables.content().values()] == [[2], [2], [2], [2]]


async def test_runs_and_failures_can_be_narrowed_down(tables: Tables) -> None:
    """The command line asks for the runs of one name, the failures of one run, and the history of one case."""
    for run_id, name in ((1, "nightly"), (2, "nightly"), (3, "smoke")):
        await tables.store.write_run(run_record(run_id, name=name, ended=ENDED + timedelta(hours=run_id)))
        verdict = Verdict.FAILED if run_id > 1 else Verdict.PASSED
        ended = attempt(verdict, case="a", ended=ENDED + timedelta(hours=run_id))
        await tables.store.write_cases([case_record("a", verdict, run_id=run_id, attempts=(ended,), message="no")])
    database = tables.store.database
    assert [run.run_id for run in await queries.latest_runs(database)] == [3, 2, 1]
    assert [run.run_id for run in await queries.latest_runs(database, name="nightly", limit=1)] == [2]
    assert [run.run_id for run in await queries.latest_runs(database, namespace="elsewhere")] == []
    assert [case.run_id for case in await queries.failures(database)] == [3, 2]
    assert [case.run_id for case in await queries.failures(database, run_id=2)] == [2]
    assert [case.passed for case in await queries.history_of_case(database, "a")] == [False, False, True]
    assert (await queries.run_summary(database, 3)) is not None
    assert (await queries.run_summary(database, 4)) is None


async def test_rows_of_noetl_can_be_read(tables: Tables) -> None:
    """Rows that NoETL's own framework wrote have none of our columns."""
    tables.run(
        "INSERT INTO noetl_test.regression_results (test_run_id, playbook_name, playbook_path, status, test_passed)"
        " VALUES (7, 'hello_world', 'tests/hello_world', 'FAILED', false);"
        "INSERT INTO noetl_test.regression_summary"
        " (test_run_id, total_tests, passed_tests, failed_tests, skipped_tests) VALUES (7, 1, 0, 1, 0)"
    )
    (result,) = await queries.failures(tables.store.database)
    (summary,) = await queries.latest_runs(tables.store.database)
    assert (result.case, result.verdict, result.flaky) == ("hello_world", None, False)
    assert (summary.run_id, summary.name, summary.phase) == (7, None, None)


async def test_a_case_with_very_many_details_is_stored(tables: Tables) -> None:
    """A report of thirty thousand rows is large and nothing else."""
    record = case_record("a", details=tuple(detail(f"row {n}") for n in range(30_000)))
    await tables.store.write_cases([record])
    assert tables.run("SELECT count(*), max(position) FROM noetl_test.regression_details") == [(30_000, 30_000)]


async def test_a_broken_baseline_is_a_failure_of_which_all_checks_held(tables: Tables) -> None:
    """The case met its own expectations, and the table says so; what it broke is in the message."""
    record = case_record("a", Verdict.FAILED, details=(detail(),), message="expected_results: min_events is 9, got 4")
    record = replace(record, outcome=replace(record.outcome, reason=Reason.BASELINE_NOT_MET))
    await tables.store.write_cases([record])
    assert tables.run(
        "SELECT test_passed, validation_passed, validation_errors, reason FROM noetl_test.regression_results"
    ) == [(False, True, [], "BaselineNotMet")]


async def test_the_statements_in_the_documentation_work(tables: Tables) -> None:
    """Given one old and two new executions, when docs/results.md is worked through, then only the new ones are left."""
    now = datetime.now(UTC)
    for run_id, ended, verdict in (
        (1, now - timedelta(days=100), Verdict.PASSED),
        (2, now - timedelta(days=1), Verdict.PASSED),
        (3, now, Verdict.FAILED),
    ):
        last = attempt(verdict, ended=ended, details=(detail(),))
        await tables.store.write_cases([case_record("page-number", verdict, run_id=run_id, attempts=(last,))])
        await tables.store.write_run(run_record(run_id, ended=ended))
    blocks = re.findall(r"```sql\n(.*?)```", _DOCUMENTATION.read_text(), re.DOTALL)
    assert len(blocks) > 10
    answers = {}
    for block in blocks:
        for statement in [block] if block.startswith("BEGIN") else block.split(";\n"):
            if statement.strip():
                answers[statement.split("\n")[0]] = tables.run(statement)
    assert answers["WITH last_two AS ("] == [("page-number", "Failed", "ExpectationNotMet", "")]
    assert [sorted({row[0] for row in rows}) for rows in tables.content().values()] == [[2, 3]] * 4


async def test_the_execution_of_a_playbook_comes_back_as_it_was_written(tables: Tables) -> None:
    """Its id in all digits, how it ended, and its events for whoever asks in SQL."""
    execution = ExecutionReport(
        id=str(MAX_EXECUTION_ID),
        status="FAILED",
        inferred=True,
        page="http://noetl:8082/e/1",
        events={"step.exit": 3, "call.error\0": 1},
        last_events=(ReportedEvent(type="step.exit", status="FAILED", node="save"),),
    )
    playbook = case_record("late-failure", attempts=(replace(attempt(), execution=execution),))
    await tables.store.write_cases([playbook, case_record("page-number")])
    found = {result.case: result for result in await queries.results_of_run(tables.store.database, RUN_ID)}
    result = found["late-failure"]
    assert (result.execution_id, result.execution_status) == (MAX_EXECUTION_ID, "FAILED")
    assert (result.execution_status_inferred, result.execution_page) == (True, "http://noetl:8082/e/1")
    other = found["page-number"]
    assert (other.execution_id, other.execution_status, other.execution_page) == (None, None, None)
    asked = (
        "SELECT execution_id, (actual_events #>> '{counts,step.exit}')::integer,"
        " actual_events -> 'last' -> -1 ->> 'node'"
        " FROM noetl_test.regression_results WHERE actual_events -> 'counts' ? 'call.error'"
    )
    assert tables.run(asked) == [(MAX_EXECUTION_ID, 3, "save")]


async def test_events_that_nobody_of_ours_wrote_are_no_execution_of_ours(tables: Tables) -> None:
    """NoETL's own framework keeps a list in that column."""
    await tables.store.write_cases([case_record()])
    for written in ("[1, 2]", "3", '"status"', '{"status": null, "inferred": "yes"}'):
        tables.run(f"UPDATE noetl_test.regression_results SET actual_events = '{written}' RETURNING 1")
        (result,) = await queries.results_of_run(tables.store.database, RUN_ID)
        assert (result.execution_status, result.execution_status_inferred) == (None, False)
