"""What follows from each answer of the API server to each call: the table of docs/operations.md, row by row.

The table is read from the page, so that it says what is tested and nothing else.
"""

import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from support.builders import container_case, suite_document
from support.memory_cluster import MemoryCluster
from testrun_operator.api.reason import Reason
from testrun_operator.errors import ClusterUnavailable, TestrunError, TransientError
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused, translate
from testrun_operator.kube.client import CONFIGMAPS, DEPLOYMENTS, EVENTS, JOBS, PODS, TESTRUNS
from unit.controller.process import Process, condition

_PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
_HEADING = "## What follows from each answer of the API server"


class Follows(StrEnum):
    """What follows, in the words of the table."""

    REJECTED = "the case is Errored, Configuration, `JobRejected`"
    ALONE = "tried again alone"
    WAITS = "`WaitingForQuota`; tried again alone, one Job of the namespace at a time"
    ADOPTED = "it is there already: adopted"
    DELETED = "the Job was deleted: Errored, Infrastructure, `JobDeleted`"
    READ = "the Job is read, and judged again"
    INVALID = "`InvalidSpec`"
    HELD = "`WaitingForQuota`, with the answer as its message; asked again after 15 s"
    REPEATED = "the look is repeated"
    WAITED_FOR = "it is waited for, and the status says why"
    NOTHING = "nothing is left to be written to"
    FINE = "it is there already: waited for until it answers"
    LEFT_OUT = "left out"
    CANNOT_BE = ""
    """No server gives that answer to such a call."""


def _answer(status: int, reason: str, message: str, *causes: str, **headers: str) -> TestrunError:
    details = {"causes": [{"reason": cause} for cause in causes]}
    body = json.dumps({"kind": "Status", "reason": reason, "message": message, "code": status, "details": details})
    return translate(status, body, reason, headers)


_QUOTA = 'jobs.batch "one" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, used: 1, limited: 1'
_UNKNOWN_QUOTA = 'jobs.batch "one" is forbidden: status unknown for quota: small, resources: count/jobs.batch'
_NO_RIGHT = 'jobs.batch is forbidden: User "operator" cannot create resource "jobs" in API group "batch"'
_CONTENTION = 'Operation cannot be fulfilled on resourcequotas "small": the object has been modified'
BROKEN_AFTER = "broken after"
"""The connection breaks when the call was carried out."""

ROWS: dict[str, dict[str, TestrunError | str]] = {
    "400, 413, 422; 403 of a policy, a webhook or of what a quota demands": {
        "400": _answer(400, "BadRequest", "cannot be handled"),
        "413": _answer(413, "RequestEntityTooLarge", "limit is 3145728"),
        "422": _answer(422, "Invalid", "spec.template: Required value"),
        "403 of a policy": _answer(403, "Forbidden", "ValidatingAdmissionPolicy 'x' denied request: no"),
        "403 of a webhook": _answer(403, "Forbidden", 'admission webhook "x" denied the request: no'),
        "403 of what a quota demands": _answer(403, "Forbidden", "failed quota: small: must specify requests.cpu"),
    },
    "401: the operator's credential has run out": {"401": _answer(401, "Unauthorized", "Unauthorized")},
    "403 `exceeded quota`, `status unknown for quota`": {
        "403 of a quota": _answer(403, "Forbidden", _QUOTA),
        "403 of a quota that nobody has counted": _answer(403, "Forbidden", _UNKNOWN_QUOTA),
    },
    "403 of a right that the operator lacks, or of a namespace that ends": {
        "403 of RBAC": _answer(403, "Forbidden", _NO_RIGHT),
        "403 of a namespace that ends": _answer(403, "Forbidden", "being terminated", "NamespaceTerminating"),
    },
    "404": {"404": _answer(404, "NotFound", "not found")},
    "409 `AlreadyExists`": {"409 AlreadyExists": _answer(409, "AlreadyExists", "already exists")},
    "409 `Conflict`: the object, or a quota that counts it, was changed meanwhile": {
        "409 Conflict": _answer(409, "Conflict", _CONTENTION)
    },
    "408, 410, 429, 500, 502, 503, 504; no answer; a connection that breaks, also after the write": {
        "408": _answer(408, "Timeout", "timeout"),
        "410": _answer(410, "Expired", "too old"),
        "429": _answer(429, "TooManyRequests", "later"),
        "500": _answer(500, "InternalError", "etcdserver: leader changed"),
        "502": translate(502, "<html>bad gateway</html>", "Bad Gateway", {}),
        "503": _answer(503, "ServiceUnavailable", "starting"),
        "504": _answer(504, "Timeout", "timeout"),
        "no answer": ClusterUnavailable("no answer"),
        "broken after the write": BROKEN_AFTER,
    },
}
_SUITE = suite_document(container_case("one", timeout="30s"))
_SERVER = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Run"}]}


