"""Turns playbooks into cases: as they stand in a suite, with what is to be said of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from testrun_operator.api.base import format_duration
from testrun_operator.kinds.playbook.commands.history import Experience, Memory, expect_the_same, limit_of
from testrun_operator.kinds.playbook.commands.manifests import Commented, Flow, FlowList, Packed
from testrun_operator.kinds.playbook.commands.selection import Candidate
from testrun_operator.kinds.playbook.spec import PlaybookStatus

CREDENTIALS_VARIABLE = "credentials"
CREDENTIALS_MISSING = "missing"
CREDENTIALS_ALL = "all"
CREDENTIALS_TAG = "needs-credentials"

_DEFAULT_TIMEOUT = timedelta(minutes=5)
_SETTLING = timedelta(minutes=1)
"""What a case may need beyond the time of its execution."""
_LONGEST_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class Casting:
    """How playbooks become cases."""

    connection: str
    packed: Packed | None = None
    """Where cases find the playbooks that they register; None where they do not."""
    memories: Mapping[str, Memory] | None = None
    """What is known of earlier executions, by path; None where nobody asked."""
    duration: bool = True
    """Whether to expect that an execution does not take much longer than the earlier one."""
    expect_failures: bool = False
    """Whether what always failed is expected to fail."""

    def case_of(self, candidate: Candidate) -> Commented:
        """Make the case of a playbook."""
        experience = self._experience_of(candidate)
        playbook: dict[str, object] = {"connection": self.connection, "path": candidate.playbook.path}
        if self.packed is not None:
            playbook["register"] = {"configMap": _short(self.packed.source_of(candidate))}
        if experience is not None:
            playbook["expect"] = self._expectations(candidate, experience)
        case: dict[str, object] = {"name": candidate.name}
        if candidate.playbook.description:
            case["description"] = candidate.playbook.description[:_LONGEST_DESCRIPTION]
        if candidate.category:
            case["category"] = candidate.category
        if candidate.missing:
            case["tags"] = FlowList([CREDENTIALS_TAG])
            requirement = {"key": CREDENTIALS_VARIABLE, "operator": "In", "values": FlowList([CREDENTIALS_ALL])}
            case["when"] = [Flow(requirement)]
        if experience is not None and (limit := limit_of(experience.took) + _SETTLING) > _DEFAULT_TIMEOUT:
            case["timeout"] = format_duration(limit)
        case["playbook"] = playbook
        return Commented(case, tuple(self._comments(candidate)))

    def _experience_of(self, candidate: Candidate) -> Experience | None:
        memory = self._memory_of(candidate)
        return memory.good or (memory.bad if self.expect_failures else None)

    def _memory_of(self, candidate: Candidate) -> Memory:
        return (self.memories or {}).get(candidate.playbook.path, Memory())

    def _expectations(self, candidate: Candidate, experience: Experience) -> dict[str, object]:
        in_order = candidate.playbook.is_sequential
        expect = expect_the_same(experience, in_order=in_order, duration=self.duration)
        written: dict[str, object] = expect.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        steps = written.get("steps")
        if isinstance(steps, dict):
            written["steps"] = {name: FlowList(value) for name, value in steps.items()}
        return written

    def _comments(self, candidate: Candidate) -> Iterator[str]:
        yield from (
            f"Skipped unless {CREDENTIALS_VARIABLE}={CREDENTIALS_ALL}: {reason}." for reason in candidate.missing
        )
        yield from candidate.notes
        if self.memories is not None:
            yield say_memory(self._memory_of(candidate), expect_failures=self.expect_failures)


def say_memory(memory: Memory, *, expect_failures: bool) -> str:
    """Say what a case's expectations come from, or why there are none."""
    if memory.good is not None:
        took = memory.good.took.total_seconds()
        return f"As in execution {memory.good.execution}{_of_version(memory)}, which took {took:.1f} s."
    if memory.bad is not None:
        how = "completed with an error" if memory.bad.status is PlaybookStatus.COMPLETED else memory.bad.status.lower()
        where = f" at step {memory.bad.failed_step!r}" if memory.bad.failed_step else ""
        which = f"{memory.bad.execution}{_of_version(memory)}"
        if expect_failures:
            return f"As in execution {which}, which {how}{where}: no execution went well."
        return f"No execution went well: the newest, {which}, {how}{where}."
    return "No execution of it is over." if memory.looked_at else "It was never executed."


def _of_version(memory: Memory) -> str:
    return f" of version {memory.old_version}" if memory.old_version is not None else ""


def _short(source: Mapping[str, object]) -> dict[str, object]:
    items = source.get("items")
    if isinstance(items, list):
        return {**source, "items": [Flow(item) for item in items]}
    return Flow(source)
