"""Why an execution is ended before its time, and what it is busy with until then."""

from testrun_operator.api.reason import ConditionReason, Reason
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.engine.planning import Ending
from testrun_operator.engine.quota import waits_for_quota
from testrun_operator.engine.status import shorten
from testrun_operator.resources.run import TestRunSpec

_MAX_REFUSAL = 300
SUPERSEDED = Ending(Reason.SUPERSEDED, "the run's spec changed; a new execution takes the place of this one")
CANCELLED = Ending(Reason.RUN_CANCELLED, "the run was cancelled")


def describe_activity(spec: TestRunSpec, state: ExecutionState, *, superseded: bool) -> tuple[ConditionReason, str]:
    """Say what an execution is busy with, or waits for, while it is not over: for its conditions.

    Args:
        spec: the run's spec.
        state: the execution.
        superseded: whether a newer execution is to take its place.
    """
    if superseded:
        return ConditionReason.CANCELLING, SUPERSEDED.message
    if spec.cancel:
        return ConditionReason.CANCELLING, "the run was cancelled; its cases are being ended"
    if state.waiting_for_servers_since is not None:
        return ConditionReason.WAITING_FOR_TEST_SERVER, state.server_message
    if spec.suspend:
        return ConditionReason.SUSPENDED, "spec.suspend is true; no further case is started"
    held_back = _held_back(state)
    if not any(job.pod is not None for job in state.plan_state.underway.values()):
        # Nothing gets on: what is waited for is all that there is to be said.
        if any(job.suspended for job in state.plan_state.underway.values()):
            return ConditionReason.WAITING_IN_QUEUE, "; ".join(held_back)
        if _is_quota(state):
            return ConditionReason.WAITING_FOR_QUOTA, "; ".join(held_back)
    return ConditionReason.RUNNING, "; ".join(["cases are running", *held_back])


def _is_quota(state: ExecutionState) -> bool:
    return any(hold.for_quota for hold in state.holds.starts) or any(map(waits_for_quota, state.refusals.values()))


def _held_back(state: ExecutionState) -> list[str]:
    """Say what keeps Jobs and pods from being created: it may last for minutes, and nothing else shows it."""
    suspended = [job for job in state.plan_state.underway.values() if job.suspended]
    waiting = [f"{len(suspended)} suspended by a queue"] if suspended else []
    if state.refusals:
        job, refusal = min(state.refusals.items())
        waiting.append(f"{len(state.refusals)} refused, of which Job {job}: {shorten(refusal, _MAX_REFUSAL)}")
    if state.refused_starts and state.holds.starts:
        newest = max(state.holds.starts, key=lambda hold: hold.tried_at)
        waiting.append(f"{state.refused_starts} wait for their Job: {shorten(newest.message, _MAX_REFUSAL)}")
    return waiting
