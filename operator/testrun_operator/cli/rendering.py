"""A TestRun as text."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from testrun_operator.api.phase import ConditionType
from testrun_operator.api.reason import ConditionReason
from testrun_operator.cli.cluster import Run
from testrun_operator.resources.status import MAX_FAILURES, CaseCounts, Condition, format_time
from testrun_operator.terminal.printing import Column, format_seconds, make_fields, make_table, stack

_COUNTS = (
    ("TOTAL", "total"),
    ("PENDING", "pending"),
    ("RUNNING", "running"),
    ("PASSED", "passed"),
    ("FAILED", "failed"),
    ("TIMEDOUT", "timed_out"),
    ("ERRORED", "errored"),
    ("SKIPPED", "skipped"),
    ("CANCELLED", "cancelled"),
    ("FLAKY", "flaky"),
)


def present_run(run: Run) -> RenderableType:
    """Show everything that a TestRun's status says."""
    return stack(_parts(run))


def present_failures(run: Run) -> RenderableType:
    """Show the cases that did not pass, as far as the status has them."""
    return stack(_failures(run))


def present_progress(run: Run) -> str:
    """Say in one line where a run is."""
    status = run.status
    line = f"{run.namespace}/{run.name}: {run.phase_text}"
    counts = status.cases
    if run.is_over:
        taken = format_seconds(status.duration_seconds)
        said = _message(run, ConditionType.READY)
        return line + (f" after {taken}" if taken else "") + (f": {said}" if said else "")
    if counts is None:
        said = _message(run, ConditionType.RECONCILING)
        return line + (f": {said}" if said else "")
    line += f": {_ended(counts)} of {counts.total} cases ended, {counts.running} running{_not_passed(counts)}"
    condition = _condition(run, ConditionType.RECONCILING)
    waits = condition is not None and condition.reason != ConditionReason.RUNNING
    return f"{line} ({condition.message})" if waits and condition is not None else line


def _ended(counts: CaseCounts) -> int:
    return counts.total - counts.pending - counts.running


def _not_passed(counts: CaseCounts) -> str:
    number = counts.failed + counts.timed_out + counts.errored + counts.cancelled
    return f", {number} not passed" if number else ""


def _condition(run: Run, kind: ConditionType) -> Condition | None:
    return next((condition for condition in run.status.conditions if condition.type == kind), None)


def _message(run: Run, kind: ConditionType) -> str:
    condition = _condition(run, kind)
    return condition.message if condition is not None else ""


def _parts(run: Run) -> Iterator[RenderableType]:
    status = run.status
    started = format_time(status.start_time) if status.start_time else None
    yield make_fields(
        (
            ("TestRun", f"{run.namespace}/{run.name}"),
            ("Phase", run.phase_text),
            ("Suite", run.suite),
            ("Revision", status.revision),
            ("Execution", status.run_id),
            ("Started", started),
            ("Took", format_seconds(status.duration_seconds)),
            ("Passed", f"{status.success_rate} % of the executed cases" if status.success_rate else None),
        )
    )
    if status.cases is not None:
        yield make_table(
            [Column(title, is_number=True) for title, _ in _COUNTS],
            [[getattr(status.cases, field) for _, field in _COUNTS]],
            gap=1,  # so that they fit into 80 columns
        )
    if status.conditions:
        yield make_table(
            (Column("CONDITION"), Column("STATUS"), Column("REASON"), Column("MESSAGE", is_text=True)),
            [(item.type, item.status, item.reason, item.message) for item in status.conditions],
        )
    yield from _failures(run)


def _failures(run: Run) -> Iterator[RenderableType]:
    status = run.status
    if status.failures:
        yield make_table(
            (
                Column("NOT PASSED"),
                Column("VERDICT"),
                Column("REASON"),
                Column("ATTEMPT", is_number=True),
                Column("MESSAGE", is_text=True),
            ),
            [(item.case, item.verdict, item.reason, item.attempt, item.message) for item in status.failures],
        )
    executions = [(item.case, item.execution) for item in status.failures if item.execution is not None]
    if executions:
        yield make_table(
            (Column("PLAYBOOK CASE"), Column("PLAYBOOK EXECUTION"), Column("ENDED"), Column("PAGE", is_text=True)),
            [(case, found.id, found.status or "not known", found.page) for case, found in executions],
        )
    if len(status.failures) == MAX_FAILURES:
        yield Text(f"These are the first {MAX_FAILURES}; 'testrun results {status.run_id}' shows all of them.")
