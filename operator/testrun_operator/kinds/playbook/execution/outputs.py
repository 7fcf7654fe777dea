"""Values of a playbook's execution for cases that need this one."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable
from testrun_operator.runner.findings import Finding
from testrun_operator.runner.problem import OutputsTooLarge

_RESULT = "result"


def find_outputs(
    outputs: dict[str, JsonValue], expressions: Mapping[str, Expression], document: JsonValue, masker: Masker
) -> list[Finding]:
    """Add the outputs that the case names, and the result, unless it is too large or named otherwise.

    Args:
        outputs: what there is; is added to.
        expressions: what the case names.
        document: what they are applied to.
        masker: for what is told of a fault.

    Returns:
        Why one of them could not be found; empty where all were.

    Raises:
        OutputsTooLarge: those that the case names are larger than a report can carry.
        InvalidCase: an expression turns out to be wrong.
    """
    for name, expression in expressions.items():
        try:
            outputs[name] = expression.search(document)
        except NotApplicable as error:
            actual = masker.excerpt(str(error), MAX_MESSAGE_CHARACTERS)
            return [Finding(f"outputs.{name}", passed=False, expected=f"a value of {expression.source}", actual=actual)]
    if expressions and _size(outputs) > MAX_OUTPUT_BYTES:
        problem = f"they are {_size(outputs)} bytes of JSON; at most {MAX_OUTPUT_BYTES} can be reported"
        raise OutputsTooLarge(f"playbook.outputs: {problem}")
    result = document.get(_RESULT) if isinstance(document, dict) else None
    if _RESULT not in outputs and result is not None and _size({**outputs, _RESULT: result}) <= MAX_OUTPUT_BYTES:
        outputs[_RESULT] = result
    return []


def _size(outputs: Mapping[str, JsonValue]) -> int:
    return len(json.dumps(outputs, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
