"""Isolation, deadlines, lost connections, and the process of a case's pod, against a real PostgreSQL."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.postgres import PASSWORD, PostgresServer
from tests.integration.sql_projects import GENERIC, Listener, Run, generic, run, server

from testrun_operator.api.report import DetailKind, Report, decode, decode_from_log
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.databases.base import Isolation
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database
from testrun_operator.kinds.sql.execution.executor import execute
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Mark, StepKind, Stop
from testrun_operator.kinds.sql.project.discovery import load_path

pytestmark = pytest.mark.postgres
__all__ = ["run", "server"]  # fixtures

ACCOUNTS: dict[str, str | bytes] = {
    "schema.sql": "CREATE TABLE account (name text PRIMARY KEY);",
    "src/a.sql": """
        CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO account VALUES ('work'); COMMIT; END $$;
    """,
    "tests/fixtures/setup/all.sql": "INSERT INTO account VALUES ('all');",
    "tests/fixtures/setup/each.sql": "INSERT INTO account VALUES ('each');",
}
SECTIONS = "## BEFORE ALL\n- All\n\n## BEFORE EACH TEST\n- Each\n\n"
INSERTS = generic(
    "INSERT INTO account VALUES ('test');\nSELECT nonsense;",
    "### ERROR",
    "### RESULT\nR.\n```\nSELECT count(*) FROM account\n```\n|count|\n|-|\n|3|",
)


def test_with_rollback_nothing_of_a_test_stays(run: Run) -> None:
    """What failed is undone alone; what was done before the tests stays."""
    ran = run(ACCOUNTS | {"tests/a.stt": GENERIC + SECTIONS + INSERTS * 3}, Isolation.ROLLBACK)
    assert ran.outcome.passed, ran.messages
    assert ran.query("SELECT name FROM account") == [("all",)]


@pytest.mark.parametrize("section", ["", "### ERROR"])
@pytest.mark.parametrize("body", ["CALL work();", "INSERT INTO account VALUES ('x');\nCOMMIT;", "VACUUM account;"])
def test_with_rollback_what_commits_is_reported_and_the_rest_runs(run: Run, body: str, section: str) -> None:
    """Also where any error is expected."""
    text = GENERIC + generic(body, section) + generic("SELECT 1;")
    ran = run(ACCOUNTS | {"tests/a.stt": text}, Isolation.ROLLBACK)
    assert [test.mark for test in ran.tests] == [Mark.FAILED, Mark.PASSED]
    assert StepKind.ISOLATION in {step.kind for step in ran.tests[0].failures()}
    assert "isolation: none" in ran.messages
    assert "isolation: database" in ran.messages


def test_without_isolation_procedures_may_commit(run: Run) -> None:
    """Every statement is on its own."""
    ran = run(ACCOUNTS | {"tests/a.stt": GENERIC + generic("CALL work();")})
    assert ran.outcome.passed, ran.messages
    assert ran.query("SELECT name FROM account") == [("work",)]


@pytest.mark.parametrize("parallel", [1, 3])
def test_with_copies_test_cases_do_not_see_each_other(run: Run, parallel: int) -> None:
    """And neither does the database from which they were made; no copy stays."""
    text = (
        GENERIC
        + SECTIONS.replace("## BEFORE EACH TEST\n- Each\n\n", "")
        + generic("CALL work();", "### ASSERTION [rows: 2]", "A.", "```", "SELECT name FROM account", "```")
    )
    files = ACCOUNTS | {f"tests/{number}.stt": text for number in range(6)}
    ran = run(files, Isolation.DATABASE, parallel=parallel)
    assert ran.outcome.passed, ran.messages
    assert [case.file for case in ran.outcome.cases] == [f"tests/{number}.stt" for number in range(6)]
    assert ran.query("SELECT to_regclass('account')") == [(None,)]
    assert ran.query("SELECT datname FROM pg_database WHERE datname LIKE 'testrun%'") == []


def wait_until_nothing_sleeps(server: PostgresServer) -> None:
    """Wait until no statement of ours runs any more; the server looks for lost clients every five seconds."""
    query = "SELECT query FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> {}"
    until = time.monotonic() + 30
    while running := server.execute(query.format("pg_backend_pid()")):
        assert time.monotonic() < until, running
        time.sleep(0.1)


CATCHES = (
    "DO $$ BEGIN FOR i IN 1..3 LOOP BEGIN PERFORM pg_sleep(600); "
    "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;"
)


@pytest.mark.parametrize("isolation", Isolation)
@pytest.mark.parametrize("statement", ["SELECT pg_sleep(600);", CATCHES])
def test_a_statement_that_hangs_is_ended_on_the_server(run: Run, isolation: Isolation, statement: str) -> None:
    """It is reported with its place and text, and matches no expected error."""
    text = GENERIC + generic("SELECT 1;") + generic(statement, "### ERROR") + generic("SELECT 1;")
    ran = run({"tests/a.stt": text}, isolation, deadline=3)
    stopped = ran.outcome.stopped
    assert stopped is not None
    assert (stopped.why, str(stopped.place)) == (Stop.TIMED_OUT, "tests/a.stt:13")
    assert "pg_sleep(600)" in stopped.message
    assert [test.mark for test in ran.tests] == [Mark.PASSED, Mark.FAILED, Mark.NOT_RUN]
    wait_until_nothing_sleeps(ran.server)
    assert ran.query("SELECT datname FROM pg_database WHERE datname LIKE 'testrun%'") == []


def test_a_connection_that_is_lost_is_no_expected_error(run: Run) -> None:
    """Nobody knows of that test; the one before it has passed."""
    text = GENERIC + generic("SELECT 1;") + generic("SELECT pg_terminate_backend(pg_backend_pid());", "### ERROR")
    ran = run(text + generic("SELECT 1;"))
    assert ran.outcome.stopped is not None
    assert ran.outcome.stopped.why is Stop.CONNECTION_LOST
    assert str(ran.outcome.stopped.place) == "alone.stt:13"
    assert [test.mark for test in ran.tests] == [Mark.PASSED, Mark.NOT_RUN, Mark.NOT_RUN]
    assert PASSWORD not in repr(ran.outcome)


def test_a_server_that_is_not_there_is_said_to_be(server: PostgresServer, tmp_path: Path) -> None:
    """Without the password."""
    path = tmp_path / "a.stt"
    path.write_text(GENERIC + generic("SELECT 1;"))
    for dsn in (server.dsn(password="wrong-" + PASSWORD), server.dsn().replace(str(server.port), "1")):
        outcome = execute(load_path(path), open_database(read_dsn(dsn), None), Request(), Listener())
        assert outcome.stopped is not None
        assert outcome.stopped.why is Stop.CONNECTION_LOST
        assert PASSWORD not in repr(outcome)


def run_process(folder: Path, dsn: str, inline: str, *, timeout: str = "20s", **sql: Any) -> tuple[Report, str, int]:
    """Run a case as its pod does; return its report, everything that it printed, and its exit code."""
    document = {
        "run": {"id": "1", "name": "r", "namespace": "n", "suite": "s", "startTime": "2025-01-01T00:00:00Z"},
        "attempt": 1,
        "timeout": timeout,
        "case": {"name": "ledger", "sql": {"connection": "db", "source": {"inline": inline}} | sql},
        "connections": {"db": {"dsnVariable": "TESTRUN_DSN"}},
    }
    log = folder / "termination-log"
    done = subprocess.run(
        [sys.executable, "-m", "testrun_operator.runner"],
        env={
            "PATH": os.environ["PATH"],
            "TESTRUN_CASE": json.dumps(document),
            "TESTRUN_DSN": dsn,
            "TESTRUN_TERMINATION_LOG": str(log),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    report = decode(log.read_text())
    if report.details_in_log is not None:
        report = decode_from_log(done.stdout, report.details_in_log)
    return report, done.stdout + done.stderr, done.returncode


def test_a_case_reports_every_test(server: PostgresServer, tmp_path: Path) -> None:
    """Verdict, outputs and details, as the operator gets them."""
    text = GENERIC + generic("SELECT 1;") + generic(f"SELECT '{PASSWORD}'::integer;", name="It fails.")
    report, output, exit_code = run_process(tmp_path, server.dsn(server.new_database()), text, isolation="rollback")
    assert (report.verdict, exit_code) == (Verdict.FAILED, 1)
    assert report.message.startswith('inline.stt:13: It fails.: ERROR: invalid input syntax for type integer: "***"')
    assert report.outputs == {"tests": 2, "passed": 1, "failed": 1, "skipped": 0}
    assert report.step_count == 2
    assert [(detail.kind, detail.location) for detail in report.details] == [
        (DetailKind.TEST, "inline.stt:4"),
        (DetailKind.TEST, "inline.stt:10"),
    ]
    assert PASSWORD not in output


def test_a_case_whose_time_is_over_says_where(server: PostgresServer, tmp_path: Path) -> None:
    """By its own account, a moment before it would be killed; the statement does not run on."""
    text = GENERIC + generic("SELECT 1;") + generic("SELECT pg_sleep(600);", name="It sleeps.")
    report, _, exit_code = run_process(tmp_path, server.dsn(server.new_database()), text, timeout="6s")
    assert (report.verdict, report.failure_class, exit_code) == (Verdict.TIMED_OUT, FailureClass.TEST, 3)
    assert report.message.startswith(
        "the case did not end within 6s: inline.stt:13: the time was over after this had run"
    )
    assert "SELECT pg_sleep(600)" in report.message
    assert [detail.passed for detail in report.details] == [True, False]
    wait_until_nothing_sleeps(server)


def test_a_case_without_a_database_is_errored(server: PostgresServer, tmp_path: Path) -> None:
    """It is the dependency that fails; the address is told, the password is not."""
    dsn = server.dsn().replace(str(server.port), "1")
    report, output, exit_code = run_process(tmp_path, dsn, GENERIC + generic("SELECT 1;"))
    assert (report.verdict, report.failure_class, exit_code) == (Verdict.ERRORED, FailureClass.DEPENDENCY, 2)
    assert "127.0.0.1:1" in report.message
    assert PASSWORD not in output
