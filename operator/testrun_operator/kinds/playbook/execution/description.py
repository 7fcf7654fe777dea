"""Describes an execution: the document that expressions are applied to, and its events in short for reports."""

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
"""Folded types of the events that have the result of a step, by generation. The last such event of a step counts."""
_ADDED: Final = frozenset({"command_id", "worker_id", "loop_event_id"})
"""Keys that 4.x adds to the object that is the result of a step."""
_LEFT_OUT: Final = {"status": "COMPLETED"}
"""What events of 4.x have in place of a result that is no object, or that contains other objects or lists."""
_WRAPPER: Final = "_value"
"""Key of the object into which 4.x puts a result that is no object."""
_NOOP_OF_RUST: Final = {"status": "ok", "message": "noop"}
"""The result of a step that does nothing, as workers written in Rust write it."""
_TOO_LARGE: Final = "leftOut"
"""Key under which the readers of event logs put the size of a result that they did not keep."""
_KEPT_OF_LARGE: Final = frozenset({"status", "execution_id", "context", _TOO_LARGE})


@dataclass(frozen=True)
class EventCounts:
    """The events of a log in short, as they are reported."""

    by_type: Mapping[str, int]
    """How many there were of each type, as the types are written; rare types count as ``other`` if there are many."""
    last: tuple[ReportedEvent, ...]
    """The last events, the oldest first."""


def describe(log: Log, final: FinalStatus) -> JsonValue:
    """Return the document that expressions are applied to: ``{status, result, steps, events, execution: {id}}``.

    ``steps`` has the results of the steps that ran in the execution itself, by name. Of a step that ran several times
    it is the last result, of a loop of 1.x a list of all. ``result`` is the result of the last step that has one.
    ``events`` has the number of events by type, with those of the executions that it started; dots in types are
    underscores, since releases differ in that. Ids are texts. A result that was too large to be kept is
    ``{leftOut: SIZE}``.

    Args:
        log: the complete log.
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
    """Return the names of the steps whose results were too large to be kept.

    Args:
        document: what :func:`describe` returned.
    """
    steps = mapping(mapping(document).get("steps"))
    return tuple(name for name, result in steps.items() if mapping(result).keys() == {_TOO_LARGE})


def actual_events(log: Log, masker: Masker) -> EventCounts:
    """Count the events of a log by type, and select the last ones, for a report.

    Args:
        log: the log, which need not be complete.
        masker: keeps secrets out of the names in it.
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
    """Return the results of the steps that ran, by name, in the order in which they started for the first time."""
    names = dict.fromkeys(start.step for start in find_starts(log))
    found = dict(_results_in_events(log, frozenset(names)))
    if log.dialect is Dialect.BATCH:
        found.update(_results_in_server_state(log, frozenset(names)))
    return {name: found.get(name) for name in names}


def _results_in_events(log: Log, names: frozenset[str]) -> Iterator[tuple[str, JsonValue]]:
    """Yield pairs of step and result from the events. Of several results of a step the last one counts."""
    ended: dict[str, Event] = {}
    for event in sorted(log.of(log.root), key=lambda event: event.id):
        type_ = fold(event.type)
        if type_ not in _ENDS[log.dialect]:
            continue
        if log.dialect is Dialect.QUEUE:
            if event.node not in names:
                continue  # an iteration of a loop, whose result is the list of the results of all iterations
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
    """Return what stands for a result that was not kept; None if the result is there."""
    if isinstance(result, dict) and _TOO_LARGE in result and result.keys() <= _KEPT_OF_LARGE:
        return {_TOO_LARGE: result[_TOO_LARGE]}
    return None


def _result_of_action(event: Event) -> JsonValue:
    """Return the result of a step without what 1.x puts around it: an id, or the number of an attempt."""
    result = event.result
    if not isinstance(result, dict) or is_error(event):
        return result
    if "attempt_number" in result and "result" in result:
        return result["result"]
    if result.keys() >= {"id", "data", "status"}:
        return result["data"]
    return result


def _unwrapped(result: JsonValue, action: Event | None) -> JsonValue:
    """Return the result of a step as its tool returned it.

    1.x writes it twice, in ``action_completed`` and in ``step_result``, and each of them changes some kinds of values.

    Args:
        result: that of ``step_result``.
        action: the event ``action_completed`` of the same step; None if there is none.
    """
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
    """Yield pairs of step and result from ``noetl.execution``, where 4.x keeps them whole; those in events lack keys.

    The result of a step that failed is not written there, so that one under its name is from an earlier time that it
    ran. A value under a name that is no step's is no result.
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
    """Return a result that is no object without the object that 4.x puts around it."""
    return result[_WRAPPER] if isinstance(result, dict) and result.keys() == {_WRAPPER} else result


def _is_noop(result: JsonValue) -> bool:
    """Whether a result is what 4.x, or a worker written in Rust, writes for a step that does nothing."""
    if not isinstance(result, dict):
        return False
    return (result.keys() == {"step", "status"} and result["status"] == "noop") or result == _NOOP_OF_RUST
