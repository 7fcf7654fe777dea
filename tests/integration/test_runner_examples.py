"""Every case of the pagination example passes, run by the runner against the test server."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from tests.integration.pagination_server import running_test_server

from testrun_operator.api.report import Report, decode
from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.selection import PlannedCase, select_cases
from testrun_operator.resources.document import CaseDocument, NeededCase, RunInfo, ServerInfo
from testrun_operator.resources.parsing import parse_run, parse_suite

EXAMPLE = Path(__file__).parents[2] / "examples" / "pagination"


def planned_cases() -> tuple[PlannedCase, ...]:
    """Return the cases of the example, each after those that it needs."""
    suite = parse_suite(yaml.safe_load((EXAMPLE / "suite.yaml").read_text())["spec"])
    run = parse_run(yaml.safe_load((EXAMPLE / "run.yaml").read_text())["spec"])
    return select_cases(suite, run)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start the test server; return its address."""
    with running_test_server() as running:
        yield running.url


def run_attempt(case: PlannedCase, attempt: int, server: str, passed: dict[str, Report], folder: Path) -> Report:
    """Run one attempt at a case as its pod would."""
    document = CaseDocument(
        run=RunInfo(id="1", name="pagination", namespace="n", suite="pagination", start_time=datetime.now(UTC)),
        attempt=attempt,
        timeout=case.timeout,
        case=case.case,
        variables=dict(case.variables),
        servers={"paginated-api": ServerInfo(url=server)},
        cases={need: NeededCase(outputs=passed[need].outputs) for need in case.needs},
    )
    log = folder / f"{case.name}-{attempt}"
    environment = {
        "TESTRUN_CASE": document.model_dump_json(exclude_defaults=True),
        "TESTRUN_TERMINATION_LOG": str(log),
    }
    command = [sys.executable, "-m", "testrun_operator.runner"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert log.exists(), output.stdout + output.stderr
    return decode(log.read_text())


def test_every_case_of_the_pagination_example_passes(server: str, tmp_path: Path) -> None:
    """One of them at its second attempt, as it says."""
    passed: dict[str, Report] = {}
    flaky: list[str] = []
    for case in planned_cases():
        report = run_attempt(case, 1, server, passed, tmp_path)
        if report.verdict is Verdict.FAILED and case.retries:
            flaky.append(case.name)
            report = run_attempt(case, 2, server, passed, tmp_path)
        assert report.verdict is Verdict.PASSED, f"{case.name}: {report.message}"
        passed[case.name] = report
    assert flaky == ["flaky-second-attempt"]
    assert len(passed) == 20
