"""What a kind of case gets from the runner, and what it gives back."""

import time
from dataclasses import dataclass, field
from typing import Self

from pydantic import JsonValue

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import ExecutionReport
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.masking import Masker
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.templates import Templates


@dataclass(frozen=True)
class Context:
    """What a kind of case gets."""

    document: CaseDocument
    environment: dict[str, str]
    """The pod's environment variables, among them the secrets."""
    journal: Journal
    masker: Masker
    templates: Templates
    deadline: float
    """When the case's time is over, by the clock ``time.monotonic``."""

    def remaining_seconds(self) -> float:
        """Return how much of the case's time is left; never negative."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True)
class Conclusion:
    """How a case ended, by its own account."""

    verdict: Verdict
    failure_class: FailureClass | None
    reason: Reason
    message: str = ""
    outputs: dict[str, JsonValue] = field(default_factory=dict)
    execution: ExecutionReport | None = None
    """The execution of a playbook; None where the journal was told of it, or there was none."""

    @classmethod
    def passed(cls, reason: Reason, outputs: dict[str, JsonValue] | None = None) -> Self:
        """Return the conclusion of a case that passed."""
        return cls(Verdict.PASSED, None, reason, outputs=outputs or {})

    @classmethod
    def failed(cls, reason: Reason, message: str, outputs: dict[str, JsonValue] | None = None) -> Self:
        """Return the conclusion of a case whose subject is wrong."""
        return cls(Verdict.FAILED, FailureClass.TEST, reason, message, outputs or {})
