"""Playbook cases against real NoETL servers: what passes, what fails, and what is nobody's test failure."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.noetl import NoetlServer
from support.playbook_cases import Outcome, document_of, playbook_text, run_case, run_here, start_runner
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict

pytestmark = pytest.mark.postgres

_SECONDS = 60.0
_CREDENTIAL = "TESTRUN_CREDENTIAL_0_"


@pytest.fixture(scope="module", autouse=True)
def _children(noetl: NoetlServer) -> None:
    """Register what compositions start."""
    for name in ("composition_child", "late_failure"):
        noetl.register(playbook_text(noetl, name))


def _run(noetl: NoetlServer, name: str, playbook: dict[str, Any] | None = None, **others: Any) -> Outcome:
    own = {"path": f"testrun/{name}", "register": {"inline": playbook_text(noetl, name)}}
    return run_case(noetl, own | (playbook or {}), **others)


def _verdict(outcome: Outcome) -> tuple[Verdict, FailureClass | None, Reason]:
    conclusion = outcome.conclusion
    return conclusion.verdict, conclusion.failure_class, conclusion.reason


@pytest.mark.parametrize("has_dsn", [True, False], ids=["dsn", "api"])
def test_a_playbook_that_does_what_it_should_passes(noetl: NoetlServer, *, has_dsn: bool) -> None:
    """With its event log in the database, and without."""
    outcome = _run(
        noetl,
        "hello_world",
        {
            "expect": {
                "minEvents": 5,
                "maxEvents": 100,
                "maxDuration": "30s",
                "steps": {"ran": ["greet"], "notRan": ["shout"]},
                "jmespath": [{"expression": "steps.greet.greeting", "equals": "hello, {{ vars.name }}"}],
            },
            "payload": {"name": "{{ vars.name }}"},
        },
        has_dsn=has_dsn,
        variables={"name": "people"},
    )
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
    execution = outcome.execution
    assert int(execution.id) > 2**53
    assert execution.status == "COMPLETED"
    assert sum(execution.events.values()) == outcome.steps
    assert outcome.conclusion.outputs["execution_id"] == execution.id
    assert outcome.conclusion.outputs["result"] == {"greeting": "hello, people"}


def test_the_payload_is_merged_into_the_workload(noetl: NoetlServer) -> None:
    """What it does not name keeps its value, on every release."""
    outcome = _run(noetl, "variables", {"payload": {"city": "Oslo"}})
    assert outcome.conclusion.outputs["result"] == {"text": "Oslo: 68 F"}


def _completes_with_errors(noetl: NoetlServer) -> bool:
    """Whether a run is COMPLETED though a step of it failed: for those in Rust, a program that fails is a result."""
    return noetl.release.version.startswith("rust")


@pytest.mark.parametrize("has_dsn", [True, False], ids=["dsn", "api"])
def test_a_playbook_that_fails_is_failed_with_its_step_and_error(noetl: NoetlServer, *, has_dsn: bool) -> None:
    """Also where other steps run after it, and other rows come last; and where the server says that it completed."""
    outcome = _run(noetl, "late_failure", has_dsn=has_dsn)
    assert _verdict(outcome) == (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET)
    assert re.search("step 'third': (.*ValueError: )?the third step is broken", outcome.conclusion.message)
    if _completes_with_errors(noetl):
        assert "expected no errors, got an error" in outcome.conclusion.message
        assert outcome.execution.status == "COMPLETED"
    else:
        assert "expected Completed, got Failed" in outcome.conclusion.message
        assert outcome.execution.status == "FAILED"


def test_a_playbook_that_is_expected_to_fail_passes_when_it_does(noetl: NoetlServer) -> None:
    """And one that is not there to fail is failed for completing."""
    status: dict[str, Any] = {"noErrors": False} if _completes_with_errors(noetl) else {"status": "Failed"}
    expect = {"expect": {**status, "steps": {"ran": ["first", "second"]}}}
    assert _run(noetl, "late_failure", expect).conclusion.verdict is Verdict.PASSED
    outcome = _run(noetl, "hello_world", {"expect": {"status": "Failed"}})
    assert "expected Failed, got Completed" in outcome.conclusion.message


def test_children_are_waited_for_and_their_errors_count(noetl: NoetlServer) -> None:
    """The parent completes while its child has yet to fail."""
    outcome = _run(noetl, "composition")
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
    outcome = _run(noetl, "composition_of_failure")
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.execution.status == "COMPLETED"
    assert "step 'third' of execution" in outcome.conclusion.message
    outcome = _run(noetl, "composition_of_failure", {"expect": {"noErrors": False}})
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion


def test_queries_see_the_execution(noetl: NoetlServer) -> None:
    """They are rendered after it is over."""
    query = "SELECT count(*) > {{ vars.least }} AS test_passed FROM noetl.event WHERE execution_id = {{ execution.id }}"
    expect = {"expect": {"sql": [{"name": "there are events", "query": query}]}}
    assert _run(noetl, "hello_world", expect, variables={"least": "3"}).conclusion.verdict is Verdict.PASSED
    outcome = _run(noetl, "hello_world", expect, variables={"least": "3000"})
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert "sql there are events" in outcome.conclusion.message


@pytest.mark.parametrize(
    ("playbook", "says"),
    [
        ({"path": "testrun/nowhere"}, "playbook.path: .*'testrun/nowhere'"),
        ({"path": "testrun/late_failure", "version": 99}, "99"),
        ({"path": "testrun/x", "register": {"inline": "kind: Playbook\nworkflow: ["}}, "playbook.register"),
        ({"path": "testrun/late_failure", "payload": {"x": "{{ vars.none }}"}}, r"playbook\.payload\.x"),
        ({"path": "testrun/late_failure", "outputs": {"x": "steps["}}, r"playbook\.outputs\.x"),
    ],
    ids=["path", "version", "playbook", "template", "expression"],
)
def test_what_the_case_got_wrong_is_no_test_failure(noetl: NoetlServer, playbook: dict[str, Any], says: str) -> None:
    """It is Errored, says which field is wrong, and starts nothing."""
    outcome = run_case(noetl, playbook)
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE)
    assert re.search(says, outcome.conclusion.message), outcome.conclusion.message
    assert not outcome.executions


def test_credentials_are_registered_and_stay_secret(noetl: NoetlServer) -> None:
    """So are texts of the payload under names of secrets, also where the playbook gives them back."""
    secret, other = "swordfish-4711", "open-sesame-42"
    document = document_of(
        noetl.url,
        {
            "path": "testrun/hello_world",
            "register": {"inline": playbook_text(noetl, "hello_world")},
            "credentials": [{"name": "pg_test", "type": "postgres", "secretRef": {"name": "pg"}}],
            "payload": {"name": other, "password": other},
            "expect": {"jmespath": [{"expression": "steps.greet.greeting", "equals": "nothing"}]},
        },
    )
    outcome = run_here(
        document,
        {
            "TESTRUN_DSN": noetl.events_dsn,
            f"{_CREDENTIAL}db_host": "db.example",
            f"{_CREDENTIAL}db_password": secret,
        },
    )
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert "***" in outcome.conclusion.message
    assert secret not in outcome.everything
    assert other not in outcome.everything
    with psycopg.connect(noetl.owner_dsn) as connection:
        rows = connection.execute("SELECT name FROM noetl.credential WHERE name = 'pg_test'").fetchall()
    assert rows == [("pg_test",)]


def test_a_database_that_is_not_there_is_told_before_anything_is_started(noetl: NoetlServer) -> None:
    """Its DSN is the suite's; a playbook that cannot be judged is not run."""
    document = document_of(noetl.url, {"path": "testrun/late_failure"}, timeout="4s")
    outcome = run_here(document, {"TESTRUN_DSN": "postgresql://reader:swordfish@127.0.0.1:9/noetl"})
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
    assert "swordfish" not in outcome.everything
    assert not outcome.executions


