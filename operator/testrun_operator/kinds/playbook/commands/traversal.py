"""Goes through a playbook's steps, however deep their loops, blocks and lists of tools are.

What a playbook hands over as data is left out: a request's body may say ``kind: Job``, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testrun_operator.errors import LocalError

_NO_STEPS = frozenset({"workload", "metadata", "keychain"})
"""Parts of a playbook, at its top, that have no steps."""
_DATA = frozenset(
    {
        *(
            "args",
            "body",
            "data",
            "env",
            "form",
            "headers",
            "input",
            "json",
            "map",
            "params",
            "payload",
            "query_params",
        ),
        *("result", "returns", "expects", "set", "vars"),
    }
)
"""Fields whose contents are data of the playbook."""
_MOST = 100_000
"""Of the mappings and lists of a playbook, so many are looked at: no playbook that people wrote has as many."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A mapping somewhere in a playbook: a step, a tool, a task of a list, or a part of one."""

    step: str
    """The step, or the task of a workbook, that it belongs to; empty outside of any."""
    fields: Mapping[str, object]

    def text(self, *names: str) -> str:
        """Give the first of some fields that is a text and not empty; the empty text where none is."""
        return next((value for name in names if isinstance(value := self.fields.get(name), str) and value), "")

    @property
    def where(self) -> str:
        """Name the step, for people."""
        return f"step {self.step!r}" if self.step else "the playbook"


class TooLarge(LocalError):
    """A playbook is larger than any that people write."""


def spots(document: Mapping[str, object]) -> Iterator[Spot]:
    """Give all mappings of a playbook in which there may be a tool, in their order.

    Each is given once, also where aliases of YAML name it again and again, or inside itself.

    Raises:
        TooLarge: there is too much to look at.
    """
    seen: set[int] = set()
    stack: list[tuple[str, object]] = [
        ("", document[name]) for name in reversed(tuple(document)) if name not in _NO_STEPS
    ]
    while stack:
        step, value = stack.pop()
        if not isinstance(value, Mapping | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if len(seen) > _MOST:
            raise TooLarge
        if isinstance(value, list):
            stack += [(step, one) for one in reversed(value)]
            continue
        spot = Spot(_step_of(value) or step, value)
        yield spot
        stack += [(spot.step, value[name]) for name in reversed(tuple(value)) if name not in _DATA]


def _step_of(fields: Mapping[str, object]) -> str:
    """Name the step that a mapping is: of the workflow, or of the workbook, whose tasks have names."""
    step = fields.get("step")
    if isinstance(step, str) and len(fields) > 1:
        return step
    name = fields.get("name") or fields.get("task")
    return name if isinstance(name, str) and ("tool" in fields or "type" in fields) else ""
