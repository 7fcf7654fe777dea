"""Nodes: the kubelet, its clock, and the containers of cases with what a webhook puts beside them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from soak.apiserver import ApiServer, Body, Key
from soak.attempts import LONG_START, Attempt, Ends
from soak.clock import SimulatedLoop
from soak.reports import write
from support.builders import report_of
from testrun_operator.api.junit import READER
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import encode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kube.client import PODS
from testrun_operator.kube.observe import CONTAINER
from testrun_operator.resources.status import format_time

_GRACE = 10.0
_REPORTS = {
    Ends.PASSES: (Verdict.PASSED, None, Reason.EXPECTATIONS_MET),
    Ends.FAILS: (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET),
    Ends.DEPENDENCY: (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED),
    Ends.OVERTIME: (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT),
}


@dataclass(slots=True)
class PodTruth:
    """A pod as its node has it, whether or not the API server was told."""

    key: Key
    attempt: Attempt
    node: "Machine"
    sidecar: str
    deadline_seconds: float
    started_at: float = 0.0
    state: dict[str, Any] = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    sidecar_runs: bool = False
    reader: dict[str, Any] | None = None
    """The state of the container that reads the case's JUnit files; None where there is none."""
    phase: str = "Pending"
    reason: str = ""
    is_over: bool = False
    """Whether nothing of it runs any more, nor ever will."""
    told_to_end: bool = False


