"""How an execution ended."""

from datetime import datetime

import pytest
from tests.unit.kinds.playbook.replay import all_timelines

from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.status import final_status, first_error
from testrun_operator.kinds.playbook.spec import PlaybookStatus

_WHEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as in the log
_FAILED = ("late_failure", "retry_exhausted")


def _log(*types: str, execution: int = 7, error: str = "") -> Log:
    events = [Event(number, execution, one, "", "step", _WHEN, error=error) for number, one in enumerate(types, 1)]
    return Log(7, Dialect.BATCH, tuple(events))


def test_every_recording_that_came_to_an_end_is_judged_by_its_last_word() -> None:
    """The playbooks say by their names how they must end."""
    judged = 0
    for timeline in all_timelines():
        final = final_status(timeline.complete)
        playbook = timeline.name.rpartition("-")[0]
        if playbook in _FAILED and not final.inferred:
            assert final.status is PlaybookStatus.FAILED, timeline.name
            judged += 1
        elif playbook == "cancelled":
            assert (final.status, final.inferred) == (PlaybookStatus.CANCELLED, False), timeline.name
        elif playbook == "open_end":
            assert (final.status, final.inferred) == (PlaybookStatus.COMPLETED, True), timeline.name
        elif playbook in ("hello_world", "retry", "composition_of_failure", "loop") and not final.inferred:
            assert final.status is PlaybookStatus.COMPLETED, timeline.name
            judged += 1
    assert judged > 10


@pytest.mark.parametrize(
    ("types", "status", "inferred"),
    [
        (("playbook_failed", "action_started", "playbook_completed"), PlaybookStatus.COMPLETED, False),
        (("playbook_completed", "playbook_failed"), PlaybookStatus.FAILED, False),
        (("playbook.completed", "execution.cancelled"), PlaybookStatus.COMPLETED, False),
        (("playbook.failed", "execution.cancelled"), PlaybookStatus.FAILED, False),
        (("execution.cancelled", "command.completed", "playbook.completed"), PlaybookStatus.CANCELLED, False),
        (("command.issued", "command.completed"), PlaybookStatus.COMPLETED, True),
        (("command.issued", "command.failed"), PlaybookStatus.FAILED, True),
    ],
)
def test_the_last_word_counts_but_who_has_ended_cannot_be_cancelled(
    types: tuple[str, ...], status: PlaybookStatus, *, inferred: bool
) -> None:
    """A retry of 1.x fails before it completes; 4.26 accepts to cancel what is over."""
    final = final_status(_log(*types))
    assert (final.status, final.inferred) == (status, inferred)


def test_an_execution_without_a_last_word_has_not_failed_for_an_attempt_that_was_repeated_with_success() -> None:
    """A command that was given out again, as its worker was lost, has an error and then a good end."""
    events = (
        Event(1, 7, "command.issued", "PENDING", "step", _WHEN, command=5),
        Event(2, 7, "command.failed", "FAILED", "step", _WHEN, command=5, error="the worker is gone"),
        Event(3, 7, "command.completed", "COMPLETED", "step", _WHEN, command=5),
    )
    final = final_status(Log(7, Dialect.BATCH, events))
    assert (final.status, final.inferred) == (PlaybookStatus.COMPLETED, True)
    assert final_status(Log(7, Dialect.BATCH, events[:2])).status is PlaybookStatus.FAILED


def test_errors_of_started_executions_do_not_decide_about_the_one_that_started_them() -> None:
    """A playbook that handles the failure of another is no failure."""
    child = _log("command.failed", execution=8, error="broken")
    assert final_status(child).status is PlaybookStatus.COMPLETED
    found = first_error(child)
    assert found is not None
    assert found.error == "broken"


def test_the_first_error_is_one_that_says_what_happened() -> None:
    """``playbook.failed`` of 4.26 has no text, ``call.error`` has."""
    events = (
        Event(1, 7, "playbook.failed", "failed", "p", _WHEN),
        Event(2, 7, "call.error", "FAILED", "third", _WHEN, error="it broke"),
    )
    found = first_error(Log(7, Dialect.BATCH, events))
    assert found is not None
    assert found.node == "third"
    assert first_error(_log("playbook.completed")) is None


def test_what_says_so_is_named_as_it_was_written() -> None:
    """For people who look for it in the log."""
    events = (Event(1, 7, "playbook.failed", "failed", "p", _WHEN),)
    assert final_status(Log(7, Dialect.BATCH, events)).as_written == "playbook.failed/failed"
