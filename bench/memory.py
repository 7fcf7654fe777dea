#!/usr/bin/env python3
"""Measures what finished runs cost the operator's memory: `make bench-memory`, or `bench/memory.py --help`.

The operator is `testrun operator`, as in its container but for the Lease. The API server is a stand-in that plays lists
in pages and silent watches of any number of runs, each with the record of its execution, and a Job and a pod per case,
as they are until their ttl has passed. All of them are over and stored.

- settled: the resident set once everything was listed and looked at, less that of an operator that finds nothing.
- peak: the largest resident set on the way there, likewise.
- writes: calls of the operator that change anything; there is nothing to write.
"""

import argparse
import asyncio
import itertools
import json
import os
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import ClientError, ClientSession, web

from testrun_operator.controller.settings import PREFIX
from testrun_operator.engine.execution import ExecutionRecord, digest_of, make_run_id
from testrun_operator.kube import labels
from testrun_operator.kube.job import job_name
from testrun_operator.kube.records import Notes, digest_of_record, notes_patch, record_manifest
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.resources.parsing import parse_run, parse_suite

Body = dict[str, Any]
NAMESPACE = "team"
ENDED = datetime.now(UTC).replace(microsecond=0)
TIME = ENDED.strftime("%Y-%m-%dT%H:%M:%SZ")
KINDS = {
    f"apis/{GROUP}/{VERSION}": (("testruns", "TestRun"), ("testsuites", "TestSuite")),
    "apis/batch/v1": (("jobs", "Job"),),
    "apis/apps/v1": (("deployments", "Deployment"),),
    # kopf waits until it has found namespaces among the resources, also where it watches none.
    "api/v1": (("pods", "Pod"), ("configmaps", "ConfigMap"), ("services", "Service"), ("namespaces", "Namespace")),
}
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]
CALM_SECONDS = 4.0
CALM_SHARE = 0.1
"""Of a core: an operator that uses less of it has nothing to do."""
DEADLINE_SECONDS = 300.0
MIB = 1024 * 1024


@dataclass(frozen=True)
class History:
    """Finished runs of one suite.

    Args:
        runs: how many.
        cases: cases of each.
    """

    runs: int
    cases: int

    def objects(self, plural: str) -> Iterator[str]:
        """Yield the objects of a resource as JSON, in the order of the runs."""
        if plural not in {"testruns", "configmaps", "jobs", "pods"} or not self.runs:
            return
        spec = {"suiteRef": {"name": "regression"}, "revision": "4f2c1d"}
        cases = [{"name": f"case-{n}", "http": {"connection": "api", "request": {"path": f"/items/{n}"},
                  "expect": {"status": 200}}} for n in range(min(self.cases, 500))]  # fmt: skip
        suite = parse_suite({"connections": {"api": {"url": "http://api:5555"}}, "cases": cases})
        run = parse_run(spec)
        for number in range(self.runs):
            reference = RunReference(NAMESPACE, f"nightly-{number}", str(UUID(int=10**12 + number)))
            run_id = make_run_id(ENDED - timedelta(seconds=self.runs - number), number)
            record = ExecutionRecord(
                run_id=run_id,
                spec_digest=digest_of(run),
                suite_name="regression",
                started_at=ENDED,
                run=run,
                suite=suite,
            )
            if plural in {"jobs", "pods"}:
                yield from (_object(plural, reference, run_id, f"case-{case}") for case in range(self.cases))
                continue
            manifest = record_manifest(reference, record)
            if plural == "configmaps":
                notes = notes_patch(Notes(completed_at=ENDED, stored=True))
                manifest["metadata"] |= notes["metadata"] | {"uid": f"record-{number}", "resourceVersion": "1"}
                yield json.dumps(manifest)
            else:
                yield json.dumps(_run(reference, spec, digest_of(run), run_id, digest_of_record(manifest), self.cases))


