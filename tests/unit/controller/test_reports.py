"""Details that are read from logs."""

import pytest

from support.builders import RUN_ID, attempt_of, outcome_of, report_of
from support.memory_cluster import MemoryCluster
from testrun_operator.api.report import Detail, DetailKind, ExecutionReport, LogReference, decode, encode
from testrun_operator.controller import reports
from testrun_operator.controller.reports import ReportReader
from testrun_operator.engine.outcome import CaseOutcome, Evidence
from testrun_operator.kube.client import PODS

LOG = "get", "v1/pods/log"
DETAILS = tuple(
    Detail(kind=DetailKind.PAGE, name=f"page {number}", passed=True, message=f"{number:030}") for number in range(100)
)


@pytest.fixture(autouse=True)
def _without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_DELAY_SECONDS", 0)


@pytest.fixture
def reference(cluster: MemoryCluster) -> LogReference:
    """Make a pod with a large report in its log, and return what its termination message says of it."""
    cluster.put(PODS, {"metadata": {"name": "pod", "namespace": "team", "labels": {"run": RUN_ID}}})
    message, block = encode(report_of(details=DETAILS))
    cluster.logs["pod"] = f"a line of the case\n{block}"
    found = decode(message.decode()).details_in_log
    assert found is not None
    return found


def ended(pod: str | None = "pod") -> CaseOutcome:
    """Return how a case ended whose details are still in the log."""
    return outcome_of(attempts=(attempt_of(evidence=Evidence(pod=pod)),))


async def test_an_outcome_is_completed_with_the_details_of_its_log(
    cluster: MemoryCluster, reference: LogReference
) -> None:
    """Everything else of the outcome stays as it was."""
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert complete.attempts[0].details == DETAILS
    assert complete.attempts[0].evidence == Evidence(pod="pod")


async def test_an_attempt_without_a_reference_is_left_alone(cluster: MemoryCluster) -> None:
    """Its details came with the termination message."""
    assert await ReportReader(cluster.client).complete("team", ended(), {}) == ended()
    assert cluster.client.calls == {}


async def test_a_log_that_cannot_be_read_is_read_again(cluster: MemoryCluster, reference: LogReference) -> None:
    """The API server may be away, and the kubelet may lag behind with the end of a log."""
    cluster.fail_next(*LOG)
    cluster.refuse_next(*LOG, 400, "the container is not ready")
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert complete.attempts[0].details == DETAILS
    assert cluster.client.calls[LOG] == 3


@pytest.mark.parametrize("log", ["", "half of it"])
async def test_details_that_stay_unreadable_are_told_to_be_lost(
    cluster: MemoryCluster, reference: LogReference, log: str
) -> None:
    """The verdict stands; a detail says that the others are lost, and why."""
    cluster.logs["pod"] = log
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    [lost] = complete.attempts[0].details
    assert (lost.name, lost.passed) == ("details", False)
    assert "does not contain the whole report" in lost.message
    assert complete.verdict is ended().verdict
    assert cluster.client.calls[LOG] == 6


async def test_the_log_of_a_pod_that_is_gone_is_not_asked_for_again(
    cluster: MemoryCluster, reference: LogReference
) -> None:
    """It will not come back."""
    cluster.delete(PODS, "pod")
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert "not found" in complete.attempts[0].details[0].message
    assert cluster.client.calls[LOG] == 1


async def test_without_a_pod_there_is_nothing_to_read(cluster: MemoryCluster, reference: LogReference) -> None:
    """An attempt of which no pod is known says that its details are lost."""
    complete = await ReportReader(cluster.client).complete("team", ended(pod=None), {1: reference})
    assert complete.attempts[0].details[0].message == "the details are lost: the pod is not known"
    assert cluster.client.calls == {}


async def test_nothing_is_waited_for_after_the_last_try(
    cluster: MemoryCluster, reference: LogReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between six tries there are five pauses."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(reports, "_DELAY_SECONDS", 1)
    monkeypatch.setattr(reports.asyncio, "sleep", sleep)
    cluster.logs["pod"] = ""
    await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert slept == [1, 2, 4, 8, 16]


async def test_what_was_left_out_of_the_execution_of_a_playbook_is_read_too(cluster: MemoryCluster) -> None:
    """The termination message has its id and how it ended; the events are in the log."""
    execution = ExecutionReport(id="765993903060157424", status="FAILED", events={"step.exit": 3})
    cluster.put(PODS, {"metadata": {"name": "pod", "namespace": "team", "labels": {"run": RUN_ID}}})
    message, cluster.logs["pod"] = encode(report_of(details=DETAILS, execution=execution))
    short = decode(message.decode())
    assert short.details_in_log is not None
    attempt = attempt_of(evidence=Evidence(pod="pod"), execution=short.execution)
    complete = await ReportReader(cluster.client).complete(
        "team", outcome_of(attempts=(attempt,)), {1: short.details_in_log}
    )
    assert complete.attempts[0].execution == execution


async def test_an_execution_stays_known_where_the_log_is_lost(cluster: MemoryCluster, reference: LogReference) -> None:
    """Only its events are lost with the details."""
    short = ExecutionReport(id="765993903060157424", status="FAILED")
    cluster.delete(PODS, "pod")
    outcome = outcome_of(attempts=(attempt_of(evidence=Evidence(pod="pod"), execution=short),))
    complete = await ReportReader(cluster.client).complete("team", outcome, {1: reference})
    assert complete.attempts[0].execution == short
