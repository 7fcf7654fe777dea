"""Runs cases of the kind ``parrot``."""

import time

from testrun_operator.kinds.parrot.spec import ParrotCase

from testrun_operator.api.reason import Reason
from testrun_operator.runner.context import Conclusion, Context


def run_case(context: Context) -> Conclusion:
    """Run the case."""
    spec = context.document.case.spec_as(ParrotCase)
    said = context.templates.text(spec.say, "parrot.say")
    for _ in range(spec.times):
        context.journal.count_step()
        context.journal.progress("listening")
        time.sleep(spec.pause.total_seconds())
    if spec.hear in {None, said}:
        return Conclusion.passed(Reason.EXPECTATIONS_MET, {"heard": said})
    return Conclusion.failed(Reason.EXPECTATION_NOT_MET, f"expected {spec.hear}, heard {said}")