def _run(run: RunReference, spec: Body, spec_digest: str, run_id: str, digest: str, cases: int) -> Body:
    conditions = [
        {"type": kind, "status": status, "reason": "AllStored" if kind == "ResultsStored" else "Passed",
         "message": f"{cases} of {cases} cases passed", "lastTransitionTime": TIME, "observedGeneration": 1}
        for kind, status in (("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False"),
                             ("Succeeded", "True"), ("ResultsStored", "True"))
    ]  # fmt: skip
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TestRun",
        "metadata": {"name": run.name, "namespace": run.namespace, "uid": run.uid, "generation": 1,
                     "resourceVersion": "1", "creationTimestamp": TIME, "managedFields": _managed_fields()},
        "spec": spec,
        "status": {"observedGeneration": 1, "phase": "Passed", "runId": run_id, "specDigest": spec_digest,
                   "startTime": TIME, "completionTime": TIME, "records": [{"runId": run_id, "digest": digest}],
                   "cases": {"total": cases, "passed": cases}, "successRate": "100.00", "conditions": conditions},
    }  # fmt: skip


def _managed_fields() -> list[Body]:
    fields: Body = {f"f:field-{n}": {"f:name": {}, "f:value": {}, ".": {}} for n in range(20)}
    return [{"manager": "kubelet", "operation": "Update", "subresource": "status", "apiVersion": "v1", "time": TIME,
             "fieldsType": "FieldsV1", "fieldsV1": {"f:status": fields}}]  # fmt: skip


