"""Events of the servers written in Rust, as the events of other releases are: with the result of a step, and its error.

Their workers write the result of a tool three levels deep into ``call.done``, and its error, too, with the status
COMPLETED: ``{"context": {"command_id", "result": {"status", "context": {"data", "error", "stderr"}}}}``. The column
``error`` stays empty. A result of more than 100 KB is kept elsewhere, and a reference is in its place.
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
    """Makes an event of a row of ``noetl.event``, or of what the server's API gives of it."""

    def __call__(self, row: Row, *, longest_result: int | None = None) -> Event:
        """Make an event.

        Args:
            row: the row.
            longest_result: of how many characters of JSON a result may be; of a longer one is kept what tells whether
                the log is complete.

        Raises:
            ValueError: it has no id, no execution or no time.
        """


def event_reader(dialect: Dialect) -> EventReader:
    """Give what makes events of the rows of a generation."""
    return rust_event_of if dialect is Dialect.RUST else event_of


def rust_event_of(row: Row, *, longest_result: int | None = None) -> Event:
    """Make an event of a row that a server written in Rust wrote."""
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
    """Take the result of a tool out of what the worker writes around it."""
    reference = mapping(call.get("reference"))
    if reference:
        # Beside it, in place of the result, stands where the result is.
        return {LEFT_OUT: mapping(reference.get("meta")).get("bytes")}
    return mapping(call.get("context")).get("data")


def _error_of(call: Mapping[str, JsonValue]) -> str:
    """Say what went wrong in a tool; of a program, what it said last."""
    tool = mapping(call.get("context"))
    error = str(tool.get("error") or "")
    said = str(tool.get("stderr") or "").strip().rpartition("\n")[2][:_LONGEST_LINE]
    return f"{error}: {said}" if error and said else error
