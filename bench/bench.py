#!/usr/bin/env python3
"""Measures the operator against the same Jobs made by hand: `make bench`, or `bench/bench.py --help`.

Both ways run in turn on the same cluster, so that what is reported is a ratio within one run and not a time of a
machine. The Jobs made by hand are those that the operator made, to the letter but for their names and owner.

- makespan: from the request that asks for the cases until the last Job is seen to be complete.
- first Job: from `kubectl apply` (the TestRun's creation, as asked for) until the first Job is seen in a watch.
- verdict lag: from the k-th Job seen to be complete until the status shows k verdicts.
- row lag: from the k-th Job seen to be complete until k rows are visible in Postgres.
"""

import argparse
import asyncio
import copy
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
from kubernetes.aio import client, config

from testrun_operator.kube.client import JOBS, TESTRUNS, KubernetesClient
from testrun_operator.resources.crds import GROUP, VERSION

SYSTEM_NAMESPACE = "testrun-system"
POSTGRES_SERVICE = "service/testrun-postgresql"
POSTGRES_SECRET = "testrun-postgresql"  # noqa: S105 - the name of a Secret
LOCAL_PORT = 15432
IMAGE = "docker.io/library/busybox:1.37"
CALM_SECONDS = 3.0
OUT_OF_SIGHT_SECONDS = 600.0

Body = dict[str, Any]


@dataclass
class Timeline:
    """When what was seen, in seconds of one monotonic clock."""

    asked: float = 0.0
    created: list[float] = field(default_factory=list)
    completed: list[float] = field(default_factory=list)
    verdicts: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)

    @property
    def makespan(self) -> float:
        """Seconds until the last Job was complete."""
        return self.completed[-1] - self.asked


@dataclass
class Round:
    """Both ways, once each."""

    operator: Timeline
    by_hand: Timeline
    calls: Counter[str]
    cpu_seconds: float
    resident_bytes: float


