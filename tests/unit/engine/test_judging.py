"""How an attempt is judged: every row of the tables in docs/verdicts.md."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import (
    NOON,
    attempt_of,
    container_case,
    ended_pod,
    http_case,
    job,
    minutes,
    outcome_of,
    planned,
    playbook_case,
    pod,
    report_of,
    reporting_pod,
    running_pod,
    seconds,
    sql_case,
    termination_message,
    waiting_pod,
    with_pod,
)
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind, ExecutionReport, LogReference, encode
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine import judging
from testrun_operator.engine.judgement import Ended, JudgingSettings, MustStop, Underway
from testrun_operator.engine.judging import judge
from testrun_operator.engine.observation import (
    InitContainer,
    JobObservation,
    JobState,
    PodObservation,
    PodPhase,
    Terminated,
    Waiting,
)
from testrun_operator.engine.outcome import AttemptOutcome, Evidence
from testrun_operator.engine.selection import PlannedCase

SETTINGS = JudgingSettings()
A_LITTLE_LATER = NOON + seconds(20)
HTTP, SQL, PLAYBOOK, CONTAINER = (
    replace(case, name="one")
    for case in planned(
        http_case("one", timeout="1m"),
        sql_case("two", timeout="1m"),
        playbook_case("three", timeout="1m"),
        container_case("four", timeout="1m"),
    )
)
ALL = pytest.mark.parametrize("case", [HTTP, SQL, PLAYBOOK, CONTAINER], ids=["http", "sql", "playbook", "container"])


def judged(seen: JobObservation, case: PlannedCase = HTTP, now: datetime = A_LITTLE_LATER) -> Any:
    """Judge an attempt twenty seconds after noon."""
    return judge(seen, case, now, SETTINGS)


def ended(seen: PodObservation | None, case: PlannedCase = HTTP, **fields: Any) -> AttemptOutcome:
    """Judge an attempt that must be over, by its pod."""
    judgement = judged(replace(job(**fields), pod=seen), case)
    assert isinstance(judgement, Ended)
    return judgement.outcome


def given_up(seen: PodObservation | None, case: PlannedCase = HTTP, **fields: Any) -> AttemptOutcome:
    """Judge an attempt of which nothing more can be found out, unless a fresh look shows it."""
    judgement = judged(replace(job(**fields), pod=seen), case)
    assert isinstance(judgement, MustStop)
    assert not judgement.confirm
    return judgement.outcome


def stopped(
    seen: PodObservation | None, case: PlannedCase = HTTP, at: timedelta = SETTINGS.start_timeout
) -> AttemptOutcome:
    """Judge an attempt that must be stopped from outside some time after noon, and not a moment earlier."""
    observation = replace(job(), pod=seen)
    early = judged(observation, case, NOON + at - timedelta(milliseconds=1))
    assert Underway(NOON + at) == early
    judgement = judged(observation, case, NOON + at)
    assert isinstance(judgement, MustStop)
    return judgement.outcome


def conclusion(outcome: AttemptOutcome) -> tuple[Verdict, FailureClass | None, Reason]:
    """Return what an attempt ended with, without the rest."""
    return outcome.verdict, outcome.failure_class, outcome.reason


INFRASTRUCTURE = (Verdict.ERRORED, FailureClass.INFRASTRUCTURE)
CONFIGURATION = (Verdict.ERRORED, FailureClass.CONFIGURATION)


# -- 1. the operator has stopped it -------------------------------------------------------------------------------


def test_what_was_decided_from_a_report_keeps_its_details_as_long_as_the_pod_is_there() -> None:
    """They do not fit on the Job: of one that was asked to end, and had reported in time."""
    details = (Detail(kind=DetailKind.ASSERTION, name="status", passed=True),)
    reported = reporting_pod(details=details)
    decided = attempt_of(reason=Reason.EXPECTATIONS_MET)
    outcome = ended(reported, HTTP, decided=decided)
    assert (Verdict.PASSED, details) == (outcome.verdict, outcome.details)
    assert decided == ended(None, HTTP, decided=decided)
    other = attempt_of(verdict=Verdict.FAILED, reason=Reason.EXPECTATION_NOT_MET)
    assert other == ended(reported, HTTP, decided=other)
    large = tuple(Detail(kind=DetailKind.ASSERTION, name=f"{number:0100}", passed=True) for number in range(100))
    judgement = judged(job(pod=reporting_pod(details=large), decided=decided))
    assert judgement.report_in_log is not None


@ALL
def test_what_the_operator_decided_counts_before_anything_else(case: PlannedCase) -> None:
    """The outcome that is written on the Job is the attempt's, whatever its pod shows since."""
    decided = attempt_of(verdict=Verdict.CANCELLED, reason=Reason.RUN_CANCELLED, failure_class=None)
    assert decided == ended(reporting_pod(), case, decided=decided)


# -- 2. there is no pod -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [HTTP, SQL, PLAYBOOK], ids=["http", "sql", "playbook"])
def test_a_complete_job_of_the_runner_without_pod_has_passed(case: PlannedCase) -> None:
    """The runner ends with 0 only if the case passed; with 143 if it is told to end. A fresh look may show the pod."""
    outcome = given_up(None, case, state=JobState.COMPLETE, finished_at=NOON)
    assert (Verdict.PASSED, None, Reason.EXPECTATIONS_MET) == conclusion(outcome)


def test_a_complete_job_of_another_image_without_pod_says_nothing() -> None:
    """The Job of an evicted pod is Complete where its program ends with 0 when it is told to end."""
    outcome = given_up(None, CONTAINER, state=JobState.COMPLETE, finished_at=NOON)
    assert (*INFRASTRUCTURE, Reason.POD_VANISHED) == conclusion(outcome)


@ALL
def test_a_failed_job_without_pod_says_nothing_of_the_subject(case: PlannedCase) -> None:
    """A pod that vanished without a report is an infrastructure fault, never a failure."""
    outcome = given_up(None, case, state=JobState.FAILED, finished_at=NOON)
    assert (*INFRASTRUCTURE, Reason.POD_VANISHED) == conclusion(outcome)


