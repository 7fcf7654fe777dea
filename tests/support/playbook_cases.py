"""Playbook cases that are run against a real NoETL: in this process, or in the runner's own."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.noetl import NoetlServer
from testrun_operator.api.environment import DOCUMENT_VARIABLE, TERMINATION_LOG_VARIABLE
from testrun_operator.api.report import Detail, ExecutionReport, Report, decode, decode_from_log
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.main import conclude
from testrun_operator.runner.secrets import masker_for
from testrun_operator.runner.templates import Templates

PLAYBOOKS = Path(__file__).resolve().parents[1] / "integration" / "noetl" / "playbooks"
_DSN = "TESTRUN_DSN"


def playbook_text(noetl: NoetlServer, name: str) -> str:
    """Give a playbook in the format of the server's release."""
    return (PLAYBOOKS / noetl.release.version / f"{name}.yaml").read_text()


def document_of(
    url: str,
    playbook: dict[str, Any],
    *,
    has_dsn: bool = True,
    connections: dict[str, Any] | None = None,
    **others: Any,
) -> CaseDocument:
    """Make the document of a case.

    Args:
        url: of the NoETL server.
        playbook: the case's ``playbook``, but its connection.
        has_dsn: whether the connection has a DSN.
        connections: further ones.
        others: further fields of the document.
    """
    noetl = {"url": url} | ({"dsnVariable": _DSN} if has_dsn else {})
    document: dict[str, Any] = {
        "run": {
            "id": "508709863430554191",
            "name": "nightly",
            "namespace": "tests",
            "suite": "regression",
            "revision": "4f2c1d",
            "startTime": "2025-01-01T00:00:00Z",
        },
        "attempt": 1,
        "timeout": "60s",
        "case": {"name": "example", "playbook": {"connection": "noetl", **playbook}},
        "connections": {"noetl": noetl, **(connections or {})},
    }
    return CaseDocument.model_validate(document | others)


@dataclass
class Outcome:
    """What came of a case that was run in this process."""

    conclusion: Conclusion
    details: list[Detail] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    executions: list[ExecutionReport] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0

    @property
    def execution(self) -> ExecutionReport:
        """What was reported of the execution at last."""
        return self.executions[-1]

    @property
    def everything(self) -> str:
        """All that leaves the pod, as one text."""
        return repr((self.conclusion, self.details, self.log, self.progress, self.executions))


def run_here(document: CaseDocument, environment: dict[str, str]) -> Outcome:
    """Run a case in this process, without a hard timeout."""
    outcome = Outcome(conclusion=None)  # type: ignore[arg-type] - it is set below
    masker = masker_for(document, environment)
    journal = Journal(
        masker,
        write_line=outcome.log.append,
        tell_detail=outcome.details.append,
        tell_progress=lambda doing, _: outcome.progress.append(doing),
        tell_execution=outcome.executions.append,
    )
    started = time.monotonic()
    deadline = started + document.timeout.total_seconds()
    outcome.conclusion = conclude(Context(document, environment, journal, masker, Templates(document), deadline))
    outcome.seconds = time.monotonic() - started
    outcome.steps = journal.step_count
    return outcome


def run_case(noetl: NoetlServer, playbook: dict[str, Any], **others: Any) -> Outcome:
    """Run a case against a server in this process; ``others`` are those of :func:`document_of`."""
    return run_here(document_of(noetl.url, playbook, **others), {_DSN: noetl.events_dsn})


@dataclass
class RunnerProcess:
    """The runner as in its pod."""

    process: subprocess.Popen[str]
    termination_log: Path

    def wait(self, timeout: float = 60) -> tuple[int, str]:
        """Wait for its end; give its exit code and its log."""
        log, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode, log

    def report(self, log: str) -> Report:
        """Read its report."""
        report = decode(self.termination_log.read_text())
        return decode_from_log(log, report.details_in_log) if report.details_in_log is not None else report


def start_runner(document: CaseDocument, environment: dict[str, str], folder: Path) -> RunnerProcess:
    """Start the runner for a case.

    Args:
        document: the case.
        environment: the secrets, as variables.
        folder: where its report goes.
    """
    termination_log = folder / "termination-log"
    process = subprocess.Popen(
        [sys.executable, "-m", "testrun_operator.runner"],
        env={
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ},
            DOCUMENT_VARIABLE: json.dumps(document.model_dump(mode="json", exclude_defaults=True)),
            TERMINATION_LOG_VARIABLE: str(termination_log),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return RunnerProcess(process, termination_log)
