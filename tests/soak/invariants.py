"""What has to hold whatever happens: checked when everything has come to rest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from soak.apiserver import ApiServer, Body
from soak.attempts import Attempt, problem_of, problem_of_details
from soak.records import Truth
from soak.stores import SoakStore
from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.kube.client import TESTRUNS

_FINAL = {phase.value for phase in Phase if phase.is_final}
_COUNTED = {
    "passed": Verdict.PASSED,
    "failed": Verdict.FAILED,
    "errored": Verdict.ERRORED,
    "timedOut": Verdict.TIMED_OUT,
    "cancelled": Verdict.CANCELLED,
}
_MAX_INFRASTRUCTURE_RETRIES = 2
_SERVERS_GIVEN_UP = 280.0
"""Seconds after which test servers that are not ready may be given up: the operator's start timeout is 300 s."""


def is_at_rest(server: ApiServer, uids: Mapping[str, int]) -> bool:
    """Whether every run is over by its status, and everything is stored by its condition.

    Args:
        server: the API server.
        uids: the runs of which that is asked.
    """
    for body in server.all(TESTRUNS):
        if body["metadata"]["uid"] not in uids:
            continue
        status = body.get("status") or {}
        stored = [found for found in status.get("conditions", ()) if found["type"] == "ResultsStored"]
        is_current = status.get("observedGeneration") == body["metadata"]["generation"]
        if not is_current or status.get("phase") not in _FINAL or not stored or stored[0]["status"] != "True":
            return False
    return True


def check(
    server: ApiServer, truth: Truth, store: SoakStore, attempts: Mapping[str, Attempt], retries: Mapping[str, int]
) -> Iterator[str]:
    """Yield what is wrong.

    Args:
        server: the API server.
        truth: what was seen on the way.
        store: Postgres.
        attempts: the truth of each attempt, by the uid of its Job.
        retries: how many retries each case has, by the name of its run and its own.
    """
    yield from truth.problems
    for (run_id, case), (was, became) in store.changed.items():
        if was.reason is Reason.JOB_REJECTED and truth.restarts > 1:
            continue  # it has no Job, and the operator may be killed before the status lists it
        of_case = [found for found in attempts.values() if (found.run_id, found.case) == (str(run_id), case)]
        is_gone = truth.restarts > 1 and any(attempt.disturbances for attempt in of_case)
        # What is stored counts as well, if it could be read, and if nobody needs the outputs that are gone.
        is_told = run_id not in store.unread and not any(attempt.is_needed for attempt in of_case)
        if is_told or not is_gone:
            change = f"{was.verdict} ({was.reason}) became {became.verdict} ({became.reason})"
            yield f"the stored verdict of {case} was changed: {change}"
    for _, case in store.overwritten:
        yield f"what is stored of {case} was written over, though its Job is gone"
    by_job: dict[str, Attempt] = {attempt.job: attempt for attempt in attempts.values()}
    uids = {body["metadata"]["uid"]: body for body in server.all(TESTRUNS) if body["metadata"]["uid"] in truth.wanted}
    for (run_id, case), record in store.cases.items():
        run = _run_of(run_id, uids, truth)
        if run is None and (str(run_id) in truth.gone or not _is_executed(run_id, truth)):
            continue
        for attempt in record.outcome.attempts:
            problem = problem_of(by_job.get(attempt.job), attempt, server.loop.time(), truth.rejected, truth.restarts)
            if problem is not None:
                told = f"{attempt.verdict} ({attempt.failure_class}, {attempt.reason}: {attempt.message})"
                yield f"{case}, attempt {attempt.attempt}, is {told}, but {problem}: {by_job.get(attempt.job)}"
            is_calm = truth.restarts == 1 and not truth.has_troubled
            problem = problem_of_details(by_job.get(attempt.job), attempt, must_be_there=is_calm)
            if problem is not None:
                yield f"{case}, attempt {attempt.attempt}: {problem}: {by_job.get(attempt.job)}"
        name = run["metadata"]["name"] if run is not None else ""
        last = by_job.get(record.outcome.attempts[-1].job) if record.outcome.attempts else None
        is_cut = last is not None and truth.told_at.get(str(run_id), server.loop.time()) >= last.run_over_at - 15
        jobs = {job for job, attempt in by_job.items() if (attempt.run_id, attempt.case) == (str(run_id), case)}
        is_deleted = not truth.deleted.isdisjoint(jobs)
        allowed = None if is_cut else retries.get(f"{name}/{case}")
        if allowed is not None:
            allowed -= _forgotten(record.outcome, by_job)
        yield from _check_case(record.outcome, allowed, run, truth, is_deleted=is_deleted)
    for uid, body in uids.items():
        yield from _check_run(uid, body, store, truth)
        yield from _check_counts(body, store, truth, attempts.values())


def _forgotten(outcome: CaseOutcome, by_job: Mapping[str, Attempt]) -> int:
    """Count the attempts that were repeated for what their subject did, which nobody can tell any more."""
    faults = [by_job.get(found.job) for found in outcome.attempts if found.is_infrastructure_fault]
    return sum(attempt is not None and attempt.ended_itself for attempt in faults)