@ALL
@pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.FAILED])
def test_a_finished_job_waits_for_its_pod_to_be_seen(case: PlannedCase, state: JobState) -> None:
    """Jobs and pods are watched apart: how the pod ended may be seen a moment after that the Job is over."""
    seen = job(state=state, finished_at=NOON + seconds(18))
    assert Underway(NOON + seconds(23)) == judged(seen, case, NOON + seconds(20))
    assert not isinstance(judged(seen, case, NOON + seconds(23)), Underway)


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        'pods "a" is forbidden: error looking up service account team/default: serviceaccount "default" not found',
        'Internal error occurred: failed calling webhook "mesh.example.com": context deadline exceeded',
    ],
)
def test_a_job_may_lack_a_pod_for_the_start_timeout(refusal: str) -> None:
    """What keeps the Job controller from creating the pod may pass: an account that is new, a webhook that is down."""
    asked = job(refusal=refusal, asked_at=NOON + minutes(5))
    assert isinstance(judged(asked, now=NOON + minutes(5) - seconds(1)), Underway)
    judgement = judged(asked, now=NOON + minutes(5))
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, Reason.POD_NOT_CREATED) == conclusion(judgement.outcome)
    told = refusal.removeprefix('pods "a" is forbidden: ') or "an admission rule?"
    assert told in judgement.outcome.message


@pytest.mark.parametrize(
    "refusal",
    [
        'pods "a" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5',
        'pods "a" is forbidden: status unknown for quota: compute, resources: pods',
    ],
)
def test_a_pod_that_waits_for_a_quota_has_no_start_timeout(refusal: str) -> None:
    """It is used up by others, perhaps by cases of the same run: only the run's timeout limits the waiting."""
    for passed in (minutes(4), minutes(5), minutes(59)):
        waiting = job(refusal=refusal, asked_at=NOON + passed - seconds(15))
        assert judged(waiting, now=NOON + passed) == Underway(NOON + passed + seconds(15), ask_why=True)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (
            'pods "a" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities',
            'violates PodSecurity "restricted:latest": unrestricted capabilities',
        ),
        (
            "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'tags' with binding 'all' denied request: no latest",
            "ValidatingAdmissionPolicy 'tags': no latest",
        ),
        (
            'admission webhook "validate.kyverno.svc-fail" denied the request: label team is missing',
            'admission webhook "validate.kyverno.svc-fail" denied the request: label team is missing',
        ),
        (
            'pods "a" is forbidden: failed quota: compute: must specify limits.cpu for: case',
            "failed quota: compute: must specify limits.cpu for: case",
        ),
        (
            'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal',
            'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal',
        ),
    ],
)
def test_a_pod_that_a_rule_refuses_is_a_configuration_error(refusal: str, told: str) -> None:
    """It would be refused again; so it is not waited for for minutes, and not repeated.

    The rule's own message comes last in what the API server says, and a long text is cut at its end: what everybody
    knows who reads it, the generated name above all, is left out before it.
    """
    refused = job(refusal=refusal, asked_at=NOON + seconds(5))
    assert Underway(NOON + seconds(20)) == judged(refused, now=NOON + seconds(14))
    judgement = judged(refused, now=NOON + seconds(15))
    assert isinstance(judgement, MustStop)
    assert (*CONFIGURATION, Reason.POD_NOT_CREATED) == conclusion(judgement.outcome)
    assert f"the Job's pod is refused: {told}" == judgement.outcome.message


def test_why_a_job_has_no_pod_is_asked_every_15_seconds() -> None:
    """Nothing tells it but Events, and those are not watched; a Job whose pod comes at once is never asked about."""
    assert Underway(NOON + seconds(15)) == judged(job(), now=NOON)
    assert Underway(NOON + seconds(30), ask_why=True) == judged(job(), now=NOON + seconds(15))
    asked = job(asked_at=NOON + seconds(15))
    assert Underway(NOON + seconds(30)) == judged(asked, now=NOON + seconds(20))
    assert Underway(NOON + seconds(45), ask_why=True) == judged(asked, now=NOON + seconds(30))
    assert Underway(NOON + minutes(5)) == judged(job(asked_at=NOON + seconds(290)), now=NOON + seconds(295))


def test_a_suspended_job_waits_for_as_long_as_the_run_may() -> None:
    """A queue such as Kueue holds it back until there is room; its time to start begins when it is let go."""
    assert Underway(None) == judged(job(suspended=True), now=NOON + minutes(59))
    resumed = job(resumed_at=NOON + minutes(30))
    assert Underway(NOON + minutes(30) + seconds(15)) == judged(resumed, now=NOON + minutes(30))
    assert isinstance(judged(resumed, now=NOON + minutes(35)), MustStop)


@ALL
def test_a_job_that_is_suspended_while_its_case_runs_is_an_infrastructure_fault(case: PlannedCase) -> None:
    """A queue gave its place to another; the Job controller deletes the pod, and would make a second one later."""
    judgement = judged(job(suspended=True, pod=running_pod(deleted=True)), case)
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, Reason.JOB_SUSPENDED) == conclusion(judgement.outcome)
    outcome = ended(replace(ended_pod(143), deleted=True), case, suspended=True)
    assert (*INFRASTRUCTURE, Reason.JOB_SUSPENDED) == conclusion(outcome)


def test_a_deleted_job_is_an_infrastructure_fault() -> None:
    """Somebody who deletes a Job says nothing of the subject."""
    assert (*INFRASTRUCTURE, Reason.JOB_DELETED) == conclusion(judging.job_deleted(job(), NOON))


# -- 3. the container has ended -----------------------------------------------------------------------------------

REPORTS = [
    (Verdict.PASSED, None, Reason.EXPECTATIONS_MET),
    (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET),
    (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT),
    (Verdict.ERRORED, FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED),
    (Verdict.ERRORED, FailureClass.CONFIGURATION, Reason.INVALID_CASE),
    (Verdict.ERRORED, FailureClass.INFRASTRUCTURE, Reason.TEST_SERVER_UNAVAILABLE),
]


