"""Each expectation at its edges, and what is said of it when it is broken."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.unit.kinds.playbook.logs import ROOT, event, log_of

from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS
from testrun_operator.kinds.playbook.execution.description import describe
from testrun_operator.kinds.playbook.execution.judging import describe_error, judge
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import PlaybookExpectations
from testrun_operator.masking import Masker
from testrun_operator.runner.findings import Finding, describe_failures
from testrun_operator.runner.problem import InvalidCase

_RAN = (
    event(1, "playbook.initialized", "p", "initialized"),
    event(2, "step.enter", "first", "RUNNING"),
    event(3, "step.exit", "first", "COMPLETED", result={"n": 1}),
    event(4, "step.enter", "second", "RUNNING"),
    event(5, "step.exit", "second", "COMPLETED", result={"n": 2}),
    event(6, "step.exit", "first", "COMPLETED", execution=ROOT + 1),
    event(7, "playbook.completed", "p", "completed"),
)


def _judge(log: Log, masker: Masker | None = None, **expect: Any) -> list[Finding]:
    final = final_status(log)
    expectations = PlaybookExpectations.model_validate(expect)
    return list(judge(expectations, log, final, describe(log, final), masker or Masker([])))


def _one(name: str, *events: Event, masker: Masker | None = None, **expect: Any) -> Finding:
    log = log_of(Dialect.COMMAND, *(events or _RAN))
    found = [finding for finding in _judge(log, masker, **expect) if finding.name.startswith(name)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("least", "most", "holds"), [(7, None, True), (8, None, False), (0, 7, True), (0, 6, False)])
def test_events_of_everything_that_was_started_are_counted(least: int, most: int | None, *, holds: bool) -> None:
    """As they are in the log."""
    name = "minEvents" if most is None else "maxEvents"
    finding = _one(name, **({"minEvents": least} if most is None else {"maxEvents": most}))
    assert finding.passed is holds
    assert finding.actual == "7 events"


@pytest.mark.parametrize(
    ("expectation", "count", "holds"),
    [
        ({}, 3, True),
        ({"min": 3, "max": 3}, 3, True),
        ({"min": 4}, 3, False),
        ({"max": 2}, 3, False),
        ({"min": 0, "max": 0}, 3, False),
        ({"node": "second"}, 1, True),
        ({"node": "second", "status": "completed"}, 1, True),
        ({"status": "FAILED"}, 0, False),
        ({"status": "FAILED", "min": 0, "max": 0}, 0, True),
        ({"node": "third", "min": 0}, 0, True),
    ],
)
def test_events_are_counted_by_type_status_and_step(expectation: dict[str, Any], count: int, *, holds: bool) -> None:
    """Both edges belong to what is expected."""
    finding = _one("events step.exit", events=[{"type": "step.exit", **expectation}])
    assert finding.passed is holds
    assert finding.actual.startswith(f"{count} event")


def test_events_that_are_missing_are_told_with_what_there_is() -> None:
    """The usual mistake is a type, a status or a step that the release calls otherwise."""
    missing = _one("events", events=[{"type": "step.result"}])
    assert missing.sentence == (
        "expected at least 1 event, got 0 events; there are playbook.initialized, step.enter (2 times), "
        "step.exit (3 times), playbook.completed"
    )
    other = _one("events", events=[{"type": "step.exit", "node": "third", "min": 1, "max": 1}])
    assert other.name == "events step.exit of step 'third'"
    assert other.sentence == (
        "expected exactly 1 event, got 0 events; of this type there are COMPLETED of 'first' (2 times), "
        "COMPLETED of 'second'"
    )
    nothing = next(one for one in _judge(log_of(Dialect.BATCH), events=[{"type": "x"}]) if one.name == "events x")
    assert nothing.actual == "0 events; there are none at all"


@pytest.mark.parametrize(("most", "holds"), [("6s", True), ("5s999ms", False)])
def test_the_duration_is_from_the_first_event_to_the_last(most: str, *, holds: bool) -> None:
    """By the times that the events have, which need not be in the order of their ids."""
    late = (event(1, "a", seconds=6.0), event(2, "b", seconds=0.0), event(3, "c", seconds=3.0))
    finding = _one("maxDuration", *late, maxDuration=most)
    assert finding.passed is holds
    assert finding.actual == "6.000 s from first to last event"


def test_a_log_without_an_event_took_no_time() -> None:
    """Nothing else is to be said of it."""
    findings = _judge(log_of(Dialect.BATCH), maxDuration="1s", minEvents=1)
    assert {finding.name: finding.passed for finding in findings} == {
        "status": True,
        "noErrors": True,
        "minEvents": False,
        "maxDuration": True,
    }


def test_steps_that_ran_and_those_that_did_not_are_told() -> None:
    """One finding for each, which names what ran instead."""
    expect = {"steps": {"ran": ["first", "third"], "notRan": ["second", "third"]}}
    findings = {finding.name: finding for finding in _judge(log_of(Dialect.COMMAND, *_RAN), **expect)}
    assert findings["steps.ran first"].passed
    assert findings["steps.ran third"].sentence == (
        "expected the step ran, got it did not; those that ran: first, second"
    )
    assert findings["steps.notRan second"].sentence == "expected the step did not run, got it ran"
    assert findings["steps.notRan third"].passed


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (["first", "second"], ""),
        (["first"], ""),
        (["second"], ""),
        (["second", "first"], "'first' did not start after 'second'"),
        (["first", "first"], "'first' did not start after 'first'"),
        (["third", "first"], "'third' did not start"),
    ],
)
def test_steps_start_in_an_order_with_others_between_them(order: list[str], problem: str) -> None:
    """The whole order is shown where it is another."""
    finding = _one("steps.inOrder", steps={"inOrder": order})
    assert finding.passed is not problem
    assert finding.passed == (not problem)
    assert finding.actual == "first → second" + (f"; {problem}" if problem else "")
    assert finding.expected == " → ".join(order)


def test_where_nothing_ran_it_is_said() -> None:
    """An empty list would be taken for a fault of ours."""
    findings = {one.name: one for one in _judge(log_of(Dialect.BATCH), steps={"ran": ["a"], "inOrder": ["a", "b"]})}
    assert findings["steps.ran a"].actual == "it did not; those that ran: no step"
    assert findings["steps.inOrder"].actual == "no step; 'a' did not start"


def test_expressions_see_the_status_the_result_the_steps_and_the_events() -> None:
    """Numbers stay numbers, and what is broken shows both values."""
    expressions: list[dict[str, JsonValue]] = [
        {"expression": "steps.first.n", "equals": 1},
        {"expression": "result", "equals": {"n": 2}},
        {"expression": "events.step_exit", "equals": 3},
        {"expression": "execution.id", "equals": str(ROOT)},
        {"expression": "status", "equals": "Failed"},
        {"expression": "abs(status)", "equals": 1},
    ]
    findings = _judge(log_of(Dialect.COMMAND, *_RAN), jmespath=expressions)[2:]
    assert [finding.passed for finding in findings] == [True, True, True, True, False, False]
    assert findings[4].sentence == 'expected "Failed", got "Completed"'
    assert findings[5].actual.startswith("an error: ")


def test_an_expression_over_a_result_that_is_too_large_says_so_when_it_is_broken() -> None:
    """The playbook may be right; it cannot be looked at."""
    large = event(1, "step.exit", "make", result={"status": None, "context": {}, "leftOut": 70000})
    expressions = [{"expression": "steps.make.n", "equals": 1}, {"expression": "status", "equals": "Completed"}]
    findings = _judge(log_of(Dialect.COMMAND, large), jmespath=expressions)[2:]
    assert findings[0].sentence == "expected 1, got null; too large to be looked at is the result of 'make'"
    assert findings[1].passed


def test_an_expression_that_is_none_is_the_fault_of_the_case() -> None:
    """It names the field."""
    with pytest.raises(InvalidCase, match=r"playbook\.expect\.jmespath\[1\]\.expression"):
        _judge(
            log_of(Dialect.BATCH),
            jmespath=[{"expression": "status", "equals": "Completed"}, {"expression": "status[", "equals": 1}],
        )


@pytest.mark.parametrize(
    ("expect", "judged"),
    [
        ({}, True),
        ({"status": "Completed"}, True),
        ({"status": "Failed"}, False),
        ({"status": "Cancelled"}, False),
        ({"noErrors": False}, False),
        ({"status": "Cancelled", "noErrors": True}, True),
    ],
)
def test_errors_are_judged_where_completion_is_expected_or_the_case_says_so(
    expect: dict[str, Any], *, judged: bool
) -> None:
    """A playbook that is expected to fail has errors."""
    findings = _judge(log_of(Dialect.BATCH, event(1, "command.failed", "a", error="no")), **expect)
    assert ("noErrors" in [finding.name for finding in findings]) is judged


def test_a_run_that_completed_although_a_step_failed_is_told_with_all_such_steps() -> None:
    """The first with its text, the others by name; not the workflow that failed of them."""
    errors = [
        event(1, "step.exit", "a", "FAILED", error="no way"),
        event(2, "workflow.failed", "workflow", "FAILED", error="no way"),
        event(3, "step.exit", "b", "FAILED", error="no more"),
        event(4, "playbook.failed", "q", "FAILED", execution=ROOT + 1),
        event(5, "playbook.completed", "p", "COMPLETED"),
    ]
    finding = _one("noErrors", *errors)
    child = f"step 'q' of execution {ROOT + 1}"
    assert finding.actual == f"an error in step 'a': no way; errors in step 'b', {child}, too"


def test_an_error_without_a_text_is_told_by_its_type() -> None:
    """Some events say only that something failed."""
    log = log_of(Dialect.BATCH, event(1, "batch.failed", "events.batch", "FAILED"))
    assert describe_error(log.events[0], log, Masker([])) == "step 'events.batch': batch.failed FAILED"


@pytest.mark.parametrize("secret", ["s3cr3t-value", 'it\'s "quoted" here', "back\\slash and 'quote"])
def test_secrets_of_the_log_do_not_get_into_findings(secret: str) -> None:
    """Wherever they stand in it, and however they would be quoted."""
    events = [
        event(1, f"type {secret}", f"node {secret}", secret, error=f"no entry with {secret}", result={"key": secret}),
        event(2, "step.exit", f"node {secret}", f"FAILED {secret}", error=f"{'x' * 290} {secret}", result=secret),
        event(3, "playbook.failed", secret, secret, error=secret),
    ]
    findings = _judge(
        log_of(Dialect.COMMAND, *events),
        Masker([secret]),
        events=[{"type": "step.exit", "status": "fine"}, {"type": "nothing"}],
        steps={"ran": ["x"], "inOrder": ["y"]},
        jmespath=[{"expression": "steps", "equals": 1}, {"expression": "abs(result)", "equals": 1}],
    )
    told = "\n".join(f"{finding.name} {finding.sentence}" for finding in findings)
    assert "***" in told
    assert secret not in told
    assert secret[:6] not in told


_NAMES = st.sampled_from(["a", "b", "c", "x" * 250, "ü\n\x1b[31m"])
_TYPES = st.sampled_from(
    [
        "step.enter",
        "step.exit",
        "step_started",
        "action_failed",
        "action_completed",
        "command.failed",
        "call.error",
        "playbook.completed",
        "playbook_failed",
        "execution.cancelled",
        "batch.completed",
        "unheard.of",
    ]
)


@st.composite
def _logs(draw: st.DrawFn) -> Log:
    events = [
        event(
            number,
            draw(_TYPES),
            draw(_NAMES),
            draw(st.sampled_from(["", "COMPLETED", "failed"])),
            error=draw(st.sampled_from(["", "no", "y" * 5000])),
            command=draw(st.sampled_from([None, 1, 2])),
            execution=draw(st.sampled_from([ROOT, ROOT + 1])),
            seconds=draw(st.floats(0, 100)),
        )
        for number in range(1, draw(st.integers(0, 12)) + 1)
    ]
    return log_of(draw(st.sampled_from(list(Dialect))), *events)


@given(
    log=_logs(),
    status=st.sampled_from(["Completed", "Failed", "Cancelled"]),
    names=st.lists(_NAMES, max_size=4, unique=True),
    least=st.integers(0, 5),
    further=st.integers(0, 5),
    event_type=_TYPES,
)
def test_whatever_is_broken_says_what_was_expected_and_what_was_seen_within_bounds(
    log: Log, status: str, names: list[str], least: int, further: int, event_type: str
) -> None:
    """For any log and any expectations; and the message of all of them together fits into a report."""
    findings = _judge(
        log,
        status=status,
        noErrors=None if status == "Failed" else True,
        minEvents=least,
        maxEvents=least + further,
        maxDuration="10s",
        events=[{"type": event_type, "min": least, "max": least + further}],
        steps={"ran": names, "inOrder": names},
        jmespath=[{"expression": "length(steps)", "equals": least}],
    )
    for finding in findings:
        assert finding.expected
        assert finding.actual
        assert len(finding.sentence) < 2000
        assert finding.sentence.isprintable()
        assert finding.as_detail().passed is finding.passed
    failures = [finding for finding in findings if not finding.passed]
    assert len(describe_failures(failures, Masker([]))) <= MAX_MESSAGE_CHARACTERS


@given(log=_logs(), names=st.lists(_NAMES, max_size=4, unique=True))
def test_a_step_either_ran_or_did_not(log: Log, names: list[str]) -> None:
    """What one of the two expectations takes for right the other takes for wrong."""
    ran = [one.passed for one in _judge(log, steps={"ran": names}) if one.name.startswith("steps.ran")]
    not_ran = [one.passed for one in _judge(log, steps={"notRan": names}) if one.name.startswith("steps.notRan")]
    assert ran == [not passed for passed in not_ran]
    assert len(ran) == len(names)
