"""The cluster that ``make cluster`` brings up, and the chart that ``make install`` installs, as tests use them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SYSTEM_NAMESPACE = "testrun-system"
RELEASE = "testrun"
OPERATOR = "testrun-testrun-operator"
POSTGRES = "testrun-postgresql"
RELEASE_BEFORE = ROOT / "tests" / "support" / "releases" / "testrun-operator-48d658b.tgz"
"""The chart of the release before this one, from which upgrades are tested."""
BUSYBOX = "docker.io/library/busybox:1.37"
FINAL_PHASES = frozenset({"Passed", "Failed", "Errored", "Cancelled"})

Body = dict[str, Any]


def kubectl(
    *words: str, text: str | None = None, check: bool = True, timeout: float = 120, stderr: bool = False
) -> str:
    """Run kubectl and return what it prints; with ``stderr``, its errors and warnings, too."""
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout + done.stderr if stderr else done.stdout


def helm(*words: str, check: bool = True) -> str:
    """Run the project's Helm on the cluster and return what it prints."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "helm.py", *words], capture_output=True, text=True, check=False, timeout=400
    )
    if check and done.returncode != 0:
        raise AssertionError(f"helm {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def installed_image() -> str:
    """Return the image that the operator runs."""
    image: str = operator_pod()["spec"]["containers"][0]["image"]
    return image


def install_anew(image: str) -> None:
    """Install the chart of this folder, or bring the release to it, as `make install` does."""
    subprocess.run([ROOT / "ci" / "install", "--image", image], check=True, timeout=400, capture_output=True)


def wait_until(what: str, condition: Callable[[], Any], *, seconds: float = 60, every: float = 0.2) -> Any:
    """Wait until a condition gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {value!r}")
        time.sleep(every)


def container(name: str, script: str, **more: Any) -> Body:
    """Make a case of kind container that runs a shell script."""
    return {
        "name": name,
        "container": {"image": BUSYBOX, "command": ["sh", "-c", script], "runAsUser": 65532},
        **more,
    }


@dataclass(frozen=True)
class Namespace:
    """A namespace of a test's own."""

    name: str

    def kubectl(self, *words: str, text: str | None = None, check: bool = True, stderr: bool = False) -> str:
        """Run kubectl in this namespace."""
        return kubectl("-n", self.name, *words, text=text, check=check, stderr=stderr)

    def apply(self, kind: str, name: str, spec: Body) -> str:
        """Apply a TestSuite or a TestRun, and return its name."""
        body = {"apiVersion": "testrun.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        # Server-side: the annotation that kubectl keeps otherwise is too small for the largest of the tests' specs.
        self.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump(body))
        return name

    def run(self, name: str, *cases: Body, **spec: Any) -> str:
        """Apply a TestRun with an inline suite of these cases."""
        suite = {"cases": list(cases)} | spec.pop("suite", {})
        return self.apply("TestRun", name, {"suite": suite, **spec})

    def get(self, kind: str, name: str) -> Body:
        """Read an object."""
        body: Body = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return body

    def objects(self, kind: str, selector: str = "") -> list[Body]:
        """Read objects by their labels."""
        answer = self.kubectl("get", kind, "-o", "json", *(["-l", selector] if selector else []))
        items: list[Body] = json.loads(answer)["items"]
        return items

    def status(self, run: str) -> Body:
        """Read the status of a TestRun."""
        status: Body = self.get("testrun", run).get("status", {})
        return status

    def wait_for_end(self, run: str, *, seconds: float = 90, but_not: str = "") -> Body:
        """Wait until an execution is over, and return the status; ``but_not`` is the runId of one that was before."""

        def over() -> Body | None:
            status = self.status(run)
            done = status.get("phase") in FINAL_PHASES and status.get("runId") != (but_not or None)
            return status if done else None

        status: Body = wait_until(f"TestRun {run} is over", over, seconds=seconds)
        return status

    def jobs(self, run: str) -> list[Body]:
        """Read the Jobs of a TestRun."""
        return self.objects("jobs", f"testrun.dev/run={run}")

    def container_spans(self, run: str) -> dict[str, tuple[str, str]]:
        """Return when the container of each case began and ended, in whole seconds (which can be compared as texts).

        Not when the Job did: it is complete only some time after its container has ended and its verdict is known.
        """
        spans = {}
        for pod in self.objects("pods", f"testrun.dev/run={run}"):
            (state,) = [found["state"]["terminated"] for found in pod["status"]["containerStatuses"]]
            spans[pod["metadata"]["labels"]["testrun.dev/case"]] = (state["startedAt"], state["finishedAt"])
        return spans

    def wait_for_running(self, run: str, *cases: str, seconds: float = 60) -> None:
        """Wait until the pods of these cases run."""

        def running() -> bool:
            pods = self.objects("pods", f"testrun.dev/run={run}")
            found = {
                pod["metadata"]["labels"]["testrun.dev/case"] for pod in pods if pod["status"]["phase"] == "Running"
            }
            return found >= set(cases)

        wait_until(f"{cases} of {run} run", running, seconds=seconds)


def condition(status: Body, kind: str) -> Body:
    """Return a condition of a status."""
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})