def test_without_a_worker_the_time_ends_and_nobody_claimed_the_command(noetl: NoetlServer) -> None:
    """Which is for somebody else to mend than the author of the playbook."""
    noetl.stop_workers()
    try:
        outcome = _run(noetl, "hello_world", timeout="5s")
    finally:
        noetl.start_workers()
    assert _verdict(outcome) == (Verdict.TIMED_OUT, FailureClass.DEPENDENCY, Reason.CASE_TIMEOUT)
    assert "nobody has claimed" in outcome.conclusion.message
    assert outcome.seconds < 6


def test_two_cases_of_one_playbook_at_once_have_an_execution_each(noetl: NoetlServer, tmp_path: Path) -> None:
    """What one sees is not what the other does."""
    runners = []
    for name in ("anna", "berta"):
        folder = tmp_path / name
        folder.mkdir()
        document = document_of(
            noetl.url,
            {
                "path": "testrun/hello_world",
                "register": {"inline": playbook_text(noetl, "hello_world")},
                "payload": {"name": name},
                "expect": {"jmespath": [{"expression": "steps.greet.greeting", "equals": f"hello, {name}"}]},
            },
        )
        runners.append(start_runner(document, {"TESTRUN_DSN": noetl.events_dsn}, folder))
    reports = []
    for runner in runners:
        code, log = runner.wait()
        assert code == 0, log
        reports.append(runner.report(log))
    assert len({report.execution.id for report in reports if report.execution is not None}) == 2