@pytest.mark.parametrize("case", [HTTP, SQL, PLAYBOOK], ids=["http", "sql", "playbook"])
@pytest.mark.parametrize(("verdict", "failure_class", "reason"), REPORTS)
@pytest.mark.parametrize(
    "disturbance",
    [{}, {"deleted": True}, {"reason": "Evicted"}, {"disruption": "PreemptionByScheduler"}],
    ids=["undisturbed", "deleted", "evicted", "preempted"],
)
def test_a_report_says_how_a_case_ended(
    case: PlannedCase,
    verdict: Verdict,
    failure_class: FailureClass | None,
    reason: Reason,
    disturbance: dict[str, Any],
) -> None:
    """A runner that reported had finished, whatever happened to its pod then."""
    seen = reporting_pod(verdict, failure_class=failure_class, reason=reason)
    assert (verdict, failure_class, reason) == conclusion(ended(replace(seen, **disturbance), case))


def test_a_report_brings_its_numbers_and_outputs() -> None:
    """Everything that a report says is in the outcome; the times are the container's."""
    seen = reporting_pod(message="all well", step_count=4, outputs={"id": 7}, duration_milliseconds=250)
    outcome = ended(seen)
    assert ("all well", 4, {"id": 7}, 250) == (
        outcome.message,
        outcome.step_count,
        outcome.outputs,
        outcome.duration_milliseconds,
    )
    assert (NOON, NOON + seconds(10)) == (outcome.started_at, outcome.finished_at)
    assert ("pod", "node-1", 0) == (outcome.evidence.pod, outcome.evidence.node, outcome.evidence.exit_code)


def test_a_report_brings_its_details() -> None:
    """Where they fit into the termination message there is nothing to be read from the log."""
    detail = Detail(kind=DetailKind.ASSERTION, name="status", passed=True)
    judgement = judged(with_pod(job(), reporting_pod(details=(detail,))))
    assert isinstance(judgement, Ended)
    assert (detail,) == judgement.outcome.details
    assert judgement.report_in_log is None
    assert ("one", 1, "job-one-1") == (
        judgement.outcome.case,
        judgement.outcome.attempt,
        judgement.outcome.job,
    )


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.TIMED_OUT])
def test_a_report_brings_the_execution_of_a_playbook(verdict: Verdict) -> None:
    """Whatever became of the case: whoever looks into it wants to know which execution it was."""
    execution = ExecutionReport(id="765993903060157424", status="FAILED", events={"step.exit": 3})
    outcome = ended(reporting_pod(verdict, execution=execution), PLAYBOOK)
    assert (outcome.verdict, outcome.execution) == (verdict, execution)


def test_details_in_the_log_are_announced() -> None:
    """A report that did not fit into the termination message is judged at once; its details are to be read."""
    detail = Detail(kind=DetailKind.ASSERTION, name="x" * 5000, passed=True)
    message, _ = encode(report_of(details=(detail,)))
    judgement = judged(with_pod(job(), ended_pod(0, message.decode())))
    assert isinstance(judgement, Ended)
    assert Verdict.PASSED is judgement.outcome.verdict
    assert isinstance(judgement.report_in_log, LogReference)


@pytest.mark.parametrize("report", [report_of(case="other"), report_of(attempt=2)], ids=["case", "attempt"])
def test_a_report_of_something_else_is_malformed(report: Any) -> None:
    """What is not the report of this attempt says nothing of it."""
    outcome = ended(ended_pod(0, termination_message(report)))
    assert (*INFRASTRUCTURE, Reason.MALFORMED_REPORT) == conclusion(outcome)


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "{}", '{"case": "one"', "null", "[]"])
def test_a_runner_that_fails_without_report_is_an_infrastructure_fault(text: str) -> None:
    """Our runner always reports; one that did not was kept from it. The end of its log is evidence."""
    outcome = ended(ended_pod(1, text))
    assert (*INFRASTRUCTURE, Reason.NO_REPORT) == conclusion(outcome)
    assert (text or None) == outcome.evidence.log_tail


def test_a_runner_that_ends_well_without_report_is_an_infrastructure_fault() -> None:
    """Exit code 0 alone does not make an http case pass while its pod is there to be asked."""
    outcome = ended(ended_pod(0, "surprise"))
    assert (*INFRASTRUCTURE, Reason.MALFORMED_REPORT) == conclusion(outcome)


@pytest.mark.parametrize("exit_code", [1, 137, 143])
def test_a_pod_beyond_its_own_deadline_has_timed_out_if_it_ran_for_as_long_as_it_may(exit_code: int) -> None:
    """The pod's deadline is a safety net for the time without an operator; its node's clock says that the case ran."""
    seen = replace(ended_pod(exit_code), reason="DeadlineExceeded")
    ran = replace(seen, terminated=Terminated(exit_code, "Error", "", NOON, NOON + seconds(59)))
    assert (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT) == conclusion(ended(ran, CONTAINER))
    assert (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT) == conclusion(ended(seen, CONTAINER))


@pytest.mark.parametrize("case", [HTTP, SQL, PLAYBOOK], ids=["http", "sql", "playbook"])
@pytest.mark.parametrize("exit_code", [1, 137, 143])
def test_a_runner_beyond_its_pods_deadline_is_an_infrastructure_fault(case: PlannedCase, exit_code: int) -> None:
    """The runner reports a time-out of its case itself, and earlier; if it could not, the subject is not to blame."""
    outcome = ended(replace(ended_pod(exit_code), reason="DeadlineExceeded"), case)
    assert (*INFRASTRUCTURE, Reason.NO_REPORT) == conclusion(outcome)


@ALL
def test_a_pod_beyond_its_deadline_of_which_nothing_shows_that_it_ran_is_an_infrastructure_fault(
    case: PlannedCase,
) -> None:
    """A deadline alone does not say that the container had its time, or that it ran at all."""
    outcome = ended(pod(phase=PodPhase.FAILED, reason="DeadlineExceeded"), case)
    assert (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT) == conclusion(outcome)


