"""Builds the cases of a suite from playbooks, with the comments that are written above them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from testrun_operator.api.base import format_duration
from testrun_operator.kinds.playbook.commands.history import (
    ExecutionHistory,
    RecordedExecution,
    expectations_from,
    limit_of,
)
from testrun_operator.kinds.playbook.commands.manifests import CommentedCase, FlowMapping, FlowSequence, PackedPlaybooks
from testrun_operator.kinds.playbook.commands.selection import Candidate
from testrun_operator.kinds.playbook.spec import PlaybookStatus

CREDENTIALS_VARIABLE = "credentials"
"""Variable of the suite that decides whether cases run whose credentials are missing."""
CREDENTIALS_MISSING = "missing"
"""Its default value, with which these cases are skipped."""
CREDENTIALS_ALL = "all"
"""Its value with which they run."""
CREDENTIALS_TAG = "needs-credentials"
"""Tag of these cases."""
_DEFAULT_TIMEOUT = timedelta(minutes=5)
"""Of a case that has no ``timeout``."""
_EXTRA_TIME = timedelta(minutes=1)
"""Added to the longest expected time of an execution: a case also registers its playbook and waits for all events."""
_LONGEST_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class CaseBuilder:
    """Builds cases; its fields are what all cases of a suite have in common."""

    connection: str
    """Name of the connection to the NoETL server."""
    packed: PackedPlaybooks | None = None
    """Where cases find the playbooks that they register; None if they register none."""
    histories: Mapping[str, ExecutionHistory] | None = None
    """Earlier executions by path of the playbook; None if they were not asked for."""
    duration: bool = True
    """Whether to expect that an execution does not take much longer than an earlier one."""
    expect_failures: bool = False
    """Whether a playbook that always failed is expected to fail."""

    def build(self, candidate: Candidate) -> CommentedCase:
        """Build the case of a playbook: its fields in the order in which they are written, and its comments."""
        recorded = self._recorded_of(candidate)
        playbook: dict[str, object] = {"connection": self.connection, "path": candidate.playbook.path}
        if self.packed is not None:
            playbook["register"] = {"configMap": _in_flow_style(self.packed.source_of(candidate))}
        if recorded is not None:
            playbook["expect"] = self._expectations(candidate, recorded)
        case: dict[str, object] = {"name": candidate.name}
        if candidate.playbook.description:
            case["description"] = candidate.playbook.description[:_LONGEST_DESCRIPTION]
        if candidate.category:
            case["category"] = candidate.category
        if candidate.missing:
            case["tags"] = FlowSequence([CREDENTIALS_TAG])
            requirement = {"key": CREDENTIALS_VARIABLE, "operator": "In", "values": FlowSequence([CREDENTIALS_ALL])}
            case["when"] = [FlowMapping(requirement)]
        if recorded is not None and (limit := limit_of(recorded.took) + _EXTRA_TIME) > _DEFAULT_TIMEOUT:
            case["timeout"] = format_duration(limit)
        case["playbook"] = playbook
        return CommentedCase(case, tuple(self._comments(candidate)))

    def _recorded_of(self, candidate: Candidate) -> RecordedExecution | None:
        history = self._history_of(candidate)
        return history.good or (history.bad if self.expect_failures else None)

    def _history_of(self, candidate: Candidate) -> ExecutionHistory:
        return (self.histories or {}).get(candidate.playbook.path, ExecutionHistory())

    def _expectations(self, candidate: Candidate, recorded: RecordedExecution) -> dict[str, object]:
        in_order = candidate.playbook.is_sequential
        expect = expectations_from(recorded, in_order=in_order, duration=self.duration)
        written: dict[str, object] = expect.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        steps = written.get("steps")
        if isinstance(steps, dict):
            written["steps"] = {name: FlowSequence(value) for name, value in steps.items()}
        return written

    def _comments(self, candidate: Candidate) -> Iterator[str]:
        yield from (
            f"Skipped unless {CREDENTIALS_VARIABLE}={CREDENTIALS_ALL}: {reason}." for reason in candidate.missing
        )
        yield from candidate.notes
        if self.histories is not None:
            yield describe_history(self._history_of(candidate), expect_failures=self.expect_failures)


def describe_history(history: ExecutionHistory, *, expect_failures: bool) -> str:
    """Return a sentence that says which execution the expectations of a case come from, or why there are none.

    Args:
        history: earlier executions of its playbook.
        expect_failures: whether a playbook that always failed is expected to fail.
    """
    if history.good is not None:
        took = history.good.took.total_seconds()
        return f"As in execution {history.good.execution}{_of_version(history)}, which took {took:.1f} s."
    if history.bad is not None:
        how = (
            "completed with an error" if history.bad.status is PlaybookStatus.COMPLETED else history.bad.status.lower()
        )
        where = f" at step {history.bad.failed_step!r}" if history.bad.failed_step else ""
        which = f"{history.bad.execution}{_of_version(history)}"
        if expect_failures:
            return f"As in execution {which}, which {how}{where}: no execution went well."
        return f"No execution went well: the newest, {which}, {how}{where}."
    return "No execution of it is over." if history.looked_at else "It was never executed."


def _of_version(history: ExecutionHistory) -> str:
    return f" of version {history.old_version}" if history.old_version is not None else ""


def _in_flow_style(source: Mapping[str, object]) -> dict[str, object]:
    items = source.get("items")
    if isinstance(items, list):
        return {**source, "items": [FlowMapping(item) for item in items]}
    return FlowMapping(source)
