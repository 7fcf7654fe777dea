"""What Kubernetes 1.37.2 showed of Jobs and pods, version by version, and what is made of it.

The timelines were recorded by ``record.py`` from Jobs as the operator makes them. They are replayed in the order in
which the watches showed them, to an operator that looks after every version, to one that looks only later, and to one
that is started anew at any moment.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.builders import container_case, planned
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.disturbance import has_ended
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop
from testrun_operator.engine.judging import job_deleted, judge
from testrun_operator.engine.observation import JobObservation, JobState, PodObservation
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.selection import PlannedCase
from testrun_operator.kube.belonging import job_of
from testrun_operator.kube.observe import choose_pod, read_job, read_pod

Body = dict[str, Any]
FOLDER = Path(__file__).parent / "timelines"
NAMES = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
[CASE] = planned(container_case("one", timeout="1m"))
[SHORT_CASE] = planned(container_case("one", timeout="10s"))
"""One for which the containers ran long enough that met the deadline of their pod, which was short in the recording."""
[JUNIT_CASE] = planned(container_case("one", container={"image": "x", "junit": "/reports/*.xml"}, timeout="1m"))
SETTINGS = JudgingSettings()
_LONG_AFTER = timedelta(seconds=20)


@dataclass(frozen=True)
class Step:
    """A version of the Job or of a pod, as a watch showed it."""

    at: datetime
    type: str
    body: Body

    @property
    def kind(self) -> str:
        """Job or Pod."""
        return str(self.body["kind"])


@dataclass(frozen=True)
class Timeline:
    """What was recorded of one Job."""

    kubernetes: str
    events: tuple[Body, ...]
    steps: tuple[Step, ...]

    @classmethod
    def read(cls, name: str) -> "Timeline":
        """Read a recording."""
        head, *lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        told = json.loads(head)
        found = [json.loads(line) for line in lines]
        steps = (Step(datetime.fromisoformat(line["at"]), line["type"], line["object"]) for line in found)
        return cls(told["kubernetes"], tuple(told["events"]), tuple(steps))

    def views(self) -> Iterator[tuple[datetime, JobObservation]]:
        """Return what an operator that was always there knows after each step.

        What it wrote itself it knows before the watch shows it: the pod that ends for it may be shown before the Job.
        """
        job, deleted_at = None, None
        written = next((seen.decided for step in self.steps if (seen := _job_of(step)) and seen.decided), None)
        pods: dict[str, PodObservation] = {}
        for step in self.steps:
            if step.kind == "Job":
                job = read_job(step.body)
                deleted_at = step.at if step.type == "DELETED" else None
            else:
                pod = read_pod(step.body)
                if step.type == "DELETED" and pod.terminated is None:
                    pod = replace(pod, deleted=True, gone=True)
                pods[pod.name] = pod
            if job is not None:
                pod_now = choose_pod(pods.values())
                lost = deleted_at is not None and not (pod_now is not None and has_ended(pod_now))
                decided = job_deleted(job, deleted_at) if lost and deleted_at is not None else job.decided
                if pod_now is not None and pod_now.deleted and not job.suspended:
                    decided = decided or written
                yield step.at, replace(job, pod=pod_now, decided=decided)

    def views_after_a_restart(self) -> Iterator[tuple[datetime, JobObservation]]:
        """Return what an operator that is started after each step finds: what exists then, and nothing else."""
        job: JobObservation | None = None
        pods: dict[str, PodObservation] = {}
        for step in self.steps:
            if step.kind == "Job":
                job = read_job(step.body) if step.type != "DELETED" else None
            elif step.type == "DELETED":
                pods.pop(step.body["metadata"]["name"], None)
            else:
                pods[step.body["metadata"]["name"]] = read_pod(step.body)
            if job is not None:
                yield step.at, replace(job, pod=choose_pod(pods.values()))


def _job_of(step: Step) -> JobObservation | None:
    return read_job(step.body) if step.kind == "Job" else None


def case_of(name: str) -> PlannedCase:
    """Return the case that a recording is taken for."""
    if name.startswith("junit-"):
        return JUNIT_CASE
    return SHORT_CASE if name in {"beyond-deadline", "beyond-deadline-stubborn"} else CASE


def outcome_of(seen: JobObservation, at: datetime, case: PlannedCase = CASE) -> AttemptOutcome | None:
    """Return what an operator makes of what it sees; None while it waits."""
    judgement = judge(seen, case, at, SETTINGS)
    return judgement.outcome if isinstance(judgement, Ended | MustStop) else None


def first_outcome(
    views: Iterator[tuple[datetime, JobObservation]], case: PlannedCase = CASE
) -> tuple[datetime, AttemptOutcome]:
    """Return the first outcome, and when it was there."""
    return next((at, outcome) for at, seen in views if (outcome := outcome_of(seen, at, case)) is not None)


def conclusion(outcome: AttemptOutcome) -> tuple[Verdict, FailureClass | None, Reason]:
    """Return what an attempt ended with, without the rest."""
    return outcome.verdict, outcome.failure_class, outcome.reason


INFRASTRUCTURE = (Verdict.ERRORED, FailureClass.INFRASTRUCTURE)
CONFIGURATION = (Verdict.ERRORED, FailureClass.CONFIGURATION)
TIMED_OUT = (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT)
PASSED = (Verdict.PASSED, None, Reason.EXIT_CODE_ZERO)
FAILED = (Verdict.FAILED, FailureClass.TEST, Reason.EXIT_CODE_NOT_ZERO)
VERDICTS = {
    "passed": PASSED,
    "failed": FAILED,
    "out-of-memory": (*CONFIGURATION, Reason.OUT_OF_MEMORY),
    "command-missing": (*CONFIGURATION, Reason.CONTAINER_START_FAILED),
    "stopped": TIMED_OUT,
    "stopped-before-it-ran": TIMED_OUT,
    "evicted": (*INFRASTRUCTURE, Reason.POD_EVICTED),
    "evicted-stubborn": (*INFRASTRUCTURE, Reason.POD_EVICTED),
    "deleted": (*INFRASTRUCTURE, Reason.POD_DELETED),
    "deleted-with-force": (*INFRASTRUCTURE, Reason.POD_DELETED),
    "preempted": (*INFRASTRUCTURE, Reason.POD_PREEMPTED),
    "tainted": (*INFRASTRUCTURE, Reason.NODE_LOST),
    "node-gone": (*INFRASTRUCTURE, Reason.NODE_LOST),
    "storage-limit": (*CONFIGURATION, Reason.OUT_OF_STORAGE),
    "sidecar-passed": PASSED,
    "sidecar-failed": FAILED,
    "sidecar-beyond-deadline": FAILED,
    "sidecar-crashing": TIMED_OUT,
    "junit-passed": PASSED,
    "junit-failed": FAILED,
    "init-failed": (*INFRASTRUCTURE, Reason.INIT_CONTAINER_FAILED),
    "init-image-missing": TIMED_OUT,
    "suspended": (*INFRASTRUCTURE, Reason.JOB_SUSPENDED),
    "suspended-from-the-start": PASSED,
    "beyond-deadline": TIMED_OUT,
    "beyond-deadline-stubborn": TIMED_OUT,
    "beyond-deadline-before-it-ran": (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT),
    "removed-by-ttl": PASSED,
    "job-deleted": (*INFRASTRUCTURE, Reason.JOB_DELETED),
    "job-deleted-in-the-foreground": (*INFRASTRUCTURE, Reason.POD_DELETED),
}
"""What each timeline ends with; those that the operator stops in them, with what it was told to write."""
REFUSED = sorted(set(NAMES) - set(VERDICTS))


def test_every_timeline_is_judged_here() -> None:
    """A recording that nobody looks at would prove nothing."""
    assert set(VERDICTS) <= set(NAMES)
    assert REFUSED == [
        "refused-by-pod-security",
        "refused-by-policy",
        "refused-by-quota",
        "refused-for-want-of-limits",
    ]


@pytest.mark.parametrize("name", VERDICTS)
def test_a_timeline_ends_with_its_verdict(name: str) -> None:
    """An operator that looks after every version comes to it, and to no other one before."""
    _, outcome = first_outcome(Timeline.read(name).views(), case_of(name))
    assert conclusion(outcome) == VERDICTS[name]


@pytest.mark.parametrize("name", VERDICTS)
def test_whenever_the_operator_is_started_no_failure_comes_of_a_disturbance(name: str) -> None:
    """What is left says the same, or it says that the infrastructure was at fault; never that the subject was."""
    timeline = Timeline.read(name)
    expected = VERDICTS[name]
    for at, seen in timeline.views_after_a_restart():
        outcome = outcome_of(seen, at, case_of(name))
        if outcome is not None:
            same = conclusion(outcome)[:2] == expected[:2]
            assert same or conclusion(outcome)[:2] == INFRASTRUCTURE, (at, outcome)
    at, seen = [*timeline.views_after_a_restart()][-1]
    assert outcome_of(seen, at + _LONG_AFTER) is not None or seen.state is JobState.ACTIVE


@pytest.mark.parametrize("name", ["passed", "failed", "sidecar-passed", "sidecar-failed", "out-of-memory"])
def test_a_verdict_is_there_before_the_job_is_over(name: str) -> None:
    """With the end of the container: the pod's phase comes a second later, the Job's conditions another one.

    With a sidecar that takes its time the Job is over when that is, too.
    """
    timeline = Timeline.read(name)
    at, _ = first_outcome(timeline.views())
    announced = next(step.at for step in timeline.steps if step.kind == "Job" and _conditions(step.body))
    finished = next(at for at, seen in timeline.views() if seen.state is not JobState.ACTIVE)
    assert at + timedelta(seconds=1) <= announced <= finished


def _conditions(job: Body) -> list[str]:
    return [found["type"] for found in job["status"].get("conditions", []) if found["status"] == "True"]


@pytest.mark.parametrize("name", VERDICTS)
def test_a_job_says_how_it_will_end_before_it_is_over(name: str) -> None:
    """SuccessCriteriaMet or FailureTarget alone first, then Complete or Failed beside it, and nothing after that."""
    told: list[list[str]] = []
    for step in Timeline.read(name).steps:
        if step.kind == "Job" and (types := [kind for kind in _conditions(step.body) if kind != "Suspended"]):
            told += [types] if not told or told[-1] != types else []
    assert told in (
        [],
        [["SuccessCriteriaMet"], ["SuccessCriteriaMet", "Complete"]],
        [["FailureTarget"], ["FailureTarget", "Failed"]],
        [["FailureTarget"]],
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("junit-passed", "exit code 0, though 1 of 2 tests failed: vat"),
        ("junit-failed", "expected exit code 0, got 1; 1 of 2 tests failed: vat"),
    ],
)
def test_the_verdict_of_a_case_with_junit_files_comes_with_their_tests(name: str, message: str) -> None:
    """The kubelet tells of the container's end, ends the reader, and tells of that; whoever looks says the same."""
    timeline = Timeline.read(name)
    for views in (timeline.views(), timeline.views_after_a_restart()):
        said = {outcome.message for at, seen in views if (outcome := outcome_of(seen, at, JUNIT_CASE)) is not None}
        assert said == {message}
    at, outcome = first_outcome(timeline.views(), JUNIT_CASE)
    assert [(detail.name, detail.passed) for detail in outcome.details] == [("total", True), ("vat", False)]
    waited = [seen for seen_at, seen in timeline.views() if seen_at < at and seen.pod is not None]
    assert any(seen.pod is not None and seen.pod.terminated is not None for seen in waited)


