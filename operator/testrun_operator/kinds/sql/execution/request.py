"""What is to be executed, and who is told of it."""

from dataclasses import dataclass
from typing import Protocol

from testrun_operator.databases.base import Isolation
from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.outcome import TestCaseOutcome, TestOutcome


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tests of a project are run; the others do not appear in the outcome."""

    paths: tuple[str, ...] = ()
    """Globs over the paths of test case files, relative to the project or to its ``tests``; empty for all."""
    tests: tuple[str, ...] = ()
    """Globs over the names of tests, case ignored; empty for all."""
    expression: str = ""
    """As pytest's ``-k``: words with ``and``, ``or``, ``not`` and parentheses over ``path/test case/test``."""


@dataclass(frozen=True, slots=True)
class Request:
    """How a project is to be executed."""

    selection: Selection = Selection()
    isolation: Isolation = Isolation.NONE
    parallel: int = 1
    """How many test cases run at once; more than 1 only with ``Isolation.DATABASE``."""
    skip_schema_load: bool = False


class Observer(Protocol):
    """Is told what happens, as it happens; by several threads where test cases run in parallel, one at a time."""

    def planned(self, cases: int, tests: int) -> None:
        """Say how many test cases and tests there are, before the first statement."""

    def doing(self, what: str) -> None:
        """Say what is being done, with its place: ``tests/a.stt:12: CALL divide(…)``.

        Quick things are left out: what is done is looked at a few times a second.
        """

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """Take the outcome of a test."""

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Take the outcome of a test case, with those of its tests."""


class SilentObserver:
    """An :class:`Observer` that takes note of nothing."""

    def planned(self, cases: int, tests: int) -> None:
        """See :meth:`Observer.planned`."""

    def doing(self, what: str) -> None:
        """See :meth:`Observer.doing`."""

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """See :meth:`Observer.test_ended`."""

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """See :meth:`Observer.case_ended`."""
