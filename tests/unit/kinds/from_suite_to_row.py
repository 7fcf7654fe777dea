"""A program: runs a suite with a case of any kind from its TestSuite to its row, and prints what came of it, as JSON.

The cluster and Postgres are in memory. The operator is the real one, and so is the runner: a process of its own, with
the environment that the Job has for it. Argument: the case, as JSON.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.builders import suite_document
from support.memory_cluster import Body, MemoryCluster
from testrun_operator.store.rows import result_row
from unit.controller.process import MemoryStore, Process
from unit.kube.manifests import environment_of

SECRETS = {("database", "dsn"): "postgresql://user:secret@db/app"}
"""The values of Secrets, by name and key."""


async def run(case: dict[str, Any]) -> Body:
    """Run a suite with one case, and return its Job, its report, the status of the TestRun and the row."""
    cluster, store = MemoryCluster(), MemoryStore()
    database = {"dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}}}
    suite = suite_document(case, connections={"db": database}, variables={"word": "hello"})
    cluster.apply_suite("parrots", suite)
    cluster.apply_run("nightly", {"suiteRef": {"name": "parrots"}})
    process = Process(cluster, store)
    await process.settle()
    job = cluster.job(case["name"])
    exit_code, report, log = run_pod(job)
    cluster.logs[cluster.end_pod(job, exit_code, report)["metadata"]["name"]] = log
    await process.settle()
    await process.store()
    (record,) = store.cases.values()
    row = result_row(record)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {
        "container": container,
        "exitCode": exit_code,
        "log": log,
        "phase": cluster.status("nightly")["phase"],
        "row": {name: getattr(row, name) for name in ("kind", "playbook_path", "verdict", "reason", "step_count")}
        | {"message": row.error_message},
    }


def run_pod(job: Body) -> tuple[int, str, str]:
    """Do what the kubelet does with the pod of a Job: return exit code, termination message and log."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    secret = {
        variable["name"]: SECRETS[reference["name"], reference["key"]]
        for variable in container["env"]
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    with tempfile.TemporaryDirectory() as folder:
        message = Path(folder) / "termination-log"
        done = subprocess.run(
            [sys.executable, "-m", "testrun_operator.runner"],
            env=os.environ | environment_of(job) | secret | {"TESTRUN_TERMINATION_LOG": str(message)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, message.read_text() if message.exists() else "", done.stdout + done.stderr


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1])))))  # noqa: T201 - what the program is for
