"""Tells the observer what happens: from one thread at a time, whoever has something to say."""

import threading

from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.execution.request import Observer
from testrun_operator.kinds.sql.outcome import TestCaseOutcome, TestOutcome


class Voice:
    """Passes everything on to an observer, one thing at a time.

    Args:
        observer: who is told.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.Lock()

    def planned(self, cases: int, tests: int) -> None:
        """Say how many test cases and tests there are."""
        with self._lock:
            self._observer.planned(cases, tests)

    def doing(self, what: str) -> None:
        """Say what is being done."""
        with self._lock:
            self._observer.doing(what)

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """Tell the outcome of a test."""
        with self._lock:
            self._observer.test_ended(case, outcome)

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Tell the outcome of a test case."""
        with self._lock:
            self._observer.case_ended(outcome)