def test_a_server_that_comes_back_is_waited_for(noetl: NoetlServer, tmp_path: Path) -> None:
    """It is being restarted, perhaps."""
    noetl.stop_server(kill=True)
    document = document_of(
        noetl.url,
        {"path": "testrun/hello_world", "register": {"inline": playbook_text(noetl, "hello_world")}},
    )
    runner = start_runner(document, {"TESTRUN_DSN": noetl.events_dsn}, tmp_path)
    time.sleep(1)
    noetl.start_server()
    code, log = runner.wait()
    assert code == 0, log


def test_a_server_that_does_not_come_back_is_no_test_failure(noetl: NoetlServer) -> None:
    """Errored, because of something that the case depends on; and not TimedOut, however short its time."""
    noetl.stop_server(kill=True)
    try:
        outcome = _run(noetl, "hello_world", timeout="4s")
    finally:
        noetl.start_server()
    assert _verdict(outcome) == (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED)
    assert outcome.seconds < 4


def test_a_pod_that_is_deleted_cancels_the_execution_where_the_server_can(noetl: NoetlServer, tmp_path: Path) -> None:
    """No report is left: what it means is for the operator to say."""
    document = document_of(
        noetl.url, {"path": "testrun/slow", "register": {"inline": playbook_text(noetl, "slow")}, "expect": {}}
    )
    runner = start_runner(document, {"TESTRUN_DSN": noetl.events_dsn}, tmp_path)
    execution = _wait_for_a_claim(noetl, "testrun/slow")
    os.kill(runner.process.pid, signal.SIGTERM)
    code, log = runner.wait(20)
    assert code == 128 + signal.SIGTERM, log
    assert not runner.termination_log.exists()
    if noetl.release.version.startswith(("4", "rust")):
        assert f"Cancelled: execution {execution}" in log
        assert {"execution.cancelled", "playbook_cancelled"} & _event_types(noetl, execution)


def _wait_for_a_claim(noetl: NoetlServer, path: str) -> int:
    """Wait until a worker has work of the newest execution of a playbook."""
    deadline = time.monotonic() + _SECONDS
    query = """
        SELECT e.execution_id FROM noetl.event e JOIN noetl.catalog c ON c.catalog_id = e.catalog_id
        WHERE c.path = %s AND e.event_type IN ('command.started', 'action_started') ORDER BY e.execution_id DESC LIMIT 1
    """
    with psycopg.connect(noetl.owner_dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(query, [path]).fetchone()
            if row is not None:
                return int(row[0])
            time.sleep(0.02)
    raise AssertionError("no worker took it")


def _event_types(noetl: NoetlServer, execution: int) -> set[str]:
    with psycopg.connect(noetl.owner_dsn) as connection:
        rows = connection.execute("SELECT event_type FROM noetl.event WHERE execution_id = %s", [execution])
        return {str(type_) for (type_,) in rows}