@pytest.mark.parametrize("name", ["stopped", "evicted-stubborn", "preempted", "deleted-with-force"])
def test_a_job_is_failed_only_when_its_pod_is_gone_or_has_ended(name: str) -> None:
    """Until then the pod goes on, for up to its grace period, and has to keep its place."""
    timeline = Timeline.read(name)
    announced = next(step.at for step in timeline.steps if step.kind == "Job" and _conditions(step.body))
    over = next(at for at, seen in timeline.views() if seen.state is JobState.FAILED)
    if name != "deleted-with-force":
        assert over - announced > timedelta(seconds=9)
    assert not any(seen.pod is not None and seen.pod.may_run for at, seen in timeline.views() if at >= over)


def test_a_job_whose_pod_is_told_to_end_may_be_complete() -> None:
    """The program ended with 0 on SIGTERM, before the Job controller looked: its Complete says nothing."""
    timeline = Timeline.read("evicted")
    *_, (at, last) = timeline.views_after_a_restart()
    assert (last.state, last.pod) == (JobState.COMPLETE, None)
    outcome = outcome_of(last, at + _LONG_AFTER)
    assert outcome is not None
    assert conclusion(outcome) == (*INFRASTRUCTURE, Reason.POD_VANISHED)


def test_a_suspended_job_that_was_stopped_makes_no_second_pod() -> None:
    """Neither when it is let go again: it fails then, without one."""
    timeline = Timeline.read("suspended")
    pods = {step.body["metadata"]["name"] for step in timeline.steps if step.kind == "Pod"}
    assert len(pods) == 1
    *_, (_, last) = timeline.views()
    assert last.state is JobState.FAILED


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("sidecar-crashing", Reason.POD_START_TIMEOUT, "the init container mesh waits: back-off"),
        ("init-image-missing", Reason.IMAGE_PULL_FAILED, "the image of the init container set-up could not be pulled"),
    ],
)
def test_what_an_injected_container_waits_for_is_told(name: str, reason: Reason, words: str) -> None:
    """Before it was stopped in the recording, an operator that had waited long enough would have said so."""
    for _, seen in Timeline.read(name).views():
        if seen.decided is None and seen.pod is not None and seen.pod.init is not None and seen.pod.init.waiting:
            outcome = outcome_of(seen, seen.created_at + SETTINGS.start_timeout)
            assert outcome is not None
            if outcome.reason is reason and words in outcome.message:
                return
    raise AssertionError("it is never told")


