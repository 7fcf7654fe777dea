"""A playbook case all the way: from the suite to the pod, to a real NoETL, to the report, to the row of results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.unit.kube.manifests import container_of, document_of, parts_of

from support.builders import NOON, ended_pod, job, playbook_case, run_of, seconds, suite_of, with_pod
from support.noetl import NoetlServer
from support.playbook_cases import playbook_text, start_runner
from testrun_operator.api.report import encode
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.judgement import Ended, JudgingSettings
from testrun_operator.engine.judging import judge
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome, CaseRecord
from testrun_operator.engine.selection import select_cases
from testrun_operator.engine.validation import check_suite
from testrun_operator.store.rows import ResultRow, result_row

pytestmark = pytest.mark.postgres

CONNECTIONS = {
    "noetl": {
        "url": "http://replaced",
        "headersFrom": [{"name": "Authorization", "secretKeyRef": {"name": "api", "key": "token"}}],
        "dsnFrom": {"secretKeyRef": {"name": "noetl-events", "key": "dsn"}},
    },
    "warehouse": {"dsnFrom": {"secretKeyRef": {"name": "warehouse", "key": "dsn"}}},
}
SECRETS = {"api": {"token": "hunter22-of-the-api"}, "pg": {"db_host": "warehouse", "db_password": "hunter22-of-the-pg"}}


def filled(found: dict[str, Any], secrets: dict[str, dict[str, str]]) -> dict[str, str]:
    """Give the environment of a container as the kubelet would, but for the case document."""
    environment = {}
    for source in found.get("envFrom", ()):
        for key, value in secrets[source["secretRef"]["name"]].items():
            environment[source["prefix"] + key] = value
    for variable in found["env"]:
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            environment[variable["name"]] = secrets[reference["name"]][reference["key"]]
    return environment


def run_attempt(noetl: NoetlServer, playbook: dict[str, Any], folder: Path) -> tuple[AttemptOutcome, str]:
    """Run the attempt that the operator would start, and judge it as the operator would; give its log, too."""
    connections = CONNECTIONS | {"noetl": CONNECTIONS["noetl"] | {"url": noetl.url}}
    case = playbook_case("one", own=playbook, timeout="60s")
    suite = suite_of(case, connections=connections)
    assert check_suite(suite) == ()
    parts = parts_of(case, connections=connections)
    dsn = {"dsn": noetl.events_dsn}
    environment = filled(container_of(parts.job), SECRETS | {"noetl-events": dsn, "warehouse": dsn})
    runner = start_runner(document_of(parts), environment, folder)
    _, log = runner.wait()
    report = runner.report(log)
    message, _ = encode(report)
    (planned,) = select_cases(suite, run_of())
    seen = with_pod(job(), ended_pod(0, message.decode()))
    judgement = judge(seen, planned, NOON + seconds(90), JudgingSettings())
    assert isinstance(judgement, Ended)
    # What did not fit into the message is read from the log.
    return replace(judgement.outcome, details=report.details, execution=report.execution), log


def row_of(attempt: AttemptOutcome) -> ResultRow:
    """Give the row that is stored."""
    outcome = CaseOutcome(
        "one", attempt.verdict, attempt.failure_class, attempt.reason, attempt.message, attempts=(attempt,)
    )
    return result_row(CaseRecord(1, "playbook", "testrun/late_failure", None, outcome, "FAILED"))


def _completes(noetl: NoetlServer) -> bool:
    """Whether a run is COMPLETED though a program in it failed, as for those in Rust."""
    return noetl.release.version.startswith("rust")


def test_a_playbook_that_fails_as_expected_is_a_row_that_says_so(noetl: NoetlServer, tmp_path: Path) -> None:
    """With the id of its execution in all digits, its events, and none of the secrets that travelled with it."""
    attempt, log = run_attempt(
        noetl,
        {
            "path": "testrun/late_failure",
            "register": {"inline": playbook_text(noetl, "late_failure")},
            "credentials": [{"name": "pg", "type": "postgres", "secretRef": {"name": "pg"}}],
            "expect": {
                **({"noErrors": False} if _completes(noetl) else {"status": "Failed"}),
                "steps": {"ran": ["third"]},
                "sql": [
                    {
                        "name": "events",
                        "query": "SELECT count(*) > 3 AS ok FROM noetl.event WHERE execution_id = {{ execution.id }}",
                        "connection": "warehouse",
                    }
                ],
            },
        },
        tmp_path,
    )
    assert attempt.verdict is Verdict.PASSED, (attempt.message, log)
    assert attempt.execution is not None
    row, status = row_of(attempt), "COMPLETED" if _completes(noetl) else "FAILED"
    assert (row.kind, row.status, row.test_passed, row.expected_status) == ("playbook", status, True, "FAILED")
    assert row.validation_passed
    with psycopg.connect(noetl.owner_dsn) as connection:
        query = "SELECT count(*) FROM noetl.event WHERE execution_id = %s"
        assert connection.execute(query, [row.execution_id]).fetchall() == [(row.step_count,)]
    assert row.actual_events is not None
    events = row.actual_events.obj
    assert (events["status"], sum(events["counts"].values())) == (status, row.step_count)
    assert events["last"]
    assert "hunter22" not in repr((attempt, log))


def test_a_playbook_that_fails_is_a_row_with_its_first_error(noetl: NoetlServer, tmp_path: Path) -> None:
    """Whoever reads the row knows which execution and which step to look at."""
    playbook = {"path": "testrun/late_failure", "register": {"inline": playbook_text(noetl, "late_failure")}}
    attempt, log = run_attempt(noetl, playbook, tmp_path)
    assert attempt.verdict is Verdict.FAILED, (attempt.message, log)
    row = row_of(attempt)
    status, broken = ("COMPLETED", "noErrors") if _completes(noetl) else ("FAILED", "status")
    assert (row.status, row.test_passed, row.validation_passed) == (status, False, False)
    assert row.execution_id is not None
    assert row.error_message is not None
    assert "the third step is broken" in row.error_message
    assert row.validation_errors is not None
    assert broken in [error["name"] for error in row.validation_errors.obj]
