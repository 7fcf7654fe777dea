"""Judges a complete log against what the case expects. Pure: the same log always gives the same findings."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final, TypeVar

from pydantic import JsonValue

from testrun_operator.api.base import format_duration
from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES
from testrun_operator.kinds.playbook.execution.description import left_out_of
from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.log import Event, Log
from testrun_operator.kinds.playbook.execution.status import Errors, FinalStatus, find_errors, is_about_all
from testrun_operator.kinds.playbook.execution.steps import Start, find_starts, is_named, step_of
from testrun_operator.kinds.playbook.spec import EventExpectation, PlaybookExpectations, PlaybookStatus
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable
from testrun_operator.runner.findings import Finding, judge_value
from testrun_operator.runner.problem import OutputsTooLarge

_NAMED: Final = 8
"""So many steps, types or statuses are named in a finding; the others are counted."""
_NAME_LENGTH: Final = 80
_ERROR_LENGTH: Final = 300
_T = TypeVar("_T", bound=Hashable)
_Place = tuple[str, int]
"""A step and its execution."""
_RESULT = "result"


def judge(
    expect: PlaybookExpectations, log: Log, final: FinalStatus, document: JsonValue, masker: Masker
) -> Iterator[Finding]:
    """Judge every expectation but the queries.

    Args:
        expect: what must hold; rendered.
        log: the log, which must be complete.
        final: how the execution ended.
        document: what ``describe`` makes of both, for expressions.
        masker: for what findings show of the log.

    Raises:
        InvalidCase: an expression turns out to be wrong.
    """
    ordered = dataclasses.replace(log, events=tuple(sorted(log.events, key=lambda event: event.id)))
    yield from _Judge(expect, ordered, final, masker).findings()
    for index, one in enumerate(expect.jmespath):
        expression = Expression.compile(one.expression, f"playbook.expect.jmespath[{index}].expression")
        finding = judge_value(expression, one.equals, document, masker)
        large = left_out_of(document)
        if large and not finding.passed:
            named = _list(large, lambda name: repr(masker.excerpt(name, _NAME_LENGTH)))
            note = f"{finding.actual}; too large to be looked at is the result of {named}"
            finding = dataclasses.replace(finding, actual=note)
        yield finding


def describe_error(event: Event, log: Log, masker: Masker) -> str:
    """Say what went wrong and where: ``step 'third': the third step is broken``.

    Args:
        event: the event that tells of the error.
        log: its log.
        masker: keeps secrets out.
    """
    what = masker.excerpt(event.error, _ERROR_LENGTH) or masker.excerpt(f"{event.type} {event.status}", _NAME_LENGTH)
    return f"{_say_place(step_of(log.dialect, event.node), event.execution, log, masker)}: {what}"


@dataclass(frozen=True)
class _Judge:
    """Judges one log.

    Args:
        expect: what must hold.
        log: the log.
        final: how the execution ended.
        masker: for what is shown.
    """

    expect: PlaybookExpectations
    log: Log
    final: FinalStatus
    masker: Masker

    def findings(self) -> Iterator[Finding]:
        expect = self.expect
        errors = find_errors(self.log)
        status = self._judge_status(errors)
        yield status
        no_errors = expect.no_errors
        if no_errors is None:
            no_errors = expect.status is PlaybookStatus.COMPLETED
        if no_errors:
            yield self._judge_errors(errors, is_told=not status.passed)
        count = len(self.log.events)
        if expect.min_events is not None:
            yield _judge_count("minEvents", count, expect.min_events, None)
        if expect.max_events is not None:
            yield _judge_count("maxEvents", count, 0, expect.max_events)
        if expect.max_duration is not None:
            yield self._judge_duration(expect.max_duration)
        for expectation in expect.events:
            yield self._judge_events(expectation)
        yield from self._judge_steps()

    def _judge_status(self, errors: Errors) -> Finding:
        expected, actual = self.expect.status, self.final.status
        how = "as no event says so" if self.final.inferred else self.masker.excerpt(self.final.as_written, _NAME_LENGTH)
        passed = expected is actual
        error = None if passed else errors.first
        told = f"; first error: {describe_error(error, self.log, self.masker)}" if error is not None else ""
        seen = f"{actual.value} ({'inferred, ' if self.final.inferred else ''}{how}){told}"
        return Finding("status", passed, expected.value, seen, self._location())

    def _judge_errors(self, errors: Errors, *, is_told: bool) -> Finding:
        """Judge whether there are errors.

        Args:
            errors: the errors.
            is_told: whether the first of them was told already.
        """
        expected = "no errors"
        if not errors.standing:
            told = ""
            if errors.first is not None:
                told = f" that remain; repeated with success: {describe_error(errors.first, self.log, self.masker)}"
            return Finding("noErrors", passed=True, expected=expected, actual=expected + told)
        places = self._places(errors.standing)
        if is_told or errors.first is None:
            actual = f"errors in {_list(places, self._say_place)}"
        else:
            others = [place for place in places if place != self._place(errors.first)]
            also = f"; errors in {_list(others, self._say_place)}, too" if others else ""
            actual = f"an error in {describe_error(errors.first, self.log, self.masker)}{also}"
        return Finding("noErrors", passed=False, expected=expected, actual=actual)

    def _judge_duration(self, most: timedelta) -> Finding:
        times = [event.created for event in self.log.events]
        took = max(times) - min(times) if times else timedelta()
        expected = f"at most {format_duration(most)}"
        return Finding("maxDuration", took <= most, expected, f"{took.total_seconds():.3f} s from first to last event")

    def _judge_events(self, expectation: EventExpectation) -> Finding:
        of_type = self._by_type.get(fold(expectation.type), [])
        found = [event for event in of_type if self._is_meant(event, expectation)]
        status = f" {expectation.status}" if expectation.status is not None else ""
        node = f" of step {expectation.node!r}" if expectation.node is not None else ""
        what = self.masker.excerpt(f"{expectation.type}{status}{node}")
        finding = _judge_count(f"events {what}", len(found), expectation.min, expectation.max)
        if finding.passed or len(found) >= expectation.min:
            return finding
        return Finding(
            finding.name, passed=False, expected=finding.expected, actual=finding.actual + self._hint(of_type)
        )

    @cached_property
    def _by_type(self) -> Mapping[str, Sequence[Event]]:
        found: dict[str, list[Event]] = {}
        for event in self.log.events:
            found.setdefault(fold(event.type), []).append(event)
        return found

    def _is_meant(self, event: Event, expectation: EventExpectation) -> bool:
        if expectation.status is not None and event.status.casefold() != expectation.status.casefold():
            return False
        return expectation.node is None or is_named(self.log.dialect, event.node, expectation.node)

    def _hint(self, of_type: Sequence[Event]) -> str:
        """Say what there is in place of events that are missing."""
        if not of_type:
            return f"; there are {_list((event.type for event in self.log.events), self._name) or 'none at all'}"
        seen = ((event.status, event.node) for event in of_type)
        return f"; of this type there are {_list(seen, lambda one: f'{self._name(one[0])} of {self._name(one[1])!r}')}"

    def _judge_steps(self) -> Iterator[Finding]:
        steps = self.expect.steps
        if not (steps.ran or steps.not_ran or steps.in_order):
            return
        starts = find_starts(self.log)
        seen = _list((start.step for start in starts), self._name) or "no step"
        for name in steps.ran:
            passed = any(start.is_of(name) for start in starts)
            shown = self._name(name)
            actual = "it ran" if passed else f"it did not; those that ran: {seen}"
            yield Finding(f"steps.ran {shown}", passed, "the step ran", actual)
        for name in steps.not_ran:
            count = sum(start.is_of(name) for start in starts)
            shown = self._name(name)
            actual = "it did not run" if not count else f"it ran{'' if count == 1 else f' {count} times'}"
            yield Finding(f"steps.notRan {shown}", not count, "the step did not run", actual)
        if steps.in_order:
            yield self._judge_order(steps.in_order, starts)

    def _judge_order(self, names: Sequence[str], starts: Sequence[Start]) -> Finding:
        """Judge whether steps started in an order, with whatever else between them."""
        expected = self.masker.excerpt(" → ".join(names), _ERROR_LENGTH)
        order = self.masker.excerpt(" → ".join(start.step for start in starts), _ERROR_LENGTH) or "no step"
        rest = iter(starts)
        before = ""
        for name in names:
            shown = self._name(name)
            if not any(start.is_of(name) for start in rest):
                actual = f"{order}; {shown!r} did not start{before}"
                return Finding("steps.inOrder", passed=False, expected=expected, actual=actual)
            before = f" after {shown!r}"
        return Finding("steps.inOrder", passed=True, expected=expected, actual=order)

    def _places(self, errors: Sequence[Event]) -> Sequence[_Place]:
        """Give the steps that have errors, and those executions that failed without an error of a step."""
        of_steps = [event for event in errors if not is_about_all(self.log.dialect, event)]
        explained = {event.execution for event in of_steps}
        others = [event for event in errors if event.execution not in explained]
        return tuple(dict.fromkeys(self._place(event) for event in (*of_steps, *others)))

    def _place(self, event: Event) -> _Place:
        return step_of(self.log.dialect, event.node), event.execution

    def _say_place(self, place: _Place) -> str:
        return _say_place(*place, self.log, self.masker)

    def _name(self, name: str) -> str:
        return self.masker.excerpt(name, _NAME_LENGTH)

    def _location(self) -> str:
        return f"execution {self.log.root}"


def _list(things: Iterable[_T], show: Callable[[_T], str]) -> str:
    """Name things, with how often they are there; those that are too many to be named are counted only."""
    counts = Counter(things)
    named = [show(thing) + (f" ({count} times)" if count > 1 else "") for thing, count in list(counts.items())[:_NAMED]]
    more = len(counts) - _NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _say_place(step: str, execution: int, log: Log, masker: Masker) -> str:
    # Masked before it is quoted: that may write a secret in another way.
    child = "" if execution == log.root else f" of execution {execution}"
    return f"step {masker.excerpt(step, _NAME_LENGTH)!r}{child}"


def _judge_count(name: str, count: int, least: int, most: int | None) -> Finding:
    if most is None:
        expected = f"at least {_say_events(least)}"
    elif least == most:
        expected = f"exactly {_say_events(least)}"
    else:
        expected = f"at most {_say_events(most)}" if least == 0 else f"{least} to {_say_events(most)}"
    passed = count >= least and (most is None or count <= most)
    return Finding(name, passed, expected, _say_events(count))


def _say_events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"


def find_outputs(
    outputs: dict[str, JsonValue], expressions: Mapping[str, Expression], document: JsonValue, masker: Masker
) -> list[Finding]:
    """Add the outputs that the case names, and the result, unless it is too large or named otherwise.

    Args:
        outputs: what there is; is added to.
        expressions: what the case names.
        document: what they are applied to.
        masker: for what is told of a fault.

    Returns:
        Why one of them could not be found; empty where all were.

    Raises:
        OutputsTooLarge: those that the case names are larger than a report can carry.
        InvalidCase: an expression turns out to be wrong.
    """
    for name, expression in expressions.items():
        try:
            outputs[name] = expression.search(document)
        except NotApplicable as error:
            actual = masker.excerpt(str(error), MAX_MESSAGE_CHARACTERS)
            return [Finding(f"outputs.{name}", passed=False, expected=f"a value of {expression.source}", actual=actual)]
    if expressions and _size(outputs) > MAX_OUTPUT_BYTES:
        problem = f"they are {_size(outputs)} bytes of JSON; at most {MAX_OUTPUT_BYTES} can be reported"
        raise OutputsTooLarge(f"playbook.outputs: {problem}")
    result = document.get(_RESULT) if isinstance(document, dict) else None
    if _RESULT not in outputs and result is not None and _size({**outputs, _RESULT: result}) <= MAX_OUTPUT_BYTES:
        outputs[_RESULT] = result
    return []


def _size(outputs: Mapping[str, JsonValue]) -> int:
    return len(json.dumps(outputs, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
