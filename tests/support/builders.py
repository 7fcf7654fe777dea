"""Suites, runs, Jobs and pods as tests need them: each function makes a right value; a test changes a part of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report, encode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.execution import ExecutionRecord, digest_of
from testrun_operator.engine.observation import JobObservation, PodObservation, PodPhase, Terminated, Waiting
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome
from testrun_operator.engine.selection import PlannedCase, select_cases
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.parsing import parse_run, parse_suite
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import TestSuiteSpec

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""When everything begins."""
RUN = RunReference("team", "nightly", "0f1b6a52-6f6e-4c1e-9d43-2f6a2f3c9a10")
RUN_ID = "508709863430554191"


def seconds(count: float) -> timedelta:
    """Return a length of time."""
    return timedelta(seconds=count)


def minutes(count: float) -> timedelta:
    """Return a length of time."""
    return timedelta(minutes=count)


# -- suites and runs ----------------------------------------------------------------------------------------------


def http_case(name: str, **fields: Any) -> dict[str, Any]:
    """Return a case of kind http, as in YAML."""
    return {"name": name, "http": {"connection": "api"}} | fields


def sql_case(name: str, source: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a case of kind sql, as in YAML; its connection is named db."""
    files = {"inline": "# TEST CASE\n"} if source is None else dict(source)
    return {"name": name, "sql": {"connection": "db", "source": files}} | fields


def playbook_case(name: str, *, own: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a case of kind playbook, as in YAML, with these fields of its own; its connection is named noetl."""
    return {"name": name, "playbook": {"connection": "noetl", "path": "examples/hello"} | dict(own or {})} | fields


def container_case(name: str, **fields: Any) -> dict[str, Any]:
    """Return a case of kind container, as in YAML."""
    return {"name": name, "container": {"image": "busybox"}} | fields


def suite_document(*cases: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the spec of a suite, as in YAML, with a connection named api."""
    return {"connections": {"api": {"url": "http://api"}}, "cases": [dict(case) for case in cases]} | fields


def suite_of(*cases: Mapping[str, Any], **fields: Any) -> TestSuiteSpec:
    """Return a suite with these cases."""
    return parse_suite(suite_document(*cases, **fields))


def run_of(**fields: Any) -> TestRunSpec:
    """Return the spec of a run of the suite ``regression``; fields as in YAML."""
    given = fields if "suite" in fields else {"suiteRef": {"name": "regression"}} | fields
    return parse_run(given)


def planned(*cases: Mapping[str, Any], run: TestRunSpec | None = None, **fields: Any) -> tuple[PlannedCase, ...]:
    """Return the cases of an execution of a suite."""
    return select_cases(suite_of(*cases, **fields), run or run_of())


def record_of(suite: TestSuiteSpec, run: TestRunSpec | None = None, **fields: Any) -> ExecutionRecord:
    """Return the record of an execution of a suite that started at noon."""
    spec = run or run_of()
    values = {
        "run_id": RUN_ID,
        "spec_digest": digest_of(spec),
        "suite_name": "regression",
        "started_at": NOON,
        "run": spec,
        "suite": suite,
    }
    return ExecutionRecord(**(values | fields))


# -- Jobs and pods ------------------------------------------------------------------------------------------------


def job(case: str = "one", attempt: int = 1, **fields: Any) -> JobObservation:
    """Return a Job that was created at noon."""
    values = {"name": f"job-{case}-{attempt}", "case": case, "attempt": attempt, "created_at": NOON}
    return JobObservation(**(values | fields))


def pod(**fields: Any) -> PodObservation:
    """Return a pod that was created at noon and is not running yet."""
    values = {"name": "pod", "phase": PodPhase.PENDING, "created_at": NOON, "node": "node-1"}
    return PodObservation(**(values | fields))


def waiting_pod(reason: str, message: str = "", **fields: Any) -> PodObservation:
    """Return a pod whose container waits."""
    return pod(waiting=Waiting(reason, message), **fields)


def running_pod(since: datetime = NOON, **fields: Any) -> PodObservation:
    """Return a pod whose container runs."""
    return pod(**({"phase": PodPhase.RUNNING, "running_since": since, "running_seen_at": since} | fields))


def ended_pod(exit_code: int = 0, message: str = "", reason: str = "", **fields: Any) -> PodObservation:
    """Return a pod whose container ran for ten seconds."""
    ended = Terminated(exit_code, reason, message, NOON, NOON + seconds(10))
    phase = PodPhase.SUCCEEDED if exit_code == 0 else PodPhase.FAILED
    return pod(**({"phase": phase, "terminated": ended} | fields))


def report_of(verdict: Verdict = Verdict.PASSED, *, case: str = "one", attempt: int = 1, **fields: Any) -> Report:
    """Return the report of a runner."""
    values: dict[str, Any] = {
        "case": case,
        "attempt": attempt,
        "verdict": verdict,
        "failure_class": None if verdict is Verdict.PASSED else FailureClass.TEST,
        "reason": Reason.EXPECTATIONS_MET if verdict is Verdict.PASSED else Reason.EXPECTATION_NOT_MET,
        "duration_milliseconds": 1234,
    }
    return Report(**(values | fields))


def termination_message(report: Report) -> str:
    """Return what a runner leaves in the termination log."""
    return encode(report)[0].decode()


def reporting_pod(verdict: Verdict = Verdict.PASSED, **fields: Any) -> PodObservation:
    """Return a pod whose runner reported."""
    return ended_pod(0 if verdict is Verdict.PASSED else 1, termination_message(report_of(verdict, **fields)))


# -- outcomes -----------------------------------------------------------------------------------------------------


def attempt_of(case: str = "one", verdict: Verdict = Verdict.PASSED, attempt: int = 1, **fields: Any) -> AttemptOutcome:
    """Return how an attempt ended."""
    values: dict[str, Any] = {
        "case": case,
        "attempt": attempt,
        "job": f"job-{case}-{attempt}",
        "verdict": verdict,
        "failure_class": None if verdict is Verdict.PASSED else FailureClass.TEST,
        "reason": Reason.EXPECTATIONS_MET if verdict is Verdict.PASSED else Reason.EXPECTATION_NOT_MET,
        "message": "",
    }
    return AttemptOutcome(**(values | fields))


def outcome_of(case: str = "one", verdict: Verdict = Verdict.PASSED, **fields: Any) -> CaseOutcome:
    """Return how a case ended; with one attempt unless it was skipped."""
    values: dict[str, Any] = {
        "case": case,
        "verdict": verdict,
        "failure_class": None if verdict in {Verdict.PASSED, Verdict.SKIPPED} else FailureClass.TEST,
        "reason": Reason.EXPECTATIONS_MET if verdict is Verdict.PASSED else Reason.EXPECTATION_NOT_MET,
        "message": "",
        "attempts": () if verdict is Verdict.SKIPPED else (attempt_of(case, verdict),),
    }
    return CaseOutcome(**(values | fields))


def outcomes_of(verdicts: Mapping[str, Verdict]) -> dict[str, CaseOutcome]:
    """Return how the cases of an execution ended."""
    return {case: outcome_of(case, verdict) for case, verdict in verdicts.items()}


def with_pod(observation: JobObservation, seen: PodObservation) -> JobObservation:
    """Return a Job with its pod."""
    return replace(observation, pod=seen)


def names_of(cases: Iterable[PlannedCase]) -> list[str]:
    """Return the names of cases, in their order."""
    return [case.name for case in cases]