def _object(plural: str, run: RunReference, run_id: str, case: str) -> str:
    name = job_name(run, run_id, case, 1)
    own_labels = {labels.MANAGED_BY: labels.MANAGER, labels.COMPONENT: labels.CASE_COMPONENT, labels.RUN: run.name,
                  labels.RUN_UID: run.uid, labels.RUN_ID: run_id, labels.CASE: case, labels.ATTEMPT: "1"}  # fmt: skip
    container = {"name": "case", "image": "registry/testrun-operator:1", "args": ["run"],
                 "env": [{"name": "TESTRUN_CASE", "value": json.dumps({"case": case, "text": 1500 * "x"})}],
                 }  # fmt: skip
    spec = {"containers": [container], "restartPolicy": "Never", "activeDeadlineSeconds": 675, "nodeName": "node-1"}
    report = {"case": case, "attempt": 1, "verdict": "Passed", "reason": "ExpectationsMet", "durationMilliseconds": 12,
              "details": [{"kind": "assertion", "name": f"status {n}", "passed": True, "expected": "200",
                           "actual": "200"} for n in range(10)]}  # fmt: skip
    metadata = {"name": name, "namespace": run.namespace, "uid": f"{plural}-{name}", "resourceVersion": "1",
                "labels": own_labels, "creationTimestamp": TIME, "managedFields": _managed_fields()}  # fmt: skip
    if plural == "jobs":
        metadata |= {"ownerReferences": [run.as_owner()], "annotations": {labels.TEST_FAILURES: "0"}}
        status: Body = {"startTime": TIME, "completionTime": TIME, "succeeded": 1, "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": TIME} for kind in ("SuccessCriteriaMet", "Complete")
        ]}  # fmt: skip
        return json.dumps({"metadata": metadata, "spec": {"template": {"spec": spec}}, "status": status})
    metadata |= {"name": f"{name}-x", "ownerReferences": [
        {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": f"jobs-{name}", "controller": True}
    ]}  # fmt: skip
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": TIME, "finishedAt": TIME, "message": json.dumps(report)}
    status = {"phase": "Succeeded", "startTime": TIME, "containerStatuses": [
        {"name": "case", "image": container["image"], "state": {"terminated": ended}}]}  # fmt: skip
    return json.dumps({"metadata": metadata, "spec": spec, "status": status})


class StandIn:
    """Plays the API server."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lists: dict[str, Iterator[str]] = {}
        self.calls: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        if request.method != "GET":
            self.calls[f"{request.method} {request.path.rpartition('/')[2]}"] += 1
            return web.json_response({"metadata": {}})
        path = request.path.strip("/")
        if path in KINDS:
            found = [{"name": plural, "kind": kind, "namespaced": True, "verbs": VERBS, "singularName": kind.lower()}
                     for plural, kind in KINDS[path]]  # fmt: skip
            return web.json_response({"kind": "APIResourceList", "resources": found})
        if path == "api":
            return web.json_response({"versions": ["v1"]})
        if path == "apis":
            groups = [name.split("/")[1:] for name in KINDS if name.startswith("apis/")]
            versions = {group: {"groupVersion": f"{group}/{version}", "version": version} for group, version in groups}
            found = [{"name": group, "versions": [one], "preferredVersion": one} for group, one in versions.items()]
            return web.json_response({"kind": "APIGroupList", "groups": found})
        return await (self._watch(request) if "watch" in request.query else self._list(request))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(float(request.query.get("timeoutSeconds", 3600)))
        return response

    async def _list(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        limit = int(request.query.get("limit") or 10**9)
        if "continue" not in request.query:
            self._lists[plural] = self._history.objects(plural)
        items = list(itertools.islice(self._lists[plural], limit))
        kind = next(kind for kinds in KINDS.values() for name, kind in kinds if name == plural)
        metadata = {"resourceVersion": "1"} | ({"continue": "more"} if len(items) == limit else {})
        text = f'{{"kind": "{kind}List", "metadata": {json.dumps(metadata)}, "items": [{",".join(items)}]}}'
        return web.Response(text=text, content_type="application/json")


def resident(pid: int, field: str) -> int:
    """Return a figure of a process's memory in bytes, as the kernel has it: VmRSS or VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def processor_seconds(pid: int) -> float:
    """Return how much processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def is_ready(session: ClientSession, port: int) -> bool:
    """Whether the operator says that it has listed what there is."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.ok
    except ClientError:
        return False


async def settle(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until the operator has listed everything, and then uses hardly any processor time."""
    async with asyncio.timeout(DEADLINE_SECONDS), ClientSession() as session:
        while not await is_ready(session, port):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.2)
        used = -1.0
        while processor_seconds(process.pid) - used > CALM_SHARE * CALM_SECONDS:
            used = processor_seconds(process.pid)
            await asyncio.sleep(CALM_SECONDS)


async def measure(history: History) -> tuple[dict[str, int], Counter[str]]:
    """Measure the operator with a history."""
    stand_in = StandIn(history)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand_in.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        path = Path(folder) / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
            "users": [{"name": "here", "user": {"token": "none"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
        }), encoding="utf-8")  # fmt: skip
        free.close()
        settings = {"LEADER_ELECTION": "false", "HTTP_PORT": str(port), "LOG_LEVEL": "WARNING"}
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("testrun"), "operator",
            env=os.environ | {"KUBECONFIG": str(path)} | {f"{PREFIX}{name}": text for name, text in settings.items()},
        )  # fmt: skip
        try:
            await settle(process, port)
            figures = {"settled": resident(process.pid, "VmRSS"), "peak": resident(process.pid, "VmHWM")}
        finally:
            process.kill()
            await process.wait()
    await runner.cleanup()
    return figures, stand_in.calls


async def bench(histories: list[History]) -> None:
    """Measure, and print a table."""
    idle, _ = await measure(History(0, 0))
    print(f"idle: {idle['settled'] / MIB:.0f} MiB", flush=True)
    print("runs  cases  settled  peak  writes", flush=True)
    for history in histories:
        figures, calls = await measure(history)
        settled, peak = ((figures[name] - idle[name]) / MIB for name in ("settled", "peak"))
        print(f"{history.runs:4}  {history.cases:5}  +{settled:.0f} MiB  +{peak:.0f} MiB  {calls.total()}", flush=True)


def _history(text: str) -> History:
    runs, _, cases = text.partition("x")
    return History(int(runs), int(cases))


def run(arguments: list[str]) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", nargs="*", type=_history, help="as RUNSxCASES", default=[])
    options = parser.parse_args(arguments)
    asyncio.run(bench(options.history or DEFAULTS))


DEFAULTS = [History(100, 100), History(1000, 100), History(100, 1000)]

if __name__ == "__main__":
    run(sys.argv[1:])