def _arm(cluster: MemoryCluster, verb: str, resource: str, answer: TestrunError | str) -> None:
    if isinstance(answer, str):
        cluster.fail_next(verb, resource, is_done=True)
    else:
        cluster.answer_next(verb, resource, answer)


async def _is_repeated(process: Process) -> bool:
    """Look at the run; the worker looks once more after an error."""
    try:
        await process.reconcile()
    except TransientError:
        return True
    except Refused:
        return True  # told as an error that nobody expected, and repeated like the others
    return False


def _reason(cluster: MemoryCluster) -> str:
    return condition(cluster.status("nightly"), "Reconciling")[1]


async def start(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """The Job of an attempt is created."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    cluster.lag_behind()  # no watch shows what came of a call without an answer
    process = Process(cluster)
    _arm(cluster, "create", JOBS, answer)
    await process.reconcile()
    cluster.pass_time(0.9)
    await process.reconcile()
    failures = cluster.status("nightly").get("failures")
    if failures:
        assert (failures[0]["reason"], failures[0]["failureClass"]) == ("JobRejected", "Configuration")
        return Follows.REJECTED
    calls = cluster.client.calls["create", JOBS]
    cluster.pass_time(0.2)
    await process.reconcile()
    if cluster.client.calls["create", JOBS] == calls:
        return Follows.ADOPTED
    assert len(cluster.all(JOBS)) == 1
    return Follows.WAITS if _reason(cluster) == "WaitingForQuota" else Follows.ALONE


async def stop(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """An attempt is stopped."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    cluster.pass_time(40)
    _arm(cluster, "patch", JOBS, answer)
    await process.reconcile()
    await process.reconcile()
    [state] = process.runs.active()
    if [ended.outcome.reason for ended in state.plan_state.attempts.get("one", ())] == [Reason.JOB_DELETED]:
        return Follows.DELETED
    asked = labels.ASKED_TO_END in cluster.job("one")["metadata"].get("annotations", {})
    if asked and answer is not BROKEN_AFTER:
        assert cluster.client.calls["get", JOBS] > 1
        return Follows.READ
    calls = cluster.client.calls["patch", JOBS]
    cluster.pass_time(1)
    await process.reconcile()
    assert cluster.client.calls["patch", JOBS] == calls + (answer is not BROKEN_AFTER)
    assert labels.ASKED_TO_END in cluster.job("one")["metadata"]["annotations"]
    return Follows.ALONE


async def record(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """The record of an execution is created."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    process = Process(cluster)
    _arm(cluster, "create", CONFIGMAPS, answer)
    if await _is_repeated(process):
        await process.settle()
        assert (len(cluster.all(CONFIGMAPS)), len(cluster.all(JOBS))) == (1, 1)
        return Follows.REPEATED
    if cluster.all(JOBS):
        return Follows.ADOPTED
    if _reason(cluster) == "InvalidSpec":
        return Follows.INVALID
    assert _reason(cluster) == "WaitingForQuota"
    assert str(answer) in cluster.status("nightly")["conditions"][0]["message"]
    cluster.pass_time(15)
    await process.settle()
    assert len(cluster.all(JOBS)) == 1
    return Follows.HELD


def _writes(resource: str) -> Callable[[MemoryCluster, TestrunError | str], Awaitable[Follows]]:
    async def write(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
        cluster.apply_run("nightly", {"suite": _SUITE})
        process = Process(cluster)
        await process.settle()
        cluster.end_pod(cluster.job("one"))
        _arm(cluster, "patch", resource, answer)
        if not await _is_repeated(process):
            return Follows.NOTHING
        await process.settle()
        assert cluster.status("nightly")["phase"] == "Passed"
        [record] = cluster.all(CONFIGMAPS)
        assert record["metadata"]["annotations"]
        return Follows.REPEATED

    return write


async def server(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """A test server is created."""
    cluster.apply_run("nightly", {"suite": _SUITE | _SERVER})
    process = Process(cluster)
    _arm(cluster, "create", DEPLOYMENTS, answer)
    _arm(cluster, "create", DEPLOYMENTS, answer)
    if await _is_repeated(process):
        assert await _is_repeated(process) is (answer is not BROKEN_AFTER)
        await process.settle()
        assert len(cluster.all(DEPLOYMENTS)) == 1
        return Follows.REPEATED
    cluster.pass_time(1)
    await process.reconcile()
    message = cluster.status("nightly")["conditions"][0]["message"]
    if "cannot be deployed" in message:
        assert str(answer) in message
        return Follows.WAITED_FOR
    return Follows.FINE


async def event(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """An Event is written."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    _arm(cluster, "create", EVENTS, answer)
    await Process(cluster).settle()
    assert len(cluster.all(JOBS)) == 1
    return Follows.LEFT_OUT


async def log(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """The last lines of the log of an attempt are read, before it is stopped."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    process = Process(cluster)
    await process.settle()
    cluster.run_pod(cluster.job("one"))
    cluster.pass_time(40)
    _arm(cluster, "get", f"{PODS}/log", answer)
    await process.reconcile()
    assert labels.ASKED_TO_END in cluster.job("one")["metadata"]["annotations"]
    return Follows.LEFT_OUT


async def why(cluster: MemoryCluster, answer: TestrunError | str) -> Follows:
    """It is asked why a Job has no pod."""
    cluster.apply_run("nightly", {"suite": _SUITE})
    process = Process(cluster)
    await process.settle()
    cluster.pass_time(20)
    _arm(cluster, "list", EVENTS, answer)
    await process.settle()
    assert cluster.client.calls["list", EVENTS] > 0
    assert cluster.status("nightly")["phase"] == "Running"
    return Follows.LEFT_OUT


COLUMNS: dict[str, dict[str, Callable[[MemoryCluster, TestrunError | str], Awaitable[Follows]]]] = {
    "Job or ConfigMap of an attempt is created": {"start": start},
    "attempt is stopped": {"stop": stop},
    "record of an execution is created": {"record": record},
    "status or note is written": {"status": _writes(f"{TESTRUNS}/status"), "note": _writes(CONFIGMAPS)},
    "test server is created": {"server": server},
    "Event, log, why a pod is missing": {"event": event, "log": log, "why": why},
}


def _table() -> dict[str, dict[str, str]]:
    """Read the table: by the text of its first column, the cells of a row by the text of their heading."""
    lines = _PAGE.read_text().partition(_HEADING)[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    heading, _, *body = rows
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in body}


TABLE = _table()


def test_the_table_has_what_is_tested_and_nothing_else() -> None:
    """A row or a column that is added gets its answers, or its call, here."""
    assert list(TABLE) == list(ROWS)
    assert all(list(row) == list(COLUMNS) for row in TABLE.values())
    assert {cell for row in TABLE.values() for cell in row.values()} == set(Follows)


_CASES = [
    pytest.param(row, answer, column, call, id=f"{call}-{answer}")
    for (row, answers), (column, calls) in product(ROWS.items(), COLUMNS.items())
    for answer, call in product(answers, calls)
    if TABLE.get(row, {}).get(column)
]


@pytest.mark.parametrize(("row", "answer", "column", "call"), _CASES)
async def test_what_the_table_says_follows(
    cluster: MemoryCluster, row: str, answer: str, column: str, call: str
) -> None:
    """Each answer to each call."""
    assert await COLUMNS[column][call](cluster, ROWS[row][answer]) == TABLE[row][column]


def test_a_server_that_asks_for_time_is_heard_whatever_the_call() -> None:
    """``Retry-After`` in seconds, up to two minutes; whatever else it says is left alone."""

    def asked(value: str) -> float | None:
        error: Any = translate(429, "{}", None, {"Retry-After": value})
        assert isinstance(error, ClusterUnavailable)
        return error.retry_after

    assert [asked("20"), asked("3600"), asked("Sun, 01 Mar 2026 12:00:00 GMT")] == [20.0, 120.0, None]
