"""Which errors of a log remain, and which ones the server made up for."""

from tests.unit.kinds.playbook.logs import ROOT, event, log_of

from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.status import find_errors


def _standing(log: Log) -> list[int]:
    return [error.id for error in find_errors(log).standing]


def _attempt(start: int, node: str = "fetch") -> list[Event]:
    """What 1.x writes at each attempt that fails."""
    return [
        event(start, "action_started", node, "RUNNING"),
        event(start + 1, "action_failed", node, "FAILED", error="no"),
        event(start + 2, "step_failed", node, "FAILED", error="no"),
        event(start + 3, "workflow_failed", "workflow", "FAILED", error="no"),
        event(start + 4, "playbook_failed", "p", "FAILED", error="no"),
    ]


_END = event(99, "playbook_completed", "p", "COMPLETED")


def test_attempts_of_1_are_made_up_for_by_one_that_works() -> None:
    """However many there were."""
    done = event(20, "action_completed", "fetch", "COMPLETED")
    log = log_of(Dialect.QUEUE, event(1, "step_started", "fetch"), *_attempt(2), *_attempt(10), done, _END)
    errors = find_errors(log)
    assert errors.standing == ()
    assert len(errors.repeated) == 8
    assert errors.first is not None
    assert errors.first.id == 3


def test_another_step_makes_up_for_nothing() -> None:
    """The playbook handles the error; it remains one."""
    done = event(20, "action_completed", "other", "COMPLETED")
    assert _standing(log_of(Dialect.QUEUE, *_attempt(2), done, _END)) == [3, 4, 5, 6]


def test_a_step_that_the_flow_comes_back_to_makes_up_for_nothing() -> None:
    """That is the playbook's doing, not the server's."""
    again = [event(20, "step_started", "fetch"), event(21, "action_completed", "fetch", "COMPLETED")]
    assert _standing(log_of(Dialect.QUEUE, *_attempt(2), *again, _END)) == [3, 4, 5, 6]


def test_a_success_before_the_failure_makes_up_for_nothing() -> None:
    """1.8.0 writes that an action completed, then finds that it cannot write down its result, and goes on."""
    log = log_of(
        Dialect.QUEUE,
        event(1, "action_completed", "fetch", "COMPLETED"),
        event(2, "action_failed", "fetch", "FAILED", error="no dictionary"),
        _END,
    )
    assert _standing(log) == [2]


def test_one_error_that_remains_keeps_those_of_the_whole() -> None:
    """It may be the one that the playbook failed of."""
    done = event(20, "action_completed", "fetch", "COMPLETED")
    log = log_of(Dialect.QUEUE, *_attempt(2), done, event(30, "action_failed", "other", "FAILED", error="no"), _END)
    assert _standing(log) == [5, 6, 30]


def test_a_playbook_that_failed_in_the_end_has_failed() -> None:
    """Although the step was repeated with success."""
    done = event(20, "action_completed", "fetch", "COMPLETED")
    end = event(99, "playbook_failed", "p", "FAILED", error="at the end")
    assert _standing(log_of(Dialect.QUEUE, *_attempt(2), done, end)) == [5, 6, 99]


def test_iterations_of_a_loop_do_not_make_up_for_each_other() -> None:
    """On 2.x and 4.x they all have the name of the step."""
    for dialect in (Dialect.COMMAND, Dialect.BATCH):
        numbered = dialect is Dialect.BATCH
        log = log_of(
            dialect,
            event(1, "command.failed", "each", "FAILED", error="no", command=11 if numbered else None),
            event(2, "command.completed", "each", "COMPLETED", command=12 if numbered else None),
            event(9, "playbook.completed", "p", "COMPLETED"),
        )
        assert _standing(log) == [1]


def test_a_command_that_is_repeated_under_its_id_makes_up_for_itself() -> None:
    """As where a worker died over it and another one took it."""
    log = log_of(
        Dialect.BATCH,
        event(1, "call.error", "fetch", "FAILED", error="no", command=11),
        event(2, "command.failed", "fetch", "FAILED", error="no", command=11),
        event(3, "command.completed", "fetch", "COMPLETED", command=11),
        event(9, "playbook.completed", "p", "completed"),
    )
    assert _standing(log) == []
    assert len(find_errors(log).repeated) == 2


def test_a_command_that_is_cancelled_makes_up_for_nothing() -> None:
    """It is an end, and no success."""
    log = log_of(
        Dialect.BATCH,
        event(1, "command.failed", "fetch", "FAILED", error="no", command=11),
        event(2, "command.cancelled", "fetch", "CANCELLED", command=11),
    )
    assert _standing(log) == [1]


def test_errors_in_lower_case_and_completed_at_that_are_errors() -> None:
    """Servers of 2026 end a run whose step failed as completed, and say ``error`` of the command only."""
    log = log_of(
        Dialect.BATCH,
        event(1, "command.completed", "fetch", "error", command=11),
        event(2, "playbook.completed", "p", "COMPLETED"),
    )
    assert _standing(log) == [1]


def test_each_execution_makes_up_for_its_own() -> None:
    """Two executions of one playbook have steps of the same names."""
    log = log_of(
        Dialect.QUEUE,
        event(1, "action_failed", "fetch", "FAILED", error="no", execution=ROOT + 1),
        event(2, "action_completed", "fetch", "COMPLETED"),
        _END,
    )
    assert _standing(log) == [1]


def test_the_first_error_is_of_the_execution_itself_and_has_a_text() -> None:
    """What it started may have failed before; and some events say only that something failed."""
    log = log_of(
        Dialect.BATCH,
        event(1, "command.failed", "inner", "FAILED", error="inner", execution=ROOT + 1),
        event(2, "batch.failed", "events.batch", "FAILED"),
        event(3, "command.failed", "outer", "FAILED", error="outer"),
    )
    first = find_errors(log).first
    assert first is not None
    assert first.node == "outer"
    assert find_errors(log_of(Dialect.BATCH)).first is None
    wordless = find_errors(log_of(Dialect.BATCH, event(1, "batch.failed", "events.batch", "FAILED"))).first
    assert wordless is not None
