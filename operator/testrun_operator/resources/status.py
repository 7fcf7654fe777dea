"""The status of both resources: written by the operator alone, and only where something changed."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field, PlainSerializer, WithJsonSchema

from testrun_operator.api.base import Model, ShortText
from testrun_operator.api.phase import ConditionStatus, Phase
from testrun_operator.api.verdict import FailureClass, Verdict

MAX_FAILURES = 20
MAX_RECORDS = 20
MAX_HISTORY = 5
MAX_MESSAGE = 200


def format_time(value: datetime) -> str:
    """Render a time as Kubernetes does: RFC 3339 in UTC with whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Seconds = Annotated[int, Field(ge=0)]
Tally = Annotated[int, Field(ge=0)]
RunIdText = Annotated[str, Field(pattern=r"^[0-9]{1,19}$", max_length=19)]
"""A 63-bit number as a text, since JSON clients round big numbers."""


class Condition(Model):
    """A condition, in the shape of metav1.Condition."""

    type: ShortText = Field(description="Type of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: ShortText = Field(description="Why, in CamelCase, from the published list.")
    message: Annotated[str, Field(max_length=2048)] = Field(description="Why, for people.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: int = Field(description="The generation that this was said of.")


class CaseCounts(Model):
    """How many cases are where. The verdicts and pending and running add up to total."""

    total: Tally = Field(0, description="Cases of the execution.")
    pending: Tally = Field(0, description="Not started yet.")
    running: Tally = Field(0, description="Running, or waiting for their next attempt.")
    passed: Tally = Field(0, description="Passed.")
    failed: Tally = Field(0, description="Failed.")
    errored: Tally = Field(0, description="Could not be judged.")
    timed_out: Tally = Field(0, description="Took too long.")
    skipped: Tally = Field(0, description="Were not executed.")
    cancelled: Tally = Field(0, description="Were cancelled.")
    flaky: Tally = Field(0, description="Passed after a retry; counted in passed too.")


class PlaybookExecution(Model):
    """The execution of a playbook."""

    id: RunIdText = Field(description="Its id, of NoETL.")
    status: ShortText = Field("", description="How it ended: COMPLETED, FAILED or CANCELLED; empty where not known.")
    page: ShortText | None = Field(None, description="Address of NoETL's own page about it.")


class Failure(Model):
    """A case that did not pass."""

    case: ShortText = Field(description="Name of the case.")
    verdict: Verdict = Field(description="Its verdict.")
    failure_class: FailureClass | None = Field(None, description="Where to look; none for Cancelled.")
    reason: ShortText = Field(description="Why, from the published list.")
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] = Field(description="Why, for people; shortened.")
    attempt: Annotated[int, Field(ge=0)] = Field(description="The attempt that decided; 0 if there was none.")
    job: ShortText | None = Field(None, description="The Job of that attempt.")
    execution: PlaybookExecution | None = Field(None, description="The execution of a playbook.")


class Execution(Model):
    """An earlier execution of a TestRun."""

    run_id: RunIdText = Field(description="Its runId.")
    revision: ShortText | None = Field(None, description="Its revision.")
    phase: Phase = Field(description="How it ended.")
    completion_time: Time | None = Field(None, description="When it ended.")


class RecordDigest(Model):
    """What binds the record of an execution to its run."""

    run_id: RunIdText = Field(description="The runId.")
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", max_length=32)] = Field(
        description="Digest of the record's content."
    )
    without_jobs: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=2048)] | None = Field(
        None, description="With keepJobs: NotPassed, a bitmap of the cases that passed and whose Jobs may be gone."
    )


class TestRunStatus(Model):
    """What the operator knows of a TestRun."""

    __test__: ClassVar[bool] = False

    observed_generation: int = Field(-1, description="The generation that this status was written for.")
    phase: Phase | None = Field(None, description="Pending, Running, Passed, Failed, Errored or Cancelled.")
    run_id: RunIdText | None = Field(None, description="Id of the execution; test_run_id in Postgres.")
    revision: ShortText | None = Field(None, description="The revision that the execution was started for.")
    spec_digest: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Digest of the part of the spec that the execution was started for."
    )
    start_time: Time | None = Field(None, description="When the execution started.")
    completion_time: Time | None = Field(None, description="When the execution ended.")
    duration_seconds: Seconds | None = Field(None, description="How long the execution took.")
    cases: CaseCounts | None = Field(None, description="How many cases are where.")
    success_rate: Annotated[str, Field(pattern=r"^[0-9]{1,3}\.[0-9]{2}$", max_length=6)] | None = Field(
        None, description="Per cent of the executed cases that passed."
    )
    failures: Annotated[tuple[Failure, ...], Field(max_length=MAX_FAILURES)] = Field(
        (), description="The first 20 cases that did not pass, sorted by name; all of them are in Postgres."
    )
    history: Annotated[tuple[Execution, ...], Field(max_length=MAX_HISTORY)] = Field(
        (), description="The last 5 executions that ended, the newest first."
    )
    records: Annotated[tuple[RecordDigest, ...], Field(max_length=MAX_RECORDS)] | None = Field(
        None,
        description="The executions of which anything remains to be done, with digests of their records: nothing is "
        "started by a record that is not named here.",
    )
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = Field(
        (), description="Ready, Reconciling, Stalled, Succeeded and ResultsStored."
    )


class LastRun(Model):
    """The last execution of a TestSuite."""

    name: ShortText = Field(description="Name of the TestRun.")
    run_id: RunIdText = Field(description="Its runId.")
    phase: Phase = Field(description="How it ended.")
    completion_time: Time | None = Field(None, description="When it ended.")


class TestSuiteStatus(Model):
    """What the operator knows of a TestSuite."""

    __test__: ClassVar[bool] = False

    observed_generation: int = Field(-1, description="The generation that this status was written for.")
    cases: Tally | None = Field(None, description="Cases after expansion of their matrices.")
    last_run: LastRun | None = Field(None, description="The last execution that ended.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = Field((), description="Ready and Stalled.")