@ALL
@pytest.mark.parametrize(
    "seen",
    [
        waiting_pod("ImagePullBackOff", phase=PodPhase.FAILED),
        pod(phase=PodPhase.FAILED, terminated=Terminated(137, "ContainerStatusUnknown")),
    ],
    ids=["waiting", "never located"],
)
def test_a_pod_beyond_its_deadline_whose_container_never_ran_is_an_infrastructure_fault(
    case: PlannedCase, seen: PodObservation
) -> None:
    """A registry was down while no operator was there: that says nothing of the subject."""
    outcome = ended(replace(seen, reason="DeadlineExceeded"), case)
    assert (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT) == conclusion(outcome)


@pytest.mark.parametrize(("exit_code", "verdict"), [(0, Verdict.PASSED), (1, Verdict.FAILED)])
def test_a_container_that_ended_before_the_pods_deadline_has_its_verdict(exit_code: int, verdict: Verdict) -> None:
    """A sidecar that does not end keeps the pod going until its deadline; whenever that is seen, the case had ended."""
    late = replace(ended_pod(exit_code), reason="DeadlineExceeded", deadline_at=NOON + seconds(11))
    assert verdict is ended(late, CONTAINER).verdict
    same_second = replace(late, deadline_at=NOON + seconds(10))
    assert Verdict.ERRORED is ended(same_second, CONTAINER).verdict


DISTURBANCES = [
    ({"reason": "Evicted"}, Reason.POD_EVICTED),
    ({"disruption": "EvictionByEvictionAPI"}, Reason.POD_EVICTED),
    ({"disruption": "PreemptionByScheduler"}, Reason.POD_PREEMPTED),
    ({"disruption": "PreemptionByKubeScheduler"}, Reason.POD_PREEMPTED),
    ({"reason": "Preempting"}, Reason.POD_PREEMPTED),
    ({"disruption": "DeletionByTaintManager", "deleted": True}, Reason.NODE_LOST),
    ({"disruption": "DeletionByDeviceTaintManager", "deleted": True}, Reason.NODE_LOST),
    ({"disruption": "DeletionByPodGC"}, Reason.NODE_LOST),
    ({"disruption": "TerminationByKubelet"}, Reason.NODE_LOST),
    ({"reason": "NodeLost"}, Reason.NODE_LOST),
    ({"reason": "Shutdown"}, Reason.NODE_LOST),
    ({"reason": "Terminated"}, Reason.NODE_LOST),
    ({"deleted": True}, Reason.POD_DELETED),
    ({"reason": "OutOfcpu"}, Reason.POD_REJECTED),
    ({"reason": "UnexpectedAdmissionError"}, Reason.POD_REJECTED),
]
NAMES = [f"{fields}" for fields, _ in DISTURBANCES]


@ALL
@pytest.mark.parametrize(("disturbance", "reason"), DISTURBANCES, ids=NAMES)
@pytest.mark.parametrize("exit_code", [137, 143])
def test_a_container_that_was_ended_with_its_pod_is_an_infrastructure_fault(
    case: PlannedCase, disturbance: dict[str, Any], reason: Reason, exit_code: int
) -> None:
    """Eviction, preemption, a lost node and a deletion are never the subject's fault."""
    outcome = ended(replace(ended_pod(exit_code), **disturbance), case)
    assert (*INFRASTRUCTURE, reason) == conclusion(outcome)


@pytest.mark.parametrize(("disturbance", "reason"), DISTURBANCES, ids=NAMES)
def test_a_container_that_had_passed_before_its_pod_was_disturbed_has_passed(
    disturbance: dict[str, Any], reason: Reason
) -> None:
    """Exit code 0 was there before the disturbance."""
    assert reason.value
    outcome = ended(replace(ended_pod(0), disturbed_at=NOON + seconds(11), **disturbance), CONTAINER)
    assert (Verdict.PASSED, None, Reason.EXIT_CODE_ZERO) == conclusion(outcome)


@pytest.mark.parametrize("asked_at", [None, NOON + seconds(10), NOON + seconds(3)], ids=["unknown", "then", "before"])
@pytest.mark.parametrize(("disturbance", "reason"), DISTURBANCES, ids=NAMES)
def test_a_container_that_ends_with_0_when_it_is_told_to_end_has_not_passed(
    disturbance: dict[str, Any], reason: Reason, asked_at: datetime | None
) -> None:
    """Many programs end with 0 on SIGTERM, whatever they had left to do."""
    outcome = ended(replace(ended_pod(0), disturbed_at=asked_at, **disturbance), CONTAINER)
    assert (*INFRASTRUCTURE, reason) == conclusion(outcome)


@ALL
@pytest.mark.parametrize(
    "message",
    [
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        'Container case exceeded its local ephemeral storage limit "1Mi". ',
        'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
    ],
)
def test_a_pod_that_is_evicted_for_its_own_limit_is_a_configuration_error(case: PlannedCase, message: str) -> None:
    """As with memory, it would be evicted again; an eviction for want of room on the node is another matter."""
    outcome = ended(replace(ended_pod(137), reason="Evicted", message=message), case)
    assert (*CONFIGURATION, Reason.OUT_OF_STORAGE) == conclusion(outcome)
    outcome = ended(replace(ended_pod(137), reason="Evicted", message="The node was low on resource: memory. "), case)
    assert (*INFRASTRUCTURE, Reason.POD_EVICTED) == conclusion(outcome)


@ALL
@pytest.mark.parametrize(("exit_code", "reason"), [(137, "ContainerStatusUnknown"), (255, "Unknown")])
def test_a_container_whose_end_nobody_saw_is_an_infrastructure_fault(
    case: PlannedCase, exit_code: int, reason: str
) -> None:
    """The kubelet and the container runtime make the exit code up, for instance after a reboot of the node."""
    outcome = ended(ended_pod(exit_code, "The container could not be located", reason), case)
    assert (*INFRASTRUCTURE, Reason.CONTAINER_KILLED) == conclusion(outcome)


@ALL
def test_a_container_without_enough_memory_is_a_configuration_error(case: PlannedCase) -> None:
    """Its limit is too low; it would be killed again, so it is not repeated."""
    outcome = ended(ended_pod(137, reason="OOMKilled"), case)
    assert (*CONFIGURATION, Reason.OUT_OF_MEMORY) == conclusion(outcome)


