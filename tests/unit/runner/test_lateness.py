"""A case that had to be killed: whose fault it is that it did not end."""

from typing import Any

import pytest

from support.playbook_cases import document_of
from testrun_operator.api.report import ExecutionReport
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.runner.main import _judge
from testrun_operator.runner.messages import Received
from testrun_operator.runner.supervisor import Ending

_ASKING = {"doing": "asking which generation of NoETL answers"}


@pytest.mark.parametrize(
    ("told", "failure_class"),
    [
        ({}, FailureClass.INFRASTRUCTURE),
        (_ASKING, FailureClass.DEPENDENCY),
        (_ASKING | {"execution": ExecutionReport(id="1")}, FailureClass.TEST),
    ],
    ids=["not begun", "not started", "started"],
)
def test_only_a_playbook_that_was_started_can_take_too_long(told: dict[str, Any], failure_class: FailureClass) -> None:
    """An overloaded node and a name server that does not answer have nothing to do with it."""
    document = document_of("http://noetl", {"path": "a"}, has_dsn=False)
    conclusion = _judge(Ending(Received(**told), timed_out=True), document)
    assert conclusion is not None
    assert (conclusion.verdict, conclusion.failure_class) == (Verdict.TIMED_OUT, failure_class)
