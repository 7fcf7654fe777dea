"""An execution in one line, for the terminal and for the page."""

from testrun_operator.kinds.sql.outcome import Counts, Mark, ProjectOutcome, Step, Stop

_MINUTE = 60.0


def format_time(seconds: float) -> str:
    """Render a duration for people: ``0.04 s``, ``4.2 s``, ``1 min 5 s``."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), int(_MINUTE))
    return f"{minutes} min {rest} s"


def describe_counts(counts: Counts) -> str:
    """Render counts, the worst first, without those that are 0: ``1 failed, 119 passed, 3 skipped``."""
    parts = (
        (counts.failed, Mark.FAILED),
        (counts.not_run, Mark.NOT_RUN),
        (counts.passed, Mark.PASSED),
        (counts.skipped, Mark.SKIPPED),
    )
    return ", ".join(f"{number} {mark}" for number, mark in parts if number) or "no tests"


def count_marks(marks: list[Mark]) -> Counts:
    """Count marks."""
    return Counts(
        total=len(marks),
        passed=marks.count(Mark.PASSED),
        failed=marks.count(Mark.FAILED),
        skipped=marks.count(Mark.SKIPPED),
        not_run=marks.count(Mark.NOT_RUN),
    )


def summarize(outcome: ProjectOutcome) -> str:
    """Render an outcome in one line: ``1 failed, 119 passed, 3 skipped in 4.2 s``."""
    return f"{describe_counts(outcome.counts)} in {format_time(outcome.seconds)}"


def has_values_to_show(step: Step) -> bool:
    """Whether what was expected and received says more than the message of a step already does."""
    return step.expected != step.actual and not (step.actual and step.actual in step.message)


def could_not_run(outcome: ProjectOutcome) -> bool:
    """Whether the execution says nothing about what was to be tested, because the database could not be used."""
    return outcome.stopped is not None and outcome.stopped.why in {Stop.CONNECTION_LOST, Stop.IMPOSSIBLE}


def describe_verdict(outcome: ProjectOutcome) -> str:
    """Render the verdict in a word or two: ``Passed``, ``Failed``, ``Timed out``, ``Could not run``."""
    if could_not_run(outcome):
        return "Could not run"
    if outcome.stopped is not None and outcome.stopped.why is Stop.TIMED_OUT:
        return "Timed out"
    return "Passed" if outcome.passed else "Failed"
