"""What the child process that runs a case tells its parent: JSON documents, one a line, through a pipe."""

import json
import os
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from testrun_operator.api.report import Detail, ExecutionReport
from testrun_operator.runner.context import Conclusion

STARTING = "starting"
"""What a case does before it has told anything."""
_CONCLUSION: TypeAdapter[Conclusion] = TypeAdapter(Conclusion)
_Kind = Literal["detail", "progress", "execution", "conclusion"]


class Sender:
    """The child's end.

    Args:
        descriptor: the pipe's writing end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell_detail(self, detail: Detail) -> None:
        """Tell a detail."""
        self._send("detail", detail.model_dump(mode="json", exclude_defaults=True))

    def tell_progress(self, doing: str, step_count: int) -> None:
        """Tell what the case is doing from now on, and how many requests it has sent."""
        self._send("progress", [doing, step_count])

    def tell_execution(self, execution: ExecutionReport) -> None:
        """Tell which execution the case started, so that it is known even if the case has to be killed."""
        self._send("execution", execution.model_dump(mode="json", exclude_defaults=True))

    def tell_conclusion(self, conclusion: Conclusion) -> None:
        """Tell how the case ended."""
        self._send("conclusion", _CONCLUSION.dump_python(conclusion, mode="json"))

    def _send(self, kind: _Kind, content: JsonValue) -> None:
        line = json.dumps([kind, content]).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]


@dataclass
class Received:
    """The parent's end: all that was told so far."""

    details: list[Detail] = field(default_factory=list)
    doing: str = STARTING
    doing_since: float = 0.0
    """When that was told, by the clock ``time.monotonic``."""
    step_count: int = 0
    execution: ExecutionReport | None = None
    """The execution of a playbook, as it was told last."""
    conclusion: Conclusion | None = None
    _rest: bytes = b""

    def feed(self, data: bytes, now: float) -> None:
        """Take what came through the pipe; an unfinished line waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            kind, content = json.loads(line)
            if kind == "detail":
                self.details.append(Detail.model_validate(content))
            elif kind == "progress":
                self.doing, self.step_count = content
                self.doing_since = now
            elif kind == "execution":
                self.execution = ExecutionReport.model_validate(content)
            else:
                self.conclusion = _CONCLUSION.validate_python(content, strict=False)
