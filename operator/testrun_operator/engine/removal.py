"""Which Jobs may go while their run still goes on (``keepJobs: NotPassed``), and how a status names their cases.

What a Job shows is needed until its verdict is where only the operator writes. So the status has the cases that passed
and whose Jobs may be gone, as a bitmap: 10,000 cases are at most 1,700 characters, and a few where most have passed.
"""

import base64
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from testrun_operator.api.verdict import Verdict
from testrun_operator.engine.observation import JobObservation, JobState
from testrun_operator.engine.outcome import CaseOutcome
from testrun_operator.engine.plans import Execution, PlanState


@dataclass(frozen=True, slots=True)
class NamedCases:
    """Cases that passed and whose Jobs may be gone."""

    cases: frozenset[str] = frozenset()
    text: str | None = None
    """The same as a status has them; None for no case."""


NO_CASES = NamedCases()


def find_removable(
    execution: Execution, plan_state: PlanState, jobs: Iterable[JobObservation], stored: Collection[str] | None
) -> frozenset[str]:
    """Find the cases whose Jobs nobody needs any more, as soon as a status has named them.

    They passed with their first attempt, are stored, and their Jobs are over; no case that has not ended yet needs
    their outputs. Everything else (what failed, what needed a retry) is what people want to look at.

    Args:
        execution: what is being executed.
        plan_state: what is known of it.
        jobs: its Jobs with their pods, as far as they exist.
        stored: the cases of which everything is in Postgres; None if there is no Postgres.
    """
    # Variants share what they need, and all of them together may need millions: so each list is looked at once.
    waiting = {id(case.needs): case.needs for case in execution.cases if case.name not in plan_state.cases}
    needed = {need for needs in waiting.values() for need in needs}
    busy = {job.case for job in jobs if is_busy(job)}
    return frozenset(
        name
        for name, outcome in plan_state.cases.items()
        if passed_at_once(outcome) and name not in needed and name not in busy and (stored is None or name in stored)
    )


def is_busy(job: JobObservation) -> bool:
    """Whether a Job, or its pod, is not over yet, or the Job is not the one of a first attempt."""
    is_under_way = job.state is JobState.ACTIVE or (job.pod is not None and (job.pod.may_run or job.pod.lingers))
    return is_under_way or job.attempt != 1


def passed_at_once(outcome: CaseOutcome) -> bool:
    """Whether a case passed with the first attempt that it had."""
    return outcome.verdict is Verdict.PASSED and not outcome.flaky and [a.attempt for a in outcome.attempts] == [1]


def name_cases(chosen: Collection[str], names: Iterable[str]) -> NamedCases:
    """Write cases as a status has them.

    Args:
        chosen: the cases.
        names: all cases of the execution. Their order does not matter: another release may plan another one.
    """
    ordered = sorted(names)
    bits = bytearray(_size(ordered))
    for position, name in enumerate(ordered):
        if name in chosen:
            bits[position // 8] |= 1 << (position % 8)
    known = frozenset(name for name in ordered if name in chosen)
    return NamedCases(known, base64.b64encode(zlib.compress(bytes(bits), 9)).decode() if known else None)


def read_cases(text: str | None, names: Iterable[str]) -> NamedCases:
    """Read what :func:`name_cases` has written.

    Raises:
        ValueError: the text is none that was written for these cases.
    """
    if text is None:
        return NO_CASES
    ordered = sorted(names)
    bits = _unpack(text, _size(ordered))
    chosen = frozenset(name for position, name in enumerate(ordered) if bits[position // 8] >> (position % 8) & 1)
    if len(chosen) != int.from_bytes(bits).bit_count():
        msg = f"it names cases beyond the {len(ordered)} of the execution"
        raise ValueError(msg)
    return NamedCases(chosen, text)


def _unpack(text: str, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(bits) != size or not unpacker.eof or unpacker.unused_data:
        msg = f"it is no list of {size} bytes"
        raise ValueError(msg)
    return bits


def _size(ordered: Sequence[str]) -> int:
    return (len(ordered) + 7) // 8