@ALL
@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
def test_a_container_that_cannot_be_started_is_a_configuration_error(case: PlannedCase, reason: str) -> None:
    """A command that does not exist is the suite's mistake; what the runtime said is in the message."""
    outcome = ended(ended_pod(128, 'exec: "nope": not found', reason), case)
    assert (*CONFIGURATION, Reason.CONTAINER_START_FAILED) == conclusion(outcome)
    assert 'the container could not be started: exec: "nope": not found' == outcome.message


@ALL
def test_signal_nine_without_explanation_is_an_infrastructure_fault(case: PlannedCase) -> None:
    """Nobody kills a container with signal 9 for what the subject did."""
    assert (*INFRASTRUCTURE, Reason.CONTAINER_KILLED) == conclusion(ended(ended_pod(137, reason="Error"), case))


def test_exit_code_zero_passes_a_container_case() -> None:
    """The exit code judges."""
    assert (Verdict.PASSED, None, Reason.EXIT_CODE_ZERO) == conclusion(ended(ended_pod(0), CONTAINER))


@pytest.mark.parametrize(
    ("exit_code", "log", "message"),
    [
        (1, "", "expected exit code 0, got 1"),
        (3, "one\ntwo\n\n", "expected exit code 0, got 3; last line: two"),
        (143, "", "expected exit code 0, got 143 (signal 15)"),
        (139, "  boom  ", "expected exit code 0, got 139 (signal 11); last line: boom"),
        (255, "\n\n", "expected exit code 0, got 255 (signal 127)"),
    ],
)
def test_another_exit_code_fails_a_container_case(exit_code: int, log: str, message: str) -> None:
    """The message has the code, the signal, and the last line that says anything."""
    outcome = ended(ended_pod(exit_code, log), CONTAINER)
    assert (Verdict.FAILED, FailureClass.TEST, Reason.EXIT_CODE_NOT_ZERO) == conclusion(outcome)
    assert message == outcome.message
    assert (log or None) == outcome.evidence.log_tail
    assert 10_000 == outcome.duration_milliseconds


@pytest.mark.parametrize(("disturbance", "reason"), DISTURBANCES, ids=NAMES)
def test_a_runner_that_was_ended_with_its_pod_and_could_not_report_is_an_infrastructure_fault(
    disturbance: dict[str, Any], reason: Reason
) -> None:
    """The disturbance says more than that there is no report."""
    outcome = ended(replace(ended_pod(1, "Traceback"), **disturbance))
    assert (*INFRASTRUCTURE, reason) == conclusion(outcome)


@pytest.mark.parametrize("exit_code", [139, 143])
def test_a_runner_that_a_signal_ended_is_judged_by_its_report_if_it_left_one(exit_code: int) -> None:
    """It is no container case, whose exit code would fail it."""
    reported = ended(ended_pod(exit_code, termination_message(report_of(Verdict.FAILED))))
    assert (Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET) == conclusion(reported)
    silent = ended(ended_pod(exit_code))
    assert (*INFRASTRUCTURE, Reason.NO_REPORT) == conclusion(silent)
    assert f"the runner ended with exit code {exit_code} and left no report" == silent.message


FOREIGN = termination_message(report_of(case="other"))


@pytest.mark.parametrize(
    ("case", "seen", "pod_reason"),
    [
        (CONTAINER, ended_pod(1, "last lines", "Error"), "Error"),
        (CONTAINER, ended_pod(137, "last lines", "OOMKilled"), "OOMKilled"),
        (CONTAINER, ended_pod(128, "last lines", "StartError"), "StartError"),
        (CONTAINER, ended_pod(137, "last lines", "Error"), "Error"),
        (CONTAINER, replace(ended_pod(143, "last lines", "Error"), reason="Evicted"), "Evicted"),
        (CONTAINER, replace(ended_pod(143, "last lines", "Error"), reason="DeadlineExceeded"), "DeadlineExceeded"),
        (HTTP, ended_pod(1, "last lines"), None),
        (HTTP, replace(ended_pod(1, "last lines", "Error"), reason="Evicted"), "Evicted"),
        (HTTP, replace(ended_pod(143, "last lines", "Error"), reason="DeadlineExceeded"), "DeadlineExceeded"),
        (HTTP, ended_pod(0, "last lines", "Completed"), "Completed"),
        (HTTP, ended_pod(1, FOREIGN, "Error"), "Error"),
    ],
    ids=[
        "exit code",
        "out of memory",
        "not started",
        "killed",
        "evicted",
        "deadline",
        "runner",
        "runner evicted",
        "runner at its deadline",
        "runner that ended well",
        "report of another case",
    ],
)
def test_the_evidence_of_a_container_that_ended_is_complete(
    case: PlannedCase, seen: PodObservation, pod_reason: str | None
) -> None:
    """Exit code, pod, node, what Kubernetes said, and the last lines of the log, whatever ended it and however long."""
    assert seen.terminated is not None
    outcome = ended(seen, case)
    assert Evidence(seen.terminated.exit_code, "pod", pod_reason, "node-1", seen.terminated.message) == outcome.evidence
    assert (NOON, NOON + seconds(10), 10_000) == (
        outcome.started_at,
        outcome.finished_at,
        outcome.duration_milliseconds,
    )
    assert ("one", 1, "job-one-1") == (outcome.case, outcome.attempt, outcome.job)


def test_a_report_is_no_log() -> None:
    """What a runner leaves in the termination log is not repeated as the last lines of its log."""
    assert ended(reporting_pod(Verdict.FAILED)).evidence.log_tail is None


@pytest.mark.parametrize(
    ("disturbance", "message"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "the pod was evicted: low on memory"),
        ({"disruption": "EvictionByEvictionAPI"}, "the pod was evicted through the API"),
        ({"reason": "Preempted"}, "the pod was preempted by one of a higher priority"),
        ({"reason": "NodeShutdown"}, "the pod's node node-1 was lost or shut down"),
        ({"reason": "NodeAffinity"}, "the pod's node node-1 was lost or shut down"),
        ({"reason": "NodeLost", "node": None}, "the pod's node was lost or shut down"),
        ({"deleted": True}, "the pod was deleted while the case ran"),
        ({"reason": "OutOfcpu", "message": "no cpu"}, "the pod was ended by the kubelet: OutOfcpu: no cpu"),
        ({"phase": PodPhase.FAILED}, "the pod was ended by the kubelet: no reason given"),
    ],
)
def test_an_infrastructure_fault_is_told_in_words(disturbance: dict[str, Any], message: str) -> None:
    """With what Kubernetes said, where it said something."""
    judgement = judged(with_pod(job(), replace(pod(phase=PodPhase.FAILED), **disturbance)))
    assert isinstance(judgement, Ended | MustStop)
    assert message == judgement.outcome.message