def test_a_failed_init_container_is_named_with_its_last_words() -> None:
    """They are all that tells what is the matter."""
    _, outcome = first_outcome(Timeline.read("init-failed").views())
    assert outcome.message == "the init container set-up ended with exit code 5; last line: no route to host"


def test_the_end_of_the_log_is_in_the_status_of_a_container_that_failed() -> None:
    """``FallbackToLogsOnError``; also one that was killed has it."""
    _, outcome = first_outcome(Timeline.read("failed").views())
    assert outcome.message == "expected exit code 0, got 3; last line: the total is wrong"
    assert outcome.evidence.log_tail == "first\nthe total is wrong\n"


def test_trouble_of_the_kubelet_with_a_log_is_not_taken_for_the_log() -> None:
    """Of an evicted pod the log is gone, and the kubelet says so where the last lines would be."""
    timeline = Timeline.read("storage-limit")
    assert "Error on reading termination message from logs" in json.dumps([step.body for step in timeline.steps])
    _, outcome = first_outcome(timeline.views())
    assert outcome.evidence.log_tail is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_pod_is_told_by_the_events_of_its_job(name: str) -> None:
    """A rule refuses it again, a quota may not; the operator tells them apart by the API server's words."""
    timeline = Timeline.read(name)
    *_, (_, last) = timeline.views()
    [said] = {event["message"].partition('" ')[2] for event in timeline.events if event["reason"] == "FailedCreate"}
    refused = replace(last, refusal=said)
    since = last.resumed_at or last.created_at
    soon = outcome_of(refused, since + SETTINGS.configuration_grace)
    late = outcome_of(refused, since + SETTINGS.start_timeout)
    if name == "refused-by-quota":
        assert (soon, late) == (None, None)
    else:
        assert soon is not None
        assert late is not None
        assert conclusion(soon) == (*CONFIGURATION, Reason.POD_NOT_CREATED)
        # The rule's own message is what comes last.
        assert late.message.endswith(said.rpartition("denied request: ")[2].removeprefix("is forbidden: "))


@pytest.mark.parametrize("name", NAMES)
def test_pods_are_found_by_the_job_that_controls_them(name: str) -> None:
    """By the owner reference that the Job controller sets; labels can be copied."""
    for step in Timeline.read(name).steps:
        if step.kind == "Pod":
            found = job_of(step.body)
            assert found is not None
            assert found[0] == name
