"""The TestRun: some cases of a suite, to be run now."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import Category, DnsLabel, Duration, Effect, Model, ObjectName, ShortText
from testrun_operator.resources.suite import TestSuiteSpec, Variables


class Rerun(StrEnum):
    """What a new execution of a TestRun covers."""

    ALL = "All"
    """Every selected case."""
    FAILED = "Failed"
    """The cases that did not pass in the last execution, and what they need."""


class KeepJobs(StrEnum):
    """Which Jobs of a run are kept until ``ttlAfterFinished``."""

    ALL = "All"
    """Every one."""
    NOT_PASSED = "NotPassed"
    """Those of cases that did not pass with their first attempt."""


class SuiteReference(Model):
    """A TestSuite in the run's namespace."""

    name: ObjectName = Field(description="Name of the TestSuite.")


class CaseSelector(Model):
    """Cases by name, category or tag. A case is meant if any of the lists given has it."""

    names: Annotated[tuple[DnsLabel, ...], Field(max_length=500)] = Field((), description="Names of cases.")
    categories: Annotated[tuple[Category, ...], Field(max_length=64)] = Field((), description="Categories.")
    tags: Annotated[tuple[Category, ...], Field(max_length=64)] = Field((), description="Tags.")

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not (self.names or self.categories or self.tags)


class TestRunSpec(Model):
    """Which cases are to be run, and how."""

    __test__: ClassVar[bool] = False
    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("has(self.suiteRef) != has(self.suite)", "give exactly one of suiteRef and suite"),
    )

    suite_ref: Annotated[SuiteReference | None, Effect.DECIDES] = Field(None, description="The TestSuite to run.")
    suite: Annotated[TestSuiteSpec | None, Effect.DECIDES] = Field(
        None, description="A suite of the run's own, in the shape of a TestSuite's spec."
    )
    revision: Annotated[ShortText | None, Effect.DECIDES] = Field(
        None, description="Free text, usually the commit under test. Changing it runs the suite again."
    )
    select: Annotated[CaseSelector, Effect.DECIDES] = Field(
        CaseSelector(), description="Cases to run, with what they need. Default: all of the suite."
    )
    skip: Annotated[CaseSelector, Effect.DECIDES] = Field(
        CaseSelector(), description="Cases to skip. Wins over select."
    )
    variables: Annotated[Variables, Effect.DECIDES] = Field(
        {}, description="Variables, in place of the suite's defaults."
    )
    parallelism: Annotated[int, Field(ge=1, le=500), Effect.CONTROLS] = Field(
        10, description="How many cases run side by side. Default 10."
    )
    fail_fast: Annotated[bool, Effect.DECIDES] = Field(
        False, description="Start no further case once one has failed for good; the rest is skipped. Default false."
    )
    min_executed: Annotated[int, Field(ge=0, le=10_000), Effect.DECIDES] = Field(
        0,
        description="With fewer cases executed the run is Errored, not Passed: 1 for a run that must not be empty. "
        "With rerun: Failed, those that passed before count. Default 0.",
    )
    timeout: Annotated[Duration, Effect.DECIDES] = Field(
        timedelta(hours=1), description="Longest time of the whole run. Default 1h."
    )
    rerun: Annotated[Rerun, Effect.DECIDES] = Field(
        Rerun.ALL, description="What a new execution covers: All or Failed. Default All."
    )
    keep_jobs: Annotated[KeepJobs, Effect.CONTROLS] = Field(
        KeepJobs.ALL,
        description="Which Jobs are kept for ttlAfterFinished: All, or NotPassed. Then the Job of a case that passed "
        "with its first attempt is deleted once that is stored and no case needs its outputs any more. Default All.",
    )
    suspend: Annotated[bool, Effect.CONTROLS] = Field(
        False, description="Start no further case while true. Default false."
    )
    cancel: Annotated[bool, Effect.CONTROLS] = Field(
        False, description="End the run now: cases without a verdict are Cancelled. Default false."
    )
    ttl_after_finished: Annotated[Duration, Effect.CONTROLS] = Field(
        timedelta(hours=24),
        description="How long the Jobs are kept after the run and the storing of its results. The TestRun itself is "
        "never deleted by the operator. Default 24h.",
    )

    @classmethod
    def fields_that(cls, effect: Effect) -> set[str]:
        """Return the names of the fields with an effect; each field says its own."""
        return {name for name, field in cls.model_fields.items() if effect in field.metadata}

    @model_validator(mode="after")
    def _one_suite(self) -> Self:
        if (self.suite_ref is None) == (self.suite is None):
            msg = "give exactly one of suiteRef and suite"
            raise ValueError(msg)
        return self