# -- 4. the pod is being deleted, or failed before its container ran ----------------------------------------------


@ALL
@pytest.mark.parametrize(("disturbance", "reason"), [row for row in DISTURBANCES if "reason" not in row[0]], ids=str)
def test_a_running_case_whose_pod_is_deleted_is_stopped(
    case: PlannedCase, disturbance: dict[str, Any], reason: Reason
) -> None:
    """The outcome is written on the Job at once, before the pod with its reason is gone."""
    seen = replace(running_pod(), **(disturbance | {"deleted": True}))
    judgement = judged(with_pod(job(), seen), case)
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, reason) == conclusion(judgement.outcome)


@ALL
@pytest.mark.parametrize(("disturbance", "reason"), DISTURBANCES, ids=NAMES)
def test_a_pod_that_failed_before_its_container_ran_is_an_infrastructure_fault(
    case: PlannedCase, disturbance: dict[str, Any], reason: Reason
) -> None:
    """A pod that the kubelet or the scheduler ended never reached the subject."""
    seen = replace(pod(phase=PodPhase.FAILED), **disturbance)
    judgement = judged(with_pod(job(), seen), case)
    assert isinstance(judgement, Ended | MustStop)
    assert (*INFRASTRUCTURE, reason) == conclusion(judgement.outcome)


# -- 5. the container runs ----------------------------------------------------------------------------------------


def test_a_container_case_has_its_timeout_from_the_start_of_its_container() -> None:
    """The timeout does not begin before the container does, and is never shorter by Kubernetes' whole seconds."""
    outcome = stopped(running_pod(NOON + seconds(10)), CONTAINER, seconds(10 + 60 + 1))
    assert (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT) == conclusion(outcome)
    assert (NOON + seconds(10), NOON + seconds(71), 61_000) == (
        outcome.started_at,
        outcome.finished_at,
        outcome.duration_milliseconds,
    )


def test_the_runner_has_some_seconds_more_to_report_that_time_is_up() -> None:
    """The runner ends an http case itself and says so; if it does not, that is not the subject's fault."""
    outcome = stopped(running_pod(), HTTP, seconds(60 + 15 + 1))
    assert (*INFRASTRUCTURE, Reason.NO_REPORT) == conclusion(outcome)
    assert "the runner did not report within the case's timeout of 1m and its grace" == outcome.message


# -- 5b. a container case that was asked to end, and whether that is how it ended ----------------------------------

ASKED = attempt_of(
    verdict=Verdict.TIMED_OUT, reason=Reason.CASE_TIMEOUT, message="too long", finished_at=NOON + seconds(61)
)


def ran_for(span: float, exit_code: int = 137, **fields: Any) -> PodObservation:
    """Return a pod that is being deleted, and whose container ran for some seconds."""
    terminated = Terminated(exit_code, "Error", "", NOON, NOON + seconds(span))
    return ended_pod(
        exit_code, **{"terminated": terminated, "deleted": True, "disturbed_at": NOON + seconds(61)} | fields
    )


def test_a_container_that_takes_too_long_is_asked_to_end() -> None:
    """Its time-out counts once its kubelet has confirmed it: a node that is lost looks the same."""
    judgement = judged(replace(job(), pod=running_pod()), CONTAINER, NOON + seconds(61))
    assert isinstance(judgement, MustStop)
    assert judgement.confirm
    assert (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT) == conclusion(judgement.outcome)


@pytest.mark.parametrize("exit_code", [0, 1, 137, 143])
@pytest.mark.parametrize("node_clock", [timedelta(), minutes(-30), minutes(30)])
def test_a_time_out_is_confirmed_by_a_container_that_ran_for_as_long_as_it_may(
    exit_code: int, node_clock: timedelta
) -> None:
    """How a program ends that is told to says nothing; the node's clock may be wrong: only its differences count."""
    terminated = Terminated(exit_code, "Error", "", NOON + node_clock, NOON + node_clock + seconds(62))
    seen = ran_for(62, exit_code, terminated=terminated, reported_at=NOON + seconds(64))
    outcome = given_up(seen, CONTAINER, asked_to_end=ASKED)
    assert (Verdict.TIMED_OUT, FailureClass.TEST, Reason.CASE_TIMEOUT) == conclusion(outcome)


@pytest.mark.parametrize(("exit_code", "verdict"), [(0, Verdict.PASSED), (1, Verdict.FAILED)])
@pytest.mark.parametrize(
    "seen", [{"span": 45, "reported_at": NOON + seconds(200)}, {"span": 62, "reported_at": NOON + seconds(58)}]
)
def test_a_container_that_had_ended_before_it_was_asked_to_has_its_verdict(
    exit_code: int, verdict: Verdict, seen: dict[str, Any]
) -> None:
    """Its kubelet had no way to tell, or the watch was silent: the exit code counts, as if it had been seen at once."""
    assert verdict is given_up(ran_for(exit_code=exit_code, **seen), CONTAINER, asked_to_end=ASKED).verdict


@pytest.mark.parametrize(
    ("seen", "limit"),
    [(running_pod(deleted=True), seconds(61 + 60)), (running_pod(deleted=True, node_silent=True), seconds(61 + 360))],
    ids=["silent for a moment", "known to be silent"],
)
def test_a_node_that_does_not_confirm_is_lost(seen: PodObservation, limit: timedelta) -> None:
    """It is given time to come back; then the attempt is an infrastructure fault, never a time-out of the subject."""
    observation = replace(job(asked_to_end=ASKED), pod=seen)
    assert Underway(NOON + limit) == judged(observation, CONTAINER, NOON + limit - seconds(1))
    judgement = judged(observation, CONTAINER, NOON + limit)
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, Reason.NODE_LOST) == conclusion(judgement.outcome)


