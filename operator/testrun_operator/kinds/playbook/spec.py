"""The case kind ``playbook``: a NoETL playbook, judged by its event log."""

import warnings
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import DnsLabel, Duration, JsonObject, Model, ShortText, Text, VariableName
from testrun_operator.api.expressions import Expression, JmesPathExpectation
from testrun_operator.api.files import FileSource
from testrun_operator.api.pod import ObjectReference

# Classes of pydantic have a method of this name that nobody calls; instances do not.
warnings.filterwarnings("ignore", message='Field name "register" in "PlaybookCase" shadows')

_NO_EVENTS = "min must not be more than max; for none at all, give min: 0 and max: 0"
_FEWEST_AND_MOST = "minEvents must not be more than maxEvents"
_FAILED_WITHOUT_ERRORS = "noErrors: true cannot hold where status is Failed: a run fails because of an error"

EventCount = Annotated[int, Field(ge=0, le=1_000_000)]


class PlaybookStatus(StrEnum):
    """How an execution of a playbook ends."""

    COMPLETED = "Completed"
    """It came to its end."""
    FAILED = "Failed"
    """It stopped at an error."""
    CANCELLED = "Cancelled"
    """Somebody cancelled it."""


class EventExpectation(Model):
    """How many events of a kind there must be, in the execution itself and in those that it started."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("!has(self.max) || (has(self.min) ? self.min : 1) <= self.max", _NO_EVENTS),
    )

    type: ShortText = Field(
        description="Type of the events, as step.exit. Dots and underscores are the same, as NoETL's releases differ."
    )
    status: ShortText | None = Field(None, description="Only events with this status, case ignored.")
    node: ShortText | None = Field(None, description="Only events of this step.")
    min: EventCount = Field(1, description="At least so many. Default 1.")
    max: EventCount | None = Field(None, description="At most so many. Default: any number.")

    @model_validator(mode="after")
    def _some_number_fits(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(_NO_EVENTS)
        return self


class StepExpectations(Model):
    """Which steps must have run."""

    ran: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field((), description="Steps that must have run.")
    not_ran: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field(
        (), description="Steps that must not have run."
    )
    in_order: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field(
        (), description="Steps that must have started in this order; others may lie between them."
    )


class SqlExpectation(Model):
    """A query that tells whether the playbook did what it should."""

    name: ShortText = Field(description="What it checks; for reports.")
    query: Text = Field(
        description="The query. Every boolean column of every row must be true; a column test_passed decides alone. "
        "May be a template, in which {{ execution.id }} is the execution."
    )
    connection: DnsLabel | None = Field(
        None, description="Name of a connection of the suite that has dsnFrom. Default: that of the playbook."
    )
    allow_no_rows: bool = Field(False, description="Whether a query without rows holds. Default false.")


class PlaybookExpectations(Model):
    """What must hold. A broken expectation is reported with what was expected and what was seen."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("!has(self.minEvents) || !has(self.maxEvents) || self.minEvents <= self.maxEvents", _FEWEST_AND_MOST),
        (
            "!has(self.noErrors) || !self.noErrors || !has(self.status) || self.status != 'Failed'",
            _FAILED_WITHOUT_ERRORS,
        ),
    )

    status: PlaybookStatus = Field(
        PlaybookStatus.COMPLETED, description="How the execution must end: Completed, Failed or Cancelled."
    )
    no_errors: bool | None = Field(
        None,
        description="Whether no step, of the execution or of those that it started, may have an error. "
        "Default: true where status is Completed, false otherwise.",
    )
    min_events: EventCount | None = Field(None, description="At least so many events in the log.")
    max_events: EventCount | None = Field(None, description="At most so many events in the log.")
    max_duration: Duration | None = Field(None, description="Longest time from the first event to the last.")
    events: Annotated[tuple[EventExpectation, ...], Field(max_length=32)] = Field((), description="Events by type.")
    steps: StepExpectations = Field(StepExpectations(), description="Steps that must, or must not, have run.")
    jmespath: Annotated[tuple[JmesPathExpectation, ...], Field(max_length=32)] = Field(
        (),
        description="Expressions and the values they must have, over "
        "{status, result, steps: {NAME: result}, events: {TYPE: count}}.",
    )
    sql: Annotated[tuple[SqlExpectation, ...], Field(max_length=16)] = Field(
        (), description="Queries that tell whether the playbook did what it should."
    )

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if self.min_events is not None and self.max_events is not None and self.min_events > self.max_events:
            raise ValueError(_FEWEST_AND_MOST)
        if self.no_errors and self.status is PlaybookStatus.FAILED:
            raise ValueError(_FAILED_WITHOUT_ERRORS)
        return self


class Settling(Model):
    """When the event log is taken for complete."""

    quiet: Duration = Field(
        timedelta(milliseconds=250),
        description="How long a complete log must stay as it is; made longer where rows were seen to come late. "
        "Default 250ms.",
    )
    limit: Duration = Field(
        timedelta(seconds=30),
        description="How long to wait, from the last sign of life, for what is missing from the log of an execution "
        "that says that it is over. Then the case is Errored. Default 30s.",
    )


class PlaybookCredential(Model):
    """A credential that is registered with the NoETL server before the playbook starts."""

    name: ShortText = Field(description="Name under which playbooks use it.")
    type: ShortText = Field(description="Its type, as postgres.")
    secret_ref: ObjectReference = Field(
        description="Secret whose keys are the credential's fields, as db_host and db_password."
    )


class PlaybookCase(Model):
    """Runs a NoETL playbook through the NoETL server, and judges it by its event log."""

    connection: DnsLabel = Field(
        description="Name of a connection of the suite: url is that of the NoETL server, dsnFrom its Postgres. Without "
        "dsnFrom the events are read through the server."
    )
    path: ShortText = Field(description="Path of the playbook in the catalog. May be a template.")
    version: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Version in the catalog. Default: the newest, or the one that register makes."
    )
    payload: JsonObject = Field(
        {}, description="Input of the playbook, in place of the values of its workload. Texts in it may be templates."
    )
    merge: bool | None = Field(
        None, description="Whether the payload is merged into the workload; for servers that ask. Default: merged."
    )
    register: FileSource | None = Field(
        None, description="Playbooks that are registered first: the one of path, and what it needs."
    )
    credentials: Annotated[tuple[PlaybookCredential, ...], Field(max_length=16)] = Field(
        (), description="Credentials that are registered first."
    )
    expect: PlaybookExpectations = Field(
        PlaybookExpectations(), description="What must hold. Default: it completes without an error."
    )
    settle: Settling = Field(Settling(), description="When the event log is taken for complete.")
    outputs: Annotated[dict[VariableName, Expression], Field(max_length=16)] = Field(
        {},
        description="Values for cases that need this one, as JMESPath over the same document as expect.jmespath. "
        "execution_id and status are always there.",
    )