def quantile(values: list[float], share: float) -> float:
    """Return the value that a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def lags(ends: list[float], starts: list[float]) -> list[float]:
    """Pair the k-th start with the k-th end; an end that was seen first counts as no lag."""
    return [max(0.0, end - start) for start, end in zip(starts, ends, strict=False)]


class Bench:
    """One bench: a namespace, the connections, and what was measured."""

    def __init__(self, api: client.ApiClient, cases: int, parallelism: int) -> None:
        self._kubernetes = KubernetesClient(api)
        self._api = api
        self._cases = cases
        self._parallelism = parallelism
        self._namespace = f"bench-{uuid4().hex[:6]}"

    @contextmanager
    def namespace(self) -> Iterator[None]:
        """Make the bench's namespace, and delete it."""
        subprocess.run(["kubectl", "create", "namespace", self._namespace], check=True, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            command = ["kubectl", "delete", "namespace", self._namespace, "--wait=false"]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)

    async def round(self, number: int) -> Round:
        """Measure both ways once, the operator first in even rounds and second in odd ones."""
        templates: list[Body] = []
        before, after = await self._metrics(), ""
        by_hand = Timeline()
        if number % 2 and self._templates:
            by_hand = await self._by_hand(f"hand-{number}", self._templates)
            await asyncio.sleep(CALM_SECONDS)
            before = await self._metrics()
        operator, templates = await self._with_operator(f"run-{number}")
        after = await self._metrics()
        self._templates = templates
        await asyncio.sleep(CALM_SECONDS)
        if not by_hand.completed:
            by_hand = await self._by_hand(f"hand-{number}", templates)
            await asyncio.sleep(CALM_SECONDS)
        calls = Counter(_calls(after))
        calls.subtract(_calls(before))
        return Round(
            operator,
            by_hand,
            +calls,
            _value(after, "process_cpu_seconds_total") - _value(before, "process_cpu_seconds_total"),
            _value(after, "process_resident_memory_bytes"),
        )

    _templates: list[Body] = []  # noqa: RUF012 - set on the instance after the first round

    async def _with_operator(self, name: str) -> tuple[Timeline, list[Body]]:
        timeline = Timeline()
        run = self._manifest(name)
        watching = asyncio.create_task(self._watch_jobs(timeline, f"{GROUP}/run={name}"))
        statuses = asyncio.create_task(self._watch_status(timeline, name))
        await asyncio.sleep(0.5)
        timeline.asked = time.monotonic()
        created = await self._kubernetes.create(TESTRUNS, self._namespace, run)
        rows = asyncio.create_task(self._watch_rows(timeline, created["metadata"]["uid"], name))
        await asyncio.wait_for(asyncio.gather(watching, statuses, rows), OUT_OF_SIGHT_SECONDS)
        jobs = await self._kubernetes.list(JOBS, self._namespace, labelSelector=f"{GROUP}/run={name}")
        return timeline, list(jobs)

    async def _by_hand(self, name: str, templates: list[Body]) -> Timeline:
        timeline = Timeline()
        slots = asyncio.Semaphore(self._parallelism)
        selector = f"bench/run={name}"
        watching = asyncio.create_task(self._watch_jobs(timeline, selector, slots))
        await asyncio.sleep(0.5)
        timeline.asked = time.monotonic()
        for index, template in enumerate(templates):
            await slots.acquire()
            await self._kubernetes.create(JOBS, self._namespace, _copy_of(template, f"{name}-{index}", name))
        await asyncio.wait_for(watching, OUT_OF_SIGHT_SECONDS)
        return timeline

    def _manifest(self, name: str) -> Body:
        case = {"container": {"image": IMAGE, "command": ["true"], "runAsUser": 65532}}
        cases = [{"name": f"case-{number:03}", **case} for number in range(self._cases)]
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "TestRun",
            "metadata": {"name": name},
            "spec": {"parallelism": self._parallelism, "suite": {"cases": cases}},
        }

    async def _watch_jobs(self, timeline: Timeline, selector: str, slots: asyncio.Semaphore | None = None) -> None:
        done: set[str] = set()
        seen: set[str] = set()
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        async for event in self._watch(path, labelSelector=selector):
            now, job = time.monotonic(), event["object"]
            name = job["metadata"]["name"]
            if name not in seen:
                seen.add(name)
                timeline.created.append(now)
            conditions = job.get("status", {}).get("conditions") or ()
            if name not in done and any(found["type"] == "Complete" for found in conditions):
                done.add(name)
                timeline.completed.append(now)
                if slots is not None:
                    slots.release()
                if len(done) == self._cases:
                    return

    async def _watch_status(self, timeline: Timeline, name: str) -> None:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/testruns"
        async for event in self._watch(path, fieldSelector=f"metadata.name={name}"):
            cases = event["object"].get("status", {}).get("cases") or {}
            if cases.get("failed") or cases.get("errored") or cases.get("timedOut"):
                raise SystemExit(f"the trivial cases did not all pass, so there is nothing to measure: {cases}")
            fresh = cases.get("passed", 0) - len(timeline.verdicts)
            timeline.verdicts += [time.monotonic()] * fresh
            if len(timeline.verdicts) == self._cases:
                return

    async def _watch_rows(self, timeline: Timeline, uid: str, name: str) -> None:
        del uid
        run_id = ""
        while not run_id:
            body = await self._kubernetes.get(TESTRUNS, self._namespace, name)
            run_id = (body or {}).get("status", {}).get("runId", "")
            await asyncio.sleep(0.05)
        async with await psycopg.AsyncConnection.connect(_dsn(), autocommit=True) as connection:
            while len(timeline.rows) < self._cases:
                cursor = await connection.execute(
                    "SELECT count(*) FROM noetl_test.regression_results WHERE test_run_id = %s", (int(run_id),)
                )
                found = await cursor.fetchone()
                timeline.rows += [time.monotonic()] * ((found[0] if found else 0) - len(timeline.rows))
                await asyncio.sleep(0.02)

    async def _watch(self, path: str, **query: str) -> AsyncIterator[Body]:
        parameters = {"watch": "true", "resourceVersion": "0", "timeoutSeconds": "900", **query}
        request = await self._api.param_serialize(
            "GET", path, query_params=list(parameters.items()), auth_settings=["BearerToken"]
        )
        response = await self._api.call_api(*request, _request_timeout=aiohttp.ClientTimeout(total=None))
        async for line in response.response.content:
            if line.strip():
                yield json.loads(line)

    async def _metrics(self) -> str:
        pods = await self._kubernetes.list(
            "v1/pods", SYSTEM_NAMESPACE, labelSelector="app.kubernetes.io/component=operator"
        )
        name = pods[0]["metadata"]["name"]
        done = await asyncio.create_subprocess_exec(
            *("kubectl", "get", "--raw", f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/{name}:8080/proxy/metrics"),
            stdout=subprocess.PIPE,
        )
        printed, _ = await done.communicate()
        return printed.decode()


def _copy_of(template: Body, name: str, run: str) -> Body:
    job = copy.deepcopy(template)
    labels = {"bench/run": run}
    spec = job["spec"]
    for made_by_server in ("selector", "manualSelector"):
        spec.pop(made_by_server, None)
    spec["template"]["metadata"] = {"labels": labels}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def _calls(metrics: str) -> dict[str, int]:
    found = re.findall(r'testrun_api_calls_total\{resource="([^"]*)",verb="([^"]*)"\} ([0-9.e+]+)', metrics)
    return {f"{verb} {resource}": int(float(count)) for resource, verb, count in found}


def _value(metrics: str, name: str) -> float:
    found = re.search(rf"^{name} ([0-9.e+]+)$", metrics, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def _dsn() -> str:
    command = ["kubectl", "-n", SYSTEM_NAMESPACE, "get", "secret", POSTGRES_SECRET]
    encoded = subprocess.run([*command, "-o", "json"], check=True, capture_output=True, text=True).stdout
    import base64  # noqa: PLC0415 - beside its only use

    dsn = base64.b64decode(json.loads(encoded)["data"]["dsn"]).decode()
    return re.sub(r"@[^/]+/", f"@127.0.0.1:{LOCAL_PORT}/", dsn)


@asynccontextmanager
async def forwarded_postgres() -> AsyncIterator[None]:
    """Make the chart's Postgres reachable from here."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "-n", SYSTEM_NAMESPACE, "port-forward", POSTGRES_SERVICE, f"{LOCAL_PORT}:5432"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        await asyncio.wait_for(process.stdout.readline(), 15)
        yield
    finally:
        process.terminate()
        await process.wait()


def report(rounds: list[Round], cases: int, parallelism: int) -> dict[str, Any]:
    """Put together what was measured."""
    ratios = [done.operator.makespan / done.by_hand.makespan for done in rounds]
    verdicts = [lag for done in rounds for lag in lags(done.operator.verdicts, done.operator.completed)]
    rows = [lag for done in rounds for lag in lags(done.operator.rows, done.operator.completed)]
    writes = Counter[str]()
    for done in rounds:
        writes.update({call: count for call, count in done.calls.items() if not call.startswith(("get ", "list "))})
    per_case = {call: round(count / cases / len(rounds), 3) for call, count in sorted(writes.items())}
    return {
        "cases": cases,
        "parallelism": parallelism,
        "rounds": len(rounds),
        "makespan_ratio": {"median": round(quantile(ratios, 0.5), 3), "all": [round(ratio, 3) for ratio in ratios]},
        "makespan_seconds": {
            "operator": [round(done.operator.makespan, 2) for done in rounds],
            "by_hand": [round(done.by_hand.makespan, 2) for done in rounds],
        },
        "first_job_seconds": [round(done.operator.created[0] - done.operator.asked, 3) for done in rounds],
        "verdict_lag_seconds": {"p50": round(quantile(verdicts, 0.5), 3), "p99": round(quantile(verdicts, 0.99), 3)},
        "row_lag_seconds": {"p50": round(quantile(rows, 0.5), 3), "p99": round(quantile(rows, 0.99), 3)},
        "writes_per_case": {"total": round(sum(per_case.values()), 3), **per_case},
        "operator_resident_mebibytes": round(max(done.resident_bytes for done in rounds) / 2**20, 1),
        "operator_cpu_seconds_per_case": round(sum(done.cpu_seconds for done in rounds) / cases / len(rounds), 4),
    }


async def measure(cases: int, parallelism: int, count: int) -> dict[str, Any]:
    """Measure so many rounds."""
    configuration = client.Configuration()
    await config.load_kube_config(client_configuration=configuration)
    api = client.ApiClient(configuration)
    bench = Bench(api, cases, parallelism)
    try:
        async with forwarded_postgres():
            with bench.namespace():
                print(f"{count} rounds of {cases} trivial cases, {parallelism} side by side", flush=True)
                rounds = []
                for number in range(count):
                    done = await bench.round(number)
                    rounds.append(done)
                    ours, theirs = done.operator.makespan, done.by_hand.makespan
                    print(
                        f"round {number + 1}: operator {ours:.2f} s, by hand {theirs:.2f} s, ratio {ours / theirs:.3f}",
                        flush=True,
                    )
                return report(rounds, cases, parallelism)
    finally:
        await api.close()


def main() -> int:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=50, help="cases of each run (default: %(default)s)")
    parser.add_argument("--parallelism", type=int, default=8, help="cases side by side (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.cases, arguments.parallelism, arguments.rounds))
    print(json.dumps(result, indent=2))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