@pytest.mark.parametrize(
    ("observation", "reason", "message"),
    [
        (
            replace(job(asked_to_end=ASKED), pod=running_pod(deleted=True, gone=True)),
            Reason.NODE_LOST,
            "and its node node-1 did not confirm that its container ran until it was ended",
        ),
        (
            job(asked_to_end=ASKED, state=JobState.FAILED, finished_at=NOON + seconds(62)),
            Reason.POD_VANISHED,
            "and its pod is gone: nobody saw whether its container ran until it was ended",
        ),
    ],
    ids=["gone while it ran", "gone before anybody looked"],
)
def test_a_pod_that_is_gone_confirms_nothing(observation: JobObservation, reason: Reason, message: str) -> None:
    """Nobody saw how its container ended; where the operator was away meanwhile, that is not the node's fault."""
    judgement = judged(observation, CONTAINER, NOON + seconds(80))
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, reason) == conclusion(judgement.outcome)
    assert message in judgement.outcome.message


@ALL
def test_a_node_that_is_silent_is_waited_for_until_kubernetes_has_given_it_up(case: PlannedCase) -> None:
    """It may come back and say how the container ended, long ago perhaps."""
    seen = replace(job(), pod=running_pod(node_silent=True))
    grace = seconds(0 if case is CONTAINER else 15)
    assert Underway(NOON + seconds(61 + 360) + grace) == judged(seen, case, NOON + minutes(3))
    judgement = judged(seen, case, NOON + seconds(61 + 360) + grace)
    assert isinstance(judgement, MustStop)
    assert (*INFRASTRUCTURE, Reason.NODE_LOST) == conclusion(judgement.outcome)


def test_the_end_of_a_run_blames_a_case_only_if_its_kubelet_confirms_that_it_ran() -> None:
    """A run's time may be over while one of its nodes is lost."""
    asked = replace(ASKED, reason=Reason.RUN_TIMEOUT)
    for case in (HTTP, CONTAINER):
        confirmed = given_up(ran_for(10, 143, reported_at=NOON + seconds(64)), case, asked_to_end=asked)
        assert (Verdict.TIMED_OUT, FailureClass.TEST, Reason.RUN_TIMEOUT) == conclusion(confirmed)
    lost = judged(replace(job(asked_to_end=asked), pod=running_pod()), CONTAINER, NOON + minutes(3))
    assert (Verdict.TIMED_OUT, FailureClass.INFRASTRUCTURE, Reason.RUN_TIMEOUT) == conclusion(lost.outcome)


# -- 6. the container does not run yet ----------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    ("seen", "limit", "expected"),
    [
        (waiting_pod("ErrImagePull"), seconds(30), (*INFRASTRUCTURE, Reason.IMAGE_PULL_FAILED)),
        (waiting_pod("ImagePullBackOff"), seconds(30), (*INFRASTRUCTURE, Reason.IMAGE_PULL_FAILED)),
        (waiting_pod("ErrImageNeverPull"), seconds(30), (*INFRASTRUCTURE, Reason.IMAGE_PULL_FAILED)),
        (waiting_pod("RegistryUnavailable"), seconds(30), (*INFRASTRUCTURE, Reason.IMAGE_PULL_FAILED)),
        (waiting_pod("CreateContainerConfigError"), seconds(15), (*CONFIGURATION, Reason.CONTAINER_CONFIG_ERROR)),
        (waiting_pod("CreateContainerError"), seconds(15), (*CONFIGURATION, Reason.CONTAINER_CONFIG_ERROR)),
        (waiting_pod("RunContainerError"), seconds(15), (*CONFIGURATION, Reason.CONTAINER_CONFIG_ERROR)),
        (pod(unschedulable="0/1 nodes"), minutes(5), (*INFRASTRUCTURE, Reason.UNSCHEDULABLE)),
        (waiting_pod("ContainerCreating"), minutes(5), (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT)),
        (pod(), minutes(5), (*INFRASTRUCTURE, Reason.POD_START_TIMEOUT)),
    ],
    ids=lambda value: value.waiting.reason if isinstance(value, PodObservation) and value.waiting else None,
)
def test_a_pod_that_does_not_start_is_given_its_time(
    case: PlannedCase, seen: PodObservation, limit: timedelta, expected: tuple[Any, ...]
) -> None:
    """Each cause has its own patience; what it says of the subject is nothing."""
    assert expected == conclusion(stopped(seen, case, limit))


@ALL
def test_a_wrong_image_name_needs_no_patience(case: PlannedCase) -> None:
    """A name that no registry could have does not get right by waiting."""
    judgement = judged(with_pod(job(), waiting_pod("InvalidImageName", "couldn't parse")), case, NOON)
    assert isinstance(judgement, MustStop)
    assert (*CONFIGURATION, Reason.INVALID_IMAGE_NAME) == conclusion(judgement.outcome)
    assert "couldn't parse" == judgement.outcome.message


@pytest.mark.parametrize(
    ("seen", "limit", "message"),
    [
        (pod(), minutes(5), "the pod did not run after 5m"),
        (waiting_pod("ContainerCreating"), minutes(5), "the pod did not run after 5m: ContainerCreating"),
        (pod(unschedulable="0/1 nodes"), minutes(5), "no node had room for the pod: 0/1 nodes"),
        (waiting_pod("ErrImagePull", "not found"), seconds(30), "the image could not be pulled: not found"),
        (
            waiting_pod("CreateContainerConfigError", 'secret "a" not found'),
            seconds(15),
            'the kubelet refuses the container: secret "a" not found',
        ),
    ],
    ids=["silent", "creating", "unschedulable", "image", "secret"],
)
def test_what_kept_a_pod_from_starting_is_told(seen: PodObservation, limit: timedelta, message: str) -> None:
    """In Kubernetes' words, and with the time at which nobody waited any longer; nothing ran, so nothing was timed."""
    outcome = stopped(seen, at=limit)
    assert message == outcome.message
    assert (None, NOON + limit, None) == (outcome.started_at, outcome.finished_at, outcome.duration_milliseconds)
    why = seen.waiting.reason if seen.waiting else None
    assert (seen.name, why) == (outcome.evidence.pod, outcome.evidence.pod_reason)