def query(statement: str, database: str = "testrun") -> list[list[str]]:
    """Run SQL in the chart's Postgres, and return rows of texts."""
    printed = kubectl(
        *("exec", "-n", SYSTEM_NAMESPACE, f"{POSTGRES}-0", "--", "psql", "-X", "-U", "testrun", "-d", database),
        *("-v", "ON_ERROR_STOP=1", "--no-align", "--tuples-only", "--field-separator=\x1f", "-c", statement),
    )
    return [line.split("\x1f") for line in printed.splitlines()]


def wait_for_storing(namespace: Namespace, run: str, *, seconds: float = 60) -> None:
    """Wait until the results of a TestRun are in Postgres."""
    wait_until(
        f"the results of {run} are stored",
        lambda: condition(namespace.status(run), "ResultsStored").get("status") == "True",
        seconds=seconds,
    )


def failure(status: Body, case: str) -> Body:
    """Return what the status says of a case that did not pass."""
    found: Body = next(failure for failure in status["failures"] if failure["case"] == case)
    return found


def classes(status: Body) -> dict[str, tuple[str, str, str]]:
    """Return verdict, class and reason of each case that did not pass, as Postgres has them."""
    rows = query(
        "SELECT playbook_name, verdict, failure_class, reason FROM noetl_test.regression_results"
        f" WHERE test_run_id = {status['runId']} AND NOT test_passed"
    )
    return {name: (verdict, failure_class, reason) for name, verdict, failure_class, reason in rows}


def details(status: Body, columns: str, where: str = "true") -> list[list[str]]:
    """Return columns of the details of an execution."""
    return query(
        f"SELECT {columns} FROM noetl_test.regression_details WHERE test_run_id = {status['runId']} AND {where}"
        " ORDER BY playbook_name, attempt, position"
    )


def operator_pod() -> Body:
    """Return the operator's pod."""
    items = json.loads(
        kubectl("-n", SYSTEM_NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "json")
    )["items"]
    pods: list[Body] = [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]
    assert pods, "the chart is not installed; run `make install`"
    return pods[0]


def refuse_company() -> None:
    """Fail where other tests run at the same time: what follows disturbs them, and the one that fails is another."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        raise AssertionError("this test disturbs others, and needs the mark `alone`")


def kill_operator() -> None:
    """End the operator with SIGKILL; the kubelet starts its container again."""
    refuse_company()
    pod = operator_pod()
    identity = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    if pids := _pids_of_container(identity):
        for pid in pids:
            os.kill(pid, 9)
    else:  # the node is not this machine: the next best thing
        kubectl("-n", SYSTEM_NAMESPACE, "delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")


def _pids_of_container(identity: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if identity in (entry / "cgroup").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def scale_operator(replicas: int) -> None:
    """Scale the operator's Deployment, and wait until it is so."""
    refuse_company()
    kubectl("-n", SYSTEM_NAMESPACE, "scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")

    def scaled() -> bool:
        pods = json.loads(
            kubectl("-n", SYSTEM_NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "json")
        )["items"]
        ready = [pod for pod in pods if _is_ready(pod)]
        return len(pods) == len(ready) == replicas

    wait_until(f"the operator has {replicas} replicas", scaled, seconds=90)


def _is_ready(pod: Body) -> bool:
    return any(found["type"] == "Ready" and found["status"] == "True" for found in pod["status"].get("conditions", []))


def operator_metrics() -> str:
    """Read the operator's metrics."""
    name = operator_pod()["metadata"]["name"]
    return kubectl("get", "--raw", f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/{name}:8080/proxy/metrics")


@contextmanager
def temporary_namespace(name: str) -> Iterator[Namespace]:
    """Make a namespace, and delete it without waiting for its end.

    Pod Security is enforced in it at its strictest, as careful platforms do: whatever pods a test causes must bear it.
    """
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("create", "-f", "-", text=yaml.safe_dump(body))
    try:
        yield Namespace(name)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
