"""What an execution looks like to expressions, and in reports."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from testrun_operator.api.report import MAX_EVENT_TYPES, MAX_LAST_EVENTS, ReportedEvent
from testrun_operator.kinds.playbook.execution.event_types import fold, is_error
from testrun_operator.kinds.playbook.execution.ids import mapping
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Log
from testrun_operator.kinds.playbook.execution.status import FinalStatus
from testrun_operator.kinds.playbook.execution.steps import find_starts, step_of
from testrun_operator.masking import Masker

_WORD_LENGTH: Final = 100
_OTHER_TYPES: Final = "other"
_ENDS: Final = {
    Dialect.QUEUE: ("action_completed", "action_failed", "step_result"),
    Dialect.COMMAND: ("step_exit", "command_completed", "command_failed"),
    Dialect.BATCH: ("step_exit", "command_completed", "command_failed"),
    Dialect.RUST: ("call_done", "call_error"),
}
"""Types of events that have the result of a step. The last one counts."""
_ADDED: Final = frozenset({"command_id", "worker_id", "loop_event_id"})
"""What 4.x puts beside the keys of a result."""
_LEFT_OUT: Final = {"status": "COMPLETED"}
"""What the events of 4.x have in place of a result that is no object, or has something else than plain values."""
_WRAPPER: Final = "_value"
_NOOP_OF_RUST: Final = {"status": "ok", "message": "noop"}
_TOO_LARGE: Final = "leftOut"
"""The key under which readers of logs say how large a result is that they did not keep."""
_KEPT_OF_LARGE: Final = frozenset({"status", "execution_id", "context", _TOO_LARGE})


@dataclass(frozen=True)
class EventCounts:
    """The events of a log in short, as they are reported."""

    by_type: Mapping[str, int]
    """How many there were by type as it was written; the most frequent ones where there are very many types."""
    last: tuple[ReportedEvent, ...]
    """The last ones."""


def describe(log: Log, final: FinalStatus) -> JsonValue:
    """Return what expressions are applied to: ``{status, result, steps, events, execution}``.

    ``steps`` has the results of the steps that ran, of the execution itself and not of those that it started; of a
    step that ran several times that of the last time, of a loop of 1.x a list. ``result`` is that of the last step
    that has one. ``events`` counts all events by type, with underscores for dots, as releases differ in that.
    Ids are texts. A result that is too large to be kept is ``{leftOut: BYTES}``.

    Args:
        log: the log.
        final: how the execution ended.
    """
    steps = _results(log)
    last: JsonValue = None
    for start in find_starts(log):
        result = steps.get(start.step)
        if result is not None and not _is_noop(result):
            last = result
    counts: dict[str, JsonValue] = dict(sorted(Counter(fold(event.type) for event in log.events).items()))
    return {
        "status": final.status.value,
        "result": last,
        "steps": dict(steps),
        "events": counts,
        "execution": {"id": str(log.root)},
    }


def left_out_of(document: JsonValue) -> tuple[str, ...]:
    """Name the steps whose results are too large to be in the document."""
    steps = mapping(mapping(document).get("steps"))
    return tuple(name for name, result in steps.items() if mapping(result).keys() == {_TOO_LARGE})


def actual_events(log: Log, masker: Masker) -> EventCounts:
    """Count the events of a log, and give the last ones, for a report.

    Args:
        log: the log.
        masker: keeps secrets out of names, before they are cut.
    """
    counts = Counter(masker.excerpt(event.type, _WORD_LENGTH) for event in log.events).most_common()
    if len(counts) > MAX_EVENT_TYPES:
        kept, rest = counts[: MAX_EVENT_TYPES - 1], counts[MAX_EVENT_TYPES - 1 :]
        counts = [*kept, (_OTHER_TYPES, sum(count for _, count in rest))]
    ordered = sorted(log.events, key=lambda event: event.id)
    last = tuple(
        ReportedEvent(
            type=masker.excerpt(event.type, _WORD_LENGTH),
            status=masker.excerpt(event.status, _WORD_LENGTH),
            node=masker.excerpt(event.node, _WORD_LENGTH),
            execution=None if event.execution == log.root else str(event.execution),
        )
        for event in ordered[-MAX_LAST_EVENTS:]
    )
    return EventCounts(dict(sorted(counts)), last)


def _results(log: Log) -> dict[str, JsonValue]:
    """Give the results of the steps that ran, in the order in which they first did."""
    names = dict.fromkeys(start.step for start in find_starts(log))
    found = dict(_results_in_events(log, frozenset(names)))
    if log.dialect is Dialect.BATCH:
        found.update(_results_in_server_state(log, frozenset(names)))
    return {name: found.get(name) for name in names}


def _results_in_events(log: Log, names: frozenset[str]) -> Iterator[tuple[str, JsonValue]]:
    """Give the results that events have; of several of a step the last is right."""
    ended: dict[str, Event] = {}
    for event in sorted(log.of(log.root), key=lambda event: event.id):
        type_ = fold(event.type)
        if type_ not in _ENDS[log.dialect]:
            continue
        if log.dialect is Dialect.QUEUE:
            if event.node not in names:
                continue  # an iteration: the list of all is the result of the step
            if type_ != "step_result":
                ended[event.node] = event
        result = _mark_of_large(event.result)
        if result is not None:
            yield step_of(log.dialect, event.node), result
        elif type_ == "step_result":
            yield event.node, _unwrapped(event.result, ended.get(event.node))
        elif log.dialect is Dialect.QUEUE:
            yield event.node, _result_of_action(event)
        elif log.dialect in (Dialect.COMMAND, Dialect.RUST):
            yield event.node, event.result
        else:
            yield step_of(log.dialect, event.node), _result_in_context(event)


def _mark_of_large(result: JsonValue) -> JsonValue:
    """Give what stands for a result that was not kept; None where the result is there."""
    if isinstance(result, dict) and _TOO_LARGE in result and result.keys() <= _KEPT_OF_LARGE:
        return {_TOO_LARGE: result[_TOO_LARGE]}
    return None


def _result_of_action(event: Event) -> JsonValue:
    """Take a result out of what 1.x writes around it: ids for most tools, attempts where the step has a retry."""
    result = event.result
    if not isinstance(result, dict) or is_error(event):
        return result
    if "attempt_number" in result and "result" in result:
        return result["result"]
    if result.keys() >= {"id", "data", "status"}:
        return result["data"]
    return result


def _unwrapped(result: JsonValue, action: Event | None) -> JsonValue:
    """Give a result as the step made it. 1.x writes it twice, and each time some values otherwise."""
    if action is None:
        return result
    inner = _result_of_action(action)
    is_wrapped_list = isinstance(inner, list) and result == {"value": inner}
    return inner if result is None or is_wrapped_list or result == action.result else result


def _result_in_context(event: Event) -> JsonValue:
    context = mapping(event.result).get("context")
    if not isinstance(context, dict):
        return None
    result = {key: value for key, value in context.items() if key not in _ADDED}
    return None if result == _LEFT_OUT else _plain(result)


def _results_in_server_state(log: Log, names: frozenset[str]) -> Iterator[tuple[str, JsonValue]]:
    """Give the results that 4.x keeps with the execution: they are whole, where those in events lack some keys.

    They are not kept of a step that failed; what stands there under its name is from a time before. And what stands
    there under a name that is no step's is none.
    """
    failed = {step_of(log.dialect, event.node) for event in log.of(log.root) if is_error(event)}
    for server_state in log.server_states:
        if server_state.execution != log.root:
            continue
        for name, value in server_state.results.items():
            if name in names and name not in failed:
                inner = mapping(value).get("context")
                yield name, _plain(inner if isinstance(inner, dict) else value)


def _plain(result: JsonValue) -> JsonValue:
    """Take out what is no object: 4.x writes null as an object with one key."""
    return result[_WRAPPER] if isinstance(result, dict) and result.keys() == {_WRAPPER} else result


def _is_noop(result: JsonValue) -> bool:
    """Whether it is what 4.x, or a worker written in Rust, writes for a step that does nothing."""
    if not isinstance(result, dict):
        return False
    return (result.keys() == {"step", "status"} and result["status"] == "noop") or result == _NOOP_OF_RUST