MESH = "the init container mesh"


@pytest.mark.parametrize(
    ("init", "limit", "expected", "message"),
    [
        (InitContainer("mesh"), minutes(5), Reason.POD_START_TIMEOUT, f"{MESH} has not ended"),
        (InitContainer("mesh", is_sidecar=True), minutes(5), Reason.POD_START_TIMEOUT, f"{MESH} has not started"),
        (
            InitContainer("mesh", is_sidecar=True, waiting=Waiting("CrashLoopBackOff", "back-off 10s")),
            minutes(5),
            Reason.POD_START_TIMEOUT,
            f"{MESH} waits: back-off 10s",
        ),
        (
            InitContainer("mesh", waiting=Waiting("ImagePullBackOff", "no such image")),
            seconds(30),
            Reason.IMAGE_PULL_FAILED,
            f"the image of {MESH} could not be pulled: no such image",
        ),
        (
            InitContainer("mesh", waiting=Waiting("CreateContainerConfigError", 'secret "a" not found')),
            seconds(15),
            Reason.CONTAINER_CONFIG_ERROR,
            f'the kubelet refuses the container of {MESH}: secret "a" not found',
        ),
    ],
)
def test_an_init_container_that_something_else_has_added_is_named(
    init: InitContainer, limit: timedelta, expected: Reason, message: str
) -> None:
    """The case's own container only says PodInitializing; what is the matter is with the one that it waits for."""
    outcome = stopped(waiting_pod("PodInitializing", init=init), at=limit)
    assert expected is outcome.reason
    assert message in outcome.message


@ALL
def test_an_init_container_that_failed_is_an_infrastructure_fault(case: PlannedCase) -> None:
    """It is none of the case's: something else has put it into the pod."""
    init = InitContainer("mesh", terminated=Terminated(3, "Error", "no route\nto host\n"))
    outcome = ended(waiting_pod("PodInitializing", phase=PodPhase.FAILED, init=init), case)
    assert (*INFRASTRUCTURE, Reason.INIT_CONTAINER_FAILED) == conclusion(outcome)
    assert f"{MESH} ended with exit code 3; last line: to host" == outcome.message


# -- the end of a run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "failure_class"),
    [
        (running_pod(), FailureClass.TEST),
        (pod(), FailureClass.INFRASTRUCTURE),
        (None, FailureClass.INFRASTRUCTURE),
    ],
    ids=["running", "waiting", "no pod"],
)
def test_the_runs_timeout_counts_against_the_subject_only_if_it_was_reached(
    seen: PodObservation | None, failure_class: FailureClass
) -> None:
    """A pod that was still waiting says nothing of the subject."""
    outcome = judging.run_timed_out(replace(job(), pod=seen), minutes(60), NOON + seconds(7))
    assert (Verdict.TIMED_OUT, failure_class, Reason.RUN_TIMEOUT) == conclusion(outcome)
    where = "while this case ran" if failure_class is FailureClass.TEST else "before this case's container ran"
    assert f"the run's timeout of 1h ended {where}" == outcome.message
    assert NOON + seconds(7) == outcome.finished_at
    assert (7000 if failure_class is FailureClass.TEST else None) == outcome.duration_milliseconds


def test_a_straggler_ends_as_its_case_did() -> None:
    """A Job that appears when its case is over gets that verdict, so that a restarted operator comes to the same."""
    case = outcome_of(verdict=Verdict.CANCELLED, failure_class=None, reason=Reason.SUPERSEDED, message="replaced")
    outcome = judging.ended_with(job(), case, NOON)
    assert (Verdict.CANCELLED, None, Reason.SUPERSEDED) == conclusion(outcome)
    assert ("replaced", NOON) == (outcome.message, outcome.finished_at)


# -- whatever is seen ---------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "",
        "Error",
        "Completed",
        "OOMKilled",
        "StartError",
        "Evicted",
        "DeadlineExceeded",
        "NodeLost",
        "Preempting",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "ContainerCreating",
        "something new",
    ]
)
TIMES = st.none() | st.integers(-600, 600).map(lambda count: NOON + seconds(count))
TERMINATIONS = st.builds(
    Terminated,
    exit_code=st.sampled_from([0, 1, 2, 126, 127, 128, 137, 139, 143, 255]),
    reason=WORDS,
    message=st.sampled_from(["", "text", termination_message(report_of()), termination_message(report_of(case="x"))])
    | st.text(max_size=50),
    started_at=TIMES,
    finished_at=TIMES,
)
PODS = st.none() | st.builds(
    pod,
    phase=st.sampled_from(PodPhase),
    reason=WORDS,
    deleted=st.booleans(),
    disruption=st.sampled_from(["", "PreemptionByScheduler", "DeletionByTaintManager", "something new"]),
    unschedulable=st.sampled_from(["", "0/1 nodes"]),
    running_since=TIMES,
    terminated=st.none() | TERMINATIONS,
)


@given(
    seen=PODS,
    state=st.sampled_from(JobState),
    finished_at=TIMES,
    now=TIMES.filter(bool),
    case=st.sampled_from([HTTP, CONTAINER]),
)
def test_whatever_is_seen_is_judged(
    seen: PodObservation | None, state: JobState, finished_at: datetime | None, now: datetime, case: PlannedCase
) -> None:
    """Any combination gets a judgement: one that is under way names a later time, a failure has class Test."""
    judgement = judged(job(pod=seen, state=state, finished_at=finished_at), case, now)
    if isinstance(judgement, Underway):
        assert judgement.requeue_at > now
        return
    outcome = judgement.outcome
    assert (outcome.verdict is Verdict.PASSED) == (outcome.failure_class is None)
    assert outcome.verdict is not Verdict.FAILED or outcome.failure_class is FailureClass.TEST
    assert outcome.duration_milliseconds is None or outcome.duration_milliseconds >= 0
    if outcome.verdict is Verdict.FAILED:
        assert seen is not None
        assert seen.terminated is not None
        assert not seen.deleted
        assert not seen.disruption
