"""Details that are read from logs."""

import asyncio
import base64
import hashlib
import zlib
from unittest.mock import patch

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


async def test_what_came_with_the_termination_message_is_kept_if_the_log_is_lost(
    cluster: MemoryCluster, reference: LogReference
) -> None:
    """The first tests that failed, of a container case that was killed: its pod is deleted, and the log with it."""
    cluster.delete(PODS, "pod")
    first = outcome_of(attempts=(attempt_of(evidence=Evidence(pod="pod"), details=DETAILS[:2]),))
    complete = await ReportReader(cluster.client).complete("team", first, {1: reference}, "junit-reader")
    assert complete.attempts[0].details[:2] == DETAILS[:2]
    [lost] = complete.attempts[0].details[2:]
    assert lost.message.startswith("the other details are lost: ")


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


async def test_the_event_loop_goes_round_while_a_large_report_is_read(cluster: MemoryCluster) -> None:
    """It takes seconds; the Lease has to be renewed meanwhile, and the other runs go on."""
    details = b",".join(b'{"kind":"row","name":"%d","passed":true}' % number for number in range(700_000))
    document = encode(report_of())[0][:-1] + b',"details":[' + details + b"]}"
    reference = LogReference(sha256=hashlib.sha256(document).hexdigest(), bytes=len(document))
    packed = base64.b64encode(zlib.compress(document, 1)).decode()
    lines = "\n".join(packed[start : start + 4000] for start in range(0, len(packed), 4000))
    cluster.put(PODS, {"metadata": {"name": "pod", "namespace": "team", "labels": {"run": RUN_ID}}})
    cluster.logs["pod"] = f"-----BEGIN TESTRUN REPORT {reference.sha256}-----\n{lines}\n-----END TESTRUN REPORT-----\n"
    turns = 0
    reading = asyncio.create_task(ReportReader(cluster.client).complete("team", ended(), {1: reference}))
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20
    *_, told = (await reading).attempts[0].details
    assert told.message.endswith("what passed")
    assert cluster.client.calls[LOG] == 1


async def test_a_report_that_is_wrong_for_good_is_read_once(cluster: MemoryCluster) -> None:
    """Another look at it shows the same, and costs the same."""
    block_of = "-----BEGIN TESTRUN REPORT {}-----\n{}\n-----END TESTRUN REPORT-----\n"
    document = b"[]"
    reference = LogReference(sha256=hashlib.sha256(document).hexdigest(), bytes=len(document))
    cluster.put(PODS, {"metadata": {"name": "pod", "namespace": "team", "labels": {"run": RUN_ID}}})
    cluster.logs["pod"] = block_of.format(reference.sha256, base64.b64encode(zlib.compress(document)).decode())
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert "is no report" in complete.attempts[0].details[0].message
    assert cluster.client.calls[LOG] == 1


async def test_a_report_that_is_said_to_be_enormous_is_not_read_at_all(
    cluster: MemoryCluster, reference: LogReference
) -> None:
    """What a pod says of the length of its report is believed where it speaks against it."""
    enormous = reference.model_copy(update={"bytes": 2**40})
    complete = await ReportReader(cluster.client).complete("team", ended(), {1: enormous})
    assert "larger than" in complete.attempts[0].details[0].message
    assert cluster.client.calls == {}


async def test_no_more_of_a_log_is_read_than_the_report_may_take(
    cluster: MemoryCluster, reference: LogReference
) -> None:
    """A case may write megabytes before its report; the kubelet sends the end of its log."""
    asked: list[dict[str, int]] = []
    read_log = cluster.client.read_log

    async def read(namespace: str, pod: str, **bounds: int) -> str:
        asked.append(bounds)
        return await read_log(namespace, pod, **bounds)

    cluster.logs["pod"] = "a line of the case\n" * 100_000 + cluster.logs["pod"] + "a late line\n" * 20
    with patch.object(cluster.client, "read_log", read):
        complete = await ReportReader(cluster.client).complete("team", ended(), {1: reference})
    assert complete.attempts[0].details == DETAILS
    [bounds] = asked
    assert bounds["tail_lines"] < 200
    assert bounds["limit_bytes"] < 2 * 1024 * 1024