class Machine:
    """A node with its kubelet.

    Args:
        name: of the node.
        server: the API server, which the kubelet tells.
        random: for delays.
        ahead: by how many seconds its clock is ahead of the API server's.
    """

    def __init__(self, name: str, server: ApiServer, random: Random, ahead: float) -> None:
        self.name = name
        self.ahead = ahead
        self.silent_since: float | None = None
        self.pods: dict[Key, PodTruth] = {}
        self._server = server
        self._loop: SimulatedLoop = server.loop
        self._random = random
        self._later: list[Callable[[], None]] = []

    def stamp(self) -> str:
        """Return the time by the node's own clock."""
        return format_time((self._loop.now() + timedelta(seconds=self.ahead)).replace(microsecond=0))

    # -- pods -----------------------------------------------------------------------------------------------------

    def take(self, pod: Body, attempt: Attempt, sidecar: str) -> None:
        """Start a pod that was bound to the node."""
        metadata = pod["metadata"]
        key = metadata["namespace"], metadata["name"]
        deadline = float(pod["spec"].get("activeDeadlineSeconds") or 0)
        truth = self.pods[key] = PodTruth(key, attempt, self, sidecar, deadline)
        if any(container["name"] == READER for container in pod["spec"].get("initContainers", ())):
            truth.reader = {"waiting": {"reason": "PodInitializing"}}
        if attempt.behaviour.start_seconds > LONG_START:
            attempt.disturb("its image took long")
        self._when_heard(lambda: self._begin(truth))

    def _when_heard(self, act: Callable[[], None]) -> None:
        """Do something that the kubelet does only while it hears the API server, now or once it does."""
        if self.silent_since is None:
            act()
        else:
            self._later.append(act)

    def _begin(self, truth: PodTruth) -> None:
        if truth.is_over:
            return
        truth.started_at = self._loop.time()
        self._report(truth)
        self._loop.call_later(truth.attempt.behaviour.start_seconds, lambda: self._when_heard(lambda: self._run(truth)))
        if truth.deadline_seconds:
            self._loop.call_later(truth.deadline_seconds, lambda: self._when_heard(lambda: self._meet_deadline(truth)))

    def _run(self, truth: PodTruth) -> None:
        if truth.is_over or truth.told_to_end:
            return
        attempt, now = truth.attempt, self._loop.time()
        attempt.running_at = now
        truth.state, truth.phase = {"running": {"startedAt": self.stamp()}}, "Running"
        truth.sidecar_runs = bool(truth.sidecar)
        if truth.reader is not None:
            truth.reader = {"running": {"startedAt": self.stamp()}}
        self._report(truth)
        if attempt.behaviour.ends is not Ends.NEVER:
            self._loop.call_later(attempt.behaviour.seconds, self._end_itself, truth)

    def _end_itself(self, truth: PodTruth) -> None:
        if "running" in truth.state and not truth.told_to_end:
            truth.attempt.ended_itself = True
            self._end(truth, *_words_of(truth.attempt, truth.key, self._server))

    def _end(self, truth: PodTruth, code: int, message: str = "", reason: str = "") -> None:
        truth.attempt.ended_at = self._loop.time()
        truth.state = {
            "terminated": {
                "exitCode": code,
                "reason": reason or ("Completed" if code == 0 else "Error"),
                "message": message,
                "startedAt": truth.state["running"]["startedAt"],
                "finishedAt": self.stamp(),
            }
        }
        if truth.sidecar == "native" or truth.told_to_end:
            self._loop.call_later(self._random.uniform(0.1, 1.5), self._end_sidecar, truth)
        if truth.reader is not None:
            # Of its own, so that pods without a reader go on as they did before there was any.
            random = Random(f"reader {truth.attempt.job}")
            self._loop.call_later(random.choice([0.3, 1.0, 3.0, 12.0]), self._end_reader, truth, random)
        self._report(truth)
        self._conclude(truth)

    def _end_reader(self, truth: PodTruth, random: Random) -> None:
        if truth.is_over:
            return
        attempt, ended = truth.attempt, {"exitCode": 137, "reason": "Error", "startedAt": None}
        if random.random() < 0.8:
            attempt.has_tests = True
            # Which may contradict the exit code: that is no more than news.
            verdict = random.choice([Verdict.PASSED, Verdict.FAILED])
            report = report_of(verdict, case=attempt.case, attempt=attempt.number, message="2 tests", step_count=2)
            ended = {"exitCode": 0, "reason": "Completed", "message": encode(report)[0].decode()}
        truth.reader = {"terminated": ended | {"finishedAt": self.stamp()}}
        self._report(truth)
        self._conclude(truth)

    def _end_sidecar(self, truth: PodTruth) -> None:
        truth.sidecar_runs = False
        self._report(truth)
        self._conclude(truth)

    def _conclude(self, truth: PodTruth) -> None:
        """Let the pod be over some time after its last container."""
        if not truth.sidecar_runs and "running" not in truth.state and "running" not in (truth.reader or {}):
            self._loop.call_later(self._random.uniform(0.2, 1.5), self._be_over, truth)

    def _be_over(self, truth: PodTruth) -> None:
        if truth.is_over:
            return
        truth.is_over = True
        code = truth.state.get("terminated", {}).get("exitCode")
        truth.phase = "Succeeded" if code == 0 and not truth.reason else "Failed"
        self._report(truth)
        self._when_heard(lambda: self._let_go(truth))

    def _let_go(self, truth: PodTruth) -> None:
        pod = self._server.find(PODS, *truth.key)
        if pod is not None and truth.is_over and pod["metadata"].get("deletionTimestamp") is not None:
            self._loop.call_later(self._random.uniform(0.1, 1.0), self._server.remove, PODS, truth.key)

    def tell_to_end(self, key: Key) -> None:
        """Take note that a pod is to go."""
        truth = self.pods.get(key)
        if truth is not None:
            self._when_heard(lambda: self._tell_to_end(truth))

    def _tell_to_end(self, truth: PodTruth) -> None:
        if truth.is_over:
            self._let_go(truth)
            return
        if truth.told_to_end:
            return
        truth.told_to_end = True
        behaviour = truth.attempt.behaviour
        if "running" in truth.state:
            code = behaviour.code_when_told if behaviour.seconds_when_told < _GRACE else 137
            self._loop.call_later(behaviour.seconds_when_told, self._end_told, truth, code)
        elif truth.sidecar_runs:
            self._loop.call_later(self._random.uniform(0.1, 1.5), self._end_sidecar, truth)
        else:
            self._be_over(truth)

    def _end_told(self, truth: PodTruth, code: int) -> None:
        if "running" in truth.state:
            self._end(truth, code)

    def _meet_deadline(self, truth: PodTruth) -> None:
        """End a pod whose own activeDeadlineSeconds are over."""
        if truth.is_over:
            return
        truth.reason = "DeadlineExceeded"
        if truth.attempt.running_at is None:
            truth.attempt.disturb("it met its pod's deadline before it ran")
        self._tell_to_end(truth)

    # -- the node -------------------------------------------------------------------------------------------------

    def fall_silent(self, *, dies: bool) -> None:
        """Let nobody hear of the node any more.

        Args:
            dies: whether its containers are gone, too.
        """
        if self.silent_since is not None:
            return
        self.silent_since = self._loop.time()
        for truth in self.pods.values():
            if truth.is_over:
                continue
            truth.attempt.disturb(f"{self.name} is silent")
            if dies:
                self._lose(truth)

    def _lose(self, truth: PodTruth) -> None:
        if "running" in truth.state:
            truth.attempt.ended_at = self._loop.time()
            truth.state = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
        truth.sidecar_runs = False
        truth.is_over = True
        truth.phase = "Failed"

    def come_back(self) -> None:
        """Let the kubelet tell what has happened meanwhile, and do what it was told."""
        if self.silent_since is None:
            return
        self.silent_since = None
        for truth in list(self.pods.values()):
            self._report(truth)
            pod = self._server.find(PODS, *truth.key)
            if pod is not None and pod["metadata"].get("deletionTimestamp") is not None:
                self._tell_to_end(truth)
        later, self._later = self._later, []
        for act in later:
            act()

    def _report(self, truth: PodTruth) -> None:
        if self.silent_since is not None:
            return
        is_running = "running" in truth.state
        ready = {"status": "True" if is_running else "False", "lastTransitionTime": self.stamp()}
        statuses: list[Body] = [{"name": CONTAINER, "state": truth.state}]
        own: Body = {
            "phase": truth.phase,
            "startTime": format_time(self._loop.now().replace(microsecond=0)),
            "containerStatuses": statuses,
            "reason": truth.reason or None,
        }
        beside = {"running": {"startedAt": self.stamp()}} if truth.sidecar_runs else {"terminated": {"exitCode": 0}}
        if truth.sidecar == "classic" and truth.attempt.running_at is not None:
            statuses.append({"name": "proxy", "state": beside})
        elif truth.sidecar == "native":
            started = truth.attempt.running_at is not None
            own["initContainerStatuses"] = [
                {"name": "proxy", "started": started and truth.sidecar_runs, "state": beside}
            ]
        if truth.reader is not None:
            reader = {"name": READER, "started": "running" in truth.reader, "state": truth.reader}
            own["initContainerStatuses"] = [*own.get("initContainerStatuses", ()), reader]

        def edit(pod: Body) -> None:
            status = pod.setdefault("status", {})
            others = [
                found for found in status.get("conditions", []) if found["type"] not in {"Ready", "ContainersReady"}
            ]
            start = status.get("startTime") or self.stamp()
            status.update({name: value for name, value in own.items() if value is not None})
            status["startTime"] = start
            status["conditions"] = [*others, {"type": "Ready"} | ready, {"type": "ContainersReady"} | ready]

        self._server.change(PODS, truth.key, edit, manager="kubelet")


def _words_of(attempt: Attempt, pod: Key, server: ApiServer) -> tuple[int, str]:
    """Return exit code and termination message of a container that ends by itself, and keep its log."""
    ends = attempt.behaviour.ends
    if ends is Ends.KILLED:
        return 137, ""
    if not attempt.has_report:
        return (0, "") if ends is Ends.PASSES else (1, "assertion failed")
    written = write(attempt.case, attempt.number, _REPORTS[ends], attempt.behaviour.log)
    server.logs[pod], attempt.details = written.log, written.details
    return 0 if ends is Ends.PASSES else 1, written.message
