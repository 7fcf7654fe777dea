"""The record of an execution: what it was started with, kept in a ConfigMap so that nothing lives only in memory.

The record is written before the first Job and never changed; later edits of the suite do not disturb the execution.
"""

import hashlib
import json
import re
from datetime import UTC, datetime

from pydantic import Field, field_serializer

from testrun_operator.api.base import Effect, Model
from testrun_operator.engine.outcome import Baseline
from testrun_operator.engine.planning import Execution
from testrun_operator.engine.selection import select_cases
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import TestSuiteSpec

_EPOCH_MILLISECONDS = 1_704_067_200_000  # 2024-01-01: 63 bits then last until the year 2093
_RANDOM_BITS = 22
_NOT_ALLOWED_IN_NAME = re.compile(r"[^a-z0-9]+")


class Restriction(Model):
    """What ``rerun: Failed`` makes of an execution."""

    only: tuple[str, ...] = Field(description="The cases to repeat; what they need is added.")
    passed_before: tuple[str, ...] = Field((), description="The cases that are left out, since they passed before.")


class ExecutionRecord(Model):
    """Everything that decides what an execution runs."""

    run_id: str = Field(description="The runId.")
    spec_digest: str = Field(description="Digest of the run's spec, see `digest_of`.")
    suite_name: str = Field(description="Name of the TestSuite; of the TestRun, for an inline suite.")
    started_at: datetime = Field(description="Start of the execution.")
    run: TestRunSpec = Field(description="The run's spec, an inline suite taken out.")
    suite: TestSuiteSpec = Field(description="The suite as it was when the execution started.")
    restriction: Restriction | None = Field(None, description="What `rerun: Failed` makes of it; None for all cases.")
    baselines: tuple[Baseline, ...] = Field((), description="Rows of `expected_results`.")

    @field_serializer("run", "suite")
    def _without_defaults(self, value: Model) -> dict[str, object]:
        # Short, and stable over releases that add fields.
        return value.model_dump(mode="json", exclude_defaults=True)

    def to_execution(self) -> Execution:
        """Work out the cases, ready for :func:`testrun_operator.engine.planning.plan`."""
        return Execution(
            cases=select_cases(self.suite, self.run, self.restriction.only if self.restriction else None),
            started_at=self.started_at,
            run=self.run,
            baselines={baseline.case: baseline for baseline in self.baselines},
        )


def digest_of(run: TestRunSpec) -> str:
    """Digest the part of a run's spec that decides what runs.

    A field that is left out and one that is given its default have the same digest.

    Returns:
        32 hexadecimal digits.
    """
    decisive = run.model_dump(mode="json", exclude=run.fields_that(Effect.CONTROLS), exclude_defaults=True)
    text = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_run_id(now: datetime, entropy: int) -> str:
    """Make a runId: 41 bits of milliseconds, then 22 random ones, so that ids sort by time and fit into a BIGINT.

    Args:
        now: the time.
        entropy: a random number; its lowest 22 bits are used.
    """
    milliseconds = round(now.timestamp() * 1000) - _EPOCH_MILLISECONDS
    return str((milliseconds << _RANDOM_BITS) | (entropy & ((1 << _RANDOM_BITS) - 1)))


def made_at(run_id: str) -> datetime:
    """Return when a runId was made, to the millisecond, by the clock that it was made by."""
    milliseconds = (int(run_id) >> _RANDOM_BITS) + _EPOCH_MILLISECONDS
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def name_for(run_name: str, *parts: str) -> str:
    """Make the deterministic name of something that belongs to a run.

    Args:
        run_name: name of the TestRun; its beginning is kept for readers.
        parts: what makes it unique. All but the last part go into the digest alone; the last one's beginning is kept.

    Returns:
        A DNS label of at most 63 characters.
    """
    digest = hashlib.sha256("/".join((run_name, *parts)).encode()).hexdigest()[:10]
    words = [_NOT_ALLOWED_IN_NAME.sub("-", word.lower())[:25].strip("-") for word in (run_name, parts[-1])]
    return "-".join([*filter(None, words), digest])
