"""A run under way, as faults see it: its namespace, its objects, and a note of what was done to it."""

import json
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from support.cluster import FINAL_PHASES, SYSTEM_NAMESPACE, Body, Namespace, kubectl, operator_pod

NOT_RUNNING = ("", "")


@dataclass
class Scene:
    """What a fault works on.

    Args:
        namespace: the run's.
        run: the TestRun's name.
        rng: where all chance comes from; the seed is in the report.
        cleanup: what undoes the fault; it is closed once the run is over.
        wanted: how often the fault is still to be injected, if it is one that is repeated.
        injected: what was done and undone, with the seconds since the scene began.
        injections: how often something was done.
        run_ids: every ``status.runId`` that was seen.
    """

    namespace: Namespace
    run: str
    rng: random.Random
    cleanup: ExitStack
    wanted: int = 1
    injected: list[str] = field(default_factory=list)
    injections: int = 0
    run_ids: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)

    def note(self, what: str) -> None:
        """Note that something was done now."""
        self.injections += 1
        self.note_end(what)

    def note_end(self, what: str) -> None:
        """Note that something was undone now, or ended."""
        self.injected.append(f"{time.monotonic() - self.began:.1f} s: {what}")

    def pause(self, least: float, most: float) -> None:
        """Wait for a random while."""
        time.sleep(self.rng.uniform(least, most))

    def status(self) -> Body:
        """Read the run's status; empty while nobody answers."""
        body = tolerant(lambda: self.namespace.status(self.run)) or {}
        if body.get("runId"):
            self.run_ids.add(str(body["runId"]))
        return dict(body)

    def over(self) -> bool:
        """Whether the run has its verdict."""
        return self.status().get("phase") in FINAL_PHASES

    def pods(self) -> list[Body]:
        """Read the run's pods; none while nobody answers."""
        found: list[Body] = tolerant(lambda: self.namespace.objects("pods", f"testrun.dev/run={self.run}")) or []
        return found

    def wait_for_running(self, count: int, *, seconds: float = 90) -> None:
        """Wait until so many of the run's containers run."""
        until(lambda: sum(running(pod) for pod in self.pods()) >= count, f"{count} containers run", seconds)


def tolerant(read: Callable[[], Any]) -> Any:
    """Read something of the cluster; None while it does not answer, which is what these tests are about."""
    try:
        return read()
    except (AssertionError, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return None


def until(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come about in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)


def running(pod: Body) -> bool:
    """Whether the container of a case runs, as its pod's status says."""
    states = [found.get("state", {}) for found in pod.get("status", {}).get("containerStatuses", [])]
    return any("running" in state for state in states)


def operator_address() -> str:
    """Return the address of the operator's pod."""
    return str(operator_pod()["status"]["podIP"])


def operator_container() -> tuple[str, str]:
    """Return the names of the operator's pod and of its container, if it runs; empty ones while it does not."""
    pod = tolerant(operator_pod) or {}
    states = [found for found in pod.get("status", {}).get("containerStatuses", []) if "running" in found["state"]]
    return (pod["metadata"]["name"], states[0]["containerID"]) if states else NOT_RUNNING


def operators_ready() -> list[str]:
    """Return the names of the operator's pods that are ready."""
    selector = "app.kubernetes.io/component=operator"
    printed = tolerant(lambda: kubectl("-n", SYSTEM_NAMESPACE, "get", "pods", "-l", selector, "-o", "json"))
    return [pod["metadata"]["name"] for pod in json.loads(printed)["items"] if _ready(pod)] if printed else []


def _ready(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    alive = not pod["metadata"].get("deletionTimestamp")
    return alive and any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
