"""The runner's process: reads the case document, has the case run, writes the report.

Exit code: 0 for Passed, 1 for Failed, 2 for Errored, 3 for TimedOut; 143 after SIGTERM, without a report. It is there
for people and for Kubernetes; the operator goes by the report.
"""

import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from testrun_operator.api.base import format_duration
from testrun_operator.api.environment import (
    DOCUMENT_DIGEST_VARIABLE,
    DOCUMENT_PATH,
    DOCUMENT_VARIABLE,
    TERMINATION_LOG_VARIABLE,
)
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.errors import CaseError
from testrun_operator.kinds.case_kind import CaseKind
from testrun_operator.kinds.registry import KINDS
from testrun_operator.masking import Masker
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.messages import STARTING, Received, Sender
from testrun_operator.runner.problem import CannotJudge, InvalidCase
from testrun_operator.runner.reporting import DEFAULT_TERMINATION_LOG, mask_conclusion, write_report
from testrun_operator.runner.secrets import masker_for
from testrun_operator.runner.supervisor import Ending, Supervisor
from testrun_operator.runner.templates import Templates

_EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.ERRORED: 2, Verdict.TIMED_OUT: 3}
_EXIT_NO_REPORT = 2


def main(environment: Mapping[str, str] | None = None) -> int:
    """Run the case that the environment names, and report.

    Args:
        environment: the environment variables; those of this process by default.

    Returns:
        The exit code.
    """
    started = time.monotonic()
    variables = dict(os.environ if environment is None else environment)
    supervisor = Supervisor()
    supervisor.install()
    if hasattr(sys.stdout, "reconfigure"):
        # Images often have no locale, and a report must not fail because of a tick mark.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        document = read_document(variables)
    except CaseError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_NO_REPORT
    masker = masker_for(document, variables)
    deadline = started + document.timeout.total_seconds()
    ending = supervisor.run(lambda sender: _run_case(document, variables, masker, deadline, sender), deadline)
    conclusion = _judge(ending, document)
    if conclusion is None:
        sys.stderr.write(f"the process that ran the case ended with {ending.exit_code} and without a conclusion\n")
        return ending.exit_code or _EXIT_NO_REPORT
    report = _to_report(document, conclusion, ending.received, time.monotonic() - started)
    sys.stdout.write(masker.excerpt(f"{report.verdict}: {report.reason} {report.message}", 2000) + "\n")
    try:
        write_report(report, masker, Path(variables.get(TERMINATION_LOG_VARIABLE, DEFAULT_TERMINATION_LOG)))
    except OSError as error:
        sys.stderr.write(f"the report cannot be written: {error}\n")
        return _EXIT_NO_REPORT
    sys.stdout.flush()
    return _EXIT_CODES[conclusion.verdict]


def read_document(environment: Mapping[str, str]) -> CaseDocument:
    """Read the case document from its environment variable, or else from its file.

    Raises:
        CaseError: there is none, or it is none that this version of the runner understands. Only a runner of another
            version than the operator can see that; so there is no report, and the operator says NoReport.
    """
    text = environment.get(DOCUMENT_VARIABLE)
    source = DOCUMENT_VARIABLE
    if text is None:
        source = DOCUMENT_PATH
        try:
            text = Path(DOCUMENT_PATH).read_text(encoding="utf-8")
        except OSError as error:
            message = f"there is no case document: neither {DOCUMENT_VARIABLE} nor {DOCUMENT_PATH}: {error.strerror}"
            raise CaseError(message) from None
        expected = environment.get(DOCUMENT_DIGEST_VARIABLE)
        if expected is not None and hashlib.sha256(text.encode()).hexdigest() != expected:
            raise CaseError(f"{source} is not the case document that the operator wrote")
    try:
        return CaseDocument.model_validate_json(text)
    except ValidationError as error:
        raise CaseError(f"{source} is no case document: {error}") from None


def _run_case(
    document: CaseDocument, environment: dict[str, str], masker: Masker, deadline: float, sender: Sender
) -> None:
    journal = Journal(
        masker,
        write_line=lambda line: print(line, flush=True),  # noqa: T201 - the log of the pod
        tell_detail=sender.tell_detail,
        tell_progress=sender.tell_progress,
        tell_execution=sender.tell_execution,
    )
    context = Context(document, environment, journal, masker, Templates(document), deadline)
    try:
        conclusion = conclude(context)
    except Exception:  # noqa: BLE001 - a fault of the runner; without a conclusion the operator says NoReport
        sys.stderr.write(masker.text(traceback.format_exc()))
        return
    journal.end()
    sender.tell_progress("ending", journal.step_count)
    # Here, because the case may have come to know secrets that this process's parent does not know.
    sender.tell_conclusion(mask_conclusion(conclusion, masker))


def conclude(context: Context) -> Conclusion:
    """Run a case in this process; what stands in the way of a judgement becomes a conclusion too."""
    try:
        return find_execution(context.document.case.kind)(context)
    except CannotJudge as problem:
        return Conclusion(Verdict.ERRORED, problem.failure_class, problem.reason, problem.message)


def find_execution(kind: CaseKind[Any]) -> Callable[[Context], Conclusion]:
    """Return the function that runs cases of a kind; only now is it imported, and nothing of the other kinds.

    Raises:
        InvalidCase: such cases run without the runner.
    """
    if kind.execution is None:
        known = ", ".join(other.name for other in KINDS if other.has_report)
        raise InvalidCase(kind.name, f"the runner runs cases of the kinds {known}")
    return cast("Callable[[Context], Conclusion]", import_module(kind.execution).run_case)


def _judge(ending: Ending, document: CaseDocument) -> Conclusion | None:
    if not ending.timed_out:
        return ending.received.conclusion
    received = ending.received
    seconds = time.monotonic() - received.doing_since
    message = (
        f"the case did not end within {format_duration(document.timeout)}: "
        f"{received.doing} for {seconds:.1f} s, with {document.case.kind.steps.count(received.step_count)}"
    )
    failure_class = FailureClass.TEST
    if received.doing == STARTING:
        # A process that has not even begun says nothing of the subject: its node is overloaded.
        failure_class = FailureClass.INFRASTRUCTURE
    elif document.case.kind.reports_execution and received.execution is None:
        # Nor does an execution that was never started: for instance no name server answers.
        failure_class = FailureClass.DEPENDENCY
    return Conclusion(Verdict.TIMED_OUT, failure_class, Reason.CASE_TIMEOUT, message)


def _to_report(document: CaseDocument, conclusion: Conclusion, received: Received, seconds: float) -> Report:
    return Report(
        case=document.case.name,
        attempt=document.attempt,
        verdict=conclusion.verdict,
        failure_class=conclusion.failure_class,
        reason=conclusion.reason,
        message=conclusion.message,
        duration_milliseconds=round(seconds * 1000),
        step_count=received.step_count,
        outputs=conclusion.outputs,
        details=tuple(received.details),
        execution=conclusion.execution or received.execution,
    )