def _is_executed(run_id: int, truth: Truth) -> bool:
    return any(str(run_id) in known for known in truth.executed.values())


def _run_of(run_id: int, runs: Mapping[str, Body], truth: Truth) -> Body | None:
    for uid, body in runs.items():
        status = body.get("status") or {}
        history = {entry["runId"] for entry in status.get("history", ())}
        if str(run_id) in {status.get("runId"), *history, *truth.executed.get(uid, ())}:
            return body
    return None


def _check_case(
    outcome: CaseOutcome, retries: int | None, run: Body | None, truth: Truth, *, is_deleted: bool
) -> Iterator[str]:
    said = f"{outcome.case} is {outcome.verdict} ({outcome.reason})"
    if run is None:
        yield f"{said}, and there is no such run"
        return
    was_ended = run["metadata"]["uid"] in truth.ended_runs
    if outcome.verdict is Verdict.CANCELLED and not was_ended:
        yield f"{said}, and nobody cancelled the run"
    is_long = any(seconds > _SERVERS_GIVEN_UP for seconds in truth.server_troubles)
    if outcome.reason is Reason.TEST_SERVER_UNAVAILABLE and not is_long:
        yield f"{said}: {outcome.message}; and nothing was the matter with its test servers for so long"
    if retries is None or not outcome.attempts:
        return
    last = outcome.attempts[-1]
    if outcome.verdict is not Verdict.CANCELLED and last.verdict is not outcome.verdict:
        yield f"{said}, and its last attempt {last.verdict}"
    if [attempt.attempt for attempt in outcome.attempts] != list(
        range(1, len(outcome.attempts) + 1)
    ) and not is_deleted:
        yield f"{said}, and its attempts are {[attempt.attempt for attempt in outcome.attempts]}"
    is_final = last.reason is Reason.RUN_TIMEOUT or was_ended or is_deleted or is_long
    failures = sum(
        attempt.failure_class in {FailureClass.TEST, FailureClass.DEPENDENCY} for attempt in outcome.attempts
    )
    faults = sum(attempt.failure_class is FailureClass.INFRASTRUCTURE for attempt in outcome.attempts)
    if last.failure_class is FailureClass.INFRASTRUCTURE and faults <= _MAX_INFRASTRUCTURE_RETRIES and not is_final:
        yield f"{said} after {faults} faults of the infrastructure"
    if last.failure_class is FailureClass.TEST and failures <= retries and not is_final:
        yield f"{said} after {failures} failures, and {retries + 1} were allowed"


def _check_run(uid: str, body: Body, store: SoakStore, truth: Truth) -> Iterator[str]:
    name, status = body["metadata"]["name"], body.get("status") or {}
    run_id, cases = status.get("runId"), status.get("cases")
    if run_id is None or cases is None:
        yield f"{name} is {status.get('phase')}, and was never executed: {_why(status)}"
        return
    parts = sum(count for part, count in cases.items() if part not in {"total", "flaky"})
    if parts != cases["total"] or cases.get("pending") or cases.get("running"):
        yield f"the cases of {name} do not add up: {cases}"
    summary = store.runs.get(int(run_id))
    if summary is None:
        yield f"Postgres has no summary of {name}"
    elif (summary.phase.value, summary.total, summary.passed, summary.failed) != (
        status["phase"],
        cases["total"],
        cases.get("passed", 0),
        cases.get("failed", 0),
    ):
        yield f"the summary of {name} in Postgres is not what its status says: {summary}, {cases}"
    if (
        not truth.executed.get(uid)
        and uid not in truth.ended_runs
        and not truth.rejected
        and not cases.get("timedOut")
        and not truth.server_troubles
    ):
        yield f"{name} is {status.get('phase')}, and had no Job"


def _check_counts(body: Body, store: SoakStore, truth: Truth, attempts: Iterable[Attempt]) -> Iterator[str]:
    name, status = body["metadata"]["name"], body.get("status") or {}
    run_id, cases = status.get("runId"), status.get("cases")
    if run_id is None or cases is None:
        return
    is_deleted = any(attempt.job in truth.deleted for attempt in attempts if attempt.run_id == run_id)
    fails_fast = body["spec"].get("failFast") and cases.get("skipped")
    # With failFast one that was skipped cannot be told from one whose Job was deleted before it was stored.
    is_exact = not (truth.restarts > 1 and is_deleted and fails_fast)
    rows = Counter(record.outcome.verdict for (run, _), record in store.cases.items() if run == int(run_id))
    for part, verdict in _COUNTED.items():
        if rows[verdict] > cases.get(part, 0) or (is_exact and rows[verdict] != cases.get(part, 0)):
            yield f"{name}: {cases.get(part, 0)} cases {part} by its status, {rows[verdict]} by Postgres"


def _why(status: Body) -> str:
    return "; ".join(f"{found['type']} {found['status']}: {found['message']}" for found in status.get("conditions", ()))
