"""Translates events of the servers written in Rust into the form that the events of other releases have.

Their workers write the result of a tool three levels deep into ``call.done``. An error is written there, too, with the
status COMPLETED: ``{"context": {"command_id", "result": {"status", "context": {"data", "error", "stderr"}}}}``. The
column ``error`` stays empty. A result of more than 100 KB is kept elsewhere, and a reference is in its place.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.eventlog.rows import LEFT_OUT, Row, event_of, shortened
from testrun_operator.kinds.playbook.execution.ids import mapping
from testrun_operator.kinds.playbook.execution.log import Dialect, Event

_RESULT: Final = "call_done"
_WITH_ERROR: Final = frozenset({"call_error", "command_failed", "step_failed"})
_LONGEST_LINE: Final = 2_000


class EventReader(Protocol):
    """A function that makes an event of a row of ``noetl.event``, or of an event as the server's API returns it."""

    def __call__(self, row: Row, *, longest_result: int | None = None) -> Event:
        """Make an event.

        Args:
            row: the columns by name.
            longest_result: how many characters of JSON a result may have; None for any number. Of a longer one only
                that is kept which tells whether the log is complete.

        Raises:
            ValueError: the row has no id, no execution or no time.
        """


def event_reader(dialect: Dialect) -> EventReader:
    """Return the function that makes events of the rows of a generation."""
    return rust_event_of if dialect is Dialect.RUST else event_of


def rust_event_of(row: Row, *, longest_result: int | None = None) -> Event:
    """Make an event of a row that a server written in Rust wrote; arguments as those of :class:`EventReader`."""
    found = event_of(row)
    result, error = found.result, found.error
    context = mapping(mapping(result).get("context"))
    if LEFT_OUT in mapping(result):
        return found
    if fold(found.type) == _RESULT:
        call = mapping(context.get("result"))
        error = error or _error_of(call)
        result = {"error": error} if error else _result_of(call)
    elif fold(found.type) in _WITH_ERROR:
        error = error or str(context.get("error") or "")
    if longest_result is not None:
        result = shortened(result, longest_result)
    return replace(found, result=result, error=error)


def _result_of(call: Mapping[str, JsonValue]) -> JsonValue:
    """Return the result of a tool without what the worker puts around it."""
    reference = mapping(call.get("reference"))
    if reference:
        # The result is kept elsewhere; the reference says how large it is.
        return {LEFT_OUT: mapping(reference.get("meta")).get("bytes")}
    return mapping(call.get("context")).get("data")


def _error_of(call: Mapping[str, JsonValue]) -> str:
    """Return the error of a tool, with the last line that a program wrote to standard error; empty if there is none."""
    tool = mapping(call.get("context"))
    error = str(tool.get("error") or "")
    said = str(tool.get("stderr") or "").strip().rpartition("\n")[2][:_LONGEST_LINE]
    return f"{error}: {said}" if error and said else error
